"""Rows of the softly limited temperatures: which racks get one, and what moves them.

Of each unit the hottest racks at each check, and after the worst credible step at each block. A
row that nothing within the box of a round can make bind is left out: that changes no answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from controller.planning.layout import Ints, Layout
from controller.planning.problem import Rows
from controller.planning.situation import Situation
from controller.planning.verify import Prospect
from models.contract import Array, Sensitivities

NEAR = 1.0
"""Scaled units within which one linearisation of the worst credible step serves all blocks."""

REACH_K = 1.0
"""A row that stays this far from its limit at the warmest corner of a round's box is left out."""

NEGLIGIBLE_K = 0.01
"""What the entries that are left out of a row can move together within a round's box. What a
setpoint did hours ago, or does in a hall next door, is most of a row's entries, and makes the
solver's matrices dense; the roll-out that verifies a plan has all of it."""

Extra = dict[tuple[int, int], tuple[int, ...]]
"""By (unit, check): racks that must have a row besides the hottest."""


@dataclass(frozen=True)
class Box:
    """What a round may change, (B, G) scaled; 0 where a setpoint is not ours."""

    lower: Array
    upper: Array
    active: Array


@dataclass(frozen=True)
class Chosen:
    """Racks that get a row, one a row."""

    rack: Ints
    unit: Ints
    at: Ints
    """Check of the temperature rows, block of those after the worst credible step."""


def choose(layout: Layout, room: Array, extra: Extra) -> Chosen:
    """Of each unit and line of ``room`` (lines, R) the racks with least room, and ``extra``."""
    count = np.bincount(layout.unit_of_rack, minlength=len(layout.units))
    first = np.cumsum(count) - count
    racks, at = [], []
    for line, left in enumerate(room):
        order = np.lexsort((left, layout.unit_of_rack))
        rank = np.arange(len(order)) - np.repeat(first, count)
        hottest = order[rank < layout.settings.hottest]
        racks.append(hottest)
        at.append(np.full(len(hottest), line))
    wanted = [(r, line) for (_, line), members in extra.items() for r in members]
    racks.append(np.array([r for r, _ in wanted], dtype=np.int64))
    at.append(np.array([line for _, line in wanted], dtype=np.int64))
    key = np.unique(np.concatenate(at) * len(layout.rack_names) + np.concatenate(racks))
    rack = key % len(layout.rack_names)
    return Chosen(rack, layout.unit_of_rack[rack], key // len(layout.rack_names))


def temperature_room(
    situation: Situation, prospect: Prospect, tightening: dict[tuple[int, int], float]
) -> Array:
    """(checks, R) K between the nominal temperature at each check and what is wished."""
    ends = situation.fine_ends[situation.layout.checks]
    room = situation.wished_c[ends] - prospect.fine_c[ends]
    for (rack, check), excess in tightening.items():
        room[check, rack] -= excess
    return np.asarray(room)


def within_reach(
    situation: Situation, prospect: Prospect, room: Array, chosen: Chosen, box: Box
) -> Chosen:
    """Of the chosen rows those that the warmest corner of the box brings near their limit.

    The models are monotone, so that one roll-out there bounds all others; `REACH_K` is for what
    is not (a valve that opens as a flow falls) and for the linearised rows' own error.
    """
    colder_is_lower = np.array([limit.colder_is_lower for limit in situation.request.limits])
    warmest = np.where(colder_is_lower, box.upper, box.lower) * box.active
    corner = prospect.blocks + warmest * situation.layout.scale
    there = situation.predictor.roll_out(situation.state, situation.inputs(corner)).limited_c
    ends = situation.layout.checks
    rise = there[ends] - prospect.fine_c[situation.fine_ends[ends]]
    near = (room - rise)[chosen.at, chosen.rack] < REACH_K
    return Chosen(chosen.rack[near], chosen.unit[near], chosen.at[near])


def temperature_rows(
    situation: Situation, sensitivities: Sensitivities, room: Array, chosen: Chosen, box: Box
) -> Rows:
    """The rows of the chosen racks at their checks."""
    layout = situation.layout
    order, start = _by_rack(sensitivities, len(layout.rack_names))
    count = start[chosen.rack + 1] - start[chosen.rack]
    row = np.repeat(np.arange(len(chosen.rack)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    pair = order[start[chosen.rack[row]] + within]
    group = sensitivities.group[pair]
    values = sensitivities.gain[pair, layout.checks[chosen.at[row]]]
    values = values * layout.scale[group][:, None] * box.active[:, group].T
    # A setpoint moves nothing before its block: much of this is zero.
    there, block = np.nonzero(values)
    place = (row[there], block * layout.groups + group[there])
    shape = (len(chosen.rack), layout.blocks * layout.groups)
    gain = sparse.coo_array((values[there, block], place), shape=shape)
    key = chosen.unit * len(layout.checks) + chosen.at
    weight = np.tile(layout.settings.slack_kw_per_k * layout.check_hours, len(layout.units))
    return _those_that_may_bind(gain, room[chosen.at, chosen.rack], key, chosen.rack, weight, box)


def worst_rows(situation: Situation, prospect: Prospect, box: Box) -> Rows:
    """Rows after the worst credible step, linearised about the first block and the last.

    The blocks before the middle are about the first, which is the one about to be in force.
    """
    layout, nominal = situation.layout, prospect.blocks
    # Where the plan hardly moves, the first block stands for all of them.
    moves = float(np.abs((nominal[-1] - nominal[0]) / layout.scale).max()) > NEAR
    half = (layout.blocks + 1) // 2 if moves else layout.blocks
    anchors = [(0, range(half)), (layout.blocks - 1, range(half, layout.blocks))]
    parts: list[tuple[Array, Ints, Ints]] = []
    rooms: list[Array] = []
    racks: list[Ints] = []
    keys: list[Ints] = []
    for anchor, blocks in anchors[: 2 if moves else 1]:
        room, rack, slopes = _after_worst(situation, nominal[anchor])
        row, group = np.nonzero(slopes)
        value = slopes[row, group]
        for b in blocks:
            away = (nominal[b] - nominal[anchor]) / layout.scale
            first = sum(len(each) for each in racks)
            parts.append((value * box.active[b, group], row + first, group + b * layout.groups))
            rooms.append(room - np.bincount(row, value * away[group], minlength=len(room)))
            racks.append(rack)
            keys.append(layout.unit_of_rack[rack] * layout.blocks + b)
    weight = np.full(len(layout.units) * layout.blocks, layout.settings.slack_kw_per_k)
    values, rows, columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    shape = (sum(len(each) for each in racks), layout.blocks * layout.groups)
    return _those_that_may_bind(
        sparse.coo_array((values, (rows, columns)), shape=shape),
        np.concatenate(rooms),
        np.concatenate(keys),
        np.concatenate(racks),
        weight,
        box,
    )


def _after_worst(situation: Situation, setpoints: Array) -> tuple[Array, Ints, Array]:
    """After the worst credible step under setpoints held, of the hottest racks of each unit.

    By the learned model, or by the envelope's worst case where that leaves less room. Answers
    (n,) room in K, (n,) racks and (n, G) what each room loses for a unit of v.
    """
    layout, predictor = situation.layout, situation.predictor
    inputs = situation.worst_inputs(setpoints)
    found = predictor.roll_out(situation.state, inputs).limited_c
    room = situation.allowed_worst_c - found.max(axis=0)
    rule, wet_bulb_c = situation.corridor.rule, max(situation.request.wet_bulb_c)
    left = np.full(len(room), np.inf)
    if rule is not None:
        left = -rule.excess_k(setpoints, wet_bulb_c)
    backed, room = left < room, np.minimum(room, left)
    rack = choose(layout, room[None, :], {}).rack
    sensitivities, _ = predictor.linearise(situation.state, inputs, (inputs.steps,), rack.tolist())
    # Setpoints are held from the step on, as one block: the answer to it at the rack's peak.
    peak = np.argmax(found, axis=0)
    pairs = np.arange(len(sensitivities.rack))
    static = sensitivities.gain[pairs, peak[sensitivities.rack], 0]
    place = np.full(len(layout.rack_names), -1)
    place[rack] = np.arange(len(rack))
    slopes = np.zeros((len(rack), layout.groups))
    at = (place[sensitivities.rack], sensitivities.group)
    slopes[at] = static * layout.scale[sensitivities.group]
    if rule is not None and backed[rack].any():
        own = rule.slopes(setpoints, wet_bulb_c, rack) * layout.scale
        slopes = np.where(backed[rack, None], own, slopes)
    return room[rack], rack, slopes


def _by_rack(sensitivities: Sensitivities, racks: int) -> tuple[Ints, Ints]:
    """Pairs in the order of their racks, and (R+1,) where each rack's begin."""
    order = np.argsort(sensitivities.rack, kind="stable")
    count = np.bincount(sensitivities.rack, minlength=racks)
    return order, np.concatenate([[0], np.cumsum(count)])


def _those_that_may_bind(
    gain: sparse.coo_array, room: Array, slack: Ints, rack: Ints, weight: Array, box: Box
) -> Rows:
    """Only the rows, and their slacks, that some setpoints within the box would break."""
    row, column = gain.coords
    lower, upper = box.lower.ravel(), box.upper.ravel()
    most = np.maximum(gain.data * lower[column], gain.data * upper[column])
    broken = np.bincount(row, most, minlength=len(room)) > room
    kept, of_kept = np.flatnonzero(broken), broken[row]
    used, number = np.unique(slack[kept], return_inverse=True)
    place = ((np.cumsum(broken) - 1)[row[of_kept]], column[of_kept])
    shape = (len(kept), gain.shape[1])
    return Rows(
        _without_negligible(
            sparse.coo_array((gain.data[of_kept], place), shape=shape),
            np.maximum(np.abs(lower), np.abs(upper)),
        ),
        room[kept],
        np.asarray(number, dtype=np.int64),
        rack[kept],
        weight[used],
    )


def _without_negligible(gain: sparse.coo_array, reach: Array) -> sparse.csr_array:
    """(n, B*G) without each row's least entries, `NEGLIGIBLE_K` of them; ``reach`` is (B*G,)."""
    row, column = gain.coords
    moves_k = np.abs(gain.data) * reach[column]
    rows = gain.shape[0]
    # What moves more by itself stays; what is so little that all of its row were negligible goes.
    # Only what lies between needs an order.
    kept = moves_k > NEGLIGIBLE_K
    least = ~kept & (moves_k * np.bincount(row[~kept], minlength=rows)[row] <= NEGLIGIBLE_K)
    least_k = np.bincount(row[least], moves_k[least], minlength=rows)
    between = np.flatnonzero(~(kept | least))
    order = between[np.lexsort((moves_k[between], row[between]))]
    total_k = np.concatenate([[0.0], np.cumsum(moves_k[order])])
    before_k = total_k[np.searchsorted(row[order], np.arange(rows))] - least_k
    kept[order] = total_k[1:] - before_k[row[order]] > NEGLIGIBLE_K
    return sparse.csr_array((gain.data[kept], (row[kept], column[kept])), shape=gain.shape)
