"""Interlocks, rates and the order of the checks: below, at and above each limit of a move."""

from __future__ import annotations

import math
from typing import Any

import pytest

from facility.commands import Mode, Origin, Outcome
from facility.telemetry import Authority, Quality, Reading
from safety.envelope import needs_write
from tests.safety_judging import (
    GATE,
    PERSON,
    SAFETY,
    STATE,
    TEMPERATURE_BACK,
    judge,
    refused,
    state_without_memory,
)
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    SUPPLY,
    TEMPERATURE,
    changed,
    command,
    envelope,
    holding,
    override,
    point,
    read_back,
    telemetry,
)

# -- interlocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leak", "refuses"), [(0.0, False), (0.5, False), (0.5001, True), (1.0, True)]
)
@pytest.mark.parametrize("value", [29.0, 30.4])
def test_a_leak_stops_every_move(leak: float, refuses: bool, value: float) -> None:
    verdict = judge(value, seen=telemetry({LEAK: leak}), **PERSON)
    assert refused(verdict, "leak") is refuses
    if refuses:
        assert verdict.saw == {LEAK: leak, "threshold": 0.5}


def test_a_leak_sensor_that_is_silent_holds() -> None:
    verdict = judge(29.0, seen=telemetry({LEAK: None}))
    assert refused(verdict, "leak")
    assert verdict.saw == {"usable": 0.0, "needed": 1.0}


def test_a_leak_of_one_unit_does_not_stop_another() -> None:
    assert judge(21.0, AIR, telemetry({LEAK: 1.0})).value == 21.0


@pytest.mark.parametrize(("flow_ls", "check"), [(9.5, ""), (9.4999, "low_flow"), (0.0, "low_flow")])
def test_low_flow_leaves_more_cooling_alone(flow_ls: float, check: str) -> None:
    seen = telemetry({MEASURED_FLOW: flow_ls})
    assert judge(30.4, seen=seen).check == check
    assert judge(29.0, seen=seen).value == 29.0
    assert judge(22.0, FLOW, seen).value == 22.0
    assert judge(19.0, FLOW, seen).check == check


@pytest.mark.parametrize(
    ("case_c", "check"), [(75.0, ""), (75.0001, "hot_rack"), (90.0, "hot_rack")]
)
def test_a_hot_rack_leaves_more_cooling_alone(case_c: float, check: str) -> None:
    seen = telemetry({"r2.case_temperature": case_c})
    assert judge(30.4, seen=seen).check == check
    assert judge(29.0, seen=seen).value == 29.0


def test_half_of_the_racks_must_be_seen_before_cooling_is_taken_away() -> None:
    assert judge(30.4, seen=telemetry({"r1.case_temperature": None})).check == ""
    blind = telemetry({"r1.case_temperature": None, "r2.case_temperature": None})
    assert refused(judge(30.4, seen=blind), "hot_rack")
    assert judge(29.0, seen=blind).value == 29.0


def test_contradicting_conditions_leave_no_move() -> None:
    seen = telemetry({SUPPLY: 16.0, "r1.case_temperature": 80.0})
    assert refused(judge(29.0, seen=seen), "condensation")
    assert refused(judge(30.4, seen=seen), "hot_rack")


def test_a_device_back_in_local_control_is_refused() -> None:
    assert refused(judge(29.0, seen=telemetry(authority=Authority.LOCAL)), "local_control")


# -- safety moves --------------------------------------------------------------------------------


def test_a_move_to_safety_cools_more() -> None:
    assert judge(29.0, **SAFETY).value == 29.0
    assert refused(judge(30.4, **SAFETY), "safety_direction")
    assert judge(21.0, FLOW, **SAFETY).value == 21.0
    assert refused(judge(19.9, FLOW, **SAFETY), "safety_direction")


# -- rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "held", "away", "towards"), [(TEMPERATURE, 30.0, 30.5, 28.0), (FLOW, 20.0, 15.0, 24.0)]
)
def test_rates_by_direction_to_the_last_digit(
    on: str, held: float, away: float, towards: float
) -> None:
    """0.5 °C in 5 min away, 2 °C/min towards (5 L/s and 4 L/s for the flow of this site)."""
    for limit in (away, towards):
        side = 1.0 if limit > held else -1.0
        step = 0.1 if on == TEMPERATURE else 0.01
        inside = judge(limit - side * step, on)
        assert inside.outcome is Outcome.ALLOW
        assert inside.value == pytest.approx(limit - side * step)
        assert judge(limit, on).outcome is Outcome.ALLOW
        outside = judge(limit + side * 1e-4, on)
        assert (outside.outcome, outside.check) == (Outcome.LIMIT, "rate")
        assert outside.value == pytest.approx(limit)


@pytest.mark.parametrize(
    ("elapsed_s", "away", "towards"),
    [(0.0, 0.0, 0.0), (6.0, 0.01, 0.2), (60.0, 0.1, 2.0), (300.0, 0.5, 2.0), (3000.0, 0.5, 2.0)],
)
def test_a_rate_counts_from_the_last_move(elapsed_s: float, away: float, towards: float) -> None:
    gate = envelope(points=[point(TEMPERATURE, "cdu_1")])
    state, first = gate.judge(holding(gate), command(29.0, **PERSON), telemetry(), NOW_S)
    assert first.value == 29.0
    now_s = NOW_S + elapsed_s
    seen = telemetry({TEMPERATURE_BACK: 29.0}, now_s=now_s)
    warm = judge(42.0, seen=seen, gate=gate, state=state, now_s=now_s, **PERSON)
    cold = judge(20.0, seen=seen, gate=gate, state=state, now_s=now_s, **PERSON)
    if elapsed_s == 0.0:
        assert refused(warm, "rate")
        assert refused(cold, "rate")
    else:
        assert warm.value == pytest.approx(29.0 + away)
        assert cold.value == pytest.approx(29.0 - towards)


def test_a_release_does_not_refill_the_rate() -> None:
    gate = GATE
    state, first = gate.judge(STATE, command(29.0, **PERSON), telemetry(), NOW_S)
    assert first.value == 29.0
    state = gate.released(state, [TEMPERATURE])
    seen = telemetry({TEMPERATURE_BACK: 29.0}, now_s=NOW_S + 3.0, armed=False)
    verdict = judge(20.0, seen=seen, state=state, now_s=NOW_S + 3.0, **PERSON)
    assert verdict.value == pytest.approx(28.9)


def test_the_start_is_what_is_read_back_not_what_was_asked() -> None:
    """Bumpless: an unarmed device stands at 33 °C, whatever we held there before."""
    verdict = judge(29.0, seen=telemetry({TEMPERATURE_BACK: 33.0}, armed=False))
    assert (verdict.value, verdict.check) == (31.0, "rate")


def test_a_move_counts_from_every_value_that_may_be_in_force() -> None:
    """Just written and not yet read back: the step must be allowed from both."""
    state, _ = GATE.judge(STATE, command(29.0, **PERSON), telemetry(), NOW_S)
    old = Reading(30.0, Quality.GOOD, NOW_S - 1.0)
    seen = telemetry({TEMPERATURE_BACK: old}, now_s=NOW_S + 5.0)
    assert refused(judge(28.0, seen=seen, state=state, now_s=NOW_S + 5.0, **PERSON), "rate")
    seen = telemetry({TEMPERATURE_BACK: 29.0}, now_s=NOW_S + 6.0)
    verdict = judge(28.0, seen=seen, state=state, now_s=NOW_S + 6.0, **PERSON)
    assert verdict.value == pytest.approx(28.8)


def test_the_counterexample_previous_value_out_of_range() -> None:
    """Previous 0, range -3/8 alone, rate 1/8: no value keeps both, so nothing is written."""
    own = changed(
        ACTUATORS[2],
        minimum=-0.375,
        maximum=-0.375,
        rate_away_per_min=0.025,
        rate_towards_per_min=0.125,
    )
    gate = envelope(actuators=[own])
    state = state_without_memory(STATE)
    seen = telemetry({read_back(AIR): 0.0}, armed=False)
    for asked in (-0.375, -0.125, 0.0, 1.0):
        verdict = judge(asked, AIR, seen, gate, state, **PERSON)
        assert refused(verdict, "range")
        assert verdict.saw["start"] == 0.0
        assert verdict.saw["range_upper"] == -0.375


def test_from_outside_the_range_within_one_step_it_is_entered() -> None:
    own = changed(ACTUATORS[2], minimum=18.0, maximum=27.0)
    gate = envelope(actuators=[own])
    seen = telemetry({read_back(AIR): 28.0}, armed=False)
    state = state_without_memory(STATE)
    assert judge(28.0, AIR, seen, gate, state, **PERSON).value == 27.0
    assert judge(26.5, AIR, seen, gate, state, **PERSON).value == 26.5
    assert judge(20.0, AIR, seen, gate, state, **PERSON).value == 26.0


# -- the same value, dead band -------------------------------------------------------------------


@pytest.mark.parametrize("origin", [{}, PERSON, SAFETY])
def test_what_is_in_force_already_is_not_written_again(origin: dict[str, Any]) -> None:
    state, verdict = GATE.judge(STATE, command(30.0, **origin), telemetry(), NOW_S)
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.ALLOW, 30.0, "unchanged")
    assert not needs_write(verdict)
    assert state.of(TEMPERATURE) == STATE.of(TEMPERATURE)


def test_an_unarmed_device_is_written_even_where_it_stands_there() -> None:
    verdict = judge(30.0, seen=telemetry(armed=False))
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.ALLOW, 30.0, "")
    assert needs_write(verdict)


@pytest.mark.parametrize(
    ("asked", "check"), [(29.9, "dead_band"), (29.81, ""), (30.1, "dead_band")]
)
def test_the_dead_band_binds_the_optimiser_alone(asked: float, check: str) -> None:
    verdict = judge(asked)
    assert verdict.check == check
    assert needs_write(verdict) is (check == "")
    if check:
        assert (verdict.outcome, verdict.value) == (Outcome.LIMIT, 30.0)
        assert not needs_write(verdict)
    assert judge(asked, **PERSON).value == pytest.approx(round(asked, 1))


def test_needs_write_of_a_refusal() -> None:
    assert not needs_write(judge(math.nan))


# -- precedence ----------------------------------------------------------------------------------


def test_the_checks_are_asked_in_the_order_of_the_specification() -> None:
    """Everything is wrong; mended one by one, each check names itself in turn."""
    seen: dict[str, float | Reading | None] = {LEAK: 1.0, TEMPERATURE_BACK: None}
    asked: dict[str, Any] = {
        "authority": "nobody",
        "issued_at_s": NOW_S - 100.0,
        "expires_at_s": NOW_S - 1.0,
    }
    state = GATE.lock_out(STATE, TEMPERATURE, "x")

    def ask(**world: Any) -> str:
        return judge(29.0, seen=telemetry(seen, **world), state=state, **asked).check

    assert ask(mode=Mode.OFF, connected=False) == "mode"
    assert ask(connected=False) == "lock_out"
    state = STATE
    assert ask(connected=False) == "device"
    assert ask() == "leak"
    seen[LEAK] = None
    assert ask() == "authority"
    asked["authority"] = "wide"
    assert ask() == "age"
    asked["issued_at_s"] = NOW_S
    assert ask() == "expiry"
    asked["expires_at_s"] = NOW_S + 1.0
    assert ask(armed=False) == "telemetry"
    assert ask() == "leak"  # unknown: held
    seen[LEAK] = 0.0
    assert judge(29.0, seen=telemetry(seen), state=state, **asked).value == 29.0


def test_an_override_is_judged_like_everything_else() -> None:
    state = GATE.register(STATE, override(26.0), NOW_S)
    verdict = judge(26.0, state=state, origin=Origin.PERSON, authority="override-1", plan_hash="")
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.LIMIT, 28.0, "rate")


def test_several_commands_are_judged_as_one_after_the_other() -> None:
    asked = [command(29.0), command(21.0, FLOW), command(28.0), command(19.0, CHILLED)]
    state, verdicts = GATE.judge_all(STATE, asked, telemetry(), NOW_S)
    one_by_one, expected = STATE, []
    for each in asked:
        one_by_one, verdict = GATE.judge(one_by_one, each, telemetry(), NOW_S)
        expected.append(verdict)
    assert (state, list(verdicts)) == (one_by_one, expected)
    assert [verdict.check for verdict in verdicts] == ["", "", "rate", "rate"]
