"""The last reading of every point, aged: what snapshots are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from facility.points import Access
from facility.site import Site
from facility.telemetry import Quality, Reading

NEVER = Reading(None, Quality.ABSENT, 0.0, "no scan has brought a value yet")


class Readings:
    """Keeps what scans bring, and marks as stale what they no longer renew.

    A reading is stale when it is older than ``stale_scans`` scan intervals of its device.
    """

    def __init__(self, site: Site) -> None:
        self._readings = {
            p.tag: NEVER for p in site.points.values() if p.access is not Access.WRITE
        }
        self._tags = {d: tuple(t.tag for t in site.device_points(d)) for d in site.devices}
        self._limit_s = {
            d.id: site.gateway.stale_scans * d.scan_s + 0.5 for d in site.devices.values()
        }
        """Half a second of grace: a scan takes time."""
        self._scanned_s: dict[str, float] = {}
        self._late: dict[str, tuple[str, ...]] = {}

    def took(self, device: str, readings: Mapping[str, Reading], now_s: float) -> None:
        """Take the answer of a scan; an empty one renews nothing."""
        if not readings:
            return
        self._readings.update(readings)
        self._scanned_s[device] = now_s
        missing = [tag for tag in self._tags[device] if tag not in readings]
        self._late[device] = tuple(tag for tag in missing if tag in self._readings)

    def renew(self, readings: Mapping[str, Reading]) -> None:
        """Take single readings, as a read-back brings them."""
        self._readings.update(readings)

    def all(self, now_s: float) -> dict[str, Reading]:
        """Every point's reading now, stale ones marked."""
        found = dict(self._readings)
        for device, limit_s in self._limit_s.items():
            scanned_s = self._scanned_s.get(device)
            if scanned_s is not None and now_s - scanned_s <= limit_s:
                suspects = self._late[device]
            else:
                suspects = tuple(tag for tag in self._tags[device] if tag in found)
            for tag in suspects:
                reading = found[tag]
                if reading.quality is Quality.GOOD and now_s - reading.time_s > limit_s:
                    note = f"not renewed for {now_s - reading.time_s:.0f} s"
                    found[tag] = replace(reading, quality=Quality.STALE, note=note)
        return found

    def get(self, tag: str) -> Reading:
        """The last reading of a point, however old."""
        return self._readings.get(tag, NEVER)

    def is_lost(self, device: str, now_s: float) -> bool:
        """Whether the device's telemetry as a whole is stale."""
        scanned_s = self._scanned_s.get(device)
        return scanned_s is None or now_s - scanned_s > self._limit_s[device]
