"""Canonical values to bytes and back: data types, orders, scales, sentinels, ranges.

The bytes of a Modbus value are those of its registers in the order in which they
travel. A value of four bytes ABCD (A the most significant) travels as

====================  ===========  ==========
wire                  word big     word little
====================  ===========  ==========
byte order big        A B C D      C D A B
byte order little     B A D C      D C B A
====================  ===========  ==========

The bytes of a value of OPC UA, BACnet or Redfish are its little-endian scalar (as OPC
UA sends it: part 6, 5.2.2); byte and word order do not matter there, the protocol's own
library encodes it. A state may be one bit of a register. All functions are pure.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter

from facility.points import DataType, Order, Point, Table
from facility.telemetry import Quality, Reading
from facility.units import UNITS

_CODES = {
    DataType.BOOL: "H",
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}
_INTEGERS = {
    DataType.BOOL: (0, 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
}
_BITS = (Table.COIL, Table.DISCRETE)
Plainly = Callable[[float, float], Reading | None]


class EncodingError(ValueError):
    """A value that cannot be this point's: not finite, out of range, or beyond its type."""


def encode(point: Point, value: float) -> bytes:
    """The bytes of a canonical value of ``point``.

    Raises
    ------
    EncodingError
        The value is not finite, outside the point's minimum and maximum, beyond the
        data type, or would read as one of the point's sentinels.
    """
    if not math.isfinite(value):
        raise EncodingError(f"{point.tag}: {value!r} is not a finite number")
    low, high = point.minimum, point.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise EncodingError(f"{point.tag}: {value:g} is outside {_range(low, high)}")
    raw = point.to_raw(value)
    if point.data_type in _INTEGERS:
        smallest, largest = _INTEGERS[point.data_type]
        number: float = round(raw)
        if not smallest <= number <= largest:
            raise EncodingError(
                f"{point.tag}: {value:g} is {number} on the wire, beyond {point.data_type.value}"
            )
    else:
        number = raw
        if point.data_type is DataType.FLOAT32 and abs(raw) > 3.4028234663852886e38:
            raise EncodingError(f"{point.tag}: {value:g} is beyond float32")
    if point.sentinels and _is_sentinel(point, number, _plain(point, number)):
        raise EncodingError(f"{point.tag}: {value:g} would read as «no value» on this device")
    return _pack(point, number)


def decode(point: Point, data: bytes) -> float:
    """The canonical value of ``data``, as `encode` made it (no quality: see `reading`).

    Raises
    ------
    EncodingError
        ``data`` has not the length of the point's type.
    """
    try:
        return point.to_canonical(float(_unpack(point, data)))
    except struct.error:
        raise EncodingError(
            f"{point.tag}: {len(data)} bytes are no {point.data_type.value}"
        ) from None


def scalar(point: Point, data: bytes) -> float | int | bool:
    """The raw number or state in ``data`` of a point that lies in no register."""
    number = _unpack(point, data)
    if point.data_type is DataType.BOOL:
        return bool(number)
    return int(number) if point.data_type in _INTEGERS else number


def reading(point: Point, raw: float, time_s: float, data: bytes = b"") -> Reading:
    """A decoded raw value as a reading with its quality.

    ``data`` is the value's bytes, most significant first; needed only for sentinels of
    values wider than a register.
    """
    if point.bit is not None:
        raw = int(raw) >> point.bit & 1
    elif point.sentinels and _is_sentinel(point, raw, data):
        return Reading(None, Quality.ABSENT, time_s, "the device says that there is no value")
    if not math.isfinite(raw):
        return Reading(None, Quality.BAD, time_s, f"the device answered {raw!r}")
    if point.data_type is DataType.BOOL and raw not in (0, 1):
        return Reading(None, Quality.BAD, time_s, f"a state is 0 or 1, the device answered {raw:g}")
    value = point.to_canonical(raw)
    low, high = point.minimum, point.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        return Reading(None, Quality.BAD, time_s, f"{value:g} is outside {_range(low, high)}")
    return Reading(value, Quality.GOOD, time_s)


def plainly(point: Point) -> Plainly:
    """The quick way from a raw value and its time to a reading, for points read in bulk.

    None where the value is not plainly good (a sentinel, a state, out of range, not finite):
    `reading` tells then.
    """
    unit, scale, shift = UNITS[point.unit], point.scale, point.offset
    factor, lift, good = unit.factor, unit.offset, Quality.GOOD
    # The largest finite numbers, so that an infinity is never within the range.
    low = -sys.float_info.max if point.minimum is None else point.minimum
    high = sys.float_info.max if point.maximum is None else point.maximum
    if point.sentinels or point.bit is not None or point.data_type is DataType.BOOL:
        return lambda _raw, _time_s: None

    def judged(raw: float, time_s: float) -> Reading | None:
        value = (raw * scale + shift) * factor + lift
        # NaN fails every comparison, so one test finds all that is not plainly good.
        return Reading(value, good, time_s) if low <= value <= high else None

    return judged


class RegisterBlock:
    """Decodes one block of registers with a single `struct.unpack`.

    Parameters
    ----------
    first
        Register number of the block's first register.
    points
        The points within the block, by ascending register; they overlap only where they
        are of one register, as the bits of a status word.
    count
        Registers in the block.
    """

    def __init__(self, first: int, count: int, points: Sequence[Point]) -> None:
        self.points = tuple(points)
        self.size = 2 * count
        self._offsets = tuple(2 * (p.register - first) for p in self.points)
        layout, at, fields = ">", 0, -1
        order = list(range(self.size))
        index: list[int] = []
        for point, offset in zip(self.points, self._offsets, strict=True):
            width = 2 * point.data_type.registers
            if offset >= at:
                layout += "x" * (offset - at) + _CODES[point.data_type]
                at, fields = offset + width, fields + 1
                order[offset:at] = [offset + i for i in _wire_order(point, width)]
            index.append(fields)
        self._struct = struct.Struct(layout + "x" * (self.size - at))
        shared = len(index) > fields + 1
        self._fan_out = itemgetter(*index) if shared else None
        plain = order == list(range(self.size))
        self._reorder = None if plain else itemgetter(*order)
        self._rows = tuple((p, plainly(p)) for p in self.points)

    def readings(self, data: bytes, time_s: float) -> dict[str, Reading]:
        """The readings of a reply's data.

        Raises
        ------
        EncodingError
            ``data`` has not the length of the block.
        """
        if len(data) != self.size:
            raise EncodingError(f"asked for {self.size} bytes, got {len(data)}")
        if self._reorder is not None:
            data = bytes(self._reorder(data))
        found: dict[str, Reading] = {}
        values = self._struct.unpack(data)
        if self._fan_out is not None:
            values = self._fan_out(values)
        for (point, judged), raw, offset in zip(self._rows, values, self._offsets, strict=True):
            told = judged(raw, time_s)
            if told is None:
                width = 2 * point.data_type.registers
                told = reading(point, raw, time_s, data[offset : offset + width])
            found[point.tag] = told
        return found


def bit_readings(
    first: int, points: Sequence[Point], data: bytes, time_s: float
) -> dict[str, Reading]:
    """The readings of coils or discrete inputs: bit 0 of the first byte is register ``first``."""
    found: dict[str, Reading] = {}
    for point in points:
        at = point.register - first
        found[point.tag] = reading(point, data[at >> 3] >> (at & 7) & 1, time_s)
    return found


def _range(low: float | None, high: float | None) -> str:
    return (
        f"{'' if low is None else format(low, 'g')} to {'' if high is None else format(high, 'g')}"
    )


@cache
def _permutation(byte_order: Order, word_order: Order, width: int) -> tuple[int, ...]:
    """Where each byte, most significant first, stands on the wire."""
    words = [[2 * i, 2 * i + 1] for i in range(width // 2)]
    if word_order is Order.LITTLE:
        words.reverse()
    if byte_order is Order.LITTLE:
        words = [[low, high] for high, low in words]
    return tuple(i for word in words for i in word)


def _wire_order(point: Point, width: int) -> tuple[int, ...]:
    return _permutation(point.byte_order, point.word_order, width)


def _plain(point: Point, number: float) -> bytes:
    """The value's bytes, most significant first."""
    return struct.pack(f">{_CODES[point.data_type]}", number)


def _pack(point: Point, number: float) -> bytes:
    if not point.table.is_modbus:
        code = "?" if point.data_type is DataType.BOOL else _CODES[point.data_type]
        return struct.pack(f"<{code}", number)
    if point.table in _BITS:
        return b"\x01" if number else b"\x00"
    plain = _plain(point, number)
    # The permutations are their own inverses: both reversals are.
    return bytes(plain[i] for i in _wire_order(point, len(plain)))


def _unpack(point: Point, data: bytes) -> float:
    if not point.table.is_modbus:
        code = "?" if point.data_type is DataType.BOOL else _CODES[point.data_type]
        return float(struct.unpack(f"<{code}", data)[0])
    if point.table in _BITS:
        return float(struct.unpack(">?", data)[0])
    plain = data
    if len(data) == 2 * point.data_type.registers:
        plain = bytes(data[i] for i in _wire_order(point, len(data)))
    return float(struct.unpack(f">{_CODES[point.data_type]}", plain)[0])


def _is_sentinel(point: Point, raw: float, data: bytes) -> bool:
    """Whether a raw value is one of the point's: as a number, as bits, or in each register."""
    if raw in point.sentinels:
        return True
    if not data or not point.table.is_modbus:
        return False
    words = {data[i : i + 2] for i in range(0, len(data), 2)}
    for sentinel in point.sentinels:
        if sentinel < 0:
            continue
        if int.from_bytes(data, "big") == sentinel:
            return True
        if sentinel <= 0xFFFF and words == {sentinel.to_bytes(2, "big")}:
            return True
    return False
