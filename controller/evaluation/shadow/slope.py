"""How much of the change that the model expects of moved setpoints came, where the plant moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.evaluation.shadow.resampling import DAY_S
from models.contract import Array

SMOOTH_ROWS = 15
"""Minutes over which meters are averaged where changes are compared."""
LEAST_MOVED = 0.01
"""Of the power: a plant whose own moves changed less, apart from load and weather, teaches nothing
about slopes."""


def slope(times_s: Array, measured_kw: Array, plant_kw: Array, still_kw: Array) -> float | None:
    """Measured over expected change of power where the plant moved its own setpoints.

    A plant moves its setpoints as load and weather go, so that what the model gets wrong of these
    would look like an effect of the moves. Measured power is therefore regressed, within days, on
    both: on what is expected under the day's mean setpoints (``still_kw``, load and weather alone)
    and on what the moves add to it; the latter's coefficient is the answer, 1 where they agree.

    Parameters
    ----------
    times_s, measured_kw, plant_kw, still_kw
        (N,) a row a minute: power as metered, as expected under the plant's own setpoints, and as
        expected under their means of each day.

    Returns
    -------
    float or None
        None where the plant moved too little to tell, or moved with load and weather alone.
    """
    day = (times_s // DAY_S).astype(np.int64)
    level = mean_of(day, measured_kw) / np.maximum(mean_of(day, plant_kw), 1e-9)
    block = (times_s // (60.0 * SMOOTH_ROWS)).astype(np.int64)

    def within(values: Array) -> Array:
        smooth = mean_of(block, values)
        return smooth - mean_of(day, smooth)

    measured, still = within(measured_kw), within(level * still_kw)
    moved = within(level * (plant_kw - still_kw))
    weight = float(still @ still)
    if weight > 0.0:
        measured = measured - float(still @ measured) / weight * still
        moved = moved - float(still @ moved) / weight * still
    if float(np.sqrt(np.mean(moved**2))) < LEAST_MOVED * float(measured_kw.mean()):
        return None
    return float(moved @ measured / (moved @ moved))


def mean_of(groups: NDArray[np.int64], values: Array) -> Array:
    """The mean of each row's group, at each row."""
    _, at = np.unique(groups, return_inverse=True)
    means = np.bincount(at, weights=values) / np.bincount(at)
    return np.asarray(means[at])
