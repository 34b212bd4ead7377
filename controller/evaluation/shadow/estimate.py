"""What a shadow run is worth: energy and its uncertainty.

Energy of a stretch under our setpoints is what was measured, less the model's difference between
the plant's setpoints and ours, scaled by measured over expected power of that stretch; IT leakage
counts with its sign. Three things make it uncertain, and all are in the interval:

- which time it was: a bootstrap over blocks of the record (`resampling`), for errors last for
  hours;
- the model's level: its error on later data when it was made, which does not average out;
- how much racks leak for each kelvin, which the model knows with an error of its own.

How far its slopes can be trusted is a criterion of its own: where the plant itself moved its
setpoints, the change that the model expects of these moves is held against what the meters then
showed, what it gets wrong of load and weather taken off (`slope`, 1 where they agree).

Logged controllers are deterministic: what they never tried has no weight in the record, so
importance sampling does not hold, and the model is all there is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from controller.evaluation.shadow.resampling import STRETCH_S, Blocks, resample
from controller.evaluation.shadow.slope import mean_of, slope
from controller.evaluation.shadow.study import ShadowStudy
from models.contract import Array
from models.registry import Bundle

CONFIDENCE = 0.90
DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """Energy of the period, kWh, and what it would have been."""

    hours: float
    measured_kwh: float
    ours_kwh: float
    """Cooling under our setpoints, leakage counted."""
    leakage_kwh: float
    """Of it, IT power that our temperatures would have added (negative: saved)."""
    it_kwh: float
    saved_share: float
    interval_share: tuple[float, float] | None
    """`CONFIDENCE`; None where the record is too short for one."""
    blocks: Blocks | None
    """What of the interval is from the time that it was found over; None where there is none."""
    spread_model: float
    """Standard error of the share from the model's level."""
    spread_leakage: float
    """And from how much racks leak for each kelvin."""
    model_error_share: float
    """RMS difference of hourly measured and expected power, over mean power, in this period."""
    claimed_error_share: float
    """The same as claimed when the model was made."""
    slope: float | None
    """Measured over expected change where the plant itself moved; None: it moved too little."""


def estimate(study: ShadowStudy, bundle: Bundle, *, seed: int = 0) -> Estimate:
    """Energy with its interval.

    Raises
    ------
    ValueError
        No minute of the record has all of the plant's meters.
    """
    known = np.isfinite(study.measured_kw)
    if not known.any():
        raise ValueError(
            "no minute of the record has all power meters of the cooling; export them too"
        )
    stretch = (study.times_s[known] // STRETCH_S).astype(np.int64)
    measured, plant = study.measured_kw[known], study.plant_kw[known]
    ratio = mean_of(stretch, measured) / np.maximum(mean_of(stretch, plant), 1e-9)
    saved = ratio * (plant - study.ours_kw[known]) - study.leakage_kw[known]
    rng = np.random.default_rng([seed, 90])
    drawn = resample(study.times_s[known], saved, measured, rng, draws=DRAWS, confidence=CONFIDENCE)
    claimed = float(np.sqrt(sum(e**2 for e in bundle.power.error_kw.values()))) / float(
        plant.mean()
    )
    found = _period_error(study.times_s[known], measured, plant)
    # The level's error cancels where setpoints are alike; apart, each end has its own.
    model = max(claimed, found) * _apart(study)
    used, gained = float(measured.sum()) / 60.0, float(saved.sum()) / 60.0
    leaked = float(study.leakage_kw[known].sum()) / 60.0
    leakage = _unsure_leakage(bundle) * abs(leaked) / used
    spread = math.hypot(model, leakage)
    interval = None
    if drawn is not None:
        tail = (1.0 - CONFIDENCE) / 2.0
        ends = np.quantile(drawn.shares + rng.normal(0.0, spread, DRAWS), [tail, 1.0 - tail])
        interval = (float(ends[0]), float(ends[1]))
    return Estimate(
        hours=len(measured) / 60.0,
        measured_kwh=used,
        ours_kwh=used - gained,
        leakage_kwh=leaked,
        it_kwh=float(study.it_kw[known].sum()) / 60.0,
        saved_share=gained / used,
        interval_share=interval,
        blocks=None if drawn is None else drawn.blocks,
        spread_model=model,
        spread_leakage=leakage,
        model_error_share=found,
        claimed_error_share=claimed,
        slope=slope(study.times_s[known], measured, plant, study.still_kw[known]),
    )


def _unsure_leakage(bundle: Bundle) -> float:
    """Standard error of leakage as a share of it: one coefficient, so one error, for all racks."""
    found = bundle.power.leakage
    leaks = found.per_k > 0.0
    return float((found.std_per_k[leaks] / found.per_k[leaks]).max()) if leaks.any() else 0.0


def _period_error(times_s: Array, measured: Array, plant: Array) -> float:
    hour = (times_s // 3600.0).astype(np.int64)
    _, first = np.unique(hour, return_index=True)
    error = (mean_of(hour, measured) - mean_of(hour, plant))[first]
    return float(np.sqrt(np.mean(error**2)) / measured.mean())


def _apart(study: ShadowStudy) -> float:
    """0 where our setpoints are the plant's, 1 where they lie as far apart as the plant's range."""
    low = np.array([members[0].minimum for members in study.site.groups.values()])
    high = np.array([members[0].maximum for members in study.site.groups.values()])
    distance = np.abs(study.setpoints_ours - study.setpoints_plant) / np.maximum(high - low, 1e-9)
    return float(np.clip(np.sqrt(np.mean(np.max(distance, axis=1) ** 2)), 0.0, 1.0))
