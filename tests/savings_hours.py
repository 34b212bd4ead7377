"""Hours of a plant whose savings are known."""

from __future__ import annotations

import numpy as np

from controller.evaluation.savings import Hourly
from facility.clock import from_iso

START = "2026-03-02"
START_S = from_iso(START)


def hours(days: int, seed: int = 3, start_s: float = START_S, noise: float = 0.04) -> Hourly:
    """A plant whose cooling power follows load and wet bulb, with errors that last for hours."""
    rng = np.random.default_rng(seed)
    count = 24 * days
    times_s = start_s + 3600.0 * np.arange(count, dtype=np.float64)
    phase = 2.0 * np.pi * times_s / 86_400.0
    drift = np.repeat(rng.normal(0.0, 2.5, days), 24)
    wet_bulb = 11.0 + 4.0 * np.sin(phase) + drift
    it = 4200.0 + 500.0 * np.sin(phase / 7.0) + np.repeat(rng.normal(0.0, 150.0, days), 24)
    error = np.zeros(count)
    for k in range(1, count):
        error[k] = 0.8 * error[k - 1] + rng.normal(0.0, noise * 0.6)
    expected = 60.0 + 0.05 * it + 6.0 * np.maximum(wet_bulb - 8.0, 0.0)
    return Hourly(times_s, expected * (1.0 + error), it, wet_bulb)
