"""What the drivers share: a device's points, and how its connection is doing."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection

from adapters import codec
from adapters.driver import LinkStatus, Now, point_address
from facility.devices import Device
from facility.points import Point


class PointDriver(ABC):
    """A driver without its protocol.

    Parameters
    ----------
    device
        The device that is spoken to.
    points
        Its points.
    now
        Plant time, for the readings.
    """

    def __init__(self, device: Device, points: Collection[Point], now: Now) -> None:
        self._device, self._now = device, now
        self._points = {p.tag: p for p in points}
        self._last_reply_s: float | None = None
        self._round_trip_s: float | None = None
        self._note = "not connected yet"
        """Why there is no connection, where there is none."""

    @property
    def device(self) -> Device:
        return self._device

    @property
    def status(self) -> LinkStatus:
        lost, trip_s = self._why_lost(), self._round_trip()
        if lost is not None:
            return LinkStatus(False, self._last_reply_s, None, lost)
        trip_ms = None if trip_s is None else 1e3 * trip_s
        return LinkStatus(True, self._last_reply_s, trip_ms, self._remark())

    @abstractmethod
    def _why_lost(self) -> str | None:
        """Why there is no connection; None while there is one."""

    def _round_trip(self) -> float | None:
        """Wall time of the last exchange, seconds."""
        return self._round_trip_s

    def _remark(self) -> str:
        """What is worth knowing of a connection that works."""
        return ""

    def _answered(self, sent_s: float | None = None) -> float:
        """Note a reply; answer plant time.

        Parameters
        ----------
        sent_s
            When it was asked for (`time.monotonic`), where the round trip counts.
        """
        if sent_s is not None:
            self._round_trip_s = time.monotonic() - sent_s
        self._last_reply_s = self._now()
        return self._last_reply_s

    def encode(self, tag: str, value: float) -> bytes:
        return codec.encode(self._points[tag], value)

    def address(self, tag: str) -> str:
        return point_address(self._points[tag])
