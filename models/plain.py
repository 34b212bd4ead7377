"""The trained thermal model as plain arrays, for whoever asks it and does not fit it.

`Plain.of` takes the parameters out of the torch modules once; `march` is then the roll-out, in
compiled loops over time (`models.march`) instead of a call of torch for every step and layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn.functional import softplus

from models.contract import Array, Inputs
from models.layout import Ints, Layout
from models.march import AIR, LIQUID, NODES
from models.racks import Racks
from models.shares import load_shares
from models.supplies import Supplies


class Net(Protocol):
    """Modules of a thermal model (`models.thermal.ThermalNet`)."""

    supplies: Supplies
    racks: Racks


LEARNED = ("outdoor", "bias", "shift", "knee", "per_load", "per_load_flow", "per_load_square")
"""Of `models.supplies.Learned`, in the order in which the march takes them."""


@dataclass(frozen=True)
class Drive:
    """What drives a horizon of ``S`` of the caller's steps, by node and rack."""

    setpoint_c: Array
    """(S, M); anything where a node has none."""
    flow: Array
    """(S, M) share of the design's; 0 where a node has none."""
    node_load: Array
    """(S, M) share of the rating."""
    load: Array
    """(S, R) share of the rating."""
    liquid_load: Array
    """(S, Ll) that warms each liquid-cooled rack."""
    row_load: Array
    """(S, La) of each air-cooled rack's row."""
    hall_load: Array
    """(S, La) of its hall."""
    wet_bulb_c: Array
    """(S,)."""


@dataclass(frozen=True)
class Supplied:
    """The supplies of a trajectory at 60 s, ``T`` inner steps."""

    supply_c: Array
    """(T, M)."""
    at_floor: Array
    """(T, M) derivative of each reference to its floor."""
    per_flow: Array
    """(T, M) and to its flow."""
    nodes: Array
    """(3, M) states at the end."""


@dataclass(frozen=True)
class Marched:
    """A trajectory of supplies and racks."""

    supplied: Supplied
    limited_c: Array
    """(T, R), with more lines where the first minutes were divided."""
    racks: Array
    """(4, R) states at the end."""


@dataclass(frozen=True)
class LiquidRacks:
    """Direct-to-chip racks; L of them."""

    rack: Ints
    unit: Ints
    weight: Array
    """(3, L)."""
    shift: Array
    per_supply: float
    inward: Array
    own: Array
    """(H, L)."""
    outward: Array
    gains: Array
    """(4, L)."""
    shares: Array

    def take(self, which: Ints) -> LiquidRacks:
        """Some of them."""
        return replace(
            self,
            rack=self.rack[which],
            unit=self.unit[which],
            shift=self.shift[which],
            weight=np.ascontiguousarray(self.weight[:, which]),
            own=np.ascontiguousarray(self.own[:, which]),
            gains=np.ascontiguousarray(self.gains[:, which]),
            shares=np.ascontiguousarray(self.shares[:, which]),
        )


@dataclass(frozen=True)
class AirRacks:
    """Air-cooled racks; L of them, each with up to K units."""

    rack: Ints
    units: Ints
    """(K, L)."""
    mixing: Array
    """(K, L); 0 where a unit is padding."""
    figures: Array
    """(3, L): shift, always, starved."""
    law: Array
    inward: Array
    own: Array
    """(H, L)."""
    outward: Array
    gains: Array
    """(4, L)."""
    shares: Array

    def take(self, which: Ints) -> AirRacks:
        """Some of them."""
        names = ("units", "mixing", "figures", "own", "gains", "shares")
        return replace(
            self,
            rack=self.rack[which],
            **{name: np.ascontiguousarray(getattr(self, name)[:, which]) for name in names},
        )


@dataclass(frozen=True)
class Plain:
    """All parameters; M nodes, R racks."""

    setpoint: Ints
    """(M,) group of each node's setpoint, 0 where it has none."""
    has_setpoint: NDArray[np.bool_]
    flow: Ints
    per_flow_unit: Array
    """(M,) share of the design flow for a unit of the setpoint; 0 where a node has none."""
    above_start: Ints
    above: Ints
    above_weight: Array
    learned: Array
    """(7, M) as `models.march` takes them."""
    gains: Array
    """(3, M)."""
    rated_kw: Array
    shares: sparse.csr_array
    """(lines, R) load of nodes, liquid-cooled racks, rows and halls, from each rack's in kW."""
    line: Ints
    """(M + Ll + La + La,) the line of each node, of each liquid-cooled rack, and of the row and
    the hall of each air-cooled one."""
    liquid: LiquidRacks
    air: AirRacks

    @classmethod
    def of(cls, layout: Layout, net: Net) -> Plain:
        """Take the parameters out of the modules."""
        supplies, nodes = net.supplies, layout.nodes
        learned = supplies.learned()
        shares, line = load_shares(layout, net.racks)
        weights = _array(learned.weights)
        above_start = np.cumsum([0, *(len(node.upstream) for node in nodes)])
        return cls(
            setpoint=_ints([max(node.setpoint, 0) for node in nodes]),
            has_setpoint=np.array([node.setpoint >= 0 for node in nodes]),
            flow=_ints([max(node.flow, 0) for node in nodes]),
            per_flow_unit=np.array([float(n.flow >= 0) / n.flow_scale for n in nodes]),
            above_start=_ints(above_start),
            above=_ints([j for node in nodes for j in node.upstream]),
            above_weight=np.array([weights[i, j] for i, n in enumerate(nodes) for j in n.upstream]),
            learned=np.stack([_array(getattr(learned, name)) for name in LEARNED]),
            gains=np.stack([_array(gain) for gain in supplies.gains()]),
            rated_kw=layout.rated_kw,
            shares=shares,
            line=line,
            liquid=_liquid(layout, net),
            air=_air(layout, net),
        )

    def weight_of(self, below: Ints, above: Ints) -> Array:
        """How much the floors of nodes ``below`` rise with the supply of those ``above``."""
        count = len(self.setpoint)
        owner = np.repeat(np.arange(count), np.diff(self.above_start))
        key = owner * count + self.above
        order = np.argsort(key)
        return self.above_weight[order[np.searchsorted(key, below * count + above, sorter=order)]]

    def drive(self, inputs: Inputs) -> Drive:
        """What drives the nodes and racks."""
        it_power = np.asarray(inputs.it_power_kw, dtype=np.float64)
        setpoints = np.asarray(inputs.setpoints, dtype=np.float64)
        shared = np.ascontiguousarray((self.shares @ it_power.T).T)
        ends = np.cumsum([len(self.setpoint), len(self.liquid.rack), len(self.air.rack)])
        node_load, liquid_load, row_load, hall_load = (
            shared.take(part, axis=1) for part in np.split(self.line, ends)
        )
        return Drive(
            setpoint_c=setpoints[:, self.setpoint],
            flow=setpoints[:, self.flow] * self.per_flow_unit,
            node_load=node_load,
            load=it_power / self.rated_kw,
            liquid_load=liquid_load,
            row_load=row_load,
            hall_load=hall_load,
            wet_bulb_c=np.asarray(inputs.wet_bulb_c, dtype=np.float64),
        )

    def supply(self, drive: Drive, every: int, start: Array | None, offset_k: Array) -> Supplied:
        """Roll the supplies out alone, ``every`` minutes for each step of the drive.

        ``start`` (3, M) are the states of the nodes; None starts settled.
        """
        count = len(self.setpoint)
        nodes = np.zeros((3, count)) if start is None else start.copy()
        supply, at_floor, per_flow = np.empty((3, len(drive.load) * every, count))
        NODES(
            drive.setpoint_c,
            drive.flow,
            drive.node_load,
            drive.wet_bulb_c,
            every,
            self.has_setpoint,
            self.above_start,
            self.above,
            self.above_weight,
            self.learned,
            self.gains,
            offset_k,
            start is None,
            nodes,
            supply,
            at_floor,
            per_flow,
        )
        return Supplied(supply, at_floor, per_flow, nodes)

    def march(  # noqa: PLR0917 - the parts of a state
        self,
        drive: Drive,
        every: int,
        start: tuple[Array, Array] | None,
        supply_offset_k: Array,
        rack_offset_k: Array,
        sub: int = 1,
        fine: int = 0,
    ) -> Marched:
        """Roll out ``every`` minutes for each step of the drive.

        Parameters
        ----------
        start
            States of nodes (3, M) and racks (4, R); None starts settled.
        sub, fine
            Lines a minute of ``limited_c`` for the first ``fine`` minutes.
        """
        settled = start is None
        supplied = self.supply(drive, every, None if start is None else start[0], supply_offset_k)
        supply, (steps, count) = supplied.supply_c, drive.load.shape
        racks = np.zeros((4, count)) if start is None else start[1].copy()
        limited = np.empty((fine * sub + steps * every - fine, count))
        liquid, air = self.liquid, self.air
        state = np.ascontiguousarray(racks[:, liquid.rack])
        LIQUID(
            supply,
            drive.flow,
            drive.liquid_load,
            every,
            liquid.rack,
            liquid.unit,
            liquid.weight,
            liquid.shift,
            liquid.per_supply,
            liquid.inward,
            liquid.own,
            liquid.outward,
            liquid.gains,
            liquid.shares,
            rack_offset_k[liquid.rack],
            sub,
            fine,
            settled,
            state,
            limited,
        )
        racks[:, liquid.rack] = state
        state = np.ascontiguousarray(racks[:, air.rack])
        AIR(
            supply,
            drive.flow,
            drive.load,
            drive.row_load,
            drive.hall_load,
            every,
            air.rack,
            air.units,
            air.mixing,
            air.figures,
            air.law,
            air.inward,
            air.own,
            air.outward,
            air.gains,
            air.shares,
            rack_offset_k[air.rack],
            sub,
            fine,
            settled,
            state,
            limited,
        )
        racks[:, air.rack] = state
        return Marched(supplied, limited, racks)


def _array(values: Tensor) -> Array:
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float64)


def _ints(values: Sequence[int] | Array) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _lags(net: Net, racks: Ints) -> tuple[Array, Array]:
    gains, shares = (_array(values) for values in net.racks.lags())
    return np.ascontiguousarray(gains[:, racks]), np.ascontiguousarray(shares[:, racks])


def _rest(head: Any) -> tuple[Array, Array, Array]:
    """Of an `Increasing` network: inward (H, F), each rack's own (H, L), outward (H,)."""
    own = head.embedding @ head.placing.T + head.bias
    return (
        _array(softplus(head.inward)),
        np.ascontiguousarray(_array(own).T),
        _array(softplus(head.outward)),
    )


def _liquid(layout: Layout, net: Net) -> LiquidRacks:
    head = net.racks.liquid_head
    gains, shares = _lags(net, layout.liquid)
    inward, own, outward = _rest(head.rest)
    weight = softplus(head.rise + head.own_rise)
    return LiquidRacks(
        rack=layout.liquid,
        unit=layout.liquid_unit,
        weight=np.ascontiguousarray(_array(weight).T),
        shift=_array(head.shift),
        per_supply=float(softplus(head.per_supply.detach())),
        inward=inward,
        own=own,
        outward=outward,
        gains=gains,
        shares=shares,
    )


def _air(layout: Layout, net: Net) -> AirRacks:
    head = net.racks.air_head
    gains, shares = _lags(net, layout.air)
    inward, own, outward = _rest(head.rest)
    there = cast(Tensor, head.there)
    figures = [head.shift, softplus(head.always), softplus(head.starved)]
    law = [
        softplus(head.per_supply).reshape(1),
        softplus(head.demand),
        head.enough.reshape(1),
        softplus(head.knee).reshape(1),
        softplus(head.fan_law).reshape(1),
        softplus(head.exhaust),
    ]
    return AirRacks(
        rack=layout.air,
        units=np.ascontiguousarray(layout.air_units.T),
        mixing=np.ascontiguousarray(_array(head.mixing.exp() * there).T),
        figures=np.stack([_array(part) for part in figures]),
        law=np.concatenate([_array(part) for part in law]),
        inward=inward,
        own=own,
        outward=outward,
        gains=gains,
        shares=shares,
    )
