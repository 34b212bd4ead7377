"""`TelemetryStore` on one machine: a hot segment in SQLite, Parquet behind it, DuckDB over both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.storage.hot import HotSegment
from controller.storage.parquet import Archive, table_of
from controller.storage.ports import StorageError
from controller.storage.samples import HOLD_S, Thinning, encode, to_ms
from facility.telemetry import Snapshot

if TYPE_CHECKING:
    import pandas as pd

LATE_MS = 60_000
"""A reading is received at most so long after the moment from which it holds."""

COLUMNS = """
    SELECT tag::VARCHAR AS tag, epoch_ms(at_utc) AS moment, epoch_ms(seen_utc) AS seen,
           value, quality::VARCHAR AS quality
    FROM """

# One row a tag and interval. `moment` is from when a row holds, in ms; the last row of an interval
# says what is in force at its end.
QUERY = """
WITH readings AS ({sources}),
spans AS (
    SELECT *,
           CAST({bucket} AS BIGINT) AS bucket,
           lead(moment) OVER (PARTITION BY tag ORDER BY moment, seen) AS next
    FROM readings
    WHERE tag IN (SELECT unnest($tags))
      AND moment >= $start AND moment <= $end AND seen <= $known_by
),
weighed AS (
    -- Rows come when something changes, so each counts for as long as it stands.
    SELECT *, greatest(1, least(next, moment + $hold, (bucket + 1) * $every) - moment) AS weight
    FROM spans
)
SELECT tag,
       bucket,
       CAST(arg_max(quality, (moment, seen)) = 'good' AS DOUBLE) AS good,
       CAST(max(moment) AS DOUBLE) AS latest,
       arg_max(value, (moment, seen)) FILTER (quality = 'good') AS last,
       sum(value * weight) FILTER (quality = 'good')
           / sum(weight) FILTER (quality = 'good') AS mean,
       min(value) FILTER (quality = 'good') AS min,
       max(value) FILTER (quality = 'good') AS max
FROM weighed
GROUP BY tag, bucket
"""


class LocalTelemetry:
    """Telemetry below a directory. One process writes; its threads may all read.

    Parameters
    ----------
    directory
        Made if it does not exist.
    dead_bands
        By tag, in canonical units: smaller changes are not worth a row.
    hold_s
        See `controller.storage.samples`.
    durable
        False only for a simulated run, which is repeated rather than recovered: a snapshot then
        survives the death of the process, and a loss of power may take the last of them.
    """

    def __init__(
        self,
        directory: Path,
        dead_bands: Mapping[str, float] | None = None,
        hold_s: float = HOLD_S,
        *,
        durable: bool = True,
    ) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{directory}: cannot be made: {error.strerror}") from error
        self._hold_s = hold_s
        self._thinning = Thinning(dead_bands or {}, hold_s)
        self._hot = HotSegment(directory / "hot.sqlite", durable=durable)
        self._archive = Archive(directory, self._hot)

    @property
    def hold_s(self) -> float:
        """How long a stored value stands without a newer one."""
        return self._hold_s

    def append(self, snapshot: Snapshot) -> int:
        """Keep a snapshot durably; answer how many readings were worth a row."""
        picked = self._thinning.pick(snapshot)
        if picked:
            numbers = self._hot.numbers(tag for tag, _ in picked)
            readings = encode(picked, numbers, snapshot.time_s)
            self._hot.append(to_ms(snapshot.time_s), readings)
            self._thinning.keep(picked, snapshot.time_s)
        return len(picked)

    def frame(
        self,
        tags: Sequence[str],
        start_s: float,
        end_s: float,
        every_s: float = 60.0,
        known_by_s: float | None = None,
    ) -> pd.DataFrame:
        """Values in force at each multiple of ``every_s``; see the port."""
        every_ms = _interval_ms(every_s, start_s, end_s)
        grid = range(math.ceil(to_ms(start_s) / every_ms), math.floor(to_ms(end_s) / every_ms) + 1)
        # The interval that ends at a grid moment belongs to it.
        rows = self._grouped(
            tags,
            f"ceil(moment / {every_ms}.0)",
            every_ms,
            (grid.start * every_ms, (grid.stop - 1) * every_ms),
            None if known_by_s is None else to_ms(known_by_s),
        )
        held = _held(rows, tags, grid, every_ms, self._hold_ms)
        held.index = _utc(held.index, every_ms)
        return held

    def trend(
        self, tags: Sequence[str], start_s: float, end_s: float, every_s: float
    ) -> pd.DataFrame:
        """Mean, lowest and highest of each interval; see the port."""
        import pandas as pd

        every_ms = _interval_ms(every_s, start_s, end_s)
        first = math.floor(to_ms(start_s) / every_ms)
        grid = range(first, max(first + 1, math.ceil(to_ms(end_s) / every_ms)))
        between_ms = (grid.start * every_ms, grid.stop * every_ms - 1)
        rows = self._grouped(tags, f"floor(moment / {every_ms}.0)", every_ms, between_ms)
        held = _held(rows, tags, grid, every_ms, self._hold_ms)
        parts = {}
        for name in ("mean", "min", "max"):
            measured = _wide(rows, name, tags, grid)
            # Where nothing new came, the value before stands.
            parts[name] = measured.where(measured.notna(), held)
        wide = pd.concat(parts, axis=1).swaplevel(axis=1)
        wide = wide[[(tag, name) for tag in tags for name in ("mean", "min", "max")]]
        wide.index = _utc(wide.index, every_ms)
        return wide

    def extent(self) -> tuple[float, float] | None:
        """First and last moment that something was received."""
        extent = self._hot.extent_ms()
        return None if extent is None else (extent[0] / 1000.0, extent[1] / 1000.0)

    def compact(self, now_s: float) -> int:
        """Move finished hours out of the hot segment; answer how many rows moved."""
        return self._archive.compact(now_s)

    def close(self) -> None:
        """Let go of files."""
        self._hot.close()

    @property
    def _hold_ms(self) -> float:
        # A row is renewed at the first scan after `hold_s`; that scan needs time to come.
        return self._hold_s * 1000.0 + LATE_MS / 4

    def _grouped(
        self,
        tags: Sequence[str],
        bucket: str,
        every_ms: int,
        between_ms: tuple[int, int],
        known_by_ms: int | None = None,
    ) -> pd.DataFrame:
        import duckdb

        start = between_ms[0] - int(self._hold_s * 1000.0) - LATE_MS
        end = between_ms[1]
        files, hot = self._hot.read(start, end + LATE_MS)
        parameters: dict[str, Any] = {
            "tags": list(tags),
            "start": start,
            "end": end,
            "hold": round(self._hold_ms),
            "every": every_ms,
            "known_by": 2**62 if known_by_ms is None else known_by_ms,
        }
        if files:
            parameters["paths"] = self._archive.paths(files)
        with duckdb.connect(":memory:", config={"threads": 2}) as reader:
            wanted = set(tags)
            numbers = {n: tag for n, tag in self._hot.tags.items() if tag in wanted}
            reader.register("hot", table_of(hot, numbers))
            sources = COLUMNS + "hot"
            if files:
                sources += " UNION ALL " + COLUMNS + "read_parquet($paths)"
            query = QUERY.format(sources=sources, bucket=bucket)
            return reader.execute(query, parameters).df()


def _interval_ms(every_s: float, start_s: float, end_s: float) -> int:
    if every_s < 1.0 or not start_s <= end_s:
        raise ValueError("every_s must be at least 1, and start_s at most end_s")
    return to_ms(every_s)


def _wide(rows: pd.DataFrame, column: str, tags: Sequence[str], grid: range) -> pd.DataFrame:
    """One column of the query's answer as buckets by tags."""
    import pandas as pd

    wide = rows.pivot(index="bucket", columns="tag", values=column)
    return wide.reindex(index=pd.RangeIndex(grid.start, grid.stop), columns=list(tags)).astype(
        float
    )


def _held(
    rows: pd.DataFrame, tags: Sequence[str], grid: range, every_ms: int, hold_ms: float
) -> pd.DataFrame:
    """What each bucket's last row says at the moment that the bucket's number stands for.

    Where a bucket has none, the row before stands for at most ``hold_ms``.
    """
    steps = math.ceil(hold_ms / every_ms)
    longer = range(grid.start - steps, grid.stop)
    good, value, latest = (
        _wide(rows, column, tags, longer).ffill(limit=steps)
        for column in ("good", "last", "latest")
    )
    age_ms = (-latest).add(latest.index.to_numpy() * float(every_ms), axis=0)
    return value.where((good == 1.0) & (age_ms <= hold_ms)).loc[grid.start : grid.stop - 1]


def _utc(buckets: pd.Index, every_ms: int) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.to_datetime(buckets.to_numpy() * every_ms, unit="ms", utc=True)
