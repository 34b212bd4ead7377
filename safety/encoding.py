"""Which values a whitelisted point can put on the wire: those that its type and scale reach.

The envelope judges what the device will decode, not what was asked for: a register that counts
tenths turns 22.46 into 22.5, and that may be above a limit that 22.46 is below.
"""

from __future__ import annotations

import math
import struct

from facility.points import Access, DataType, Point
from safety.arithmetic import LARGEST, grains, units

RAW_RANGE: dict[DataType, tuple[int, int]] = {
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
}
FLOATS = frozenset({DataType.FLOAT32, DataType.FLOAT64})


def can_be_written(point: Point) -> bool:
    """Whether the points list lets us write numbers to this point."""
    numeric = point.data_type in RAW_RANGE or point.data_type in FLOATS
    return numeric and point.access in (Access.READ_WRITE, Access.WRITE)


def reach(point: Point) -> tuple[float, float]:
    """Lowest and highest canonical value that the point's type can carry."""
    if point.data_type in FLOATS:
        return -LARGEST, LARGEST
    ends = sorted(point.to_canonical(raw) for raw in RAW_RANGE[point.data_type])
    return max(ends[0], -LARGEST), min(ends[1], LARGEST)


def nearest_on_wire(point: Point, target: int, lower: int, upper: int) -> float | None:
    """The value nearest to ``target`` that the point can carry between ``lower`` and ``upper``.

    Parameters
    ----------
    target, lower, upper
        Grains, with ``lower <= target <= upper``.

    Returns
    -------
    float or None
        The canonical value that the device will decode; None where the point carries no value
        between the two.
    """
    raw = point.to_raw(units(target))
    if point.data_type is DataType.FLOAT64:
        candidates = [raw]
    elif point.data_type is DataType.FLOAT32:
        candidates = [struct.unpack(">f", struct.pack(">f", raw))[0]]
    else:
        candidates = [
            float(whole) for whole in {math.floor(raw), math.ceil(raw)} if _is_a_value(point, whole)
        ]
    values = [point.to_canonical(candidate) for candidate in candidates]
    inside = [value for value in values if lower <= grains(value) <= upper]
    # Of two equally near the lower one, so that the answer does not hang on the order of a set.
    return min(inside, key=lambda value: (abs(grains(value) - target), value), default=None)


def _is_a_value(point: Point, whole: int) -> bool:
    low, high = RAW_RANGE[point.data_type]
    pattern = whole & (2 ** (16 * point.data_type.registers) - 1)
    return low <= whole <= high and whole not in point.sentinels and pattern not in point.sentinels
