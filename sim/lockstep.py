"""The plant as a driver in the same process: no network, the same devices, the same record.

`LockstepDriver` has the shape of a field driver (connect, read, encode, write, close), so
that a gateway's core can be run against the plant as fast as the machine goes. Nothing is
imported from the adapters: what their port wants to see of its own (how a link is, how a
failed write is raised) is handed in by whoever wires the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Generic, Protocol, TypeVar

from facility.devices import Device
from facility.points import Access, Point
from facility.site import Site
from facility.telemetry import Quality, Reading
from sim.devices.encoding import Codec
from sim.devices.plant import Plant
from sim.recorder import Recorder, Target

StatusT_co = TypeVar("StatusT_co", covariant=True)


class MakeStatus(Protocol[StatusT_co]):
    """Makes the port's own description of a link."""

    def __call__(
        self, connected: bool, last_reply_s: float | None, round_trip_ms: float | None
    ) -> StatusT_co:
        """Connected or not, plant time of the last reply, wall time of the last exchange."""
        ...


class MakeFailure(Protocol):
    """Makes the port's own exception of a failed write."""

    def __call__(self, message: str, /, *, sent: bool) -> Exception:
        """``sent`` tells whether the device saw the write."""
        ...


class LockstepDriver(Generic[StatusT_co]):
    """One device of the plant.

    Parameters
    ----------
    site, device
        Whose points it serves.
    plant
        Read and written by tag, at the instant at which it stands.
    recorder
        Gets every write, as from the devices on the network.
    status, failure
        The port's words; for the adapters' port `LinkStatus` and `WriteFailed`.
    """

    def __init__(
        self,
        site: Site,
        device: str,
        plant: Plant,
        recorder: Recorder,
        *,
        status: MakeStatus[StatusT_co],
        failure: MakeFailure,
    ) -> None:
        self._device = site.devices[device]
        self._points = {p.tag: p for p in site.device_points(device)}
        self._codecs = {tag: Codec.of(p) for tag, p in self._points.items()}
        self._targets = {tag: Target.of(p) for tag, p in self._points.items()}
        self._plant, self._recorder = plant, recorder
        self._status, self._failure = status, failure
        self._connected = False
        self._last_reply_s: float | None = None

    @property
    def device(self) -> Device:
        """The device that this driver speaks to."""
        return self._device

    @property
    def status(self) -> StatusT_co:
        """How the connection is doing."""
        up = self._connected and self._plant.answers(self._device.id)
        return self._status(up, self._last_reply_s, 0.0 if up else None)

    async def connect(self) -> None:
        """Always succeeds: the plant is here."""
        self._connected = True

    async def close(self) -> None:
        """Reads answer nothing and writes fail from now on."""
        self._connected = False

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        """Readings with the resolution of the wire; nothing while closed or without answer."""
        if not self._connected or not self._plant.answers(self._device.id):
            return {}
        self._last_reply_s = self._plant.now_s
        return {tag: self._reading(self._points[tag]) for tag in tags if tag in self._points}

    def _reading(self, point: Point) -> Reading:
        measured = self._plant.read(point.tag)
        now_s = self._plant.now_s
        if point.access is Access.WRITE:
            return Reading(None, Quality.BAD, now_s, "the device does not let it be read")
        if measured.value is None or not measured.ok:
            quality = Quality.ABSENT if point.sentinels else Quality.BAD
            return Reading(None, quality, now_s, "the device says that there is no value")
        codec = self._codecs[point.tag]
        value = codec.decode(codec.encode(measured.value))
        if value is None:
            return Reading(None, Quality.ABSENT, now_s, "the value reads as «no value»")
        low, high = point.minimum, point.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return Reading(None, Quality.BAD, now_s, f"{value:g} is out of the point's range")
        return Reading(value, Quality.GOOD, measured.time_s)

    def encode(self, tag: str, value: float) -> bytes:
        """The bytes that the wire would carry.

        Raises
        ------
        ValueError
            The value is not finite or outside the point's minimum and maximum.
        """
        point = self._points[tag]
        low, high = point.minimum, point.maximum
        if not math.isfinite(value):
            raise ValueError(f"{tag}: {value!r} is not a finite number")
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(f"{tag}: {value:g} is out of the point's range {low} to {high}")
        return self._codecs[tag].encode(value)

    def address(self, tag: str) -> str:
        """Table and address: ``holding:120``."""
        point = self._points[tag]
        return f"{point.table.value}:{point.address}"

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        """Hand ``data`` to the device at once.

        Raises
        ------
        Exception
            Whatever ``failure`` makes: closed, too late, or rejected by the device.
        """
        if not self._connected or within_s <= 0.0:
            why = "not connected" if not self._connected else "too late"
            raise self._failure(f"{self._device.id}: {why}; nothing was sent", sent=False)
        if not self._plant.answers(self._device.id):
            raise self._failure(f"{self._device.id} does not answer", sent=False)
        point, codec = self._points[tag], self._codecs[tag]
        self._recorder.request(self._device.id)
        value = codec.decode(data) if len(data) == codec.layout.size else None
        accepted = (
            value is not None and point.access is not Access.READ and self._plant.write(tag, value)
        )
        self._recorder.write(self._plant.now_s, self._targets[tag], data, value, accepted=accepted)
        if not accepted:
            raise self._failure(f"{self._device.id}: the device rejects {tag}", sent=True)
        self._last_reply_s = self._plant.now_s


class LockstepClock:
    """Plant time of a run in one process: to wait is to advance the plant."""

    stands_still = True

    def __init__(self, plant: Plant, advance: Callable[[float], None] | None = None) -> None:
        self._plant, self._advance = plant, advance or plant.advance

    def now_s(self) -> float:
        """Plant time now."""
        return self._plant.now_s

    async def sleep_until(self, time_s: float) -> float:
        """Bring the plant to ``time_s`` at once."""
        if time_s > self._plant.now_s:
            self._advance(time_s)
        return self._plant.now_s
