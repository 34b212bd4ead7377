"""Frames and trends, computed by DuckDB in memory over whatever a store lays before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from controller.storage.samples import to_ms

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Array = NDArray[np.float64]

TREND_MS = 300_000
"""Length of the trends that are kept."""
LATE_MS = 60_000
"""A reading is received at most so long after the moment from which it holds."""
THREADS = 2

# One row a tag and interval. `moment` is from when a row holds, in ms; the last row of an interval
# says what is in force at its end.
LAST = """
SELECT tag,
       CAST(ceil(moment / $every) AS BIGINT) AS bucket,
       CAST(arg_max(quality, (moment, seen)) = 'good' AS DOUBLE) AS good,
       CAST(max(moment) AS DOUBLE) AS latest,
       arg_max(value, (moment, seen)) FILTER (quality = 'good') AS last
FROM ({readings})
WHERE moment >= $start AND moment <= $end AND seen <= $known_by
GROUP BY ALL
"""

# A reading is a span of time in which a value stands; so is a trend, for its share of good time.
# Spans are cut at the intervals' ends, and each piece counts for its length.
TREND = """
WITH ordered AS (
    SELECT tag, value, quality, moment,
           least(lead(moment) OVER (PARTITION BY tag ORDER BY moment, seen), moment + $hold) AS till
    FROM ({readings})
    WHERE moment >= $from - $hold AND moment < $end
),
spans AS (
    SELECT tag, greatest(moment, $from) AS since, till,
           value AS mean, value AS lowest, value AS highest, 1.0 AS share
    FROM ordered WHERE quality = 'good' AND till > greatest(moment, $from)
    {and_trends}
),
cut AS (
    SELECT *, unnest(range(since // $every, (till - 1) // $every + 1)) AS bucket FROM spans
),
pieces AS (
    SELECT *, share * (least(till, (bucket + 1) * $every) - greatest(since, bucket * $every))
              AS weight
    FROM cut WHERE bucket >= $start // $every AND bucket < $end // $every
)
SELECT tag, bucket, sum(weight) AS good_ms, sum(mean * weight) / sum(weight) AS mean,
       min(lowest) AS lowest, max(highest) AS highest
FROM pieces GROUP BY tag, bucket
"""
AND_TRENDS = """
    UNION ALL
    SELECT tag, start, start + {length}, mean, lowest, highest, good_ms / {length}.0
    FROM ({trends}) WHERE start < $from
"""
NONE = """
    SELECT '' AS tag, 0::BIGINT AS moment, 0::BIGINT AS seen, 0.0::DOUBLE AS value, '' AS quality
    WHERE false
"""
"""No readings."""


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a store's trends go and where its readings begin, in ms."""

    rolled_to: int = 0
    """Trends of before are complete."""
    readings_from: int = 0
    """Retention took the readings of before."""


class View(Protocol):
    """A store as of one moment, laid before DuckDB."""

    @property
    def marks(self) -> Marks:
        """As of that moment."""
        ...

    def readings(
        self, reader: duckdb.DuckDBPyConnection, tags: Sequence[str], start_ms: int, end_ms: int
    ) -> str:
        """A query for tag, moment, seen, value and quality of what was received in between.

        Both ends belong to it; it may give more, and other times.
        """
        ...

    def trends(
        self, reader: duckdb.DuckDBPyConnection, tags: Sequence[str], start_ms: int, end_ms: int
    ) -> str:
        """A query for tag, start, good_ms, mean, lowest and highest, of starts in between."""
        ...


Views = Callable[[int, int], AbstractContextManager[View]]
"""Opens a store's view of what was received between two moments, ends included."""


def connect() -> duckdb.DuckDBPyConnection:
    """An empty database in memory."""
    import duckdb

    return duckdb.connect(
        ":memory:", config={"threads": THREADS, "autoinstall_known_extensions": False}
    )


class Series:
    """`TelemetryStore.frame` and `trend` over a store's views."""

    def __init__(self, views: Views, hold_s: float) -> None:
        self._views = views
        # A row is renewed at the first scan after `hold_s`; that scan needs time to come.
        self.hold_ms = to_ms(hold_s) + LATE_MS // 4

    def frame(
        self,
        tags: Sequence[str],
        start_s: float,
        end_s: float,
        every_s: float,
        known_by_s: float | None,
    ) -> pd.DataFrame:
        """Values in force at each multiple of ``every_s``; see the port."""
        every = _interval_ms(every_s, start_s, end_s)
        grid = range(math.ceil(to_ms(start_s) / every), math.floor(to_ms(end_s) / every) + 1)
        # The interval that ends at a grid moment belongs to it.
        end = (grid.stop - 1) * every
        parameters = {
            "every": float(every),
            "start": grid.start * every - self.hold_ms - LATE_MS,
            "end": end,
            "known_by": 2**62 if known_by_s is None else to_ms(known_by_s),
        }
        start = parameters["start"]
        with self._views(int(start), end + LATE_MS) as view, connect() as reader:
            readings = view.readings(reader, tags, int(start), end + LATE_MS)
            rows = reader.execute(LAST.format(readings=readings), parameters).df()
        held = _held(rows, tags, grid, every, self.hold_ms)
        held.index = _utc(held.index, every)
        return held

    def trend(
        self, tags: Sequence[str], start_s: float, end_s: float, every_s: float
    ) -> pd.DataFrame:
        """Mean, lowest and highest of each interval; see the port."""
        import pandas as pd

        every = _interval_ms(every_s, start_s, end_s)
        first = math.floor(to_ms(start_s) / every)
        grid = range(first, max(first + 1, math.ceil(to_ms(end_s) / every)))
        rows = self.pieces(tags, grid.start * every, grid.stop * every, every)
        parts = _wide(rows, ("mean", "lowest", "highest"), tags, grid)
        values = np.stack(parts, axis=2).reshape(len(grid), -1)
        columns = pd.MultiIndex.from_product([list(tags), ["mean", "min", "max"]])
        return pd.DataFrame(
            values, index=_utc(pd.RangeIndex(grid.start, grid.stop), every), columns=columns
        )

    def pieces(
        self,
        tags: Sequence[str],
        start: int,
        end: int,
        every: int,
        *,
        kept: bool = True,
        result: Callable[[duckdb.DuckDBPyRelation], Any] = lambda answer: answer.df(),
    ) -> Any:
        """Rows of tag, bucket, good_ms, mean, lowest and highest from ``start`` to ``end``, in ms.

        With ``kept`` false, from the readings alone.
        """
        before = start - self.hold_ms - LATE_MS
        with self._views(before, end + LATE_MS) as view, connect() as reader:
            marks = view.marks
            upto = marks.rolled_to if every % TREND_MS == 0 else marks.readings_from
            since = min(max(start, upto - upto % TREND_MS), end) if kept else start
            parameters = {
                "every": every, "start": start, "end": end, "from": since, "hold": self.hold_ms,
            }  # fmt: skip
            and_trends = ""
            if since > start:
                trends = view.trends(reader, tags, start - start % TREND_MS, since - 1)
                and_trends = AND_TRENDS.format(length=TREND_MS, trends=trends)
            readings = NONE
            if since < end:  # else trends know it all
                readings = view.readings(reader, tags, since - self.hold_ms, end + LATE_MS)
            query = TREND.format(readings=readings, and_trends=and_trends)
            return result(reader.sql(query, params=parameters))


def _interval_ms(every_s: float, start_s: float, end_s: float) -> int:
    if every_s < 1.0 or not start_s <= end_s:
        raise ValueError("every_s must be at least 1, and start_s at most end_s")
    return to_ms(every_s)


def _wide(
    rows: pd.DataFrame, columns: Sequence[str], tags: Sequence[str], grid: range
) -> list[Array]:
    """(buckets, tags) of each of the answer's ``columns``; NaN where there is no row."""
    import pandas as pd

    known = pd.Index(list(dict.fromkeys(tags)))
    bucket = rows["bucket"].to_numpy(np.int64) - grid.start
    place = known.get_indexer(pd.Index(rows["tag"]))
    there = (bucket >= 0) & (bucket < len(grid)) & (place >= 0)
    order = known.get_indexer(pd.Index(tags))
    found = []
    for column in columns:
        values = np.full((len(grid), len(known)), np.nan)
        values[bucket[there], place[there]] = rows[column].to_numpy(np.float64, na_value=np.nan)[
            there
        ]
        found.append(values[:, order])
    return found


def _held(
    rows: pd.DataFrame, tags: Sequence[str], grid: range, every_ms: int, hold_ms: float
) -> pd.DataFrame:
    """What each bucket's last row says at the moment that the bucket's number stands for.

    Where a bucket has none, the row before stands for at most ``hold_ms``.
    """
    import pandas as pd

    steps = math.ceil(hold_ms / every_ms)
    longer = range(grid.start - steps, grid.stop)
    index = pd.RangeIndex(longer.start, longer.stop)
    good, value, latest = (
        pd.DataFrame(part, index=index, columns=list(tags)).ffill(limit=steps)
        for part in _wide(rows, ("good", "last", "latest"), tags, longer)
    )
    age_ms = (-latest).add(index.to_numpy() * float(every_ms), axis=0)
    return value.where((good == 1.0) & (age_ms <= hold_ms)).loc[grid.start : grid.stop - 1]


def _utc(buckets: pd.Index, every_ms: int) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.to_datetime(buckets.to_numpy() * every_ms, unit="ms", utc=True)
