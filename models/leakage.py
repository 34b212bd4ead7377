"""How much more power IT draws when it runs warmer, found in its own meters.

Semiconductors leak more when hot: 0.1 to 0.3 % of a rack's power a kelvin. Against jobs
that come and go this is small, so it is looked for in differences over ten minutes, long
enough for a rack to follow its coolant and too short for most jobs to change. A rack's
temperature follows its load too, so the *setpoints* of its coolant's supply and flow, which
no job knows of, are the instruments (two-stage least squares). Common movements of the load
are taken out moment by moment, and a job's jump, tens of times the noise, is left out rather
than weighted down (Tukey's biweight, from Huber's estimate on). Errors count by CDU and
moment, since its racks share jobs. What data cannot tell is left to the prior.
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
BLOCK_ROWS = 2
"""Minutes that are averaged."""
GAP_BLOCKS = 4
"""Blocks between the two that are compared: those between let the rack settle."""
HUBER = 1.345
BIWEIGHT = 4.685
"""The usual tuning of both: 95 % as efficient as least squares where noise is normal."""
ROUNDS = 20
LEAST_STD_SHARE = 0.1
"""A slope is not trusted better than this: growth is not quite linear, nor racks alike."""
LEAST_KW_SHARE = 0.1
"""Racks below this share of their rating tell nothing: idle power is another machine."""


def find_leakage(history: History) -> Leakage:
    """Estimate the coefficient of all liquid-cooled racks from an excited history."""
    layout = history.layout
    per_k, std = PRIOR_PER_K, PRIOR_STD_PER_K
    estimate = _regress(history) if len(layout.liquid) else None
    if estimate is not None:
        slope, error = estimate
        trust = 1.0 / max(error, LEAST_STD_SHARE * abs(slope), 1e-6) ** 2
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

    nodes = [layout.nodes[unit] for unit in layout.liquid_unit]
    asked_of = [[node.setpoint for node in nodes], [node.flow for node in nodes]]
    asked_of = [groups for groups in asked_of if min(groups) >= 0]
    if not asked_of:
        return None
    power = mean(history.it_power_kw[:, layout.liquid])
    busy = power > LEAST_KW_SHARE * layout.rated_kw[layout.liquid]
    asked = [_change(mean(history.setpoints[:, groups])) for groups in asked_of]
    growth = _change(np.log(np.where(busy, power, 1.0)))
    warmer = _change(mean(history.limited_c[:, layout.liquid]))
    told = busy[GAP_BLOCKS:] & busy[:-GAP_BLOCKS] & np.isfinite(warmer + growth + sum(asked))
    if told.sum() < 100:
        return None
    clusters = np.arange(len(growth))[:, None] * (int(layout.liquid_unit.max()) + 1)
    return _robust(growth, warmer, asked, told, clusters + layout.liquid_unit[None, :])


def _change(values: Array) -> Array:
    return np.asarray(values[GAP_BLOCKS:] - values[:-GAP_BLOCKS])


def _robust(
    growth: Array,
    warmer: Array,
    asked: list[Array],
    told: NDArray[np.bool_],
    cluster: NDArray[np.int64],
) -> tuple[float, float] | None:
    """Robust slope of ``growth`` on ``warmer``, instrumented by ``asked``.

    With an intercept for each row; answers the slope and its clustered error, or None
    where the instruments do not move ``warmer``.
    """
    y, x = np.where(told, growth, 0.0), np.where(told, warmer, 0.0)
    instruments = [np.where(told, column, 0.0) for column in asked]
    weight = told.astype(float)

    def centred(values: Array) -> Array:
        total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(values - (weight * values).sum(axis=1, keepdims=True) / total)

    slope, strength, score = 0.0, 0.0, np.zeros_like(y)
    for number in range(2 * ROUNDS):
        moved, shifts = centred(x), [centred(z) for z in instruments]
        root = np.sqrt(weight[told])
        basis = np.stack([root * shift[told] for shift in shifts], axis=1)
        share, *_ = np.linalg.lstsq(basis, root * moved[told], rcond=None)
        expected = np.asarray(sum(k * shift for k, shift in zip(share, shifts, strict=True)))
        strength = float((weight * expected * moved).sum())
        if abs(strength) < 1e-6:
            return None
        slope = float((weight * expected * centred(y)).sum()) / strength
        residual = centred(y) - slope * moved
        score = weight * expected * residual
        spread = 1.4826 * float(np.median(np.abs(residual[told])))
        size = np.abs(residual) / max(spread, 1e-6)
        if number < ROUNDS:
            weight = told * np.minimum(1.0, HUBER / np.maximum(size, 1e-9))
        else:
            weight = told * np.maximum(1.0 - (size / BIWEIGHT) ** 2, 0.0) ** 2
    _, labels = np.unique(cluster[told], return_inverse=True)
    summed = np.bincount(labels, weights=score[told])
    return slope, float(np.sqrt((summed**2).sum()) / abs(strength))
