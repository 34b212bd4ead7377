"""A hall of any size as the controller meets it: an untrained model and readings to match.

The model has a trained one's structure and its fit's starting point, typical plant, in place of
what is learned: a plan for it costs what a plan for a trained one costs.
"""

from __future__ import annotations

import json

import numpy as np
from torch import nn

from controller.planning.limits import group_limits
from controller.planning.settings import PlanningSettings
from controller.planning.storage_state import charges_of
from controller.planning.words import PlanRequest, row, table
from facility.commands import Mode
from facility.devices import Actuator
from facility.equipment import RackKind
from facility.site import Site
from facility.telemetry import Quality, Reading, Snapshot
from models.contract import Array, Inputs, Leakage
from models.forecast import LEADS_S as LOAD_LEADS_S
from models.forecast import LEVELS, QUANTILES, WINDOWS, LoadModel, WeatherModel
from models.layout import layout_of, rack_groups
from models.power import SIGNS, PowerModel, UnitPower, new_plant
from models.power_features import PowerLayout
from models.registry import Bundle, ModelCard, code_hash
from models.state import OffsetNoise
from models.thermal import ThermalModel, ThermalNet
from models.uncertainty import LEADS_S, ErrorModel, GroupErrors

START_S = 1_720_008_000.0
WET_BULB_C, DRY_BULB_C, DEW_POINT_C = 16.0, 24.0, 10.0
MARGIN_K = 1.0
USUAL = {
    "tcs_supply_temperature_setpoint": 28.0,
    "fws_supply_temperature_setpoint": 23.0,
    "cw_supply_temperature_setpoint": 21.0,
    "chw_supply_temperature_setpoint": 15.0,
    "supply_air_temperature_setpoint": 22.0,
    "charge_setpoint": 0.0,
}
"""What a plant's own control might hold; flows and fans at 0.7 of their highest."""
PUMP_SHARE, FAN_SHARE, PLANT_SHARE = 0.012, 0.03, 0.02
"""Power at full flow of a unit, and of each component of the plant, over the heat it is for."""


def untrained(site: Site, seed: int = 1) -> Bundle:
    """A model of a site that nobody has trained."""
    layout = layout_of(site)
    noise = OffsetNoise(1e-6, 0.05)
    racks = list(site.racks.values())
    features = PowerLayout.of(site, layout)
    plant = nn.ModuleDict({name: new_plant(name, features, seed) for name in SIGNS})
    heat_kw = sum(rack.rated_kw for rack in racks)
    for net in plant.values():
        net.scale_kw.fill_(PLANT_SHARE * heat_kw)  # type: ignore[operator]
    liquid = np.array([float(rack.kind is RackKind.DIRECT_TO_CHIP) for rack in racks])
    none = (0.0,) * len(QUANTILES)
    leads = len(LEADS_S)
    errors = GroupErrors((MARGIN_K,) * leads, (MARGIN_K,) * leads, (-0.5,) * leads, (0.5,) * leads)
    return Bundle(
        thermal=ThermalModel(layout, ThermalNet(layout, seed), noise, noise),
        power=PowerModel(
            features,
            plant,
            _units(site),
            Leakage(0.001 * liquid, 0.0 * liquid, 40.0 + 0.0 * liquid),
            dict.fromkeys(SIGNS, 1.0),
        ),
        errors=ErrorModel(dict.fromkeys(rack_groups(site), errors)),
        load_model=LoadModel(
            ((1.0,) * (len(WINDOWS) - 1),) * len(LOAD_LEADS_S),
            ((none,) * (len(LEVELS) + 1),) * len(LOAD_LEADS_S),
        ),
        weather_model=WeatherModel(),
        card=ModelCard(site.id, "", code_hash(), seed, 0.0, 0.0, 0.0, {}),
    )


def _units(site: Site) -> tuple[UnitPower, ...]:
    found = []
    for g, members in enumerate(site.groups.values()):
        first = members[0]
        cdu, crah = site.cdus.get(first.equipment), site.crahs.get(first.equipment)
        if first.quantity == "tcs_flow_setpoint" and cdu is not None:
            kind, kw, scale = "cdu_pumps", PUMP_SHARE * cdu.rated_kw, cdu.design_tcs_flow_ls
        elif first.quantity == "fan_speed_setpoint" and crah is not None:
            kind, kw, scale = "crah_fans", FAN_SHARE * crah.rated_kw, 100.0
        else:
            continue
        ends = (first.minimum, first.maximum)
        found.append(UnitPower(first.equipment, kind, g, scale, *ends, 0.05 * kw, kw, 2.7))
    return tuple(found)


def usual_setpoints(site: Site) -> Array:
    """(G,)."""
    return np.array([USUAL.get(m[0].quantity, 0.7 * m[0].maximum) for m in site.groups.values()])


def loads_kw(site: Site, time_s: float) -> Array:
    """(R,) each rack at its own share of its rating, which wanders in an hour."""
    number = np.arange(len(site.racks))
    phase = 2.0 * np.pi * (time_s / 3600.0 + 0.618 * number)
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    return np.asarray(rated * (0.6 + 0.2 * np.sin(0.37 * number) + 0.1 * np.sin(phase)))


def snapshots(site: Site, bundle: Bundle, minutes: int) -> list[Snapshot]:
    """One a minute: what sensors would read were the model the plant."""
    x = usual_setpoints(site)
    held = [(tag, v) for m, v in zip(site.groups.values(), x, strict=True) for tag in _reads(m)]
    outdoor = [("outdoor.wet_bulb_temperature", WET_BULB_C)]
    outdoor += [("outdoor.dry_bulb_temperature", DRY_BULB_C)]
    outdoor += [(tag, DEW_POINT_C) for tag in site.tags("dew_point_temperature")]
    it_power = np.stack([loads_kw(site, START_S + 60.0 * k) for k in range(minutes)])
    inputs = Inputs(
        start_s=START_S,
        step_s=60.0,
        setpoints=np.tile(x, (minutes, 1)),
        it_power_kw=it_power,
        wet_bulb_c=np.full(minutes, WET_BULB_C),
        dry_bulb_c=np.full(minutes, DRY_BULB_C),
    )
    racks = bundle.thermal.roll_out(bundle.thermal.settled(inputs), inputs).limited_c
    found = []
    for k in range(minutes):
        values = dict([*held, *outdoor])
        for rack, kw, warm_c in zip(site.racks.values(), it_power[k], racks[k], strict=True):
            values[str(site.tag(rack.id, "it_power"))] = float(kw)
            values[str(site.tag(rack.id, rack.limited_temperature))] = float(warm_c)
        time_s = START_S + 60.0 * k
        readings = {tag: Reading(float(v), Quality.GOOD, time_s) for tag, v in values.items()}
        modes = dict.fromkeys(site.actuators, Mode.AUTOMATIC)
        found.append(Snapshot(time_s=time_s, readings=readings, modes=modes))
    return found


def _reads(members: tuple[Actuator, ...]) -> list[str]:
    return [actuator.read_back for actuator in members]


def planned_request(
    site: Site,
    bundle: Bundle,
    settings: PlanningSettings,
    price: tuple[float, ...],
    in_force: Array | None = None,
) -> PlanRequest:
    """What a step asks the planner, with the load as it stands and the hall settled."""
    x, steps = usual_setpoints(site) if in_force is None else in_force, settings.steps
    it_power = np.tile(loads_kw(site, START_S), (steps, 1))
    now = Inputs(
        start_s=START_S,
        step_s=settings.step_s,
        setpoints=np.tile(x, (steps, 1)),
        it_power_kw=it_power,
        wet_bulb_c=np.full(steps, WET_BULB_C),
        dry_bulb_c=np.full(steps, DRY_BULB_C),
    )
    snapshot = snapshots(site, bundle, 1)[0]
    setpoints = dict(zip(site.groups, (float(v) for v in x), strict=True))
    return PlanRequest(
        number=1,
        now_s=START_S,
        step_s=settings.step_s,
        limits=group_limits(site, snapshot, setpoints, (), {}, settings),
        it_power_kw=table(it_power),
        wet_bulb_c=row(now.wet_bulb_c),
        dry_bulb_c=row(now.dry_bulb_c),
        price_per_kwh=price,
        state=json.dumps(bundle.thermal.settled(now).to_json()),
        model_version=bundle.version,
        charges=charges_of(site),
    )
