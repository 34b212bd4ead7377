"""A gateway put together: core, field, gate, office, and what is kept in the state folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.driver import Driver, Now
from adapters.gateway.core import Core
from adapters.gateway.field import Field, Rim
from adapters.gateway.holds import Latches, holds_of
from adapters.gateway.limit_book import LimitBook
from adapters.gateway.modes import Modes, write_atomically
from adapters.gateway.office import Office
from adapters.gateway.probe import Probe
from adapters.gateway.rounds import Rounds
from adapters.gateway.write_gate import JournalPort, WriteGate
from facility.site import Site
from safety.envelope import Envelope
from safety.journal import Journal, JournalError
from safety.limits import limits_of
from safety.permit import Mint
from safety.state import EnvelopeState, StateError

log = logging.getLogger("gateway")


class StateFolderError(Exception):
    """The state folder holds something that cannot be used; the message names the mend."""


class ListJournal:
    """A journal in memory, for benchmarks and tests that read it right away."""

    def __init__(self) -> None:
        self.records: list[tuple[float, str, Mapping[str, Any]]] = []

    @property
    def head(self) -> tuple[int, str]:
        """Number of records; no hash."""
        return len(self.records), ""

    def extend(
        self,
        entries: Iterable[tuple[str, Mapping[str, Any]]],
        time_s: float,
        *,
        durable: bool = True,  # noqa: ARG002 - memory is as durable as this process
    ) -> None:
        """Keep some records."""
        self.records += [(time_s, kind, data) for kind, data in entries]


@dataclass
class House:
    """The parts of a gateway that a shell runs."""

    core: Core
    rounds: Rounds
    office: Office
    gate: WriteGate
    journal: JournalPort
    drivers: Mapping[str, Driver]
    probe: Probe
    now: Now

    @classmethod
    def build(
        cls, site: Site, drivers: Mapping[str, Driver], rim: Rim, now: Now, state: Path | None
    ) -> House:
        """Put a gateway together, with its memory in ``state`` or (None) in nothing.

        Raises
        ------
        safety.limits.LimitsError
            The site leaves a limit open.
        adapters.gateway.modes.ModesError, adapters.gateway.limit_book.LimitBookError,
        StateFolderError, safety.journal.JournalError
            What was kept cannot be used.
        """
        wanted = limits_of(site)
        book = LimitBook(wanted, None if state is None else state / "limits.json")
        envelope = Envelope(replace(wanted, version=book.version))
        holds = holds_of(site)
        memory = EnvelopeState()
        journal: JournalPort = ListJournal()
        if state is not None:
            memory = _load_state(state / "envelope.json")
            journal = Journal.open(state / "journal.jsonl", now())
        modes = Modes(site.actuators, None if state is None else state / "modes.json")
        latches = Latches(holds, site.gateway, None if state is None else state / "latches.json")
        # A restart forgets every hold: what is in force there now is the device's own.
        memory = envelope.released(memory, site.actuators)
        core = Core(site, envelope, memory, modes, latches, holds, limit_book=book)
        gate = WriteGate(drivers, journal, Mint(), now, rim.together)
        field = Field(core, drivers, gate, rim, now)
        rounds = Rounds(core, field, journal, _keeper(state))
        office = Office(core, rounds, gate, journal)
        journal.extend(
            [
                ("started", {"site": site.id, "site_hash": site.content_hash}),
                ("limits", book.told()),
            ],
            now(),
        )
        if book.doubt:
            log.warning("nothing will be written: %s", book.doubt)
        return cls(core, rounds, office, gate, journal, drivers, Probe(core, drivers), now)

    def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """A record of the shell's own; a journal that fails at the end is only logged."""
        try:
            self.journal.extend([(kind, data)], self.now())
        except JournalError as error:
            log.error("%s", error)

    async def give_back(self, why: str) -> None:
        """Release everything that is armed, at the end; never raises."""
        armed = self.core.armed()
        try:
            if armed:
                await self.rounds.release(armed, why, latch=False)
        except (JournalError, OSError) as error:
            log.error("given back without a record: %s", error)
        self.note("stopped", {"why": why})

    async def close(self) -> None:
        """Close the connections and the journal."""
        for driver in self.drivers.values():
            await driver.close()
        if isinstance(self.journal, Journal):
            self.journal.close()


class _Keeper:
    """Writes the envelope's memory to disk where it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = ""

    def __call__(self, state: EnvelopeState) -> None:
        text = state.to_json()
        if text != self._kept:
            write_atomically(self._path, text + "\n")
            self._kept = text


def _keeper(state: Path | None) -> Callable[[EnvelopeState], None]:
    return _Keeper(state / "envelope.json") if state is not None else _forget


def _forget(state: EnvelopeState) -> None:
    """Keep nothing: there is no state folder."""


def _load_state(path: Path) -> EnvelopeState:
    if not path.exists():
        return EnvelopeState()
    try:
        return EnvelopeState.from_json(path.read_text("utf-8"))
    except (StateError, OSError) as error:
        raise StateFolderError(
            f"{path}: {error}; its timers and budgets are lost if you delete it to go on"
        ) from None
