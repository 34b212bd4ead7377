"""What the devices received: counts by kind, and who held them when.

Follows the devices' own rule (docs/interfaces.md, "Devices"): a device is in remote control while
it is enabled and its heartbeat has changed within its watchdog's time; when that lapses it clears
its enable. Independent of what the gateway says of itself, and of the simulator's code.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Any

from controller.evaluation.agreement import Write
from facility.site import Site

ENABLES = ("enable", "release")


@dataclass(slots=True)
class _Device:
    """One device as the writes that it received tell; spans of remote control add up."""

    watchdog_s: float
    enabled: bool = False
    enabled_at_s: float = -math.inf
    heartbeat: float = 0.0
    changed_at_s: float = -math.inf
    since_s: float | None = None
    spans: list[tuple[float, float]] = field(default_factory=list)

    def settle(self, now_s: float) -> None:
        """Let the watchdog bite, if it did by ``now_s``."""
        if not self.enabled:
            return
        if self.changed_at_s + self.watchdog_s <= now_s:
            self._end(self.changed_at_s + self.watchdog_s)
        if max(self.changed_at_s, self.enabled_at_s) + self.watchdog_s <= now_s:
            self.enabled = False

    def beat(self, value: float | None, now_s: float) -> None:
        """A heartbeat counts if it differs from the one before."""
        self.settle(now_s)
        if value is None or value == self.heartbeat:
            return
        self.heartbeat, self.changed_at_s = value, now_s
        if self.enabled and self.since_s is None:
            self.since_s = now_s

    def enable(self, on: bool, now_s: float) -> None:
        """Take or give back; enabled without a heartbeat, the device still is its own."""
        self.settle(now_s)
        if not on:
            self._end(now_s)
        elif not self.enabled:
            self.enabled_at_s = now_s
            if now_s < self.changed_at_s + self.watchdog_s:
                self.since_s = now_s
        self.enabled = on

    def finish(self, end_s: float) -> None:
        """The run is over."""
        self.settle(end_s)
        self._end(end_s)

    def _end(self, now_s: float) -> None:
        if self.since_s is not None:
            self.spans.append((self.since_s, now_s))
            self.since_s = None


@dataclass(frozen=True)
class Recorded:
    """What the devices' recorder says of a run."""

    requests: int
    """Every request to write that reached a device, whatever it was."""
    by_kind: Mapping[str, int]
    """Of those with a line of their own: by kind, ``unknown`` where no kind goes there."""
    rejected: int
    """Lines that the device did not accept."""
    remote: Mapping[str, tuple[tuple[float, float], ...]]
    """By device: spans of plant time in remote control."""
    writes: Mapping[str, list[Write]]
    """By device, in order."""


def recorded(site: Site, lines: Iterable[Mapping[str, Any]], end_s: float) -> Recorded:
    """Read the recorder's lines, in the order of time, of a run that ended at ``end_s``."""
    writes: dict[str, list[Write]] = defaultdict(list)
    devices = {name: _Device(device.watchdog_s) for name, device in site.devices.items()}
    kinds: Counter[str] = Counter()
    rejected = count = 0
    for line in lines:
        count += 1
        kind = intern(line["kind"] or "unknown")
        tag = intern(line["tag"] or f"{line['table']} {line['address']}")
        writes[line["device"]].append(Write(line["time_s"], tag, line["raw"], kind))
        kinds[kind] += 1
        if not line["accepted"]:
            rejected += 1
            continue
        device = devices.get(line["device"])
        if device is None:
            continue
        if kind == "heartbeat":
            device.beat(line["value"], line["time_s"])
        elif kind in ENABLES:
            device.enable(kind == "enable", line["time_s"])
    for device in devices.values():
        device.finish(end_s)
    return Recorded(
        requests=count,
        by_kind=dict(sorted(kinds.items())),
        rejected=rejected,
        remote={name: tuple(device.spans) for name, device in devices.items()},
        writes=writes,
    )


def held_share(site: Site, record: Recorded, start_s: float, end_s: float) -> float:
    """Share of the actuator-hours from ``start_s`` to ``end_s`` in remote control."""
    total_s = len(site.actuators) * (end_s - start_s)
    if total_s <= 0.0:
        return 0.0
    held_s = sum(
        max(0.0, min(stop, end_s) - max(start, start_s))
        for actuator in site.actuators.values()
        for start, stop in record.remote[actuator.device]
    )
    return held_s / total_s
