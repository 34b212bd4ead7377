"""How sure a shadow run's share is of the time that it was found over."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from controller.evaluation.shadow.resampling import Resampled, resample, widening
from models.contract import Array

DAY_ROWS, CONFIDENCE = 24, 0.90
"""Rows of an hour do for what is asked here."""


def rows(days: float) -> Array:
    return 1_720_051_200.0 + 3600.0 * np.arange(round(days * DAY_ROWS), dtype=np.float64)


def resampled(part: Array, whole: Array, *, draws: int = 2000, seed: int = 1) -> Resampled:
    rng = np.random.default_rng(seed)
    times_s = rows(len(part) / DAY_ROWS)
    found = resample(times_s, part, whole, rng, draws=draws, confidence=CONFIDENCE)
    assert found is not None
    return found


def interval(found: Resampled) -> tuple[float, float]:
    low, high = np.quantile(found.shares, [0.05, 0.95])
    return float(low), float(high)


@pytest.mark.parametrize("days", [7, 14, 30])
def test_even_days_give_students_interval_of_their_means(days: int) -> None:
    means = 0.1 + 0.02 * np.random.default_rng(days).normal(size=days)
    whole = np.full(days * DAY_ROWS, 400.0)
    found = resampled(np.repeat(means, DAY_ROWS) * whole, whole, draws=20_000)
    error = float(means.std(ddof=1)) / days**0.5
    expected = stats.t.interval(CONFIDENCE, days - 1, float(means.mean()), error)
    assert (found.blocks.count, found.blocks.hours) == (days, 24.0)
    assert interval(found) == pytest.approx(expected, abs=0.15 * error)


@pytest.mark.parametrize("days", [1.0, 2.0, 14.0])
def test_ninety_of_a_hundred_intervals_hold_the_truth(days: float) -> None:
    """Savings whose errors last for hours, on a load that has days of its own."""
    rng = np.random.default_rng(7)
    hours, inside, tried = round(24 * days), 0, 300
    for k in range(tried):
        level = 400.0 + 30.0 * np.repeat(rng.normal(size=round(days) or 1), 24)[:hours]
        share = 0.1 + 0.05 * np.repeat(rng.normal(size=hours // 6), 6)
        low, high = interval(resampled(share * level, level, draws=400, seed=k))
        inside += low <= 0.1 <= high
    assert 0.84 <= inside / tried <= 0.96


def test_a_day_is_cut_into_stretches_and_less_gives_no_interval() -> None:
    whole = np.full(DAY_ROWS, 400.0)
    found = resampled(0.1 * whole + np.repeat([4.0, -4.0, 8.0, -8.0], 6), whole)
    assert (found.blocks.count, found.blocks.hours) == (4, 6.0)
    assert found.blocks.spread > 0.0
    rng = np.random.default_rng(1)
    assert resample(rows(0.5), whole[:12], whole[:12], rng, draws=9, confidence=0.9) is None


def test_few_blocks_widen_and_many_do_not() -> None:
    # Student's quantile of 3 degrees of freedom at 95 % is 2.353, the normal one 1.645.
    assert widening(4, 0.90) == pytest.approx((4.0 / 3.0) ** 0.5 * 2.353 / 1.645, rel=1e-3)
    assert widening(10_000, 0.90) == pytest.approx(1.0, abs=1e-3)
