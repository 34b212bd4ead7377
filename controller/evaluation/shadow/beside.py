"""The envelope beside a record: what it would have said to what we would have written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from facility.commands import (
    Command,
    Decision,
    Mode,
    Outcome,
    Receipt,
    Verdict,
    WriteResult,
)
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Reading, Snapshot
from safety.envelope import Action, Envelope, needs_write
from safety.hand_back import own_readings
from safety.limits import limits_of
from safety.state import EnvelopeState


class Hall(Protocol):
    """A hall whose setpoints are ours, without a plant to write to."""

    site: Site
    armed: set[str]
    """Devices that we hold."""

    @property
    def now_s(self) -> float:
        """Plant time."""
        ...

    def snapshot(self) -> Snapshot:
        """The hall as the gateway would show it."""
        ...

    def hold(self, actuator: str, value: float) -> None:
        """Set an actuator from now on."""
        ...

    def give_back(self, device: str) -> None:
        """The device is its own again."""
        ...


def shown(
    site: Site,
    now_s: float,
    readings: Mapping[str, Reading],
    armed: Collection[str],
    own: Mapping[str, dict[str, Reading]],
) -> Snapshot:
    """A hall without a gateway, as the gateway would show it.

    ``own`` is what each device had set itself when it was last in local control; of those that are
    in it now it is brought up to date.
    """
    for name, values in own.items():
        if name not in armed:
            values.update(own_readings(site, name, readings))
    devices = {
        name: DeviceStatus(
            name,
            connected=True,
            authority=Authority.REMOTE if name in armed else Authority.LOCAL,
            armed=name in armed,
            last_reply_s=now_s,
            round_trip_ms=None,
            own=dict(own[name]),
        )
        for name in site.devices
    }
    return Snapshot(now_s, readings, devices, dict.fromkeys(site.actuators, Mode.AUTOMATIC))


@dataclass
class WouldBe:
    """What the envelope would have said to what we would have written."""

    allowed: int = 0
    limited: int = 0
    refused: int = 0
    unchanged: int = 0
    corrections: int = 0
    """Values in force that the envelope would have moved by itself."""
    releases: int = 0
    """Times that it would have given a device back."""
    by_check: Counter[str] = field(default_factory=Counter)
    """Of limited and refused ones."""
    moments: int = 0
    """At which it was asked what would follow if everything were let go."""
    unsafe_moments: int = 0
    """Of these: a device's own value would not have been within the limits at the worst case."""
    unsafe: Counter[str] = field(default_factory=Counter)
    """Of these, by actuator."""
    unsafe_words: dict[str, str] = field(default_factory=dict)
    """By actuator: what the envelope said of it last."""

    @property
    def judged(self) -> int:
        """Commands."""
        return self.allowed + self.limited + self.refused + self.unchanged


class EnvelopeBeside:
    """Where commands end that nobody sends: judged as live, then set in the hall beside."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._envelope = Envelope(limits_of(hall.site))
        self._state = EnvelopeState()
        self.would_be = WouldBe()

    def scan(self, snapshot: Snapshot) -> None:
        """Judge the values that we hold, as for every scan live: once a minute of the record."""
        hall = self._hall
        self._state, found = self._envelope.judge_in_force(self._state, snapshot, hall.now_s)
        for one in found:
            if one.action is Action.RELEASE:
                if one.device in hall.armed:
                    self.would_be.releases += 1
                    self._give_back(one.device)
            elif one.value is not None and one.device in hall.armed:
                self.would_be.corrections += 1
                hall.hold(one.actuator, one.value)

    def look_back(self, snapshot: Snapshot) -> None:
        """Judge the values that the plant would go back to, were everything let go now."""
        unsafe = self._envelope.judge_fallbacks(snapshot, self._hall.now_s)
        self.would_be.moments += 1
        self.would_be.unsafe_moments += bool(unsafe)
        self.would_be.unsafe.update(unsafe.keys())
        self.would_be.unsafe_words |= {name: each.detail for name, each in unsafe.items()}

    async def send(self, decision: Decision, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Register, take over what is not held yet, judge; answers receipts as live."""
        self._state = self._envelope.register(self._state, decision, self._hall.now_s)
        for device in dict.fromkeys(self._device(command) for command in commands):
            if device not in self._hall.armed:
                self._take_over(device)
        self._state, verdicts = self._envelope.judge_all(
            self._state, commands, self._hall.snapshot(), self._hall.now_s
        )
        return tuple(map(self._receipt, commands, verdicts))

    def _take_over(self, device: str) -> None:
        hall = self._hall
        for actuator in hall.site.device_actuators(device):
            self._state, verdict = self._envelope.judge_preload(
                self._state, actuator.id, hall.snapshot(), hall.now_s
            )
            if verdict.value is None:
                self._give_back(device)
                return
            hall.hold(actuator.id, verdict.value)
        hall.armed.add(device)

    def _give_back(self, device: str) -> None:
        names = [actuator.id for actuator in self._hall.site.device_actuators(device)]
        self._state = self._envelope.released(self._state, names)
        self._hall.give_back(device)

    def _receipt(self, command: Command, verdict: Verdict) -> Receipt:
        hall, count = self._hall, self.would_be
        written = None
        if verdict.value is None or self._device(command) not in hall.armed:
            count.refused += 1
            count.by_check[verdict.check or "not taken over"] += 1
            result = WriteResult.REFUSED
        elif not needs_write(verdict):
            count.unchanged += 1
            result = WriteResult.UNCHANGED
        else:
            limited = verdict.outcome is Outcome.LIMIT
            count.limited += limited
            count.allowed += not limited
            if limited:
                count.by_check[verdict.check] += 1
            written, result = verdict.value, WriteResult.WRITTEN
            hall.hold(command.actuator, verdict.value)
        return Receipt(command.id, command.actuator, verdict, result, written, written, hall.now_s)

    def _device(self, command: Command) -> str:
        return self._hall.site.actuators[command.actuator].device
