"""Wet bulb and dew point of outdoor air, by psychrolib (ASHRAE Fundamentals 2017, chapter 1)."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

PRESSURE_PA = 101_325.0
DRIEST_C = -40.0


def _psychrolib() -> ModuleType:
    """Psychrolib in SI units, interpreted.

    Where Numba is at hand psychrolib compiles itself anew in every process, and again at
    each choice of units: seconds, for a few thousand values. So Numba is away meanwhile.
    """
    numba = sys.modules.get("numba")
    sys.modules["numba"] = None  # type: ignore[assignment]  # None makes an import fail
    try:
        library = importlib.import_module("psychrolib")
    finally:
        if numba is None:
            del sys.modules["numba"]
        else:
            sys.modules["numba"] = numba
    library.SetUnitSystem(library.SI)
    return library


_LIBRARY = _psychrolib()


def wet_bulb_c(dry_bulb_c: float, dew_point_c: float, pressure_pa: float = PRESSURE_PA) -> float:
    """Wet bulb, °C; a dew point above the dry bulb counts as saturation."""
    dew = min(dew_point_c, dry_bulb_c)
    return float(_LIBRARY.GetTWetBulbFromTDewPoint(dry_bulb_c, dew, pressure_pa))


def dew_point_c(dry_bulb_c: float, wet_bulb_c: float, pressure_pa: float = PRESSURE_PA) -> float:
    """Dew point, °C; at least -40, where the air is as good as dry."""
    wet = min(wet_bulb_c, dry_bulb_c)
    try:
        dew = _LIBRARY.GetTDewPointFromTWetBulb(dry_bulb_c, wet, pressure_pa)
    except ValueError:  # drier than air can be at this wet bulb
        return DRIEST_C
    return max(float(dew), DRIEST_C)
