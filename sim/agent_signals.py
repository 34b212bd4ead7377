"""What an agent sees of a facility and what it may set: named signals in canonical units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facility.equipment import RackKind
from facility.points import Access, Role
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.units import Kind
from sim.plant.layout import Array

BOUNDS = {
    Kind.TEMPERATURE: (-50.0, 150.0),
    Kind.PRESSURE: (-100.0, 2_000.0),
    Kind.PERCENT: (-5.0, 105.0),
    Kind.FLOW: (-1.0, 20_000.0),
    Kind.POWER: (-1.0, 100_000.0),
    Kind.STATE: (0.0, 1.0),
}
"""Values outside are no reading of a plant of this size; they are shown as the bound."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One number of an observation or an action."""

    name: str
    """The point's tag or the group's name."""
    unit: str
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} [{self.unit}]"


@dataclass(frozen=True, slots=True)
class RackGroup:
    """Racks that one unit cools: those of a CDU, or the air-cooled ones of a hall."""

    name: str
    power: tuple[str, ...]
    limited: tuple[str, ...]
    limits_c: Array


def point_signals(site: Site) -> tuple[Signal, ...]:
    """Every measured point of the plant that is not of a rack, and each setpoint in force."""
    found = []
    for point in site.points.values():
        kind = QUANTITIES[point.quantity].kind
        is_measured = point.role is Role.SENSOR and point.access is not Access.WRITE
        if is_measured and point.equipment not in site.racks and kind in BOUNDS:
            found.append(Signal(point.tag, kind.unit, *BOUNDS[kind]))
    return tuple(found)


def rack_groups(site: Site) -> tuple[RackGroup, ...]:
    """The racks by the unit that cools them."""
    members: dict[str, list[str]] = {}
    for rack in site.racks.values():
        unit = f"{rack.hall}.air" if rack.kind is RackKind.AIR else rack.units[0]
        members.setdefault(unit, []).append(rack.id)
    groups = []
    for unit, racks in members.items():
        power = tuple(tag for rack in racks if (tag := site.tag(rack, "it_power")))
        limited = {
            tag: site.racks[rack].limit_c
            for rack in racks
            if (tag := site.tag(rack, site.racks[rack].limited_temperature))
        }
        groups.append(RackGroup(unit, power, tuple(limited), np.array(list(limited.values()))))
    return tuple(groups)


def group_signals(groups: tuple[RackGroup, ...]) -> tuple[Signal, ...]:
    """Of each group of racks: their power, and what the hottest has left to its limit."""
    power, degrees = BOUNDS[Kind.POWER], Kind.TEMPERATURE_DIFFERENCE.unit
    return tuple(
        signal
        for group in groups
        for signal in (
            Signal(f"{group.name}.it_power", Kind.POWER.unit, *power),
            Signal(f"{group.name}.least_margin", degrees, -100.0, 150.0),
        )
    )


def action_signals(site: Site) -> tuple[Signal, ...]:
    """One for each group of actuators, over the range that all its members have."""
    return tuple(
        Signal(
            name,
            QUANTITIES[members[0].quantity].kind.unit,
            max(actuator.minimum for actuator in members),
            min(actuator.maximum for actuator in members),
        )
        for name, members in site.groups.items()
    )


class Observer:
    """Observations of a site, from whatever reads its points.

    Parameters
    ----------
    site
        Whose points.
    """

    def __init__(self, site: Site) -> None:
        self._groups = rack_groups(site)
        self._points = point_signals(site)
        self.signals: tuple[Signal, ...] = (
            *self._points,
            *group_signals(self._groups),
            Signal("hour", "h", 0.0, 24.0),
            Signal("price", f"{site.tariff.currency}/kWh", -10.0, 10.0),
            Signal("carbon", "g/kWh", 0.0, 2000.0),
        )
        self.low = np.array([signal.low for signal in self.signals], dtype=np.float32)
        self.high = np.array([signal.high for signal in self.signals], dtype=np.float32)
        self.forget()

    def forget(self) -> None:
        """Nothing has been seen yet."""
        self._last = np.zeros(len(self.signals))

    def observe(
        self, read: Callable[[str], float | None], now_s: float, price: float, carbon: float
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """The observation at ``now_s``, and the names of what showed no value and keeps its last.

        ``read`` answers the value of a tag in canonical units, None where it shows none; ``price``
        a kWh in the site's currency, ``carbon`` in g/kWh.
        """
        seen: list[float | None] = [read(signal.name) for signal in self._points]
        for group in self._groups:
            power = [read(tag) for tag in group.power]
            known = [kw for kw in power if kw is not None]
            seen.append(sum(known) if len(known) == len(power) else None)
            margins = [
                limit_c - value
                for limit_c, tag in zip(group.limits_c.tolist(), group.limited, strict=True)
                if (value := read(tag)) is not None
            ]
            seen.append(min(margins, default=None))
        seen += [(now_s % 86_400.0) / 3600.0, price, carbon]
        absent = []
        for i, value in enumerate(seen):
            if value is None:
                absent.append(self.signals[i].name)
            else:
                self._last[i] = value
        bounded = np.clip(self._last, self.low, self.high)
        return bounded.astype(np.float32), tuple(absent)
