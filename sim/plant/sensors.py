"""Sensors: bias, noise and quantum of every point, drawn from a seed.

A reading depends on the seed, the point and the second alone, not on who asked before, so
that a run repeats bit for bit however often it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facility.points import DataType, Point
from facility.quantities import CHARGE_RATE, QUANTITIES
from facility.units import UNITS, Kind
from sim.plant.layout import Array

# Absolute noise and bias by kind of quantity (canonical unit), and shares of the reading.
# Temperature: sigma 0.05 to 0.15 K, bias N(0, 0.25 K) for single probes; matched pairs of a
# plant that is commissioned are better. Flow 1 to 2 %, power 1 % (plant-physics, 1.8).
NOISE = {Kind.TEMPERATURE: 0.05, Kind.PRESSURE: 0.3, Kind.PERCENT: 0.1}
BIAS = {Kind.TEMPERATURE: 0.12, Kind.PRESSURE: 0.5, Kind.PERCENT: 0.2}
NOISE_SHARE = {Kind.FLOW: 0.005, Kind.POWER: 0.004}
BIAS_SHARE = {Kind.FLOW: 0.008, Kind.POWER: 0.004}
FLOAT_QUANTUM = {
    Kind.TEMPERATURE: 0.01, Kind.PRESSURE: 0.1, Kind.PERCENT: 0.1, Kind.FLOW: 0.01,
    Kind.POWER: 0.01,
}  # fmt: skip
"""Resolution of a transmitter whose point is a floating-point number."""
BOTH_WAYS = frozenset({CHARGE_RATE})
"""Of a flow that turns round; meters of other flows, and of power, show no less than 0."""
BIAS_LIMIT = 2.0
"""Of a bias, in its sigmas: worse probes are replaced at commissioning."""


class Sensors:
    """The sensors of a list of points."""

    def __init__(self, points: Sequence[Point], seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        count = len(points)
        kinds = [QUANTITIES[p.quantity].kind for p in points]
        draw = np.clip(rng.standard_normal(count), -BIAS_LIMIT, BIAS_LIMIT)
        self._seed = seed
        self._bias = draw * [BIAS.get(k, 0.0) for k in kinds]
        self._gain = 1.0 + draw * [BIAS_SHARE.get(k, 0.0) for k in kinds]
        self._noise = np.array([NOISE.get(k, 0.0) for k in kinds])
        self._noise_share = np.array([NOISE_SHARE.get(k, 0.0) for k in kinds])
        self._quantum = np.array([_quantum(p, k) for p, k in zip(points, kinds, strict=True)])
        # Where raw zero lies in the canonical unit: the grid of an integer register.
        self._origin = np.array([p.to_canonical(0.0) for p in points])
        positive = np.array(
            [
                k in (Kind.POWER, Kind.FLOW, Kind.PERCENT) and p.quantity not in BOTH_WAYS
                for p, k in zip(points, kinds, strict=True)
            ]
        )
        self._floor = np.where(positive, 0.0, -np.inf)

    def measure(self, truth: Array, step: int, errors: Array | None = None) -> Array:
        """What the sensors show of ``truth`` at the plant's ``step``-th second.

        ``errors`` is what faulty ones show besides, before their quantum.
        """
        draw = np.random.Generator(
            np.random.Philox(key=[self._seed & 0xFFFFFFFF, 3], counter=[0, 0, 0, step])
        ).standard_normal(len(truth))
        seen = truth * self._gain + self._bias
        if errors is not None:
            seen += errors
        seen += draw * (self._noise + self._noise_share * np.abs(truth))
        seen = np.maximum(seen, self._floor)
        grid = self._quantum > 0.0
        q = np.where(grid, self._quantum, 1.0)
        snapped = np.round((seen - self._origin) / q) * q + self._origin
        return np.where(grid, snapped, seen)


def _quantum(point: Point, kind: Kind) -> float:
    if point.data_type in (DataType.FLOAT32, DataType.FLOAT64):
        return FLOAT_QUANTUM.get(kind, 0.0)
    return abs(point.scale * UNITS[point.unit].factor)
