"""Weather: dry bulb, wet bulb and dew point at any moment, from an EPW file or made up.

Wet bulbs come from psychrolib (ASHRAE Handbook Fundamentals 2017, chapter 1), hour by hour
as they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from sim.plant.climates import CLIMATES, Climate
from sim.plant.layout import Array
from sim.plant.moist_air import PRESSURE_PA, dew_point_c, wet_bulb_c
from sim.plant.reading import InputError

HOURS = 8760
SPELL_EDGE_S = 6.0 * 3600.0
SPELL_GRID_S = 600.0


class WeatherSource(Protocol):
    """Outdoor air over time."""

    def at_times(self, times_s: Array) -> Array:
        """(T, 3): dry bulb, wet bulb, dew point in °C at plant times (POSIX seconds UTC)."""
        ...


class HourlyWeather:
    """A year of hourly dry bulb and dew point, interpolated, repeated every year.

    ``offset_h`` is local standard time over UTC; the value of index ``i`` is that of ``i``
    hours after the year's start in local standard time.
    """

    def __init__(
        self, dry_bulb_c: Array, dew_point_c: Array, offset_h: float, pressure_pa: Array | None
    ) -> None:
        self._dry = dry_bulb_c
        self._dew = np.minimum(dew_point_c, dry_bulb_c)
        self._pressure = np.full(HOURS, PRESSURE_PA) if pressure_pa is None else pressure_pa
        self._wet = np.zeros(HOURS)
        self._known = np.zeros(HOURS, dtype=bool)
        self._offset_s = 3600.0 * offset_h

    @property
    def offset_h(self) -> float:
        """Local standard time over UTC."""
        return self._offset_s / 3600.0

    def at_times(self, times_s: Array) -> Array:
        hours = _hours_of_year(times_s + self._offset_s)
        low = np.floor(hours).astype(np.int64) % HOURS
        high = (low + 1) % HOURS
        share = hours - np.floor(hours)
        for hour in np.unique(np.concatenate((low, high))):
            if not self._known[hour]:
                self._wet[hour] = wet_bulb_c(
                    float(self._dry[hour]), float(self._dew[hour]), float(self._pressure[hour])
                )
                self._known[hour] = True
        columns = [
            (1.0 - share) * v[low] + share * v[high] for v in (self._dry, self._wet, self._dew)
        ]
        return np.stack(columns, axis=1)


class ConstantWeather:
    """Weather that does not change: for tests and design days."""

    def __init__(self, dry_bulb_c: float, wet_bulb_c: float) -> None:
        self._row = np.array([dry_bulb_c, wet_bulb_c, dew_point_c(dry_bulb_c, wet_bulb_c)])

    def at_times(self, times_s: Array) -> Array:
        return np.tile(self._row, (len(times_s), 1))


class MeasuredWetBulb:
    """A weather source with the wet bulb of a measurement in its place.

    The dry bulb stays the source's, but never below the wet bulb; the dew point follows.
    """

    def __init__(self, weather: WeatherSource, times_s: Array, wet_bulb_c: Array) -> None:
        grid = np.arange(times_s[0], times_s[-1] + 300.0, 300.0)
        wet = np.interp(grid, times_s, wet_bulb_c)
        dry = np.maximum(weather.at_times(grid)[:, 0], wet)
        dew = [dew_point_c(float(d), float(w)) for d, w in zip(dry, wet, strict=True)]
        self._times, self._wet = times_s, wet_bulb_c
        self._grid, self._dry, self._dew = grid, dry, np.array(dew)

    def at_times(self, times_s: Array) -> Array:
        wet = np.interp(times_s, self._times, self._wet)
        dry = np.maximum(np.interp(times_s, self._grid, self._dry), wet)
        return np.stack((dry, wet, np.interp(times_s, self._grid, self._dew)), axis=1)


def generated_weather(
    seed: int, offset_h: float | None = None, climate: Climate | None = None
) -> HourlyWeather:
    """A made-up year of a climate: seasons, days, and fronts of some days.

    Without a climate it is the middle Atlantic coast's: mean 13 °C, 12 K between the seasons,
    5 K by day, 3.5 K of fronts; dew point 2 to 12 K under the dry bulb, most in the afternoon.
    """
    c = climate or CLIMATES["mid_atlantic"]
    rng = np.random.default_rng([seed, 4])
    t = np.arange(HOURS) / 24.0
    season = -np.cos(2.0 * np.pi * (t - c.coldest_day) / 365.0)
    daily = np.cos(2.0 * np.pi * (t - c.warmest_h / 24.0))
    fronts = np.zeros(HOURS)
    for period in (3.1, 4.7, 6.9, 11.3):
        cycles = max(1, round(365.0 / period))
        fronts += np.cos(2.0 * np.pi * (cycles * t / 365.0 + rng.uniform()))
    # Four waves of amplitude 1 together have a variance of 2.
    dry = c.mean_c + c.season_k * season + c.day_k * daily + c.front_k * fronts / np.sqrt(2.0)
    wetness = np.cos(2.0 * np.pi * (round(365 / 5.3) * t / 365.0 + rng.uniform()))
    depression = c.depression_k + c.depression_day_k * daily - c.wetness_k * wetness
    depression += c.depression_front_k * fronts / np.sqrt(2.0) + c.depression_season_k * season
    offset_h = c.offset_h if offset_h is None else offset_h
    return HourlyWeather(dry, dry - np.maximum(depression, 0.5), offset_h, None)


@dataclass(frozen=True, slots=True)
class Spell:
    """Some days that are warmer or more humid than their season."""

    start_s: float
    end_s: float
    dry_bulb_k: float
    dew_point_k: float


class SpelledWeather:
    """A weather source with spells on top, each risen and gone within `SPELL_EDGE_S`."""

    def __init__(self, weather: WeatherSource, spells: Sequence[Spell]) -> None:
        self._weather, self._spells = weather, tuple(spells)
        self._known: dict[int, tuple[float, float, float]] = {}

    def at_times(self, times_s: Array) -> Array:
        first, last = int(times_s.min() // SPELL_GRID_S), int(times_s.max() // SPELL_GRID_S) + 1
        grid = range(first, last + 1)
        lacking = [n for n in grid if n not in self._known]
        if lacking:
            self._known |= zip(lacking, self._on_grid(lacking), strict=True)
        at_s = SPELL_GRID_S * np.array(grid, dtype=np.float64)
        values = np.array([self._known[n] for n in grid])
        return np.stack([np.interp(times_s, at_s, column) for column in values.T], axis=1)

    def _on_grid(self, places: Sequence[int]) -> list[tuple[float, float, float]]:
        times_s = SPELL_GRID_S * np.array(places, dtype=np.float64)
        air = self._weather.at_times(times_s)
        dry, dew = air[:, 0].copy(), air[:, 2].copy()
        for spell in self._spells:
            inside = np.minimum(times_s - spell.start_s, spell.end_s - times_s)
            strength = np.clip(inside / SPELL_EDGE_S, 0.0, 1.0)
            dry += strength * spell.dry_bulb_k
            dew += strength * spell.dew_point_k
        dew = np.minimum(dew, dry - 0.2)
        return [
            (float(a), wet_bulb_c(float(a), float(b), PRESSURE_PA), float(b))
            for a, b in zip(dry, dew, strict=True)
        ]


def swept_weather(seed: int, hours: float, start_s: float) -> HourlyWeather:
    """Weather from deep winter to a heat wave within ``hours``: for excitation.

    Dry bulb -5 to 36 °C in three sweeps of different length, slow for the plant.
    """
    rng = np.random.default_rng([seed, 5])
    first = _hours_of_year(np.array([start_s]))[0]
    t = (np.arange(HOURS) - first) / max(hours, 6.0)
    phase = rng.uniform(0.0, 1.0, 3)
    wave = 0.6 * np.cos(2 * np.pi * (1.3 * t + phase[0])) + 0.4 * np.cos(
        2 * np.pi * (3.7 * t + phase[1])
    )
    dry = 15.5 + 20.5 * wave
    depression = 6.0 + 5.0 * np.cos(2 * np.pi * (2.3 * t + phase[2]))
    return HourlyWeather(dry, np.minimum(dry - depression, 26.0), 0.0, None)


def read_epw(path: Path) -> HourlyWeather:
    """Read a weather file in EnergyPlus format (EPW).

    Values stand for the end of their hour, in local standard time (EnergyPlus, *Auxiliary
    Programs*, «EnergyPlus Weather File Data Dictionary»).

    Raises
    ------
    InputError
        The file is not EPW, has gaps, or values that no weather has; it names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise InputError(
            f"weather file {path} does not exist: give the path of an EPW file"
        ) from None
    head = lines[0].split(",") if lines else []
    if len(head) < 9 or head[0].strip().upper() != "LOCATION":
        raise InputError(f"{path} line 1: not an EPW file, which starts with LOCATION")
    try:
        offset_h = float(head[8])
    except ValueError:
        raise InputError(
            f"{path} line 1, field 9: the time zone {head[8]!r} is not a number"
        ) from None
    rows = lines[8:]
    if len(rows) < HOURS:
        raise InputError(f"{path}: {len(rows)} hours of data where a year has {HOURS}")
    dry, dew, pressure = (np.zeros(HOURS) for _ in range(3))
    for i, line in enumerate(rows[:HOURS]):
        fields = line.split(",")
        where = f"{path} line {i + 9}"
        dry[i] = _field(fields, 6, "dry bulb", -70.0, 70.0, where)
        dew[i] = _field(fields, 7, "dew point", -70.0, 70.0, where)
        pressure[i] = _field(fields, 9, "pressure", 31_000.0, 120_000.0, where)
    # Row 0 is hour 1: the moment one hour after the year's start.
    return HourlyWeather(np.roll(dry, 1), np.roll(dew, 1), offset_h, np.roll(pressure, 1))


def _field(fields: list[str], index: int, name: str, low: float, high: float, where: str) -> float:
    try:
        value = float(fields[index])
    except (IndexError, ValueError):
        raise InputError(f"{where}, field {index + 1} ({name}): missing or not a number") from None
    if not low <= value < high:
        raise InputError(
            f"{where}, field {index + 1} ({name}): {value:g} is outside {low:g} to {high:g}"
            " (EPW marks missing values by 99.9 or 999999: fill the gap first)"
        )
    return value


def _hours_of_year(local_s: Array) -> Array:
    """Hours since the start of a year of 365 days; 29 February repeats the 28th."""
    out = np.empty(len(local_s))
    for year, (start_s, leap_s) in {y: _year(y) for y in _years(local_s)}.items():
        mine = (local_s >= start_s) & (local_s < _year(year + 1)[0])
        t = local_s[mine] - start_s
        if leap_s > 0.0:
            t = np.where(t >= leap_s, t - 86_400.0, t)
        out[mine] = t / 3600.0
    return out


def _years(local_s: Array) -> range:
    first = datetime.fromtimestamp(float(local_s.min()), UTC).year
    last = datetime.fromtimestamp(float(local_s.max()), UTC).year
    return range(first, last + 1)


@lru_cache(maxsize=64)
def _year(year: int) -> tuple[float, float]:
    """Start of a year, and seconds into it at which 29 February begins (0: no such day)."""
    start_s = datetime(year, 1, 1, tzinfo=UTC).timestamp()
    leap = datetime(year + 1, 1, 1, tzinfo=UTC).timestamp() - start_s > 365.5 * 86_400.0
    return start_s, 59.0 * 86_400.0 if leap else 0.0
