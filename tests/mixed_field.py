"""A gateway over servers of four protocols, second by second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from adapters.driver import Driver
from adapters.gateway.house import House
from adapters.gateway.service import AsyncRim
from facility.clock import FixedClock
from facility.points import Point, Role
from facility.telemetry import Quality
from tests.driver_peers import Bench
from tests.gateway_kit import START_S, small_site
from tests.peer_points import MISSING, SETPOINT

PEERS = ("libmodbus", "node-opcua", "bacnet-js", "redfish")


def renamed(point: Point, device: str) -> Point:
    """The point as one of ``device``; a sensor, since nothing here is armed."""
    tag = point.tag.replace("x.", f"{device}.")
    role = point.role if point.tag == SETPOINT else Role.SENSOR
    return replace(point, tag=tag, device=device, equipment=device, role=role)


class Renamed:
    """A driver of a bench, under its device's own name in a site of many."""

    def __init__(self, bench: Bench, name: str, now: FixedClock, timeout_s: float) -> None:
        points = tuple(renamed(p, name) for p in bench.points if p.tag != MISSING)
        self.device = replace(bench.device, id=name, timeout_s=timeout_s, scan_s=1.0)
        self.points = points
        self.driver: Driver = replace(bench, device=self.device, points=points).driver(now)


class Valve:
    """A relay in front of a server on TCP; while it is shut, replies wait in it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.open = asyncio.Event()
        self.open.set()
        self.held = 0
        """Replies that came while it was shut."""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as `scripted_server` takes it."""
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)

        async def pass_on(
            source: asyncio.StreamReader, target: asyncio.StreamWriter, *, replies: bool
        ) -> None:
            while data := await source.read(65536):
                if replies and not self.open.is_set():
                    self.held += 1
                    await self.open.wait()
                target.write(data)
            target.close()

        try:
            await asyncio.gather(
                pass_on(reader, to_server, replies=False),
                pass_on(from_server, writer, replies=True),
            )
        finally:
            to_server.close()
            with contextlib.suppress(ConnectionError):
                await to_server.wait_closed()


@dataclass
class World:
    """A gateway over the benches, whose seconds a test lets pass."""

    house: House
    clock: FixedClock
    drivers: dict[str, Renamed]

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.clock._now_s += 1.0
            await self.house.rounds.second()

    def flowing(self, device: str) -> bool:
        """Whether the device counts as connected and all its values are of this second."""
        now_s = self.clock.now_s()
        snapshot = self.house.core.snapshot(now_s)
        return snapshot.devices[device].connected and all(
            snapshot.reading(p.tag).quality is Quality.GOOD
            and snapshot.reading(p.tag).time_s == now_s
            for p in self.drivers[device].points
        )


def world_of(
    benches: Mapping[str, Bench], short: Collection[str], *, waits_for_all: bool = True
) -> World:
    """A gateway over ``benches``; those in ``short`` have a time-out that a test may reach."""
    clock = FixedClock(START_S)
    drivers = {
        name: Renamed(bench, name, clock, 1.0 if name in short else 20.0)
        for name, bench in benches.items()
    }
    site = replace(
        small_site(),
        devices={name: d.device for name, d in drivers.items()},
        points={p.tag: p for d in drivers.values() for p in d.points},
        actuators={},
        racks={},
    )
    rim = AsyncRim(waits_for_all=waits_for_all)
    house = House.build(site, {n: d.driver for n, d in drivers.items()}, rim, clock.now_s, None)
    return World(house, clock, drivers)
