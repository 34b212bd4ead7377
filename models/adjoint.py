"""Slopes of the racks' static heads, and what a weighted sum of all racks owes to each setpoint.

The adjoint of the march of `models.march`: one pass back through time gives the derivative of
``sum(weight * limited)`` to every setpoint of every step, whatever the number of racks. Axes as
there; ``S`` steps of the caller's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.compiled import Kernel, compiled
from models.march import (
    CORRECTION,
    FLOW_FLOOR,
    SERVER_FAN_KNEE_C,
    _air_step,
    _sigmoid,
    _softplus,
    _tanh,
)


def _liquid_slopes(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    supply: Any,
    flow: Any,
    load: Any,
    every: int,
    unit: Any,
    weight: Any,
    inward: Any,
    own: Any,
    outward: Any,
    by_supply: Any,
    by_flow: Any,
) -> None:
    """Of the rise (T, L), to each K of coolant and to each share of its flow."""
    count, hidden = len(unit), len(outward)
    first = np.empty((hidden, count))
    static, moves, coolant = np.empty(count), np.empty(count), np.empty(count)
    for t in range(supply.shape[0]):
        k = t // every
        if t % every == 0:
            for i in range(count):
                v = max(flow[k, unit[i]], FLOW_FLOOR)
                u = load[k, i]
                moves[i] = 1.0 if flow[k, unit[i]] >= FLOW_FLOOR else 0.0
                static[i] = -u * (0.7 * weight[1, i] * v**-1.7 + weight[2, i] / (v * v))
                for h in range(hidden):
                    first[h, i] = (
                        own[h, i] - 3.0 * inward[h, 0] + inward[h, 1] * u - inward[h, 2] * v
                    )
        for i in range(count):
            coolant[i] = supply[t, unit[i]]
            by_supply[t, i] = 0.0
            by_flow[t, i] = static[i]
        for h in range(hidden):
            steep, out = 0.1 * inward[h, 0], CORRECTION * outward[h]
            for i in range(count):
                y = _tanh(first[h, i] + steep * coolant[i])
                slope = out * (1.0 - y * y)
                by_supply[t, i] += slope * steep
                by_flow[t, i] -= slope * inward[h, 2]
        for i in range(count):
            by_flow[t, i] *= moves[i]


def _air_slopes(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    supply: Any,
    flow: Any,
    load: Any,
    row_load: Any,
    hall_load: Any,
    every: int,
    rack: Any,
    units: Any,
    mixing: Any,
    figures: Any,
    law: Any,
    inward: Any,
    own: Any,
    outward: Any,
    mixed: Any,
    by_mixed: Any,
    by_air: Any,
    share: Any,
    per_flow: Any,
    brings: Any,
) -> None:
    """Of the rise (T, L), to the mixed supply and to the air; and what mixes it, (S, K, L).

    ``share`` is of each unit in the mixed supply, ``per_flow`` its growth for each K that the
    unit's supply lies above the mixture, ``brings`` (K, L) its part of the air.
    """
    count, hidden, width = len(rack), len(outward), units.shape[0]
    air, wanted, exhaust = np.empty(count), np.empty(count), np.empty(count)
    first = np.empty((hidden, count))
    for i in range(count):
        usual = 0.0
        for j in range(width):
            usual += mixing[j, i]
        for j in range(width):
            brings[j, i] = mixing[j, i] / usual
    for t in range(supply.shape[0]):
        k = t // every
        if t % every == 0:
            _air_step(
                k, flow, load, row_load, hall_load, rack, units, mixing, law, inward, own,
                share[k], air, wanted, exhaust, first,
            )  # fmt: skip
            for i in range(count):
                total = 0.0
                for j in range(width):
                    total += mixing[j, i] * max(flow[k, units[j, i]], FLOW_FLOOR)
                for j in range(width):
                    moves = 1.0 if flow[k, units[j, i]] >= FLOW_FLOOR else 0.0
                    per_flow[k, j, i] = moves * mixing[j, i] / total
        for i in range(count):
            mixed[t, i] = 0.0
        for j in range(width):
            for i in range(count):
                mixed[t, i] += share[k, j, i] * supply[t, units[j, i]]
        for i in range(count):
            warm = mixed[t, i] - SERVER_FAN_KNEE_C
            asked = wanted[i] * (1.0 + law[5] * _softplus(warm))
            steep = figures[2, i] * exhaust[i] * _sigmoid((asked / air[i] - law[3]) / law[4])
            by_mixed[t, i] = steep * wanted[i] * law[5] * _sigmoid(warm) / air[i]
            by_air[t, i] = -steep * asked / (air[i] * air[i])
        for h in range(hidden):
            steep, out = 0.2 * inward[h, 0], CORRECTION * outward[h]
            for i in range(count):
                y = _tanh(first[h, i] + steep * mixed[t, i])
                slope = out * (1.0 - y * y)
                by_mixed[t, i] += slope * steep
                by_air[t, i] -= slope * inward[h, 4]


def _pull_liquid(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    weight: Any,
    every: int,
    rack: Any,
    unit: Any,
    per_supply: float,
    gains: Any,
    shares: Any,
    by_supply: Any,
    by_flow: Any,
    to_supply: Any,
    to_flow: Any,
) -> None:
    """Add to ``to_supply`` (T, M) and ``to_flow`` (S, M) what ``weight`` (S, R) owes to each."""
    owed = np.zeros(gains.shape)
    for t in range(by_supply.shape[0] - 1, -1, -1):
        k = t // every
        ends = (t + 1) % every == 0
        for i in range(len(rack)):
            if ends:
                for j in range(4):
                    owed[j, i] += shares[j, i] * weight[k, rack[i]]
            arrives = gains[0, i] * owed[0, i] + gains[1, i] * owed[1, i]
            rise = gains[2, i] * owed[2, i] + gains[3, i] * owed[3, i]
            to_supply[t, unit[i]] += arrives * per_supply + rise * by_supply[t, i]
            to_flow[k, unit[i]] += rise * by_flow[t, i]
            for j in range(4):
                owed[j, i] *= 1.0 - gains[j, i]


def _pull_air(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    weight: Any,
    every: int,
    rack: Any,
    units: Any,
    per_supply: float,
    gains: Any,
    shares: Any,
    supply: Any,
    mixed: Any,
    by_mixed: Any,
    by_air: Any,
    share: Any,
    per_flow: Any,
    brings: Any,
    to_supply: Any,
    to_flow: Any,
) -> None:
    """As `_pull_liquid`."""
    owed = np.zeros(gains.shape)
    for t in range(by_mixed.shape[0] - 1, -1, -1):
        k = t // every
        ends = (t + 1) % every == 0
        for i in range(len(rack)):
            if ends:
                for j in range(4):
                    owed[j, i] += shares[j, i] * weight[k, rack[i]]
            rise = gains[2, i] * owed[2, i] + gains[3, i] * owed[3, i]
            mean = per_supply * (gains[0, i] * owed[0, i] + gains[1, i] * owed[1, i])
            mean += rise * by_mixed[t, i]
            air = rise * by_air[t, i]
            for j in range(units.shape[0]):
                m = units[j, i]
                to_supply[t, m] += mean * share[k, j, i]
                grows = per_flow[k, j, i]
                if grows > 0.0:
                    above = supply[t, m] - mixed[t, i]
                    to_flow[k, m] += mean * grows * above + air * brings[j, i]
            for j in range(4):
                owed[j, i] *= 1.0 - gains[j, i]


def _pull_nodes(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    every: int,
    has_setpoint: Any,
    above_start: Any,
    above: Any,
    above_weight: Any,
    gains: Any,
    at_floor: Any,
    per_flow: Any,
    to_supply: Any,
    to_setpoint: Any,
    to_flow: Any,
) -> None:
    """Carry ``to_supply`` (T, M) back to setpoints and flows (S, M); it is used up."""
    count = at_floor.shape[1]
    owed = np.zeros((2, count))
    for t in range(at_floor.shape[0] - 1, -1, -1):
        k = t // every
        for i in range(count - 1, -1, -1):
            owed[1, i] = to_supply[t, i] + (1.0 - gains[2, i]) * owed[1, i]
            owed[0, i] = gains[2, i] * owed[1, i] + (1.0 - gains[1, i]) * owed[0, i]
            held = gains[1, i] * owed[0, i]
            if has_setpoint[i]:
                to_setpoint[k, i] += (1.0 - at_floor[t, i]) * held
            to_flow[k, i] += per_flow[t, i] * held
            floor = at_floor[t, i] * held
            for n in range(above_start[i], above_start[i + 1]):
                to_supply[t, above[n]] += floor * above_weight[n]


LIQUID_SLOPES: Kernel = compiled(_liquid_slopes)
AIR_SLOPES: Kernel = compiled(_air_slopes)
PULL_LIQUID: Kernel = compiled(_pull_liquid)
PULL_AIR: Kernel = compiled(_pull_air)
PULL_NODES: Kernel = compiled(_pull_nodes)
