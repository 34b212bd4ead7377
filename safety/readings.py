"""Which readings may be believed: the only place where the envelope decides it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from facility.telemetry import Quality, Reading
from safety.arithmetic import LARGEST
from safety.guards import Sensor


def usable(
    readings: Mapping[str, Reading], sensors: Iterable[Sensor], now_s: float, slack_s: float
) -> list[float | None]:
    """The readings of ``sensors``: each if it is good, a number, not too old, not of the future.

    Written out in one expression, since a plant-wide interlock asks for thousands.
    """
    get, good, latest_s = readings.get, Quality.GOOD, now_s + slack_s
    return [
        value
        if (reading := get(sensor.tag)) is not None
        and reading.quality is good
        and (value := reading.value) is not None
        and now_s - sensor.max_age_s <= reading.time_s <= latest_s
        and -LARGEST <= value <= LARGEST
        else None
        for sensor in sensors
    ]
