"""Requests and snapshots of a hall at noon, for whoever plans in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from controller.planning.settings import PlanningSettings
from controller.planning.storage_state import charges_of
from controller.planning.words import GroupLimits, PlanRequest, table
from facility.commands import Mode
from facility.site import Site
from facility.telemetry import Quality, Reading, Snapshot
from models.contract import Array
from tests.planning_plant import AnalyticPlant

NOON_S = 1_720_008_000.0


def usual_setpoints(site: Site) -> Array:
    """(G,) what the plant's own control might hold."""
    usual = {
        "tcs_supply_temperature_setpoint": 25.0,
        "fws_supply_temperature_setpoint": 20.0,
        "cw_supply_temperature_setpoint": 18.0,
        "chw_supply_temperature_setpoint": 12.0,
        "supply_air_temperature_setpoint": 20.0,
        "charge_setpoint": 0.0,
    }
    return np.array([usual.get(m[0].quantity, 0.8 * m[0].maximum) for m in site.groups.values()])


def request_for(
    plant: AnalyticPlant,
    *,
    load: float = 0.6,
    wet_bulb_c: float = 8.0,
    setpoints: Array | None = None,
    racks_c: Array | None = None,
    settings: PlanningSettings | None = None,
    price: Sequence[float] | None = None,
    limits: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> PlanRequest:
    """A request at noon, with the hall settled unless told otherwise."""
    site, settings = plant.site, settings or PlanningSettings()
    steps = settings.steps
    x = usual_setpoints(site) if setpoints is None else setpoints
    it = np.tile([load * r.rated_kw for r in site.racks.values()], (steps, 1))
    racks = plant.settled(x[None, :], it[:1])[0] if racks_c is None else racks_c
    return PlanRequest(
        number=1,
        now_s=NOON_S,
        step_s=settings.step_s,
        limits=tuple(
            limit_for(site, g, float(x[g]), **(limits or {}).get(name, {}))
            for g, name in enumerate(site.groups)
        ),
        it_power_kw=table(it),
        wet_bulb_c=(wet_bulb_c,) * steps,
        dry_bulb_c=(wet_bulb_c + 4.0,) * steps,
        price_per_kwh=tuple(price) if price is not None else (0.1,) * steps,
        state=plant.to_text((NOON_S, racks)),
        model_version=plant.version,
        charges=charges_of(site),
        **more,
    )


def limit_for(site: Site, g: int, in_force: float, **changes: Any) -> GroupLimits:
    """The plain limits of a group."""
    name, members = list(site.groups.items())[g]
    a = members[0]
    away, towards = 5.0 * a.rate_away_per_min, 5.0 * a.rate_towards_per_min
    lower = a.cooling.sign < 0
    values: dict[str, Any] = {
        "group": name,
        "unit": a.unit,
        "in_force": in_force,
        "lower": a.minimum,
        "lower_name": "range",
        "upper": a.maximum,
        "upper_name": "range",
        "rise_per_step": away if lower else towards,
        "fall_per_step": towards if lower else away,
        "pace_per_step": towards,
        "colder_is_lower": lower,
        "free_from_s": 0.0,
        "away_from_s": 0.0,
    }
    return GroupLimits(**{**values, **changes})


def snapshot_for(
    site: Site,
    setpoints: Array,
    racks_c: Array,
    *,
    time_s: float = NOON_S,
    load: float = 0.6,
    wet_bulb_c: float = 8.0,
    dew_point_c: float = 9.0,
    mode: Mode = Mode.AUTOMATIC,
) -> Snapshot:
    """A snapshot with a good reading of everything that is looked at."""
    values: dict[str, float] = {
        "outdoor.wet_bulb_temperature": wet_bulb_c,
        "outdoor.dry_bulb_temperature": wet_bulb_c + 4.0,
    }
    values |= dict.fromkeys(site.tags("dew_point_temperature"), dew_point_c)
    for rack, temperature in zip(site.racks.values(), racks_c, strict=True):
        values[str(site.tag(rack.id, "it_power"))] = load * rack.rated_kw
        values[str(site.tag(rack.id, rack.limited_temperature))] = float(temperature)
    for members, value in zip(site.groups.values(), setpoints, strict=True):
        values |= {a.read_back: float(value) for a in members}
    return Snapshot(
        time_s=time_s,
        readings={tag: Reading(value, Quality.GOOD, time_s) for tag, value in values.items()},
        modes=dict.fromkeys(site.actuators, mode),
    )
