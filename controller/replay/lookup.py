"""Which recorded steps a person means: by tick, proposal, decision, or drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from controller.records import TickRecord
from controller.replay.recompute import ReplayError, Step
from controller.storage.ports import Kind, Record, RecordStore, StorageError
from controller.storage.ticks import TickArchive

PAGE = 1000


class Ticks:
    """The index of a site's recorded steps, read once."""

    def __init__(self, records: RecordStore, archive: TickArchive) -> None:
        self._archive = archive
        self._entries: dict[str, Mapping[str, Any]] = {}
        before: int | None = None
        while page := records.find(Kind.TICK, before=before, limit=PAGE):
            self._entries |= {record.id: record.body for record in page}
            before = page[-1].sequence
        self._records = records
        self._by_number = {int(entry["number"]): name for name, entry in self._entries.items()}

    def __len__(self) -> int:
        return len(self._entries)

    def named(self, name: str) -> Step:
        """The step of a tick's id or number, or that made a proposal or carried out a decision.

        Raises
        ------
        ReplayError
            There is none.
        """
        if name in self._entries:
            return self._step(name)
        if name.isdigit() and int(name) in self._by_number:
            return self._step(self._by_number[int(name)])
        made = [i for i, e in self._entries.items() if e["proposal"] == name and e["is_new"]]
        decided = [i for i, e in self._entries.items() if e["decision"] == name]
        decision = self._records.get(Kind.DECISION, name)
        if not made and decision is not None:
            return self.named(_proposal_of(decision))
        if not made and not decided:
            raise ReplayError(
                f"there is no tick, proposal or decision {name!r} on record; "
                "`isotherm replay --list` shows the last ones"
            )
        return self._step(min(made or decided))

    def drawn(self, count: int, seed: int) -> tuple[list[Step], list[str]]:
        """So many steps at random, or all where there are fewer; and what is damaged of them."""
        names = sorted(self._entries)
        steps, damage = [], []
        for name in sorted(random.Random(seed).sample(names, min(count, len(names)))):
            try:
                steps.append(self._step(name))
            except StorageError as error:
                damage.append(str(error))
        return steps, damage

    def last(self, count: int) -> list[Mapping[str, Any]]:
        """Index entries of the newest steps, newest first."""
        names = sorted(self._entries, reverse=True)[:count]
        return [self._entries[name] for name in names]

    def of_number(self, number: int) -> TickRecord | None:
        """The record of a tick's number."""
        name = self._by_number.get(number)
        return None if name is None else self._archive.tick(name)

    def _step(self, name: str) -> Step:
        tick = self._archive.tick(name)
        if tick is None:
            raise ReplayError(f"there is no tick {name} on record")
        return Step(name, tick)


def _proposal_of(decision: Record) -> str:
    return str(decision.body["decision"]["proposal"])
