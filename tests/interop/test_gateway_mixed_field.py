"""One gateway, four protocols, and a device that fails: the others' values keep flowing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.driver import WriteFailed
from controller.storage.samples import Thinning
from facility.telemetry import Quality
from tests.driver_peers import Bench, running
from tests.gateway_kit import scripted_server
from tests.mixed_field import PEERS, Valve, world_of
from tests.peer_points import SETPOINT, THERE, TIMEOUT_S
from tests.peer_programs import Program

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def benches(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Bench]]:
    folder: Path = tmp_path_factory.mktemp("peers")
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(running(name, folder)) for name in PEERS}


# node-opcua takes seconds to start; the drivers' contract ends it.
@pytest.mark.parametrize(
    ("failing", "fault"),
    [*((peer, "hangs") for peer in PEERS), ("libmodbus", "ends"), ("redfish", "ends")],
)
async def test_one_device_that_fails_costs_no_other_its_values(
    benches: dict[str, Bench], failing: str, fault: str
) -> None:
    # Only the one that is to fail has a time-out that a busy machine could reach.
    world = world_of(benches, [failing])
    house, clock, drivers = world.house, world.clock, world.drivers
    peer, others = benches[failing].peer, [name for name in PEERS if name != failing]
    assert isinstance(peer, Program)
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


@pytest.mark.parametrize("slow", ["libmodbus", "node-opcua"])
async def test_a_slow_device_holds_up_no_other_and_its_values_count_when_they_come(
    benches: dict[str, Bench], slow: str
) -> None:
    valve = Valve(benches[slow].device.port)
    async with scripted_server(valve.relay) as port:
        device = replace(benches[slow].device, port=port)
        behind = {**benches, slow: replace(benches[slow], device=device)}
        world = world_of(behind, (), waits_for_all=False)
        others = [name for name in PEERS if name != slow]
        while not all(world.flowing(name) for name in PEERS):
            await world.seconds(1)
        valve.open.clear()
        fresh = dict.fromkeys(others, 0)
        while min(fresh.values()) < 3:
            await world.seconds(1)
            for name in others:
                fresh[name] += world.flowing(name)
            assert not (valve.held and world.flowing(slow))
        assert valve.held == 1  # asked once, and not again while its answer is awaited
        valve.open.set()
        while not world.flowing(slow):
            await world.seconds(1)
        await world.house.close()


async def test_of_every_protocol_only_what_changed_goes_on_to_the_record(
    benches: dict[str, Bench],
) -> None:
    world = world_of(benches, ())
    points = [point for renamed in world.drivers.values() for point in renamed.points]
    setpoints = {f"{name}.setpoint" for name in PEERS}
    thinning = Thinning(dict.fromkeys(setpoints, 0.5))

    async def kept() -> set[str]:
        await world.seconds(1)
        now_s = world.clock.now_s()
        picked = thinning.pick(world.house.core.snapshot(now_s))
        thinning.keep(picked, now_s)
        return {tag for tag, _ in picked}

    async def set_all(value: float) -> None:
        for name in PEERS:
            driver, tag = world.drivers[name].driver, f"{name}.setpoint"
            await driver.write(tag, driver.encode(tag, value), TIMEOUT_S)

    await world.seconds(1)
    assert await kept() == {point.tag for point in points}
    assert await kept() == set()
    await set_all(THERE[SETPOINT] + 0.4)
    assert await kept() == set()
    await set_all(THERE[SETPOINT] + 0.6)
    assert await kept() == setpoints
    await set_all(THERE[SETPOINT])
    assert await kept() == setpoints
    await world.house.close()
