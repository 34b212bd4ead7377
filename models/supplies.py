"""Supply temperatures of tower water, loops and units: setpoints, and where they end.

The reference of a node is its setpoint until its floor rises above it, with a smooth
knee: ``ref = setpoint + w softplus((floor - setpoint)/w)``. The floor is what the node
can reach at full capacity, and rises with the water upstream of it and with its load:

``floor = b + sum_j w_j T_j + load (c0 + c1 flow) + c2 load^2``, all weights above 0.

The approach of an exchanger whose valve is fully open is proportional to its heat (NTU
method: ``T_supply - T_water = Q (1/(eps C_min) - 1/C)``, Incropera et al., Fundamentals
of Heat and Mass Transfer, ch. 11); ``c1`` carries its dependence on the flow, ``c2`` what
towers and chillers add near their rating. Then two lags in series, and an offset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from models.layout import Layout
from models.recurrence import lag

KINDS = ("tower", "loop", "cdu", "crah")
# Where the fit starts: weight of the water upstream, approach in K at full load, knee in K,
# minutes of the loop's two lags. Typical plant; what is learned replaces it.
UPSTREAM_WEIGHT = {"tower": 0.8, "loop": 0.9, "cdu": 1.0, "crah": 1.0}
APPROACH_K = {"tower": 5.0, "loop": 2.0, "cdu": 4.0, "crah": 5.0}
BIAS_K = {"tower": 5.0, "loop": -3.0, "cdu": 0.0, "crah": 0.0}
KNEE_K = 0.4
LAG_GAINS = (0.5, 0.6)
LOAD_GAIN = 0.3
GAIN_RANGE = (0.02, 0.98)
"""Gains a minute: lags of 50 min down to a quarter of a minute."""


def inverse_softplus(value: float) -> float:
    """The argument at which softplus is ``value``."""
    return math.log(math.expm1(value))


def gain_of(raw: Tensor) -> Tensor:
    """A gain in `GAIN_RANGE` from an unbounded parameter."""
    low, high = GAIN_RANGE
    return low + (high - low) * torch.sigmoid(raw)


def raw_gain(gain: float) -> float:
    """The parameter at which `gain_of` is ``gain``."""
    share = (gain - GAIN_RANGE[0]) / (GAIN_RANGE[1] - GAIN_RANGE[0])
    return math.log(share / (1.0 - share))


@dataclass(frozen=True, slots=True)
class SupplyDrive:
    """What drives the supplies; leading axes (T, ...) as the caller likes, M nodes last."""

    setpoint_c: Tensor
    """(T, ..., M); anything where a node has none."""
    flow: Tensor
    """(T, ..., M) share of the design's; 0 where a node has none."""
    load: Tensor
    """(T, ..., M) share of the rating."""
    wet_bulb_c: Tensor
    """(T, ..., 1)."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Parameters as the references take them; (M,) but for the weights."""

    weights: Tensor
    """(M, M): how much a node's floor rises with each node's supply."""
    outdoor: Tensor
    bias: Tensor
    shift: Tensor
    knee: Tensor
    per_load: Tensor
    per_load_flow: Tensor
    per_load_square: Tensor


class Supplies(nn.Module):
    """Learned floors, knees and lags of all nodes: a base for each kind, a deviation for each."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        nodes = layout.nodes
        self.nodes = len(nodes)
        self.levels = [torch.as_tensor(level) for level in layout.levels]
        self.all_nodes = [torch.arange(self.nodes)]
        kind = torch.tensor([KINDS.index(node.kind) for node in nodes])
        self.register_buffer("kind", kind, persistent=False)
        has = torch.tensor([node.setpoint >= 0 for node in nodes])
        self.register_buffer("has_setpoint", has, persistent=False)
        edges = torch.zeros(len(nodes), len(nodes))
        for i, node in enumerate(nodes):
            edges[i, list(node.upstream)] = 1.0
        self.register_buffer("edges", edges, persistent=False)
        fed_by_air = torch.tensor([float(node.kind == "tower") for node in nodes])
        self.register_buffer("fed_by_air", fed_by_air, persistent=False)

        def table(values: dict[str, float]) -> nn.Parameter:
            return nn.Parameter(torch.tensor([values[k] for k in KINDS], dtype=torch.float64))

        def same(value: float) -> nn.Parameter:
            return table(dict.fromkeys(KINDS, value))

        self.base = nn.ParameterDict(
            {
                "shift": same(0.0),
                "knee": same(inverse_softplus(KNEE_K)),
                "bias": table(BIAS_K),
                "per_load": table({k: inverse_softplus(v) for k, v in APPROACH_K.items()}),
                "per_load_flow": same(inverse_softplus(0.1)),
                "per_load_square": same(inverse_softplus(0.1)),
                "load_gain": same(raw_gain(LOAD_GAIN)),
                "first_gain": same(raw_gain(LAG_GAINS[0])),
                "second_gain": same(raw_gain(LAG_GAINS[1])),
            }
        )
        self.own = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(len(nodes), dtype=torch.float64)) for name in self.base}
        )
        upstream = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
        wet = torch.zeros(len(nodes), dtype=torch.float64)
        for i, node in enumerate(nodes):
            # A trimmed loop is cooled by two waters; either alone would do.
            share = UPSTREAM_WEIGHT[node.kind] / max(len(node.upstream), 1)
            upstream[i] = inverse_softplus(share)
            wet[i] = inverse_softplus(UPSTREAM_WEIGHT["tower"])
        self.upstream = nn.Parameter(upstream)
        self.wet = nn.Parameter(wet)
        self.double()

    def value(self, name: str) -> Tensor:
        """(M,) parameter ``name``, before its own transformation."""
        shared, own = cast(Tensor, self.base[name]), cast(Tensor, self.own[name])
        return shared[cast(Tensor, self.kind)] + own

    def weights(self) -> Tensor:
        """(M, M): how much a node's floor rises with each node's supply."""
        return softplus(self.upstream) * cast(Tensor, self.edges)

    def learned(self) -> Learned:
        """The parameters of all nodes, worked out once for a call."""
        return Learned(
            weights=self.weights(),
            outdoor=softplus(self.wet) * cast(Tensor, self.fed_by_air),
            bias=self.value("bias"),
            shift=self.value("shift"),
            knee=softplus(self.value("knee")),
            per_load=softplus(self.value("per_load")),
            per_load_flow=softplus(self.value("per_load_flow")),
            per_load_square=softplus(self.value("per_load_square")),
        )

    def reference(
        self, level: Tensor, drive: SupplyDrive, load: Tensor, supply_c: Tensor, learned: Learned
    ) -> Tensor:
        """(T, ..., m) reference of the nodes of a level, given all supplies (T, ..., M)."""
        floor, target, knee = self._parts(level, drive, load, supply_c, learned)
        held = target + knee * softplus((floor - target) / knee)
        return torch.where(cast(Tensor, self.has_setpoint)[level], held, floor)

    def settled(self, drive: SupplyDrive) -> Tensor:
        """(T, ..., M) supplies that each step's inputs would lead to, were they held."""
        learned = self.learned()
        supply = torch.zeros_like(drive.load)
        for level in self.levels:
            ref = self.reference(level, drive, drive.load, supply, learned)
            supply = supply.index_copy(-1, level, ref)
        return supply

    def slopes(
        self, drive: SupplyDrive, nodes_start: Tensor, supply_c: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(T, ..., M) derivatives of the references: to the node's floor, and to its flow.

        The derivative to its setpoint is 1 less the first; to the supply of node ``j``
        it is the first times the weight of ``j``.
        """
        learned = self.learned()
        load = lag(drive.load, self.gains()[0], nodes_start[0])
        (every,) = self.all_nodes
        floor, target, knee = self._parts(every, drive, load, supply_c, learned)
        at_floor = torch.sigmoid((floor - target) / knee)
        at_floor = torch.where(cast(Tensor, self.has_setpoint), at_floor, torch.ones_like(at_floor))
        return at_floor, at_floor * learned.per_load_flow * load

    def _parts(
        self, level: Tensor, drive: SupplyDrive, load: Tensor, supply_c: Tensor, learned: Learned
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Floor, setpoint as the node understands it, and knee."""
        water = supply_c @ learned.weights[level].T
        outdoor = drive.wet_bulb_c * learned.outdoor[level]
        share = load[..., level]
        slope = learned.per_load[level] + learned.per_load_flow[level] * drive.flow[..., level]
        square = learned.per_load_square[level]
        floor = learned.bias[level] + water + outdoor + share * (slope + square * share)
        target = drive.setpoint_c[..., level] + learned.shift[level]
        return floor, target, learned.knee[level]

    def gains(self) -> tuple[Tensor, Tensor, Tensor]:
        """(M,) gains of the load's lag and of the supply's two."""
        names = ("load_gain", "first_gain", "second_gain")
        load, first, second = (gain_of(self.value(name)) for name in names)
        return load, first, second

    def forward(
        self,
        drive: SupplyDrive,
        start: Tensor | None = None,
        offset_k: Tensor | None = None,
        measured_c: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Supplies of all nodes over time.

        ``start`` is (3, ..., M): lagged load, first and second lag; None starts settled.
        ``measured_c`` (T, ..., M) stands in for the water upstream, for fitting a node
        alone. Answers the supplies with the offset, (T, ..., M), and the states after the
        last step, (3, ..., M).
        """
        load_gain, first_gain, second_gain = self.gains()
        load = lag(drive.load, load_gain, drive.load[0] if start is None else start[0])
        learned = self.learned()
        supply = torch.zeros_like(load)
        last = torch.stack([load[-1], torch.zeros_like(load[-1]), torch.zeros_like(load[-1])])
        # With the water upstream known, no node waits for another.
        for level in self.levels if measured_c is None else self.all_nodes:
            seen = supply if measured_c is None else measured_c
            ref = self.reference(level, drive, load, seen, learned)
            first = lag(ref, first_gain[level], ref[0] if start is None else start[1][..., level])
            second = lag(
                first, second_gain[level], ref[0] if start is None else start[2][..., level]
            )
            reached = second if offset_k is None else second + offset_k[..., level]
            supply = supply.index_copy(-1, level, reached)
            ends = torch.stack([load[-1][..., level], first[-1], second[-1]])
            last = last.index_copy(-1, level, ends)
        return supply, last

    def deviation(self) -> Tensor:
        """Mean square of the nodes' own deviations from their kind: what the fit keeps small."""
        return torch.stack([p.square().mean() for p in self.own.values()]).sum()
