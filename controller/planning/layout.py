"""The fixed pattern of a site's problem: blocks, units, rows and where each coefficient goes.

The pattern is settled once for a site and a model, from which racks answer to which groups and
what each power component depends on; a tick only changes numbers.

The power of the plant depends on all setpoints, but only through a few *features* (means over
the units). A block's variables are therefore its ``G`` scaled setpoints and, as columns after
them, its ``F`` features; the problem ties the two by equations. Dense rows would make a step of
the solver five times as long. Variables are numbered ``block * (G + F) + column``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from controller.planning.settings import PlanningSettings
from facility.site import Site
from models.contract import PowerCuts, Sensitivities

Ints = NDArray[np.int64]

MOVE_UNIT_SHARE = 1.0 / 20.0
"""The unit of a scaled variable, as a share of the actuator's range: about 1 K of 20 K."""


VISITED = 2
"""Points of earlier rounds at which each power has a cut too."""


@dataclass(frozen=True, slots=True)
class Entries:
    """A sparse matrix of fixed pattern over the variables: entry ``i`` lies at (row, variable)."""

    rows: int
    row: Ints
    block: Ints
    column: Ints
    width: int
    """Columns a block: G + F."""
    blocks: int

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return len(self.row)

    def gather(self) -> sparse.csr_array:
        """(size, B*(G+F)): picks each entry's variable."""
        column = self.block * self.width + self.column
        ones = np.ones(self.size)
        shape = (self.size, self.blocks * self.width)
        return sparse.csr_array((ones, (np.arange(self.size), column)), shape=shape)

    def total(self) -> sparse.csr_array:
        """(rows, size): adds each entry into its row."""
        ones = np.ones(self.size)
        return sparse.csr_array(
            (ones, (self.row, np.arange(self.size))), shape=(self.rows, self.size)
        )

    def matrix(self, values: NDArray[np.float64]) -> sparse.csr_array:
        """(rows, B*(G+F)): the matrix itself with these coefficients."""
        column = self.block * self.width + self.column
        shape = (self.rows, self.blocks * self.width)
        return sparse.csr_array((values, (self.row, column)), shape=shape)


@dataclass(frozen=True)
class Layout:
    """Everything about a problem that does not change from tick to tick."""

    settings: PlanningSettings
    group_names: tuple[str, ...]
    rack_names: tuple[str, ...]
    units: tuple[str, ...]
    """Common units of racks: the first unit of each rack."""
    unit_of_rack: Ints
    """(R,) index into ``units``."""
    unit_groups: tuple[tuple[int, ...], ...]
    """By unit: the groups that move any of its racks."""
    scale: NDArray[np.float64]
    """(G,) unit of a scaled variable in canonical units."""
    features: NDArray[np.float64]
    """(F, G) what the plant's power depends on, for each unit of a scaled variable."""
    components: tuple[str, ...]
    component_columns: tuple[tuple[int, ...], ...]
    """By component: the columns that its power depends on; from G on they are features."""
    cuts: int
    """Rows a component and block."""

    @property
    def groups(self) -> int:
        """G."""
        return len(self.group_names)

    @property
    def width(self) -> int:
        """Columns a block: G + F."""
        return self.groups + len(self.features)

    def columns(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B, G) to (B * (G+F),): the scaled setpoints with their features."""
        return np.hstack([v, v @ self.features.T]).ravel()

    @property
    def blocks(self) -> int:
        """B."""
        return len(self.settings.blocks)

    @property
    def slots(self) -> int:
        """Rows a unit and check."""
        return self.settings.hottest + self.settings.spare

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
    def check_hours(self) -> NDArray[np.float64]:
        """(units * checks,) hours that each temperature check stands for."""
        spans = np.diff(np.concatenate([[-1], self.checks])) * self.settings.step_s / 3600.0
        return np.tile(spans, len(self.units))

    @cached_property
    def blocking(self) -> NDArray[np.float64]:
        """(T, B): sums a step's sensitivity into its block."""
        return np.eye(self.blocks)[self.block_of_step]

    @cached_property
    def temperature(self) -> Entries:
        """Rows (unit, check, slot): temperature of a hot rack at a check."""
        entries = [
            ((u * len(self.checks) + c) * self.slots + s, b, g)
            for u, groups in enumerate(self.unit_groups)
            for c, step in enumerate(self.checks)
            for s in range(self.slots)
            for g in groups
            for b in range(int(self.block_of_step[step]) + 1)
        ]
        return self._entries(len(self.units) * len(self.checks) * self.slots, entries)

    @cached_property
    def worst(self) -> Entries:
        """Rows (unit, slot, block): a rack after the worst credible step from a block."""
        entries = [
            ((u * self.slots + s) * self.blocks + b, b, g)
            for u, groups in enumerate(self.unit_groups)
            for s in range(self.slots)
            for b in range(self.blocks)
            for g in groups
        ]
        return self._entries(len(self.units) * self.slots * self.blocks, entries)

    @cached_property
    def power(self) -> Entries:
        """Rows (component, block, cut)."""
        entries = [
            ((c * self.blocks + b) * self.cuts + i, b, column)
            for c, columns in enumerate(self.component_columns)
            for b in range(self.blocks)
            for i in range(self.cuts)
            for column in columns
        ]
        return self._entries(len(self.components) * self.blocks * self.cuts, entries)

    def _entries(self, rows: int, entries: Sequence[tuple[int, int, int]]) -> Entries:
        row, block, column = np.array(entries, dtype=np.int64).reshape(-1, 3).T
        return Entries(rows, row, block, column, self.width, self.blocks)

    def coefficients(self, cuts: PowerCuts) -> NDArray[np.float64]:
        """(M, G+F) slopes by column: of features for what depends on several groups."""
        slope = cuts.slope * self.scale
        if not len(self.features):
            return slope
        by_feature = slope @ np.linalg.pinv(self.features)
        several = np.array(
            [min(columns, default=0) >= self.groups for columns in self.component_columns]
        )
        several = several[cuts.component][:, None]
        return np.hstack([np.where(several, 0.0, slope), np.where(several, by_feature, 0.0)])

    def fits(self, sensitivities: Sensitivities, cuts: PowerCuts) -> bool:
        """Whether these numbers have a place in the pattern."""
        pattern = pattern_of(sensitivities, cuts, self.unit_of_rack, len(self.units))
        if cuts.components != self.components or pattern.cuts > self.cuts:
            return False
        pairs = zip(pattern.unit_groups, self.unit_groups, strict=True)
        if not all(found <= set(there) for found, there in pairs):
            return False
        told = self.coefficients(cuts)
        allowed = np.zeros((len(self.components), self.width), dtype=bool)
        for c, columns in enumerate(self.component_columns):
            allowed[c, list(columns)] = True
        told = np.where(allowed[cuts.component], told, 0.0)
        spanned = told[:, : self.groups] + told[:, self.groups :] @ self.features
        slope = cuts.slope * self.scale
        return bool(np.all(np.abs(spanned - slope) <= 1e-6 + 1e-6 * np.abs(slope).max(initial=0.0)))


@dataclass(frozen=True, slots=True)
class Pattern:
    """Who answers to what in one linearisation."""

    unit_groups: tuple[frozenset[int], ...]
    component_groups: tuple[frozenset[int], ...]
    cuts: int


def pattern_of(
    sensitivities: Sensitivities, cuts: PowerCuts, unit_of_rack: Ints, units: int
) -> Pattern:
    """Read the pattern off a linearisation."""
    unit_groups: list[set[int]] = [set() for _ in range(units)]
    for r, g in zip(sensitivities.rack, sensitivities.group, strict=True):
        unit_groups[unit_of_rack[r]].add(int(g))
    depends = np.zeros((len(cuts.components), cuts.slope.shape[1]), dtype=bool)
    np.logical_or.at(depends, cuts.component, cuts.slope != 0.0)
    rows = np.unique(np.stack([cuts.component, cuts.step]), axis=1, return_counts=True)[1]
    return Pattern(
        unit_groups=tuple(frozenset(groups) for groups in unit_groups),
        component_groups=tuple(frozenset(int(g) for g in np.flatnonzero(line)) for line in depends),
        cuts=int(rows.max(initial=1)),
    )


def scale_of(site: Site) -> NDArray[np.float64]:
    """(G,) the unit of each group's scaled variable."""
    spans = [min(a.maximum - a.minimum for a in members) for members in site.groups.values()]
    return np.maximum(np.array(spans) * MOVE_UNIT_SHARE, 1e-3)


def lay_out(
    site: Site,
    settings: PlanningSettings,
    linearisations: Sequence[tuple[Sensitivities, PowerCuts]],
    basis: NDArray[np.float64],
) -> Layout:
    """The pattern for a site that has a place for each of these linearisations.

    Parameters
    ----------
    basis
        (F, G) features of the setpoints, canonical units, that span the slopes of every
        component which depends on several groups; with F = 0 they are taken group by group.
    """
    racks = list(site.racks.values())
    units = tuple(dict.fromkeys(rack.units[0] for rack in racks))
    unit_of_rack = np.array([units.index(rack.units[0]) for rack in racks], dtype=np.int64)
    patterns = [pattern_of(s, c, unit_of_rack, len(units)) for s, c in linearisations]
    components = linearisations[0][1].components
    scale = scale_of(site)
    by_component = [
        frozenset[int]().union(*(p.component_groups[c] for p in patterns))
        for c in range(len(components))
    ]
    of_features = tuple(range(len(scale), len(scale) + len(basis)))
    return Layout(
        settings=settings,
        group_names=tuple(site.groups),
        rack_names=tuple(site.racks),
        units=units,
        unit_of_rack=unit_of_rack,
        unit_groups=tuple(
            tuple(sorted(set().union(*(p.unit_groups[u] for p in patterns))))
            for u in range(len(units))
        ),
        scale=scale,
        features=basis * scale,
        components=components,
        component_columns=tuple(
            of_features if len(groups) > 1 and of_features else tuple(sorted(groups))
            for groups in by_component
        ),
        cuts=max(p.cuts for p in patterns) + VISITED,
    )
