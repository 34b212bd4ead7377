"""The full records of ticks: everything that a decision depended on, for replay.

``ticks/2024-04-07/000012.20240407T010000Z.json.gz``: the canonical wire form of one
`TickRecord`, on one machine as a file. The record store holds an index entry of each, written
after the record is durable, with its SHA-256 and the entry before's, so that a record that was
changed, exchanged or taken out is found.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from controller.records import TickRecord
from controller.storage.ports import ConflictError, Kind, Record, RecordStore, StorageError
from facility.wire import WireError, dumps, from_wire

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Bodies(Protocol):
    """Where whole records lie, by name."""

    def keep(self, name: str, body: bytes) -> None:
        """Keep a body durably; one of the same name is replaced."""
        ...

    def read(self, name: str) -> bytes | None:
        """The body, or None where there is none."""
        ...


class FolderBodies:
    """Bodies as files below a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, name: str, body: bytes) -> None:
        """Write under another name, flush, then rename, and flush the directory."""
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def read(self, name: str) -> bytes | None:
        """The file's bytes."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self._directory / name}: {error.strerror}") from error


class DatabaseBodies:
    """Bodies in a fleet's database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, name: str, body: bytes) -> None:
        """One row a body."""
        from sqlalchemy import text

        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO tick_bodies VALUES (:name, :body) "
                    "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
                ),
                {"name": name, "body": body},
            )

    def read(self, name: str) -> bytes | None:
        """The row's bytes."""
        from sqlalchemy import text

        with self._engine.connect() as connection:
            found = connection.execute(
                text("SELECT body FROM tick_bodies WHERE id = :name"), {"name": name}
            ).scalar()
        return None if found is None else bytes(found)


class TickArchive:
    """Tick records, indexed in a record store."""

    def __init__(self, bodies: Bodies, records: RecordStore) -> None:
        self._bodies, self._records = bodies, records

    def keep(self, tick: TickRecord) -> dict[str, Any]:
        """Keep a tick durably; answer its index entry."""
        moment = datetime.fromtimestamp(tick.time_s, UTC)
        tick_id = f"{tick.number:06d}.{moment:%Y%m%dT%H%M%SZ}"
        name = f"{moment:%Y-%m-%d}/{tick_id}.json.gz"
        # The same tick gives the same bytes: no time stamp in the header.
        body = gzip.compress(dumps(tick).encode(), compresslevel=5, mtime=0)
        self._bodies.keep(name, body)
        last = self._records.find(Kind.TICK, limit=1)
        entry = {
            "id": tick_id,
            "file": name,
            "sha256": hashlib.sha256(body).hexdigest(),
            "before": fingerprint(last[0].body) if last else "",
            **summary_of(tick),
        }
        state = "fallback" if tick.fallback else "planned"
        try:
            self._records.write(add=[Record(Kind.TICK, tick_id, tick.time_s, entry, state=state)])
        except ConflictError as error:
            raise StorageError(
                f"tick {tick_id} is on record already: two controllers share one state directory, "
                "or a simulated run was started over an old one; give each run its own --state"
            ) from error
        return entry

    def read(self, tick_id: str) -> str | None:
        """The wire form of a tick, or None where there is none of that id.

        Raises
        ------
        StorageError
            It is on record, but its body is gone or not what was kept.
        """
        record = self._records.get(Kind.TICK, tick_id)
        if record is None:
            return None
        body = self._bodies.read(str(record.body["file"]))
        if body is None:
            raise StorageError(f"tick {tick_id} is on record but {record.body['file']} is missing")
        expected = record.body.get("sha256")
        if expected is not None and hashlib.sha256(body).hexdigest() != expected:
            raise StorageError(
                f"tick {tick_id} is on record but {record.body['file']} was changed since it was "
                "kept: its SHA-256 is another one; take it from a backup"
            )
        try:
            return gzip.decompress(body).decode()
        except (OSError, EOFError, ValueError) as error:
            raise StorageError(
                f"tick {tick_id} is on record but cannot be read: {error}"
            ) from error

    def tick(self, tick_id: str) -> TickRecord | None:
        """A tick as it was recorded, checked against its index entry.

        Raises
        ------
        StorageError
            It was changed, or is of another version.
        """
        text = self.read(tick_id)
        if text is None:
            return None
        try:
            tick = from_wire(TickRecord, json.loads(text))
        except (WireError, ValueError) as error:
            raise StorageError(f"tick {tick_id} does not fit this version: {error}") from error
        record = self._records.get(Kind.TICK, tick_id)
        entry = record.body if record else {}
        for name, value in summary_of(tick).items():
            if entry.get(name) != value:
                raise StorageError(
                    f"the index entry of tick {tick_id} was changed: {name} is "
                    f"{entry.get(name)!r}, its record says {value!r}"
                )
        return tick

    def breaks(self) -> tuple[str, ...]:
        """What is wrong with the chain of index entries, in words; empty where it is whole."""
        found: list[str] = []
        after: Record | None = None
        before: int | None = None
        while page := self._records.find(Kind.TICK, before=before, limit=500):
            for record in page:
                if after is not None and "before" in after.body:
                    expected = after.body["before"]
                    if expected != fingerprint(record.body):
                        found.append(
                            f"the index entry of tick {record.id} was changed, or one between it "
                            f"and tick {after.id} is missing"
                        )
                after = record
            before = page[-1].sequence
        if after is not None and after.body.get("before"):
            found.append(f"entries before tick {after.id} are missing")
        return tuple(found)


def fingerprint(entry: Mapping[str, Any]) -> str:
    """SHA-256 of an index entry, for the next one."""
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def summary_of(tick: TickRecord) -> dict[str, Any]:
    """What a list of ticks shows."""
    plan = tick.outcome.plan if tick.outcome else None
    results: dict[str, int] = {}
    for receipt in tick.receipts:
        results[receipt.result.value] = results.get(receipt.result.value, 0) + 1
    return {
        "number": tick.number,
        "time_s": tick.time_s,
        "solver": plan.link if plan else None,
        "verified": plan.verified if plan else False,
        "fallback": tick.fallback,
        "saving_kw": plan.saving_kw if plan else None,
        "peak_kw": tick.request.peak_kw if tick.request else None,
        "proposal": tick.proposal.id if tick.proposal else None,
        "is_new": tick.is_new,
        "decision": tick.decision.id if tick.decision else None,
        "receipts": results,
        "held": len(tick.held),
        "note": tick.note,
        "seconds": dict(tick.seconds),
    }
