"""The full records of ticks as files: everything that a decision depended on, for replay.

``ticks/2024-04-07/000012.20240407T010000Z.json.gz``: the canonical wire form of one
`TickRecord`. The record store holds an index entry of each, written after the file is durable.
"""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.records import TickRecord
from controller.storage.ports import ConflictError, Kind, Record, RecordStore, StorageError
from facility.wire import dumps


class TickArchive:
    """Tick records below a directory, indexed in a record store."""

    def __init__(self, directory: Path, records: RecordStore) -> None:
        self._directory, self._records = directory, records

    def keep(self, tick: TickRecord) -> dict[str, Any]:
        """Keep a tick durably; answer its index entry."""
        moment = datetime.fromtimestamp(tick.time_s, UTC)
        tick_id = f"{tick.number:06d}.{moment:%Y%m%dT%H%M%SZ}"
        name = f"{moment:%Y-%m-%d}/{tick_id}.json.gz"
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The same tick gives the same bytes: no time stamp in the header.
        data = gzip.compress(dumps(tick).encode(), compresslevel=5, mtime=0)
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        entry = {"id": tick_id, "file": name, **summary_of(tick)}
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
        """The wire form of a tick, or None where there is none of that id."""
        record = self._records.get(Kind.TICK, tick_id)
        if record is None:
            return None
        try:
            return gzip.decompress((self._directory / record.body["file"]).read_bytes()).decode()
        except (OSError, EOFError) as error:
            raise StorageError(
                f"tick {tick_id} is on record but cannot be read: {error}"
            ) from error


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
        "proposal": tick.proposal.id if tick.proposal else None,
        "is_new": tick.is_new,
        "decision": tick.decision.id if tick.decision else None,
        "receipts": results,
        "held": len(tick.held),
        "note": tick.note,
        "seconds": dict(tick.seconds),
    }
