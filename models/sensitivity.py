"""How temperatures answer to setpoints: static parts linearised, recurrences exact.

The heads are local, so each one's own derivatives are worked out rack by rack, and driven through
the very recurrences of the roll-out, one column for each block of steps at which a setpoint
could have been different (`models.tangents`). What a weighted sum of all racks owes to each
setpoint is one pass back through the same recurrences (`models.adjoint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.adjoint import AIR_SLOPES, LIQUID_SLOPES, PULL_AIR, PULL_LIQUID, PULL_NODES
from models.contract import Array, Sensitivities
from models.layout import Ints, Layout
from models.plain import AirRacks, Drive, LiquidRacks, Plain, Supplied
from models.routes import Routes
from models.tangents import NODE_TANGENTS, RACK_TANGENTS


@dataclass(frozen=True, slots=True)
class Nominal:
    """The trajectory about which the model is linearised, at 60 s."""

    layout: Layout
    routes: Routes
    plain: Plain
    drive: Drive
    supplied: Supplied
    every: int
    """Inner steps in one of the caller's."""
    blocks: tuple[int, ...]
    """The caller's steps for which a move is held."""

    def __post_init__(self) -> None:
        """Check that the blocks fill the horizon."""
        steps = len(self.drive.load)
        if sum(self.blocks) != steps or min(self.blocks) < 1:
            raise ValueError(f"blocks {self.blocks} do not fill a horizon of {steps} steps")

    @property
    def block_of_step(self) -> Ints:
        """(S,) block of each of the caller's steps."""
        return np.repeat(np.arange(len(self.blocks)), np.array(self.blocks))

    @property
    def block_of(self) -> Ints:
        """(T,) block of each inner step."""
        return np.repeat(self.block_of_step, self.every)


def sensitivities(nominal: Nominal, only: Sequence[int] | None = None) -> Sensitivities:
    """Derivatives of ``only`` these racks (None: all) at the ends of the caller's steps."""
    routes, layout, plain = nominal.routes, nominal.layout, nominal.plain
    wanted = np.ones(len(layout.racks), dtype=bool)
    if only is not None:
        wanted[:] = False
        wanted[np.asarray(only, dtype=np.int64)] = True
    pair = np.flatnonzero(wanted[routes.rack])
    liquid, air = np.flatnonzero(wanted[layout.liquid]), np.flatnonzero(wanted[layout.air])
    moved = _node_tangents(nominal, _needed(layout, liquid, air))
    slopes = [
        np.concatenate(parts, axis=1)
        for parts in zip(
            _liquid_features(nominal, plain.liquid.take(liquid), liquid),
            _air_features(nominal, plain.air.take(air), air),
            strict=True,
        )
    ]
    gains, shares = np.zeros((2, 4, len(layout.racks)))
    for part in (plain.liquid, plain.air):
        gains[:, part.rack], shares[:, part.rack] = part.gains, part.shares
    gain = np.zeros((len(pair), len(nominal.drive.load), len(nominal.blocks)))
    RACK_TANGENTS(
        *slopes,
        moved,
        pair,
        routes.rack,
        routes.through_start,
        routes.through_feature,
        routes.through_pair,
        routes.direct_start,
        routes.direct_feature,
        routes.direct_per_unit,
        _places(layout, liquid, air),
        gains,
        shares,
        nominal.block_of,
        nominal.every,
        gain,
    )
    return Sensitivities(rack=routes.rack[pair], group=routes.group[pair], gain=gain)


def owed(nominal: Nominal, weight: Array) -> Array:
    """(B, G) the derivative of ``sum(weight * limited)`` over all racks, ``weight`` (S, R)."""
    plain, drive, supplied, every = nominal.plain, nominal.drive, nominal.supplied, nominal.every
    weight = np.ascontiguousarray(weight)
    to_supply = np.zeros_like(supplied.supply_c)
    to_setpoint, to_flow = np.zeros((2, *drive.flow.shape))
    liquid, air = plain.liquid, plain.air
    if len(liquid.rack):
        PULL_LIQUID(
            weight,
            every,
            liquid.rack,
            liquid.unit,
            liquid.per_supply,
            liquid.gains,
            liquid.shares,
            *_liquid_slopes(nominal, liquid, np.arange(len(liquid.rack))),
            to_supply,
            to_flow,
        )
    if len(air.rack):
        PULL_AIR(
            weight,
            every,
            air.rack,
            air.units,
            air.law[0],
            air.gains,
            air.shares,
            supplied.supply_c,
            *_air_slopes(nominal, air, np.arange(len(air.rack))),
            to_supply,
            to_flow,
        )
    PULL_NODES(
        every,
        plain.has_setpoint,
        plain.above_start,
        plain.above,
        plain.above_weight,
        plain.gains,
        supplied.at_floor,
        supplied.per_flow,
        to_supply,
        to_setpoint,
        to_flow,
    )
    by_group = np.zeros((len(nominal.layout.groups), len(drive.load)))
    np.add.at(by_group, plain.setpoint, (to_setpoint * plain.has_setpoint).T)
    np.add.at(by_group, plain.flow, (to_flow * plain.per_flow_unit).T)
    total = np.zeros((len(nominal.blocks), len(by_group)))
    np.add.at(total, nominal.block_of_step, by_group.T)
    return total


def _needed(layout: Layout, liquid: Ints, air: Ints) -> NDArray[np.bool_]:
    """(M,) the units of these racks, and what is upstream of them."""
    needed = np.zeros(len(layout.nodes), dtype=bool)
    needed[layout.liquid_unit[liquid]] = True
    needed[layout.air_units[air].ravel()] = True
    for i in range(len(needed) - 1, -1, -1):
        if needed[i]:
            needed[list(layout.nodes[i].upstream)] = True
    return needed


def _places(layout: Layout, liquid: Ints, air: Ints) -> Ints:
    """By feature of `models.routes`: its column among those of the racks asked for."""
    width = layout.air_units.shape[1]
    place = np.zeros(len(layout.liquid) + layout.air_units.size, dtype=np.int64)
    place[liquid] = np.arange(len(liquid))
    of_air = len(layout.liquid) + air[:, None] * width + np.arange(width)
    place[of_air.ravel()] = len(liquid) + np.arange(of_air.size)
    return place


def _node_tangents(nominal: Nominal, needed: NDArray[np.bool_]) -> Array:
    """(P, T, B): how the supply of each pair's node answers to its group."""
    plain, supplied, routes = nominal.plain, nominal.supplied, nominal.routes
    scale = np.array([node.flow_scale for node in nominal.layout.nodes])
    shape = (len(routes.pair_node), len(supplied.supply_c), len(nominal.blocks))
    tangent = np.zeros(shape)
    NODE_TANGENTS(
        supplied.at_floor,
        supplied.per_flow / scale,
        routes.pair_node,
        routes.pair_sets,
        routes.pair_flows,
        routes.above_start,
        routes.above_pair,
        plain.weight_of(routes.above_below, routes.above_node),
        plain.gains[1],
        plain.gains[2],
        nominal.block_of,
        needed,
        tangent,
    )
    return tangent


def _liquid_slopes(nominal: Nominal, racks: LiquidRacks, which: Ints) -> tuple[Array, Array]:
    """Of the rise, (T, L) each: to the coolant and to its flow."""
    drive = nominal.drive
    by_supply, by_flow = np.empty((2, len(nominal.supplied.supply_c), len(racks.rack)))
    LIQUID_SLOPES(
        nominal.supplied.supply_c,
        drive.flow,
        np.ascontiguousarray(drive.liquid_load[:, which]),
        nominal.every,
        racks.unit,
        racks.weight,
        racks.inward,
        racks.own,
        racks.outward,
        by_supply,
        by_flow,
    )
    return by_supply, by_flow


def _air_slopes(nominal: Nominal, racks: AirRacks, which: Ints) -> tuple[Array, ...]:
    """As `models.adjoint` answers them: mixed, by_mixed, by_air, share, per_flow, brings."""
    drive, (width, count) = nominal.drive, racks.units.shape
    mixed, by_mixed, by_air = np.empty((3, len(nominal.supplied.supply_c), count))
    share, per_flow = np.empty((2, len(drive.load), width, count))
    brings = np.empty((width, count))
    AIR_SLOPES(
        nominal.supplied.supply_c,
        drive.flow,
        drive.load,
        np.ascontiguousarray(drive.row_load[:, which]),
        np.ascontiguousarray(drive.hall_load[:, which]),
        nominal.every,
        racks.rack,
        racks.units,
        racks.mixing,
        racks.figures,
        racks.law,
        racks.inward,
        racks.own,
        racks.outward,
        mixed,
        by_mixed,
        by_air,
        share,
        per_flow,
        brings,
    )
    return mixed, by_mixed, by_air, share, per_flow, brings


def _liquid_features(
    nominal: Nominal, racks: LiquidRacks, which: Ints
) -> tuple[Array, Array, Array, Array]:
    """(T, L) of each drive: supply to each K and share of flow, then rise to the same."""
    by_supply, by_flow = _liquid_slopes(nominal, racks, which)
    supply = np.full_like(by_supply, racks.per_supply)
    return supply, np.zeros_like(by_flow), by_supply, by_flow


def _air_features(
    nominal: Nominal, racks: AirRacks, which: Ints
) -> tuple[Array, Array, Array, Array]:
    """(T, L * K) of the same, a rack's units side by side."""
    mixed, by_mixed, by_air, share, per_flow, brings = _air_slopes(nominal, racks, which)
    every, steps = nominal.every, len(mixed)

    def inner(by_step: Array) -> Array:
        return np.repeat(by_step.transpose(0, 2, 1), every, axis=0)

    supply = nominal.supplied.supply_c[:, racks.units.T]
    mixes = inner(per_flow) * (supply - mixed[:, :, None])
    air = np.where(inner(per_flow) > 0.0, brings.T, 0.0)
    to_k = inner(share)
    return (
        (racks.law[0] * to_k).reshape(steps, -1),
        (racks.law[0] * mixes).reshape(steps, -1),
        (by_mixed[:, :, None] * to_k).reshape(steps, -1),
        (by_mixed[:, :, None] * mixes + by_air[:, :, None] * air).reshape(steps, -1),
    )
