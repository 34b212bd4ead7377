"""Inner loops of the linearised model: tangents of supplies and racks, driven through their lags.

Axes: ``T`` inner steps, ``P`` pairs of a node and a group that moves it, ``N`` pairs of a rack and
a group, ``B`` blocks over which a setpoint is held, ``F`` features (a rack with one of its units).
A list of lists is flat here, with where each one starts: list ``i`` lies between ``start[i]`` and
``start[i + 1]``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.compiled import Kernel, compiled

LANES = 32
"""Pairs whose states stay in the nearest cache together."""


def _node_tangents(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    at_floor: Any,
    per_flow: Any,
    node: Any,
    sets: Any,
    flows: Any,
    above_start: Any,
    above_pair: Any,
    above_weight: Any,
    first_gain: Any,
    second_gain: Any,
    block_of: Any,
    needed: Any,
    tangent: Any,
) -> None:
    """Fill ``tangent`` (P, T, B) of the nodes that are ``needed``, upstream before below."""
    for p in range(len(node)):
        i = node[p]
        if not needed[i]:
            continue
        first = np.zeros(tangent.shape[2])
        second = np.zeros(tangent.shape[2])
        for t in range(len(block_of)):
            # A setpoint moves nothing before its own block: later columns stay zero.
            now = block_of[t]
            for b in range(now + 1):
                move = 0.0
                if b == now and sets[p]:
                    move += 1.0 - at_floor[t, i]
                if b == now and flows[p]:
                    move += per_flow[t, i]
                for k in range(above_start[p], above_start[p + 1]):
                    move += at_floor[t, i] * above_weight[k] * tangent[above_pair[k], t, b]
                first[b] += first_gain[i] * (move - first[b])
                second[b] += second_gain[i] * (first[b] - second[b])
                tangent[p, t, b] = second[b]


def _drives_of(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    some: Any,
    t: int,
    now: int,
    blocks: int,
    supply_per_k: Any,
    supply_per_flow: Any,
    rise_per_k: Any,
    rise_per_flow: Any,
    moved: Any,
    through_start: Any,
    through_feature: Any,
    through_pair: Any,
    direct_start: Any,
    direct_feature: Any,
    direct_per_unit: Any,
    place: Any,
    supply: Any,
    rise: Any,
) -> None:
    """Drives of ``some`` pairs in inner step ``t``, of block ``now``, a pair's blocks in a row."""
    for i in range(len(some) * blocks):
        supply[i] = 0.0
        rise[i] = 0.0
    for n in range(len(some)):
        m, of_n = some[n], n * blocks
        for k in range(through_start[m], through_start[m + 1]):
            q, f = through_pair[k], place[through_feature[k]]
            # A setpoint moves nothing before its own block: later columns are zero.
            for b in range(now + 1):
                supply[of_n + b] += supply_per_k[t, f] * moved[q, t, b]
                rise[of_n + b] += rise_per_k[t, f] * moved[q, t, b]
        for k in range(direct_start[m], direct_start[m + 1]):
            f = place[direct_feature[k]]
            supply[of_n + now] += supply_per_flow[t, f] * direct_per_unit[k]
            rise[of_n + now] += rise_per_flow[t, f] * direct_per_unit[k]


_drives: Kernel = compiled(_drives_of)


def _rack_tangents(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    supply_per_k: Any,
    supply_per_flow: Any,
    rise_per_k: Any,
    rise_per_flow: Any,
    moved: Any,
    pair: Any,
    rack: Any,
    through_start: Any,
    through_feature: Any,
    through_pair: Any,
    direct_start: Any,
    direct_feature: Any,
    direct_per_unit: Any,
    place: Any,
    gains: Any,
    shares: Any,
    block_of: Any,
    every: int,
    gain: Any,
) -> None:
    """Fill ``gain`` (N', steps, B) of the pairs ``pair`` (N',); ``place`` is of each feature.

    Pairs are taken `LANES` at a time with their blocks side by side, so that the compiler carries
    out the lags of several at once.
    """
    blocks = moved.shape[2]
    supply, rise, found = np.empty((3, LANES * blocks))
    paces, parts, states = np.empty((3, 4, LANES * blocks))
    for first in range(0, len(pair), LANES):
        some = pair[first : first + LANES]
        size = len(some) * blocks
        for n in range(len(some)):
            for i in range(n * blocks, (n + 1) * blocks):
                for j in range(4):
                    paces[j, i] = gains[j, rack[some[n]]]
                    parts[j, i] = shares[j, rack[some[n]]]
        states[:] = 0.0
        for t in range(len(block_of)):
            _drives(
                some, t, block_of[t], blocks, supply_per_k, supply_per_flow, rise_per_k,
                rise_per_flow, moved, through_start, through_feature, through_pair,
                direct_start, direct_feature, direct_per_unit, place, supply, rise,
            )  # fmt: skip
            for i in range(size):
                states[0, i] += paces[0, i] * (supply[i] - states[0, i])
                states[1, i] += paces[1, i] * (supply[i] - states[1, i])
                states[2, i] += paces[2, i] * (rise[i] - states[2, i])
                states[3, i] += paces[3, i] * (rise[i] - states[3, i])
            if (t + 1) % every == 0:
                for i in range(size):
                    found[i] = (
                        parts[0, i] * states[0, i]
                        + parts[1, i] * states[1, i]
                        + parts[2, i] * states[2, i]
                        + parts[3, i] * states[3, i]
                    )
                for n in range(len(some)):
                    for b in range(blocks):
                        gain[first + n, t // every, b] = found[n * blocks + b]


NODE_TANGENTS: Kernel = compiled(_node_tangents)
RACK_TANGENTS: Kernel = compiled(_rack_tangents)
