"""IT load and weather to come, as quantiles; from the history that is given and no more.

Load: between the means of the last minute, minutes, hour and day of the rack, as far from each to
the next as its history says, with the spread that such forecasts had at this level of load.
Weather: the anomaly against the shape of a day, learned from past days, dies away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from facility.site import Site
from models.contract import Array, Forecast
from models.dataset import OUTDOOR, STEP_S, History
from models.layout import Ints

QUANTILES = (0.05, 0.1, 0.5, 0.9, 0.95, 0.99)
LEADS_S = (60.0, 150.0, 450.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)
LEVELS = (0.2, 0.4, 0.6, 0.8)
"""Shares of the rating that part the levels of load."""
WINDOWS = (1, 3, 10, 60, 1440)
"""Minutes whose means a load is looked for between."""
NOW = 1
"""Which of them is the present load."""
DAY_S = 86400.0
SHAPE_DAYS = 14
LEAST_PER_LEVEL = 200


@dataclass(frozen=True, slots=True)
class LoadModel:
    """How loads go on, all racks of a site pooled; shares of the rating."""

    keep: tuple[tuple[float, ...], ...]
    """[lead][window]: how much is left of a window's distance from the next longer, 0 to 1."""
    spread: tuple[tuple[tuple[float, ...], ...], ...]
    """[lead][level][quantile] of the error of the expected value."""

    @classmethod
    def fit(cls, history: History) -> LoadModel:
        """Learn from a history."""
        return cls.fit_shares(history.it_power_kw / history.layout.rated_kw)

    @classmethod
    def fit_shares(cls, share: Array) -> LoadModel:
        """Learn from loads (N, R) at 60 s, shares of the ratings; NaN where nothing is known."""
        means = [running_mean(share, width) for width in WINDOWS]
        keep: list[tuple[float, ...]] = []
        spread: list[tuple[tuple[float, ...], ...]] = []
        for lead_s in LEADS_S:
            rows = round(lead_s / STEP_S)
            origins = slice(0, max(len(share) - rows, 1), 3)
            later = share[rows:][origins] if len(share) > rows else share[:1]
            seen = [mean[origins] for mean in means]
            steps = np.stack([a - b for a, b in pairwise(seen)], axis=-1)
            moved = later - seen[-1]
            told = np.isfinite(steps).all(axis=-1) & np.isfinite(moved)
            x, y = steps[told], moved[told]
            # Within 0 and 1 the forecast lies among the means: no slope is carried on.
            small = 1e-9 * np.eye(x.shape[1])
            left = lsq_linear(x.T @ x + small, x.T @ y, (0.0, 1.0)).x
            keep.append(tuple(float(v) for v in left))
            error = np.where(told, moved - np.where(told[..., None], steps, 0.0) @ left, 0.0)
            spread.append(_spread(error, seen[NOW], told))
        return cls(tuple(keep), tuple(spread))

    def expect(self, share: Array, rows: Ints, lead_s: Array) -> Array:
        """(origins, leads, R) loads expected from rows of ``share`` (N, R), before any clipping."""
        return self.between(np.stack([running_mean(share, w)[rows] for w in WINDOWS]), lead_s)

    def between(self, means: Array, lead_s: Array) -> Array:
        """(..., leads, R) from the means of all `WINDOWS`, (W, ..., R)."""
        table = np.array(self.keep)
        keep = np.stack([np.interp(lead_s, LEADS_S, column) for column in table.T])
        steps = means[:-1] - means[1:]
        return np.asarray(means[-1][..., None, :] + np.einsum("wl,w...r->...lr", keep, steps))


@dataclass(frozen=True, slots=True)
class WeatherModel:
    """How anomalies against the shape of a day die away."""

    decay_s: float = 6.0 * 3600.0
    spread_k: float = 3.0
    """Standard deviation of an anomaly."""

    @classmethod
    def fit(cls, history: History) -> WeatherModel:
        """Learn from a history of two days or more; shorter ones tell nothing."""
        if history.rows * STEP_S < 2.0 * DAY_S:
            return cls()
        anomaly = history.wet_bulb_c - _day_shape(history.time_s, history.wet_bulb_c).at(
            history.time_s
        )
        anomaly = anomaly[np.isfinite(anomaly)]
        rows = round(3600.0 / STEP_S)
        spread = max(float(anomaly.std()), 0.3)
        kept = float((anomaly[rows:] * anomaly[:-rows]).mean()) / spread**2
        decay_s = 3600.0 / -np.log(np.clip(kept, 0.3, 0.97))
        return cls(float(decay_s), spread)


def forecast_load(
    model: LoadModel,
    site: Site,
    history: pd.DataFrame,
    *,
    start_s: float,
    step_s: float,
    steps: int,
) -> Forecast:
    """IT power of every rack for ``steps`` from ``start_s``: values (Q, T, R), kW.

    Rows of ``history`` at or after ``start_s`` are not looked at. A rack that the history
    says nothing of is taken at its rating.
    """
    time_s = _times(history)
    past = time_s < start_s
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    tags = [site.tag(rack, "it_power") for rack in site.racks]
    place = history.columns.get_indexer(pd.Index(["" if tag is None else tag for tag in tags]))
    there = np.flatnonzero(place >= 0)
    share = np.full((int(past.sum()), len(rated)), np.nan)
    known = history.iloc[:, place[there]].to_numpy(dtype=float)
    share[:, there] = known[past] / rated[there]
    age_s = start_s - time_s[past]
    # A gap in the last minutes reaches back for the last that is known.
    last = _last(share)
    seen = [_mean(share[age_s <= width * STEP_S]) for width in WINDOWS]
    means = np.stack([np.where(np.isfinite(mean), mean, last) for mean in seen])
    unknown = ~np.isfinite(last)
    means[:, unknown] = 1.0
    now = means[NOW]
    lead_s = (np.arange(steps) + 0.5) * step_s
    expected = model.between(means, np.asarray(lead_s, dtype=np.float64))
    level = np.digitize(now, LEVELS)
    table = np.array(model.spread)  # (lead, level, quantile)
    values = np.empty((len(QUANTILES), steps, len(rated)))
    for q in range(len(QUANTILES)):
        by_level = np.stack(
            [np.interp(lead_s, LEADS_S, table[:, v, q]) for v in range(table.shape[1])]
        )
        values[q] = expected + by_level[level].T
    values = np.sort(np.clip(values, 0.0, np.maximum(1.0, now)), axis=0)
    values[..., unknown] = 1.0
    return Forecast(QUANTILES, values * rated)


def forecast_weather(
    model: WeatherModel,
    site: Site,
    history: pd.DataFrame,
    *,
    start_s: float,
    step_s: float,
    steps: int,
) -> Mapping[str, Forecast]:
    """Wet and dry bulb for ``steps`` from ``start_s``: ``wet_bulb_c`` and ``dry_bulb_c``, (Q, T).

    Raises
    ------
    ValueError
        The history has no reading of them before ``start_s``.
    """
    time_s = _times(history)
    past = (time_s < start_s) & (time_s >= start_s - SHAPE_DAYS * DAY_S)
    lead_s = (np.arange(steps) + 0.5) * step_s
    left = np.exp(-lead_s / model.decay_s)
    spread = model.spread_k * np.sqrt(1.0 - left**2)
    answer = {}
    for name, quantity in (
        ("wet_bulb_c", "wet_bulb_temperature"),
        ("dry_bulb_c", "dry_bulb_temperature"),
    ):
        tag = site.tag(OUTDOOR, quantity)
        values = (
            history[tag].to_numpy(dtype=float)[past]
            if tag is not None and tag in history
            else np.zeros(0)
        )
        known = np.isfinite(values)
        if not known.any():
            raise ValueError(
                f"the history has no {quantity} before the forecast starts: "
                "check the weather station"
            )
        moments = time_s[past][known]
        shape = _day_shape(moments, values[known])
        last = float(values[known][-1])
        anomaly = last - float(shape.at(moments[-1:])[0])
        expected = np.full(steps, last)
        if shape.days >= 1.0:
            expected = np.asarray(shape.at(np.asarray(start_s + lead_s)) + left * anomaly)
        normal = np.array([_normal(q) for q in QUANTILES])
        answer[name] = Forecast(QUANTILES, expected + normal[:, None] * spread)
    return answer


@dataclass(frozen=True, slots=True)
class _Shape:
    """A mean day: constant and two harmonics."""

    weights: Array
    days: float

    def at(self, time_s: Array) -> Array:
        return np.asarray(_harmonics(time_s) @ self.weights)


def _harmonics(time_s: Array) -> Array:
    angle = 2.0 * np.pi * time_s / DAY_S
    return np.stack(
        [np.ones_like(angle), *(f(k * angle) for k in (1, 2) for f in (np.sin, np.cos))], axis=1
    )


def _day_shape(time_s: Array, values: Array) -> _Shape:
    """Least squares; the harmonics are held small where the days are few."""
    known = np.isfinite(values)
    basis, target = _harmonics(time_s[known]), values[known]
    days = float((time_s[known].max() - time_s[known].min()) / DAY_S) if known.any() else 0.0
    ridge = np.diag([0.0, *(1.0,) * 4]) * len(target) * (0.02 if days >= 1.0 else 10.0)
    weights = np.linalg.solve(basis.T @ basis + ridge + 1e-9 * np.eye(5), basis.T @ target)
    return _Shape(np.asarray(weights, dtype=np.float64), days)


def _spread(error: Array, now: Array, told: NDArray[np.bool_]) -> tuple[tuple[float, ...], ...]:
    """Quantiles of the error by level of the load; a level seldom seen takes all."""
    level = np.digitize(now, LEVELS)
    rows = []
    for value in range(len(LEVELS) + 1):
        here = error[told & (level == value)]
        if len(here) < LEAST_PER_LEVEL:
            here = error[told]
        found = np.quantile(here, QUANTILES) if len(here) else np.zeros(len(QUANTILES))
        # The median is the point forecast, whose drift `keep` already tells.
        rows.append(tuple(float(v) for v in found))
    return tuple(rows)


def running_mean(values: Array, rows: int) -> Array:
    """Mean of the last ``rows`` rows, fewer at the start; NaN rows count for nothing."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    before = np.zeros_like(total[:1])
    shifted = np.concatenate([np.repeat(before, min(rows, len(values)), axis=0), total[:-rows]])
    fewer = np.concatenate([np.repeat(before, min(rows, len(values)), axis=0), count[:-rows]])
    number = count - fewer
    return np.where(number > 0, (total - shifted) / np.maximum(number, 1), np.nan)


def _mean(values: Array) -> Array:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _last(values: Array) -> Array:
    """The last known row of each column; NaN where there is none."""
    found = np.full(values.shape[1], np.nan)
    for row in values:
        found = np.where(np.isfinite(row), row, found)
    return found


def _times(history: pd.DataFrame) -> Array:
    index = history.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        raise ValueError("the history needs an index of UTC moments")
    return np.asarray(index.as_unit("ns").asi8, dtype=float) / 1e9


def _normal(quantile: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(quantile))
