"""Whole verdicts: outcome, value, check and every number, where several limits meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from facility.commands import Mode, Origin, Outcome, Verdict
from facility.telemetry import Quality, Reading, Snapshot
from safety.envelope import Envelope
from safety.interlocks import survey
from safety.state import ActuatorState, EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    DEW_POINTS,
    FLOW,
    LEAK,
    NOW_S,
    TEMPERATURE,
    changed,
    command_at,
    envelope,
    holding,
    moment,
    read_back,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
BACK = read_back(TEMPERATURE)
PERSON: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}


def ask(
    value: float,
    on: str = TEMPERATURE,
    seen: Snapshot | None = None,
    state: EnvelopeState = STATE,
    gate: Envelope = GATE,
    now_s: float = NOW_S,
    **more: Any,
) -> Verdict:
    seen = telemetry(now_s=now_s) if seen is None else seen
    _, verdict = gate.judge(state, command_at(now_s, value, on, **more), seen, now_s)
    assert {type(number) for number in verdict.saw.values()} <= {float}
    return verdict


def answer(verdict: Verdict) -> tuple[Outcome, float | None, str]:
    value = None if verdict.value is None else round(verdict.value, 6)
    return verdict.outcome, value, verdict.check


ROOM = {"asked": 29.0, "start": 30.0, "lower": 28.0, "upper": 30.5}


@pytest.mark.parametrize(
    ("value", "more", "expected", "saw"),
    [
        (29.0, PERSON, (Outcome.ALLOW, 29.0, ""), ROOM),
        (30.0, {}, (Outcome.ALLOW, 30.0, "unchanged"), ROOM | {"asked": 30.0}),
        (30.1, {}, (Outcome.LIMIT, 30.0, "dead_band"), ROOM | {"asked": 30.1}),
        (
            31.0,
            PERSON,
            (Outcome.LIMIT, 30.5, "rate"),
            ROOM | {"asked": 31.0, "elapsed_s": 300.0, "away": 0.5, "towards": 2.0},
        ),
    ],
)
def test_a_verdict_with_every_number(
    value: float,
    more: dict[str, Any],
    expected: tuple[Outcome, float | None, str],
    saw: Mapping[str, float],
) -> None:
    verdict = ask(value, **more)
    assert answer(verdict) == expected
    assert verdict.saw == saw
    assert bool(verdict.detail) is (verdict.check != "")


def test_where_two_values_may_be_in_force_ours_is_the_start() -> None:
    """29 °C was just written, the reading of 30 °C is older: both count, and ours is named."""
    state, _ = GATE.judge(STATE, command_at(NOW_S, 29.0, **PERSON), telemetry(), NOW_S)
    late_s = NOW_S + 5.0
    old = {BACK: Reading(30.0, Quality.GOOD, NOW_S - 1.0)}
    verdict = ask(28.9, seen=telemetry(old, now_s=late_s), state=state, now_s=late_s, **PERSON)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "rate")
    assert verdict.saw["start"] == 29.0
    found = survey(
        GATE.limits.actuators[TEMPERATURE],
        state.of(TEMPERATURE),
        moment(telemetry(old, now_s=late_s), late_s),
    )
    assert found.starts == (290_000, 300_000)
    assert {type(each) for each in found.starts} == {int}


def test_of_two_limits_that_the_start_is_outside_the_first_is_named() -> None:
    """28 °C in force, a range of at most 25 °C and a dew point that wants 31 °C."""
    gate = envelope(actuators=[changed(ACTUATORS[0], maximum=25.0, fallback=24.0)])
    seen = telemetry({BACK: 28.0, DEW_POINTS[0]: 28.0}, armed=False)
    state = EnvelopeState(decisions=STATE.decisions)
    verdict = ask(24.0, seen=seen, state=state, gate=gate, **PERSON)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "range")
    assert verdict.saw == {"asked": 24.0, "start": 28.0, "range_lower": 20.0, "range_upper": 25.0}
    assert "at least 20 degC and at most 25 degC" in verdict.detail
    preload = gate.judge_preload(state, TEMPERATURE, seen, NOW_S)[1]
    assert (preload.check, preload.saw["start"]) == ("range", 28.0)
    fallback = gate.judge_fallback(TEMPERATURE, telemetry({DEW_POINTS[0]: 28.0}), NOW_S)
    assert fallback.check == "dew_point"
    assert fallback.saw == {"fallback": 24.0, "dew_point_c": 28.0, "margin_k": 3.0}
    odd = envelope(actuators=[changed(ACTUATORS[0], fallback=19.0)])
    both = odd.judge_fallback(TEMPERATURE, telemetry({DEW_POINTS[0]: 28.0}), NOW_S)
    assert both.check == "range"


def test_a_fallback_within_the_limits_and_a_preload_are_plain_answers() -> None:
    assert GATE.judge_fallback(FLOW, telemetry(), NOW_S) == Verdict(
        Outcome.ALLOW, 20.0, "", "", {"fallback": 20.0}
    )
    state, verdict = GATE.judge_preload(EnvelopeState(), FLOW, telemetry(armed=False), NOW_S)
    assert verdict == Verdict(Outcome.ALLOW, 20.0, "", "", {"start": 20.0})
    assert type(verdict.saw["start"]) is float
    assert state.of(FLOW) == ActuatorState(in_force=20.0, accepted_at_s=NOW_S)
    assert state.seen_s == NOW_S


def test_a_preload_starts_the_clocks_of_a_value_in_force_anew() -> None:
    before = ActuatorState(short_since_s=1.0, blind_since_s=2.0, moved_at_s=3.0)
    state = EnvelopeState().with_actuator(FLOW, before)
    state, _ = GATE.judge_preload(state, FLOW, telemetry(armed=False), NOW_S)
    assert state.of(FLOW) == ActuatorState(in_force=20.0, accepted_at_s=NOW_S, moved_at_s=3.0)


@pytest.mark.parametrize(("read", "check"), [(30.0001, ""), (30.0002, "encodable")])
def test_a_preload_may_differ_by_one_grain_at_most(read: float, check: str) -> None:
    gate = envelope(actuators=[changed(ACTUATORS[0], tolerance=0.0)])
    seen = telemetry({BACK: read}, armed=False)
    assert gate.judge_preload(EnvelopeState(), TEMPERATURE, seen, NOW_S)[1].check == check


def test_without_a_mode_an_unknown_start_is_not_the_reason() -> None:
    seen = telemetry({BACK: None}, armed=False, mode=Mode.OFF)
    assert GATE.judge_preload(EnvelopeState(), TEMPERATURE, seen, NOW_S)[1].check == "mode"
    seen = telemetry({BACK: None, LEAK: 1.0})
    _, found = GATE.judge_in_force(STATE, seen, NOW_S)
    assert {each.check for each in found if each.device == "cdu_1"} == {"leak"}


def test_every_judgement_notes_the_time() -> None:
    later_s = NOW_S + 7.0
    refused = command_at(later_s, float("nan"))
    assert GATE.judge(STATE, refused, telemetry(now_s=later_s), later_s)[0].seen_s == later_s
    seen = telemetry(now_s=later_s, mode=Mode.OFF)
    assert GATE.judge_preload(STATE, FLOW, seen, later_s)[0].seen_s == later_s


def test_lock_outs_come_and_go_one_by_one() -> None:
    state = GATE.lock_out(GATE.lock_out(STATE, FLOW, "a pump"), AIR, "a filter")
    assert dict(state.locked_out) == {FLOW: "a pump", AIR: "a filter"}
    assert dict(GATE.unlock(state, FLOW).locked_out) == {AIR: "a filter"}
