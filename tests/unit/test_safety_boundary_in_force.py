"""What is believed, what stays in force, what is remembered, and what the wire can carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Mode, Origin, Outcome, Verdict
from facility.points import DataType
from facility.telemetry import Authority, Quality, Reading, Snapshot
from safety.arithmetic import Interval, Meeting, grains
from safety.backup import Backup, Circuit, Coldplate, Flow, Path
from safety.envelope import Action, Envelope
from safety.guards import Effect, Interlock, Sensor, Watch
from safety.in_force import _keep_within, _step, flow_comes_s
from safety.interlocks import Active, judge_interlock, survey
from safety.state import EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    DEW_POINTS,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    SUPPLY,
    TEMPERATURE,
    changed,
    command_at,
    envelope,
    holding,
    moment,
    point,
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


# -- what is believed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "believed"),
    [(1e9, True), (-1e9, True), (1.0000001e9, False), (-1.0000001e9, False)],
)
def test_readings_of_a_size_that_occurs(value: float, believed: bool) -> None:
    seen = telemetry({LEAK: value})
    found = moment(seen).usable([Sensor(LEAK, 16.0)])
    assert found == [value if believed else None]


@pytest.mark.parametrize(("age_s", "fresh"), [(16.0, True), (16.001, False)])
def test_a_stale_reading_guards_nothing(age_s: float, fresh: bool) -> None:
    def old(value: float) -> Reading:
        return Reading(value, Quality.GOOD, NOW_S - age_s)

    seen = telemetry(
        {DEW_POINTS[0]: old(25.0), DEW_POINTS[1]: None, SUPPLY: old(29.0), LEAK: old(0)}
    )
    found = survey(GATE.limits.actuators[TEMPERATURE], STATE.of(TEMPERATURE), moment(seen))
    assert found.dew_point_c == (25.0 if fresh else None)
    assert found.supply_c == (29.0 if fresh else None)
    assert [each.name for each in found.active] == ([] if fresh else ["leak"])


def test_an_actuator_without_a_mode_is_surveyed_as_off() -> None:
    seen = telemetry()
    bare = Snapshot(seen.time_s, seen.readings, seen.devices)
    own = GATE.limits.actuators[FLOW]
    assert survey(own, STATE.of(FLOW), moment(bare, NOW_S)).mode is Mode.OFF


def test_a_supply_that_nobody_measures_is_no_obstacle() -> None:
    bare = replace(
        GATE,
        limits=replace(
            GATE.limits,
            actuators={
                name: own if own.dew is None else replace(own, dew=replace(own.dew, supply=None))
                for name, own in GATE.limits.actuators.items()
            },
        ),
    )
    assert ask(29.0, gate=bare, state=holding(bare)).value == 29.0


WARM, HOT, HOTTEST = (Watch(f"r{n}", 16.0, limit) for n, limit in enumerate((60.0, 70.0, 75.0)))


def interlock(above: bool, quorum: int = 2) -> Interlock:
    return Interlock("x", (WARM, HOT, HOTTEST), above, Effect.HOLD, quorum, Effect.TOWARDS)


@pytest.mark.parametrize(
    ("above", "values", "worst"),
    [
        (True, (68.0, 71.0, 76.0), 0),  # by 8, by 1, by 1: not the hottest, the furthest over
        (True, (61.0, 74.0, 76.0), 1),
        (True, (62.0, 72.0, 74.0), 0),  # equally far: the first
        (False, (59.0, 60.0, 74.0), 1),
        (False, (58.0, 69.0, 74.0), 0),
    ],
)
def test_the_worst_reading_is_the_furthest_across(
    above: bool, values: tuple[float, float, float], worst: int
) -> None:
    seen = telemetry({f"r{n}": value for n, value in enumerate(values)})
    found = judge_interlock(interlock(above), moment(seen))
    watch, value = (WARM, HOT, HOTTEST)[worst], values[worst]
    assert found is not None
    assert (found.name, found.effect, found.known) == ("x", Effect.HOLD, True)
    assert found.saw == {watch.tag: value, "threshold": watch.threshold}
    side = "above" if above else "below"
    assert found.detail == f"{watch.tag} is {value:g}, {side} {watch.threshold:g}"


@pytest.mark.parametrize(("lost", "known"), [(1, True), (2, False)])
def test_too_few_readings_are_a_condition_of_their_own(lost: int, known: bool) -> None:
    seen = telemetry({f"r{n}": 50.0 for n in range(lost, 3)})
    found = judge_interlock(interlock(True), moment(seen))
    if known:
        assert found is None
    else:
        assert found is not None
        assert (found.known, found.effect) == (False, Effect.TOWARDS)
        assert found.saw == {"usable": 1.0, "needed": 2.0}
        assert {type(number) for number in found.saw.values()} == {float}


def test_an_interlock_that_actuators_share_is_judged_once() -> None:
    now = moment(telemetry({"r0": 99.0}))
    shared = interlock(True)
    assert now.of(shared) is not None
    assert now.of(shared) is now.of(shared)


def test_another_hand_comes_before_local_control_and_that_before_a_leak() -> None:
    own = GATE.limits.actuators[TEMPERATURE]
    later_s = NOW_S + 100.0

    def active(read: float) -> list[str]:
        seen = telemetry({BACK: read, LEAK: 1.0}, now_s=later_s, authority=Authority.LOCAL)
        found = survey(own, STATE.of(TEMPERATURE), moment(seen, later_s))
        return [each.name for each in found.active]

    assert active(30.0) == ["local_control", "leak"]
    assert active(25.0) == ["other_hand", "local_control", "leak"]
    seen = telemetry({BACK: 25.0}, now_s=later_s)
    (hand,) = survey(own, STATE.of(TEMPERATURE), moment(seen, later_s)).active
    assert hand.saw == {"in_force": 30.0, "read_back": 25.0, "tolerance": 0.05}


# -- values in force -----------------------------------------------------------------------------


def test_what_is_not_known_for_too_long_is_given_back_with_the_time() -> None:
    lost = dict.fromkeys((*DEW_POINTS, MEASURED_FLOW))
    state, found = GATE.judge_in_force(STATE, telemetry(lost), NOW_S)
    assert found == ()
    seen = telemetry(lost, now_s=NOW_S + 300.0)
    state, found = GATE.judge_in_force(state, seen, NOW_S + 300.0)
    assert found == ()
    seen = telemetry(lost, now_s=NOW_S + 301.0)
    state, found = GATE.judge_in_force(state, seen, NOW_S + 301.0)
    (mine,) = [each for each in found if each.actuator == TEMPERATURE]
    assert (mine.check, mine.action) == ("dew_point_unknown", Action.RELEASE)
    assert mine.saw == {"blind_s": 301.0, "blind_hold_s": 300.0}


def test_a_condition_that_is_known_makes_nobody_blind() -> None:
    state, found = GATE.judge_in_force(STATE, telemetry({"r1.case_temperature": 80.0}), NOW_S)
    assert found == ()
    assert state.of(FLOW).blind_since_s is None


def test_an_old_reading_outside_a_limit_is_no_reason_to_correct_ours() -> None:
    """40 °C was read before 39.9 °C was written; the limit has since become 39.95 °C."""
    float_point = point(TEMPERATURE, "cdu_1")
    wide = envelope(points=[float_point])
    state = holding(wide, {BACK: 40.0})
    state, first = wide.judge(
        state, command_at(NOW_S, 39.9, **PERSON), telemetry({BACK: 40.0}), NOW_S
    )
    assert first.value == 39.9
    narrow = envelope(points=[float_point], actuators=[changed(ACTUATORS[0], maximum=39.95)])
    seen = telemetry({BACK: Reading(40.0, Quality.GOOD, NOW_S - 1.0)}, now_s=NOW_S + 2.0)
    assert narrow.judge_in_force(state, seen, NOW_S + 2.0)[1] == ()


def test_a_correction_towards_cooling_is_made_though_a_rack_is_hot() -> None:
    narrow = envelope(actuators=[changed(ACTUATORS[0], maximum=29.0)])
    seen = telemetry({"r1.case_temperature": 80.0})
    _, found = narrow.judge_in_force(STATE, seen, NOW_S)
    (mine,) = [each for each in found if each.actuator == TEMPERATURE]
    assert (mine.action, mine.check) == (Action.CORRECT, "range")
    assert mine.value == pytest.approx(28.8)
    assert mine.saw == {"in_force": 30.0, "target": 29.0, "range_lower": 20.0, "range_upper": 29.0}


def kept(
    admits: Interval,
    since_s: float | None,
    comes_s: float,
    now_s: float = NOW_S,
    gate: Envelope = GATE,
    seen: Snapshot | None = None,
    **changes: Any,
) -> Any:
    """What becomes of a supply of 30 °C that has been short of ``admits`` since then."""
    own, memory = gate.limits.actuators[TEMPERATURE], STATE.of(TEMPERATURE)
    shown = telemetry(now_s=now_s) if seen is None else seen
    at = replace(survey(own, memory, moment(shown, now_s)), **changes)
    memory = replace(memory, short_since_s=since_s)
    after, correction = _keep_within(gate.limits, own, memory, at, admits, now_s, comes_s=comes_s)
    assert after.short_since_s == (now_s if since_s is None else since_s)
    if correction is None:
        return "stays", None
    return f"{correction.action.value} {correction.check}", correction.value


COLDER = Interval("backup", upper=grains(29.0))


def test_for_the_worst_case_a_supply_waits_for_flow_that_was_just_set_and_no_longer() -> None:
    assert kept(COLDER, None, 0.0) == ("correct backup", pytest.approx(28.8))
    assert kept(COLDER, None, 11.0) == ("stays", None)
    assert kept(COLDER, NOW_S, 11.0, NOW_S + 10.999) == ("stays", None)
    assert kept(COLDER, NOW_S, 11.0, NOW_S + 11.0) == ("correct backup", pytest.approx(28.8))


def test_nothing_but_the_worst_case_waits_for_flow() -> None:
    humid = telemetry(dict.fromkeys(DEW_POINTS, 28.0))
    dew, _ = kept(Interval("backup", lower=grains(32.0)), None, 11.0, seen=humid)
    assert dew == "correct backup"  # both ask for it, the worst case for more
    narrow = envelope(actuators=[changed(ACTUATORS[0], maximum=29.5)])
    assert kept(COLDER, None, 11.0, gate=narrow) == ("correct backup", pytest.approx(28.8))
    jump = Interval("hand_back", upper=grains(29.5))
    assert kept(COLDER, None, 11.0, hand_back=jump)[0] == "correct backup"
    closed = Active("closed", Effect.AWAY, "more cooling does harm")
    assert kept(COLDER, None, 11.0, active=(closed,)) == ("release backup", None)


def test_which_flow_is_beside_a_supply_and_how_long_it_takes_to_show() -> None:
    own = GATE.limits.actuators
    coldplate = Coldplate(75.0, 10.0, 10.0, 0.0)

    def circuit(name: str, path: str, *flows: str) -> Circuit:
        moved = tuple(Flow(flow, 0.04, 40.0) for flow in flows)
        return Circuit(name, (coldplate,), (Path(path, 5.0),), moved, 0.0, loses_one=False)

    circuits = (circuit("air", AIR), circuit("cdu", TEMPERATURE, CHILLED, FLOW))
    slow = {CHILLED: replace(own[CHILLED], settle_s=30.0)}
    limits = replace(GATE.limits, backup=Backup({}, circuits), actuators={**own, **slow})
    settle_s = own[FLOW].settle_s

    def comes_s(on: str, flow_ago_s: float | None, other_ago_s: float | None = None) -> float:
        state = STATE
        for name, ago_s in ((FLOW, flow_ago_s), (CHILLED, other_ago_s)):
            set_s = None if ago_s is None else NOW_S - ago_s
            state = state.with_actuator(name, replace(STATE.of(name), accepted_at_s=set_s))
        return flow_comes_s(limits, own[on], state, NOW_S)

    assert comes_s(TEMPERATURE, 0.0) == settle_s
    assert comes_s(TEMPERATURE, settle_s - 0.001) == settle_s
    assert comes_s(TEMPERATURE, settle_s) == 0.0
    assert comes_s(TEMPERATURE, None) == 0.0
    assert comes_s(TEMPERATURE, 0.0, 29.0) == 30.0  # the slower counts
    assert comes_s(TEMPERATURE, None, 30.0) == 0.0
    assert comes_s(AIR, 0.0) == 0.0  # no flow is beside it
    assert comes_s(FLOW, 0.0) == 0.0  # it is none's supply


TENTHS = point(TEMPERATURE, "cdu_1", DataType.INT16, scale=0.1)


@pytest.mark.parametrize(
    ("start", "target", "admissible", "within_rate", "dead_band", "expected"),
    [
        # In reach: in by the dead band, on the register's grid.
        (30.0, 31.0, (31.0, 40.0), (28.0, 31.5), 0.2, 31.2),
        (30.0, 31.0, (31.0, 40.0), (28.0, 31.2), 0.2, 31.2),
        (30.0, 31.0, (31.0, 40.0), (28.0, 31.16), 0.2, 31.1),  # not beyond the rate
        (32.0, 31.0, (20.0, 31.0), (30.84, 34.0), 0.2, 30.9),
        (30.0, 31.04, (31.04, 40.0), (28.0, 33.0), 0.004, 31.1),  # not back out of the limit
        (32.0, 31.04, (20.0, 31.04), (30.0, 34.0), 0.0, 31.0),
        (30.0, 31.0, (31.0, 31.1), (28.0, 34.0), 0.2, 31.1),  # the other limit is kept too
        # No tenth between limit and rate: as near as may be, and never back.
        (30.0, 31.03, (31.03, 40.0), (28.0, 31.04), 0.2, 31.0),
        # Out of reach of the rate.
        (30.0, 31.0, (31.0, 40.0), (28.0, 30.5), 0.2, 30.5),
        (30.4, 32.0, (32.0, 40.0), (28.0, 30.54), 0.2, 30.5),
        (30.52, 32.0, (32.0, 40.0), (28.0, 30.54), 0.2, None),  # 30.5 would be back
        (30.4, 29.0, (20.0, 29.0), (30.26, 33.0), 0.2, 30.3),
        (30.27, 29.0, (20.0, 29.0), (30.26, 33.0), 0.2, None),
        (30.5, 32.0, (32.0, 40.0), (28.0, 30.54), 0.2, None),  # nothing nearer than it is
        # The start itself is outside what static limits leave: they are not left again.
        (30.4, 32.0, (32.0, 40.0), (30.53, 30.54), 0.2, None),
        (30.7, 29.0, (20.0, 29.0), (30.52, 30.54), 0.2, None),
    ],
)
def test_the_next_step_of_a_correction(
    start: float,
    target: float,
    admissible: tuple[float, float],
    within_rate: tuple[float, float],
    dead_band: float,
    expected: float | None,
) -> None:
    own = replace(GATE.limits.actuators[TEMPERATURE], point=TENTHS, dead_band=dead_band)
    allowed, reachable = (
        Meeting(grains(low), grains(high)) for low, high in (admissible, within_rate)
    )
    found = _step(own, grains(start), grains(target), allowed, reachable, grains(dead_band))
    assert found == (None if expected is None else pytest.approx(expected))
