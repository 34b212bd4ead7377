"""Canonical values to the bytes on the wire and back, one codec for each point.

Modbus registers are 16 bits, the high byte first on the wire (Modbus Application Protocol
V1.1b3, 4.2). How several registers make one value is the vendor's choice: with the bytes of
a big-endian value named A B C D, the orders (bytes in a register, registers in a value) are
big-big A B C D, big-little C D A B, little-big B A D C and little-little D C B A. A coil is
a byte of 0 or 1 here. A value of an OPC UA node is its little-endian scalar (OPC 10000-6,
5.2.2).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from facility.points import DataType, Order, Point, Table
from facility.units import UNITS

_FORMATS = {
    DataType.BOOL: ">H",
    DataType.INT16: ">h",
    DataType.UINT16: ">H",
    DataType.INT32: ">i",
    DataType.UINT32: ">I",
    DataType.FLOAT32: ">f",
    DataType.FLOAT64: ">d",
}
_RANGES = {
    DataType.BOOL: (0, 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
}
_REGISTERS = (Table.HOLDING, Table.INPUT)
_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True, slots=True)
class Codec:
    """How one point's value looks on the wire.

    Integers saturate at the ends of their type, as a converter does. A value that does not
    exist is the point's first sentinel; without one, NaN in a float and in an integer the
    value that vendors leave for it: the lowest of a signed type, all ones of an unsigned.
    """

    layout: struct.Struct
    swap_bytes: bool
    swap_words: bool
    gain: float
    bias: float
    integer: tuple[int, int] | None
    single: bool
    """Whether the value is a float32, whose range is less than Python's."""
    absent: bytes
    sentinels: frozenset[bytes]

    @classmethod
    def of(cls, point: Point) -> Codec:
        """The codec of a Modbus point; ``raw = (canonical - bias) / gain``."""
        unit = UNITS[point.unit]
        layout = _layout(point)
        integer = _RANGES.get(point.data_type)
        bare = cls(
            layout=layout,
            swap_bytes=point.byte_order is Order.LITTLE and point.table in _REGISTERS,
            swap_words=point.word_order is Order.LITTLE and point.table in _REGISTERS,
            gain=point.scale * unit.factor,
            bias=point.offset * unit.factor + unit.offset,
            integer=integer,
            single=point.data_type is DataType.FLOAT32,
            absent=b"",
            sentinels=frozenset(),
        )
        sentinels = tuple(bare._arrange(_bits(raw, layout.size)) for raw in point.sentinels)
        absent = sentinels[0] if sentinels else bare._arrange(_nothing(layout, integer))
        return cls(
            layout=layout,
            swap_bytes=bare.swap_bytes,
            swap_words=bare.swap_words,
            gain=bare.gain,
            bias=bare.bias,
            integer=integer,
            single=bare.single,
            absent=absent,
            sentinels=frozenset(sentinels),
        )

    def encode(self, value: float | None) -> bytes:
        """The wire bytes of a canonical value, None where it does not exist."""
        if value is None:
            return self.absent
        raw = (value - self.bias) / self.gain
        if self.integer is not None:
            low, high = self.integer
            packed = self.layout.pack(min(max(round(raw), low), high))
        elif self.single:
            packed = self.layout.pack(min(max(raw, -_FLOAT32_MAX), _FLOAT32_MAX))
        else:
            packed = self.layout.pack(raw)
        return self._arrange(packed) if self.swap_bytes or self.swap_words else packed

    def decode(self, wire: bytes) -> float | None:
        """The canonical value of wire bytes; None where they are no number or a sentinel."""
        if wire in self.sentinels:
            return None
        (raw,) = self.layout.unpack(self._arrange(wire))
        if not math.isfinite(raw):
            return None
        if self.integer is not None and not self.integer[0] <= raw <= self.integer[1]:
            return None  # a boolean that is neither 0 nor 1
        return float(raw * self.gain + self.bias)

    def _arrange(self, data: bytes) -> bytes:
        """Big-endian bytes to the device's order, and back: it is its own inverse."""
        words = [data[i : i + 2] for i in range(0, len(data), 2)]
        if self.swap_words:
            words.reverse()
        if self.swap_bytes:
            words = [word[::-1] for word in words]
        return b"".join(words)


def _layout(point: Point) -> struct.Struct:
    if point.table in (Table.COIL, Table.DISCRETE):
        return struct.Struct("B")
    form = _FORMATS[point.data_type]
    if point.table is Table.NODE:
        form = "<B" if point.data_type is DataType.BOOL else form.replace(">", "<")
    return struct.Struct(form)


def _bits(raw: int, size: int) -> bytes:
    """A sentinel of the points list, given as a signed or an unsigned whole number."""
    return (raw & ((1 << 8 * size) - 1)).to_bytes(size, "big")


def _nothing(layout: struct.Struct, integer: tuple[int, int] | None) -> bytes:
    if integer is None:
        return layout.pack(math.nan)
    return layout.pack(integer[0]) if integer[0] < 0 else b"\xff" * layout.size
