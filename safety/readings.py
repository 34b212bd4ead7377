"""Which readings may be believed: the only place where the envelope decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter

from facility.telemetry import Quality, Reading
from safety.arithmetic import LARGEST
from safety.guards import Interlock, Sensor


def believed(
    readings: Mapping[str, Reading], sensor: Sensor, now_s: float, slack_s: float
) -> float | None:
    """The reading of ``sensor`` if it is good, a number, not too old, not of the future."""
    reading = readings.get(sensor.tag)
    if reading is None or reading.quality is not Quality.GOOD:
        return None
    value = reading.value
    if value is None or not -LARGEST <= value <= LARGEST:
        return None
    return value if now_s - sensor.max_age_s <= reading.time_s <= now_s + slack_s else None


def usable(
    readings: Mapping[str, Reading], sensors: Iterable[Sensor], now_s: float, slack_s: float
) -> list[float | None]:
    """Of each of ``sensors`` what is `believed`."""
    return [believed(readings, sensor, now_s, slack_s) for sensor in sensors]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A reading beyond its threshold."""

    beyond: float
    tag: str
    value: float
    threshold: float


def crossings(
    interlock: Interlock, readings: Mapping[str, Reading], now_s: float, slack_s: float
) -> tuple[int, list[Crossing]]:
    """How many sensors of a plain interlock are usable, and those that crossed their threshold.

    The same belief as in `believed`, in one pass: a hall has thousands of racks, and each verdict
    about its plant asks for all of them.
    """
    good, latest_s, above = Quality.GOOD, now_s + slack_s, interlock.above
    least, most = -LARGEST, LARGEST
    lost, crossed = 0, []
    for age_s, tags, thresholds in interlock.columns:
        oldest_s = now_s - age_s
        for tag, reading, threshold in zip(tags, map(readings.get, tags), thresholds, strict=True):
            if (
                reading is None
                or reading.quality is not good
                or (value := reading.value) is None
                or not oldest_s <= reading.time_s <= latest_s
                or not least <= value <= most
            ):
                lost += 1
            elif value > threshold if above else value < threshold:
                crossed.append(Crossing(abs(value - threshold), tag, value, threshold))
    return len(interlock.watches) - lost, crossed


MANY = 64
"""Interlocks of at least so many sensors are worth remembering."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What an interlock showed when all of its sensors were usable, and how long they are."""

    shown: tuple[Reading, ...]
    first_s: float
    last_s: float
    crossed: Sequence[Crossing]


class Looks:
    """`crossings`, remembered: the same readings are gone through once.

    Between two scans a site shows the same, and each verdict about its plant asks for every rack.
    To see that nothing has changed is quicker than to judge it.
    """

    def __init__(self) -> None:
        self._last: dict[int, _Look] = {}

    def crossings(
        self, interlock: Interlock, readings: Mapping[str, Reading], now_s: float, slack_s: float
    ) -> tuple[int, Sequence[Crossing]]:
        """As the function of this name; ``interlock`` must live as long as this."""
        count = len(interlock.watches)
        try:
            shown = itemgetter(*interlock.tags)(readings) if count >= MANY else ()
        except KeyError:
            shown = ()
        last = self._last.get(id(interlock))
        if last is not None and last.first_s <= now_s <= last.last_s and last.shown == shown:
            return count, last.crossed
        seen, crossed = crossings(interlock, readings, now_s, slack_s)
        if shown and seen == count:
            times_s = list(map(attrgetter("time_s"), shown))
            first_s, last_s = max(times_s) - slack_s, min(times_s) + interlock.least_age_s
            self._last[id(interlock)] = _Look(shown, first_s, last_s, crossed)
        return seen, crossed
