"""Storage tanks inside whole plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.planning import storage
from controller.planning.corridor import Corridor
from controller.planning.limits import group_limits
from controller.planning.proposal import reasons_of
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.storage_state import hours_later, states_of
from controller.planning.words import Plan, PlanRequest, StorageState
from controller.planning.worker import carry_on
from facility.telemetry import Quality, Reading, Snapshot
from models.contract import Array
from models.storage import full_kw
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

GROUP = "tank1.charge_setpoint"
SITE = reference_site("campus-storage")
PLANT = AnalyticPlant(SITE)
COLUMN = list(SITE.groups).index(GROUP)
FLAT, DEAR = 0.1, 0.6
DEAR_STEPS = slice(24, 36)
"""From two hours ahead to three."""


def tank(**changes: Any) -> StorageState:
    """Half full, with a chiller that has as much to spare as it carries."""
    full = full_kw(SITE, SITE.storage_tanks["tank1"])
    values: dict[str, Any] = {
        "group": GROUP,
        "level_pct": 50.0,
        "reserve_pct": 25.0,
        "full_kwh": 2180.0,
        "full_kw": full,
        "loss_pct_per_day": 2.0,
        "load_kw": 1200.0,
        "running_kw": 3600.0,
    }
    return StorageState(**(values | changes))


def dear_hour(steps: int) -> list[float]:
    price = np.full(steps, FLAT)
    price[DEAR_STEPS] = DEAR
    return price.tolist()


@pytest.fixture(scope="module")
def maker() -> PlanMaker:
    return PlanMaker(SITE, PLANT, PlanningSettings())


@pytest.fixture(scope="module")
def base(maker: PlanMaker) -> PlanRequest:
    """At rest: the setpoints that plans come to with the tank standing still."""
    asked = request_for(PLANT)
    for _ in range(3):
        rest = made(maker, asked).setpoints
        asked = request_for(PLANT, setpoints=np.array(rest[-1]), previous=rest)
    return asked


def made(maker: PlanMaker, asked: PlanRequest) -> Plan:
    plan = maker.make(asked).plan
    assert plan is not None
    assert plan.verified
    return plan


def charge(plan: Plan) -> Array:
    return np.array(plan.setpoints)[:, COLUMN]


def test_a_tank_is_charged_before_a_dear_hour_and_gives_in_it(
    maker: PlanMaker, base: PlanRequest
) -> None:
    asked = replace(base, price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),))
    plan = made(maker, asked)
    assert charge(plan)[: DEAR_STEPS.start].min() > 10.0
    assert charge(plan)[DEAR_STEPS].max() < -90.0
    level = 50.0 + np.cumsum(charge(plan)) / 100.0 / 12.0 * tank().full_kw / tank().full_kwh * 100.0
    assert level.min() >= 25.0
    assert level.max() <= 100.5  # less the loss, which is not counted here


def test_of_hours_that_are_as_dear_a_tank_is_used_in_the_first(
    maker: PlanMaker, base: PlanRequest
) -> None:
    """Evenly over the hours of the horizon, and not put off to the one after it."""
    asked = replace(
        base,
        price_per_kwh=(0.60,) * base.steps,
        price_later_per_kwh=(0.60, *(0.10,) * 19),
        storage=(tank(),),
    )
    found = charge(made(maker, asked))
    assert found[2:].max() < -10.0
    given = -found.sum() / 100.0 / 12.0 * tank().full_kw
    spare = (tank().level_pct - tank().reserve_pct) / 100.0 * tank().full_kwh
    assert given == pytest.approx(spare, rel=0.15)


def test_a_proposal_says_at_which_prices_a_tank_is_charged(
    maker: PlanMaker, base: PlanRequest
) -> None:
    asked = replace(base, price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),))
    plan = made(maker, asked)
    (effect,) = [each for each in plan.effects if each.quantity == "charge_setpoint"]
    assert effect.groups == (GROUP,)
    assert effect.stopped_by == "charged at 0.10 USD/kWh, 0.60 USD/kWh 2.0 h later"
    assert effect.shadow_price > 0.0
    said = " ".join(reasons_of(plan, SITE, ()))
    assert "Storage is charged at 0.10 USD/kWh" in said
    assert not any(GROUP in binding.constraint for binding in plan.binding)


def test_a_charge_that_waits_for_a_person_stands_while_it_is_worth_it(
    maker: PlanMaker, base: PlanRequest
) -> None:
    dear = replace(base, price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),))
    charging = maker.make(replace(dear, standing={GROUP: 40.0})).standing
    assert charging is not None
    assert charging.objection == ""
    flat = replace(base, storage=(tank(),), standing={GROUP: -40.0})
    giving = maker.make(flat).standing
    assert giving is not None
    assert giving.saving_kw > 0.0
    assert giving.objection == "it would save nothing any more"


def test_in_every_plan_the_level_stays_between_reserve_and_full(
    maker: PlanMaker, base: PlanRequest
) -> None:
    for number, level in enumerate((20.0, 26.0, 60.0, 99.0)):
        rng = np.random.default_rng(number)
        price = tuple(np.repeat(rng.uniform(0.02, 0.8, 8), 6).tolist())
        state = tank(level_pct=level)
        plan = made(maker, replace(base, price_per_kwh=price, storage=(state,)))
        per_step = charge(plan) / 100.0 / 12.0 * state.full_kw / state.full_kwh * 100.0
        levels = level + np.cumsum(per_step)
        assert levels.min() >= min(25.0, level) - 0.2
        assert levels.max() <= 100.2


@pytest.mark.parametrize(
    "changes",
    [
        {"storage": ()},
        {"storage": (tank(running_kw=1200.0, level_pct=25.0),)},
    ],
    ids=["nothing read", "nothing to spare and nothing to give"],
)
def test_where_nothing_can_be_planned_a_tank_stands_still(
    maker: PlanMaker, base: PlanRequest, changes: dict[str, Any]
) -> None:
    plan = made(maker, replace(base, price_per_kwh=tuple(dear_hour(base.steps)), **changes))
    assert np.all(charge(plan) == 0.0)


def test_where_the_solver_fails_a_tank_stands_still(
    maker: PlanMaker, base: PlanRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "schedule", lambda _: None)
    asked = replace(base, price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),))
    assert np.all(charge(made(maker, asked)) == 0.0)


def test_a_persons_charge_is_planned_around(maker: PlanMaker, base: PlanRequest) -> None:
    limits = list(base.limits)
    limits[COLUMN] = replace(
        limits[COLUMN], fixed_at=30.0, fixed_until_s=base.now_s + 3600.0, fixed_by="Ada"
    )
    asked = replace(
        base, limits=tuple(limits), price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),)
    )
    plan = made(maker, asked)
    assert np.all(charge(plan)[:9] == 30.0)
    assert not any("override" in binding.constraint for binding in plan.binding)


def test_a_plan_that_is_carried_on_without_a_planner_lets_the_tank_stand(
    maker: PlanMaker, base: PlanRequest
) -> None:
    asked = replace(base, price_per_kwh=tuple(dear_hour(base.steps)), storage=(tank(),))
    plan = made(maker, asked)
    later = replace(asked, now_s=asked.now_s + 600.0)
    carried = carry_on(plan, later)
    assert carried is not None
    assert np.all(charge(carried) == 0.0)


def test_a_charge_in_force_comes_to_rest_no_faster_than_its_rates(base: PlanRequest) -> None:
    limits = list(base.limits)
    limits[COLUMN] = replace(limits[COLUMN], in_force=-80.0, rise_per_step=30.0)
    corridor = Corridor(replace(base, limits=tuple(limits)), PlanningSettings())
    assert corridor.charges[COLUMN][:4].tolist() == [-50.0, -20.0, 0.0, 0.0]
    limits[COLUMN] = replace(limits[COLUMN], free_from_s=base.now_s + 400.0)
    corridor = Corridor(replace(base, limits=tuple(limits)), PlanningSettings())
    assert corridor.charges[COLUMN][:3].tolist() == [-80.0, -80.0, -50.0]


def test_at_a_flat_price_a_tank_is_filled_for_ride_through_and_never_used(
    maker: PlanMaker, base: PlanRequest
) -> None:
    flat = replace(base, price_later_per_kwh=(FLAT,) * 20)
    plan = made(maker, replace(flat, storage=(tank(),)))
    assert charge(plan).min() >= 0.0
    assert charge(plan).sum() > 100.0
    full = made(maker, replace(flat, storage=(tank(level_pct=100.0),)))
    assert np.all(charge(full) == 0.0)


def test_a_price_known_for_a_day_fills_a_tank_for_an_evening_beyond_the_horizon(
    maker: PlanMaker, base: PlanRequest
) -> None:
    later = np.full(20, FLAT)
    later[12:] = 0.5 * FLAT
    asked = replace(base, storage=(tank(),))
    cheaper_at_night = made(maker, replace(asked, price_later_per_kwh=tuple(later)))
    assert np.all(charge(cheaper_at_night) <= 0.0)
    later[2:6] = DEAR
    before_the_evening = made(maker, replace(asked, price_later_per_kwh=tuple(later)))
    assert charge(before_the_evening).min() >= 0.0
    assert charge(before_the_evening).sum() > 100.0


# -- what is read -------------------------------------------------------------------------------


def shown(**changes: float | None) -> Snapshot:
    snapshot = snapshot_for(SITE, usual_setpoints(SITE), np.full(len(SITE.racks), 25.0))
    values: dict[str, float | None] = {
        "tank1.charge_level": 60.0,
        "tank1.charge_rate": 20.0,
        "chiller1.running": 1.0,
        "chiller1.cooling_load": 1000.0,
        "chiller2.running": 0.0,
        "chiller2.cooling_load": 0.0,
        "chiller3.running": 0.0,
        "chiller3.cooling_load": 0.0,
    }
    readings = {
        tag: Reading(value, Quality.GOOD, NOON_S)
        for tag, value in (values | changes).items()
        if value is not None
    }
    return replace(snapshot, readings={**snapshot.readings, **readings})


def test_what_is_known_of_a_tank_is_read_with_its_chillers() -> None:
    (state,) = states_of(SITE, shown())
    full = full_kw(SITE, SITE.storage_tanks["tank1"])
    assert full == pytest.approx(25.0 * 7200.0 / 230.0)
    assert (state.level_pct, state.reserve_pct, state.running_kw) == (60.0, 25.0, 3600.0)
    # What charging puts on the chillers now is no load of the racks.
    assert state.load_kw == pytest.approx(1000.0 - 0.2 * full)
    assert state.full_kwh == pytest.approx(250.0 * 4.17 / 3.6 * 7200.0 / (4.17 * 230.0))


@pytest.mark.parametrize("tag", ["tank1.charge_level", "tank1.charge_rate", "chiller2.running"])
def test_a_tank_of_which_something_is_unknown_is_not_planned(tag: str) -> None:
    assert states_of(SITE, shown(**{tag: None})) == ()


@pytest.mark.parametrize(
    ("level", "lower", "named"),
    [(25.0, -100.0, "range"), (24.9, 0.0, "storage reserve"), (None, 0.0, "storage reserve")],
)
def test_no_plan_asks_for_a_discharge_that_the_envelope_would_refuse(
    level: float | None, lower: float, named: str
) -> None:
    held = dict(zip(SITE.groups, usual_setpoints(SITE).tolist(), strict=True))
    snapshot = shown(**{"tank1.charge_level": level})
    limits = group_limits(SITE, snapshot, held, (), {}, PlanningSettings())
    assert (limits[COLUMN].lower, limits[COLUMN].lower_name) == (lower, named)


def test_the_hours_after_the_horizon_are_asked_for_a_tank_alone() -> None:
    settings = PlanningSettings()
    hours = hours_later(SITE, 0.0, settings)
    assert hours[0] == 4.5 * 3600.0
    assert len(hours) == 20
    assert hours_later(reference_site("campus"), 0.0, settings) == []
    assert hours_later(SITE, 0.0, replace(settings, storage_look_ahead_h=0.0)) == []
