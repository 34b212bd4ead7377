"""A Modbus device's registers over the plant: what it answers, and what it takes.

No I/O and no protocol library. Every read is encoded from the plant as it is now, so that
all values of a request belong to one instant; nothing is refreshed that nobody reads.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from facility.points import Access, DataType, Point, Table
from facility.site import Site
from sim.authority import WIRE_SLACK
from sim.devices.encoding import Codec
from sim.devices.plant import Plant
from sim.recorder import Recorder, Target

PLANS_KEPT = 1024


class Refusal(IntEnum):
    """Exception codes of the Modbus Application Protocol V1.1b3, section 7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    NO_RESPONSE = 11
    """«Gateway target device failed to respond»: what a gateway says of a device that is lost."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """A point in its place."""

    point: Point
    codec: Codec
    target: Target
    size: int
    """Registers, or 1 for a coil or discrete input."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a slot that a read covers, in bytes."""

    tag: str
    codec: Codec
    start: int
    stop: int


class RegisterMap:
    """The registers of one device.

    Parameters
    ----------
    site, device
        Whose points make the map. Registers of points that can only be written are not
        readable; reads may begin and end inside a value, writes may not.
    plant
        Read and written by tag.
    recorder
        Gets every write.

    Raises
    ------
    ValueError
        Two points of the device share a register.
    """

    def __init__(self, site: Site, device: str, plant: Plant, recorder: Recorder) -> None:
        self.device, self._plant, self._recorder = device, plant, recorder
        self._slots: dict[Table, dict[int, tuple[int, _Slot]]] = {table: {} for table in Table}
        self._plans: dict[tuple[Table, int, int], tuple[_Piece, ...] | None] = {}
        for point in site.device_points(device):
            self._place(point)

    def _place(self, point: Point) -> None:
        bit = point.table in (Table.COIL, Table.DISCRETE)
        size = 1 if bit else point.data_type.registers
        slot = _Slot(point, Codec.of(point), Target.of(point), size)
        taken = self._slots[point.table]
        for i in range(size):
            if (other := taken.get(point.register + i)) is not None:
                raise ValueError(
                    f"device {self.device}: {point.tag} and {other[1].point.tag} share "
                    f"{point.table.value} {point.register + i}; give one of them another "
                    "address in points.csv"
                )
            taken[point.register + i] = (i, slot)

    def read(self, table: Table, address: int, count: int) -> bytes | Refusal:
        """The wire bytes of ``count`` registers from ``address``."""
        if not self._plant.answers(self.device):
            return Refusal.NO_RESPONSE
        key = (table, address, count)
        if key not in self._plans:
            if len(self._plans) >= PLANS_KEPT:
                self._plans.clear()
            self._plans[key] = self._plan(table, address, count)
        plan = self._plans[key]
        if plan is None:
            return Refusal.ILLEGAL_ADDRESS
        read = self._plant.read
        parts = []
        for piece in plan:
            measured = read(piece.tag)
            wire = piece.codec.encode(measured.value if measured.ok else None)
            parts.append(wire[piece.start : piece.stop])
        return b"".join(parts)

    def _plan(self, table: Table, address: int, count: int) -> tuple[_Piece, ...] | None:
        taken = self._slots[table]
        pieces: list[_Piece] = []
        at, end = address, address + count
        while at < end:
            found = taken.get(at)
            if found is None or found[1].point.access is Access.WRITE:
                return None
            inside, slot = found
            length = min(slot.size - inside, end - at)
            pieces.append(
                _Piece(slot.point.tag, slot.codec, 2 * inside, 2 * (inside + length)),
            )
            at += length
        return tuple(pieces)

    def read_bits(self, table: Table, address: int, count: int) -> list[bool] | Refusal:
        """``count`` coils or discrete inputs from ``address``; an absent value reads as 0."""
        if not self._plant.answers(self.device):
            return Refusal.NO_RESPONSE
        bits: list[bool] = []
        for at in range(address, address + count):
            found = self._slots[table].get(at)
            if found is None or found[1].point.access is Access.WRITE:
                return Refusal.ILLEGAL_ADDRESS
            measured = self._plant.read(found[1].point.tag)
            bits.append(bool(measured.ok and measured.value))
        return bits

    def write(self, function: int, address: int, registers: Sequence[int]) -> Refusal | None:
        """Write holding registers by function 6 or 16: whole values only, all or none.

        A value is taken only by the function that its point names, as devices do that
        support only one of them.
        """
        wire = struct.pack(f">{len(registers)}H", *registers)
        if not self._plant.answers(self.device):
            return Refusal.NO_RESPONSE  # it never reached the device: no record
        taken = self._slots[Table.HOLDING]
        writes: list[tuple[_Slot, bytes]] = []
        at, end = address, address + len(registers)
        while at < end:
            inside, slot = taken.get(at, (0, None))
            if slot is None or slot.point.access is Access.READ:
                return self._refuse(Refusal.ILLEGAL_ADDRESS, Table.HOLDING, at, slot, wire)
            if slot.point.function_code != function:
                return self._refuse(Refusal.ILLEGAL_FUNCTION, Table.HOLDING, at, slot, wire)
            if inside or at + slot.size > end:
                return self._refuse(Refusal.ILLEGAL_VALUE, Table.HOLDING, at, slot, wire)
            start = 2 * (at - address)
            writes.append((slot, wire[start : start + 2 * slot.size]))
            at += slot.size
        return self._apply([(slot, raw, slot.codec.decode(raw)) for slot, raw in writes])

    def write_bits(self, address: int, bits: Sequence[bool]) -> Refusal | None:
        """Write coils by function 5 or 15: all or none."""
        if not self._plant.answers(self.device):
            return Refusal.NO_RESPONSE
        taken = self._slots[Table.COIL]
        writes: list[tuple[_Slot, bytes, float | None]] = []
        for i, bit in enumerate(bits):
            _, slot = taken.get(address + i, (0, None))
            raw = b"\x01" if bit else b"\x00"
            if slot is None or slot.point.access is Access.READ:
                return self._refuse(Refusal.ILLEGAL_ADDRESS, Table.COIL, address + i, slot, raw)
            writes.append((slot, raw, float(bit)))
        return self._apply(writes)

    def refuse_function(self, table: Table, address: int, raw: bytes) -> Refusal:
        """Refuse a way of writing that the device does not have, and record it."""
        _, slot = self._slots[table].get(address, (0, None))
        return self._refuse(Refusal.ILLEGAL_FUNCTION, table, address, slot, raw)

    def _apply(self, writes: Sequence[tuple[_Slot, bytes, float | None]]) -> Refusal | None:
        for slot, raw, value in writes:
            if value is None or not _within(slot.point, value):
                self._record(slot.target, raw, value, accepted=False)
                return Refusal.ILLEGAL_VALUE
        for slot, raw, value in writes:
            accepted = value is not None and self._plant.write(slot.point.tag, value)
            self._record(slot.target, raw, value, accepted=accepted)
            if not accepted:
                return Refusal.ILLEGAL_VALUE
        return None

    def _refuse(
        self, why: Refusal, table: Table, address: int, slot: _Slot | None, raw: bytes
    ) -> Refusal:
        target = slot.target if slot else Target(self.device, table.value, str(address))
        self._record(target, raw, None, accepted=False)
        return why

    def _record(self, target: Target, raw: bytes, value: float | None, *, accepted: bool) -> None:
        self._recorder.write(self._plant.now_s, target, raw, value, accepted=accepted)


def _within(point: Point, value: float) -> bool:
    """Whether the device's own range and type admit a value (canonical units)."""
    if point.data_type is DataType.BOOL and value not in (0.0, 1.0):
        return False
    slack = WIRE_SLACK * max(1.0, abs(value))
    return (point.minimum is None or value >= point.minimum - slack) and (
        point.maximum is None or value <= point.maximum + slack
    )
