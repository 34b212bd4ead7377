"""A quantity over time, as a CSV file gives it."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from facility.clock import from_iso

LONGEST_GAP = 3
"""Steps that may be missing before the values around a gap are no answer for it."""


class FeedError(ValueError):
    """A feed's file cannot be used; the message names file, row, field and the mend."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values that each hold from their moment to the next."""

    times_s: tuple[float, ...]
    """POSIX seconds UTC, ascending."""
    values: tuple[float, ...]
    step_s: float
    """The usual distance of two moments; the last value holds so long."""

    def at(self, time_s: float) -> float | None:
        """The value that holds at ``time_s``; None before, after, or in a gap."""
        index = bisect_right(self.times_s, time_s) - 1
        if index < 0:
            return None
        last = index == len(self.times_s) - 1
        holds_s = self.step_s if last else LONGEST_GAP * self.step_s
        return self.values[index] if time_s - self.times_s[index] < holds_s else None

    def in_year(self, year: int) -> Series:
        """The same days and hours of another year; 29 February is left out."""
        moved = []
        for time_s, value in zip(self.times_s, self.values, strict=True):
            then = datetime.fromtimestamp(time_s, UTC)
            if (then.month, then.day) != (2, 29):
                moved.append((then.replace(year=year).timestamp(), value))
        moved.sort()
        return Series(tuple(t for t, _ in moved), tuple(v for _, v in moved), self.step_s)


def read_csv(
    path: Path,
    column: str,
    *,
    time_column: str = "timestamp",
    factor: float = 1.0,
    epoch_s: float = 0.0,
    low: float = -math.inf,
    high: float = math.inf,
) -> Series:
    """Read one column of a CSV file with a header.

    Parameters
    ----------
    time_column
        ISO 8601 dates (UTC where they name no offset), or numbers of seconds.
    factor
        Of the values: 1e-3 makes a price for each MWh one for each kWh.
    epoch_s
        Plant time of second 0, where times are numbers.
    low, high
        Values outside are mistakes of the file; an empty field is a gap.

    Raises
    ------
    FeedError
        The file or a column is not there, a field is no number, times do not ascend.
    """
    times: list[float] = []
    values: list[float] = []
    for where, when, what in _rows(path, time_column, column):
        if not what.strip():
            continue  # absence is a gap, and no number
        try:
            value = float(what) * factor
        except ValueError:
            raise FeedError(f"{where}, {column}: {what!r} is not a number") from None
        if not low <= value <= high:
            raise FeedError(f"{where}, {column}: {value:g} is outside {low:g} to {high:g}")
        moment = time_of(when, epoch_s, f"{where}, {time_column}")
        if times and moment <= times[-1]:
            raise FeedError(f"{where}, {time_column}: times must ascend; sort the file by time")
        times.append(moment)
        values.append(value)
    if len(times) < 2:
        raise FeedError(f"{path}: a series has at least two rows, this one {len(times)}")
    return Series(tuple(times), tuple(values), _median(b - a for a, b in pairwise(times)))


def _rows(path: Path, time_column: str, column: str) -> Iterator[tuple[str, str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            for wanted in (time_column, column):
                if wanted not in names:
                    raise FeedError(
                        f"{path} has no column {wanted!r}; it has {', '.join(names) or 'none'}"
                    )
            for row in reader:
                yield f"{path} row {reader.line_num}", row[time_column] or "", row[column] or ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise FeedError(f"{path} cannot be read: {reason}") from None


def time_of(text: str, epoch_s: float, where: str) -> float:
    """POSIX seconds of an ISO 8601 date, or of a number of seconds after ``epoch_s``."""
    try:
        return epoch_s + float(text)
    except ValueError:
        pass
    try:
        return from_iso(text)
    except ValueError:
        raise FeedError(f"{where}: {text!r} is neither a date nor a number of seconds") from None


def _median(steps: Iterable[float]) -> float:
    ordered = sorted(steps)
    return ordered[len(ordered) // 2]
