"""The write gate: the only code that sends a write to the field.

Order, for every byte that leaves: encode, permit, journal on disk, redeem, send. A write that
fails on the way to its last step sends nothing. Several writes go through together, so that
one flush of the journal and one round trip serve all devices; those of one device go in
order, those of different devices at once.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.codec import EncodingError
from adapters.driver import Driver, Now, WriteFailed
from facility.commands import Mode, Origin, WriteKind
from safety.journal import JournalError
from safety.permit import Mint, Permit, PermitError

log = logging.getLogger("gateway")

PERMIT_S = 5.0
"""Plant time in which a permit must be redeemed; a batch goes out in less."""


@dataclass(frozen=True, slots=True)
class Write:
    """A value to be written, and why."""

    kind: WriteKind
    device: str
    tag: str
    value: float
    mode: Mode
    """Of the actuator; for heartbeat and enable the furthest among the device's."""
    origin: Origin
    why: str
    """The id of the command, or the reason in words."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a write."""

    write: Write
    ok: bool
    encoded: bytes = b""
    left: bool = False
    """Whether bytes may have left."""
    error: str = ""


class JournalPort(Protocol):
    """Where records go: `safety.journal.Journal`, or a list in memory."""

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record."""
        ...

    def extend(
        self,
        entries: Iterable[tuple[str, Mapping[str, Any]]],
        time_s: float,
        *,
        durable: bool = True,
    ) -> object:
        """Write records of one moment; when this returns they are kept."""
        ...


class Together(Protocol):
    """Runs jobs, at once where the shell can, and answers in their order."""

    async def __call__(self, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Wait for all of ``jobs``, none of which raises."""
        ...


@dataclass(slots=True)
class _Passing:
    """A write on its way through the gate."""

    write: Write
    encoded: bytes = b""
    address: str = ""
    permit: Permit | None = None
    ok: bool = False
    left: bool = False
    error: str = ""

    def result(self) -> Sent:
        return Sent(self.write, self.ok, self.encoded, self.left, self.error)


class WriteGate:
    """Sends writes through the drivers, each with a permit, each in the journal first.

    Parameters
    ----------
    drivers
        By device id.
    journal
        On disk before a byte leaves.
    mint
        Issues and redeems the permits; its key dies with the process.
    now
        Plant time.
    together
        How to speak to several devices at once.
    """

    def __init__(
        self,
        drivers: Mapping[str, Driver],
        journal: JournalPort,
        mint: Mint,
        now: Now,
        together: Together,
    ) -> None:
        self._drivers, self._journal, self._mint = drivers, journal, mint
        self._now, self._together = now, together
        self.counts: Counter[str] = Counter()
        """Writes that devices confirmed, by kind, and ``failed``."""

    async def send(self, writes: Sequence[Write]) -> tuple[Sent, ...]:
        """Send ``writes``; answer what became of each, in order.

        Raises
        ------
        JournalError
            The journal cannot be written: nothing was sent but releases, which go out
            whatever happens. Give everything back.
        """
        passing = [_Passing(write) for write in writes]
        for item in passing:
            self._permit(item)
        ready = [item for item in passing if item.permit is not None]
        broken: JournalError | None = None
        try:
            self._announce(ready)
        except JournalError as error:
            broken = error
            ready = [item for item in ready if item.write.kind is WriteKind.RELEASE]
        lines: dict[str, list[_Passing]] = {}
        for item in ready:
            lines.setdefault(item.write.device, []).append(item)
        await self._together([self._deliver(line) for line in lines.values()])
        if broken is not None:
            raise broken
        self._report(passing)
        return tuple(item.result() for item in passing)

    def _permit(self, item: _Passing) -> None:
        write = item.write
        driver = self._drivers[write.device]
        now_s = self._now()
        try:
            item.encoded = driver.encode(write.tag, write.value)
            item.address = driver.address(write.tag)
            item.permit = self._mint.issue(
                write.kind,
                write.mode,
                write.device,
                item.address,
                item.encoded,
                now_s=now_s,
                expires_at_s=now_s + PERMIT_S,
            )
        except (EncodingError, PermitError) as error:
            item.error = str(error)

    def _announce(self, items: Sequence[_Passing]) -> None:
        """Put what is about to be sent into the journal."""
        if not items:
            return
        beats = {
            item.write.device: item.encoded.hex()
            for item in items
            if item.write.kind is WriteKind.HEARTBEAT
        }
        entries: list[tuple[str, Mapping[str, Any]]] = [
            (
                "write",
                {
                    "kind": item.write.kind,
                    "device": item.write.device,
                    "tag": item.write.tag,
                    "address": item.address,
                    "raw": item.encoded.hex(),
                    "value": item.write.value,
                    "origin": item.write.origin,
                    "why": item.write.why,
                },
            )
            for item in items
            if item.write.kind is not WriteKind.HEARTBEAT
        ]
        # Heartbeats alone need not wait for the disk: they survive this process, and that is all
        # that can be lost of them. A flush each second would be most of the gateway's work.
        durable = bool(entries)
        if beats:
            # First, as they are sent: in a mixture a device is being armed, which needs its beat.
            entries.insert(0, ("heartbeats", beats))
        self._journal.extend(entries, self._now(), durable=durable)

    async def _deliver(self, line: Sequence[_Passing]) -> None:
        """Send the writes of one device, one after the other; after a failure the rest stay."""
        failed = ""
        for item in line:
            write = item.write
            if failed:
                item.error = f"not sent after {failed}"
                continue
            driver = self._drivers[write.device]
            try:
                if item.permit is None:
                    raise PermitError("no permit")
                self._mint.redeem(
                    item.permit, write.kind, write.device, item.address, item.encoded, self._now()
                )
                await driver.write(write.tag, item.encoded, driver.device.timeout_s)
                item.ok = item.left = True
            except PermitError as error:
                item.error = str(error)
            except WriteFailed as error:
                item.error, item.left = str(error), error.sent
            if not item.ok:
                failed = f"{write.tag} failed"

    def _report(self, items: Sequence[_Passing]) -> None:
        """Put what failed into the journal, in the order in which it was asked for."""
        failures: list[tuple[str, Mapping[str, Any]]] = []
        for item in items:
            write = item.write
            self.counts[write.kind.value if item.ok else "failed"] += 1
            if not item.ok:
                log.warning("%s: %s of %s failed: %s", write.device, write.kind.value, write.tag,
                            item.error)  # fmt: skip
                failures.append(
                    (
                        "write_failed" if item.permit is not None else "write_not_permitted",
                        {
                            "kind": write.kind,
                            "device": write.device,
                            "tag": write.tag,
                            "raw": item.encoded.hex(),
                            "left": item.left,
                            "error": item.error,
                        },
                    )
                )
        if failures:
            self._journal.extend(failures, self._now())
