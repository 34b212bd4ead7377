"""Connections: SQLite files and PostgreSQL databases, every commit on the disk."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.storage.ports import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

BUSY_S = 10.0
"""A writer waits so long for another one."""
WRITES = "isotherm_writes"
"""An execution option: the transaction will write, so it waits for its turn at its beginning."""


def writing(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that writes: committed at its end, rolled back on an error."""
    return engine.execution_options(**{WRITES: True}).begin()


def sqlite_engine(path: Path) -> Engine:
    """An engine over a SQLite file in WAL mode.

    Raises
    ------
    StorageError
        The file cannot be opened, or is not a database.
    """
    from sqlalchemy import URL, create_engine, event
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_S}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver's own transactions leave DDL out; ours begin by hand and hold everything.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        raise StorageError(_unusable(path, error)) from error
    return engine


def postgres_engine(url: str) -> Engine:
    """An engine over ``postgresql://user@host/database``.

    The password belongs into ``PGPASSFILE`` or a service file, not into the address.

    Raises
    ------
    StorageError
        The address is none of PostgreSQL's, or nothing answers there.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        address = make_url(url)
    except ArgumentError as error:
        raise StorageError(
            f"{url!r} is no address of a database: write postgresql://user@host/database"
        ) from error
    if address.get_backend_name() != "postgresql":
        raise StorageError(
            f"{address.render_as_string()}: only postgresql:// addresses are databases of a fleet"
        )
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": int(BUSY_S),
            "application_name": "isotherm",
            "options": "-c synchronous_commit=on -c timezone=UTC",
        },
    )
    try:
        with engine.connect():
            pass
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise StorageError(
            f"{address.render_as_string()}: {reason}; check that the database runs, that it has "
            "this user, and that the password is in PGPASSFILE or ~/.pgpass"
        ) from error
    return engine


def _unusable(path: Path, error: Exception) -> str:
    reason = getattr(error, "orig", None) or error
    return (
        f"{path}: {reason}; the state directory must be writable by this user, and the file "
        "must be one that Isotherm made"
    )
