"""What a storage tank keeps for ride-through: no command of ours takes it out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.commands import Mode, Move, Outcome, Verdict
from facility.equipment import StorageTank
from facility.telemetry import Quality, Reading, Snapshot
from safety.envelope import Action, Correction
from safety.guards import Effect
from safety.scope import loop_of, racks_served
from safety.state import EnvelopeState
from tests.safety_kit import (
    NOW_S,
    actuator,
    command_at,
    decision,
    envelope,
    point,
    read_back,
    reading,
    site,
    telemetry,
)

CHARGE, LEVEL = "tank_1.charge_setpoint", "tank_1.charge_level"
TANK = StorageTank("tank_1", "cool", 200.0, 20.0, 25.0)
ACTUATOR = actuator(
    CHARGE, "ch_1", unit="%", minimum=-100.0, maximum=100.0, fallback=0.0, dead_band=2.0,
    rate_towards_per_min=100.0, rate_away_per_min=10.0,
)  # fmt: skip
PARTS = {
    "storage_tanks": {"tank_1": TANK},
    "actuators": (ACTUATOR,),
    "points": tuple(
        point(tag, "ch_1", unit="%") for tag in (CHARGE, read_back(CHARGE), LEVEL)
    ),
}  # fmt: skip
GATE = envelope(**PARTS)
ALL = decision(Move(CHARGE, -1000.0, 1000.0), id="wide")


def seen(
    level: float | Reading | None, start: float = 0.0, now_s: float = NOW_S, *, armed: bool = True
) -> Snapshot:
    """A quiet hall with a tank that stands at ``start``; None takes its level out."""
    found = telemetry(now_s=now_s, armed=armed)
    extra = {read_back(CHARGE): reading(start, now_s)}
    if level is not None:
        extra[LEVEL] = level if isinstance(level, Reading) else reading(level, now_s)
    return replace(
        found,
        readings={**found.readings, **extra},
        modes={**found.modes, CHARGE: Mode.AUTOMATIC},
    )


def held(start: float, level: float = 90.0) -> EnvelopeState:
    """A state that holds the tank at ``start``."""
    state = GATE.register(EnvelopeState(), ALL, NOW_S)
    state, verdict = GATE.judge_preload(state, CHARGE, seen(level, start, armed=False), NOW_S)
    assert verdict.value == start
    return state


def judge(value: float, level: float | Reading | None, start: float = 0.0) -> Verdict:
    _, verdict = GATE.judge(
        held(start), command_at(NOW_S, value, CHARGE), seen(level, start), NOW_S
    )
    return verdict


def scan(level: float | Reading | None, start: float, after_s: float = 10.0) -> Correction | None:
    now_s = NOW_S + after_s
    _, found = GATE.judge_in_force(held(start), seen(level, start, now_s), now_s)
    mine = [each for each in found if each.actuator == CHARGE]
    return mine[0] if mine else None


STALE = Reading(90.0, Quality.STALE, NOW_S)
OLD = Reading(90.0, Quality.GOOD, NOW_S - 3600.0)
BAD = Reading(None, Quality.BAD, NOW_S)
UNKNOWN = pytest.mark.parametrize("level", [None, STALE, OLD, BAD])


def test_at_the_reserve_and_above_it_a_tank_may_be_discharged() -> None:
    for level in (25.0, 60.0):
        assert judge(-40.0, level).outcome is Outcome.ALLOW


def test_under_the_reserve_no_discharge_is_allowed_and_every_charge_is() -> None:
    verdict = judge(-40.0, 24.9)
    assert (verdict.outcome, verdict.value, verdict.check) == (
        Outcome.REFUSE, None, "storage_reserve",
    )  # fmt: skip
    assert "nothing is taken out of it" in verdict.detail
    assert verdict.saw[LEVEL] == 24.9
    assert judge(40.0, 24.9).outcome is Outcome.ALLOW


@UNKNOWN
def test_a_level_that_cannot_be_believed_allows_no_discharge(level: float | Reading | None) -> None:
    assert judge(-40.0, level).outcome is Outcome.REFUSE
    assert judge(20.0, level).outcome is Outcome.ALLOW


def test_a_discharge_under_the_reserve_is_limited_to_standing_still() -> None:
    verdict = judge(-80.0, 10.0, start=-20.0)
    assert (verdict.outcome, verdict.value, verdict.check) == (
        Outcome.LIMIT, 0.0, "storage_reserve",
    )  # fmt: skip


def test_a_discharge_in_force_is_taken_back_when_the_level_comes_to_the_reserve() -> None:
    assert scan(25.0, -20.0) is None
    correction = scan(24.0, -20.0)
    assert correction is not None
    assert (correction.action, correction.check) == (Action.CORRECT, "storage_reserve")
    assert correction.value is not None
    assert correction.value >= 0.0
    assert scan(24.0, 30.0) is None


@UNKNOWN
def test_a_discharge_in_force_is_taken_back_when_the_level_is_lost(
    level: float | Reading | None,
) -> None:
    correction = scan(level, -20.0)
    assert correction is not None
    assert correction.check == "storage_reserve"


def test_a_discharge_that_racks_need_is_given_back_rather_than_stopped() -> None:
    """Local control serves ride-through first; under a hot rack the envelope stops none."""
    hot = seen(10.0, -20.0, NOW_S + 10.0)
    hot = replace(
        hot, readings={**hot.readings, "r3.inlet_temperature": reading(40.0, NOW_S + 10.0)}
    )
    _, found = GATE.judge_in_force(held(-20.0), hot, NOW_S + 10.0)
    (mine,) = [each for each in found if each.actuator == CHARGE]
    assert (mine.action, mine.check) == (Action.RELEASE, "storage_reserve")


@pytest.mark.parametrize(
    ("level", "start", "taken_over"), [(10.0, -20.0, False), (10.0, 0.0, True), (30.0, -20.0, True)]
)
def test_a_tank_that_gives_under_its_reserve_is_not_taken_over(
    level: float, start: float, taken_over: bool
) -> None:
    state = GATE.register(EnvelopeState(), ALL, NOW_S)
    _, verdict = GATE.judge_preload(state, CHARGE, seen(level, start, armed=False), NOW_S)
    assert (verdict.outcome is Outcome.ALLOW) is taken_over


def test_a_tank_is_of_its_loop_and_of_the_racks_that_the_loop_cools() -> None:
    hall = site(**PARTS)
    loop = loop_of(hall, "tank_1")
    assert loop is not None
    assert loop.id == "cool"
    assert racks_served(hall, "tank_1") == racks_served(hall, "cool")


def test_only_a_tank_has_a_reserve() -> None:
    found = {
        name: [g for g in own.interlocks if getattr(g, "effect", None) is Effect.STORE]
        for name, own in GATE.limits.actuators.items()
    }
    (reserve,) = found.pop(CHARGE)
    assert reserve.name == "storage_reserve"
    assert not any(found.values())


@pytest.mark.parametrize("level", [24.0, None])
@pytest.mark.parametrize("start", [-100.0, -20.0])
def test_what_a_tank_keeps_is_kept_at_once_and_it_is_not_charged_for_it(
    start: float, level: float | None
) -> None:
    """The rate away from cooling is for racks; the tank's pumps stop at their own pace."""
    correction = scan(level, start)
    assert correction is not None
    assert correction.action is Action.CORRECT
    assert correction.check == "storage_reserve"
    assert correction.value == 0.0
