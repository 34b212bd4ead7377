"""What the plots show, taken from the noise-free truth of each variant.

Times in POSIX seconds, one array a variant on that variant's own rows; canonical units. What a
truth does not hold is NaN, and drawn as a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facility.site import Site

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

COMPONENTS = ("chillers", "towers", "pumps", "fans", "cdus")
"""Of the electricity that cools, in the order of every table and plot."""


@dataclass(frozen=True)
class RackGroup:
    """Racks that share a limit and a source of cold: those of a CDU, or a hall's air-cooled."""

    name: str
    hall: str
    kind: str
    racks: tuple[str, ...]
    limit_c: float
    """The lowest limit among them."""


@dataclass(frozen=True)
class Truth:
    """A variant's truth as a matrix that is asked by tag."""

    times_s: Array
    columns: Mapping[str, int]
    values: Array
    """(T, tags)."""

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Truth:
        """The numeric columns of a table of truth."""
        numbers = frame.select_dtypes("number")
        times = frame.index.as_unit("ns").asi8 / 1e9  # type: ignore[attr-defined]
        names = {str(name): i for i, name in enumerate(numbers.columns)}
        return cls(np.asarray(times, dtype=np.float64), names, numbers.to_numpy(np.float64))

    def get(self, tag: str | None) -> Array:
        """(T,) of a tag; all NaN where there is none."""
        index = self.columns.get(tag) if tag else None
        if index is None:
            return np.full(len(self.times_s), np.nan)
        return np.asarray(self.values[:, index])

    def table(self, tags: Iterable[str | None]) -> Array:
        """(T, found) of those tags that there are."""
        found = [self.columns[tag] for tag in tags if tag and tag in self.columns]
        return np.asarray(self.values[:, found])

    def total(self, tags: Iterable[str | None]) -> Array:
        """(T,) sum over the tags that there are; NaN where there is none."""
        table = self.table(tags)
        return table.sum(axis=1) if table.shape[1] else np.full(len(self.times_s), np.nan)

    def highest(self, tags: Iterable[str | None]) -> Array:
        """(T,) highest of the tags that there are; NaN where there is none."""
        table = self.table(tags)
        return table.max(axis=1) if table.shape[1] else np.full(len(self.times_s), np.nan)


def rack_groups(site: Site) -> tuple[RackGroup, ...]:
    """The groups of a site in the order of its racks."""
    members: dict[tuple[str, str, str], list[str]] = {}
    for rack in site.racks.values():
        unit = rack.units[0] if rack.units else ""
        name = unit if unit in site.cdus else f"{rack.hall} air"
        members.setdefault((name, rack.hall, rack.kind.value), []).append(rack.id)
    return tuple(
        RackGroup(name, hall, kind, tuple(racks), min(site.racks[r].limit_c for r in racks))
        for (name, hall, kind), racks in members.items()
    )


def limited_tags(site: Site, racks: Sequence[str]) -> list[str | None]:
    """The tags of the temperatures that the racks' limits are about."""
    return [site.tag(rack, site.racks[rack].limited_temperature) for rack in racks]


def hottest(site: Site, truth: Truth) -> tuple[str, float, float] | None:
    """The rack that came closest to its limit: its id, its peak °C and its limit °C."""
    found = None
    for rack in site.racks.values():
        values = truth.get(site.tag(rack.id, rack.limited_temperature))
        if not np.isfinite(values).any():
            continue
        peak = float(np.nanmax(values))
        if found is None or rack.limit_c - peak < found[2] - found[1]:
            found = (rack.id, peak, rack.limit_c)
    return found


def component_tags(site: Site) -> dict[str, list[str | None]]:
    """The power meters of each component of cooling, by the site's own topology."""
    return {
        "chillers": [site.tag(name, "power") for name in site.chillers],
        "towers": [site.tag(name, "fan_power") for name in site.towers],
        "pumps": [
            site.tag(name, "pump_power")
            for name in (*site.loops, "tower_water", *site.storage_tanks)
        ],
        "fans": [site.tag(name, "fan_power") for name in site.crahs],
        "cdus": [site.tag(name, "pump_power") for name in site.cdus],
    }


def components_kw(site: Site, truth: Truth) -> dict[str, Array]:
    """(T,) kW of each component that the site has."""
    return {name: truth.total(tags) for name, tags in component_tags(site).items() if any(tags)}


def cooling_kwh(site: Site, truth: Truth) -> Array:
    """(T,) electricity of all cooling from the first row on, kWh: power integrated over time.

    By the trapezoidal rule; within the sampling interval this is not the simulator's own account,
    which counts every second.
    """
    power = sum(components_kw(site, truth).values(), np.zeros(len(truth.times_s)))
    return integrated_kwh(truth.times_s, power)


def integrated_kwh(times_s: Array, power_kw: Array) -> Array:
    """(T,) energy from the first row on, kWh, by the trapezoidal rule."""
    hours = np.diff(times_s) / 3600.0
    return np.concatenate(([0.0], np.cumsum(hours * (power_kw[1:] + power_kw[:-1]) / 2.0)))


def it_kw(site: Site, truth: Truth) -> Array:
    """(T,) kW of all IT."""
    return truth.total(site.tags("it_power"))


@dataclass(frozen=True)
class SetpointSpread:
    """The setpoints in force of one quantity: mean, lowest and highest over its actuators."""

    quantity: str
    unit: str
    mean: Array
    lower: Array
    upper: Array
    actuators: int
    minimum: float
    maximum: float


def setpoint_quantities(site: Site) -> list[str]:
    """The quantities that can be set, plant first."""
    order = ("cw_", "chw_", "fws_", "tcs_supply", "tcs_flow", "supply_air", "fan_")
    found = {actuator.quantity for actuator in site.actuators.values()}
    rank = {
        name: next((i for i, p in enumerate(order) if name.startswith(p)), 99) for name in found
    }
    return sorted(found, key=lambda name: (rank[name], name))


def setpoints(site: Site, truth: Truth, quantity: str) -> SetpointSpread:
    """The setpoints in force of a quantity over time."""
    actuators = [a for a in site.actuators.values() if a.quantity == quantity]
    table = truth.table(a.read_back for a in actuators)
    gap = np.full(len(truth.times_s), np.nan)
    some = table.shape[1] > 0
    return SetpointSpread(
        quantity=quantity,
        unit=actuators[0].unit,
        mean=table.mean(axis=1) if some else gap,
        lower=table.min(axis=1) if some else gap,
        upper=table.max(axis=1) if some else gap,
        actuators=len(actuators),
        minimum=min(a.minimum for a in actuators),
        maximum=max(a.maximum for a in actuators),
    )
