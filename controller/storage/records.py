"""`RecordStore` on one machine: one table in SQLite, every commit on the disk."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from controller.storage.hot import connect
from controller.storage.ports import ConflictError, Kind, Record, StorageError

SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    time_s REAL NOT NULL,
    state TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS records_by_time ON records (kind, time_s);
CREATE INDEX IF NOT EXISTS records_by_state ON records (kind, state);
"""
FORMAT = 1
COLUMNS = "kind, id, time_s, body, state, version, sequence"


class LocalRecords:
    """Records in one SQLite file; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = connect(path)
        try:
            found = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if found > FORMAT:
                raise StorageError(
                    f"{path} has format {found}, this version knows {FORMAT}: it was written by a "
                    "newer Isotherm; run that one, or give another state directory"
                )
            self._db.executescript(SCHEMA + f"PRAGMA user_version = {FORMAT};")
        except sqlite3.Error as error:
            raise StorageError(f"{path}: {error}") from error

    def write(self, add: Sequence[Record] = (), change: Sequence[Record] = ()) -> None:
        """Add and change records: all or none, durable on return; see the port."""
        if not add and not change:
            return
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for record in add:
                    self._add(record)
                for record in change:
                    self._change(record)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """The record as it stands."""
        with self._lock:
            row = self._db.execute(
                f"SELECT {COLUMNS} FROM records WHERE kind = ? AND id = ?",  # noqa: S608 - constant
                (kind.value, record_id),
            ).fetchone()
        return None if row is None else _record(row)

    def find(
        self,
        kind: Kind,
        *,
        states: Collection[str] = (),
        since_s: float | None = None,
        until_s: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[Record, ...]:
        """Records, newest first; see the port."""
        where = ["kind = ?"]
        values: list[str | float] = [kind.value]
        for condition, value in (
            ("time_s >= ?", since_s),
            ("time_s <= ?", until_s),
            ("sequence < ?", before),
        ):
            if value is not None:
                where.append(condition)
                values.append(value)
        if states:
            where.append(f"state IN ({', '.join('?' * len(states))})")
            values += states
        with self._lock:
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM records WHERE {' AND '.join(where)} "  # noqa: S608 - constants
                "ORDER BY sequence DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        return tuple(_record(row) for row in rows)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _add(self, record: Record) -> None:
        try:
            self._db.execute(
                "INSERT INTO records (kind, id, time_s, body, state, version) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    record.kind.value,
                    record.id,
                    record.time_s,
                    _dump(record),
                    record.state,
                    record.version,
                ),
            )
        except sqlite3.IntegrityError as error:
            raise ConflictError(
                record.kind, record.id, f"there is a {record.kind.value} {record.id} already"
            ) from error

    def _change(self, record: Record) -> None:
        done = self._db.execute(
            "UPDATE records SET time_s = ?, body = ?, state = ?, version = version + 1 "
            "WHERE kind = ? AND id = ? AND version = ?",
            (
                record.time_s,
                _dump(record),
                record.state,
                record.kind.value,
                record.id,
                record.version,
            ),
        )
        if done.rowcount != 1:
            raise ConflictError(
                record.kind,
                record.id,
                f"{record.kind.value} {record.id} has been changed by somebody else meanwhile",
            )


def _dump(record: Record) -> str:
    return json.dumps(record.body, separators=(",", ":"), allow_nan=False)


def _record(row: Sequence[object]) -> Record:
    kind, record_id, time_s, body, state, version, sequence = row
    return Record(
        kind=Kind(kind),
        id=str(record_id),
        time_s=float(str(time_s)),
        body=json.loads(str(body)),
        state=str(state),
        version=int(str(version)),
        sequence=int(str(sequence)),
    )
