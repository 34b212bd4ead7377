"""What both telemetry stores do alike: thinning, frames, trends, and rows that come once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from controller.storage.parquet import SCHEMA, TREND_SCHEMA
from controller.storage.query import TREND_MS, Series, View, connect
from controller.storage.samples import Rows, Thinning, batches_of, encode, to_ms
from facility.telemetry import Snapshot

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

READING_COLUMNS = """
    SELECT tag, epoch_ms(at_utc) AS moment, epoch_ms(seen_utc) AS seen, value, quality FROM {table}
"""
TREND_COLUMNS = """
    SELECT tag, epoch_ms(at_utc) AS start, good_ms, mean, lowest, highest FROM {table}
"""


class StoredReadings(ABC):
    """The part of `TelemetryStore` that does not ask where rows lie."""

    def __init__(self, dead_bands: Mapping[str, float] | None, hold_s: float) -> None:
        self._hold_s = hold_s
        self._thinning = Thinning(dead_bands or {}, hold_s)
        self._series = Series(self._view, hold_s)

    @property
    def hold_s(self) -> float:
        """How long a stored value stands without a newer one."""
        return self._hold_s

    def append(self, snapshot: Snapshot) -> int:
        """Keep a snapshot durably; answer how many readings were worth a row."""
        picked = self._thinning.pick(snapshot)
        if picked:
            numbers = self._numbered([tag for tag, _ in picked])
            rows = encode(picked, numbers, snapshot.time_s)
            self._keep([(to_ms(snapshot.time_s), rows)])
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
        return self._series.frame(tags, start_s, end_s, every_s, known_by_s)

    def trend(
        self, tags: Sequence[str], start_s: float, end_s: float, every_s: float
    ) -> pd.DataFrame:
        """Mean, lowest and highest of each interval; see the port."""
        return self._series.trend(tags, start_s, end_s, every_s)

    @abstractmethod
    def rows(self, tags: Sequence[str], start_s: float, end_s: float) -> Any:
        """The readings as they are kept; see the port."""

    def put(self, rows: Any) -> int:
        """Keep rows durably, all or none; see the port."""
        new = self._unknown(rows)
        if len(new):
            self._keep(batches_of(new, self._numbered(new["tag"].unique().to_pylist())))
        return len(new)

    @abstractmethod
    def _view(self, start_ms: int, end_ms: int) -> AbstractContextManager[View]:
        """What was received between two moments, as of one moment."""

    @abstractmethod
    def _numbered(self, tags: Sequence[str]) -> Mapping[str, int]:
        """The number of each tag, durably given to new ones on the way."""

    @abstractmethod
    def _keep(self, batches: Sequence[tuple[int, Rows]]) -> None:
        """Keep rows by when they were received, in ms: durably, all or none."""

    def _unknown(self, rows: Any) -> Any:
        """Those of ``rows`` that are not kept yet."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(rows):
            return rows
        first, last = (
            bound.cast(pa.int64()).as_py() / 1000.0
            for bound in pc.min_max(rows["seen_utc"]).values()
        )
        known = self.rows(rows["tag"].unique().to_pylist(), first, last + 0.001)
        with connect() as reader:
            reader.register("wanted", rows)
            reader.register("known", known)
            return (
                reader.sql(
                    "SELECT DISTINCT * FROM wanted ANTI JOIN known USING (tag, at_utc, seen_utc)"
                )
                .to_arrow_table()
                .cast(SCHEMA)
            )


def trend_table(answer: duckdb.DuckDBPyRelation) -> Any:
    """Pieces of five minutes as the table of a file of trends."""
    import pyarrow as pa

    found = answer.to_arrow_table()
    starts = pa.compute.multiply(found["bucket"].cast(pa.int64()), TREND_MS)
    columns = [found["tag"], starts.cast(pa.timestamp("ms")), found["good_ms"].cast(pa.float64())]
    columns += [found[name] for name in ("mean", "lowest", "highest")]
    columns[2] = pa.compute.round(columns[2]).cast(pa.int64())
    return pa.table(columns, names=TREND_SCHEMA.names).cast(TREND_SCHEMA)
