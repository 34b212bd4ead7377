"""Interlocks with many sensors are gone through once for the same readings, and never too late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.telemetry import Quality, Reading
from safety.guards import Effect, Interlock, Watch
from safety.readings import MANY, Looks, crossings
from tests.safety_kit import NOW_S, reading

TAGS = tuple(f"r{number}.inlet_temperature" for number in range(MANY))
HOT = Interlock(
    "hot_rack",
    tuple(Watch(tag, 16.0 if number else 6.0, 32.0) for number, tag in enumerate(TAGS)),
    True,
    Effect.TOWARDS,
    1,
    Effect.TOWARDS,
)


def quiet(time_s: float = NOW_S) -> dict[str, Reading]:
    return {tag: reading(24.0, time_s) for tag in TAGS}


def judged(looks: Looks, shown: dict[str, Reading], now_s: float = NOW_S) -> tuple[int, list[str]]:
    """What is found with a memory, which is always what is found without one."""
    seen, crossed = looks.crossings(HOT, shown, now_s, 1.0)
    assert (seen, list(crossed)) == crossings(HOT, shown, now_s, 1.0)
    return seen, [each.tag for each in crossed]


def test_the_same_readings_are_gone_through_once() -> None:
    looks, shown = Looks(), quiet()
    first = looks.crossings(HOT, shown, NOW_S, 1.0)[1]
    assert looks.crossings(HOT, quiet(), NOW_S + 3.0, 1.0)[1] is first
    hot = shown | {TAGS[3]: reading(32.1)}
    assert looks.crossings(HOT, hot, NOW_S, 1.0)[1] is not first


@pytest.mark.parametrize("which", [0, 1, MANY - 1])
def test_one_reading_that_changed_is_seen(which: int) -> None:
    looks, shown = Looks(), quiet()
    assert judged(looks, shown) == (MANY, [])
    shown[TAGS[which]] = reading(32.1)
    assert judged(looks, shown) == (MANY, [TAGS[which]])
    shown[TAGS[which]] = reading(24.0, quality=Quality.BAD)
    assert judged(looks, shown) == (MANY - 1, [])
    del shown[TAGS[which]]
    assert judged(looks, shown) == (MANY - 1, [])
    assert judged(looks, quiet()) == (MANY, [])


@pytest.mark.parametrize(
    ("after_s", "usable"),
    [(0.0, MANY), (6.0, MANY), (6.001, MANY - 1), (16.0, MANY - 1), (16.1, 0)],
)
def test_readings_that_did_not_change_grow_too_old(after_s: float, usable: int) -> None:
    looks, shown = Looks(), quiet()
    judged(looks, shown)
    assert judged(looks, shown, NOW_S + after_s) == (usable, [])


@pytest.mark.parametrize(("back_s", "usable"), [(1.0, MANY), (1.001, 1), (2.001, 0)])
def test_readings_from_the_future_are_not_believed_because_they_were_later(
    back_s: float, usable: int
) -> None:
    looks, shown = Looks(), quiet(NOW_S) | {TAGS[5]: reading(24.0, NOW_S - 1.0)}
    judged(looks, shown)
    assert judged(looks, shown, NOW_S - back_s) == (usable, [])


def test_few_sensors_and_sensors_in_doubt_are_looked_at_each_time() -> None:
    few = replace(HOT, watches=HOT.watches[: MANY - 1])
    looks, shown = Looks(), quiet()
    first = looks.crossings(few, shown, NOW_S, 1.0)[1]
    assert looks.crossings(few, shown, NOW_S, 1.0)[1] is not first
    shown[TAGS[7]] = reading(24.0, quality=Quality.STALE)
    first = looks.crossings(HOT, shown, NOW_S, 1.0)[1]
    assert looks.crossings(HOT, shown, NOW_S, 1.0)[1] is not first
