"""Savings against an adjusted baseline: IPMVP option B (the cooling's own meters) or C (whole).

Avoided energy = what the baseline model expects under the period's load and weather, plus the
adjustments written down, less what was used. Its interval comes from a bootstrap of the whole
procedure over blocks of days, baseline and period alike, beside the closed formula of Guideline 14
for autocorrelated data, which is known to be too narrow for hours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from controller.evaluation.savings.adjustments import Adjustment, adjustment_kw
from controller.evaluation.savings.hourly import Hourly, HourlyError
from controller.evaluation.savings.regression import EnergyModel, design_of, fit_energy, solve

Array = NDArray[np.float64]

CONFIDENCE = 0.90
DRAWS = 400
BLOCK_DAYS = 3
"""Weather and jobs keep their errors alike for days; a block keeps them together."""
LEAST_DAYS = 7
MOST_OUTSIDE = 0.10
"""Share of hours beyond the baseline's load and weather from which no claim is made."""


@dataclass(frozen=True)
class AdjustedSavings:
    """What a period saved against its baseline, and whether that may be claimed."""

    hours: int
    expected_kwh: float
    """Of the baseline under the period's load and weather, adjustments included."""
    used_kwh: float
    adjustments_kwh: float
    saved_kwh: float
    saved_share: float
    """Of the expected energy."""
    interval_share: tuple[float, float]
    """`CONFIDENCE`, from the block bootstrap."""
    guideline14_half_width: float
    """Of the same confidence, by Guideline 14's formula; a share of the expected energy."""
    outside: float
    """Share of the period's hours whose load or weather the baseline never saw."""
    model: EnergyModel

    @property
    def reasons_against(self) -> tuple[str, ...]:
        """Why no saving may be claimed; empty where one may."""
        reasons = []
        fit = self.model.fit
        if not fit.passes:
            reasons.append(
                f"the baseline fails Guideline 14: CV(RMSE) {fit.cv_rmse_unseen:.0%} "
                f"(at most 30 %), bias {fit.nmbe:+.1%} (at most 10 %)"
            )
        if self.outside > MOST_OUTSIDE:
            reasons.append(
                f"{self.outside:.0%} of the hours lie outside the load and weather of the baseline"
            )
        if self.interval_share[0] <= 0.0:
            low, high = self.interval_share
            reasons.append(f"the interval {low:+.1%} to {high:+.1%} does not exclude zero")
        return tuple(reasons)

    @property
    def claimed(self) -> bool:
        """Whether the saving is proved."""
        return not self.reasons_against


def adjusted_savings(
    before: Hourly,
    after: Hourly,
    adjustments: Sequence[Adjustment] = (),
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> AdjustedSavings:
    """Avoided cooling energy of ``after`` against the plant as it ran in ``before``.

    Raises
    ------
    HourlyError
        One of the periods is too short, or they overlap.
    """
    if len(after) < 24 * LEAST_DAYS:
        raise HourlyError(
            f"the period to be proved has {len(after)} whole hours; a week is the least"
        )
    model = fit_energy(before)
    if np.intersect1d(before.times_s, after.times_s).size:
        raise HourlyError("the baseline and the period to be proved overlap; keep them apart")
    added_kw = adjustment_kw(adjustments, after)
    expected = float((model.predict(after) + added_kw).sum())
    used = float(after.cooling_kw.sum())
    rng = np.random.default_rng([seed, 14])
    shares = [_draw(model, before, after, added_kw, rng) for _ in range(draws)]
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(shares, [tail, 1.0 - tail])
    return AdjustedSavings(
        hours=len(after),
        expected_kwh=expected,
        used_kwh=used,
        adjustments_kwh=float(added_kw.sum()),
        saved_kwh=expected - used,
        saved_share=1.0 - used / expected,
        interval_share=(float(low), float(high)),
        guideline14_half_width=guideline14(model, len(after)),
        outside=model.outside(after),
        model=model,
    )


def guideline14(model: EnergyModel, hours: int, confidence: float = CONFIDENCE) -> float:
    """Half width of the interval of the saving as a share of the expected energy.

    1.26 t CV sqrt(n/n' (1 + 2/n') / m), with n' = n (1 - rho)/(1 + rho) independent hours among
    the baseline's n: Reddy and Claridge (2000), ASHRAE Guideline 14-2014, annex B.
    """
    fit = model.fit
    rho = min(max(fit.autocorrelation, 0.0), 0.999)
    independent = max(fit.hours * (1.0 - rho) / (1.0 + rho), fit.parameters + 1.0)
    t = float(stats.t.ppf(0.5 + confidence / 2.0, independent - fit.parameters))
    spread = fit.hours / independent * (1.0 + 2.0 / independent) / hours
    return 1.26 * t * fit.cv_rmse * math.sqrt(spread)


def _draw(
    model: EnergyModel, before: Hourly, after: Hourly, added_kw: Array, rng: np.random.Generator
) -> float:
    """The saved share with the baseline refitted and both periods' errors drawn anew."""
    drawn = _blocks(before, rng)
    design = design_of(before, model.it_knots, model.wet_bulb_knots)
    coefficients = solve(design[drawn], before.cooling_kw[drawn])
    chosen = _blocks(after, rng)
    expected = design_of(after, model.it_knots, model.wet_bulb_knots) @ coefficients + added_kw
    return 1.0 - float(after.cooling_kw[chosen].sum() / expected[chosen].sum())


def _blocks(hourly: Hourly, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a bootstrap sample: runs of whole days, as many as there are."""
    days = hourly.days
    known = np.unique(days)
    size = min(BLOCK_DAYS, len(known))
    starts = rng.integers(0, len(known), math.ceil(len(known) / size))
    picked = (starts[:, None] + np.arange(size)).ravel()[: len(known)] % len(known)
    first = np.searchsorted(days, known, side="left")
    last = np.searchsorted(days, known, side="right")
    return np.concatenate([np.arange(first[k], last[k]) for k in picked])
