"""Performance curves of chillers by name: what a machine takes at any state of its water.

The form is EnergyPlus ``Chiller:Electric:ReformulatedEIR`` (Engineering Reference, «Electric
Chiller Model Based on Condenser Leaving Temperature»): capacity and power over leaving
temperatures of evaporator and condenser (biquadratic), power over part load (bicubic in
leaving condenser water and part-load ratio). The sets of CoolTools lie in EnergyPlus' data
set ``Chillers.idf`` and, with the box that each was fitted in, in Modelica Buildings
``Fluid.Chillers.Data.ElectricReformulatedEIR``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from sim.plant.chiller import biquadratic, part_load_eir, surge_part_load
from sim.plant.layout import Array

CURVE_NUMBERS = 28
"""Six of capacity, six and ten of power, three ranges of the box."""


class CurveError(ValueError):
    """A curve set cannot be that of a machine; the message says where and how to mend it."""


@dataclass(frozen=True)
class CurveSet:
    """One machine's curves, and where they were fitted."""

    capacity: tuple[float, ...]
    """CapFT: ``c1 + c2 x + c3 x² + c4 y + c5 y² + c6 xy`` of leaving evaporator ``x`` and leaving
    condenser water ``y``, °C; 1 at the reference point."""
    power: tuple[float, ...]
    """EIRFT, of the same form."""
    part_load: tuple[float, ...]
    """EIRFPLR: ``c1 + c2 y + c3 y² + c4 z + c5 z² + c6 yz + c7 y³ + c8 z³ + c9 y²z + c10 yz²`` of
    leaving condenser water ``y`` and part-load ratio ``z``."""
    evaporator_c: tuple[float, float]
    condenser_c: tuple[float, float]
    part_load_range: tuple[float, float]
    """The box of the fit, each (lowest, highest)."""

    def numbers(self) -> Array:
        """All of it as the one row of numbers that the kernels read.

        Raises
        ------
        CurveError
            A curve has not its number of coefficients, or a range is empty.
        """
        for name, count in zip(self.__dataclass_fields__, (6, 6, 10, 2, 2, 2), strict=True):
            if len(getattr(self, name)) != count:
                raise CurveError(f"{name} must be a list of {count} numbers")
        for name in ("evaporator_c", "condenser_c", "part_load_range"):
            low, high = getattr(self, name)
            if not low < high:
                raise CurveError(f"{name} must be the lowest, then the highest of the fit")
        row = np.array([number for part in astuple(self) for number in part], dtype=np.float64)
        if not np.isfinite(row).all():
            raise CurveError("a coefficient is not a finite number")
        return row

    @classmethod
    def from_numbers(cls, row: Array) -> CurveSet:
        """What `numbers` wrote."""
        v = [float(number) for number in row]
        return cls(
            tuple(v[:6]), tuple(v[6:12]), tuple(v[12:22]),
            (v[22], v[23]), (v[24], v[25]), (v[26], v[27]),
        )  # fmt: skip


@dataclass(frozen=True)
class Nameplate:
    """Where a catalogue set is 1: its own reference point."""

    capacity_kw: float
    cop: float
    evaporator_c: float
    condenser_c: float


SETS: dict[str, CurveSet] = {
    # ASHRAE 90.1 prototype OfficeLarge (EnergyPlus, Denver): WC_PD_2010_PB, 999 kW, positive
    # displacement; the smoothest and widest over the condenser.
    "ashrae_901_office_large": CurveSet(
        capacity=(0.9061171, 0.0292267, -0.0003665, -0.0009698, -0.0000907, 0.0002535),
        power=(0.3617782, -0.0230016, 0.0009672, 0.0131801, 0.0003761, -0.0007121),
        part_load=(
            -0.1360532, 0.008642703, 3.855583e-6, 1.024034, 0.06047444, -0.00894786,
            0.0, 0.05706602, 0.0, 0.0,
        ),
        evaporator_c=(5.0, 10.0), condenser_c=(17.8, 46.1), part_load_range=(0.1, 1.0),
    ),
    # York YK 2771 kW, 6.84 COP, VSD.
    "york_yk_2771kw_vsd": CurveSet(
        capacity=(0.4744171, 0.03178084, -0.00180278, 0.0538091, -0.001642699, 0.001330445),
        power=(0.8286811, 0.02304403, -0.0006841126, -0.01886483, 0.001088152, -0.001846484),
        part_load=(
            -0.6205477, 0.05913283, -1.627433e-5, 0.1051821, 1.413365, -0.05839529,
            0.0, 0.09424834, 0.0, 0.0,
        ),
        evaporator_c=(4.44, 8.89), condenser_c=(18.24, 34.26), part_load_range=(0.2, 1.03),
    ),
    # Carrier 19XR 1410 kW, 8.54 COP, VSD: the widest box of the VSD centrifugals.
    "carrier_19xr_1410kw_vsd": CurveSet(
        capacity=(0.9053779, -0.01615047, -0.00117529, 0.01318125, -0.0005919239, 0.001756836),
        power=(1.074067, -0.06702565, 3.043272e-4, 0.006055739, 4.615039e-4, 3.375766e-4),
        part_load=(
            -0.06984658, 0.02103714, 5.767453e-5, 0.5267406, 0.6390076, -0.02389231,
            0.0, -0.06097179, 0.0, 0.0,
        ),
        evaporator_c=(6.11, 12.78), condenser_c=(19.05, 30.63), part_load_range=(0.18, 1.03),
    ),
}  # fmt: skip
"""Curve sets by the name that ``plant.toml`` uses."""

NAMEPLATES = {
    "ashrae_901_office_large": Nameplate(999.07, 5.33, 6.67, 34.4444),
    "york_yk_2771kw_vsd": Nameplate(2771.1, 6.84, 5.56, 28.91),
    "carrier_19xr_1410kw_vsd": Nameplate(1410.1, 8.54, 6.11, 19.21),
}
"""Reference points of the sets, as their sources print them."""

DEFAULT = "carrier_19xr_1410kw_vsd"


def curves(names: Sequence[str], own: dict[str, CurveSet] | None = None) -> Array:
    """Rows of curves, one a chiller, from names of the catalogue or of ``own``.

    Raises
    ------
    CurveError
        A name is unknown, or a set's form is wrong.
    """
    known = SETS | (own or {})
    rows = []
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise CurveError(f"there is no chiller curve set {name!r}; there are {listed}")
        try:
            rows.append(known[name].numbers())
            check(rows[-1])
        except CurveError as error:
            raise CurveError(f"chiller curve set {name!r}: {error}") from None
    return np.array(rows, dtype=np.float64).reshape(len(rows), CURVE_NUMBERS)


def check(row: Array) -> None:
    """Refuse curves that no machine has, all over the box that they claim.

    Raises
    ------
    CurveError
        Capacity or power is not positive somewhere, or power falls with load nearly up to
        full load.
    """
    (t_low, t_high), (c_low, c_high) = row[22:24], row[24:26]
    for y in np.linspace(c_low, c_high, 9):
        for x in np.linspace(t_low, t_high, 9):
            at = f"at {x:.1f} °C chilled and {y:.1f} °C condenser water"
            for name, first in (("capacity", 0), ("power", 6)):
                if biquadratic(row, first, x, y) <= 0.05:
                    raise CurveError(f"{name} is not positive {at}: narrow the ranges of the fit")
        if surge_part_load(row, y) > 0.95 or part_load_eir(row, y, 1.0) <= 0.05:
            raise CurveError(
                f"power does not grow with load at {y:.1f} °C condenser water:"
                " narrow condenser_c, or fit part_load anew"
            )


def name_of(row: Array) -> str | None:
    """The catalogue's name of a row of curves, None for a machine of one's own."""
    for name, known in SETS.items():
        if np.array_equal(known.numbers(), row):
            return name
    return None
