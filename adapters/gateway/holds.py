"""What the gateway knows of its hold on each device: armed, latched, due."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.gateway.modes import ModesError, write_atomically
from facility.devices import Actuator, Device
from facility.points import Access, Point, Role
from facility.site import GatewayLimits, Site
from facility.telemetry import Reading
from facility.wire import WireError, dumps, from_wire

DAY_S = 86_400.0
LONGEST_WAIT_S = 5.0
"""Between two attempts to connect."""
_MOST_BEATS = 30_000
"""The heartbeat counts to here and starts again at 1: within every integer type."""


@dataclass(frozen=True, slots=True)
class Latch:
    """Why a device stays released until somebody arms it again."""

    why: str
    since_s: float
    needs_person: bool
    """Whether the rule that re-arms by itself passes it by."""


@dataclass
class Hold:
    """The gateway's hold on one device. Times are plant time."""

    device: Device
    points: tuple[Point, ...]
    actuators: tuple[Actuator, ...]
    armed: bool = False
    armed_at_s: float = 0.0
    echoes: bool = False
    """Whether the heartbeat register showed our beat when the device was armed."""
    latch: Latch | None = None
    beat: int = 0
    next_beat_s: float = 0.0
    silent_until_s: float | None = None
    """While its own time-out is measured no heart beats; if it has not come by then, we release."""
    failures: int = 0
    """Writes that failed one after the other."""
    next_scan_s: float = 0.0
    next_connect_s: float = 0.0
    attempts: int = 0
    connected: bool = False
    own: dict[str, Reading] = field(default_factory=dict)
    """By actuator, where the device jumps when it is released: the value of its own control, as
    last read back while that held it."""
    said: str = ""
    """The last thing logged about the connection, so that it is said once."""
    readable: tuple[str, ...] = field(init=False)
    by_tag: Mapping[str, Point] = field(init=False)

    def __post_init__(self) -> None:
        self.readable = tuple(p.tag for p in self.points if p.access is not Access.WRITE)
        self.by_tag = {p.tag: p for p in self.points}
        roles = {p.role: p.tag for p in reversed(self.points)}
        self.enable = roles.get(Role.ENABLE, "")
        self.heartbeat = roles.get(Role.HEARTBEAT, "")
        self.active = roles.get(Role.AUTHORITY, "")
        # Seeded by name: every device waits differently, every run the same.
        self._jitter = random.Random(self.device.id)

    @property
    def is_writable(self) -> bool:
        """Whether the device has all that arming needs."""
        return bool(self.actuators and self.enable and self.heartbeat and self.active)

    @property
    def control_tags(self) -> tuple[str, ...]:
        """What arming looks at: who holds the device, and the setpoints in force."""
        tags = [self.active, self.heartbeat, *(a.read_back for a in self.actuators)]
        return tuple(tag for tag in dict.fromkeys(tags) if tag in self.by_tag)

    def next_beat(self) -> int:
        """The heartbeat's next value."""
        self.beat = self.beat % _MOST_BEATS + 1
        return self.beat

    def is_our_beat(self, value: float, oldest: int) -> bool:
        """Whether ``value`` is among the last ``oldest`` heartbeats."""
        return (self.beat - value) % _MOST_BEATS <= oldest

    def scanned(self, now_s: float) -> None:
        """Set the time of the next scan, on the grid of the device's interval."""
        interval_s = self.device.scan_s
        self.next_scan_s = (now_s // interval_s + 1.0) * interval_s

    def failed_to_connect(self, now_s: float) -> None:
        """Set the time of the next attempt: later each time, and never all devices at once."""
        self.attempts += 1
        wait_s = min(0.5 * 2.0 ** min(self.attempts, 8), LONGEST_WAIT_S)
        self.next_connect_s = now_s + wait_s * self._jitter.uniform(0.5, 1.0)


def holds_of(site: Site) -> dict[str, Hold]:
    """A hold on every device, all silent."""
    return {
        device.id: Hold(device, site.device_points(device.id), site.device_actuators(device.id))
        for device in site.devices.values()
    }


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is on disk."""

    latches: Mapping[str, Latch]
    rearmed_s: Mapping[str, tuple[float, ...]]


class Latches:
    """The latches of all devices, kept on disk, so that restarting does not lift them.

    Parameters
    ----------
    path
        ``latches.json``; None keeps them in memory only.

    Raises
    ------
    ModesError
        The file is damaged.
    """

    def __init__(
        self, holds: Mapping[str, Hold], limits: GatewayLimits, path: Path | None = None
    ) -> None:
        self._holds, self._limits, self._path = holds, limits, path
        self._rearmed_s: dict[str, tuple[float, ...]] = {}
        if path is not None and path.exists():
            try:
                kept = from_wire(_Kept, json.loads(path.read_text("utf-8")))
            except (ValueError, WireError) as error:
                raise ModesError(f"{path} is damaged ({error}); delete it to go on") from None
            self._rearmed_s = {k: tuple(v) for k, v in kept.rearmed_s.items()}
            for device, latch in kept.latches.items():
                if device in holds:
                    holds[device].latch = latch

    def put(self, devices: Iterable[str], why: str, now_s: float, *, needs_person: bool) -> None:
        """Latch ``devices``; a latch that needs a person is not replaced by a weaker one."""
        for device in devices:
            old = self._holds[device].latch
            if old is None or needs_person or not old.needs_person:
                self._holds[device].latch = Latch(why, now_s, needs_person)
        self._keep()

    def clear(self) -> tuple[str, ...]:
        """Lift every latch; answer which devices had one."""
        lifted = tuple(d for d, hold in self._holds.items() if hold.latch is not None)
        for device in lifted:
            self._holds[device].latch = None
        self._keep()
        return lifted

    def rearm(self, now_s: float) -> tuple[str, ...]:
        """Lift the latches whose time has come, as often a day as the site allows."""
        lifted = []
        for device, hold in self._holds.items():
            latch = hold.latch
            if latch is None or latch.needs_person:
                continue
            recent = tuple(t for t in self._rearmed_s.get(device, ()) if now_s - t < DAY_S)
            due = now_s - latch.since_s >= self._limits.rearm_after_s
            if due and len(recent) < self._limits.rearms_per_day:
                hold.latch = None
                self._rearmed_s[device] = (*recent, now_s)
                lifted.append(device)
        if lifted:
            self._keep()
        return tuple(lifted)

    def _keep(self) -> None:
        if self._path is None:
            return
        latches = {d: h.latch for d, h in self._holds.items() if h.latch is not None}
        write_atomically(self._path, dumps(_Kept(latches, self._rearmed_s)) + "\n")
