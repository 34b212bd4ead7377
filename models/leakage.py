"""How much more power IT draws when it runs warmer, found in its own meters.

Semiconductors leak more when hot: 0.1 to 0.3 % of a rack's power a kelvin. Against jobs
that come and go this is small, so it is looked for in differences over twenty minutes
around changes of the supply. The supply itself follows the load where a CDU is out of
capacity, so its *setpoint*, which no job knows of, is the instrument (two-stage least
squares). Common movements of the load are taken out moment by moment, jumps are weighted
down (Huber 1964), and errors count by CDU and moment, since its racks share jobs. What data
cannot tell is left to the prior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.contract import Array, Leakage
from models.dataset import History

PRIOR_PER_K = 0.002
PRIOR_STD_PER_K = 0.001
"""Total leakage of accelerators, 0.1 to 0.3 % a kelvin (engineering range)."""
HIGHEST_PER_K = 0.004
BLOCK_ROWS = 10
"""Minutes that are averaged."""
GAP_BLOCKS = 2
"""Blocks between the two that are compared: the one between lets the rack settle."""
HUBER = 1.345
ROUNDS = 20
LEAST_KW_SHARE = 0.1
"""Racks below this share of their rating tell nothing: idle power is another machine."""


def find_leakage(history: History) -> Leakage:
    """Estimate the coefficient of all liquid-cooled racks from an excited history."""
    layout = history.layout
    per_k, std = PRIOR_PER_K, PRIOR_STD_PER_K
    estimate = _regress(history) if len(layout.liquid) else None
    if estimate is not None:
        slope, error = estimate
        trust = 1.0 / error**2
        prior = 1.0 / PRIOR_STD_PER_K**2
        per_k = (slope * trust + PRIOR_PER_K * prior) / (trust + prior)
        std = float((trust + prior) ** -0.5)
    per_k = float(np.clip(per_k, 0.0, HIGHEST_PER_K))
    liquid = np.zeros(len(layout.racks))
    liquid[layout.liquid] = 1.0
    known = np.isfinite(history.limited_c)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, history.limited_c, 0.0).sum(axis=0) / count
    return Leakage(per_k=per_k * liquid, std_per_k=std * liquid, reference_c=mean)


def _regress(history: History) -> tuple[float, float] | None:
    """Slope and its standard error, 1/K, or None where the history does not tell."""
    layout = history.layout
    blocks = history.rows // BLOCK_ROWS
    if blocks <= GAP_BLOCKS:
        return None

    def mean(values: Array) -> Array:
        part = values[: blocks * BLOCK_ROWS]
        return np.asarray(part.reshape(blocks, BLOCK_ROWS, -1).mean(axis=1))

    power = mean(history.it_power_kw[:, layout.liquid])
    supply = mean(history.supply_c[:, layout.liquid_unit])
    groups = [layout.nodes[unit].setpoint for unit in layout.liquid_unit]
    if min(groups) < 0:
        return None
    setpoint = mean(history.setpoints[:, groups])
    busy = power > LEAST_KW_SHARE * layout.rated_kw[layout.liquid]
    log = np.log(np.where(busy, power, 1.0))
    growth = log[GAP_BLOCKS:] - log[:-GAP_BLOCKS]
    warmer = supply[GAP_BLOCKS:] - supply[:-GAP_BLOCKS]
    asked = setpoint[GAP_BLOCKS:] - setpoint[:-GAP_BLOCKS]
    told = busy[GAP_BLOCKS:] & busy[:-GAP_BLOCKS] & np.isfinite(warmer + growth + asked)
    if told.sum() < 100:
        return None
    clusters = np.arange(len(growth))[:, None] * (int(layout.liquid_unit.max()) + 1)
    return _huber((growth, warmer, asked), told, clusters + layout.liquid_unit[None, :])


def _huber(
    columns: tuple[Array, Array, Array], told: NDArray[np.bool_], cluster: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Robust slope of the first column on the second, instrumented by the third.

    With an intercept for each row; answers the slope and its clustered error, or None
    where the instrument does not move the second column.
    """
    y, x, z = (np.where(told, column, 0.0) for column in columns)
    weight = told.astype(float)

    def centred(values: Array) -> Array:
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(values - (weight * values).sum(axis=1, keepdims=True) / total)

    slope, strength, score = 0.0, 0.0, np.zeros_like(y)
    for _ in range(ROUNDS):
        moved, asked = centred(x), centred(z)
        strength = float((weight * asked * moved).sum())
        if abs(strength) < 1e-6:
            return None
        slope = float((weight * asked * centred(y)).sum()) / strength
        residual = centred(y) - slope * moved
        score = weight * asked * residual
        spread = 1.4826 * float(np.median(np.abs(residual[told])))
        size = np.abs(residual) / max(spread, 1e-6)
        weight = told * np.minimum(1.0, HUBER / np.maximum(size, 1e-9))
    _, labels = np.unique(cluster[told], return_inverse=True)
    summed = np.bincount(labels, weights=score[told])
    return slope, float(np.sqrt((summed**2).sum()) / abs(strength))
