"""What the field said: readings with quality and age, and snapshots of a whole site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from facility.commands import Mode


class Quality(Enum):
    """How far a reading can be used. Only `GOOD` may be acted on."""

    GOOD = "good"
    STALE = "stale"
    """The value was good once, but no scan has renewed it in time."""
    BAD = "bad"
    """The device answered with something that cannot be this point's value."""
    ABSENT = "absent"
    """The device says that there is no value (a sentinel), or never answered."""
    FROZEN = "frozen"
    """The value has not moved while what drives it has."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One point at one moment, in its canonical unit.

    ``value`` is None where there is none: never NaN, never 0. A stale or frozen
    reading keeps its last value, for people to look at.
    """

    value: float | None
    quality: Quality
    time_s: float
    """When the device gave the value (plant time), not when it was looked at."""
    note: str = ""
    """Why the quality is not good, in words."""

    @property
    def good(self) -> float | None:
        """The value if it may be acted on, else None."""
        return self.value if self.quality is Quality.GOOD else None

    def age_s(self, now_s: float) -> float:
        """Seconds since the device gave the value."""
        return now_s - self.time_s


class Authority(Enum):
    """Who holds a device now, as the device itself reports it."""

    LOCAL = "local"
    REMOTE = "remote"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """How a device is doing, as the gateway sees it."""

    device: str
    connected: bool
    authority: Authority
    armed: bool
    """The gateway has enabled it, beats its heart and may write setpoints to it."""
    last_reply_s: float | None
    round_trip_ms: float | None
    note: str = ""
    own: Mapping[str, Reading] = field(default_factory=dict)
    """By actuator of a device that jumps when it is released: the value of its own control, as
    last read back while that held the device."""


class Priority(Enum):
    """How soon somebody must act: about 5, 15 and 80 % of alarms (ISA-18.2)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so now and asks for somebody; an alarm is made of it (ISA-18.2)."""

    id: str
    """The same for the same cause, so that it is one alarm while it lasts."""
    priority: Priority
    text: str
    action: str
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The site at one moment: what the gateway gives to the controller and the envelope."""

    time_s: float
    readings: Mapping[str, Reading]
    """By tag."""
    devices: Mapping[str, DeviceStatus] = field(default_factory=dict)
    """By device id."""
    modes: Mapping[str, Mode] = field(default_factory=dict)
    """By actuator id: who may write it."""
    conditions: tuple[Condition, ...] = ()
    """What the gateway says asks for somebody now."""

    def reading(self, tag: str) -> Reading:
        """The reading of ``tag``; an absent one where the snapshot has none."""
        return self.readings.get(tag) or Reading(None, Quality.ABSENT, self.time_s, "no such point")

    def good(self, tag: str) -> float | None:
        """The value of ``tag`` if it may be acted on, else None."""
        return self.reading(tag).good

    def worst_good(self, tags: Iterable[str]) -> float | None:
        """The highest good value among ``tags``, or None where there is none."""
        values = [value for tag in tags if (value := self.good(tag)) is not None]
        return max(values, default=None)
