"""What the thermal model remembers between steps: lags, and an offset for each sensor.

Offsets are random walks seen through noise: the scalar Kalman filter (Kalman 1960), whose
variance grows while a sensor is bad, so that the first good reading counts for more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.contract import Array


@dataclass(frozen=True, slots=True)
class OffsetNoise:
    """How offsets wander and sensors err."""

    walk_k2_per_s: float
    """Variance that an offset gains in a second."""
    reading_k2: float
    """Variance of what a reading differs by from one to the next."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """One offset for each sensor and its variance, K and K²."""

    value_k: Array
    variance_k2: Array

    @classmethod
    def unknown(cls, count: int, spread_k: float = 1.0) -> Offsets:
        """No offset known yet."""
        return cls(np.zeros(count), np.full(count, spread_k**2))

    def update(self, innovation_k: Array, after_s: float, noise: OffsetNoise) -> Offsets:
        """The offsets ``after_s`` later, given what each sensor shows above the prediction.

        NaN in ``innovation_k`` marks a sensor that cannot be used now: its offset stays.
        """
        prior = self.variance_k2 + noise.walk_k2_per_s * after_s
        good = np.isfinite(innovation_k)
        gain = np.where(good, prior / (prior + noise.reading_k2), 0.0)
        return Offsets(
            self.value_k + gain * np.where(good, innovation_k, 0.0), (1.0 - gain) * prior
        )


@dataclass(frozen=True, slots=True)
class ThermalState:
    """The model's memory at ``time_s``; M nodes, R racks."""

    time_s: float
    nodes: Array
    """(3, M): lagged load, first and second lag of the supply."""
    racks: Array
    """(4, R): lags of supply and rise."""
    supply_offsets: Offsets
    """(M,)."""
    rack_offsets: Offsets
    """(R,)."""

    def later(self, time_s: float, nodes: Array, racks: Array) -> ThermalState:
        """The same sensors at a later time."""
        return replace(self, time_s=time_s, nodes=nodes, racks=racks)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, for the record of a tick."""
        return {
            "time_s": self.time_s,
            "nodes": self.nodes.tolist(),
            "racks": self.racks.tolist(),
            "supply_offset_k": self.supply_offsets.value_k.tolist(),
            "supply_variance_k2": self.supply_offsets.variance_k2.tolist(),
            "rack_offset_k": self.rack_offsets.value_k.tolist(),
            "rack_variance_k2": self.rack_offsets.variance_k2.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ThermalState:
        """The state that `to_json` told."""

        def array(name: str) -> Array:
            return np.asarray(data[name], dtype=np.float64)

        return cls(
            time_s=float(data["time_s"]),
            nodes=array("nodes"),
            racks=array("racks"),
            supply_offsets=Offsets(array("supply_offset_k"), array("supply_variance_k2")),
            rack_offsets=Offsets(array("rack_offset_k"), array("rack_variance_k2")),
        )
