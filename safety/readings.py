"""Which readings may be believed: the only place where the envelope decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facility.telemetry import Quality, Reading
from safety.arithmetic import LARGEST
from safety.guards import Interlock, Sensor


def usable(
    readings: Mapping[str, Reading], sensors: Iterable[Sensor], now_s: float, slack_s: float
) -> list[float | None]:
    """The readings of ``sensors``: each if it is good, a number, not too old, not of the future.

    Written out in one expression, since a plant-wide interlock asks for thousands.
    """
    get, good, latest_s, most = readings.get, Quality.GOOD, now_s + slack_s, LARGEST
    return [
        value
        if (reading := get(sensor.tag)) is not None
        and reading.quality is good
        and (value := reading.value) is not None
        and now_s - sensor.max_age_s <= reading.time_s <= latest_s
        and -most <= value <= most
        else None
        for sensor in sensors
    ]


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

    The same belief as in `usable`, in one pass: a hall has thousands of racks, and each verdict
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
