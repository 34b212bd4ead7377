"""Walks what a device holds, through the gateway, in small steps; only ever reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from adapters.commissioning.guess import guesses, row_of, row_of_place
from adapters.commissioning.live import Gateway
from adapters.driver import Place
from adapters.gateway.client import GatewayRefusal
from facility.devices import Device
from facility.points import Table
from facility.wire import from_wire

CHUNK = 100
"""Registers of one request, at most."""
MOST_PLACES = 20_000


@dataclass
class Scan:
    """A scan of one device; ``rows`` holds what was found so far, whenever it ends.

    Parameters
    ----------
    known
        (table, address) of points that the site has already: passed over.
    wait
        Waits so many seconds between two samples.
    tell
        Called with what is being done, and the share done.
    """

    gateway: Gateway
    device: Device
    known: frozenset[tuple[Table, str]]
    wait: Callable[[float], None]
    tell: Callable[[str, float], None]
    rows: list[Mapping[str, str]] = field(default_factory=list)
    read: int = 0
    """Registers or nodes that were read."""
    refused: list[str] = field(default_factory=list)
    """What the device would not show, and why."""
    _tags: set[str] = field(default_factory=set)

    def registers(
        self, tables: Iterable[Table], first: int, count: int, samples: int, every_s: float
    ) -> None:
        """Read ``count`` registers from ``first`` on, of each table, ``samples`` times."""
        chosen = list(tables)
        step = min(CHUNK, self.device.max_block)
        for place, table in enumerate(chosen):
            # The last register of a chunk may be half of a value: chunks overlap by one.
            for at in range(first, first + count, step - 1 if step > 1 else 1):
                length = min(step, first + count - at)
                share = (place + (at - first) / count) / len(chosen)
                self.tell(f"{self.device.id}: {table.value} {at} to {at + length - 1}", share)
                self._chunk(table, at, length, samples, every_s)

    def _chunk(self, table: Table, at: int, length: int, samples: int, every_s: float) -> None:
        seen: list[list[int | None]] = []
        for number in range(samples):
            if number and any(seen[-1]):
                self.wait(every_s)
            elif number:
                break  # nothing there: not worth the time
            words = self.gateway.call(
                "probe_registers", device=self.device.id, table=table.value, first=at, count=length
            )["words"]
            seen.append(list(words))
        self.read += sum(word is not None for word in seen[-1])
        taken = {row["table"] + row["address"] for row in self.rows}
        for guess in guesses(table, at, seen):
            row = row_of(guess, self.device.id)
            known = (table, row["address"]) in self.known
            if not known and row["table"] + row["address"] not in taken:
                self.rows.append(row)

    def places(self, table: Table) -> None:
        """Walk what a device tells of itself, level by level."""
        waiting: list[tuple[str, str]] = [("", "")]
        walked: set[str] = set()
        while waiting and self.read < MOST_PLACES:
            below, path = waiting.pop(0)
            if below in walked:
                continue
            walked.add(below)
            done = len(walked) / (len(walked) + len(waiting))
            self.tell(f"{self.device.id}: {path or 'the root'}, {self.read} found", done)
            for place in self._below(below, path):
                if place.opens:
                    waiting.append((place.address, place.path))
                elif place.data_type:
                    self.read += 1
                    if (table, place.address) not in self.known:
                        self._take(row_of_place(place, self.device.id, table))

    def _take(self, row: Mapping[str, str]) -> None:
        """Keep a row; of those that bear one name, the later ones say where they lie."""
        if row["tag"] in self._tags:
            row = {**row, "tag": f"{row['tag']} {row['address']}"}
        self._tags.add(row["tag"])
        self.rows.append(row)

    def _below(self, below: str, path: str) -> Iterator[Place]:
        try:
            told = self.gateway.call("probe_places", device=self.device.id, below=below)
        except GatewayRefusal as error:
            if not below:
                raise
            self.refused.append(str(error))
            return
        for item in told["places"]:
            place = from_wire(Place, item)
            full = "/".join(part for part in (path, place.name) if part)
            yield replace(place, path=full)
