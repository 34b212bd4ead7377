"""A tick's numbers for the problem: the models linearised about a nominal plan.

Everything the learned models are asked during planning goes through `Predictor`, so that the
tests can put an analytic plant in their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from controller.planning.corridor import Corridor
from controller.planning.layout import Ints, Layout
from controller.planning.problem import Numbers
from controller.planning.words import PlanRequest
from facility.site import Site
from models.contract import Array, Inputs, PowerCuts, Sensitivities, Trajectory

FAR_K = 1e3
"""Room of a row that is not in use."""

NEAR = 1.0
"""Scaled units within which one linearisation of the worst credible step serves all blocks."""

FIXED = 1e-3
"""Half-width, in scaled units, of the box of a setpoint that must not move: an interior-point
method needs an interior. The answer is put back on the exact value."""


class PatternError(Exception):
    """A linearisation that the layout has no place for; lay out anew, with it."""

    def __init__(self, sensitivities: Sensitivities, cuts: PowerCuts) -> None:
        super().__init__("racks or powers answer to other groups than were laid out")
        self.seen = sensitivities, cuts


class Predictor(Protocol):
    """What the planner asks of the models, for one site."""

    @property
    def version(self) -> str:
        """Content hash of the models."""
        ...

    def roll_out(self, state: Any, inputs: Inputs) -> Trajectory:
        """Every rack over the inputs."""
        ...

    def sensitivities(self, state: Any, inputs: Inputs, blocks: tuple[int, ...]) -> Sensitivities:
        """About the roll-out of the inputs; ``gain`` is (N, T, B) for moves held over blocks."""
        ...

    def power(self, inputs: Inputs) -> dict[str, Array]:
        """(T,) kW by component, without the leakage of IT."""
        ...

    def cuts(self, inputs: Inputs, n: int = 3) -> PowerCuts:
        """``n`` affine under-estimates of each component and step, the first at the inputs."""
        ...

    def leakage(self, it_power_kw: Array, limited_c: Array) -> tuple[Array, Array]:
        """What IT draws for its temperature: kW above an arbitrary level, and kW a K; (T, R)."""
        ...

    def margins(self, lead_s: Array) -> Array:
        """(leads, R) K kept below the limits, one-sided."""
        ...

    def band(self, lead_s: Array) -> tuple[Array, Array]:
        """(leads, R) lower and upper end of the 90 % band, added to a prediction."""
        ...

    @property
    def power_basis(self) -> Array:
        """(F, G) features of the setpoints that span the slopes of the plant's components."""
        ...

    @property
    def power_error_kw(self) -> float:
        """Standard error of the total of `power`."""
        ...

    def state(self, record: str) -> Any:
        """The thermal state that a request carries."""
        ...


@dataclass(frozen=True)
class Situation:
    """A request with its state and its limits, ready for arithmetic."""

    site: Site
    request: PlanRequest
    state: Any
    layout: Layout
    corridor: Corridor

    @cached_property
    def limit_c(self) -> Array:
        """(R,) named limits."""
        return np.array([rack.limit_c for rack in self.site.racks.values()])

    @cached_property
    def recommended_c(self) -> Array:
        """(R,) where operators like the racks to stay; kept softly."""
        return np.array([rack.recommended_c for rack in self.site.racks.values()])

    @cached_property
    def rated_kw(self) -> Array:
        """(R,)."""
        return np.array([rack.rated_kw for rack in self.site.racks.values()])

    def factor(self, component: str) -> float:
        """Measured over expected power of a component, ``name`` or ``name/unit``."""
        return self.request.power_factors.get(component.partition("/")[0], 1.0)

    @cached_property
    def hours(self) -> Array:
        """(T,) hours times relative price of each step, the last with the terminal cost."""
        request, settings = self.request, self.layout.settings
        price = np.array(request.price_per_kwh)
        mean = float(price.mean())
        relative = price / mean if mean > 0.0 else np.ones_like(price)
        hours = np.maximum(relative, 0.0) * request.step_s / 3600.0
        # Spread over the last block, whose setpoint is the one that stays in force.
        last = settings.blocks[-1]
        hours[-last:] += settings.terminal_h * max(float(relative.mean()), 0.0) / last
        return hours

    def inputs(self, blocks: Array) -> Inputs:
        """The horizon's inputs under setpoints by block."""
        return self.request.inputs(self.corridor.steps(blocks))

    def block_inputs(self, blocks: Array) -> Inputs:
        """One row a block, with its mean load and weather: enough for static power models."""
        request, layout = self.request, self.layout
        mean = layout.blocking / layout.blocking.sum(axis=0)
        return Inputs(
            start_s=request.now_s,
            step_s=request.step_s,
            setpoints=blocks,
            it_power_kw=mean.T @ np.array(request.it_power_kw),
            wet_bulb_c=mean.T @ np.array(request.wet_bulb_c),
            dry_bulb_c=mean.T @ np.array(request.dry_bulb_c),
        )

    def worst_inputs(self, setpoints: Array) -> Inputs:
        """Every rack to its rated power in a minute, under ``setpoints`` (G,) held."""
        settings, request = self.layout.settings, self.request
        count = max(1, round(settings.worst_step_s / request.step_s))
        return Inputs(
            start_s=request.now_s,
            step_s=request.step_s,
            setpoints=np.tile(setpoints, (count, 1)),
            # The rise of a minute at the start of a 5-minute step is on the safe side as a jump.
            it_power_kw=np.tile(self.rated_kw, (count, 1)),
            wet_bulb_c=np.full(count, max(request.wet_bulb_c)),
            dry_bulb_c=np.full(count, max(request.dry_bulb_c)),
        )


def linearise(  # noqa: PLR0917 - what a linearisation is about
    situation: Situation,
    predictor: Predictor,
    nominal: Array,
    visited: list[Array],
    tightening: dict[tuple[int, int], float],
    hot: dict[tuple[int, int], tuple[int, ...]],
    trust: float,
) -> Numbers:
    """The numbers of the problem about ``nominal`` (B, G).

    Parameters
    ----------
    visited
        Setpoints (B, G) of earlier rounds, at which the powers are cut as well.
    tightening
        By (rack, check): K to take from its room, where a roll-out broke what the rows allowed.
    hot
        By (unit, check): racks that must have a row besides the hottest.
    trust
        Largest change, as a share of a setpoint's range.
    """
    layout, request = situation.layout, situation.request
    inputs = situation.inputs(nominal)
    trajectory = predictor.roll_out(situation.state, inputs)
    sensitivities = predictor.sensitivities(situation.state, inputs, layout.settings.blocks)
    cuts = _joined(
        situation,
        [
            predictor.cuts(situation.block_inputs(nominal)),
            *(predictor.cuts(situation.block_inputs(point), n=1) for point in visited),
        ],
    )
    if not layout.fits(sensitivities, cuts):
        raise PatternError(sensitivities, cuts)
    blocked = sensitivities.gain * layout.scale[sensitivities.group][:, None, None]
    pair = _pairs(layout, sensitivities)
    corridor = situation.corridor
    active = np.logical_not(corridor.fixed)

    gain, room, rack_of_row = _temperature(
        situation, predictor, trajectory, blocked, pair, tightening, hot
    )
    worst_gain, worst_room, worst_rack_of_row = _worst(situation, predictor, nominal)
    cut, cut_at_nominal = _power(layout, cuts, nominal)
    leakage = _leakage(situation, predictor, trajectory, sensitivities, blocked)

    lower, upper = corridor.ends
    rise, fall = corridor.rates
    scale = layout.scale
    before = np.vstack([request.in_force, nominal[:-1]])
    span = np.array([limit.upper - limit.lower for limit in request.limits])
    reach = np.maximum(trust * span / scale, FIXED)
    keep_t, keep_w = (active[e.block, e.column] for e in (layout.temperature, layout.worst))
    previous = nominal
    if request.previous is not None:
        previous = np.array(request.previous)[layout.block_start]
    return Numbers(
        nominal=nominal,
        price=layout.blocking.T @ situation.hours,
        leakage=np.where(active, leakage, 0.0),
        previous=np.where(active, (previous - nominal) / scale, 0.0),
        step=(nominal - before) / scale,
        rise=np.maximum(rise / scale, FIXED),
        fall=np.maximum(fall / scale, FIXED),
        lower=np.minimum(np.maximum((lower - nominal) / scale, -reach), 0.0) - FIXED,
        upper=np.maximum(np.minimum((upper - nominal) / scale, reach), 0.0) + FIXED,
        cut=cut,
        cut_at_nominal=cut_at_nominal,
        gain=np.where(keep_t, gain, 0.0),
        room_k=room,
        worst_gain=np.where(keep_w, worst_gain, 0.0),
        worst_room_k=worst_room,
        rack_of_row=rack_of_row,
        worst_rack_of_row=worst_rack_of_row,
    )


def _pairs(layout: Layout, sensitivities: Sensitivities) -> Ints:
    """(R, G) index of the pair's block of sensitivities; -1 where there is none."""
    pair = np.full((len(layout.rack_names), layout.groups), -1, dtype=np.int64)
    pair[sensitivities.rack, sensitivities.group] = np.arange(len(sensitivities.rack))
    return pair


def choose_hot(layout: Layout, room: Array, extra: tuple[int, ...], unit: int) -> Ints:
    """(slots,) racks of a unit that get a row, least room first; -1 where there are too few.

    ``room`` is (R,); ``extra`` racks outrank the hottest, within the number of slots.
    """
    racks = np.flatnonzero(layout.unit_of_rack == unit)
    hottest = [int(r) for r in racks[np.argsort(room[racks], kind="stable")]]
    hottest = hottest[: layout.settings.hottest]
    chosen = list(dict.fromkeys([*extra, *hottest]))[: layout.slots]
    return np.array(chosen + [-1] * (layout.slots - len(chosen)), dtype=np.int64)


def _temperature(  # noqa: PLR0917 - what the rows are made of
    situation: Situation,
    predictor: Predictor,
    trajectory: Trajectory,
    blocked: Array,
    pair: Ints,
    tightening: dict[tuple[int, int], float],
    hot: dict[tuple[int, int], tuple[int, ...]],
) -> tuple[Array, Array, Ints]:
    layout, request = situation.layout, situation.request
    lead_s = np.asarray((layout.checks + 1.0) * request.step_s, dtype=np.float64)
    allowed = situation.limit_c - predictor.margins(lead_s)
    allowed = np.minimum(allowed, situation.recommended_c)
    room = allowed - trajectory.limited_c[layout.checks]
    for (rack, check), excess in tightening.items():
        room[check, rack] -= excess
    units, checks = len(layout.units), len(layout.checks)
    rack_of_row = np.concatenate(
        [
            choose_hot(layout, room[c], hot.get((u, c), ()), u)
            for u in range(units)
            for c in range(checks)
        ]
    )
    check_of_row = np.tile(np.repeat(np.arange(checks), layout.slots), units)
    used = rack_of_row >= 0
    row_room = np.where(used, room[check_of_row, rack_of_row], FAR_K)

    entries = layout.temperature
    found = pair[rack_of_row[entries.row], entries.column]
    gain = blocked[found, layout.checks[check_of_row[entries.row]], entries.block]
    return np.where(used[entries.row] & (found >= 0), gain, 0.0), row_room, rack_of_row


def _worst(situation: Situation, predictor: Predictor, nominal: Array) -> tuple[Array, Array, Ints]:
    """Rows after the worst credible step, linearised about the first block and the last.

    The blocks before the middle are about the first, which is the one about to be in force.
    """
    layout = situation.layout
    shape = (len(layout.units), layout.slots, layout.blocks)
    room_of_row = np.full(shape, FAR_K)
    rack_of_row = np.full(shape, -1, dtype=np.int64)
    by_pair = np.zeros((layout.blocks, len(layout.rack_names), layout.groups))
    # Where the plan hardly moves, the first block stands for all of them.
    moves = float(np.abs((nominal[-1] - nominal[0]) / layout.scale).max()) > NEAR
    half = (layout.blocks + 1) // 2 if moves else layout.blocks
    anchors = [(0, slice(0, half)), (layout.blocks - 1, slice(half, None))]
    for anchor, blocks in anchors[: 2 if moves else 1]:
        room, static = _after_worst(situation, predictor, nominal[anchor])
        by_pair[blocks] = static
        away = (nominal[blocks] - nominal[anchor]) / layout.scale
        here = room[None, :] - away @ static.T
        for u in range(len(layout.units)):
            racks = choose_hot(layout, room, (), u)
            rack_of_row[u, :, blocks] = racks[:, None]
            found = np.where(racks[:, None] >= 0, here[:, racks].T, FAR_K)
            room_of_row[u, :, blocks] = found
    racks_flat = rack_of_row.ravel()
    entries = layout.worst
    rack = racks_flat[entries.row]
    gain = by_pair[entries.block, rack, entries.column]
    return np.where(rack >= 0, gain, 0.0), room_of_row.ravel(), racks_flat


def _after_worst(
    situation: Situation, predictor: Predictor, setpoints: Array
) -> tuple[Array, Array]:
    """(R,) room after the worst credible step under setpoints held, (R, G) its loss a unit of v."""
    layout = situation.layout
    inputs = situation.worst_inputs(setpoints)
    trajectory = predictor.roll_out(situation.state, inputs)
    sensitivities = predictor.sensitivities(situation.state, inputs, (inputs.steps,))
    share = layout.settings.worst_margin_share
    lead_s = np.array([layout.settings.worst_step_s])
    allowed = situation.limit_c - share * predictor.margins(lead_s)[0]
    peak = np.argmax(trajectory.limited_c, axis=0)
    room = allowed - trajectory.limited_c[peak, np.arange(len(peak))]
    # Setpoints are held from the step on, as one block: the answer to it at the rack's peak.
    pairs = np.arange(len(sensitivities.rack))
    static = sensitivities.gain[pairs, peak[sensitivities.rack], 0]
    by_pair = np.zeros((len(layout.rack_names), layout.groups))
    by_pair[sensitivities.rack, sensitivities.group] = static * layout.scale[sensitivities.group]
    return _with_backup(situation, setpoints, room, by_pair)


def _with_backup(
    situation: Situation, setpoints: Array, room: Array, by_pair: Array
) -> tuple[Array, Array]:
    """The same, of the envelope's worst case where that leaves less room."""
    rule = situation.corridor.rule
    if rule is None:
        return room, by_pair
    wet_bulb_c = max(situation.request.wet_bulb_c)
    left = -rule.excess_k(setpoints, wet_bulb_c)
    slopes = rule.slopes(setpoints, wet_bulb_c) * situation.layout.scale
    binds = left < room
    return np.where(binds, left, room), np.where(binds[:, None], slopes, by_pair)


def _joined(situation: Situation, parts: list[PowerCuts]) -> PowerCuts:
    """All rows of several sets of cuts of the same components, corrected by their factors."""
    names = parts[0].components
    component = np.concatenate([part.component for part in parts])
    factor = np.array([situation.factor(name) for name in names])[component]
    return PowerCuts(
        components=names,
        component=component,
        step=np.concatenate([part.step for part in parts]),
        constant=factor * np.concatenate([part.constant for part in parts]),
        slope=factor[:, None] * np.concatenate([part.slope for part in parts]),
    )


def _power(layout: Layout, cuts: PowerCuts, nominal: Array) -> tuple[Array, Array]:
    """Coefficients of the cuts, and their values at the nominal less the nominal power."""
    shape = (len(layout.components), layout.blocks, layout.cuts)
    at_nominal = cuts.constant + np.einsum("mg,mg->m", cuts.slope, nominal[cuts.step])
    # The highest at the nominal first; where there are fewer than the pattern has, repeat them.
    order = np.lexsort((-at_nominal, cuts.step, cuts.component))
    key = cuts.component[order] * layout.blocks + cuts.step[order]
    start = np.searchsorted(key, np.arange(shape[0] * shape[1]))
    count = np.bincount(key, minlength=shape[0] * shape[1])
    slot = np.arange(layout.cuts)
    chosen = order[start[:, None] + slot[None, :] % np.maximum(count, 1)[:, None]].ravel()
    value = at_nominal[chosen].reshape(shape)
    value = value - value[:, :, :1]
    entries = layout.power
    slope = layout.coefficients(cuts)[chosen]
    return slope[entries.row, entries.column], value.ravel()


def _leakage(
    situation: Situation,
    predictor: Predictor,
    trajectory: Trajectory,
    sensitivities: Sensitivities,
    blocked: Array,
) -> Array:
    """(B, G) change of IT energy, at the relative price, for each unit of v; every rack counts."""
    layout = situation.layout
    it_power = np.array(situation.request.it_power_kw)
    per_k = predictor.leakage(it_power, trajectory.limited_c)[1]
    weight = situation.hours[:, None] * per_k
    by_pair = np.einsum("kn,nkb->nb", weight[:, sensitivities.rack], blocked)
    total = np.zeros((layout.groups, layout.blocks))
    np.add.at(total, sensitivities.group, by_pair)
    return np.asarray(total.T)
