"""The hot segment: the last hours in SQLite, and the list of Parquet files that hold the rest.

One row a snapshot: its readings packed (`samples.ROW`), so that keeping 600 readings costs one
insert and one fsync. The same database lists the live Parquet files, so that rows leave the
segment and their file joins the list in one transaction: a reader sees each reading once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controller.storage.engines import BUSY_S, sqlite_engine
from controller.storage.migrate import make_ready
from controller.storage.ports import StorageError
from controller.storage.query import LATE_MS, TREND_MS, Marks
from controller.storage.samples import ROW, Rows

READINGS, TRENDS = "readings", "trends"
"""The kinds of file."""


@dataclass(frozen=True, slots=True)
class File:
    """A live Parquet file from ``start_ms`` up to, but without, ``end_ms``.

    Readings lie there by when they were received, trends by the start of their interval.
    """

    name: str
    start_ms: int
    end_ms: int
    readings: int
    """Rows."""
    kind: str = READINGS


@dataclass(frozen=True, slots=True)
class Hot:
    """Readings of the hot segment, one array a column."""

    seen_ms: np.ndarray[tuple[int], np.dtype[np.int64]]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Seen:
    """The segment as of one moment."""

    files: tuple[File, ...]
    hot: Hot
    marks: Marks


FILE = "name, start_ms, end_ms, readings, kind"


class HotSegment:
    """The database of the hot segment. Safe to use from several threads."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        engine = sqlite_engine(path)
        make_ready(engine, "hot")
        engine.dispose()
        self._path, self._lock = path, threading.Lock()
        self._db = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._numbers: dict[str, int] = {
            tag: number for number, tag in self._db.execute("SELECT number, tag FROM points")
        }
        self._rolled_to = self._marks().rolled_to

    def numbers(self, tags: Iterable[str]) -> dict[str, int]:
        """The number of each tag, given to new ones on the way."""
        with self._lock:
            new = [(tag,) for tag in tags if tag not in self._numbers]
            if new:
                with self._writing():
                    self._db.executemany("INSERT INTO points (tag) VALUES (?)", new)
                known = self._db.execute("SELECT tag, number FROM points")
                self._numbers = {str(tag): int(number) for tag, number in known}
            return self._numbers

    @property
    def tags(self) -> dict[int, str]:
        """Tags by number."""
        with self._lock:
            return {number: tag for tag, number in self._numbers.items()}

    def append(self, batches: Sequence[tuple[int, bytes]]) -> None:
        """Keep rows durably by when they were received; more of the same moment join.

        Trends of times that rows come to once more are out of date: they are made again.
        """
        with self._lock:
            first = min(seen_ms for seen_ms, _ in batches) - LATE_MS
            with self._writing():
                self._db.executemany(
                    "INSERT INTO batches VALUES (?, ?) ON CONFLICT (seen_ms) "
                    "DO UPDATE SET readings = CAST(readings || excluded.readings AS BLOB)",
                    batches,
                )
                if first < self._rolled_to:
                    self._mark("rolled_to", first - first % TREND_MS)
            self._rolled_to = (
                self._marks().rolled_to if first < self._rolled_to else self._rolled_to
            )

    def read(self, start_ms: int, end_ms: int) -> Seen:
        """Files and rows seen from ``start_ms`` to ``end_ms`` inclusive, as of one moment."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                files = self._db.execute(
                    f"SELECT {FILE} FROM files WHERE end_ms > ? AND start_ms <= ? "  # noqa: S608 - constant
                    "ORDER BY start_ms",
                    (start_ms, end_ms),
                ).fetchall()
                batches = self._db.execute(
                    "SELECT seen_ms, readings FROM batches WHERE seen_ms BETWEEN ? AND ? "
                    "ORDER BY seen_ms",
                    (start_ms, end_ms),
                ).fetchall()
                marks = self._marks()
            finally:
                self._db.execute("COMMIT")
        return Seen(tuple(File(*row) for row in files), _unpack(batches), marks)

    def files(self, kind: str | None = None) -> tuple[File, ...]:
        """Every live file, or those of a kind, in the order of time."""
        with self._lock:
            rows = self._db.execute(f"SELECT {FILE} FROM files ORDER BY start_ms").fetchall()  # noqa: S608 - constant
        files = tuple(File(*row) for row in rows)
        return files if kind is None else tuple(file for file in files if file.kind == kind)

    @property
    def marks(self) -> Marks:
        """How far trends go, and where readings begin."""
        with self._lock:
            return self._marks()

    def hot_readings(self) -> int:
        """Rows that are not in files."""
        with self._lock:
            row = self._db.execute("SELECT sum(length(readings)) FROM batches").fetchone()
        return int(row[0] or 0) // ROW.itemsize

    def extent_ms(self) -> tuple[int, int] | None:
        """First and last moment that something was received."""
        with self._lock:
            row = self._db.execute(
                "SELECT min(a), max(b) FROM (SELECT min(seen_ms) a, max(seen_ms) b FROM batches "
                "UNION ALL SELECT min(start_ms), max(end_ms) - 1 FROM files)"
            ).fetchone()
        return None if row[0] is None else (int(row[0]), int(row[1]))

    def hours_before(self, before_ms: int, length_ms: int) -> tuple[int, ...]:
        """Starts of the intervals of ``length_ms`` that hold rows and end by ``before_ms``."""
        with self._lock:
            rows = self._db.execute(
                "SELECT DISTINCT seen_ms / ? FROM batches WHERE seen_ms < ? ORDER BY 1",
                (length_ms, before_ms - before_ms % length_ms),
            ).fetchall()
        return tuple(int(row[0]) * length_ms for row in rows)

    def swap(
        self,
        new: Iterable[File],
        gone: Iterable[str],
        *,
        drop_batches: tuple[int, int] | None = None,
        rolled_to: int | None = None,
        readings_from: int | None = None,
    ) -> None:
        """List ``new`` instead of the files ``gone``, drop batches and move marks, at once."""
        with self._lock:
            with self._writing():
                self._db.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in gone])
                self._db.executemany(
                    f"INSERT INTO files ({FILE}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - constant
                    [(f.name, f.start_ms, f.end_ms, f.readings, f.kind) for f in new],
                )
                if drop_batches is not None:
                    self._db.execute(
                        "DELETE FROM batches WHERE seen_ms >= ? AND seen_ms < ?", drop_batches
                    )
                if rolled_to is not None:
                    self._mark("rolled_to", rolled_to)
                if readings_from is not None:
                    self._mark("readings_from", readings_from)
            self._rolled_to = self._marks().rolled_to

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StorageError(f"{self._path}: {error}; nothing of it was kept") from error
            raise

    def _marks(self) -> Marks:
        found = dict(self._db.execute("SELECT name, at_ms FROM marks"))
        return Marks(found.get("rolled_to", 0), found.get("readings_from", 0))

    def _mark(self, name: str, at_ms: int) -> None:
        self._db.execute(
            "INSERT INTO marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at_ms = ?",
            (name, at_ms, at_ms),
        )


def _unpack(batches: list[tuple[int, bytes]]) -> Hot:
    parts = [np.frombuffer(readings, ROW) for _, readings in batches]
    lengths = [len(part) for part in parts]
    seen = np.repeat(np.array([moment for moment, _ in batches], np.int64), lengths)
    return Hot(seen, np.concatenate(parts) if parts else np.empty(0, ROW))
