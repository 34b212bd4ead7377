"""Exchanges with the field, with all devices at once: visits, reads, writes with read-back."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from adapters import codec
from adapters.driver import Driver, Now, Unreachable
from adapters.gateway.core import Core
from adapters.gateway.write_gate import Sent, Write, WriteGate
from facility.commands import Origin, WriteKind
from facility.points import Access
from facility.telemetry import Reading

log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of connecting to a device, if that was needed, and scanning it."""

    connected: bool
    readings: Mapping[str, Reading]
    error: str = ""


class Rim(Protocol):
    """How a shell runs several exchanges."""

    async def together(self, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Wait for all of ``jobs``, none of which raises."""
        ...

    async def visits(self, jobs: Mapping[str, Coroutine[Any, Any, Visit]]) -> Mapping[str, Visit]:
        """Start ``jobs``; answer those that are done, these or earlier ones."""
        ...

    def is_busy(self, device: str) -> bool:
        """Whether an earlier visit to ``device`` still goes on."""
        ...


class Field:
    """The drivers of a site, spoken to in rounds.

    Parameters
    ----------
    drivers
        By device id.
    """

    def __init__(
        self, core: Core, drivers: Mapping[str, Driver], gate: WriteGate, rim: Rim, now: Now
    ) -> None:
        self._core, self._drivers, self._gate, self._rim = core, drivers, gate, rim
        self.now = now

    async def visit_all(self) -> bool:
        """Connect to and scan what is due; answer whether anything came of it."""
        core, now_s = self._core, self.now()
        for device, hold in core.holds.items():
            # A link that was lost since the last second is looked after now, not in a second.
            if hold.connected and not self._drivers[device].status.connected:
                hold.connected, hold.next_connect_s = False, now_s
        due = dict.fromkeys((*core.connects_due(now_s), *core.scans_due(now_s)))
        jobs = {d: self._visit(d) for d in core.holds if d in due and not self._rim.is_busy(d)}
        visits = await self._rim.visits(jobs)
        now_s = self.now()
        for device, hold in core.holds.items():
            visit = visits.get(device)
            if visit is not None:
                hold.scanned(now_s)
                core.counts["scans"] += 1
                if visit.connected:
                    hold.attempts = 0
                    core.readings.took(device, visit.readings, now_s)
                else:
                    hold.failed_to_connect(now_s)
                if visit.error != hold.said:
                    hold.said = visit.error
                    log.info("%s: %s", device, visit.error or "connected")
            link = core.links[device] = self._drivers[device].status
            if hold.connected and not link.connected:
                hold.next_connect_s = now_s
            # After a loss a device counts as connected only when a whole scan of it is in, so
            # that the first write to it follows a look at every state.
            seen = hold.connected or (visit is not None and visit.connected)
            hold.connected = link.connected and seen
        return bool(visits)

    async def _visit(self, device: str) -> Visit:
        driver = self._drivers[device]
        if not driver.status.connected:
            try:
                await driver.connect()
            except Unreachable as error:
                return Visit(False, {}, str(error))
        readings = await driver.read(self._core.holds[device].readable)
        status = driver.status
        return Visit(status.connected, readings, "" if status.connected else status.note)

    async def write(self, writes: Sequence[Write]) -> list[tuple[Sent, float | None]]:
        """Write setpoints and read their registers back; an error says what is not as written."""
        if not writes:
            return []
        sent = await self._gate.send(writes)
        tags: dict[str, list[str]] = {}
        for item in sent:
            point = self._core.site.points[item.write.tag]
            if item.ok and point.access is Access.READ_WRITE:
                tags.setdefault(item.write.device, []).append(item.write.tag)
        answers = await self.read(tags)
        results: list[tuple[Sent, float | None]] = []
        for item in sent:
            tag = item.write.tag
            if not item.ok or tag not in tags.get(item.write.device, ()):
                results.append((item, None))
                continue
            expected = codec.decode(self._core.site.points[tag], item.encoded)
            found = answers[tag].good if tag in answers else None
            if found is None or abs(found - expected) > 1e-6 * max(1.0, abs(expected)):
                error = f"wrote {expected:g}, read back {'nothing' if found is None else found}"
                results.append((Sent(item.write, False, item.encoded, True, error), found))
            else:
                results.append((item, found))
        return results

    async def look(self, devices: Iterable[str]) -> Mapping[str, Reading]:
        """Read who holds these devices, and the setpoints in force; answer what answered."""
        return await self.read({d: list(self._core.holds[d].control_tags) for d in devices})

    async def read(self, tags: Mapping[str, Sequence[str]]) -> Mapping[str, Reading]:
        """Read some points of some devices now; answer what answered."""
        found: dict[str, Reading] = {}

        async def read_one(device: str) -> None:
            found.update(await self._drivers[device].read(tuple(tags[device])))

        await self._rim.together([read_one(device) for device in tags])
        self._core.readings.renew(found)
        return found

    async def beat(self, devices: Iterable[str], why: str) -> tuple[Sent, ...]:
        """Beat the hearts of ``devices`` once."""
        return await self._gate.send([self.heartbeat(device, why) for device in devices])

    async def send(self, writes: Sequence[Write]) -> tuple[Sent, ...]:
        """Send writes without reading back."""
        return await self._gate.send(writes)

    def heartbeat(self, device: str, why: str) -> Write:
        """The next heartbeat of a device."""
        hold = self._core.holds[device]
        beat, mode = float(hold.next_beat()), self._core.mode_of(device)
        return Write(WriteKind.HEARTBEAT, device, hold.heartbeat, beat, mode, Origin.SAFETY, why)

    def setpoint(self, actuator: str, value: float, origin: Origin, why: str) -> Write:
        """The write of a setpoint."""
        device = self._core.site.actuators[actuator].device
        mode = self._core.modes[actuator]
        return Write(WriteKind.SETPOINT, device, actuator, value, mode, origin, why)

    def enable(self, device: str, value: float, why: str) -> Write:
        """The write that enables (1) or releases (0) a device."""
        hold = self._core.holds[device]
        kind = WriteKind.ENABLE if value else WriteKind.RELEASE
        mode = self._core.mode_of(device)
        return Write(kind, device, hold.enable, value, mode, Origin.SAFETY, why)
