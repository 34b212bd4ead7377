"""The plant as the devices see it: what `sim.simulation.Simulation` keeps of its contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Measurement(Protocol):
    """A point's value as its sensor gives it."""

    @property
    def value(self) -> float | None:
        """In the canonical unit of the quantity; None where there is none."""
        ...

    @property
    def ok(self) -> bool:
        """Whether the device itself holds the value to be good."""
        ...

    @property
    def time_s(self) -> float:
        """Plant time of the measurement."""
        ...


class Plant(Protocol):
    """A plant that stands at one instant until it is advanced."""

    @property
    def now_s(self) -> float:
        """Plant time, POSIX seconds UTC."""
        ...

    def advance(self, to_s: float) -> None:
        """Bring the plant to ``to_s``."""
        ...

    def read(self, tag: str) -> Measurement:
        """What the point called ``tag`` shows now."""
        ...

    def write(self, tag: str, value: float) -> bool:
        """Write a setpoint, enable or heartbeat; False where the device rejects it."""
        ...

    def answers(self, device: str) -> bool:
        """Whether a device answers: False while its communication is lost."""
        ...


class RunningPlant(Plant, Protocol):
    """A plant that also knows the truth about itself and keeps accounts."""

    def truth(self) -> Mapping[str, float]:
        """Noise-free values, by tag and derived."""
        ...

    def accounts(self) -> Any:
        """Energy and violations so far: a dataclass."""
        ...
