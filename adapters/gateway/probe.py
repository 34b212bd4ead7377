"""What commissioning asks of the field: reads alone, of single devices, outside the scans.

Nothing here writes. The judgement of what was read is `adapters.commissioning`'s, on the
other side of the socket: the process with field credentials does no more than it must.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from adapters.driver import (
    Driver,
    DriverError,
    HasPlaces,
    HasRegisters,
    ReadRefused,
)
from adapters.gateway.core import Core
from adapters.gateway.door import Refusal
from facility.points import Access, Point, Table
from facility.wire import dumps

PROBES = ("probe_points", "probe_raw", "probe_registers", "probe_places")
MOST_REGISTERS = 125
MOST_WAITING_S = 30.0
"""No device is waited for longer in one request."""


class Probe:
    """Reads single devices for somebody who commissions them."""

    def __init__(self, core: Core, drivers: Mapping[str, Driver]) -> None:
        self._core, self._drivers = core, drivers

    async def answer(self, op: str, args: dict[str, Any]) -> str:
        """Carry out one of `PROBES`; raises `Refusal` where it says no."""
        carry_out = {
            "probe_points": self._points,
            "probe_raw": self._raw,
            "probe_registers": self._registers,
            "probe_places": self._places,
        }[op]
        driver = self._driver(args)
        try:
            async with asyncio.timeout(MOST_WAITING_S):
                return dumps(await carry_out(driver, args))
        except TimeoutError:
            raise Refusal(f"{driver.device.id} did not answer in {MOST_WAITING_S:g} s") from None
        except DriverError as error:
            raise Refusal(str(error)) from None

    async def _points(self, driver: Driver, args: dict[str, Any]) -> dict[str, Any]:
        """Some or (null) all readable points, read now."""
        known = self._core.holds[driver.device.id].by_tag
        tags = args.get("tags")
        if tags is None:
            tags = [tag for tag, point in known.items() if point.access is not Access.WRITE]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise Refusal("tags is a list of tags, or null for all of the device")
        for tag in tags:
            if tag not in known or known[tag].access is Access.WRITE:
                raise Refusal(f"{driver.device.id} has no readable point {tag!r}")
        readings = dict(await driver.read(tuple(tags)))
        status = driver.status
        return {
            "readings": readings,
            "connected": status.connected,
            "round_trip_ms": status.round_trip_ms,
            "note": status.note,
        }

    async def _raw(self, driver: Driver, args: dict[str, Any]) -> dict[str, Any]:
        """The bytes of one point as they travel; null where its protocol has none."""
        point = self._core.holds[driver.device.id].by_tag.get(str(args.get("tag")))
        if point is None:
            raise Refusal(f"{driver.device.id} has no point {args.get('tag')!r}")
        if not isinstance(driver, HasRegisters) or not _lies_in_registers(point):
            return {"raw": None}
        data = await driver.registers(point.table, point.register, point.data_type.registers)
        return {"raw": data.hex()}

    async def _registers(self, driver: Driver, args: dict[str, Any]) -> dict[str, Any]:
        """A range of registers or bits; null for those that the device has not got."""
        if not isinstance(driver, HasRegisters):
            raise Refusal(f"{driver.device.id} speaks {driver.device.protocol.value}: no registers")
        try:
            table = Table(args.get("table"))
        except ValueError:
            raise Refusal("table is holding, input, coil or discrete") from None
        first, count = args.get("first"), args.get("count")
        if not (isinstance(first, int) and isinstance(count, int) and table.is_modbus):
            raise Refusal("table is one of Modbus, first and count are whole numbers")
        most = min(MOST_REGISTERS, driver.device.max_block)
        if not (first >= 0 and 1 <= count <= most and first + count <= 65536):
            raise Refusal(f"registers are 0 to 65535, at most {most} of this device at once")
        words: list[int | None] = [None] * count
        await _read_what_is_there(driver, table, first, words, 0, count)
        return {"first": first, "words": words}

    async def _places(self, driver: Driver, args: dict[str, Any]) -> dict[str, Any]:
        """What lies below an address of a device that tells."""
        if not isinstance(driver, HasPlaces):
            raise Refusal(
                f"{driver.device.id} speaks {driver.device.protocol.value}, which does not tell "
                "what it holds"
            )
        return {"places": await driver.places(str(args.get("below") or ""))}

    def _driver(self, args: dict[str, Any]) -> Driver:
        device = args.get("device")
        if not isinstance(device, str) or device not in self._drivers:
            raise Refusal(f"there is no device {device!r}")
        driver = self._drivers[device]
        if not driver.status.connected:
            raise Refusal(f"{device} does not answer: {driver.status.note}")
        return driver


async def _read_what_is_there(
    driver: HasRegisters,
    table: Table,
    first: int,
    words: list[int | None],
    at: int,
    count: int,
) -> None:
    """Read ``count`` registers from ``first + at`` on; halve a range that is refused."""
    try:
        data = await driver.registers(table, first + at, count)
    except ReadRefused:
        if count == 1:
            return
        half = count // 2
        await _read_what_is_there(driver, table, first, words, at, half)
        await _read_what_is_there(driver, table, first, words, at + half, count - half)
        return
    for i in range(count):
        if table in (Table.COIL, Table.DISCRETE):
            words[at + i] = data[i >> 3] >> (i & 7) & 1
        else:
            words[at + i] = int.from_bytes(data[2 * i : 2 * i + 2], "big")


def _lies_in_registers(point: Point) -> bool:
    return point.table in (Table.HOLDING, Table.INPUT)
