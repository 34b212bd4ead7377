"""A gateway's socket over one peer, for the commands of commissioning."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.commissioning.live import Line, LiveCheck
from adapters.commissioning.scan import Scan
from adapters.gateway.client import SyncGatewayClient
from adapters.gateway.door import Door
from adapters.gateway.house import House
from adapters.gateway.service import AsyncRim, Service
from facility.clock import FixedClock
from facility.devices import Protocol
from facility.loading.points_csv import COLUMNS, Row, points_of
from facility.loading.problems import Problem
from facility.points import Point, Role, Table
from facility.site import Site
from tests.driver_peers import Bench
from tests.gateway_kit import START_S, small_site
from tests.peer_points import SETPOINT


@dataclass
class Desk:
    """Where a commissioning engineer sits: a site's files, and the gateway's socket."""

    site: Site
    path: Path

    async def live(self) -> dict[str, Line]:
        """What `isotherm site check --live` says of each point."""
        return await asyncio.to_thread(self._live)

    def _live(self) -> dict[str, Line]:
        with SyncGatewayClient(self.path, 60.0) as client:
            check = LiveCheck(client, self.site, 0.0, _at_once, _silently)
            check.run(self.site.devices)
            return {line.tag: line for line in check.lines()}

    async def scan(self) -> Scan:
        """What `isotherm points scan` finds, of a device without a points list."""
        return await asyncio.to_thread(self._scan)

    def _scan(self) -> Scan:
        (device,) = self.site.devices.values()
        with SyncGatewayClient(self.path, 60.0) as client:
            scan = Scan(client, device, frozenset(), _at_once, _silently)
            if device.protocol is Protocol.MODBUS:
                scan.registers([Table.INPUT, Table.HOLDING], 0, 8, samples=2, every_s=0.0)
                scan.registers([Table.DISCRETE], 0, 8, samples=2, every_s=0.0)
            else:
                scan.places(*device.protocol.tables)
        return scan


@asynccontextmanager
async def desk(
    bench: Bench, path: Path, mistakes: Callable[[Point], Point] = lambda point: point
) -> AsyncIterator[Desk]:
    """A desk with a gateway over ``bench``, whose points list has ``mistakes``."""
    points = tuple(_unarmed(mistakes(point)) for point in bench.points)
    bench = replace(bench, points=points)
    site = replace(
        small_site(),
        devices={bench.device.id: bench.device},
        points={point.tag: point for point in points},
        actuators={},
        racks={},
    )
    clock, rim = FixedClock(START_S), AsyncRim(waits_for_all=True)
    drivers = {bench.device.id: bench.driver(clock)}
    house = House.build(site, drivers, rim, clock.now_s, None)
    await house.rounds.second()
    service = Service(house, clock, rim)
    door = Door(service.answer, service.left, lambda _connection: False)
    await door.open(path)
    try:
        yield Desk(site, path)
    finally:
        await door.close()
        await house.close()


def importable(rows: list[Mapping[str, str]]) -> dict[str, Point]:
    """The points by address that the rows of a scan are imported as; no row may be refused."""
    problems: list[Problem] = []
    read = points_of(
        [Row("found.csv", str(i), {name: row.get(name, "") for name in COLUMNS})
         for i, row in enumerate(rows, start=2)],
        problems,
    )  # fmt: skip
    assert problems == []
    return {f"{n.point.table.value}:{n.point.address}": n.point for n in read}


def _unarmed(point: Point) -> Point:
    return replace(point, role=point.role if point.tag == SETPOINT else Role.SENSOR)


def _at_once(_seconds: float) -> None:
    """The values of a peer stand still."""


def _silently(_what: str, _share: float) -> None:
    """Nobody looks."""
