"""`RecordStore` over SQL: one table, in SQLite on one machine or in PostgreSQL for a fleet."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from controller.storage.engines import sqlite_engine, writing
from controller.storage.memory import ReadMemory
from controller.storage.migrate import make_ready
from controller.storage.ports import ConflictError, Kind, Record

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

RECORDS = sa.Table(
    "records",
    sa.MetaData(),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("id", sa.Text),
    sa.Column("time_s", sa.Double),
    sa.Column("state", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("body", sa.JSON),
)
R = RECORDS.c


class SqlRecords:
    """Records in one table; several processes may have it open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        make_ready(engine, "records")

    def write(self, add: Sequence[Record] = (), change: Sequence[Record] = ()) -> None:
        """Add and change records: all or none, durable on return; see the port."""
        if not add and not change:
            return
        for record in (*add, *change):
            json.dumps(record.body, allow_nan=False)
        with writing(self._engine) as connection:
            for record in add:
                _add(connection, record)
            for record in change:
                _change(connection, record)

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """The record as it stands."""
        query = sa.select(RECORDS).where(R.kind == kind.value, R.id == record_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
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
        query = sa.select(RECORDS).where(R.kind == kind.value)
        if since_s is not None:
            query = query.where(R.time_s >= since_s)
        if until_s is not None:
            query = query.where(R.time_s <= until_s)
        if before is not None:
            query = query.where(R.sequence < before)
        if states:
            query = query.where(R.state.in_(states))
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(R.sequence.desc()).limit(limit)).all()
        return tuple(_record(row) for row in rows)

    def forget(self, kind: Kind, before_s: float, states: Collection[str] = ()) -> int:
        """Let go of records that are about a time before ``before_s``; see the port."""
        query = sa.delete(RECORDS).where(R.kind == kind.value, R.time_s < before_s)
        if states:
            query = query.where(R.state.in_(states))
        with writing(self._engine) as connection:
            return int(connection.execute(query).rowcount)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


class LocalRecords(SqlRecords):
    """Records in one SQLite file; what was just read is not read again until somebody writes."""

    def __init__(self, path: Path) -> None:
        super().__init__(sqlite_engine(path))
        self._memory = ReadMemory(path)

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """The record as it stands."""
        plain = super().get
        return self._memory.answer((kind, record_id), lambda: plain(kind, record_id))

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
        plain = super().find

        def ask() -> tuple[Record, ...]:
            return plain(
                kind,
                states=states,
                since_s=since_s,
                until_s=until_s,
                before=before,
                limit=limit,
            )

        question = (kind, tuple(states), since_s, until_s, before, limit)
        return self._memory.answer(question, ask)

    def close(self) -> None:
        """Let go of the connections."""
        self._memory.close()
        super().close()


def _add(connection: Connection, record: Record) -> None:
    try:
        connection.execute(
            sa.insert(RECORDS).values(
                kind=record.kind.value,
                id=record.id,
                time_s=record.time_s,
                state=record.state,
                version=record.version,
                body=record.body,
            )
        )
    except IntegrityError as error:
        raise ConflictError(
            record.kind, record.id, f"there is a {record.kind.value} {record.id} already"
        ) from error


def _change(connection: Connection, record: Record) -> None:
    done = connection.execute(
        sa.update(RECORDS)
        .where(R.kind == record.kind.value, R.id == record.id, R.version == record.version)
        .values(time_s=record.time_s, state=record.state, version=R.version + 1, body=record.body)
    )
    if done.rowcount != 1:
        raise ConflictError(
            record.kind,
            record.id,
            f"{record.kind.value} {record.id} has been changed by somebody else meanwhile",
        )


def _record(row: Any) -> Record:
    return Record(
        kind=Kind(row.kind),
        id=row.id,
        time_s=row.time_s,
        body=row.body,
        state=row.state,
        version=row.version,
        sequence=row.sequence,
    )
