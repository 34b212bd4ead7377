"""`TelemetryStore` on one machine: a hot segment in SQLite, Parquet behind it, DuckDB over both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.storage.archive import Archive
from controller.storage.hot import READINGS, TRENDS, File, HotSegment, Seen
from controller.storage.parquet import SCHEMA, TREND_SCHEMA, ordered, table_of
from controller.storage.ports import Retention, StorageError, Usage
from controller.storage.query import TREND_MS, Marks, connect
from controller.storage.samples import HOLD_S, Rows, to_ms
from controller.storage.stored import (
    READING_COLUMNS,
    TREND_COLUMNS,
    StoredReadings,
    trend_table,
)

if TYPE_CHECKING:
    import duckdb

ROWS = """
    SELECT tag, make_timestamp_ms(moment)::TIMESTAMP_MS AS at_utc,
           make_timestamp_ms(seen)::TIMESTAMP_MS AS seen_utc, value, quality
    FROM ({readings}) WHERE seen >= $start AND seen < $end
"""


class LocalTelemetry(StoredReadings):
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
        super().__init__(dead_bands, hold_s)
        self._directory = directory
        self._hot = HotSegment(directory / "hot.sqlite", durable=durable)
        self._archive = Archive(directory, self._hot, self._sum_up)

    def rows(self, tags: Sequence[str], start_s: float, end_s: float) -> Any:
        """The readings as they are kept; see the port."""
        start, end = to_ms(start_s), to_ms(end_s)
        with self._view(start, end - 1) as view, connect() as reader:
            query = ROWS.format(readings=view.readings(reader, tags))
            table = reader.sql(query, params={"start": start, "end": end}).to_arrow_table()
        return ordered(table.cast(SCHEMA))

    def tags(self) -> tuple[str, ...]:
        """Every tag that has been kept, in order."""
        return tuple(sorted(self._hot.tags.values()))

    def extent(self) -> tuple[float, float] | None:
        """First and last moment that something was received."""
        extent = self._hot.extent_ms()
        return None if extent is None else (extent[0] / 1000.0, extent[1] / 1000.0)

    def compact(self, now_s: float) -> int:
        """Move finished hours out of the hot segment; answer how many rows moved."""
        return self._archive.compact(now_s)

    def retain(self, policy: Retention, now_s: float) -> int:
        """Let go of what is older than the policy says; answer how many readings went."""
        return self._archive.retain(policy, now_s)

    def usage(self) -> Usage:
        """How full the store is."""
        files, marks, extent = self._hot.files(), self._hot.marks, self.extent()
        hot = self._hot.hot_readings()
        count = {kind: sum(f.readings for f in files if f.kind == kind) for kind in _KINDS}
        hot_bytes = self._bytes_of(["hot.sqlite", "hot.sqlite-wal"])
        return Usage(
            tags=len(self._hot.tags),
            readings=count[READINGS] + hot,
            hot_readings=hot,
            trends=count[TRENDS],
            bytes=self._bytes_of([file.name for file in files]) + hot_bytes,
            hot_bytes=hot_bytes,
            first_s=extent[0] if extent else None,
            last_s=extent[1] if extent else None,
            readings_from_s=marks.readings_from / 1000.0 if marks.readings_from else None,
            trends_to_s=marks.rolled_to / 1000.0 if marks.rolled_to else None,
        )

    def _bytes_of(self, names: Iterable[str]) -> int:
        paths = [self._directory / name for name in names]
        return sum(path.stat().st_size for path in paths if path.exists())

    def close(self) -> None:
        """Let go of files."""
        self._hot.close()

    @contextmanager
    def _view(self, start_ms: int, end_ms: int) -> Iterator[_View]:
        seen = self._hot.read(start_ms, end_ms)
        yield _View(self._directory, seen, self._hot.tags, seen.marks)

    def _numbered(self, tags: Sequence[str]) -> Mapping[str, int]:
        return self._hot.numbers(tags)

    def _keep(self, batches: Sequence[tuple[int, Rows]]) -> None:
        self._hot.append([(seen_ms, rows.tobytes()) for seen_ms, rows in batches])

    def _sum_up(self, start_ms: int, end_ms: int) -> Any:
        tags = self.tags()
        return self._series.pieces(tags, start_ms, end_ms, TREND_MS, kept=False, result=trend_table)


_KINDS = (READINGS, TRENDS)


@dataclass(frozen=True, slots=True)
class _View:
    """What the hot segment showed at one moment."""

    directory: Path
    seen: Seen
    known: dict[int, str]
    marks: Marks

    def readings(
        self,
        reader: duckdb.DuckDBPyConnection,
        tags: Sequence[str],
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> str:
        """Readings of the hot segment and of the files of that time."""
        wanted = set(tags)
        reader.register(
            "hot", table_of(self.seen.hot, {n: t for n, t in self.known.items() if t in wanted})
        )
        query = READING_COLUMNS.format(table="hot")
        files = [
            file
            for file in self.seen.files
            if file.kind == READINGS
            and (start_ms is None or file.end_ms > start_ms)
            and (end_ms is None or file.start_ms <= end_ms)
        ]
        if files:
            query += f" UNION ALL {READING_COLUMNS.format(table=self._parquet(files))}"
            query += f" WHERE {among(tags)}"
        return query

    def trends(
        self, reader: duckdb.DuckDBPyConnection, tags: Sequence[str], start_ms: int, end_ms: int
    ) -> str:
        """Trends of the files of that time."""
        files = [
            file
            for file in self.seen.files
            if file.kind == TRENDS and file.end_ms > start_ms and file.start_ms <= end_ms
        ]
        if not files:
            reader.register("trends", TREND_SCHEMA.empty_table())
            return TREND_COLUMNS.format(table="trends")
        return (
            f"{TREND_COLUMNS.format(table=self._parquet(files))} WHERE {among(tags)} "
            f"AND epoch_ms(at_utc) BETWEEN {start_ms} AND {end_ms}"
        )

    def _parquet(self, files: Sequence[File]) -> str:
        names = ", ".join(quoted(str(self.directory / file.name)) for file in files)
        return f"read_parquet([{names}])"


def among(tags: Sequence[str]) -> str:
    """A condition on the tag, as literals: so it is checked against each row group's range."""
    return f"tag IN ({', '.join(map(quoted, tags))})" if tags else "false"


def quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
