"""Each check of a command: below, at and above its limit, with its name and the numbers it saw."""

from __future__ import annotations

import math
from typing import Any

import pytest

from facility.commands import Mode, Origin, Outcome, Verdict
from facility.devices import Release
from facility.telemetry import Authority, Quality, Reading, Snapshot
from safety.envelope import Envelope, needs_write
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
    command,
    command_at,
    device,
    envelope,
    holding,
    override,
    point,
    read_back,
    reading,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
PERSON: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}
SAFETY: dict[str, Any] = {"origin": Origin.SAFETY, "authority": "wide-safety"}
TEMPERATURE_BACK, FLOW_BACK = read_back(TEMPERATURE), read_back(FLOW)


def judge(
    value: float,
    on: str = TEMPERATURE,
    seen: Snapshot | None = None,
    gate: Envelope = GATE,
    state: EnvelopeState = STATE,
    now_s: float = NOW_S,
    **more: Any,
) -> Verdict:
    seen = telemetry(now_s=now_s) if seen is None else seen
    _, verdict = gate.judge(state, command_at(now_s, value, on, **more), seen, now_s)
    return verdict


def refused(verdict: Verdict, check: str) -> bool:
    return (verdict.outcome, verdict.value, verdict.check) == (Outcome.REFUSE, None, check)


# -- refusals ------------------------------------------------------------------------------------


def test_an_ordinary_move_is_allowed_as_it_is() -> None:
    verdict = judge(29.0)
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.ALLOW, 29.0, "")
    assert verdict.saw == {"asked": 29.0, "start": 30.0, "lower": 28.0, "upper": 30.5}
    assert needs_write(verdict)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e10, -1e300])
@pytest.mark.parametrize("origin", [PERSON, SAFETY, {}])
def test_what_is_not_a_finite_number_is_refused(value: float, origin: dict[str, Any]) -> None:
    verdict = judge(value, **origin)
    assert refused(verdict, "finite")
    assert all(math.isfinite(number) for number in verdict.saw.values())


@pytest.mark.parametrize("times", [{"issued_at_s": math.nan}, {"expires_at_s": math.inf}])
def test_times_that_are_not_finite_are_refused(times: dict[str, Any]) -> None:
    assert refused(judge(29.0, **times), "finite")


@pytest.mark.parametrize("now_s", [math.nan, math.inf, -math.inf])
def test_without_a_time_nothing_is_judged(now_s: float) -> None:
    state, verdict = GATE.judge(STATE, command(29.0), telemetry(), now_s)
    assert refused(verdict, "clock")
    assert state is STATE


@pytest.mark.parametrize(("back_s", "refuses"), [(0.0, False), (1e-3, True), (1e6, True)])
def test_a_clock_that_went_back_refuses(back_s: float, refuses: bool) -> None:
    verdict = judge(29.0, now_s=NOW_S - back_s, seen=telemetry(now_s=NOW_S - back_s))
    assert refused(verdict, "clock") is refuses
    if refuses:
        restarted = GATE.restart_clock(STATE, NOW_S - back_s)
        again = GATE.judge(
            restarted, command(28.0, **PERSON), telemetry(now_s=NOW_S - back_s), NOW_S - back_s
        )[1]
        assert not refused(again, "clock")


def test_an_actuator_that_is_not_listed_is_refused() -> None:
    assert refused(judge(29.0, "cdu_9.tcs_supply_temperature_setpoint"), "whitelist")
    assert refused(judge(29.0, TEMPERATURE_BACK), "whitelist")


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
@pytest.mark.parametrize("origin", [{}, PERSON, SAFETY])
def test_modes_that_do_not_write_refuse_everybody(mode: Mode, origin: dict[str, Any]) -> None:
    assert refused(judge(29.0, seen=telemetry(mode=mode), **origin), "mode")


def test_an_actuator_without_a_mode_is_off() -> None:
    seen = telemetry()
    bare = Snapshot(seen.time_s, seen.readings, seen.devices)
    assert refused(judge(29.0, seen=bare), "mode")


def test_a_locked_out_actuator_is_refused_until_it_is_unlocked() -> None:
    locked = GATE.lock_out(STATE, TEMPERATURE, "pump being changed")
    verdict = judge(29.0, state=locked)
    assert refused(verdict, "lock_out")
    assert "pump being changed" in verdict.detail
    assert judge(19.0, FLOW, state=locked).value == 19.0
    assert judge(29.0, state=GATE.unlock(locked, TEMPERATURE)).value == 29.0


def test_a_device_that_is_away_or_unknown_is_refused() -> None:
    assert refused(judge(29.0, seen=telemetry(connected=False)), "device")
    seen = telemetry()
    assert refused(judge(29.0, seen=Snapshot(seen.time_s, seen.readings, {}, seen.modes)), "device")


@pytest.mark.parametrize(
    ("age_s", "check"),
    [(-1.1, "age"), (-1.0, ""), (0.0, ""), (60.0, ""), (60.001, "age"), (1e7, "age")],
)
def test_the_age_of_a_command(age_s: float, check: str) -> None:
    verdict = judge(29.0, issued_at_s=NOW_S - age_s, expires_at_s=NOW_S + 1.0)
    assert verdict.check == check
    assert refused(verdict, "age") is bool(check)


@pytest.mark.parametrize(("left_s", "check"), [(1e-3, ""), (0.0, "expiry"), (-1.0, "expiry")])
def test_the_expiry_of_a_command(left_s: float, check: str) -> None:
    assert judge(29.0, expires_at_s=NOW_S + left_s).check == check


# -- readings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [q for q in Quality if q is not Quality.GOOD])
@pytest.mark.parametrize("on", [TEMPERATURE, FLOW])
def test_without_a_read_back_only_more_cooling_is_left(quality: Quality, on: str) -> None:
    held = 30.0 if on == TEMPERATURE else 20.0
    colder, warmer = (held - 1, held + 0.4) if on == TEMPERATURE else (held + 1, held - 0.4)
    seen = telemetry({read_back(on): reading(held, quality=quality)})
    assert judge(colder, on, seen).value == pytest.approx(colder)
    assert refused(judge(warmer, on, seen), "blind")


def test_without_a_read_back_an_unarmed_device_has_no_start() -> None:
    seen = telemetry({TEMPERATURE_BACK: None}, armed=False)
    assert refused(judge(29.0, seen=seen), "telemetry")


@pytest.mark.parametrize(
    ("age_s", "usable"), [(-1.001, False), (-1.0, True), (16.0, True), (16.001, False)]
)
def test_the_age_of_a_reading(age_s: float, usable: bool) -> None:
    """Three scans of 5 s and a reply of 1 s, whatever the quality says; 1 s into the future."""
    seen = telemetry({TEMPERATURE_BACK: Reading(30.0, Quality.GOOD, NOW_S - age_s)})
    assert (judge(30.4, seen=seen).outcome is Outcome.ALLOW) is usable


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e10])
def test_a_good_reading_that_is_no_number_is_not_used(value: float) -> None:
    seen = telemetry({TEMPERATURE_BACK: reading(value)})
    assert refused(judge(30.4, seen=seen), "blind")


def test_a_good_reading_without_a_value_is_not_used() -> None:
    assert refused(judge(30.4, seen=telemetry({TEMPERATURE_BACK: reading(None)})), "blind")


def test_a_reading_whose_time_is_no_number_is_not_used() -> None:
    seen = telemetry({TEMPERATURE_BACK: Reading(30.0, Quality.GOOD, math.nan)})
    assert refused(judge(30.4, seen=seen), "blind")


# -- absolute range ------------------------------------------------------------------------------


def at_edge(on: str, held: float, **more: Any) -> tuple[Envelope, EnvelopeState, Snapshot]:
    """Everything held, ``on`` at ``held``, with a long rate so that the range alone binds."""
    gate = envelope(
        actuators=[
            changed(each, rate_away_per_min=50.0, rate_towards_per_min=50.0, **more)
            for each in ACTUATORS
            if each.id == on
        ]
    )
    changes = {read_back(on): held}
    return gate, holding(gate, changes), telemetry(changes)


def up(value: float) -> float:
    return math.nextafter(value, math.inf)


def down(value: float) -> float:
    return math.nextafter(value, -math.inf)


GRID = [
    # actuator, held, limit, side of the limit that is outside, check
    (TEMPERATURE, 39.0, 40.0, +1, "supply_maximum"),
    (TEMPERATURE, 21.0, 20.0, -1, "range"),
    (FLOW, 12.0, 10.0, -1, "minimum_flow"),
    (FLOW, 38.0, 40.0, +1, "range"),
    (AIR, 19.0, 18.0, -1, "range"),
    (AIR, 26.0, 27.0, +1, "range"),
    (CHILLED, 11.0, 10.0, -1, "range"),
    (CHILLED, 19.0, 20.0, +1, "range"),
]


@pytest.mark.parametrize(("on", "held", "limit", "side", "check"), GRID)
def test_static_limits_to_the_last_digit(
    on: str, held: float, limit: float, side: int, check: str
) -> None:
    gate, state, seen = at_edge(on, held)

    def ask(value: float) -> Verdict:
        return judge(value, on, seen, gate, state, **PERSON)

    outward, inward = (up, down) if side > 0 else (down, up)
    for inside in (limit, inward(limit), limit - side * 1e-4, outward(limit)):
        # The next number after the limit is the same grain, and the same bytes on the wire.
        verdict = ask(inside)
        assert verdict.outcome is Outcome.ALLOW
        assert verdict.value == pytest.approx(limit, abs=1.01e-4)
        assert verdict.value is not None
        assert (verdict.value - limit) * side <= 5e-5
    for outside in (limit + side * 1e-4, limit + side * 0.3, limit + side * 1000.0):
        verdict = ask(outside)
        assert (verdict.outcome, verdict.check) == (Outcome.LIMIT, check)
        assert verdict.value == pytest.approx(limit, abs=1e-6)
        assert "lower" in verdict.saw


def test_the_value_is_what_the_device_will_decode() -> None:
    assert judge(29.46, **PERSON).value == pytest.approx(29.5)
    assert judge(29.44, **PERSON).value == pytest.approx(29.4)
    single = judge(18.1, CHILLED, **PERSON).value
    assert single is not None
    assert single != 18.1
    assert single == pytest.approx(18.1, abs=1e-6)


def test_rounding_to_the_register_never_leaves_a_limit() -> None:
    gate, state, seen = at_edge(TEMPERATURE, 39.0, maximum=39.87)
    verdict = judge(39.87, TEMPERATURE, seen, gate, state, **PERSON)
    assert verdict.value == pytest.approx(39.8)
    assert verdict.outcome is Outcome.ALLOW  # nothing bound but the register's tenths


def test_no_value_that_the_register_can_carry_is_left() -> None:
    """From 30.04 °C at most 0.05 K warmer, and at least 30.02 °C: no tenth lies between."""
    slow = changed(ACTUATORS[0], rate_away_per_min=0.01, rate_towards_per_min=0.01)
    seen = telemetry({TEMPERATURE_BACK: 30.04, DEW_POINTS[0]: 27.02}, armed=False)
    gate, state = envelope(actuators=[slow]), state_without_memory(STATE)
    assert refused(judge(30.06, seen=seen, gate=gate, state=state, **PERSON), "encodable")


def state_without_memory(state: EnvelopeState) -> EnvelopeState:
    return EnvelopeState(decisions=state.decisions, overrides=state.overrides)


# -- hand back of devices that jump --------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"), [(35.0, 35.0), (35.2, 35.0), (29.5, 29.5), (29.4, 29.5)]
)
def test_a_device_that_jumps_keeps_near_the_plants_own_value(asked: float, expected: float) -> None:
    fast = changed(ACTUATORS[0], rate_away_per_min=0.1, rate_towards_per_min=50.0)
    gate = envelope(actuators=[fast], devices=[device("cdu_1", release=Release.JUMP)])
    start = 34.8 if asked > 30.0 else 30.0
    state = holding(gate, {TEMPERATURE_BACK: start})
    verdict = judge(asked, seen=telemetry({TEMPERATURE_BACK: start}), gate=gate, state=state)
    assert verdict.value == pytest.approx(expected)
    if asked != expected:
        assert verdict.check == "hand_back"


# -- dew point -----------------------------------------------------------------------------------


@pytest.mark.parametrize("worst", DEW_POINTS)
@pytest.mark.parametrize(
    ("dew_c", "expected"),
    [(25.9, 29.0), (26.0, 29.0), (26.0001, 29.1), (26.1, 29.1), (26.95, 30.0)],
)
def test_the_worst_dew_point_keeps_its_margin(worst: str, dew_c: float, expected: float) -> None:
    """Asked 29.0 °C with 3 K: the limit is at a dew point of 26 °C."""
    verdict = judge(29.0, seen=telemetry({worst: dew_c}))
    if expected == 30.0:
        assert refused(verdict, "dew_point")
    else:
        assert verdict.value == pytest.approx(expected)
        assert verdict.check == ("" if expected == 29.0 else "dew_point")
    if verdict.check:
        assert verdict.saw["dew_point_c"] == dew_c
        assert verdict.saw["margin_k"] == 3.0


def test_an_insulated_setpoint_is_not_guarded() -> None:
    assert judge(21.0, AIR, telemetry({DEW_POINTS[0]: 26.0})).value == 21.0


def test_one_bad_dew_point_sensor_leaves_the_others() -> None:
    seen = telemetry({DEW_POINTS[1]: reading(90.0, quality=Quality.BAD)})
    assert judge(29.0, seen=seen).value == 29.0


def test_without_any_dew_point_nothing_gets_colder() -> None:
    seen = telemetry(dict.fromkeys(DEW_POINTS))
    assert refused(judge(29.0, seen=seen), "dew_point_unknown")
    assert judge(30.4, seen=seen).value == pytest.approx(30.4)


def test_while_the_supply_itself_is_near_the_dew_point_nothing_gets_colder() -> None:
    at, below = telemetry({SUPPLY: 17.0}), telemetry({SUPPLY: 16.9999})
    assert judge(29.0, seen=at).value == 29.0
    verdict = judge(29.0, seen=below)
    assert refused(verdict, "condensation")
    assert verdict.saw["supply_c"] == 16.9999
    assert judge(30.4, seen=below).value == pytest.approx(30.4)


def test_a_supply_that_cannot_be_read_leaves_the_setpoint_guarded() -> None:
    assert judge(29.0, seen=telemetry({SUPPLY: None})).value == 29.0


def test_where_range_and_dew_point_contradict_nothing_is_written() -> None:
    """The range is never left, the dew point never ignored: no value remains."""
    verdict = judge(39.0, seen=telemetry({DEW_POINTS[0]: 37.5}), **PERSON)
    assert refused(verdict, "dew_point")
    assert "no value is within every limit" in verdict.detail


def test_a_value_short_of_the_dew_point_by_more_than_the_rate_is_refused() -> None:
    assert refused(judge(32.0, seen=telemetry({DEW_POINTS[0]: 28.0}), **PERSON), "dew_point")


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
