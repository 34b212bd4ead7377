"""Units of measurement: one canonical unit for each kind of quantity.

Values are converted once, where they enter (the points list names the unit on
the wire), and carry the canonical unit in their name from there on:
temperatures ``_c``, temperature differences ``_k``, power ``_kw``, pressure
``_kpa``, flow ``_ls`` (litres a second), ratios and speeds ``_pct``, times ``_s``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A kind of quantity; its value is the canonical unit."""

    TEMPERATURE = "degC"
    TEMPERATURE_DIFFERENCE = "K"
    POWER = "kW"
    ENERGY = "kWh"
    PRESSURE = "kPa"
    FLOW = "L/s"
    PERCENT = "%"
    TIME = "s"
    COUNT = "count"
    STATE = "state"

    @property
    def unit(self) -> str:
        """The canonical unit's name."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit on the wire: ``canonical = value * factor + offset``."""

    name: str
    kind: Kind
    factor: float = 1.0
    offset: float = 0.0

    def to_canonical(self, value: float) -> float:
        """Convert a value in this unit to the canonical unit of its kind."""
        return value * self.factor + self.offset

    def from_canonical(self, value: float) -> float:
        """Convert a canonical value to this unit."""
        return (value - self.offset) / self.factor


def _units() -> dict[str, Unit]:
    t, d, p, f = Kind.TEMPERATURE, Kind.TEMPERATURE_DIFFERENCE, Kind.PRESSURE, Kind.FLOW
    rows = (
        Unit("degC", t),
        Unit("degF", t, 5.0 / 9.0, -160.0 / 9.0),
        Unit("kelvin", t, 1.0, -273.15),
        Unit("K", d),
        Unit("delta_degC", d),
        Unit("delta_degF", d, 5.0 / 9.0),
        Unit("W", Kind.POWER, 1e-3),
        Unit("kW", Kind.POWER),
        Unit("MW", Kind.POWER, 1e3),
        Unit("kWh", Kind.ENERGY),
        Unit("MWh", Kind.ENERGY, 1e3),
        Unit("Pa", p, 1e-3),
        Unit("kPa", p),
        Unit("bar", p, 100.0),
        # NIST SP 811 (2008), appendix B.8: 1 psi = 6.894757 kPa; 1 US gal/min = 0.06309020 L/s.
        Unit("psi", p, 6.894757),
        Unit("L/s", f),
        Unit("L/min", f, 1.0 / 60.0),
        Unit("m3/h", f, 1.0 / 3.6),
        Unit("gpm", f, 0.06309020),
        Unit("%", Kind.PERCENT),
        Unit("fraction", Kind.PERCENT, 100.0),
        Unit("s", Kind.TIME),
        Unit("min", Kind.TIME, 60.0),
        Unit("count", Kind.COUNT),
        Unit("state", Kind.STATE),
    )
    return {row.name: row for row in rows}


UNITS: dict[str, Unit] = _units()
"""Every unit that a points list may name."""


def unit(name: str) -> Unit:
    """The unit called ``name``.

    Raises
    ------
    KeyError
        There is no such unit; the message lists those there are.
    """
    try:
        return UNITS[name]
    except KeyError:
        known = ", ".join(UNITS)
        raise KeyError(f"there is no unit {name!r}; known units are {known}") from None
