"""How uncertain a share is for the time it was found over: a bootstrap over blocks of the record.

Errors last for hours, so that what is drawn is whole blocks (Kuensch 1989, Annals of Statistics
17): days, where there is a week of them, and stretches of six hours in a shorter record, which
say nothing of how other days would have been. Of few blocks a bootstrap is too sure of itself: it
knows their spread no better than a sample does, so that it is widened as Student's distribution is
over the normal one. Of fewer than `LEAST_BLOCKS` no spread is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.contract import Array

DAY_S = 86_400.0
STRETCH_S = 6.0 * 3600.0
LEAST_DAYS = 7
"""From so many on, days are the blocks."""
LEAST_BLOCKS = 3


@dataclass(frozen=True)
class Blocks:
    """Into which a record was cut."""

    count: int
    hours: float
    """Of each."""
    spread: float
    """Standard error of the share from these alone."""


@dataclass(frozen=True)
class Resampled:
    """The share as other draws of the same blocks would have had it."""

    blocks: Blocks
    shares: Array
    """(K,) draws."""


def resample(
    times_s: Array,
    part: Array,
    whole: Array,
    rng: np.random.Generator,
    *,
    draws: int,
    confidence: float,
) -> Resampled | None:
    """Draws of sum(part) / sum(whole) over blocks of the record; None where it has too few.

    Parameters
    ----------
    times_s, part, whole
        (N,) a row a minute of the record, those with data.
    confidence
        For which the draws are widened: their quantiles are right at this one.
    """
    block_s = DAY_S if len(np.unique(times_s // DAY_S)) >= LEAST_DAYS else STRETCH_S
    at: NDArray[np.int64] = np.unique(times_s // block_s, return_inverse=True)[1]
    parts, wholes = np.bincount(at, weights=part), np.bincount(at, weights=whole)
    count = len(parts)
    if count < LEAST_BLOCKS:
        return None
    share = float(parts.sum() / wholes.sum())
    picked = rng.integers(0, count, (draws, count))
    drawn = parts[picked].sum(axis=1) / wholes[picked].sum(axis=1)
    shares = share + (drawn - share) * widening(count, confidence)
    return Resampled(Blocks(count, block_s / 3600.0, float(shares.std())), shares)


def widening(blocks: int, confidence: float) -> float:
    """Factor on the deviations of a bootstrap of so few blocks.

    sqrt(n / (n - 1)), for a bootstrap's variance is that of the sample itself, times Student's
    quantile of n - 1 degrees of freedom over the normal one.
    """
    tail = 0.5 + confidence / 2.0
    student = float(stats.t.ppf(tail, blocks - 1)) / float(stats.norm.ppf(tail))
    return math.sqrt(blocks / (blocks - 1)) * student
