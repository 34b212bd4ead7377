"""What every driver promises, against servers that we did not write and our simulator's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from adapters.codec import EncodingError
from adapters.commissioning.plausibility import Finding
from adapters.driver import Driver, Unreachable, WriteFailed
from facility.devices import Protocol
from facility.points import Order, Point
from facility.telemetry import Quality
from tests.commissioning_bench import desk, importable
from tests.driver_peers import ALL, PROCESSES, READ_ONLY, Bench, running
from tests.gateway_kit import START_S, free_port
from tests.peer_points import COUNT, FLOW, MISSING, SETPOINT, TEMPERATURE, THERE, TIMEOUT_S
from tests.peer_programs import Program

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODBUS = ("libmodbus", "modbus-serial", "simulated-modbus")
EVERY = pytest.mark.parametrize("bench", [*ALL, *READ_ONLY], indirect=True)
"""For what can be asked of a service that has nothing to set, too."""


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


@EVERY
async def test_every_point_comes_in_its_unit_with_the_time_of_its_reply(
    bench: Bench, driver: Driver
) -> None:
    if bench.there is THERE:  # back to the start, whatever an earlier test wrote
        for tag in (SETPOINT, COUNT):
            await driver.write(tag, driver.encode(tag, THERE[tag]), TIMEOUT_S)
    found = await driver.read(tuple(bench.there))
    assert {tag: reading.value for tag, reading in found.items()} == pytest.approx(bench.there)
    assert all(r.quality is Quality.GOOD and r.time_s == START_S for r in found.values())
    status = driver.status
    assert status.connected
    assert status.last_reply_s == START_S
    assert status.round_trip_ms is not None


@pytest.mark.parametrize(("tag", "value"), [(SETPOINT, 21.0), (SETPOINT, 29.37), (COUNT, 17.0)])
async def test_what_was_written_is_read_back(driver: Driver, tag: str, value: float) -> None:
    await driver.write(tag, driver.encode(tag, value), TIMEOUT_S)
    assert (await driver.read([tag]))[tag].value == pytest.approx(value, abs=1e-5)


@EVERY
async def test_a_point_that_is_not_on_the_device_costs_no_other_its_value(
    bench: Bench, driver: Driver
) -> None:
    for _ in range(2):
        found = await driver.read((*bench.there, MISSING))
        assert found[MISSING].quality is Quality.BAD
        assert found[MISSING].value is None
        assert found[MISSING].note
        assert all(found[tag].quality is Quality.GOOD for tag in bench.there)
    assert driver.status.connected


async def test_a_value_out_of_range_never_becomes_bytes(driver: Driver) -> None:
    for value in (17.9, 45.1, float("nan"), float("inf")):
        with pytest.raises(EncodingError):
            driver.encode(SETPOINT, value)


@EVERY
async def test_a_point_that_only_the_device_writes_is_not_written(
    bench: Bench, driver: Driver
) -> None:
    before = bench.peer.writes()
    with pytest.raises(WriteFailed):
        await driver.write(TEMPERATURE, driver.encode(TEMPERATURE, 25.0), TIMEOUT_S)
    assert (await driver.read([TEMPERATURE]))[TEMPERATURE].value == bench.there[TEMPERATURE]
    assert bench.peer.writes() - before <= 1  # a server may note what it refuses


@EVERY
async def test_nothing_is_sent_after_the_deadline(bench: Bench, driver: Driver) -> None:
    before = bench.peer.writes()
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 40.0), 0.0)
    assert not failed.value.sent
    await driver.read([FLOW])
    assert bench.peer.writes() == before


@EVERY
async def test_a_device_that_is_not_there_is_said_so(bench: Bench) -> None:
    driver = bench.driver(port=free_port(), timeout_s=0.3)
    with pytest.raises(Unreachable, match="x:"):
        await driver.connect()
    assert await driver.read(tuple(bench.there)) == {}
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), TIMEOUT_S)
    assert not failed.value.sent
    assert not driver.status.connected
    await driver.close()


@pytest.mark.parametrize("bench", ["bacnet-js", "bacpypes"], indirect=True)
async def test_another_bacnet_device_at_the_address_is_no_connection_and_says_who_it_is(
    bench: Bench,
) -> None:
    driver = bench.driver(unit_id=8)
    with pytest.raises(Unreachable, match=r"instance 8: it says that it is instance 7"):
        await driver.connect()
    assert not driver.status.connected
    await driver.close()


# -- commissioning -------------------------------------------------------------------------------


@EVERY
async def test_the_live_check_finds_every_point_plausible_but_the_one_that_is_not_there(
    bench: Bench, tmp_path: Path
) -> None:
    async with desk(bench, tmp_path / "g.sock") as there:
        lines = await there.live()
    found = {tag: line.finding for tag, line in lines.items()}
    assert found == {**dict.fromkeys(bench.there, Finding.PLAUSIBLE), MISSING: Finding.REFUSED}
    assert all(lines[tag].value == pytest.approx(bench.there[tag]) for tag in (TEMPERATURE, FLOW))
    assert all(line.round_trip_ms is not None and line.age_s == 0.0 for line in lines.values())


@EVERY
async def test_the_live_check_tells_a_wrong_unit_or_scale_and_the_value_it_would_have(
    bench: Bench, tmp_path: Path
) -> None:
    def mistaken(point: Point) -> Point:
        if point.tag != TEMPERATURE:
            return point
        if bench.device.protocol is Protocol.MODBUS:
            return replace(point, scale=1.0)
        return replace(point, unit="degF")

    async with desk(bench, tmp_path / "g.sock", mistaken) as there:
        line = (await there.live())[TEMPERATURE]
    assert line.finding is Finding.SCALE
    assert line.would_be == pytest.approx(bench.there[TEMPERATURE], abs=0.01)


@EVERY
async def test_a_scan_finds_every_point_with_its_value_and_its_rows_import(
    bench: Bench, tmp_path: Path
) -> None:
    async with desk(bench, tmp_path / "g.sock") as there:
        found, lines = await there.scan(), await there.live()
    points = importable(found.rows)
    assert all("404" in why for why in found.refused)  # links that lead nowhere end no scan
    modbus = bench.device.protocol is Protocol.MODBUS
    for point in bench.points:
        place = f"{point.table.value}:{point.address}"
        # A register that holds 0 is passed over: many devices answer 0 for what they have not got.
        value = lines[point.tag].value
        if point.tag == MISSING or (modbus and value == 0.0):
            assert place not in points
            continue
        guess = points[place]
        assert value is not None
        assert f"{value:.5g}" in guess.note
        if modbus:
            shape = (point.data_type, point.word_order, point.scale)
            assert (guess.data_type, guess.word_order, guess.scale) == shape


@pytest.mark.parametrize("bench", MODBUS, indirect=True)
async def test_swapped_words_are_named_with_the_value_that_they_would_have(
    bench: Bench, tmp_path: Path
) -> None:
    def swapped(point: Point) -> Point:
        return replace(point, word_order=Order.BIG) if point.tag == FLOW else point

    async with desk(bench, tmp_path / "g.sock", swapped) as there:
        line = (await there.live())[FLOW]
    assert line.finding is Finding.WORD_ORDER
    assert line.would_be == THERE[FLOW]
    assert "word_order little it would be 123" in line.detail


# -- restarts and hangs --------------------------------------------------------------------------


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
    assert await driver.read(tuple(bench.there)) == {}
    assert not driver.status.connected
    with pytest.raises(WriteFailed):
        await driver.write(SETPOINT, driver.encode(SETPOINT, 44.0), TIMEOUT_S)
    await bench.peer.start()
    before = bench.peer.writes()
    again = bench.driver()
    await again.connect()
    assert (await again.read([SETPOINT]))[SETPOINT].value == bench.there[SETPOINT]
    await connected(driver)
    assert (await driver.read([SETPOINT]))[SETPOINT].value == bench.there[SETPOINT]
    assert bench.peer.writes() == before
    await driver.close()
    await again.close()


@pytest.mark.parametrize("bench", PROCESSES, indirect=True)
async def test_a_half_open_connection_fails_by_the_deadline(bench: Bench) -> None:
    assert isinstance(bench.peer, Program)
    driver = bench.driver(timeout_s=2.0)
    await connected(driver)
    before = bench.peer.writes()
    bench.peer.freeze()
    try:
        # A minute is for a busy machine: the answer never comes.
        async with asyncio.timeout(60.0):
            with pytest.raises(WriteFailed):
                await driver.write(SETPOINT, driver.encode(SETPOINT, 43.0), 0.3)
        assert await driver.read(tuple(bench.there)) == {}
        assert not driver.status.connected
    finally:
        bench.peer.thaw()
    # What had left is in the device's hands; whatever it does with it, it gets it once.
    again = bench.driver()
    await again.connect()
    for _ in range(3):
        await again.read(tuple(bench.there))
    assert bench.peer.writes() - before <= 1
    await asyncio.gather(driver.close(), again.close())
