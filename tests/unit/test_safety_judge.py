"""Each check of a command: below, at and above its limit, with its name and the numbers it saw."""

from __future__ import annotations

import math
from typing import Any

import pytest

from facility.commands import Mode, Outcome, Verdict
from facility.devices import Release
from facility.telemetry import Quality, Reading, Snapshot
from safety.envelope import Envelope, needs_write
from safety.state import EnvelopeState
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
    DEW_POINTS,
    FLOW,
    NOW_S,
    SUPPLY,
    TEMPERATURE,
    changed,
    command,
    device,
    envelope,
    holding,
    read_back,
    reading,
    telemetry,
)

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
