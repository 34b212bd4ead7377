"""What does not change from tick to tick: blocks, checks, units of racks and units of setpoints.

The power of the plant depends on all setpoints, but only through a few *features* (means over
the units). A block's columns are therefore its ``G`` scaled setpoints and, after them, its ``F``
features; the problem ties the two by equations. Dense rows would make a step of the solver five
times as long. Columns are numbered ``block * (G + F) + column`` in the rows of the powers, and
``block * G + group`` in those of temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.planning.settings import PlanningSettings
from facility.site import Site
from models.contract import Array

Ints = NDArray[np.int64]

MOVE_UNIT_SHARE = 1.0 / 20.0
"""The unit of a scaled variable, as a share of the actuator's range: about 1 K of 20 K."""


@dataclass(frozen=True)
class Layout:
    """A site as the planner sees it; ``B`` blocks, ``G`` groups, ``F`` features."""

    settings: PlanningSettings
    group_names: tuple[str, ...]
    rack_names: tuple[str, ...]
    units: tuple[str, ...]
    """Common units of racks: the first unit of each rack."""
    unit_of_rack: Ints
    """(R,) index into ``units``."""
    scale: Array
    """(G,) unit of a scaled variable in canonical units."""
    features: Array
    """(F, G) what the plant's power depends on, for each unit of a scaled variable."""

    @property
    def groups(self) -> int:
        """G."""
        return len(self.group_names)

    @property
    def width(self) -> int:
        """Columns a block: G + F."""
        return self.groups + len(self.features)

    def columns(self, v: Array) -> Array:
        """(B, G) to (B * (G+F),): the scaled setpoints with their features."""
        return np.hstack([v, v @ self.features.T]).ravel()

    @cached_property
    def per_feature(self) -> Array:
        """(G, F) takes a slope over the scaled setpoints to one over the features."""
        return np.asarray(np.linalg.pinv(self.features)) if len(self.features) else np.zeros((0, 0))

    @property
    def blocks(self) -> int:
        """B."""
        return len(self.settings.blocks)

    @cached_property
    def block_of_step(self) -> Ints:
        """(T,)."""
        return np.repeat(np.arange(self.blocks), self.settings.blocks)

    @cached_property
    def block_start(self) -> Ints:
        """(B,) first step of each block."""
        ends = np.cumsum(self.settings.blocks)
        return np.asarray(ends - np.array(self.settings.blocks))

    @cached_property
    def checks(self) -> Ints:
        """Steps at whose end the temperature rows stand: the end of each block, and its middle."""
        found: set[int] = set()
        for start, length in zip(self.block_start, self.settings.blocks, strict=True):
            found.add(int(start) + length - 1)
            if length >= 4:
                found.add(int(start) + length // 2 - 1)
        return np.array(sorted(found))

    @cached_property
    def check_hours(self) -> Array:
        """(checks,) hours that each temperature check stands for."""
        spans = np.diff(np.concatenate([[-1], self.checks])) * self.settings.step_s / 3600.0
        return np.asarray(spans)

    @cached_property
    def blocking(self) -> Array:
        """(T, B): sums a step's value into its block."""
        return np.eye(self.blocks)[self.block_of_step]


def scale_of(site: Site) -> Array:
    """(G,) the unit of each group's scaled variable."""
    spans = [min(a.maximum - a.minimum for a in members) for members in site.groups.values()]
    return np.maximum(np.array(spans) * MOVE_UNIT_SHARE, 1e-3)


def lay_out(site: Site, settings: PlanningSettings, basis: Array) -> Layout:
    """A site's layout.

    Parameters
    ----------
    basis
        (F, G) features of the setpoints, canonical units, that span the slopes of every
        component which depends on several groups; with F = 0 they are taken group by group.
    """
    racks = list(site.racks.values())
    units = tuple(dict.fromkeys(rack.units[0] for rack in racks))
    number = {unit: i for i, unit in enumerate(units)}
    scale = scale_of(site)
    return Layout(
        settings=settings,
        group_names=tuple(site.groups),
        rack_names=tuple(site.racks),
        units=units,
        unit_of_rack=np.array([number[rack.units[0]] for rack in racks], dtype=np.int64),
        scale=scale,
        features=basis * scale,
    )
