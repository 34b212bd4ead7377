"""Starts and stops of machines: each check below, at and above its limit, across restarts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Outcome
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.state import EnvelopeState, UnitMemory
from tests.safety_kit import NOW_S
from tests.safety_plant import GATE, plant_site, plant_telemetry

UNSEEN = Envelope(limits_of(plant_site(without=["ch_1.running", "ch_2.running"])))
"""Machines whose running nobody shows: what was ordered counts alone."""
OFF = {"ch_1": UnitMemory(False, NOW_S - 1e6), "ch_2": UnitMemory(True, NOW_S - 1e6)}


def state_of(**memory: Any) -> EnvelopeState:
    own = UnitMemory(**memory)
    return EnvelopeState(units={**OFF, "ch_1": own})


def ask(
    on: bool,
    state: EnvelopeState,
    changes: dict[str, Any] | None = None,
    gate: Envelope = UNSEEN,
    now_s: float = NOW_S,
) -> tuple[EnvelopeState, str]:
    seen = plant_telemetry(changes, now_s=now_s)
    state, verdict = gate.judge_stage(state, "ch_1", on, seen, now_s)
    if verdict.outcome is Outcome.ALLOW:
        assert verdict.value == float(on)
        assert state.unit("ch_1").on is on
        return state, ""
    assert (verdict.outcome, verdict.value) == (Outcome.REFUSE, None)
    assert verdict.detail
    return state, verdict.check


STOPPED = EnvelopeState(units=OFF)
RUNNING = state_of(on=True, changed_at_s=NOW_S - 1e5)


def test_a_rested_machine_may_be_started_and_one_that_ran_long_stopped() -> None:
    state, check = ask(True, STOPPED)
    assert check == ""
    assert state.unit("ch_1") == UnitMemory(True, NOW_S, (NOW_S,))
    state, check = ask(False, RUNNING)
    assert check == ""
    assert state.unit("ch_1") == UnitMemory(False, NOW_S, ())


def test_what_it_does_already_is_not_judged_and_counts_nothing() -> None:
    locked = {"site.fire_alarm": 1.0}
    state, check = ask(True, RUNNING, locked)
    assert check == ""
    assert state.units == RUNNING.units
    assert ask(False, STOPPED, locked)[1] == ""


def test_what_is_not_staged_is_not_listed_and_the_clock_does_not_go_back() -> None:
    _, verdict = UNSEEN.judge_stage(STOPPED, "t_1", True, plant_telemetry(), NOW_S)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "whitelist")
    later = STOPPED.at(NOW_S + 1.0)
    state, verdict = UNSEEN.judge_stage(later, "ch_1", True, plant_telemetry(), NOW_S)
    assert (state, verdict.check) == (later, "clock")


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"site.fire_alarm": 1.0}, "fire_alarm"),
        ({"site.fire_alarm": None}, "fire_alarm"),
        ({"site.hardwired_enable": 0.0}, "hardwired_enable"),
        ({"ch_1.available": 0.5}, ""),
        ({"ch_1.available": 0.4999}, "out_of_service"),
        ({"cool.running": 0.5}, ""),
        ({"cool.running": 0.4999}, "pump_first"),
        ({"cool.running": None}, "pump_first"),
        ({"tower_water.cw_flow": 0.5}, ""),
        ({"tower_water.cw_flow": 0.4999}, "pump_first"),
        ({"tower_water.cw_flow": None}, "pump_first"),
        ({"ch_1.chw_supply_temperature": 4.4}, ""),
        ({"ch_1.chw_supply_temperature": 4.3999}, "freeze"),
        ({"ch_2.available": 0.0}, ""),  # a start brings redundancy back
    ],
)
def test_before_a_start(changes: dict[str, Any], check: str) -> None:
    assert ask(True, STOPPED, changes)[1] == check


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"site.generator_running": 1.0}, "generator_running"),
        ({"ch_2.available": 0.0}, "redundancy_chillers_of_cool"),
        ({"ch_2.available": None}, "redundancy_chillers_of_cool"),
        ({"cool.running": 0.0, "tower_water.cw_flow": 0.0}, ""),  # it must be able to stop then
        ({"ch_1.chw_supply_temperature": 1.0}, ""),
    ],
)
def test_before_a_stop(changes: dict[str, Any], check: str) -> None:
    assert ask(False, RUNNING, changes)[1] == check


def test_a_site_without_pumps_in_its_points_starts_without_their_proof() -> None:
    bare = ["ch_1.running", "ch_2.running", "cool.running", "tower_water.cw_flow"]
    gate = Envelope(limits_of(plant_site(without=bare)))
    assert ask(True, STOPPED, dict.fromkeys(bare), gate)[1] == ""


@pytest.mark.parametrize(("off_s", "check"), [(600.0, ""), (599.999, "min_off"), (0.0, "min_off")])
def test_off_for_at_least_ten_minutes(off_s: float, check: str) -> None:
    state = state_of(on=False, changed_at_s=NOW_S - off_s)
    assert ask(True, state)[1] == check


@pytest.mark.parametrize(("on_s", "check"), [(300.0, ""), (299.999, "min_on"), (0.0, "min_on")])
def test_on_for_at_least_five_minutes(on_s: float, check: str) -> None:
    state = state_of(on=True, changed_at_s=NOW_S - on_s, starts_s=(NOW_S - on_s,))
    assert ask(False, state)[1] == check


@pytest.mark.parametrize(
    ("start_s", "check"), [(900.0, ""), (899.999, "start_to_start"), (700.0, "start_to_start")]
)
def test_fifteen_minutes_from_start_to_start(start_s: float, check: str) -> None:
    state = state_of(on=False, changed_at_s=NOW_S - 600.0, starts_s=(NOW_S - start_s,))
    assert ask(True, state)[1] == check


@pytest.mark.parametrize(
    ("starts", "oldest_s", "check"),
    [(7, 40_000.0, ""), (8, 43_199.999, "starts"), (8, 43_200.0, ""), (9, 43_200.0, "starts")],
)
def test_at_most_eight_starts_in_twelve_hours(starts: int, oldest_s: float, check: str) -> None:
    moments = (NOW_S - oldest_s, *(NOW_S - 20_000.0 + i for i in range(starts - 1)))
    state, found = ask(True, state_of(on=False, changed_at_s=NOW_S - 1e4, starts_s=moments))
    assert found == check
    if check == "":
        kept = [moment for moment in moments if NOW_S - moment < 43_200.0]
        assert state.unit("ch_1").starts_s == (*kept, NOW_S)


def test_a_machine_that_nobody_saw_before_has_changed_just_now() -> None:
    fresh = EnvelopeState()
    assert ask(True, fresh)[1] == ""
    assert ask(False, fresh)[1] == ""
    started = replace(GATE.observe(fresh, plant_telemetry(), NOW_S))
    assert started.unit("ch_1") == UnitMemory(True, NOW_S, (NOW_S,))
    assert ask(False, started, now_s=NOW_S + 299.0)[1] == "min_on"


def test_starts_of_the_plant_itself_count_too() -> None:
    state = STOPPED
    for minute, shown in ((1, 1.0), (2, 1.0), (30, 0.0), (50, 1.0)):
        now_s = NOW_S + 60.0 * minute
        seen = plant_telemetry({"ch_1.running": shown}, now_s=now_s)
        state, _ = GATE.judge_in_force(state, seen, now_s)
    assert state.unit("ch_1") == UnitMemory(True, NOW_S + 3000.0, (NOW_S + 60.0, NOW_S + 3000.0))
    assert state.unit("ch_2").starts_s == ()


def test_a_machine_that_goes_away_and_comes_back_keeps_its_timers() -> None:
    """A heat pump was cycled to overheating when its timer was reset by absence."""
    state, _ = GATE.judge_in_force(STOPPED, plant_telemetry({"ch_1.running": 1.0}), NOW_S)
    before = state.unit("ch_1")
    for after_s in (10.0, 20.0, 30.0):
        now_s = NOW_S + after_s
        gone = plant_telemetry({"ch_1.running": None}, now_s=now_s, connected=False)
        state, _ = GATE.judge_in_force(state, gone, now_s)
    now_s = NOW_S + 40.0
    state, _ = GATE.judge_in_force(
        state, plant_telemetry({"ch_1.running": 1.0}, now_s=now_s), now_s
    )
    assert state.unit("ch_1") == before
    assert ask(False, state, {"ch_1.running": 1.0}, GATE, NOW_S + 299.0)[1] == "min_on"


def test_a_restart_keeps_its_timers() -> None:
    state, _ = ask(True, STOPPED)
    state, check = ask(False, EnvelopeState.from_json(state.to_json()), now_s=NOW_S + 200.0)
    assert check == "min_on"
    state, check = ask(False, state, now_s=NOW_S + 300.0)
    assert check == ""
    again = EnvelopeState.from_json(state.to_json())
    assert ask(True, again, now_s=NOW_S + 899.0)[1] == "min_off"
    assert ask(True, again, now_s=NOW_S + 900.0)[1] == ""


def test_a_clock_set_back_makes_timers_slower_never_faster() -> None:
    state, _ = ask(True, STOPPED)
    back = UNSEEN.restart_clock(state, NOW_S - 5000.0)
    moved = back.unit("ch_1")
    assert moved == UnitMemory(True, NOW_S - 5000.0, (NOW_S - 5000.0,))
    bare = EnvelopeState(units={"ch_1": UnitMemory()})
    assert UNSEEN.restart_clock(bare, 5.0).unit("ch_1") == UnitMemory()


def test_the_limits_of_a_site_are_its_own() -> None:
    chillers = {
        name: replace(each, start_to_start_s=100.0, starts_in_12_h=2, min_on_s=20.0, min_off_s=30.0)
        for name, each in plant_site().chillers.items()
    }
    own = limits_of(plant_site(chillers=chillers)).stages["ch_1"]
    assert (own.start_to_start_s, own.starts_in_12_h) == (100.0, 2)
    assert (own.min_on_s, own.min_off_s) == (20.0, 30.0)
    normal = GATE.limits.stages["ch_2"]
    assert (normal.start_to_start_s, normal.starts_in_12_h) == (900.0, 8)
    assert (normal.min_on_s, normal.min_off_s) == (300.0, 600.0)
