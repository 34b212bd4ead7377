"""What sensors showed lately: frozen, swinging and outvoted ones, each at its edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Origin
from facility.telemetry import Quality, Reading, Snapshot
from safety import checks
from safety.arithmetic import Interval
from safety.checks import Case
from safety.envelope import Envelope
from safety.guards import Effect, Sensor, Sighted, Swing, Vote
from safety.interlocks import Active, Conditions, survey, swing
from safety.limits import limits_of
from safety.sightings import Frame, Sightings, honest, observe
from safety.state import EnvelopeState, restart_clock
from tests.safety_kit import (
    FLOW,
    NO_WORST_CASE,
    NOW_S,
    TEMPERATURE,
    actuator,
    command,
    holding,
    moment,
    reading,
    site,
    telemetry,
)

AIR, CASE, POWER = (Sensor(tag, 16.0) for tag in ("air", "case", "power"))
BASE = limits_of(site())
LIMITS = replace(
    BASE,
    sighted=(Sighted(AIR, POWER, 25.0, 27.0), Sighted(CASE, None, 25.0, None)),
    votes=(),
)
MINUTE_S = 60.0


def shown(now_s: float, **values: float | None) -> Snapshot:
    absent = Reading(None, Quality.ABSENT, now_s)
    told = {
        tag: absent if value is None else reading(value, now_s) for tag, value in values.items()
    }
    return telemetry(told, now_s=now_s)


def watch(*minutes: dict[str, float | None], every_s: float = MINUTE_S) -> Sightings:
    """One snapshot a minute, the last of them now."""
    seen = Sightings()
    first_s = NOW_S - every_s * (len(minutes) - 1)
    for count, values in enumerate(minutes):
        now_s = first_s + every_s * count
        seen = observe(LIMITS, seen, shown(now_s, **values), now_s)
    return seen


def still(count: int, moved_kw: float = 25.0, air: float = 24.0) -> list[dict[str, float | None]]:
    """Air that stands at one number while the rack's power moves once."""
    steps: list[dict[str, float | None]] = [
        {"air": air, "case": 60.0 + 0.1 * n, "power": 50.0} for n in range(count)
    ]
    steps[-1]["power"] = 50.0 + moved_kw
    return steps


# -- frozen --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "moved_kw", "frozen"),
    [(15, 25.0, True), (14, 25.0, False), (16, 25.0, True), (15, 24.999, False), (15, -25.0, True)],
)
def test_a_sensor_that_stands_still_while_its_load_moves_is_frozen(
    count: int, moved_kw: float, frozen: bool
) -> None:
    seen = watch(*still(count, moved_kw))
    assert seen.frozen == ({"air": 24.0} if frozen else {})
    assert len(seen.frames) == min(count, 16)


def test_ten_frames_at_the_fewest() -> None:
    def over(count: int) -> Sightings:
        return watch(*still(count), every_s=840.0 / (count - 1))

    assert over(10).frozen == {"air": 24.0}
    assert over(9).frozen == {}


def test_one_other_number_or_a_gap_is_no_frozen_sensor() -> None:
    for other in (24.0001, None):
        steps = still(15)
        steps[3]["air"] = other
        assert watch(*steps).frozen == {}
    steps = still(15)
    steps[-1]["air"] = None
    assert watch(*steps).frozen == {}


def test_a_driver_that_cannot_be_read_has_not_moved() -> None:
    steps = still(15)
    for step in steps:
        step["power"] = None
    assert watch(*steps).frozen == {}


def test_it_stays_frozen_until_it_shows_another_number() -> None:
    seen = watch(*still(15))
    later_s = NOW_S + MINUTE_S
    calm = observe(LIMITS, seen, shown(later_s, air=24.0, case=61.0, power=75.0), later_s)
    assert calm.frozen == {"air": 24.0}
    moved = observe(LIMITS, seen, shown(later_s, air=24.1, case=61.0, power=75.0), later_s)
    assert moved.frozen == {}


def test_a_frame_a_minute_for_a_quarter_of_an_hour() -> None:
    seen = Sightings(frames=(Frame(NOW_S, (24.0, 60.0), (50.0, 60.0)),))
    for after_s, count in ((0.0, 1), (59.999, 1), (60.0, 2), (900.0, 2), (900.001, 1)):
        now_s = NOW_S + after_s
        found = observe(LIMITS, seen, shown(now_s, air=24.0, case=60.0, power=50.0), now_s)
        assert len(found.frames) == count
    back_s = NOW_S - 1.0
    found = observe(LIMITS, seen, shown(back_s, air=23.0, case=60.0, power=50.0), back_s)
    assert found.frames == (Frame(back_s, (23.0, 60.0), (50.0, 60.0)),)
    assert observe(replace(LIMITS, sighted=()), seen, shown(NOW_S + 61.0), NOW_S + 61.0) is seen


@pytest.mark.parametrize(
    ("after_s", "kept"), [(0.0, (NOW_S,)), (5e-5, (NOW_S,)), (-5e-5, ()), (-1.0, ())]
)
def test_a_frame_of_the_future_is_dropped(after_s: float, kept: tuple[float, ...]) -> None:
    later = NOW_S + MINUTE_S
    values = ((24.0, 60.0), (50.0, 60.0))
    seen = Sightings(frames=(Frame(NOW_S, *values), Frame(later, *values)))
    now_s = NOW_S + after_s
    found = observe(LIMITS, seen, shown(now_s, air=24.0, case=60.0, power=50.0), now_s)
    assert tuple(frame.time_s for frame in found.frames) == (*kept, now_s)


def test_a_clock_that_went_back_by_a_hair_makes_a_frame() -> None:
    seen = Sightings(frames=(Frame(NOW_S, (24.0, 60.0), (50.0, 60.0)),))
    now_s = NOW_S - 5e-5
    found = observe(LIMITS, seen, shown(now_s, air=24.0, case=60.0, power=50.0), now_s)
    assert [frame.time_s for frame in found.frames] == [now_s]


def test_a_reading_that_is_too_old_is_not_seen() -> None:
    old = shown(NOW_S - 16.1, air=24.0, power=50.0)
    fresh = shown(NOW_S, case=60.0)
    both = replace(fresh, readings={**old.readings, **fresh.readings})
    (frame,) = observe(LIMITS, Sightings(), both, NOW_S).frames
    assert frame == Frame(NOW_S, (None, 60.0), (None, 60.0))


def test_a_driver_that_nobody_can_read_has_not_moved_by_nothing() -> None:
    idle = replace(LIMITS, sighted=(Sighted(AIR, POWER, 0.0, 27.0),))
    seen = Sightings()
    for count in range(15):
        now_s = NOW_S + MINUTE_S * count
        seen = observe(idle, seen, shown(now_s, air=24.0, power=None), now_s)
    assert seen.frozen == {}


def test_a_frozen_sensor_says_nothing_of_how_fast_the_air_changes() -> None:
    before = Frame(NOW_S - MINUTE_S, (18.0, 60.0), (50.0, 60.0))
    seen = Sightings(frames=(before,), frozen={"air": 24.0})
    found = observe(LIMITS, seen, shown(NOW_S, air=24.0, case=60.0, power=50.0), NOW_S)
    assert (found.frozen, found.rising) == ({"air": 24.0}, {})
    found = observe(LIMITS, seen, shown(NOW_S, air=24.1, case=60.0, power=50.0), NOW_S)
    assert found.frozen == {}
    assert found.rising == {"air": pytest.approx(6.1)}


def test_a_frozen_reading_is_marked_and_no_other() -> None:
    seen = Sightings(frozen={"air": 24.0})
    found = honest(LIMITS, seen, shown(NOW_S, air=24.0, case=60.0), NOW_S).readings
    assert (found["air"].value, found["air"].quality) == (24.0, Quality.FROZEN)
    assert found["air"].note == "stands at 24 while what drives it moves"
    assert found["case"].quality is Quality.GOOD
    moved = shown(NOW_S, air=24.1, case=60.0)
    assert honest(LIMITS, seen, moved, NOW_S) is moved


# -- too fast ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "now", "rising", "falling"),
    [
        (20.0, 25.0, {}, {}),
        (20.0, 25.0001, {"air": pytest.approx(5.0001)}, {}),
        (25.0, 20.0, {}, {}),
        (25.0001, 20.0, {}, {"air": pytest.approx(5.0001)}),
        (33.0, 27.0, {}, {}),  # not below what is recommended: it only came back
        (33.0, 26.9999, {}, {"air": pytest.approx(6.0001)}),
    ],
)
def test_inlet_air_that_changed_by_more_than_five_kelvin(
    was: float, now: float, rising: dict[str, Any], falling: dict[str, Any]
) -> None:
    first: dict[str, float | None] = {"air": was, "case": 50.0, "power": 50.0}
    middle: dict[str, float | None] = {"air": None, "case": None, "power": None}
    last: dict[str, float | None] = {"air": now, "case": 70.0, "power": 50.0}
    seen = watch(first, middle, last)
    assert (dict(seen.rising), dict(seen.falling)) == (rising, falling)
    assert watch(first, last, {"air": None}).rising == {}


def test_the_fastest_of_the_racks_is_named() -> None:
    guard = Swing("inlet_rise", ("a", "b", "c"), True, Effect.TOWARDS)
    seen = Sightings(rising={"a": 6.0, "b": 7.0, "z": 9.0}, falling={"c": 8.0})
    found = swing(guard, seen)
    assert found == Active(
        "inlet_rise",
        Effect.TOWARDS,
        "b rose by 7.0 K within 15 min",
        saw={"b": 7.0, "most_k": 5.0},
    )
    fall = swing(Swing("inlet_fall", ("a", "c"), False, Effect.AWAY), seen)
    assert fall is not None
    assert (fall.name, fall.detail) == ("inlet_fall", "c fell by 8.0 K within 15 min")
    assert swing(Swing("x", ("y",), True, Effect.HOLD), seen) is None
    equal = Sightings(rising={"b": 6.0, "a": 6.0, "c": 6.0})
    assert swing(guard, equal) == swing(guard, Sightings(rising={"c": 6.0, "a": 6.0, "b": 6.0}))
    assert "c rose" in str(swing(guard, equal))
    assert Conditions(telemetry(), NOW_S, 1.0, seen).of(guard) == found


# -- outvoted ------------------------------------------------------------------------------------

A, B, C = (Sensor(tag, 16.0) for tag in "abc")


def vote(tolerance: float = 1.0, share: float = 0.0, **values: float | None) -> dict[str, Any]:
    """What is marked of three sensors of one place: quality and value by tag."""
    limits = replace(LIMITS, votes=(Vote((A, B, C), tolerance, share),))
    seen = shown(NOW_S, **values)
    found = honest(limits, Sightings(), seen, NOW_S)
    if found is seen:
        return {}
    return {
        tag: (each.quality, each.value, each.note)
        for tag, each in found.readings.items()
        if each != seen.readings[tag]
    }


@pytest.mark.parametrize(
    ("off", "agrees"), [(1.0, True), (1.0001, False), (-1.0, True), (-1.0001, False)]
)
def test_sensors_agree_within_their_tolerance(off: float, agrees: bool) -> None:
    found = vote(a=20.0, b=20.0, c=20.0 + off)
    note = "outvoted: the others show about 20"
    assert found == ({} if agrees else {"c": (Quality.BAD, pytest.approx(20.0 + off), note)})


@pytest.mark.parametrize(("value", "agrees"), [(105.0, True), (105.0001, False), (95.0, True)])
def test_or_within_their_share(value: float, agrees: bool) -> None:
    assert (vote(0.0, 0.05, a=100.0, b=100.0, c=value) == {}) is agrees
    assert (vote(0.0, 0.05, a=-100.0, b=-100.0, c=-value) == {}) is agrees


def test_one_stands_in_for_the_first_where_that_is_outvoted_or_silent() -> None:
    found = vote(a=50.0, b=20.0, c=20.5)
    note = "a cannot be believed; b stands in for it"
    assert found == {"a": (Quality.GOOD, 20.5, note)}
    assert vote(a=None, b=20.0, c=20.5) == {"a": (Quality.GOOD, 20.0, note)}
    assert vote(a=None, b=None, c=20.5) == {
        "a": (Quality.GOOD, 20.5, "a cannot be believed; c stands in for it")
    }


def test_a_share_is_counted_in_whole_grains() -> None:
    assert vote(0.0, 0.05, a=100.0012, b=100.0012, c=105.0013) == {}
    assert set(vote(0.0, 0.05, a=100.0012, b=100.0012, c=105.0014)) == {"c"}


def test_what_is_too_old_or_frozen_has_no_vote() -> None:
    limits = replace(LIMITS, votes=(Vote((A, B, C), 1.0, 0.0),))
    seen = shown(NOW_S, a=20.0, b=20.5, c=30.0)
    frozen = honest(limits, Sightings(frozen={"a": 20.0}), seen, NOW_S).readings
    assert [frozen[tag].quality for tag in "abc"] == [Quality.FROZEN, Quality.BAD, Quality.BAD]
    old = replace(seen, readings={**seen.readings, "a": reading(20.0, NOW_S - 16.1)})
    found = honest(limits, Sightings(), old, NOW_S).readings
    assert [found[tag].quality for tag in "bc"] == [Quality.BAD, Quality.BAD]


def test_a_stand_in_is_as_old_as_the_first_that_agrees() -> None:
    limits = replace(LIMITS, votes=(Vote((A, B, C), 1.0, 0.0),))
    seen = shown(NOW_S, a=None)
    taken = {"b": reading(20.0, NOW_S - 3.0), "c": reading(20.0, NOW_S - 1.0)}
    found = honest(
        limits, Sightings(), replace(seen, readings={**seen.readings, **taken}), NOW_S
    ).readings["a"]
    assert (found.value, found.time_s) == (20.0, NOW_S - 3.0)


def test_without_a_majority_none_is_used() -> None:
    bad = "the sensors disagree"
    assert vote(a=10.0, b=20.0, c=None) == {
        "a": (Quality.BAD, 10.0, bad),
        "b": (Quality.BAD, 20.0, bad),
    }
    found = vote(a=10.0, b=20.0, c=30.0)
    assert {tag: quality for tag, (quality, _, _) in found.items()} == dict.fromkeys(
        "abc", Quality.BAD
    )
    assert vote(a=None, b=None, c=None) == {}


# -- in the envelope -----------------------------------------------------------------------------


def test_a_scan_remembers_what_it_saw_and_a_restart_forgets_it() -> None:
    gate = Envelope(LIMITS)
    seen = shown(NOW_S, air=24.0, case=60.0, power=50.0)
    state, _ = gate.judge_in_force(EnvelopeState(), seen, NOW_S)
    assert len(state.sightings.frames) == 1
    assert EnvelopeState.from_json(state.to_json()).sightings == Sightings()
    assert restart_clock(state, NOW_S).sightings == Sightings()
    marked = replace(state, sightings=Sightings(frozen={"air": 24.0}))
    found = gate.honest(marked, seen, NOW_S).readings["air"]
    assert found.quality is Quality.FROZEN


def test_the_plants_own_values_that_are_outside_a_limit_are_told() -> None:
    warm = actuator(TEMPERATURE, "cdu_1", dew_point_margin_k=3.0, fallback=19.0)
    gate = Envelope(limits_of(site(actuators=[warm])))
    found = gate.judge_fallbacks(telemetry(), NOW_S)
    assert {name: each.check for name, each in found.items()} == {TEMPERATURE: "range"}
    assert gate.judge_fallback(TEMPERATURE, telemetry(), NOW_S) == found[TEMPERATURE]
    assert Envelope(BASE).judge_fallbacks(telemetry(), NOW_S) == {}


@pytest.mark.parametrize("starts", [(290_000, 300_000), (300_000, 290_000)])
@pytest.mark.parametrize(("on", "ends"), [(TEMPERATURE, (300_000, None)), (FLOW, (None, 290_000))])
def test_away_from_cooling_means_from_every_start(
    on: str, ends: tuple[int | None, int | None], starts: tuple[int, ...]
) -> None:
    gate = Envelope(BASE)
    state = holding(gate)
    active = tuple(Active(each.value, each, f"{each.value}!", saw={"x": 1.0}) for each in Effect)
    found = survey(BASE.actuators[on], state.of(on), moment(telemetry()))
    case = Case(
        BASE,
        BASE.actuators[on],
        state,
        command(29.0, on, origin=Origin.PERSON),
        replace(found, starts=starts, active=active),
        NOW_S,
        NO_WORST_CASE,
    )
    assert checks.overcooled(case) == Interval("away", *ends, "away!", {"x": 1.0})
    calm = replace(case, situation=replace(found, active=()))
    assert checks.overcooled(calm) == Interval("overcooled")
