"""The trained model marched through time by compiled loops: forward, its slopes, and its adjoint.

`models.supplies`, `models.heads` and `models.racks` state the same in torch, for the fit; the
tests hold the two together. Axes: ``T`` inner steps of 60 s, ``every`` of which make one of the
caller's; ``M`` nodes, ``L`` racks of a kind, ``K`` units of an air-cooled rack, ``H`` hidden units.
Exponentials are written without branches, so that the compiler takes several racks at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.compiled import Kernel, compiled, compiled_part

FLOW_FLOOR = 0.05
"""Of `models.heads`; a test holds the two together."""
CORRECTION = 4.0
SERVER_FAN_KNEE_C = 25.0


@compiled_part
def _decay(x: float) -> float:
    """``exp(-x)`` for ``x >= 0``, to 1e-13: Taylor's series at ``x / 1024``, squared ten times."""
    r = -min(x, 40.0) * 0.0009765625
    p = 1.0 + r * (
        1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0))))
    )
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p


@compiled_part
def _tanh(x: float) -> float:
    e = _decay(2.0 * abs(x))
    return math.copysign((1.0 - e) / (1.0 + e), x)


@compiled_part
def _softplus(x: float) -> float:
    """``log(1 + exp(x))``, by ``log(1 + e) = 2 artanh(e / (2 + e))``."""
    e = _decay(abs(x))
    z = e / (2.0 + e)
    q = z * z
    s = 1.0 / 21.0 + q * (1.0 / 23.0 + q / 25.0)
    s = 1.0 / 15.0 + q * (1.0 / 17.0 + q * (1.0 / 19.0 + q * s))
    s = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q * s))
    s = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * s)))
    # Not max(x, 0): that could hide a NaN.
    return 0.5 * (x + abs(x)) + 2.0 * z * s


@compiled_part
def _sigmoid(x: float) -> float:
    e = _decay(abs(x))
    s = 1.0 / (1.0 + e)
    return s if x >= 0.0 else e * s


def _march_nodes(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    setpoint_c: Any,
    flow: Any,
    load: Any,
    wet_bulb_c: Any,
    every: int,
    has_setpoint: Any,
    above_start: Any,
    above: Any,
    above_weight: Any,
    learned: Any,
    gains: Any,
    offset_k: Any,
    settled: bool,
    state: Any,
    supply: Any,
    at_floor: Any,
    per_flow: Any,
) -> None:
    """Supplies (T, M), with the slopes of their references; ``state`` (3, M) is moved on.

    Setpoints, flows and loads are (steps, M); ``learned`` (7, M) are outdoor, bias, shift, knee,
    and the three factors of the load; ``gains`` (3, M).
    """
    for t in range(supply.shape[0]):
        k = t // every
        for i in range(supply.shape[1]):
            if settled and t == 0:
                state[0, i] = load[k, i]
            state[0, i] += gains[0, i] * (load[k, i] - state[0, i])
            share = state[0, i]
            floor = learned[1, i] + learned[0, i] * wet_bulb_c[k]
            for n in range(above_start[i], above_start[i + 1]):
                floor += above_weight[n] * supply[t, above[n]]
            steep = learned[4, i] + learned[5, i] * flow[k, i]
            floor += share * (steep + learned[6, i] * share)
            held = floor
            bend = 1.0
            if has_setpoint[i]:
                target = setpoint_c[k, i] + learned[2, i]
                x = (floor - target) / learned[3, i]
                held = target + learned[3, i] * _softplus(x)
                bend = _sigmoid(x)
            if settled and t == 0:
                state[1, i] = held
                state[2, i] = held
            state[1, i] += gains[1, i] * (held - state[1, i])
            state[2, i] += gains[2, i] * (state[1, i] - state[2, i])
            supply[t, i] = state[2, i] + offset_k[i]
            at_floor[t, i] = bend
            per_flow[t, i] = bend * learned[5, i] * share


def _march_liquid(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    supply: Any,
    flow: Any,
    load: Any,
    every: int,
    rack: Any,
    unit: Any,
    weight: Any,
    shift: Any,
    per_supply: float,
    inward: Any,
    own: Any,
    outward: Any,
    gains: Any,
    shares: Any,
    offset_k: Any,
    sub: int,
    fine: int,
    settled: bool,
    state: Any,
    limited: Any,
) -> None:
    """Case temperatures into ``limited`` (out, R), ``sub`` a minute for the first ``fine`` minutes.

    ``load`` is (steps, L), ``weight`` (3, L), ``own`` (H, L), ``gains`` and ``shares`` (4, L);
    ``state`` (4, L) moves on.
    Between two minutes the lags follow the drives of the later one, as they do in the model.
    """
    count, hidden = len(rack), len(outward)
    base, rest = np.empty(count), np.empty(count)
    first = np.empty((hidden, count))
    coolant, arrives = np.empty(count), np.empty(count)
    short = 1.0 - (1.0 - gains) ** (1.0 / sub)
    line = 0
    for t in range(supply.shape[0]):
        k = t // every
        if t % every == 0:
            for i in range(count):
                v = max(flow[k, unit[i]], FLOW_FLOOR)
                u = load[k, i]
                base[i] = u * (weight[0, i] + weight[1, i] * v**-0.7 + weight[2, i] / v)
                rest[i] = v
            for h in range(hidden):
                for i in range(count):
                    first[h, i] = (
                        own[h, i]
                        - 3.0 * inward[h, 0]
                        + inward[h, 1] * load[k, i]
                        - inward[h, 2] * rest[i]
                    )
        for i in range(count):
            coolant[i] = supply[t, unit[i]]
            rest[i] = 0.0
        for h in range(hidden):
            steep, out = 0.1 * inward[h, 0], CORRECTION * outward[h]
            for i in range(count):
                rest[i] += out * _tanh(first[h, i] + steep * coolant[i])
        for i in range(count):
            arrives[i] = shift[i] + per_supply * coolant[i]
            rest[i] += base[i]
        line = _follow(
            arrives, rest, rack, gains, short, shares, offset_k, sub if t < fine else 1,
            settled and t == 0, line, state, limited,
        )  # fmt: skip


def _march_air(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
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
    gains: Any,
    shares: Any,
    offset_k: Any,
    sub: int,
    fine: int,
    settled: bool,
    state: Any,
    limited: Any,
) -> None:
    """Inlet temperatures, as `_march_liquid`.

    ``mixing`` (K, L) is 0 where a unit is padding; ``figures`` (3, L): shift, always, starved;
    ``law``: per supply, two of demand, enough, knee, fan law and four of the exhaust.
    """
    count, hidden, width = len(rack), len(outward), units.shape[0]
    share = np.empty((width, count))
    air, wanted, exhaust = np.empty(count), np.empty(count), np.empty(count)
    first = np.empty((hidden, count))
    mixed, rise, arrives = np.empty(count), np.empty(count), np.empty(count)
    short = 1.0 - (1.0 - gains) ** (1.0 / sub)
    line = 0
    for t in range(supply.shape[0]):
        k = t // every
        if t % every == 0:
            _air_step(
                k, flow, load, row_load, hall_load, rack, units, mixing, law, inward, own,
                share, air, wanted, exhaust, first,
            )  # fmt: skip
        for i in range(count):
            mixed[i] = 0.0
        for j in range(width):
            for i in range(count):
                mixed[i] += share[j, i] * supply[t, units[j, i]]
        for i in range(count):
            above = _softplus(mixed[i] - SERVER_FAN_KNEE_C)
            asked = wanted[i] * (1.0 + law[5] * above) / air[i]
            lacks = law[4] * _softplus((asked - law[3]) / law[4])
            rise[i] = (figures[1, i] + figures[2, i] * lacks) * exhaust[i]
            arrives[i] = figures[0, i] + law[0] * mixed[i]
        for h in range(hidden):
            steep, out = 0.2 * inward[h, 0], CORRECTION * outward[h]
            for i in range(count):
                rise[i] += out * _tanh(first[h, i] + steep * mixed[i])
        line = _follow(
            arrives, rise, rack, gains, short, shares, offset_k, sub if t < fine else 1,
            settled and t == 0, line, state, limited,
        )  # fmt: skip


def _air_step_of(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    k: int,
    flow: Any,
    load: Any,
    row_load: Any,
    hall_load: Any,
    rack: Any,
    units: Any,
    mixing: Any,
    law: Any,
    inward: Any,
    own: Any,
    share: Any,
    air: Any,
    wanted: Any,
    exhaust: Any,
    first: Any,
) -> None:
    """What one of the caller's steps fixes: shares of the units, air, demand, exhaust."""
    count = len(rack)
    usual = np.zeros(count)
    for i in range(count):
        air[i] = 0.0
    for j in range(units.shape[0]):
        for i in range(count):
            share[j, i] = mixing[j, i] * max(flow[k, units[j, i]], FLOW_FLOOR)
            air[i] += share[j, i]
            usual[i] += mixing[j, i]
    for j in range(units.shape[0]):
        for i in range(count):
            share[j, i] /= air[i]
    for i in range(count):
        air[i] /= usual[i]
        u, row, hall = load[k, rack[i]], row_load[k, i], hall_load[k, i]
        wanted[i] = law[1] + law[2] * hall
        exhaust[i] = law[6] + law[7] * hall + law[8] * row + law[9] * u
        usual[i] = u
    for h in range(first.shape[0]):
        for i in range(count):
            first[h, i] = (
                own[h, i]
                - 4.8 * inward[h, 0]
                + inward[h, 1] * usual[i]
                + inward[h, 2] * row_load[k, i]
                + inward[h, 3] * hall_load[k, i]
                - inward[h, 4] * air[i]
            )


def _follow_of(  # noqa: PLR0913, PLR0917 - a kernel takes plain arrays
    arrives: Any,
    rise: Any,
    rack: Any,
    gains: Any,
    short: Any,
    shares: Any,
    offset_k: Any,
    sub: int,
    settled: bool,
    line: int,
    state: Any,
    limited: Any,
) -> int:
    """Move the lags on by a minute in ``sub`` steps; answers the next line of ``limited``."""
    used = gains if sub == 1 else short
    count = len(arrives)
    if settled:
        for i in range(count):
            state[0, i] = arrives[i]
            state[1, i] = arrives[i]
            state[2, i] = rise[i]
            state[3, i] = rise[i]
    for _ in range(sub):
        for i in range(count):
            state[0, i] += used[0, i] * (arrives[i] - state[0, i])
            state[1, i] += used[1, i] * (arrives[i] - state[1, i])
            state[2, i] += used[2, i] * (rise[i] - state[2, i])
            state[3, i] += used[3, i] * (rise[i] - state[3, i])
        for i in range(count):
            limited[line, rack[i]] = (
                shares[0, i] * state[0, i]
                + shares[1, i] * state[1, i]
                + shares[2, i] * state[2, i]
                + shares[3, i] * state[3, i]
                + offset_k[i]
            )
        line += 1
    return line


_air_step: Kernel = compiled(_air_step_of)
_follow: Any = compiled(_follow_of)  # type: ignore[arg-type]  # it answers a number
NODES: Kernel = compiled(_march_nodes)
LIQUID: Kernel = compiled(_march_liquid)
AIR: Kernel = compiled(_march_air)
