"""What a site is: halls, racks, cooling units, plant, devices, actuators and limits.

All frozen; built by `facility.loading` from ``site.toml`` and ``points.csv``.
Temperatures in °C, differences in K, power in kW, flow in L/s, times in s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from facility.devices import Actuator, Device
from facility.equipment import (
    CDU,
    CRAH,
    Chiller,
    CoolingLoop,
    Hall,
    Rack,
    StorageTank,
    Tower,
)
from facility.go_no_go import GoCriteria
from facility.outside import FeedSource, Tariff
from facility.points import Point
from facility.worst_case import WorstCase


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """When the gateway gives the plant back by itself, and how it counts."""

    beat_s: float = 1.0
    """How often the controller beats."""
    beat_timeout_s: float = 3.0
    """Longest silence of the controller."""
    plan_max_age_s: float = 1800.0
    """Oldest plan that may stay in force."""
    stale_scans: int = 3
    """Scans missed before a reading is stale."""
    command_max_age_s: float = 60.0
    rearm_after_s: float = 900.0
    rearms_per_day: int = 2


@dataclass(frozen=True, slots=True)
class People:
    """What takes more than one person here. Widening a limit takes two at every site."""

    two_people: tuple[str, ...] = ()
    """Of ``advisory``, ``automatic`` and ``standing_approvals``."""
    own_approval: bool = True
    """Whether who asks for it counts as one of the two."""
    undo_window_s: float = 3600.0
    """How long after a decision its moves can be taken back."""


@dataclass(frozen=True)
class Site:
    """A whole site."""

    id: str
    name: str
    latitude: float
    longitude: float
    elevation_m: float
    halls: Mapping[str, Hall]
    racks: Mapping[str, Rack]
    loops: Mapping[str, CoolingLoop]
    cdus: Mapping[str, CDU]
    crahs: Mapping[str, CRAH]
    chillers: Mapping[str, Chiller]
    towers: Mapping[str, Tower]
    devices: Mapping[str, Device]
    points: Mapping[str, Point]
    actuators: Mapping[str, Actuator]
    tariff: Tariff
    gateway: GatewayLimits
    people: People = field(default_factory=People)
    go_no_go: GoCriteria = field(default_factory=GoCriteria)
    feeds: tuple[FeedSource, ...] = ()
    worst_case: WorstCase = field(default_factory=WorstCase)
    storage_tanks: Mapping[str, StorageTank] = field(default_factory=dict)
    source: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file that the site was read from, ports and rules for people left out."""

    @cached_property
    def _by_meaning(self) -> dict[tuple[str, str], str]:
        return {(p.equipment, p.quantity): p.tag for p in self.points.values() if not p.doubles}

    def tag(self, equipment: str, quantity: str) -> str | None:
        """The tag of a quantity of a piece of equipment, or None where it is not measured."""
        return self._by_meaning.get((equipment, quantity))

    def tags(self, quantity: str) -> tuple[str, ...]:
        """All tags of a quantity, in the order of the points list."""
        return self._by_quantity.get(quantity, ())

    @cached_property
    def _by_quantity(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for point in self.points.values():
            found.setdefault(point.quantity, []).append(point.tag)
        return {quantity: tuple(tags) for quantity, tags in found.items()}

    @cached_property
    def doubles(self) -> Mapping[str, tuple[str, ...]]:
        """By sensor: the spare sensors that stand beside it, in the order of the points list."""
        found: dict[str, list[str]] = {}
        for point in self.points.values():
            if point.doubles:
                found.setdefault(point.doubles, []).append(point.tag)
        return {tag: tuple(spares) for tag, spares in found.items()}

    @cached_property
    def alarms(self) -> tuple[Point, ...]:
        """The alarm points: those with a safe direction."""
        return tuple(p for p in self.points.values() if p.safe_direction is not None)

    def device_points(self, device: str) -> tuple[Point, ...]:
        """The points of a device, in the order of the points list."""
        return self._points_of_device.get(device, ())

    def device_actuators(self, device: str) -> tuple[Actuator, ...]:
        """The actuators behind a device."""
        return self._actuators_of_device.get(device, ())

    @cached_property
    def _points_of_device(self) -> dict[str, tuple[Point, ...]]:
        found: dict[str, list[Point]] = {}
        for point in self.points.values():
            found.setdefault(point.device, []).append(point)
        return {device: tuple(points) for device, points in found.items()}

    @cached_property
    def _actuators_of_device(self) -> dict[str, tuple[Actuator, ...]]:
        found: dict[str, list[Actuator]] = {}
        for actuator in self.actuators.values():
            found.setdefault(actuator.device, []).append(actuator)
        return {device: tuple(actuators) for device, actuators in found.items()}

    @cached_property
    def groups(self) -> Mapping[str, tuple[Actuator, ...]]:
        """Actuators by group, in the order of the points list."""
        found: dict[str, list[Actuator]] = {}
        for actuator in self.actuators.values():
            found.setdefault(actuator.group, []).append(actuator)
        return {name: tuple(members) for name, members in found.items()}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the files that the site was read from."""
        text = "\n".join(f"{name} {digest}" for name, digest in sorted(self.source.items()))
        return hashlib.sha256(text.encode()).hexdigest()
