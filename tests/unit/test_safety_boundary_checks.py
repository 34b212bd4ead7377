"""Each check by itself, from two starts, at its edge, with every number that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import safety
import safety.in_force
from adapters.gateway import write_gate
from facility.commands import Origin
from safety import checks, dwell
from safety.arithmetic import LARGEST, WIDEST, Interval, Meeting, allowance, meet, milliseconds
from safety.checks import Case, Finding
from safety.guards import Effect
from safety.interlocks import Active, Situation, survey
from safety.state import EnvelopeState
from tests.safety_kit import (
    AIR,
    FLOW,
    NO_WORST_CASE,
    NOW_S,
    TEMPERATURE,
    command,
    envelope,
    holding,
    moment,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
LIMITS = GATE.limits
OWN = LIMITS.actuators


def situation(on: str = TEMPERATURE, **changes: Any) -> Situation:
    found = survey(OWN[on], STATE.of(on), moment(telemetry()))
    return replace(found, **changes)


def case(
    on: str = TEMPERATURE,
    value: float = 29.0,
    state: EnvelopeState = STATE,
    asked: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Case:
    asking = command(value, on, **(asked or {}))
    return Case(LIMITS, OWN[on], state, asking, situation(on, **changes), NOW_S, NO_WORST_CASE)


def floats(saw: Mapping[str, float]) -> Mapping[str, float]:
    """What a verdict saw, whole numbers turned away: it goes into a journal as it is."""
    assert {type(number) for number in saw.values()} <= {float}
    return saw


# -- arithmetic ----------------------------------------------------------------------------------


def test_the_widest_number_is_a_whole_number_of_grains() -> None:
    assert WIDEST == 10**13
    assert isinstance(WIDEST, int)
    assert LARGEST == 1e9


@pytest.mark.parametrize(("duration_s", "expected"), [(0.0004, 0), (0.0006, 1), (-0.0006, -1)])
def test_a_duration_is_a_whole_number_of_milliseconds(duration_s: float, expected: int) -> None:
    assert milliseconds(duration_s) == expected
    assert isinstance(milliseconds(duration_s), int)


@pytest.mark.parametrize("elapsed_s", [0.0, -0.001, -300.0])
def test_the_fastest_rate_allows_nothing_in_no_time(elapsed_s: float) -> None:
    assert allowance(1000.0, elapsed_s, 300.0) == 0


def test_a_conflict_keeps_the_ends_before_it_and_their_names() -> None:
    low, high, other = Interval("low", 2), Interval("high", None, 5), Interval("other", 6, 9)
    assert meet((low, high, other)) == Meeting(2, 5, low, high, other)
    assert Interval("bare").detail == ""
    assert Interval("bare").saw == {}


MODULES = [import_module(f"safety.{each.name}") for each in iter_modules(safety.__path__)]
"""All of the envelope."""


def records(module: Any) -> list[type]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and is_dataclass(each) and each.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for module in (*MODULES, write_gate)
        for kind in records(module)
        if kind is not write_gate._Passing
    ],
    ids=lambda kind: kind.__name__,
)
def test_what_a_verdict_rests_on_cannot_be_changed(kind: type) -> None:
    blank: Any = object.__new__(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(blank, fields(kind)[0].name, None)


@pytest.mark.parametrize("kind", [Finding, dwell.Wait, safety.in_force.Correction, Active])
def test_what_needs_no_numbers_shows_none(kind: type) -> None:
    needed = [each for each in fields(kind) if each.name != "saw"]
    assert kind(*("x" for _ in needed)).saw == {}


# -- refusals ------------------------------------------------------------------------------------


def test_a_clock_that_went_back_shows_both_times() -> None:
    found = checks.clock(EnvelopeState(seen_s=NOW_S), NOW_S - 2.0)
    assert found is not None
    assert floats(found.saw) == {"now_s": NOW_S - 2.0, "seen_s": NOW_S}


@pytest.mark.parametrize(("age_s", "refused"), [(-1.0, False), (-1.001, True), (60.001, True)])
def test_an_age_shows_itself_and_its_limit(age_s: float, refused: bool) -> None:
    found = checks.age(case(asked={"issued_at_s": NOW_S - age_s}))
    assert (found is not None) is refused
    if found is not None:
        assert floats(found.saw) == {
            "age_s": pytest.approx(age_s, abs=1e-6),
            "command_max_age_s": 60.0,
        }


@pytest.mark.parametrize(("left_s", "refused"), [(5e-5, False), (0.0, True), (-3.0, True)])
def test_an_expiry_is_exact(left_s: float, refused: bool) -> None:
    found = checks.expiry(case(asked={"expires_at_s": NOW_S + left_s}))
    assert (found is not None) is refused
    if found is not None:
        assert floats(found.saw) == {"left_s": left_s}


def test_a_missing_read_back_shows_how_old_it_may_be() -> None:
    found = checks.telemetry(case(starts=(), read_back=None))
    assert found is not None
    assert (found.check, floats(found.saw)) == ("telemetry", {"max_age_s": 16.0})


@pytest.mark.parametrize(
    ("check", "effect"), [(checks.hold, Effect.HOLD), (checks.interlocks, Effect.TOWARDS)]
)
def test_a_condition_is_named_with_what_it_saw(check: Any, effect: Effect) -> None:
    active = tuple(
        Active(each.value, each, f"detail {each.value}", saw={each.value: 1.0}) for each in Effect
    )
    found = check(case(active=active))
    assert (found.check, found.detail, found.saw) == (
        effect.value,
        f"detail {effect.value}",
        {effect.value: 1.0},
    )
    assert checks.hold(case(active=())) is None


def test_a_device_that_must_be_isolated_shows_why() -> None:
    active = (Active("leak", Effect.ISOLATE, "wet", saw={"x": 1.0}),)
    assert checks.isolation(OWN[FLOW], STATE, situation(active=active)) == Finding(
        "leak", "wet", {"x": 1.0}
    )


def test_the_checks_stand_in_the_order_of_the_specification() -> None:
    """docs/safety.md: of several that bind or refuse, the first in this order is named."""
    tables = (checks.STANDING, checks.REFUSALS, checks.LIMITERS)
    assert [[check.__name__ for check in table] for table in tables] == [
        ["mode", "lock_out", "device", "isolation"],
        ["authority", "age", "expiry", "telemetry", "hold"],
        [
            *("hand_back", "dew_point", "dew_point_unknown", "condensation", "backup"),
            *("interlocks", "overcooled", "storage_reserve", "blind", "safety_direction"),
            *("authorised", "rate"),
        ],
    ]


# -- limiters ------------------------------------------------------------------------------------

LOW, HIGH = 290_000, 300_000
TWO = (LOW, HIGH)


def ends(interval: Interval) -> tuple[int | None, int | None]:
    return interval.lower, interval.upper


def test_on_a_quiet_day_every_limiter_names_itself_and_most_admit_everything() -> None:
    found = {limiter.__name__: limiter(case()) for limiter in checks.LIMITERS}
    named = {"authorised": "authority"}
    assert [each.check for each in found.values()] == [named.get(name, name) for name in found]
    binding = {name for name, each in found.items() if ends(each) != (None, None)}
    assert binding == {"dew_point", "authorised", "rate"}


@pytest.mark.parametrize("starts", [TWO, TWO[::-1]])
def test_without_a_dew_point_nothing_is_colder_than_any_start(starts: tuple[int, ...]) -> None:
    found = checks.dew_point_unknown(case(starts=starts, dew_point_c=None))
    assert (found.check, ends(found)) == ("dew_point_unknown", (HIGH, None))
    assert floats(found.saw) == {"sensors": 2.0}
    insulated = case(AIR, dew_point_c=None)
    assert checks.dew_point_unknown(insulated) == Interval("dew_point_unknown")


@pytest.mark.parametrize("starts", [TWO, TWO[::-1]])
@pytest.mark.parametrize(("supply_c", "binds"), [(17.0, False), (16.9999, True), (None, False)])
def test_a_supply_near_the_dew_point_gets_no_colder_than_any_start(
    starts: tuple[int, ...], supply_c: float | None, binds: bool
) -> None:
    found = checks.condensation(case(starts=starts, dew_point_c=14.0, supply_c=supply_c))
    assert (found.check, ends(found)) == ("condensation", (HIGH if binds else None, None))
    if binds:
        assert floats(found.saw) == {"supply_c": supply_c, "dew_point_c": 14.0, "margin_k": 3.0}
    insulated = case(AIR, dew_point_c=14.0, supply_c=10.0)
    assert checks.condensation(insulated) == Interval("condensation")


def test_the_dew_point_shows_itself_and_its_margin() -> None:
    found = checks.dew_point(case(dew_point_c=14.0))
    assert ends(found) == (170_000, None)
    assert floats(found.saw) == {"dew_point_c": 14.0, "margin_k": 3.0}
    for free in (case(AIR, dew_point_c=14.0), case(dew_point_c=None)):
        assert checks.dew_point(free) == Interval("dew_point")


@pytest.mark.parametrize("starts", [TWO, TWO[::-1]])
@pytest.mark.parametrize(
    ("on", "expected"),
    [(FLOW, (HIGH, None)), (TEMPERATURE, (None, LOW)), (AIR, (None, LOW))],
)
def test_towards_cooling_means_from_every_start(
    on: str, expected: tuple[int | None, int | None], starts: tuple[int, ...]
) -> None:
    found = checks.towards_only(case(on, starts=starts), "x", "why", {"y": 1.0})
    assert found == Interval("x", *expected, "why", {"y": 1.0})


@pytest.mark.parametrize("origin", list(Origin))
def test_a_move_to_safety_alone_has_one_direction(origin: Origin) -> None:
    found = checks.safety_direction(case(asked={"origin": origin}))
    assert (ends(found) == (None, None)) is (origin is not Origin.SAFETY)


def test_blind_means_without_a_read_back() -> None:
    assert ends(checks.blind(case())) == (None, None)
    assert ends(checks.blind(case(read_back=None))) == (None, 300_000)


@pytest.mark.parametrize(
    ("on", "elapsed_s", "expected", "saw"),
    [
        (TEMPERATURE, 300.0, (HIGH - 20_000, LOW + 5_000), (300.0, 0.5, 2.0)),
        (TEMPERATURE, 60.0, (HIGH - 20_000, LOW + 1_000), (60.0, 0.1, 2.0)),
        (TEMPERATURE, 6.0, (HIGH - 2_000, LOW + 100), (6.0, 0.01, 0.2)),
        (TEMPERATURE, 900.0, (HIGH - 20_000, LOW + 5_000), (300.0, 0.5, 2.0)),
        (TEMPERATURE, None, (HIGH - 20_000, LOW + 5_000), (300.0, 0.5, 2.0)),
        (FLOW, 60.0, (HIGH - 10_000, LOW + 40_000), (60.0, 1.0, 4.0)),
    ],
)
def test_the_rate_from_two_starts(
    on: str,
    elapsed_s: float | None,
    expected: tuple[int, int],
    saw: tuple[float, float, float],
) -> None:
    moved_at_s = None if elapsed_s is None else NOW_S - elapsed_s
    found = checks.rate_interval(LIMITS, OWN[on], TWO, moved_at_s, NOW_S)
    assert (found.check, ends(found)) == ("rate", expected)
    assert floats(found.saw) == dict(zip(("elapsed_s", "away", "towards"), saw, strict=True))


def test_a_rate_of_one_grain_a_minute_is_a_rate() -> None:
    slow = replace(OWN[TEMPERATURE], rate_away_per_min=1e-4, rate_towards_per_min=1e-4)
    found = checks.rate_interval(LIMITS, slow, (HIGH,), None, NOW_S)
    assert ends(found) == (HIGH - 1, HIGH + 5)


@pytest.mark.parametrize(
    ("towards_window_s", "away_window_s", "expected"),
    [(600.0, 300.0, (HIGH - 200_000, HIGH + 5_000)), (60.0, 600.0, (HIGH - 20_000, HIGH + 10_000))],
)
def test_each_direction_counts_its_own_window(
    towards_window_s: float, away_window_s: float, expected: tuple[int, int]
) -> None:
    limits = replace(LIMITS, towards_window_s=towards_window_s, away_window_s=away_window_s)
    found = checks.rate_interval(limits, OWN[TEMPERATURE], (HIGH,), None, NOW_S)
    assert ends(found) == expected
    assert found.saw["elapsed_s"] == 600.0
