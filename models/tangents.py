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
    """Fill ``tangent`` (T, P, B) of the nodes that are ``needed``, upstream before below."""
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
                    move += at_floor[t, i] * above_weight[k] * tangent[t, above_pair[k], b]
                first[b] += first_gain[i] * (move - first[b])
                second[b] += second_gain[i] * (first[b] - second[b])
                tangent[t, p, b] = second[b]


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
    """Fill ``gain`` (N', steps, B) of the pairs ``pair`` (N',); ``place`` is of each feature."""
    blocks = moved.shape[2]
    for n in range(len(pair)):
        m = pair[n]
        r = rack[m]
        states = np.zeros((4, blocks))
        for t in range(len(block_of)):
            now = block_of[t]
            for b in range(now + 1):
                supply = 0.0
                rise = 0.0
                for k in range(through_start[m], through_start[m + 1]):
                    seen = moved[t, through_pair[k], b]
                    f = place[through_feature[k]]
                    supply += supply_per_k[t, f] * seen
                    rise += rise_per_k[t, f] * seen
                if b == now:
                    for k in range(direct_start[m], direct_start[m + 1]):
                        f = place[direct_feature[k]]
                        supply += supply_per_flow[t, f] * direct_per_unit[k]
                        rise += rise_per_flow[t, f] * direct_per_unit[k]
                states[0, b] += gains[0, r] * (supply - states[0, b])
                states[1, b] += gains[1, r] * (supply - states[1, b])
                states[2, b] += gains[2, r] * (rise - states[2, b])
                states[3, b] += gains[3, r] * (rise - states[3, b])
            if (t + 1) % every == 0:
                step = t // every
                for b in range(now + 1):
                    found = 0.0
                    for j in range(4):
                        found += shares[j, r] * states[j, b]
                    gain[n, step, b] = found


NODE_TANGENTS: Kernel = compiled(_node_tangents)
RACK_TANGENTS: Kernel = compiled(_rack_tangents)
