"""The hot segment: the last hours in SQLite, and the list of Parquet files that hold the rest.

One row a snapshot: its readings packed (`samples.ROW`), so that keeping 600 readings costs one
insert and one fsync. The same database lists the live Parquet files, so that rows leave the
segment and their file joins the list in one transaction: a reader sees each reading once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controller.storage.ports import StorageError
from controller.storage.samples import ROW, Rows

SCHEMA = """
CREATE TABLE IF NOT EXISTS points (number INTEGER PRIMARY KEY, tag TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS batches (seen_ms INTEGER PRIMARY KEY, readings BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    name TEXT PRIMARY KEY,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    readings INTEGER NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class File:
    """A live Parquet file: snapshots from ``start_ms`` up to, but without, ``end_ms``."""

    name: str
    start_ms: int
    end_ms: int
    readings: int


@dataclass(frozen=True, slots=True)
class Hot:
    """Readings of the hot segment, one array a column."""

    seen_ms: np.ndarray[tuple[int], np.dtype[np.int64]]
    rows: Rows


def connect(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Open a database in WAL mode; with ``durable`` every commit is on the disk.

    Raises
    ------
    StorageError
        The file cannot be opened, or is not a database.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=10.0, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except sqlite3.Error as error:
        raise StorageError(
            f"{path}: {error}; the state directory must be writable by this user, and the file "
            "must be one that Isotherm made"
        ) from error
    return connection


class HotSegment:
    """The database of the hot segment. Safe to use from several threads."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._lock = threading.Lock()
        self._db = connect(path, durable=durable)
        try:
            self._db.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise StorageError(f"{path}: {error}") from error
        self._numbers: dict[str, int] = {
            tag: number for number, tag in self._db.execute("SELECT number, tag FROM points")
        }

    def numbers(self, tags: Iterable[str]) -> dict[str, int]:
        """The number of each tag, given to new ones on the way."""
        with self._lock:
            for tag in tags:
                if tag not in self._numbers:
                    row = self._db.execute(
                        "INSERT INTO points (tag) VALUES (?) RETURNING number", (tag,)
                    ).fetchone()
                    self._numbers[tag] = int(row[0])
            return self._numbers

    @property
    def tags(self) -> dict[int, str]:
        """Tags by number."""
        with self._lock:
            return {number: tag for tag, number in self._numbers.items()}

    def append(self, seen_ms: int, readings: bytes) -> None:
        """Keep one snapshot's rows durably; more of the same moment join those there are."""
        with self._lock:
            self._db.execute(
                "INSERT INTO batches VALUES (?, ?) ON CONFLICT (seen_ms) "
                "DO UPDATE SET readings = CAST(readings || excluded.readings AS BLOB)",
                (seen_ms, readings),
            )

    def read(self, start_ms: int, end_ms: int) -> tuple[tuple[File, ...], Hot]:
        """Files and rows seen from ``start_ms`` to ``end_ms`` inclusive, as of one moment."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                files = self._db.execute(
                    "SELECT name, start_ms, end_ms, readings FROM files "
                    "WHERE end_ms > ? AND start_ms <= ? ORDER BY start_ms",
                    (start_ms, end_ms),
                ).fetchall()
                batches = self._db.execute(
                    "SELECT seen_ms, readings FROM batches WHERE seen_ms BETWEEN ? AND ? "
                    "ORDER BY seen_ms",
                    (start_ms, end_ms),
                ).fetchall()
            finally:
                self._db.execute("COMMIT")
        return tuple(File(*row) for row in files), _unpack(batches)

    def files(self) -> tuple[File, ...]:
        """Every live file."""
        with self._lock:
            rows = self._db.execute("SELECT name, start_ms, end_ms, readings FROM files").fetchall()
        return tuple(File(*row) for row in rows)

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

    def swap(self, new: File, gone: Iterable[str], *, drop_batches: bool) -> None:
        """List ``new`` instead of the files ``gone`` (and of its time's batches), at once."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("DELETE FROM files WHERE name = ?", [(name,) for name in gone])
                self._db.execute(
                    "INSERT INTO files VALUES (?, ?, ?, ?)",
                    (new.name, new.start_ms, new.end_ms, new.readings),
                )
                if drop_batches:
                    self._db.execute(
                        "DELETE FROM batches WHERE seen_ms >= ? AND seen_ms < ?",
                        (new.start_ms, new.end_ms),
                    )
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._db.close()


def _unpack(batches: list[tuple[int, bytes]]) -> Hot:
    parts = [np.frombuffer(readings, ROW) for _, readings in batches]
    lengths = [len(part) for part in parts]
    seen = np.repeat(np.array([moment for moment, _ in batches], np.int64), lengths)
    return Hot(seen, np.concatenate(parts) if parts else np.empty(0, ROW))
