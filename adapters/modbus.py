"""Modbus TCP driver: blocks, exact lengths, one unpack a block, writes first, no retries."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from adapters import codec
from adapters.driver import Now, ReadRefused, Unreachable, WriteFailed
from adapters.modbus_link import LinkLost, ModbusException, ModbusLink, TooLate
from adapters.pki import Pki, tls_context
from adapters.point_driver import PointDriver
from facility.devices import Device
from facility.points import Access, Point, Table
from facility.telemetry import Quality, Reading

_READ = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
_BITS = (Table.COIL, Table.DISCRETE)
_MOST_REGISTERS = 125
"""Of one read (Application Protocol V1.1b3, 6.3)."""
_MOST_BITS = 2000
"""Of one read (the same, 6.1)."""
_ILLEGAL_ADDRESS = 2
TLS = "TLS"
"""What a site writes for ``security`` of a device with Modbus/TCP Security."""

Decode = Callable[[bytes, float], dict[str, Reading]]


@dataclass(frozen=True)
class Block:
    """Points of one table that one request reads."""

    points: tuple[Point, ...]
    request: bytes
    size: int
    """Bytes of data in a reply that is right."""
    decode: Decode

    @classmethod
    def over(cls, points: Sequence[Point]) -> Block:
        """The block from the first of ``points`` (sorted by register) to the last."""
        table, first = points[0].table, points[0].register
        count = _end(points[-1]) - first
        request = struct.pack(">BHH", _READ[table], first, count)
        members = tuple(points)
        if table in _BITS:
            return cls(
                members,
                request,
                (count + 7) // 8,
                lambda data, time_s: codec.bit_readings(first, members, data, time_s),
            )
        return cls(members, request, 2 * count, codec.RegisterBlock(first, count, members).readings)

    def split(self) -> tuple[Block, ...]:
        """Smaller blocks of the same points: without gaps, or else halves."""
        runs = _runs(self.points, max_gap=0, most=len(self.points) * 4)
        if len(runs) == 1:
            half = len(self.points) // 2
            runs = [list(self.points[:half]), list(self.points[half:])]
        return tuple(Block.over(run) for run in runs)


def blocks(points: Collection[Point], max_gap: int = 0, max_block: int = 125) -> tuple[Block, ...]:
    """The fewest blocks that read ``points`` within the device's limits.

    Parameters
    ----------
    max_gap
        Registers (or bits) nobody asked for that a block may span.
    max_block
        Registers of one request; for bits sixteen times as many.
    """
    found: list[Block] = []
    for table in _READ:
        members = sorted(
            (p for p in points if p.table is table and p.access is not Access.WRITE),
            key=lambda p: (p.register, p.tag),
        )
        most = min(16 * max_block, _MOST_BITS) if table in _BITS else max_block
        if table not in _BITS:
            most = min(most, _MOST_REGISTERS)
        found += [Block.over(run) for run in _runs(members, max_gap, most)]
    return tuple(found)


def _runs(points: Collection[Point], max_gap: int, most: int) -> list[list[Point]]:
    runs: list[list[Point]] = []
    for point in points:
        run = runs[-1] if runs else None
        if (
            run is not None
            and (0 <= point.register - _end(run[-1]) <= max_gap or _same_register(point, run[-1]))
            and _end(point) - run[0].register <= most
        ):
            run.append(point)
        else:
            runs.append([point])
    return runs


def _same_register(one: Point, other: Point) -> bool:
    """Whether two points are of one register: the bits of a status word, or the word itself."""
    return (
        one.register == other.register
        and one.table not in _BITS
        and one.data_type.registers == other.data_type.registers == 1
        and one.byte_order is other.byte_order
    )


def _end(point: Point) -> int:
    return point.register + (1 if point.table in _BITS else point.data_type.registers)


class ModbusDriver(PointDriver):
    """A Modbus TCP device behind the driver port.

    Parameters
    ----------
    device
        Host, port, unit id, time-out, largest gap and block, rest between requests, and
        whether it wants TLS.
    points
        Its points.
    now
        Plant time, for the readings.
    pki
        Our certificate and whom we trust; needed for TLS.
    """

    def __init__(
        self, device: Device, points: Collection[Point], now: Now, *, pki: Pki | None = None
    ) -> None:
        super().__init__(device, points, now)
        self._pki = pki
        self._link: ModbusLink | None = None
        self._plans: dict[tuple[str, ...], tuple[Block, ...]] = {}

    def _why_lost(self) -> str | None:
        link = self._link
        if link is not None and link.is_open:
            return None
        return self._note if link is None else link.why_lost

    def _round_trip(self) -> float | None:
        return None if self._link is None else self._link.round_trip_s

    async def connect(self) -> None:
        device = self._device
        await self.close()
        try:
            secured = device.security == TLS
            tls = tls_context(device, self._pki, our_certificate=True) if secured else None
            self._link = await ModbusLink.open(device, tls)
        except Unreachable as error:
            self._note = str(error)
            raise
        except LinkLost as error:
            self._note = str(error)
            raise Unreachable(f"{device.id}: {error}") from None
        self._plans.clear()  # a restarted device may know addresses that it refused before

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        key = tuple(tags)
        plan = self._plans.get(key)
        if plan is None:
            wanted = [self._points[tag] for tag in key]
            plan = self._plans[key] = blocks(wanted, self._device.max_gap, self._device.max_block)
        found: dict[str, Reading] = {}
        settled: list[Block] = []
        for block in plan:
            settled += await self._read_block(block, found)
        if len(settled) != len(plan):
            self._plans[key] = tuple(settled)
        return found

    async def _read_block(self, block: Block, found: dict[str, Reading]) -> list[Block]:
        """Read a block into ``found``; answer the blocks that it should be read as from now on."""
        link = self._link
        if link is None or not link.is_open:
            return [block]
        try:
            reply = await link.request(block.request, self._device.timeout_s)
        except (LinkLost, TooLate):
            return [block]
        except ModbusException as error:
            self._answered()
            if error.code == _ILLEGAL_ADDRESS and len(block.points) > 1:
                parts: list[Block] = []
                for part in block.split():
                    parts += await self._read_block(part, found)
                return parts
            note = f"the device refuses to read it: {error}"
            for point in block.points:
                found[point.tag] = Reading(None, Quality.BAD, self._now(), note)
            return [block]
        time_s = self._answered()
        if len(reply) != block.size + 2 or reply[1] != block.size:
            note = f"asked for {block.size} bytes, got {len(reply) - 2}"
            link.close(note)
            for point in block.points:
                found[point.tag] = Reading(None, Quality.BAD, time_s, note)
            return [block]
        found.update(block.decode(reply[2:], time_s))
        return [block]

    async def registers(self, table: Table, first: int, count: int) -> bytes:
        link, name = self._link, self._device.id
        if link is None or not link.is_open:
            raise Unreachable(f"{name}: {self.status.note}")
        size = (count + 7) // 8 if table in _BITS else 2 * count
        try:
            request = struct.pack(">BHH", _READ[table], first, count)
            reply = await link.request(request, self._device.timeout_s)
        except (LinkLost, TooLate) as error:
            raise Unreachable(f"{name}: {error}") from None
        except ModbusException as error:
            self._answered()
            raise ReadRefused(f"{name}: {error}") from None
        self._answered()
        if len(reply) != size + 2 or reply[1] != size:
            raise ReadRefused(f"{name}: asked for {size} bytes, got {len(reply) - 2}")
        return bytes(reply[2:])

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        link, name = self._link, self._device.id
        if link is None or not link.is_open:
            raise WriteFailed(f"{name}: {self.status.note}, {tag} not written", sent=False)
        request, echo = self._write_request(tag, data)
        try:
            reply = await link.request(request, within_s, urgent=True)
        except TooLate as error:
            raise WriteFailed(f"{name}: {tag} not written: {error}", sent=False) from None
        except LinkLost as error:
            raise WriteFailed(f"{name}: {tag} not confirmed: {error}", sent=True) from None
        except ModbusException as error:
            self._answered()
            raise WriteFailed(f"{name} refuses to write {tag}: {error}", sent=True) from None
        self._answered()
        if reply != echo:
            link.close("the device confirmed another write than the one it was sent")
            raise WriteFailed(f"{name}: {tag}: {link.why_lost}", sent=True)

    def _write_request(self, tag: str, data: bytes) -> tuple[bytes, bytes]:
        """The request's PDU and the reply that confirms it.

        Functions 5 and 6 are echoed whole; 16 echoes address and count (6.5, 6.6, 6.12).
        """
        point = self._points[tag]
        if point.table is Table.COIL:
            value = b"\xff\x00" if data == b"\x01" else b"\x00\x00"
            request = struct.pack(">BH", 5, point.register) + value
            return request, request
        if point.table is not Table.HOLDING or len(data) != 2 * point.data_type.registers:
            raise WriteFailed(f"{self._device.id}: {tag} cannot be written", sent=False)
        if point.function_code == 6 and len(data) == 2:
            request = struct.pack(">BH", 6, point.register) + data
            return request, request
        echo = struct.pack(">BHH", 16, point.register, len(data) // 2)
        return echo + bytes((len(data),)) + data, echo

    async def close(self) -> None:
        if self._link is not None:
            self._link.close("closed by the gateway")
            self._link = None
            self._note = "closed"
