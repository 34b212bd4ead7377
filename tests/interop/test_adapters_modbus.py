"""The Modbus driver against pymodbus's server, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType as Sim
from pymodbus.simulator import SimData, SimDevice

from adapters.driver import Unreachable, WriteFailed
from adapters.modbus import ModbusDriver
from facility.devices import Device
from facility.telemetry import Quality
from tests.gateway_kit import START_S, free_port, scripted_server, small_site

SITE = small_site()
CDU = SITE.devices["cdu-1"]
POINTS = SITE.device_points("cdu-1")
TAGS = tuple(p.tag for p in POINTS)
SUPPLY = "cdu-1.tcs_supply_temperature"
SETPOINT = "cdu-1.tcs_supply_temperature_setpoint"
FLOW_SETPOINT = "cdu-1.tcs_flow_setpoint"
BEAT = "cdu-1.heartbeat"


def driver_at(port: int, **changes: float) -> ModbusDriver:
    device: Device = replace(CDU, port=port, **changes)  # type: ignore[arg-type]  # its fields
    return ModbusDriver(device, POINTS, lambda: START_S)


def listening(server: ModbusTcpServer) -> bool:
    return server.transport is not None


@pytest.fixture
async def real_server() -> AsyncIterator[tuple[int, ModbusTcpServer]]:
    port = free_port()
    words = struct.unpack(">2H", struct.pack(">f", 1200.0))
    inputs = [225, words[1], words[0], 3200, words[1], words[0], 0, 0, 1]
    device = SimDevice(
        1,
        simdata=(
            [SimData(0, values=False, count=8, datatype=Sim.BITS)],
            [SimData(0, values=False, count=8, datatype=Sim.BITS)],
            [SimData(0, values=[3200, words[1], words[0], 0, 0], datatype=Sim.REGISTERS)],
            [SimData(0, values=inputs, datatype=Sim.REGISTERS)],
        ),
    )
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    serving = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0)
    while not listening(server):
        await asyncio.sleep(0.01)
    yield port, server
    await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
    serving.cancel()


async def test_reads_every_point_in_its_unit(real_server: tuple[int, ModbusTcpServer]) -> None:
    driver = driver_at(real_server[0])
    await driver.connect()
    found = await driver.read(TAGS)
    assert set(found) == set(TAGS)
    assert all(r.quality is Quality.GOOD and r.time_s == START_S for r in found.values())
    assert found[SUPPLY].value == pytest.approx(22.5)
    assert found["cdu-1.tcs_flow"].value == pytest.approx(20.0)  # 1,200 L/min
    assert found["cdu-1.remote_active"].value == 1.0
    assert driver.status.connected
    await driver.close()


@pytest.mark.parametrize(("tag", "value"), [(SETPOINT, 29.37), (FLOW_SETPOINT, 33.5), (BEAT, 17.0)])
async def test_what_was_written_is_read_back(
    real_server: tuple[int, ModbusTcpServer], tag: str, value: float
) -> None:
    driver = driver_at(real_server[0])
    await driver.connect()
    await driver.write(tag, driver.encode(tag, value), 1.0)
    assert (await driver.read([tag]))[tag].value == pytest.approx(value, abs=1e-4)
    await driver.close()


async def test_one_register_that_is_not_there_costs_no_other_its_value(
    real_server: tuple[int, ModbusTcpServer],
) -> None:
    port, _ = real_server
    lost = next(p for p in POINTS if p.quantity == "leak")
    points = [replace(p, address="100") if p is lost else p for p in POINTS]
    driver = ModbusDriver(replace(CDU, port=port, max_gap=100), points, lambda: START_S)
    await driver.connect()
    for _ in range(2):
        found = await driver.read(TAGS)
        assert found[lost.tag].quality is Quality.BAD
        assert "illegal data address" in found[lost.tag].note
        assert all(r.quality is Quality.GOOD for t, r in found.items() if t != lost.tag)
        assert set(found) == set(TAGS)
    await driver.close()


async def test_a_device_that_is_not_there_is_said_so() -> None:
    driver = driver_at(free_port())
    with pytest.raises(Unreachable, match=r"cdu-1: 127\.0\.0\.1"):
        await driver.connect()
    assert await driver.read(TAGS) == {}
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 1.0)
    assert not failed.value.sent


async def read_request(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readexactly(7)
    transaction, _, length, _ = struct.unpack(">HHHB", head)
    return transaction, await reader.readexactly(length - 1)


def reply(transaction: int, pdu: bytes, unit_id: int = 1) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit_id) + pdu


async def test_a_reply_shorter_than_asked_for_is_bad_and_costs_the_connection() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, pdu = await read_request(reader)
            writer.write(reply(transaction, bytes((pdu[0], 2)) + b"\x00\xe1"))

    async with scripted_server(short) as port:
        driver = driver_at(port)
        await driver.connect()
        found = await driver.read([SUPPLY, "cdu-1.tcs_flow"])
        assert found[SUPPLY].quality is Quality.BAD
        assert found[SUPPLY].value is None
        assert not driver.status.connected
        await driver.close()


@pytest.mark.parametrize("fault", ["unit", "transaction", "garbage", "function"])
async def test_a_reply_that_is_not_ours_closes_the_connection(fault: str) -> None:
    async def wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transaction, pdu = await read_request(reader)
        good = bytes((pdu[0], 2)) + b"\x00\xe1"
        writer.write(
            {
                "unit": reply(transaction, good, unit_id=2),
                "transaction": reply(transaction + 1, good),
                "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n",
                "function": reply(transaction, b"\x06\x00\x00\x00\xe1"),
            }[fault]
        )
        await reader.read()

    async with scripted_server(wrong) as port:
        driver = driver_at(port)
        await driver.connect()
        assert await driver.read([SUPPLY]) == {}
        assert not driver.status.connected
        assert driver.status.note
        await driver.close()


async def test_a_silent_device_costs_its_timeout_once_and_then_counts_as_lost() -> None:
    asked = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await read_request(reader)
            asked += 1

    async with scripted_server(silent) as port:
        driver = driver_at(port, timeout_s=0.05)
        await driver.connect()
        assert await driver.read(TAGS) == {}
        assert not driver.status.connected
        assert "0.05" in driver.status.note
        assert asked == 1
        await driver.close()


async def test_a_write_is_sent_once_and_fails_by_its_deadline() -> None:
    received: list[bytes] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            received.append((await read_request(reader))[1])

    async with scripted_server(deaf) as port:
        driver = driver_at(port)
        await driver.connect()
        loop = asyncio.get_running_loop()
        before = loop.time()
        with pytest.raises(WriteFailed) as failed:
            await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 0.1)
        assert failed.value.sent
        assert loop.time() - before < 0.5
        await driver.connect()
        await driver.read([])
        await asyncio.sleep(0.05)
        assert len(received) == 1  # never again, not even after the reconnect
        await driver.close()


async def test_a_write_overtakes_the_reads_that_wait() -> None:
    order: list[int] = []
    go_on = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, pdu = await read_request(reader)
            order.append(pdu[0])
            await go_on.wait()
            if pdu[0] == 4:
                writer.write(reply(transaction, bytes((4, 2)) + b"\x00\xe1"))
            else:
                writer.write(reply(transaction, pdu[:5]))

    async with scripted_server(slow) as port:
        driver = driver_at(port)
        await driver.connect()
        reads = [asyncio.create_task(driver.read([SUPPLY])) for _ in range(3)]
        while not order:
            await asyncio.sleep(0)
        write = asyncio.create_task(driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 1.0))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(write, *reads)
        assert order == [4, 16, 4, 4]
        await driver.close()


async def test_a_write_whose_turn_does_not_come_in_time_sends_no_byte() -> None:
    functions: list[int] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            functions.append((await read_request(reader))[1][0])

    async with scripted_server(silent) as port:
        driver = driver_at(port, timeout_s=0.3)
        await driver.connect()
        read = asyncio.create_task(driver.read([SUPPLY]))
        await asyncio.sleep(0)
        with pytest.raises(WriteFailed) as failed:
            await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 0.05)
        assert not failed.value.sent
        await read
        assert functions == [4]
        await driver.close()


async def test_a_refused_write_says_why_and_keeps_the_connection() -> None:
    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            transaction, pdu = await read_request(reader)
            writer.write(reply(transaction, bytes((pdu[0] | 0x80, 3))))

    async with scripted_server(refusing) as port:
        driver = driver_at(port)
        await driver.connect()
        with pytest.raises(WriteFailed, match="illegal data value"):
            await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 1.0)
        assert driver.status.connected
        await driver.close()


async def test_a_confirmation_of_another_value_is_a_failure() -> None:
    async def confused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transaction, pdu = await read_request(reader)
        writer.write(reply(transaction, pdu[:3] + b"\x00\x00"))
        await reader.read()

    async with scripted_server(confused) as port:
        driver = driver_at(port)
        await driver.connect()
        with pytest.raises(WriteFailed, match="another write"):
            await driver.write(BEAT, driver.encode(BEAT, 17.0), 1.0)
        await driver.close()
