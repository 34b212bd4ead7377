"""The envelope's arithmetic: whole numbers of grains, so that comparisons are exact.

A grain is 1/10,000 of the canonical unit of an actuator (0.1 mK, 0.1 mL/s). That is far below
what any sensor or actuator resolves, and above the rounding error of a 32-bit float up to about
1,000 units, so that a value means the same before and after it was on the wire. Limits, readings
and commands are rounded to the nearest grain where they enter; from there on nothing rounds but
the rate, which rounds down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

GRAINS_PER_UNIT = 10_000
LARGEST = 1e9
"""Numbers beyond this are no temperatures, flows or moments of ours (POSIX seconds excepted)."""

WIDEST = round(LARGEST * GRAINS_PER_UNIT)
"""Grains of the largest number."""


def is_number(value: float) -> bool:
    """Whether ``value`` is finite and of a size that occurs."""
    return -LARGEST <= value <= LARGEST  # false for NaN too


def grains(value: float) -> int:
    """``value`` (a number after `is_number`) in grains, to the nearest."""
    return round(value * GRAINS_PER_UNIT)


def units(count: int) -> float:
    """A number of grains in the canonical unit."""
    return count / GRAINS_PER_UNIT


def milliseconds(duration_s: float) -> int:
    """A duration in whole milliseconds, to the nearest."""
    return round(duration_s * 1000)


def allowance(rate_per_min: float, elapsed_s: float, window_s: float) -> int:
    """Grains that a rate allows after ``elapsed_s``, of which at most ``window_s`` count.

    Rounded down; nothing where the time elapsed is negative.
    """
    counted_ms = min(milliseconds(elapsed_s), milliseconds(window_s))
    return grains(rate_per_min) * max(counted_ms, 0) // 60_000


@dataclass(frozen=True, slots=True)
class Interval:
    """The values that one check admits, in grains, both ends included; None is no bound."""

    check: str
    lower: int | None = None
    upper: int | None = None
    detail: str = ""
    saw: Mapping[str, float] = field(default_factory=dict)

    def holds(self, value: int) -> bool:
        """Whether the check admits ``value``."""
        above = self.lower is None or value >= self.lower
        return above and (self.upper is None or value <= self.upper)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What several intervals admit together, and which of them set the ends.

    Of intervals with the same end the first one is named. ``conflict`` is the first interval
    that had nothing in common with those before it; the ends then are those before it.
    """

    floor: int
    """Grains; of intervals without a lower end, minus `WIDEST`."""
    ceiling: int
    lower: Interval | None = None
    upper: Interval | None = None
    conflict: Interval | None = None

    def nearest(self, value: int) -> tuple[int, Interval | None]:
        """The admitted value nearest to ``value``, and the check that moved it, if any."""
        if value < self.floor:
            return self.floor, self.lower
        if value > self.ceiling:
            return self.ceiling, self.upper
        return value, None


def meet(intervals: Iterable[Interval]) -> Meeting:
    """What all of ``intervals`` admit; one intersection, so that no order of clamps matters."""
    floor, ceiling = -WIDEST, WIDEST
    lower: Interval | None = None
    upper: Interval | None = None
    for interval in intervals:
        new_floor = floor if interval.lower is None else max(floor, interval.lower)
        new_ceiling = ceiling if interval.upper is None else min(ceiling, interval.upper)
        if new_floor > new_ceiling:
            return Meeting(floor, ceiling, lower, upper, interval)
        lower = interval if new_floor > floor else lower
        upper = interval if new_ceiling < ceiling else upper
        floor, ceiling = new_floor, new_ceiling
    return Meeting(floor, ceiling, lower, upper)
