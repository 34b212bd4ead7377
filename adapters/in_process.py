"""A plant in the same process as a device behind the driver port."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from adapters import codec
from adapters.driver import LinkStatus, WriteFailed, point_address
from facility.devices import Device
from facility.points import Access, Point
from facility.telemetry import Quality, Reading


class Measured(Protocol):
    """What a plant answers for a tag."""

    @property
    def value(self) -> float | None:
        """Canonical; None where the sensor has failed."""
        ...

    @property
    def ok(self) -> bool:
        """Whether the sensor works."""
        ...

    @property
    def time_s(self) -> float:
        """When it was measured, plant time."""
        ...


class Plant(Protocol):
    """A plant that is read and written by tag, as `docs/interfaces.md` has it."""

    def read(self, tag: str) -> Measured:
        """The measured value of a tag."""
        ...

    def write(self, tag: str, value: float) -> bool:
        """Write as the device would; False where it refuses."""
        ...


class InProcessDriver:
    """One device of a plant in this process; answers at once.

    Values pass through the point's encoding, so that what is lost on the wire is lost here.
    """

    def __init__(self, device: Device, points: Collection[Point], plant: Plant) -> None:
        self._device, self._plant = device, plant
        self._points = {p.tag: p for p in points}
        self._connected = False
        self._last_reply_s: float | None = None

    @property
    def device(self) -> Device:
        return self._device

    @property
    def status(self) -> LinkStatus:
        return LinkStatus(self._connected, self._last_reply_s)

    async def connect(self) -> None:
        self._connected = True

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        if not self._connected:
            return {}
        found = {}
        for tag in tags:
            if self._points[tag].access is Access.WRITE:
                continue
            measured = self._plant.read(tag)
            found[tag] = self._reading(self._points[tag], measured)
            self._last_reply_s = measured.time_s
        return found

    def _reading(self, point: Point, measured: Measured) -> Reading:
        if measured.value is None or not measured.ok:
            return Reading(None, Quality.BAD, measured.time_s, "the sensor has failed")
        low, high = point.minimum, point.maximum
        value = measured.value
        if (low is not None and value < low) or (high is not None and value > high):
            return Reading(None, Quality.BAD, measured.time_s, f"{value:g} is out of range")
        return Reading(value, Quality.GOOD, measured.time_s)

    def encode(self, tag: str, value: float) -> bytes:
        return codec.encode(self._points[tag], value)

    def address(self, tag: str) -> str:
        return point_address(self._points[tag])

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        if not self._connected or within_s <= 0.0:
            raise WriteFailed(f"{self._device.id}: not connected", sent=False)
        if not self._plant.write(tag, codec.decode(self._points[tag], data)):
            raise WriteFailed(f"{self._device.id} refuses to write {tag}", sent=True)

    async def close(self) -> None:
        self._connected = False
