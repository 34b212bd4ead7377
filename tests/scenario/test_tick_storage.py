"""A storage tank over control steps: prices in, a charge written, and later a discharge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from controller.authority.automatic import ModeAlone
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.worker import InProcessPlanner
from controller.records import TickRecord
from controller.tick import Parts, TickState, tick
from facility.telemetry import Quality, Reading, Snapshot
from facility.wire import from_wire, to_wire
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_ports import TakesAll
from tests.planning_requests import NOON_S, snapshot_for, usual_setpoints

SITE = reference_site("campus-storage")
PLANT = AnalyticPlant(SITE)
CHARGE = "tank1.charge_setpoint"
FLAT, DEAR = 0.1, 0.8
DEAR_FROM_S, DEAR_TO_S = NOON_S + 5400.0, NOON_S + 9000.0


class Evening:
    """A feed of prices with one dear hour, from half past one to half past two."""

    def energy_per_kwh(self, times_s: Sequence[float]) -> Sequence[float] | None:
        return [DEAR if DEAR_FROM_S <= t < DEAR_TO_S else FLAT for t in times_s]

    def carbon_g_per_kwh(self, times_s: Sequence[float]) -> Sequence[float] | None:
        return None


def parts() -> Parts:
    settings = PlanningSettings()
    return Parts(
        site=SITE,
        model_version=PLANT.version,
        estimator=PLANT,
        forecaster=PLANT,
        planner=InProcessPlanner(PlanMaker(SITE, PLANT, settings)),
        authority=ModeAlone(),
        gateway=TakesAll(),
        prices=Evening(),
        settings=settings,
    )


def shot(
    time_s: float = NOON_S, charge: float = 0.0, *, level: float = 50.0, lost: str = ""
) -> Snapshot:
    """The hall at rest, its tank half full, one chiller running, a reading of it ``lost``."""
    usual = usual_setpoints(SITE)
    usual[list(SITE.groups).index(CHARGE)] = charge
    it = np.array([[0.6 * rack.rated_kw for rack in SITE.racks.values()]])
    found = snapshot_for(SITE, usual, PLANT.settled(usual[None, :], it)[0], time_s=time_s)
    shown = {"tank1.charge_level": level, "tank1.charge_rate": charge}
    for i, (runs, kw) in enumerate(((1.0, 1000.0), (0.0, 0.0), (0.0, 0.0)), start=1):
        shown |= {f"chiller{i}.running": runs, f"chiller{i}.cooling_load": kw}
    extra = {
        tag: Reading(value, Quality.GOOD, time_s)
        for tag, value in shown.items()
        if tag != f"tank1.{lost}"
    }
    return replace(found, readings={**found.readings, **extra})


def written(wired: Parts) -> list[float]:
    assert isinstance(wired.gateway, TakesAll)
    return [command.value for command in wired.gateway.sent if command.actuator == CHARGE]


async def test_a_step_charges_before_the_dear_hour_and_says_why() -> None:
    wired = parts()
    _, record = await tick(TickState.start(SITE), shot(), wired)
    assert record.request is not None
    assert record.request.charges == (CHARGE,)
    assert len(record.request.price_later_per_kwh) == 20
    (charge,) = written(wired)
    assert 5.0 < charge <= 100.0
    assert record.proposal is not None
    assert any("Storage is charged at 0.10 USD/kWh" in why for why in record.proposal.reasons)
    assert from_wire(TickRecord, to_wire(record)) == record


async def test_in_the_dear_hour_the_tank_gives() -> None:
    wired = parts()
    state, _ = await tick(TickState.start(SITE), shot(), wired)
    charge = written(wired)[-1]
    now_s = DEAR_FROM_S + 60.0
    await tick(state, shot(now_s, charge, level=80.0), wired)
    assert written(wired)[-1] < -20.0


@pytest.mark.parametrize("lost", ["charge_level", "charge_rate"])
async def test_without_a_reading_of_it_the_tank_is_let_stand(lost: str) -> None:
    wired = parts()
    _, record = await tick(TickState.start(SITE), shot(lost=lost), wired)
    assert record.request is not None
    assert record.request.storage == ()
    assert record.outcome is not None
    assert record.outcome.plan is not None
    assert not any(written(wired))
