"""How setpoints reach racks: which group moves which supply, and which supply which rack.

Worked out once for a site. A list of lists is flat, with where each one starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.contract import Array
from models.layout import Ints, Layout


@dataclass(frozen=True, slots=True)
class Routes:
    """``P`` pairs of a node and a group that moves it, ``N`` pairs of a rack and a group."""

    pair_node: Ints
    """(P,), upstream first."""
    pair_sets: Ints
    """(P,) 1 where the group is the node's own setpoint."""
    pair_flows: Ints
    """(P,) 1 where the group is the node's own flow."""
    above_start: Ints
    """(P+1,) by pair: the pairs of the same group and a node just upstream."""
    above_pair: Ints
    above_node: Ints
    above_below: Ints
    """The node of the pair that looks up."""
    rack: Ints
    """(N,)."""
    group: Ints
    """(N,)."""
    through_start: Ints
    """(N+1,) by pair of rack and group: features of the rack whose supply the group moves."""
    through_feature: Ints
    through_pair: Ints
    """Of a node and a group."""
    direct_start: Ints
    """(N+1,) by pair of rack and group: features whose unit's flow the group sets itself."""
    direct_feature: Ints
    direct_per_unit: Array
    """Share of the design flow for each unit of the setpoint."""


def routes_of(layout: Layout) -> Routes:
    """Trace the site."""
    place: dict[tuple[int, int], int] = {}
    moving: list[list[int]] = []
    for i, node in enumerate(layout.nodes):
        groups = [g for g in (node.setpoint, node.flow) if g >= 0]
        for above in node.upstream:
            groups += moving[above]
        moving.append(list(dict.fromkeys(groups)))
        for g in moving[i]:
            place[i, g] = len(place)
    looking_up = [
        [(place[a, g], a, i) for a in layout.nodes[i].upstream if (a, g) in place] for i, g in place
    ]
    found: dict[tuple[int, int], int] = {}
    through: list[list[tuple[int, int]]] = []
    direct: list[list[tuple[int, float]]] = []
    for feature, (rack, i) in enumerate(_features(layout)):
        for g in moving[i]:
            n = found.setdefault((rack, g), len(found))
            if n == len(through):
                through.append([])
                direct.append([])
            through[n].append((feature, place[i, g]))
            if g == layout.nodes[i].flow:
                direct[n].append((feature, 1.0 / layout.nodes[i].flow_scale))
    above_start, above_pair, above_node, above_below = _flat(looking_up, 3)
    through_start, through_feature, through_pair = _flat(through, 2)
    nodes = layout.nodes
    return Routes(
        pair_node=_ints([i for i, _ in place]),
        pair_sets=_ints([g == nodes[i].setpoint for i, g in place]),
        pair_flows=_ints([g == nodes[i].flow for i, g in place]),
        above_start=above_start,
        above_pair=above_pair,
        above_node=above_node,
        above_below=above_below,
        rack=_ints([rack for rack, _ in found]),
        group=_ints([g for _, g in found]),
        through_start=through_start,
        through_feature=through_feature,
        through_pair=through_pair,
        direct_start=_starts(direct),
        direct_feature=_ints([f for line in direct for f, _ in line]),
        direct_per_unit=np.array([s for line in direct for _, s in line], dtype=np.float64),
    )


def _features(layout: Layout) -> list[tuple[int, int]]:
    """(rack, node) of each feature: liquid-cooled racks first, then each unit of the others."""
    liquid = zip(layout.liquid, layout.liquid_unit, strict=True)
    found = [(int(r), int(i)) for r, i in liquid]
    for r, units in zip(layout.air, layout.air_units, strict=True):
        found += [(int(r), int(i)) for i in units]
    return found


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def _starts(lists: Sequence[Sequence[object]]) -> Ints:
    return _ints([0, *np.cumsum([len(line) for line in lists], dtype=np.int64)])


def _flat(lists: Sequence[Sequence[tuple[int, ...]]], width: int) -> tuple[Ints, ...]:
    """Where each list starts, then each column of what is in them."""
    table = _ints([value for line in lists for entry in line for value in entry])
    return (_starts(lists), *table.reshape(-1, width).T.copy())
