"""The sensor that a unit's own controller uses: what it shows where a fault has it wrong."""

from __future__ import annotations

from sim.plant.layout import Record, kernel

STATE = {
    "sensor_off_k": "error of the supply sensor that the controller uses, K",
    "sensor_held": "1 while that sensor is frozen",
    "sensor_held_c": "what it shows then, degC",
}
"""Of every unit that controls on a sensor of its points list."""


@kernel
def sensed_c(s: Record, true_c: float) -> float:
    """What the controller of unit ``s`` takes ``true_c`` for, degC."""
    if s.sensor_held > 0.5:
        return float(s.sensor_held_c)
    return float(true_c + s.sensor_off_k)
