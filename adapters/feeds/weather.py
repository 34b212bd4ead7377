"""Weather of a typical year from an EnergyPlus weather file (EPW), and the wet bulb of air."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters.feeds.series import FeedError

HOURS = 8760
_DRY_BULB, _HUMIDITY, _PRESSURE = 6, 8, 9


@dataclass(frozen=True, slots=True)
class WeatherYear:
    """Hourly dry and wet bulb of a year; ``values[i]`` stand for hour ``i`` of local time."""

    dry_bulb_c: tuple[float, ...]
    wet_bulb_c: tuple[float, ...]
    utc_offset_h: float

    def dry_bulb(self, times_s: Sequence[float]) -> tuple[float, ...]:
        """Dry bulb at plant times, °C, linear between the hours, the same every year."""
        return tuple(self._at(self.dry_bulb_c, time_s) for time_s in times_s)

    def wet_bulb(self, times_s: Sequence[float]) -> tuple[float, ...]:
        """Wet bulb at plant times, °C."""
        return tuple(self._at(self.wet_bulb_c, time_s) for time_s in times_s)

    def _at(self, values: Sequence[float], time_s: float) -> float:
        local = datetime.fromtimestamp(time_s + 3600.0 * self.utc_offset_h, UTC)
        day = local.timetuple().tm_yday - 1
        leap = local.year % 4 == 0 and (local.year % 100 != 0 or local.year % 400 == 0)
        if leap and day >= 59:  # 29 February repeats the 28th, and the year is one day behind
            day -= 1
        hour = 24.0 * day + local.hour + local.minute / 60.0 + local.second / 3600.0
        low = int(hour) % HOURS
        share = hour - int(hour)
        return (1.0 - share) * values[low] + share * values[(low + 1) % HOURS]


def read_epw(path: Path) -> WeatherYear:
    """Read a weather file.

    Values stand for the end of their hour, in local standard time (EnergyPlus, *Auxiliary
    Programs*, «EnergyPlus Weather File Data Dictionary»).

    Raises
    ------
    FeedError
        It is no EPW file of a whole year, or a value is missing; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FeedError(f"{path} cannot be read: {error.strerror}") from None
    head = lines[0].split(",") if lines else []
    if len(head) < 9 or head[0].strip().upper() != "LOCATION":
        raise FeedError(f"{path} line 1: not an EPW file, which starts with LOCATION")
    rows = lines[8:]
    if len(rows) < HOURS:
        raise FeedError(f"{path}: {len(rows)} hours of data where a year has {HOURS}")
    dry, wet = [0.0] * HOURS, [0.0] * HOURS
    for index, line in enumerate(rows[:HOURS]):
        fields = line.split(",")
        where = f"{path} line {index + 9}"
        temperature = _number(fields, _DRY_BULB, "dry bulb", (-70.0, 70.0), where)
        humidity = _number(fields, _HUMIDITY, "relative humidity", (0.0, 110.0), where)
        pressure = _number(fields, _PRESSURE, "pressure", (31_000.0, 120_000.0), where)
        hour = (index + 1) % HOURS
        dry[hour] = temperature
        wet[hour] = wet_bulb_c(temperature, min(humidity, 100.0), pressure)
    offset = _number(head, 8, "time zone", (-12.0, 14.0), f"{path} line 1")
    return WeatherYear(tuple(dry), tuple(wet), offset)


def wet_bulb_c(dry_bulb_c: float, humidity_pct: float, pressure_pa: float) -> float:
    """Thermodynamic wet bulb of moist air, °C.

    By bisection of the humidity ratio at the wet bulb: ASHRAE Handbook Fundamentals 2017,
    chapter 1, equations 33 (over water) and 35 (over ice), with 6, 20 and 22.
    """
    vapour = 0.01 * humidity_pct * saturation_pa(dry_bulb_c)
    target = 0.621945 * vapour / (pressure_pa - vapour)
    low, high = -100.0, dry_bulb_c
    for _ in range(30):  # 100 K halved so often is less than a micro-kelvin
        middle = 0.5 * (low + high)
        if _humidity_ratio(dry_bulb_c, middle, pressure_pa) > target:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def saturation_pa(temperature_c: float) -> float:
    """Saturation pressure of water vapour, Pa: the same, equations 5 (ice) and 6 (water)."""
    t = temperature_c + 273.15
    if temperature_c <= 0.01:
        return math.exp(
            -5.6745359e3 / t
            + 6.3925247
            - 9.677843e-3 * t
            + 6.2215701e-7 * t**2
            + 2.0747825e-9 * t**3
            - 9.484024e-13 * t**4
            + 4.1635019 * math.log(t)
        )
    return math.exp(
        -5.8002206e3 / t
        + 1.3914993
        - 4.8640239e-2 * t
        + 4.1764768e-5 * t**2
        - 1.4452093e-8 * t**3
        + 6.5459673 * math.log(t)
    )


def _humidity_ratio(dry_bulb_c: float, wet_c: float, pressure_pa: float) -> float:
    vapour = saturation_pa(wet_c)
    saturated = 0.621945 * vapour / (pressure_pa - vapour)
    if wet_c >= 0.0:
        return ((2501.0 - 2.326 * wet_c) * saturated - 1.006 * (dry_bulb_c - wet_c)) / (
            2501.0 + 1.86 * dry_bulb_c - 4.186 * wet_c
        )
    return ((2830.0 - 0.24 * wet_c) * saturated - 1.006 * (dry_bulb_c - wet_c)) / (
        2830.0 + 1.86 * dry_bulb_c - 2.1 * wet_c
    )


def _number(
    fields: Sequence[str], index: int, name: str, span: tuple[float, float], where: str
) -> float:
    try:
        value = float(fields[index])
    except (IndexError, ValueError):
        raise FeedError(f"{where}, field {index + 1} ({name}): missing or no number") from None
    if not span[0] <= value <= span[1]:
        raise FeedError(
            f"{where}, field {index + 1} ({name}): {value:g} is outside {span[0]:g} to "
            f"{span[1]:g}; EPW marks missing values so: fill the gap first"
        )
    return value
