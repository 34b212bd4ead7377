"""One gateway, four protocols, and a device that fails: the others' values keep flowing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.driver import Driver, WriteFailed
from adapters.gateway.house import House
from adapters.gateway.service import AsyncRim
from facility.clock import FixedClock
from facility.points import Point, Role
from facility.telemetry import Quality
from tests.driver_peers import MISSING, SETPOINT, TIMEOUT_S, Bench, running
from tests.gateway_kit import START_S, small_site

PEERS = ("libmodbus", "node-opcua", "bacnet-js", "redfish")
pytestmark = pytest.mark.asyncio(loop_scope="module")


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


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def benches(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Bench]]:
    folder: Path = tmp_path_factory.mktemp("peers")
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(running(name, folder)) for name in PEERS}


@pytest.mark.parametrize("failing", PEERS)
@pytest.mark.parametrize("fault", ["ends", "hangs"])
async def test_one_device_that_fails_costs_no_other_its_values(
    benches: dict[str, Bench], failing: str, fault: str
) -> None:
    clock = FixedClock(START_S)
    # Only the one that is to fail has a time-out that a busy machine could reach.
    drivers = {
        name: Renamed(bench, name, clock, 1.0 if name == failing else 20.0)
        for name, bench in benches.items()
    }
    site = replace(
        small_site(),
        devices={name: d.device for name, d in drivers.items()},
        points={p.tag: p for d in drivers.values() for p in d.points},
        actuators={},
        racks={},
    )
    house = House.build(
        site, {n: d.driver for n, d in drivers.items()}, AsyncRim(waits_for_all=True),
        clock.now_s, None,
    )  # fmt: skip
    world = World(house, clock, drivers)
    peer, others = benches[failing].peer, [name for name in PEERS if name != failing]
    await world.seconds(2)
    assert all(world.flowing(name) for name in PEERS)
    tag = f"{failing}.setpoint"
    was = house.core.readings.get(tag).value
    if fault == "ends":
        await peer.stop()
    else:
        peer.freeze()
    try:
        for second in range(6):
            await world.seconds(1)
            assert all(world.flowing(name) for name in others)
            if second >= 1:
                status = house.core.snapshot(clock.now_s()).devices[failing]
                assert not status.connected
                assert status.note
        stale = house.core.snapshot(clock.now_s()).reading(tag)
        assert (stale.quality, stale.value) == (Quality.STALE, was)
        driver = drivers[failing].driver
        with pytest.raises(WriteFailed) as failed:
            await driver.write(tag, driver.encode(tag, 44.0), TIMEOUT_S)
        assert not failed.value.sent
    finally:
        if fault == "ends":
            await peer.start()
        else:
            peer.thaw()
    for _ in range(60):
        await world.seconds(1)
        assert all(world.flowing(name) for name in others)
        if world.flowing(failing):
            break
    assert world.flowing(failing)
    assert house.core.readings.get(tag).value == was
    await house.close()
