"""The driver port: one device, its points, and the fake that ships beside it.

A driver is passive. It starts no background task, keeps no queue and retries
nothing: whoever owns it says when to connect, what to read and what to send, and
learns what became of it. So a write can never leave later than it was asked for.

What every driver promises (the contract tests hold each to it):

* `Driver.read` raises nothing for the field's faults. It answers a reading for each
  point that the device answered for, good or not; what is missing in the answer was
  not renewed and ages with its owner.
* A sentinel, NaN, an infinity or a value outside the point's range becomes a reading
  without a value and with the reason, never 0.
* `Driver.write` sends the bytes once, before its deadline, ahead of any read that
  still waits, or raises. It never connects.
* After a fault that leaves the link in doubt the link is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from adapters import codec
from facility.devices import Device
from facility.points import Access, Point, Role, Table
from facility.telemetry import Quality, Reading

Now = Callable[[], float]
"""Plant time now, POSIX seconds UTC."""


class DriverError(Exception):
    """Something about a device went wrong; the message names the device and the mend."""


class Unreachable(DriverError):
    """There is no connection, or it was lost in the act."""


class ReadRefused(DriverError):
    """The device answered that there is nothing to read there."""


class WriteFailed(DriverError):
    """The device refused a write, or did not confirm it before the deadline.

    ``sent`` tells whether bytes may have left: False means that certainly none did.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How a driver's connection is doing."""

    connected: bool
    last_reply_s: float | None = None
    """Plant time of the last reply."""
    round_trip_ms: float | None = None
    """Wall time of the last exchange; never written to a journal."""
    note: str = ""


class Driver(Protocol):
    """A device of the field."""

    @property
    def device(self) -> Device:
        """The device that this driver speaks to."""
        ...

    @property
    def status(self) -> LinkStatus:
        """How the connection is doing."""
        ...

    async def connect(self) -> None:
        """Connect within the device's time-out.

        Raises
        ------
        Unreachable
            The device does not answer or refuses us; the message says which.
        """
        ...

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        """Read these points of the device, as few requests as its limits allow."""
        ...

    def encode(self, tag: str, value: float) -> bytes:
        """The exact bytes that `write` would send for a canonical value.

        Raises
        ------
        codec.EncodingError
            The value is not finite, out of the point's range, or beyond its type.
        """
        ...

    def address(self, tag: str) -> str:
        """Where those bytes go, in words that name table and address: ``holding:120``."""
        ...

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        """Send ``data`` to a point once; return when the device has confirmed it.

        Only the write gate calls this.

        Parameters
        ----------
        within_s
            Wall time from now after which nothing is sent any more, and after which a
            missing confirmation is a failure.

        Raises
        ------
        WriteFailed
            Refused, unconfirmed, or not connected.
        """
        ...

    async def close(self) -> None:
        """Close the connection; never raises."""
        ...


@runtime_checkable
class HasRegisters(Protocol):
    """A device whose registers can be read as they lie, with or without points on them."""

    async def registers(self, table: Table, first: int, count: int) -> bytes:
        """Registers (two bytes each) or bits (packed, the first lowest) as they travel.

        Raises
        ------
        ReadRefused
            The device has not got them all, or answers in another length.
        Unreachable
            There is no connection, or no answer in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Something that a device says it holds, with or without a point on it."""

    address: str
    name: str
    path: str
    """From the root, with slashes."""
    data_type: str = ""
    """As a points list names it; empty for what holds no number."""
    value: float | None = None
    writable: bool = False
    opens: bool = False
    """Whether there is more below it."""
    unit: str = ""
    """In the device's own words."""


@runtime_checkable
class HasPlaces(Protocol):
    """A device that tells what it holds."""

    async def places(self, below: str) -> tuple[Place, ...]:
        """What lies directly below an address; below the root where it is empty.

        Raises
        ------
        ReadRefused, Unreachable
        """
        ...


def point_address(point: Point) -> str:
    """Table and address of a point, the words that permits and journals use."""
    return f"{point.table.value}:{point.address}"


class FakeDriver:
    """A device in memory that keeps the devices' contract: enable, heartbeat, watchdog.

    Values lie in ``values`` (canonical; None is a sentinel). Every byte that the device
    accepted is in ``received`` as (time, tag, bytes). Faults are switched on by the
    attributes ``down``, ``mute`` (accepts, confirms nothing), ``refuse`` (tags whose
    writes are refused) and ``deaf`` (tags that do not answer).
    """

    def __init__(
        self,
        device: Device,
        points: Collection[Point],
        now: Now,
        *,
        values: Mapping[str, float | None] | None = None,
        local: Mapping[str, float] | None = None,
    ) -> None:
        self._device, self._now = device, now
        self.points = {p.tag: p for p in points}
        self.values: dict[str, float | None] = dict(values or {})
        self.local: dict[str, float] = dict(local or {})
        """What the device's own control asks for, by setpoint tag."""
        self.received: list[tuple[float, str, bytes]] = []
        self.requests = 0
        self.down = self.mute = False
        self.refuse: set[str] = set()
        self.deaf: set[str] = set()
        self._connected = False
        self._enabled_at_s = self._beat_at_s = float("-inf")
        self._last_reply_s: float | None = None
        self._by_role = {p.role: p.tag for p in self.points.values()}
        for tag in (self._by_role.get(Role.ENABLE), self._by_role.get(Role.HEARTBEAT)):
            if tag is not None:
                self.values.setdefault(tag, 0.0)

    @property
    def device(self) -> Device:
        return self._device

    @property
    def status(self) -> LinkStatus:
        return LinkStatus(self._connected and not self.down, self._last_reply_s, 0.0)

    @property
    def remote(self) -> bool:
        """Whether the device is in remote control now; lapses as the watchdog says."""
        now_s, limit_s = self._now(), self._device.watchdog_s
        enable = self._by_role[Role.ENABLE]
        if self.values[enable] and now_s - max(self._beat_at_s, self._enabled_at_s) >= limit_s:
            self.values[enable] = 0.0
        return bool(self.values[enable]) and now_s - self._beat_at_s < limit_s

    def in_force(self, setpoint: str) -> float | None:
        """The setpoint that the device's own loops follow."""
        return self.values.get(setpoint) if self.remote else self.local.get(setpoint)

    async def connect(self) -> None:
        if self.down:
            raise Unreachable(f"{self._device.id}: no answer")
        self._connected = True

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        self.requests += 1
        if not self.status.connected:
            self._connected = False
            return {}
        self._last_reply_s = self._now()
        return {tag: self._reading(tag) for tag in tags if tag not in self.deaf}

    def _reading(self, tag: str) -> Reading:
        point, now_s = self.points[tag], self._now()
        if point.role is Role.AUTHORITY:
            return Reading(float(self.remote), Quality.GOOD, now_s)
        shows = next(
            (p.tag for p in self.points.values() if p.role is Role.SETPOINT and p.read_back == tag),
            None,
        )
        value = self.values.get(tag) if shows is None else self.in_force(shows)
        if value is None:
            return Reading(None, Quality.ABSENT, now_s, "the device says that there is no value")
        return Reading(value, Quality.GOOD, now_s)

    def encode(self, tag: str, value: float) -> bytes:
        return codec.encode(self.points[tag], value)

    def address(self, tag: str) -> str:
        return point_address(self.points[tag])

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        self.requests += 1
        if not self.status.connected or within_s <= 0.0:
            raise WriteFailed(f"{self._device.id}: not connected", sent=False)
        if tag in self.refuse or self.points[tag].access is Access.READ:
            raise WriteFailed(f"{self._device.id}: refuses {tag}", sent=True)
        self.received.append((self._now(), tag, data))
        self._take(self.points[tag], codec.decode(self.points[tag], data))
        if self.mute:
            raise WriteFailed(f"{self._device.id}: no confirmation of {tag}", sent=True)

    def _take(self, point: Point, value: float) -> None:
        if point.role is Role.HEARTBEAT and value != self.values[point.tag]:
            self._beat_at_s = self._now()
        if point.role is Role.ENABLE and value == 1.0 and not self.values[point.tag]:
            self._enabled_at_s = self._now()
        self.values[point.tag] = value

    async def close(self) -> None:
        self._connected = False
