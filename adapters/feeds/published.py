"""Answers of a feed's source: CSV or JSON, each value with its time and, if told, its issue."""

from __future__ import annotations

import csv
import io
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from adapters.feeds.series import LONGEST_GAP, FeedError, time_of
from facility.outside import FeedSource

MOST_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class Published:
    """Values that each hold from their time to the next, with the time they became known.

    Of several values for one time, the one that was issued last by then is known.
    """

    times_s: tuple[float, ...]
    """Ascending; a time may come several times."""
    issued_s: tuple[float, ...]
    values: tuple[float, ...]
    step_s: float

    def known(self, times_s: Sequence[float], now_s: float) -> tuple[float, ...] | None:
        """The values at ``times_s`` as issued by ``now_s``, or None where one is missing."""
        known = [(time_s, value) for time_s, value in self._latest(now_s).items()]
        starts = [time_s for time_s, _ in known]
        found = []
        for time_s in times_s:
            index = bisect_right(starts, time_s) - 1
            if index < 0:
                return None
            last = index == len(starts) - 1
            holds_s = self.step_s if last else LONGEST_GAP * self.step_s
            if time_s - starts[index] >= holds_s:
                return None
            found.append(known[index][1])
        return tuple(found)

    def _latest(self, now_s: float) -> dict[float, float]:
        """By time, ascending: the value issued last by ``now_s``."""
        found: dict[float, tuple[float, float]] = {}
        for time_s, issued_s, value in zip(self.times_s, self.issued_s, self.values, strict=True):
            if issued_s <= now_s and issued_s >= found.get(time_s, (-math.inf, 0.0))[0]:
                found[time_s] = (issued_s, value)
        return {time_s: value for time_s, (_, value) in found.items()}


def read_published(
    text: str, source: FeedSource, *, fetched_s: float | None, where: str
) -> Published:
    """Read an answer.

    Parameters
    ----------
    fetched_s
        When it was fetched: what names no time of issue is known since then. None for a file that
        was there all along: then each value is known ``known_ahead_s`` before its time.

    Raises
    ------
    FeedError
        It is neither CSV nor JSON, a field is missing or no number, a value is out of range.
    """
    rows: list[tuple[float, float, float]] = []
    for number, row in enumerate(_rows(text, where), start=1):
        at = f"{where}, row {number}"
        if number > MOST_ROWS:
            raise FeedError(f"{where}: more than {MOST_ROWS} rows; ask for less")
        content = _field(row, source.value_field, at)
        if content in ("", None):
            continue  # absence is a gap, and no number
        value = _number(content, f"{at}, {source.value_field}") * source.factor
        if not source.minimum <= value <= source.maximum:
            raise FeedError(
                f"{at}, {source.value_field}: {value:g} is outside {source.minimum:g} to "
                f"{source.maximum:g}; is the factor right?"
            )
        time_s = time_of(str(_field(row, source.time_field, at)), 0.0, f"{at}, {source.time_field}")
        if source.issued_field:
            told = str(_field(row, source.issued_field, at))
            issued_s = time_of(told, 0.0, f"{at}, {source.issued_field}")
        elif fetched_s is not None:
            issued_s = fetched_s
        else:
            issued_s = time_s - source.known_ahead_s
        rows.append((time_s, issued_s, value))
    rows.sort()
    distinct = sorted({time_s for time_s, _, _ in rows})
    if len(distinct) < 2:
        raise FeedError(f"{where}: a forecast has at least two times, this one {len(distinct)}")
    steps = sorted(after - before for before, after in pairwise(distinct))
    times, issues, values = zip(*rows, strict=True)
    return Published(times, issues, values, steps[len(steps) // 2])


def _rows(text: str, where: str) -> Iterable[Mapping[str, Any]]:
    if text.lstrip()[:1] in ("[", "{"):
        try:
            data = json.loads(text)
        except ValueError as error:
            raise FeedError(f"{where} is no JSON: {error}") from None
        if isinstance(data, dict):
            lists = [value for value in data.values() if isinstance(value, list)]
            if len(lists) != 1:
                raise FeedError(f"{where}: an object must hold one list, this holds {len(lists)}")
            data = lists[0]
        if not all(isinstance(row, dict) for row in data):
            raise FeedError(f"{where}: the list must hold objects")
        return list(data)
    if "\n" not in text:
        raise FeedError(f"{where} is neither JSON nor CSV with a header")
    return csv.DictReader(io.StringIO(text))


def _field(row: Mapping[str, Any], name: str, at: str) -> Any:
    if name not in row:
        known = ", ".join(str(key) for key in row) or "none"
        raise FeedError(f"{at}: there is no field {name!r}; there are {known}")
    return row[name]


def _number(content: Any, at: str) -> float:
    try:
        value = float(content)
    except (TypeError, ValueError):
        raise FeedError(f"{at}: {content!r} is not a number") from None
    if not math.isfinite(value):
        raise FeedError(f"{at}: {content!r} is not a number")
    return value
