"""What we hold is judged at every scan: it stays, is corrected, or is given back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from facility.commands import Mode, Outcome
from facility.telemetry import Authority, Quality, Reading
from safety.envelope import Action, Envelope
from safety.state import EnvelopeState
from tests.safety_judging import GATE, PERSON, STATE, narrowed, released, scan
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    DEW_POINTS,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    TEMPERATURE,
    changed,
    command,
    envelope,
    holding,
    point,
    read_back,
    reading,
    site,
    telemetry,
)

BACK = read_back(TEMPERATURE)
DEW = DEW_POINTS[0]
FLOATING = envelope(points=[point(TEMPERATURE, "cdu_1")])


# -- nothing to do -------------------------------------------------------------------------------


def test_on_a_quiet_day_nothing_is_corrected() -> None:
    state, found = scan(after_s=5.0)
    assert found == {}
    assert state == STATE.at(NOW_S + 5.0)


def test_what_we_do_not_hold_is_not_judged() -> None:
    state, found = scan({DEW: 35.0}, armed=False, mode=Mode.OFF, connected=False)
    assert found == {}
    assert state == STATE
    assert scan({DEW: 35.0}, state=EnvelopeState())[1] == {}


# -- given back at once --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
def test_a_mode_that_does_not_write_gives_everything_back(mode: Mode) -> None:
    found = scan(mode=mode)[1]
    assert all(released(found, each.id, "mode") for each in ACTUATORS)


def test_a_lock_out_gives_back() -> None:
    found = scan(state=GATE.lock_out(STATE, AIR, "filter change"))[1]
    assert set(found) == {AIR}
    assert released(found, AIR, "lock_out")


def test_a_device_out_of_reach_is_given_up() -> None:
    assert released(scan(connected=False)[1], TEMPERATURE, "device")


def test_a_device_in_local_control_is_given_up() -> None:
    assert released(scan(authority=Authority.LOCAL)[1], TEMPERATURE, "local_control")
    assert scan(authority=Authority.UNKNOWN)[1] == {}


def test_a_leak_isolates_the_unit_and_no_other() -> None:
    found = scan({LEAK: 1.0})[1]
    assert set(found) == {TEMPERATURE, FLOW}
    assert released(found, TEMPERATURE, "leak")
    assert found[FLOW].saw == {LEAK: 1.0, "threshold": 0.5}


@pytest.mark.parametrize("lost", [None, reading(30.0, quality=Quality.STALE), reading(math.nan)])
def test_a_read_back_that_is_lost_gives_back(lost: Reading | None) -> None:
    found = scan({BACK: lost})[1]
    assert set(found) == {TEMPERATURE}
    assert released(found, TEMPERATURE, "telemetry")


def test_a_clock_that_goes_back_gives_everything_back() -> None:
    state, found = scan(after_s=-0.001)
    assert state is STATE
    assert all(released(found, each.id, "clock") for each in ACTUATORS)
    corrections = GATE.judge_in_force(STATE, telemetry(), math.nan)[1]
    assert {each.check for each in corrections} == {"clock"}


# -- another hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found_c", "foreign"), [(30.05, False), (30.0501, True), (29.9499, True), (25.0, True)]
)
def test_a_setpoint_changed_by_somebody_else_is_yielded(found_c: float, foreign: bool) -> None:
    found = scan({BACK: found_c}, after_s=12.0)[1]
    assert (TEMPERATURE in found) is foreign
    if foreign:
        assert released(found, TEMPERATURE, "other_hand")
        assert found[TEMPERATURE].saw["read_back"] == found_c


@pytest.mark.parametrize(
    ("after_s", "taken_s", "foreign"),
    [(11.0, 10.0, False), (11.001, 10.0, True), (15.0, 0.0, False), (15.0, 0.001, True)],
)
def test_a_write_has_two_scans_to_show(after_s: float, taken_s: float, foreign: bool) -> None:
    state, _ = GATE.judge(STATE, command(29.0, **PERSON), telemetry(), NOW_S)
    old = Reading(30.0, Quality.GOOD, NOW_S + taken_s)
    assert (TEMPERATURE in scan({BACK: old}, state=state, after_s=after_s)[1]) is foreign


def test_a_command_yields_to_the_other_hand_too() -> None:
    seen = telemetry({BACK: 25.0}, now_s=NOW_S + 20.0)
    verdict = GATE.judge(STATE, command(29.0, **PERSON), seen, NOW_S + 20.0)[1]
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "other_hand")


def test_a_state_without_the_time_of_its_write_is_settled() -> None:
    memory = replace(STATE.of(TEMPERATURE), accepted_at_s=None)
    found = scan({BACK: 25.0}, state=STATE.with_actuator(TEMPERATURE, memory))[1]
    assert released(found, TEMPERATURE, "other_hand")


# -- blind ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "check"),
    [
        (DEW_POINTS, "dew_point_unknown"),
        ((LEAK,), "leak"),
        ((MEASURED_FLOW,), "low_flow"),
        (("r1.case_temperature", "r2.case_temperature"), "hot_rack"),
    ],
)
def test_what_cannot_be_judged_is_held_a_while_and_then_given_back(
    gone: tuple[str, ...], check: str
) -> None:
    changes: dict[str, float | Reading | None] = dict.fromkeys(gone)
    state, found = scan(changes, after_s=1.0)
    assert found == {}
    assert state.of(TEMPERATURE).blind_since_s == NOW_S + 1.0
    state, found = scan(changes, state=state, after_s=301.0)
    assert found == {}
    _, found = scan(changes, state=state, after_s=301.001)
    assert released(found, TEMPERATURE, check)
    assert found[TEMPERATURE].saw["blind_hold_s"] == 300.0
    seeing, found = scan(state=state, after_s=301.001)
    assert found == {}
    assert seeing.of(TEMPERATURE).blind_since_s is None


# -- dew point: correct --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dew_c", "value"), [(26.9999, None), (27.0, None), (27.0001, 30.2), (27.25, 30.4)]
)
def test_a_rising_dew_point_moves_what_is_in_force(dew_c: float, value: float | None) -> None:
    """In force 30.0 °C with 3 K; a correction goes in by a dead band of 0.2 K, where it may."""
    state, found = scan({DEW: dew_c})
    if value is None:
        assert found == {}
        return
    each = found[TEMPERATURE]
    assert (each.action, each.check) == (Action.CORRECT, "dew_point")
    assert each.value == pytest.approx(value)
    assert each.saw["dew_point_c"] == dew_c
    assert state.of(TEMPERATURE).in_force == each.value
    assert state.of(TEMPERATURE).moved_at_s == NOW_S


def test_a_correction_uses_no_budget_and_no_dwell() -> None:
    state, _ = scan({DEW: 27.1})
    memory = state.of(TEMPERATURE)
    assert (memory.optimised_at_s, memory.optimiser_writes_s) == (None, ())


def test_a_correction_keeps_the_rate_and_comes_nearer_at_each_step() -> None:
    state, found = scan({DEW: 28.0}, gate=FLOATING)
    held = found[TEMPERATURE].value
    assert held == pytest.approx(30.5)  # a full step of 0.5 K; 31 are asked for
    for after_s in (5.0, 10.0, 70.0):
        assert held is not None
        before_s = state.of(TEMPERATURE).moved_at_s
        assert before_s is not None
        state, found = scan({DEW: 28.0, BACK: held}, FLOATING, state, after_s)
        step = 0.1 * (NOW_S + after_s - before_s) / 60.0
        assert found[TEMPERATURE].value == pytest.approx(held + step, abs=1.01e-4)
        assert found[TEMPERATURE].value <= held + step + 1e-9  # type: ignore[operator]
        held = found[TEMPERATURE].value
    assert state.of(TEMPERATURE).short_since_s == NOW_S


def test_a_step_smaller_than_the_register_waits() -> None:
    state, found = scan({DEW: 28.0})
    assert found[TEMPERATURE].value == 30.5
    changes: dict[str, float | Reading | None] = {DEW: 28.0, BACK: 30.5}
    state, found = scan(changes, state=state, after_s=59.9)
    assert found == {}
    state, found = scan(changes, state=state, after_s=60.0)
    assert found[TEMPERATURE].value == pytest.approx(30.6)


def test_what_is_not_put_right_in_time_is_given_back() -> None:
    state, _ = scan({DEW: 35.0})
    changes: dict[str, float | Reading | None] = {DEW: 35.0, BACK: 30.5}
    state, found = scan(changes, state=state, after_s=300.0)
    assert found[TEMPERATURE].action is Action.CORRECT
    changes[BACK] = found[TEMPERATURE].value
    _, found = scan(changes, state=state, after_s=300.001)
    assert released(found, TEMPERATURE, "dew_point")
    assert "not put right in 300 s" in found[TEMPERATURE].detail


def test_once_it_is_right_the_deadline_starts_anew() -> None:
    state, found = scan({DEW: 27.1})
    fine: dict[str, float | Reading | None] = {DEW: 27.1, BACK: found[TEMPERATURE].value}
    state, found = scan(fine, state=state, after_s=5.0)
    assert found == {}
    assert state.of(TEMPERATURE).short_since_s is None


def test_a_dew_point_above_the_range_gives_back() -> None:
    found = scan({DEW: 37.1})[1]
    assert released(found, TEMPERATURE, "dew_point")
    assert "no value is within every limit" in found[TEMPERATURE].detail


def test_a_hot_rack_and_a_dew_point_that_contradict_give_back() -> None:
    found = scan({DEW: 27.1, "r1.case_temperature": 76.0})[1]
    assert released(found, TEMPERATURE, "dew_point")
    assert "r1.case_temperature is 76" in found[TEMPERATURE].detail


def test_a_correction_lands_on_the_register_inside_the_limit() -> None:
    """30.04 are needed and no dead band is kept: 30.1, not 30.0."""
    gate = envelope(actuators=[changed(ACTUATORS[0], dead_band=0.0)])
    found = scan({DEW: 27.04}, gate, holding(gate))[1]
    assert found[TEMPERATURE].value == pytest.approx(30.1)


def test_before_a_write_is_read_back_a_correction_starts_from_what_was_written() -> None:
    state, _ = GATE.judge(STATE, command(29.0, **PERSON), telemetry(), NOW_S)
    old = Reading(30.0, Quality.GOOD, NOW_S - 1.0)
    found = scan({DEW: 26.5, BACK: old}, state=state, after_s=10.0)[1]
    assert found == {}  # 1 s of the rate is less than a tenth
    found = scan({DEW: 26.5, BACK: 29.0}, state=state, after_s=60.0)[1]
    assert found[TEMPERATURE].value == pytest.approx(29.1)


# -- limits that changed under a value in force --------------------------------------------------


@pytest.mark.parametrize(
    ("maximum", "value"), [(30.0, None), (29.9, 29.7), (28.0, 28.0), (27.9, "release")]
)
def test_a_range_that_was_narrowed(maximum: float, value: float | str | None) -> None:
    """In force 30.0 °C, towards cooling 2 K at once: within reach, or given back."""
    gate = envelope(actuators=[changed(ACTUATORS[0], maximum=maximum)])
    found = scan(gate=gate)[1]
    if value is None:
        assert found == {}
    elif value == "release":
        assert released(found, TEMPERATURE, "range")
        assert "out of reach" in found[TEMPERATURE].detail
    else:
        assert found[TEMPERATURE].value == pytest.approx(value)


def test_a_minimum_flow_that_was_raised_is_met() -> None:
    cdu = replace(site().cdus["cdu_1"], min_tcs_flow_ls=21.0)
    gate = envelope(cdus={"cdu_1": cdu})
    found = scan(gate=gate)[1]
    assert found[FLOW].check == "minimum_flow"
    assert found[FLOW].value == pytest.approx(21.2)


def test_no_register_within_a_narrowed_range_is_waited_for_then_given_back() -> None:
    limits = dict(envelope().limits.actuators)
    narrow = replace(limits[TEMPERATURE], dead_band=0.0, bounds=narrowed(29.91, 29.99))
    gate = Envelope(replace(GATE.limits, actuators={**limits, TEMPERATURE: narrow}))
    state, found = scan(gate=gate)
    assert found == {}
    assert released(scan(gate=gate, state=state, after_s=301.0)[1], TEMPERATURE, "range")
