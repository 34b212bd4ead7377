"""The stores of a site: its state directory, or a database of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.storage.engines import postgres_engine, sqlite_engine
from controller.storage.ports import RecordStore, StorageError, TelemetryStore
from controller.storage.ticks import DatabaseBodies, FolderBodies, TickArchive

if TYPE_CHECKING:
    from sqlalchemy import Engine

RECORDS = "records.db"
TELEMETRY = "telemetry"
HOT = f"{TELEMETRY}/hot.sqlite"
TICKS = "ticks"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a site's stores are."""

    state: Path
    """The directory of ``isotherm serve``."""
    database: str | None = None
    """``postgresql://user@host/database`` where records and telemetry lie there instead."""

    def __str__(self) -> str:
        return self.database or str(self.state)

    @property
    def exists(self) -> bool:
        """Whether something has been kept there (a database is asked when it is opened)."""
        return self.database is not None or (self.state / RECORDS).exists()

    def engines(self) -> list[tuple[Engine, str]]:
        """Each database that there is with its chain of migrations, for upgrades and doctors."""
        if self.database is not None:
            engine = postgres_engine(self.database)
            return [(engine, "records"), (engine, "fleet")]
        files = ((self.state / RECORDS, "records"), (self.state / HOT, "hot"))
        return [(sqlite_engine(path), chain) for path, chain in files if path.exists()]


@dataclass(frozen=True, slots=True)
class Stores:
    """A site's stores, open."""

    records: RecordStore
    telemetry: TelemetryStore
    ticks: TickArchive

    def close(self) -> None:
        """Let go of files and connections."""
        self.telemetry.close()
        self.records.close()


def open_stores(place: Place, dead_bands: Mapping[str, float] | None = None) -> Stores:
    """Open a site's stores, new ones where there are none.

    Raises
    ------
    StorageError
        They cannot be opened, or have to be upgraded first.
    """
    from controller.storage.fleet import FleetTelemetry
    from controller.storage.records import LocalRecords, SqlRecords
    from controller.storage.telemetry import LocalTelemetry

    with ExitStack() as undo:
        if place.database is None:
            records: RecordStore = LocalRecords(place.state / RECORDS)
            undo.callback(records.close)
            telemetry: TelemetryStore = LocalTelemetry(place.state / TELEMETRY, dead_bands)
            undo.callback(telemetry.close)
            ticks = TickArchive(FolderBodies(place.state / TICKS), records)
        else:
            engine = postgres_engine(place.database)
            undo.callback(engine.dispose)
            records = SqlRecords(engine)
            telemetry = FleetTelemetry(engine, dead_bands)
            ticks = TickArchive(DatabaseBodies(engine), records)
        undo.pop_all()
    return Stores(records, telemetry, ticks)


def open_records(place: Place) -> RecordStore:
    """The records alone, of a site whose service may be running beside us.

    Raises
    ------
    StorageError
        Nothing has been kept there, or they cannot be opened.
    """
    from controller.storage.records import LocalRecords, SqlRecords

    if not place.exists:
        raise StorageError(
            f"{place.state / RECORDS} does not exist: no controller has run on this directory yet"
        )
    if place.database is None:
        return LocalRecords(place.state / RECORDS)
    return SqlRecords(postgres_engine(place.database))


def open_present(place: Place, dead_bands: Mapping[str, float] | None = None) -> Stores:
    """Open stores that must be there already.

    Raises
    ------
    StorageError
        Nothing has been kept there, or they cannot be opened.
    """
    if not place.exists:
        raise StorageError(
            f"{place.state} holds no records: give the --state directory of an `isotherm serve` "
            "(of a demo: its `controller` folder), or --database"
        )
    return open_stores(place, dead_bands)
