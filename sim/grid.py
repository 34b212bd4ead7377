"""What electricity costs and emits over a run, as a scenario gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from sim.plant.layout import Array
from sim.plant.reading import InputError, numbers, read_table

HOUR_S = 3600.0
DAY_H = 24
LONGEST_GAP_H = 24


class Hourly(Protocol):
    """A quantity that changes by the hour."""

    def at(self, times_s: Array) -> Array:
        """Its values at plant times (POSIX seconds UTC)."""
        ...


@dataclass(frozen=True, slots=True)
class DailyHours:
    """The same 24 values every day, from midnight of local standard time on."""

    values: tuple[float, ...]
    offset_h: float
    """Local standard time over UTC."""

    def at(self, times_s: Array) -> Array:
        hours = np.floor(times_s / HOUR_S + self.offset_h).astype(np.int64) % DAY_H
        return np.array(self.values)[hours]


@dataclass(frozen=True, slots=True)
class RecordedHours:
    """A recorded year, at the same hour of the year (UTC) in any year."""

    values: tuple[float, ...]

    def at(self, times_s: Array) -> Array:
        moments = pd.to_datetime(np.asarray(times_s), unit="s", utc=True)
        hours = (moments.day_of_year.to_numpy() - 1) * DAY_H + moments.hour.to_numpy()
        return np.asarray(np.array(self.values)[hours % len(self.values)], dtype=np.float64)


def read_hours(path: Path, column: str) -> RecordedHours:
    """A column of a CSV file with one row an hour of a year.

    Fields left empty are filled linearly, at most `LONGEST_GAP_H` in a row.

    Raises
    ------
    InputError
        The file or column is absent, a value is no number, or hours are missing.
    """
    table = read_table(path)
    if column not in table.columns:
        known = ", ".join(map(str, table.columns))
        raise InputError(f"{path} line 1: there is no column {column!r}; there are {known}")
    values = numbers(path, table.assign(**{column: _filled(table[column])}), column)
    if len(values) < 8760:
        raise InputError(f"{path}: {len(values)} hours where a year has 8760")
    return RecordedHours(tuple(values[:8760].tolist()))


def _filled(values: pd.Series) -> pd.Series:
    """Short gaps filled; a longer one stays, and is refused as such."""
    if not pd.api.types.is_numeric_dtype(values):
        return values
    gaps = values.isna()
    lengths = gaps.groupby((~gaps).cumsum()).transform("sum")
    return values.interpolate(limit_direction="both").where(~gaps | (lengths <= LONGEST_GAP_H))


@dataclass(frozen=True, slots=True)
class Grid:
    """Price (the site's currency for each kWh) and carbon intensity (g for each kWh)."""

    price: Hourly
    carbon: Hourly

    def energy_per_kwh(self, times_s: Sequence[float]) -> tuple[float, ...]:
        """Price at each moment: the port that the controller asks."""
        return tuple(self.price.at(np.array(times_s, dtype=np.float64)).tolist())

    def carbon_g_per_kwh(self, times_s: Sequence[float]) -> tuple[float, ...]:
        """Carbon intensity at each moment."""
        return tuple(self.carbon.at(np.array(times_s, dtype=np.float64)).tolist())
