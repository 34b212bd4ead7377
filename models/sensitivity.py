"""How temperatures answer to setpoints: static parts linearised, recurrences exact.

The heads are local, so one backward pass over the sum of all racks gives each one's own
derivatives. They are driven through the very recurrences of the roll-out, one column
for each step at which a setpoint could have been different (`models.tangents`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.contract import Array, Sensitivities
from models.layout import Ints, Layout
from models.racks import Racks
from models.routes import Routes
from models.supplies import Supplies, SupplyDrive
from models.tangents import NODE_TANGENTS, RACK_TANGENTS


@dataclass(frozen=True, slots=True)
class Nominal:
    """The trajectory about which the model is linearised, at 60 s, (T*every, ...)."""

    layout: Layout
    routes: Routes
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
    def block_of(self) -> Ints:
        """(T*every,) block of each inner step."""
        return np.repeat(np.arange(len(self.blocks)), np.array(self.blocks) * self.every)


def sensitivities(
    nominal: Nominal, only: Sequence[int] | None = None, weight: Array | None = None
) -> tuple[Sensitivities, Array]:
    """Derivatives of ``only`` these racks (None: all) at the ends of the caller's steps.

    Also (B, G): the derivative of ``sum(weight * limited)`` over all racks, with ``weight`` (T, R);
    zero without one.
    """
    with torch.no_grad():
        supply, _ = nominal.supplies(nominal.drive, nominal.nodes_start, nominal.offset_k)
        moved = _node_tangents(nominal, supply)
    slopes = _head_slopes(nominal.racks, supply, nominal.drive.flow, nominal.it_power_kw)
    with torch.no_grad():
        return _rack_tangents(nominal, slopes, moved, only, weight)


def _node_tangents(nominal: Nominal, supply: Tensor) -> Array:
    """(T*every, P, B): how the supply of each pair's node answers to its group."""
    supplies, drive, routes = nominal.supplies, nominal.drive, nominal.routes
    at_floor, per_flow = supplies.slopes(drive, nominal.nodes_start, supply)
    _, first_gain, second_gain = supplies.gains()
    weights = supplies.weights().numpy()
    scale = np.array([node.flow_scale for node in nominal.layout.nodes])
    tangent = np.zeros((len(supply), len(routes.pair_node), len(nominal.blocks)))
    NODE_TANGENTS(
        at_floor.numpy(),
        per_flow.numpy() / scale,
        routes.pair_node,
        routes.pair_sets,
        routes.pair_flows,
        routes.above_start,
        routes.above_pair,
        weights[routes.above_below, routes.above_node],
        first_gain.numpy(),
        second_gain.numpy(),
        nominal.block_of,
        tangent,
    )
    return tangent


def _head_slopes(
    racks: Racks, supply: Tensor, flow: Tensor, it_power_kw: Tensor
) -> tuple[Array, Array, Array, Array]:
    """One backward pass of the summed heads for each of the two drives; (T*every, F) each.

    Supply to each K and to each share of flow, then rise to the same; the features are those of
    `models.routes`.
    """
    liquid = tuple(f.detach().clone() for f in racks.liquid_features(supply, flow))
    air = tuple(f.detach().clone() for f in racks.air_features(supply, flow))
    leaves = [leaf.requires_grad_() for leaf in (*liquid, *air)]
    drives = racks.heads((leaves[0], leaves[1]), (leaves[2], leaves[3]), it_power_kw)

    def slopes(drive: Tensor, keep: bool) -> tuple[Array, Array]:
        grads = torch.autograd.grad(
            drive.sum(), leaves, retain_graph=keep, allow_unused=True, materialize_grads=True
        )
        steps = supply.shape[0]
        return (
            torch.cat([grads[0], grads[2].reshape(steps, -1)], dim=1).numpy(),
            torch.cat([grads[1], grads[3].reshape(steps, -1)], dim=1).numpy(),
        )

    return *slopes(drives.supply, keep=True), *slopes(drives.rise, keep=False)


def _rack_tangents(
    nominal: Nominal,
    slopes: tuple[Array, Array, Array, Array],
    moved: Array,
    only: Sequence[int] | None,
    weight: Array | None,
) -> tuple[Sensitivities, Array]:
    """Drive each pair's lags with the linearised heads."""
    routes, blocks = nominal.routes, len(nominal.blocks)
    steps = len(moved) // nominal.every
    wanted = np.ones(len(nominal.layout.racks), dtype=bool)
    if only is not None:
        wanted[:] = False
        wanted[np.asarray(only, dtype=np.int64)] = True
    told = wanted[routes.rack]
    place = np.where(told, np.cumsum(told) - 1, -1)
    counted = np.zeros((steps, len(wanted))) if weight is None else weight
    gains, shares = (values.numpy() for values in nominal.racks.lags())
    gain = np.zeros((int(told.sum()), steps, blocks))
    total = np.zeros((blocks, len(nominal.layout.groups)))
    RACK_TANGENTS(
        *slopes,
        moved,
        routes.rack,
        routes.group,
        routes.through_start,
        routes.through_feature,
        routes.through_pair,
        routes.direct_start,
        routes.direct_feature,
        routes.direct_per_unit,
        gains,
        shares,
        nominal.block_of,
        nominal.every,
        place,
        np.ascontiguousarray(counted),
        np.any(counted != 0.0, axis=0),
        gain,
        total,
    )
    return Sensitivities(rack=routes.rack[told], group=routes.group[told], gain=gain), total
