"""Tables from CSV and Parquet files, with errors that say where and how to mend it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sim.plant.layout import Array


class InputError(ValueError):
    """A load or weather file cannot be used; names file, row, field and the mend."""


def read_table(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file as text and numbers.

    Raises
    ------
    InputError
        The file is absent, empty, or neither.
    """
    if not path.is_file():
        raise InputError(f"load file {path} does not exist: give the path of a CSV or Parquet file")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: cannot be read as {path.suffix or 'CSV'}: {error}") from None
    if table.empty:
        raise InputError(f"{path}: has no rows")
    return table


def numbers(path: Path, table: pd.DataFrame, column: str) -> Array:
    """A column as finite numbers.

    Raises
    ------
    InputError
        A row's value is missing or no number.
    """
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
    if bad := np.flatnonzero(~np.isfinite(values)).tolist():
        raise InputError(
            f"{path} line {bad[0] + 2}, column {column}: {table[column].iloc[bad[0]]!r} is no"
            f" number ({len(bad)} such rows): fill the gap or cut the file before it"
        )
    return values


def regular_times(path: Path, times_s: Array, column: str, longest_gap: float = 3.0) -> None:
    """Refuse times that go back, or leave more than ``longest_gap`` usual steps open.

    Raises
    ------
    InputError
        Names the row of the first such place.
    """
    steps = np.diff(times_s)
    if steps.size == 0:
        raise InputError(f"{path}: one row alone is no trace; it needs two at least")
    if back := np.flatnonzero(steps <= 0.0).tolist():
        raise InputError(
            f"{path} line {back[0] + 3}, column {column}: time {times_s[back[0] + 1]:g} s does not"
            f" follow {times_s[back[0]]:g} s: sort the rows and drop doubles"
        )
    usual = float(np.median(steps))
    if wide := np.flatnonzero(steps > longest_gap * usual).tolist():
        raise InputError(
            f"{path} line {wide[0] + 3}, column {column}: a gap of {steps[wide[0]]:g} s where rows"
            f" are {usual:g} s apart: fill it (repeat or interpolate) or cut the file before it"
        )
