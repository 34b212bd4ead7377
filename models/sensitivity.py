"""How temperatures answer to setpoints: static parts linearised, recurrences exact.

The heads are local, so one backward pass over the sum of all racks gives each one's own
derivatives. They are driven through the very recurrences of the roll-out, one column
for each step at which a setpoint could have been different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.contract import Sensitivities
from models.layout import Ints, Layout
from models.racks import Racks
from models.recurrence import lag
from models.supplies import Supplies, SupplyDrive


@dataclass(frozen=True, slots=True)
class Nominal:
    """The trajectory about which the model is linearised, at 60 s, (T*every, ...)."""

    layout: Layout
    supplies: Supplies
    racks: Racks
    drive: SupplyDrive
    it_power_kw: Tensor
    nodes_start: Tensor
    offset_k: Tensor
    every: int
    """Inner steps in one of the caller's."""
    blocks: tuple[int, ...]
    """The caller's steps for which a move is held."""

    def __post_init__(self) -> None:
        """Check that the blocks fill the horizon."""
        steps = self.it_power_kw.shape[0] // self.every
        if sum(self.blocks) != steps or min(self.blocks) < 1:
            raise ValueError(f"blocks {self.blocks} do not fill a horizon of {steps} steps")

    @property
    def block_of(self) -> Tensor:
        """(T*every,) block of each inner step."""
        lengths = torch.tensor(self.blocks) * self.every
        return torch.repeat_interleave(torch.arange(len(self.blocks)), lengths)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Nodes and the groups that move them, one a row."""

    node: Ints
    group: Ints
    place: dict[tuple[int, int], int]


def sensitivities(nominal: Nominal, only: Sequence[int] | None = None) -> Sensitivities:
    """Derivatives of ``only`` these racks (None: all) at the ends of the caller's steps."""
    with torch.no_grad():
        supply, _ = nominal.supplies(nominal.drive, nominal.nodes_start, nominal.offset_k)
        pairs = _node_pairs(nominal.layout)
        moved = _node_tangents(nominal, supply, pairs)
    slopes = _head_slopes(nominal.racks, supply, nominal.drive.flow, nominal.it_power_kw)
    with torch.no_grad():
        return _rack_tangents(nominal, slopes, moved, pairs, only)


def _node_pairs(layout: Layout) -> _Pairs:
    moving: list[list[int]] = []
    for node in layout.nodes:
        groups = [g for g in (node.setpoint, node.flow) if g >= 0]
        for above in node.upstream:
            groups += moving[above]
        moving.append(list(dict.fromkeys(groups)))
    rows = [(i, g) for i, groups in enumerate(moving) for g in groups]
    table = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return _Pairs(table[:, 0], table[:, 1], {pair: place for place, pair in enumerate(rows)})


def _node_tangents(nominal: Nominal, supply: Tensor, pairs: _Pairs) -> Tensor:
    """(T*every, P, B): how the supply of each pair's node answers to its group."""
    layout, supplies = nominal.layout, nominal.supplies
    drive, start = nominal.drive, nominal.nodes_start
    inner = supply.shape[0]
    blocks = len(nominal.blocks)
    in_block = torch.eye(blocks, dtype=supply.dtype)[nominal.block_of]
    tangent = torch.zeros(inner, len(pairs.node), blocks, dtype=supply.dtype)
    load_gain, first_gain, second_gain = supplies.gains()
    load = lag(drive.load, load_gain, start[0])
    weights = supplies.weights()
    rest = torch.zeros(blocks, dtype=supply.dtype)
    for level in supplies.levels:
        at_floor, per_flow = supplies.slopes(level, drive, load, supply)
        for column, i in enumerate(level.tolist()):
            node = layout.nodes[i]
            for place in np.flatnonzero(pairs.node == i).tolist():
                group = int(pairs.group[place])
                moves = torch.zeros(inner, blocks, dtype=supply.dtype)
                if group == node.setpoint:
                    moves += (1.0 - at_floor[:, column, None]) * in_block
                if group == node.flow:
                    moves += per_flow[:, column, None] / node.flow_scale * in_block
                for above in node.upstream:
                    upper = pairs.place.get((above, group))
                    if upper is not None:
                        share = at_floor[:, column, None] * weights[i, above]
                        moves += share * tangent[:, upper]
                tangent[:, place] = moves
        mine = torch.as_tensor(np.flatnonzero(np.isin(pairs.node, level.numpy())))
        of_node = torch.as_tensor(pairs.node)[mine]
        begin = rest.expand(len(mine), blocks)
        first = lag(tangent[:, mine], first_gain[of_node, None], begin)
        tangent[:, mine] = lag(first, second_gain[of_node, None], begin)
    return tangent


@dataclass(frozen=True, slots=True)
class _Slopes:
    """Derivatives of the drives, (T*every, F): F features, a rack with one of its units each."""

    rack: Ints
    node: Ints
    supply_per_k: Tensor
    supply_per_flow: Tensor
    rise_per_k: Tensor
    rise_per_flow: Tensor


def _head_slopes(racks: Racks, supply: Tensor, flow: Tensor, it_power_kw: Tensor) -> _Slopes:
    """One backward pass of the summed heads for each of the two drives."""
    liquid = tuple(f.detach().clone() for f in racks.liquid_features(supply, flow))
    air = tuple(f.detach().clone() for f in racks.air_features(supply, flow))
    leaves = [leaf.requires_grad_() for leaf in (*liquid, *air)]
    drives = racks.heads((leaves[0], leaves[1]), (leaves[2], leaves[3]), it_power_kw)

    def slopes(drive: Tensor, keep: bool) -> list[Tensor]:
        grads = torch.autograd.grad(
            drive.sum(), leaves, retain_graph=keep, allow_unused=True, materialize_grads=True
        )
        steps = supply.shape[0]
        return [
            torch.cat([grads[0], grads[2].reshape(steps, -1)], dim=1),
            torch.cat([grads[1], grads[3].reshape(steps, -1)], dim=1),
        ]

    to_supply = slopes(drives.supply, keep=True)
    to_rise = slopes(drives.rise, keep=False)
    slots = racks.air_units.shape[1]
    return _Slopes(
        rack=np.concatenate([racks.liquid.numpy(), racks.air.repeat_interleave(slots).numpy()]),
        node=np.concatenate([racks.liquid_unit.numpy(), racks.air_units.reshape(-1).numpy()]),
        supply_per_k=to_supply[0],
        supply_per_flow=to_supply[1],
        rise_per_k=to_rise[0],
        rise_per_flow=to_rise[1],
    )


def _rack_tangents(
    nominal: Nominal,
    slopes: _Slopes,
    moved: Tensor,
    pairs: _Pairs,
    only: Sequence[int] | None,
) -> Sensitivities:
    layout = nominal.layout
    wanted = set(range(len(layout.racks))) if only is None else {int(r) for r in only}
    through: list[tuple[int, int, int]] = []  # pair of rack and group, feature, pair of node
    direct: list[tuple[int, int, float]] = []  # pair of rack and group, feature, 1/scale
    found: dict[tuple[int, int], int] = {}
    for feature, (rack, node) in enumerate(zip(slopes.rack, slopes.node, strict=True)):
        if int(rack) not in wanted:
            continue
        for place in np.flatnonzero(pairs.node == node).tolist():
            group = int(pairs.group[place])
            pair = found.setdefault((int(rack), group), len(found))
            through.append((pair, feature, place))
            if group == layout.nodes[int(node)].flow:
                direct.append((pair, feature, 1.0 / layout.nodes[int(node)].flow_scale))
    routes = _Routes(
        rack=torch.tensor([rack for rack, _ in found], dtype=torch.int64),
        through=torch.tensor(through, dtype=torch.int64).reshape(-1, 3),
        direct=torch.tensor([(p, f) for p, f, _ in direct], dtype=torch.int64).reshape(-1, 2),
        per_share=torch.tensor([share for *_, share in direct], dtype=moved.dtype),
    )
    gain = _driven(nominal, slopes, moved, routes)
    rows = np.array(list(found), dtype=np.int64).reshape(-1, 2)
    return Sensitivities(rack=rows[:, 0], group=rows[:, 1], gain=gain.numpy())


@dataclass(frozen=True, slots=True)
class _Routes:
    """How the groups reach the racks, N pairs of a rack and a group."""

    rack: Tensor
    """(N,)."""
    through: Tensor
    """(C, 3): pair, feature, pair of node and group."""
    direct: Tensor
    """(D, 2): pair, feature; the group sets the flow of the feature's unit itself."""
    per_share: Tensor
    """(D,): share of the design flow for each unit of the setpoint."""


def _driven(nominal: Nominal, slopes: _Slopes, moved: Tensor, routes: _Routes) -> Tensor:
    """Drive each pair's lags with the linearised heads; (N, T, B)."""
    inner, _, blocks = moved.shape
    pairs = len(routes.rack)
    gains, weights = (v[:, routes.rack].reshape(2, 2, -1, 1) for v in nominal.racks.lags())
    to_pair, of_feature, of_place = routes.through.T
    direct_pair, direct_feature = routes.direct.T
    per_k = torch.stack([slopes.supply_per_k, slopes.rise_per_k], dim=1)[..., of_feature]
    per_flow = torch.stack([slopes.supply_per_flow, slopes.rise_per_flow], dim=1)
    per_flow = per_flow[..., direct_feature] * routes.per_share
    states = torch.zeros(2, 2, pairs, blocks, dtype=moved.dtype)
    answer = torch.zeros(pairs, inner // nominal.every, blocks, dtype=moved.dtype)
    for step, block in enumerate(nominal.block_of.tolist()):
        seen = moved[step, of_place, : block + 1]
        drive = torch.zeros(2, pairs, block + 1, dtype=moved.dtype)
        drive.index_add_(1, to_pair, per_k[step].unsqueeze(-1) * seen)
        drive[:, :, block].index_add_(1, direct_pair, per_flow[step])
        # A setpoint moves nothing before its own block: later columns are still zero.
        live = states[..., : block + 1]
        # states are (drive, fast or slow); lags() lists both of the supply, then of the rise
        live.lerp_(drive.unsqueeze(1), gains)
        if (step + 1) % nominal.every == 0:
            answer[:, step // nominal.every, : block + 1] = (live * weights).sum((0, 1))
    return answer
