"""`TelemetryStore` in PostgreSQL: rows that any tool can query, frames and trends as elsewhere.

Readings go in by binary COPY and come out as packed columns. The same DuckDB queries as on one
machine answer frames and trends, over what the database holds of the tags asked for, so that both
stores mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from controller.storage import copying
from controller.storage.hot import Hot
from controller.storage.migrate import make_ready
from controller.storage.parquet import SCHEMA, TREND_SCHEMA, ordered, table_of, words
from controller.storage.ports import Retention, StorageError, Usage
from controller.storage.query import LATE_MS, TREND_MS, Marks
from controller.storage.samples import HOLD_S, ROW, Rows, to_ms
from controller.storage.stored import (
    READING_COLUMNS,
    TREND_COLUMNS,
    StoredReadings,
    trend_table,
)

if TYPE_CHECKING:
    import duckdb
    from psycopg import Connection
    from sqlalchemy import Engine

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
READING = copying.dtype_of(
    [("at", ">i8"), ("seen", ">i8"), ("value", ">f8"), ("point", ">i4"), ("quality", ">i2")]
)
TREND = copying.dtype_of(
    [("at", ">i8"), ("mean", ">f8"), ("lowest", ">f8"), ("highest", ">f8"), ("point", ">i4"),
     ("good_ms", ">i4")]
)  # fmt: skip
MOMENT = "to_timestamp(%s / 1000.0)"
READING_KINDS = {"at": ">i8", "seen": ">i8", "value": ">f8", "quality": ">i2"}
READINGS_OF = f"""
    SELECT point, {
    copying.packed(
        at="timestamptz_send(at)",
        seen="timestamptz_send(seen)",
        value="float8send(coalesce(value, 'NaN'))",
        quality="int2send(quality)",
    )
} FROM readings
    WHERE point = ANY(%s)
    AND {{by}} BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0)
    GROUP BY point
"""  # noqa: S608 - constants
TREND_KINDS = {"at": ">i8", "mean": ">f8", "lowest": ">f8", "highest": ">f8", "good_ms": ">i4"}
TRENDS_OF = f"""
    SELECT point, {
    copying.packed(
        at="timestamptz_send(at)",
        mean="float8send(mean)",
        lowest="float8send(lowest)",
        highest="float8send(highest)",
        good_ms="int4send(good_ms)",
    )
} FROM trends
    WHERE point = ANY(%s) AND at BETWEEN to_timestamp(%s / 1000.0) AND to_timestamp(%s / 1000.0)
    GROUP BY point
"""  # noqa: S608 - constants
CHUNK_READINGS = 4_000_000
"""More are summed up an hour at a time, fewer a day."""


class FleetTelemetry(StoredReadings):
    """Telemetry in a PostgreSQL database, or in a schema of one. One process writes."""

    def __init__(
        self,
        engine: Engine,
        dead_bands: Mapping[str, float] | None = None,
        hold_s: float = HOLD_S,
    ) -> None:
        make_ready(engine, "fleet")
        super().__init__(dead_bands, hold_s)
        self._engine = engine
        self._numbers: dict[str, int] = {}
        with self._session() as session:
            self._learn(session)
            self._rolled_to = _marks(session).rolled_to

    def rows(self, tags: Sequence[str], start_s: float, end_s: float) -> Any:
        """The readings as they are kept; see the port."""
        with self._view(to_ms(start_s), to_ms(end_s) - 1) as view:
            return ordered(view.table(tags, "seen", view.start_ms, view.end_ms))

    def tags(self) -> tuple[str, ...]:
        """Every tag that has been kept, in order."""
        with self._session() as session:
            self._learn(session)
        return tuple(sorted(self._numbers))

    def extent(self) -> tuple[float, float] | None:
        """First and last moment that something was received."""
        with self._session() as session:
            row = session.execute(
                "SELECT extract(epoch FROM min(a))::float8, extract(epoch FROM max(b))::float8 "
                "FROM (SELECT min(seen) a, max(seen) b FROM readings "
                "UNION ALL SELECT min(at), max(at) FROM trends) either"
            ).fetchone()
        return None if row is None or row[0] is None else (row[0], row[1])

    def compact(self, now_s: float) -> int:
        """Sum up what will not change any more; readings stay where they are."""
        extent, now_ms, moved = self.extent(), to_ms(now_s), 0
        if extent is None:
            return 0
        with self._session() as session:
            marks = _marks(session)
            start = max(marks.rolled_to, marks.readings_from, to_ms(extent[0]) - LATE_MS)
            start -= start % TREND_MS
            session.execute(f"DELETE FROM trends WHERE at >= {MOMENT}", (start,))  # noqa: S608 - a constant
        end = now_ms - now_ms % HOUR_MS - LATE_MS
        end -= end % TREND_MS
        while start < end:
            until = min(end, start - start % DAY_MS + DAY_MS)
            readings = self._count(start, until)
            if readings > CHUNK_READINGS:
                until = min(end, start - start % HOUR_MS + HOUR_MS)
                readings = self._count(start, until)
            self._roll(start, until)
            moved += readings
            start = until
        return moved

    def retain(self, policy: Retention, now_s: float) -> int:
        """Let go of whole days that are older than the policy says."""
        went = 0
        with self._session() as session:
            if policy.readings_days is not None:
                marks = _marks(session)
                before = min(to_ms(now_s) - int(policy.readings_days * DAY_MS), marks.rolled_to)
                before -= before % DAY_MS
                went = session.execute(
                    f"DELETE FROM readings WHERE seen < {MOMENT}",  # noqa: S608 - a constant
                    (before,),
                ).rowcount
                if went:
                    _mark(session, "readings_from", max(before, marks.readings_from))
            if policy.trends_days is not None:
                before = to_ms(now_s) - int(policy.trends_days * DAY_MS)
                session.execute(
                    f"DELETE FROM trends WHERE at < {MOMENT}",  # noqa: S608 - a constant
                    (before - before % DAY_MS,),
                )
        return went

    def usage(self) -> Usage:
        """How full the store is."""
        extent = self.extent()
        with self._session() as session:
            row = session.execute(
                "SELECT (SELECT count(*) FROM points), (SELECT count(*) FROM readings), "
                "(SELECT count(*) FROM trends), (SELECT sum(pg_total_relation_size(name::regclass))"
                "::bigint FROM unnest(ARRAY['points', 'readings', 'trends', 'marks']) name)"
            ).fetchone()
            marks = _marks(session)
        assert row is not None  # noqa: S101 - a SELECT of counts has one row
        return Usage(
            tags=row[0],
            readings=row[1],
            hot_readings=0,
            trends=row[2],
            bytes=row[3],
            hot_bytes=0,
            first_s=extent[0] if extent else None,
            last_s=extent[1] if extent else None,
            readings_from_s=marks.readings_from / 1000.0 if marks.readings_from else None,
            trends_to_s=marks.rolled_to / 1000.0 if marks.rolled_to else None,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()

    @contextmanager
    def _session(self) -> Iterator[Connection[Any]]:
        """A transaction: committed at its end, rolled back on an error."""
        import psycopg
        from sqlalchemy.exc import SQLAlchemyError

        try:
            pooled = self._engine.raw_connection()
        except SQLAlchemyError as error:
            raise StorageError(f"the database does not answer: {error}") from error
        try:
            session: Connection[Any] = pooled.driver_connection  # type: ignore[assignment]  # psycopg's
            yield session
            session.commit()
        except psycopg.OperationalError as error:
            pooled.invalidate()
            raise StorageError(f"the database failed; nothing of it was kept: {error}") from error
        except BaseException:
            pooled.rollback()
            raise
        finally:
            pooled.close()

    @contextmanager
    def _view(self, start_ms: int, end_ms: int) -> Iterator[_View]:
        with self._session() as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            known = dict(session.execute("SELECT number, tag FROM points").fetchall())
            yield _View(session, start_ms, end_ms, known, _marks(session))

    def _learn(self, session: Connection[Any]) -> None:
        self._numbers = dict(session.execute("SELECT tag, number FROM points").fetchall())

    def _numbered(self, tags: Sequence[str]) -> Mapping[str, int]:
        new = [tag for tag in tags if tag not in self._numbers]
        if new:
            with self._session() as session:
                session.execute(
                    "INSERT INTO points (tag) SELECT unnest(%s::text[]) ON CONFLICT DO NOTHING",
                    (new,),
                )
                self._learn(session)
        return self._numbers

    def _keep(self, batches: Sequence[tuple[int, Rows]]) -> None:
        with self._session() as session:
            self._insert(session, batches)

    def _insert(self, session: Connection[Any], batches: Sequence[tuple[int, Rows]]) -> None:
        rows = np.concatenate([part for _, part in batches])
        seen_ms = np.repeat(
            np.array([moment for moment, _ in batches], np.int64), [len(p) for _, p in batches]
        )
        there = ~np.isnan(rows["value"])
        with session.cursor().copy(
            "COPY readings (at, seen, value, point, quality) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.write(copying.HEADER)
            for chosen, with_value in ((there, True), (~there, False)):
                part = rows[chosen]
                columns = {
                    "at": copying.to_microseconds(part["at_ms"]),
                    "seen": copying.to_microseconds(seen_ms[chosen]),
                    "point": part["point"],
                    "quality": part["quality"],
                }
                columns |= {"value": part["value"]} if with_value else {}
                copy.write(copying.rows_of(READING, columns))
            copy.write(copying.TRAILER)
        first = min(moment for moment, _ in batches) - LATE_MS
        if first < self._rolled_to:
            self._rolled_to = first - first % TREND_MS
            _mark(session, "rolled_to", self._rolled_to)

    def _count(self, start: int, until: int) -> int:
        with self._session() as session:
            row = session.execute(
                f"SELECT count(*) FROM readings WHERE seen >= {MOMENT} AND seen < {MOMENT}",  # noqa: S608 - a constant
                (start, until),
            ).fetchone()
        return int(row[0]) if row else 0

    def _roll(self, start: int, until: int) -> None:
        """Sum up some hours, in one transaction with the mark that says so."""
        table = self._series.pieces(
            self.tags(), start, until, TREND_MS, kept=False, result=trend_table
        )
        starts_ms = table["at_utc"].cast("int64").to_numpy()
        numbers = np.array([self._numbers[tag] for tag in table["tag"].to_pylist()], np.int32)
        columns = {name: table[name].to_numpy() for name in ("mean", "lowest", "highest")}
        columns |= {"at": copying.to_microseconds(starts_ms), "point": numbers}
        columns["good_ms"] = table["good_ms"].to_numpy()
        with self._session() as session:
            if len(table):
                with session.cursor().copy(
                    "COPY trends (at, mean, lowest, highest, point, good_ms) "
                    "FROM STDIN (FORMAT binary)"
                ) as copy:
                    copy.write(copying.HEADER + copying.rows_of(TREND, columns) + copying.TRAILER)
            _mark(session, "rolled_to", until)
        self._rolled_to = until


@dataclass(frozen=True, slots=True)
class _View:
    """The database in one read-only transaction."""

    session: Connection[Any]
    start_ms: int
    end_ms: int
    known: dict[int, str]
    marks: Marks

    def readings(
        self, reader: duckdb.DuckDBPyConnection, tags: Sequence[str], start_ms: int, end_ms: int
    ) -> str:
        """Readings that hold from a moment of that time on."""
        reader.register("readings", self.table(tags, "at", start_ms, end_ms))
        return READING_COLUMNS.format(table="readings")

    def trends(
        self, reader: duckdb.DuckDBPyConnection, tags: Sequence[str], start_ms: int, end_ms: int
    ) -> str:
        """Trends of that time."""
        import pyarrow as pa

        points, found = self._columns(TRENDS_OF, TREND_KINDS, tags, start_ms, end_ms)
        at_ms = copying.to_milliseconds(found["at"])
        columns = [self._names(points), pa.array(at_ms.astype("datetime64[ms]"))]
        columns += [pa.array(found["good_ms"].astype(np.int64))]
        columns += [pa.array(found[name].astype(float)) for name in ("mean", "lowest", "highest")]
        reader.register("trends", pa.table(columns, schema=TREND_SCHEMA))
        return TREND_COLUMNS.format(table="trends")

    def table(self, tags: Sequence[str], by: str, start_ms: int, end_ms: int) -> Any:
        """Readings as a table, in no order, both ends included."""
        query = READINGS_OF.format(by=by)
        points, found = self._columns(query, READING_KINDS, tags, start_ms, end_ms)
        rows = np.empty(len(points), ROW)
        rows["at_ms"], rows["point"] = copying.to_milliseconds(found["at"]), points
        for name in ("value", "quality"):
            rows[name] = found[name]
        hot = Hot(copying.to_milliseconds(found["seen"]), rows)
        return table_of(hot, self.known).cast(SCHEMA)

    def _points(self, tags: Sequence[str]) -> list[int]:
        wanted = set(tags)
        return [number for number, tag in self.known.items() if tag in wanted]

    def _names(self, points: Any) -> Any:
        numbers = np.array(sorted(self.known), np.int32)
        positions = np.searchsorted(numbers, points).astype(np.int32)
        return words(positions, [self.known[int(number)] for number in numbers])

    def _columns(
        self, query: str, kinds: Mapping[str, str], tags: Sequence[str], start_ms: int, end_ms: int
    ) -> tuple[NDArray[np.int32], dict[str, NDArray[Any]]]:
        with self.session.cursor(binary=True) as cursor:
            cursor.execute(query, (self._points(tags), start_ms, end_ms))
            return copying.unpacked(cursor.fetchall(), kinds)


def _marks(session: Connection[Any]) -> Marks:
    found = dict(session.execute("SELECT name, at_ms FROM marks").fetchall())
    return Marks(found.get("rolled_to", 0), found.get("readings_from", 0))


def _mark(session: Connection[Any], name: str, at_ms: int) -> None:
    session.execute(
        "INSERT INTO marks VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET at_ms = excluded.at_ms",
        (name, at_ms),
    )
