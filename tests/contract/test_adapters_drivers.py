"""What every driver promises, against servers that we did not write and our simulator's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.codec import EncodingError
from adapters.driver import Driver, Unreachable, WriteFailed
from facility.telemetry import Quality
from tests.driver_peers import (
    ALL,
    COUNT,
    FLOW,
    MISSING,
    PROCESSES,
    SETPOINT,
    TEMPERATURE,
    THERE,
    TIMEOUT_S,
    Bench,
    running,
)
from tests.gateway_kit import START_S, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=list(ALL))
async def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    async with running(request.param, tmp_path_factory.mktemp("peer")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def driver(bench: Bench) -> AsyncIterator[Driver]:
    driver = bench.driver()
    await driver.connect()
    yield driver
    await driver.close()


async def test_every_point_comes_in_its_unit_with_the_time_of_its_reply(driver: Driver) -> None:
    for tag, value in THERE.items():  # back to the start, whatever an earlier test wrote
        if tag in (SETPOINT, COUNT):
            await driver.write(tag, driver.encode(tag, value), TIMEOUT_S)
    found = await driver.read(tuple(THERE))
    assert {tag: reading.value for tag, reading in found.items()} == pytest.approx(THERE)
    assert all(r.quality is Quality.GOOD and r.time_s == START_S for r in found.values())
    status = driver.status
    assert status.connected
    assert status.last_reply_s == START_S
    assert status.round_trip_ms is not None


@pytest.mark.parametrize(("tag", "value"), [(SETPOINT, 21.0), (SETPOINT, 29.37), (COUNT, 17.0)])
async def test_what_was_written_is_read_back(driver: Driver, tag: str, value: float) -> None:
    await driver.write(tag, driver.encode(tag, value), TIMEOUT_S)
    assert (await driver.read([tag]))[tag].value == pytest.approx(value, abs=1e-5)


async def test_a_point_that_is_not_on_the_device_costs_no_other_its_value(driver: Driver) -> None:
    for _ in range(2):
        found = await driver.read((*THERE, MISSING))
        assert found[MISSING].quality is Quality.BAD
        assert found[MISSING].value is None
        assert found[MISSING].note
        assert all(found[tag].quality is Quality.GOOD for tag in THERE)
    assert driver.status.connected


async def test_a_value_out_of_range_never_becomes_bytes(driver: Driver) -> None:
    for value in (17.9, 45.1, float("nan"), float("inf")):
        with pytest.raises(EncodingError):
            driver.encode(SETPOINT, value)


async def test_a_point_that_only_the_device_writes_is_not_written(
    bench: Bench, driver: Driver
) -> None:
    before = bench.peer.writes()
    with pytest.raises(WriteFailed):
        await driver.write(TEMPERATURE, driver.encode(TEMPERATURE, 25.0), TIMEOUT_S)
    assert (await driver.read([TEMPERATURE]))[TEMPERATURE].value == THERE[TEMPERATURE]
    assert bench.peer.writes() - before <= 1  # a server may note what it refuses


async def test_nothing_is_sent_after_the_deadline(bench: Bench, driver: Driver) -> None:
    before = bench.peer.writes()
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 40.0), 0.0)
    assert not failed.value.sent
    await driver.read([FLOW])
    assert bench.peer.writes() == before


async def test_a_device_that_is_not_there_is_said_so(bench: Bench) -> None:
    driver = bench.driver(port=free_port(), timeout_s=0.3)
    with pytest.raises(Unreachable, match="x:"):
        await driver.connect()
    assert await driver.read(tuple(THERE)) == {}
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), TIMEOUT_S)
    assert not failed.value.sent
    assert not driver.status.connected
    await driver.close()


async def connected(driver: Driver) -> None:
    """Connect as the gateway does: until it succeeds."""
    async with asyncio.timeout(60.0):
        while not driver.status.connected:
            with contextlib.suppress(Unreachable):
                await driver.connect()


# The simulator's servers share our process and are slow to start: tests/gateway_faults ends and
# freezes those.
@pytest.mark.parametrize("bench", PROCESSES, indirect=True)
async def test_a_restart_costs_the_connection_and_no_write_comes_late(bench: Bench) -> None:
    driver = bench.driver(timeout_s=2.0)
    await connected(driver)
    assert (await driver.read([SETPOINT]))[SETPOINT].quality is Quality.GOOD
    await bench.peer.stop()
    assert await driver.read(tuple(THERE)) == {}
    assert not driver.status.connected
    with pytest.raises(WriteFailed):
        await driver.write(SETPOINT, driver.encode(SETPOINT, 44.0), TIMEOUT_S)
    await bench.peer.start()
    before = bench.peer.writes()
    again = bench.driver()
    await again.connect()
    assert (await again.read([SETPOINT]))[SETPOINT].value == THERE[SETPOINT]
    await connected(driver)
    assert (await driver.read([SETPOINT]))[SETPOINT].value == THERE[SETPOINT]
    assert bench.peer.writes() == before
    await driver.close()
    await again.close()


@pytest.mark.parametrize("bench", PROCESSES, indirect=True)
async def test_a_half_open_connection_fails_by_the_deadline(bench: Bench) -> None:
    driver = bench.driver(timeout_s=2.0)
    await connected(driver)
    before = bench.peer.writes()
    bench.peer.freeze()
    try:
        # A minute is for a busy machine: the answer never comes.
        async with asyncio.timeout(60.0):
            with pytest.raises(WriteFailed):
                await driver.write(SETPOINT, driver.encode(SETPOINT, 43.0), 0.3)
        assert await driver.read(tuple(THERE)) == {}
        assert not driver.status.connected
    finally:
        bench.peer.thaw()
    # What had left is in the device's hands; whatever it does with it, it gets it once.
    again = bench.driver()
    await again.connect()
    for _ in range(3):
        await again.read(tuple(THERE))
    assert bench.peer.writes() - before <= 1
    await asyncio.gather(driver.close(), again.close())
