"""Cooling power from IT power and wet bulb: the baseline of IPMVP options B and C.

A linear model in splines of its two drivers, so that economiser and chiller hours may have slopes
of their own. Among a few such shapes the one with the least error on days it was not fitted to is
taken; nothing of the period whose savings it is to tell enters.

Tests after ASHRAE Guideline 14-2014, 4.3.2.4 (whole-building prescriptive, hourly data): CV(RMSE)
at most 30 %, NMBE within 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.evaluation.savings.hourly import Hourly, HourlyError

Array = NDArray[np.float64]

MOST_CV_RMSE = 0.30
MOST_NMBE = 0.10
"""ASHRAE Guideline 14, hourly data."""
GOAL_CV_RMSE, GOAL_NMBE = 0.10, 0.01
LEAST_HOURS = 14 * 24
"""Two weeks: less cannot tell the weather from the load."""
FOLDS = 5
SHAPES = ((0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (2, 3))
"""Knots in IT power and in wet bulb of the shapes tried, simplest first."""
SIMPLER_WITHIN = 1.02
"""A simpler shape is kept while its error is within this factor of the best."""


@dataclass(frozen=True)
class Fit:
    """How well a model fits, and how it fares on days it has not seen."""

    hours: int
    parameters: int
    cv_rmse: float
    """Of the hours that it was fitted to, with the degrees of freedom taken off."""
    nmbe: float
    """Bias over days that it was not fitted to (within the fit a regression has none)."""
    cv_rmse_unseen: float
    """Of days it was not fitted to."""
    autocorrelation: float
    """Of the residuals, hour to hour."""

    @property
    def passes(self) -> bool:
        """Guideline 14's test of an hourly model, on days it has not seen."""
        return self.cv_rmse_unseen <= MOST_CV_RMSE and abs(self.nmbe) <= MOST_NMBE


@dataclass(frozen=True)
class EnergyModel:
    """Mean cooling power of an hour, kW, from its IT power and wet bulb."""

    it_knots: tuple[float, ...]
    wet_bulb_knots: tuple[float, ...]
    coefficients: Array
    it_range_kw: tuple[float, float]
    wet_bulb_range_c: tuple[float, float]
    fit: Fit
    residuals_kw: Array
    """(N,) measured less modelled, in the order of the hours."""

    def predict(self, hourly: Hourly) -> Array:
        """(N,) kW, whatever the hours' own cooling power was."""
        return design_of(hourly, self.it_knots, self.wet_bulb_knots) @ self.coefficients

    def outside(self, hourly: Hourly) -> float:
        """Share of the hours whose drivers lie outside those it was fitted to."""
        it_low, it_high = self.it_range_kw
        wb_low, wb_high = self.wet_bulb_range_c
        known = (hourly.it_kw >= it_low) & (hourly.it_kw <= it_high)
        known &= (hourly.wet_bulb_c >= wb_low) & (hourly.wet_bulb_c <= wb_high)
        return 1.0 - float(known.mean()) if len(hourly) else 0.0


def fit_energy(hourly: Hourly) -> EnergyModel:
    """Fit the shape that does best on days left out.

    Raises
    ------
    HourlyError
        There are fewer than `LEAST_HOURS` hours.
    """
    if len(hourly) < LEAST_HOURS:
        raise HourlyError(
            f"a baseline needs {LEAST_HOURS} whole hours (two weeks) and there are {len(hourly)}"
        )
    shapes = [(_knots(hourly.it_kw, i), _knots(hourly.wet_bulb_c, w)) for i, w in SHAPES]
    unseen = [_unseen(hourly, *shape) for shape in shapes]
    errors = [float(np.sqrt(np.mean(residuals**2))) for residuals in unseen]
    best = next(k for k, error in enumerate(errors) if error <= SIMPLER_WITHIN * min(errors))
    it_knots, wb_knots = shapes[best]
    design = design_of(hourly, it_knots, wb_knots)
    coefficients = solve(design, hourly.cooling_kw)
    residuals = hourly.cooling_kw - design @ coefficients
    mean = float(hourly.cooling_kw.mean())
    freedom = len(hourly) - design.shape[1]
    fit = Fit(
        hours=len(hourly),
        parameters=design.shape[1],
        cv_rmse=float(np.sqrt((residuals**2).sum() / freedom)) / mean,
        nmbe=float(unseen[best].mean()) / mean,
        cv_rmse_unseen=errors[best] / mean,
        autocorrelation=lag_one(residuals, hourly.times_s),
    )
    return EnergyModel(
        it_knots,
        wb_knots,
        coefficients,
        (float(hourly.it_kw.min()), float(hourly.it_kw.max())),
        (float(hourly.wet_bulb_c.min()), float(hourly.wet_bulb_c.max())),
        fit,
        residuals,
    )


def lag_one(residuals: Array, times_s: Array) -> float:
    """Correlation of each hour's residual with that of the hour before, gaps left out."""
    follows = np.diff(times_s) == 3600.0
    before, after = residuals[:-1][follows], residuals[1:][follows]
    scale = float(residuals @ residuals)
    if scale <= 0.0 or not follows.any():
        return 0.0
    return float(before @ after) / scale * len(residuals) / len(before)


def _unseen(hourly: Hourly, it_knots: tuple[float, ...], wb_knots: tuple[float, ...]) -> Array:
    """Residuals of each hour from a model fitted without its block of days."""
    design = design_of(hourly, it_knots, wb_knots)
    days = hourly.days - hourly.days[0]
    fold = (days * FOLDS // (int(days[-1]) + 1)).astype(np.int64)
    residuals = np.empty(len(hourly))
    for k in range(FOLDS):
        left_out = fold == k
        coefficients = solve(design[~left_out], hourly.cooling_kw[~left_out])
        residuals[left_out] = hourly.cooling_kw[left_out] - design[left_out] @ coefficients
    return residuals


def _knots(values: Array, count: int) -> tuple[float, ...]:
    shares = np.arange(1, count + 1) / (count + 1)
    return tuple(float(v) for v in np.unique(np.quantile(values, shares)))


def design_of(hourly: Hourly, it_knots: tuple[float, ...], wb_knots: tuple[float, ...]) -> Array:
    """(N, P) constant, both drivers, their hinges, and the product of the two drivers."""
    it, wb = hourly.it_kw, hourly.wet_bulb_c
    columns = [np.ones(len(hourly)), it, wb]
    columns += [np.maximum(it - knot, 0.0) for knot in it_knots]
    columns += [np.maximum(wb - knot, 0.0) for knot in wb_knots]
    columns.append(it * wb)
    return np.stack(columns, axis=1)


def solve(design: Array, target: Array) -> Array:
    """Least squares, with the columns brought to one scale first."""
    scale = np.maximum(np.abs(design).max(axis=0), 1e-12)
    found, *_ = np.linalg.lstsq(design / scale, target, rcond=None)
    return np.asarray(found / scale, dtype=np.float64)
