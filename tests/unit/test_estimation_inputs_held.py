"""Inputs that nobody measures: held, taken to be the plant's own, or the reason not to begin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.estimation.estimate import EstimateError, with_inputs_held
from controller.estimation.history import ROW_S, History, start
from facility.site import Site
from models.dataset import History as Table
from tests.planning_plant import reference_site
from tests.planning_requests import NOON_S, snapshot_for, usual_setpoints

CHARGE, RATE = "tank1.charge_setpoint", "tank1.charge_rate"
STAGE = "cool.chiller_stage_setpoint"
MINUTES = 40


def seen(site: Site, lost: str) -> History:
    """Minutes of a hall at rest in which ``lost`` was never read, nor any sensor of a tank."""
    racks_c = np.full(len(site.racks), 30.0)
    history = start(site)
    for minute in range(MINUTES):
        time_s = NOON_S + ROW_S * minute
        snapshot = snapshot_for(site, usual_setpoints(site), racks_c, time_s=time_s)
        readings = {tag: r for tag, r in snapshot.readings.items() if tag != lost}
        history = history.seen(replace(snapshot, readings=readings))
    return history


@pytest.mark.parametrize(
    ("name", "actuator", "value"),
    [("campus-storage", CHARGE, 0.0), ("campus-stages", STAGE, 5.0)],
)
def test_what_racks_can_do_without_is_taken_to_be_the_plants_own(
    name: str, actuator: str, value: float
) -> None:
    site = reference_site(name)
    tag = site.actuators[actuator].read_back
    frame, held = with_inputs_held(seen(site, tag), site)
    assert (frame[tag] == value).all()
    assert held[tag].endswith(f"taken to be its fallback, {value:g}")


def test_a_tank_that_shows_nothing_leaves_no_input_unknown() -> None:
    site = reference_site("campus-storage")
    frame, held = with_inputs_held(seen(site, site.actuators[CHARGE].read_back), site)
    assert frame[RATE].isna().all()
    assert "the charge in force" in held[RATE]
    table = Table.of(site, frame)
    assert table.usable.all()
    assert not table.setpoints[:, list(site.groups).index(CHARGE)].any()


def test_without_the_weather_or_any_other_setpoint_nothing_is_estimated() -> None:
    site = reference_site("campus-storage")
    flow = site.actuators["cdu1.tcs_flow_setpoint"].read_back
    for lost in ("outdoor.wet_bulb_temperature", flow):
        with pytest.raises(EstimateError, match=lost):
            with_inputs_held(seen(site, lost), site)
