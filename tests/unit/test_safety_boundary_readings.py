"""Which readings are believed, and what is beyond its threshold: each edge to its last digit."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from facility.telemetry import Quality, Reading
from safety.arithmetic import LARGEST
from safety.guards import Effect, Interlock, Sensor, Watch
from safety.readings import MANY, Crossing, Looks, believed, crossings, usable
from tests.safety_kit import NOW_S, reading

AGE_S, SLACK_S = 16.0, 1.0
SENSOR = Sensor("a", AGE_S)
NEXT = math.nextafter(LARGEST, math.inf)
MOMENTS = [
    (NOW_S, True),
    (NOW_S - AGE_S, True),
    (math.nextafter(NOW_S - AGE_S, 0.0), False),
    (NOW_S + SLACK_S, True),
    (math.nextafter(NOW_S + SLACK_S, math.inf), False),
]
VALUES = [
    (LARGEST, True),
    (-LARGEST, True),
    (NEXT, False),
    (-NEXT, False),
    (math.nan, False),
    (None, False),
]


def one(above: bool = True) -> Interlock:
    return Interlock("x", (Watch("a", AGE_S, 32.0),), above, Effect.HOLD, 1, Effect.HOLD)


def asked(shown: Reading) -> tuple[float | None, int]:
    """What one look and a pass over many make of a reading: they must agree."""
    readings = {"a": shown}
    (value,) = usable(readings, [SENSOR], NOW_S, SLACK_S)
    assert value == believed(readings, SENSOR, NOW_S, SLACK_S)
    return value, crossings(one(), readings, NOW_S, SLACK_S)[0]


@pytest.mark.parametrize(("time_s", "is_usable"), MOMENTS)
def test_a_reading_is_neither_too_old_nor_of_the_future(time_s: float, is_usable: bool) -> None:
    assert asked(reading(24.0, time_s)) == ((24.0, 1) if is_usable else (None, 0))


@pytest.mark.parametrize(("value", "is_usable"), VALUES)
def test_a_reading_is_a_number_of_a_size_that_occurs(value: float | None, is_usable: bool) -> None:
    assert asked(Reading(value, Quality.GOOD, NOW_S)) == ((value, 1) if is_usable else (None, 0))


@pytest.mark.parametrize("quality", [each for each in Quality if each is not Quality.GOOD])
def test_nothing_but_a_good_reading_is_believed(quality: Quality) -> None:
    assert asked(Reading(24.0, quality, NOW_S)) == (None, 0)
    assert believed({}, SENSOR, NOW_S, SLACK_S) is None


def test_a_crossing_tells_how_far_beyond_which_threshold() -> None:
    hot = crossings(one(), {"a": reading(34.5)}, NOW_S, SLACK_S)
    assert hot == (1, [Crossing(2.5, "a", 34.5, 32.0)])
    cold = crossings(one(above=False), {"a": reading(29.0)}, NOW_S, SLACK_S)
    assert cold == (1, [Crossing(3.0, "a", 29.0, 32.0)])
    assert crossings(one(), {"a": reading(32.0)}, NOW_S, SLACK_S) == (1, [])
    assert crossings(one(above=False), {"a": reading(32.0)}, NOW_S, SLACK_S) == (1, [])


# -- remembered ----------------------------------------------------------------------------------

TAGS = [f"r{number}" for number in range(MANY)]
ALL = Interlock(
    "x", tuple(Watch(tag, AGE_S, 32.0) for tag in TAGS), True, Effect.HOLD, 1, Effect.HOLD
)
FIRST_S, LAST_S = NOW_S - 2.0, NOW_S


def taken() -> dict[str, Reading]:
    """Read within two seconds of one another."""
    return {tag: reading(24.0, LAST_S if tag == TAGS[5] else FIRST_S) for tag in TAGS}


@pytest.mark.parametrize(
    ("now_s", "remembered"),
    [
        (NOW_S, True),
        (LAST_S - SLACK_S, True),
        (math.nextafter(LAST_S - SLACK_S, 0.0), False),
        (FIRST_S + AGE_S, True),
        (math.nextafter(FIRST_S + AGE_S, math.inf), False),
    ],
)
def test_what_was_seen_is_remembered_while_every_reading_of_it_is_believed(
    now_s: float, remembered: bool
) -> None:
    looks = Looks()
    first = looks.crossings(ALL, taken(), NOW_S, SLACK_S)[1]
    again = looks.crossings(ALL, taken(), now_s, SLACK_S)
    assert (again[1] is first) is remembered
    assert again == crossings(ALL, taken(), now_s, SLACK_S)


def test_an_age_of_its_own_counts_for_each_sensor() -> None:
    young = replace(ALL, watches=(Watch(TAGS[0], 1.0, 32.0), *ALL.watches[1:]))
    assert crossings(young, taken(), NOW_S, SLACK_S)[0] == MANY - 1
