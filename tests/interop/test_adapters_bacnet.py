"""BACnet's own: priorities and their release, changes told by the device, lost subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import pytest
import pytest_asyncio
from bacpypes3.apdu import WritePropertyRequest
from bacpypes3.basetypes import PropertyIdentifier
from bacpypes3.constructeddata import Any as AnyValue
from bacpypes3.primitivedata import Null, ObjectIdentifier, Real

from adapters.bacnet_link import BacnetLink
from adapters.driver import Driver, WriteFailed
from facility.devices import Report
from facility.points import Access, DataType, Role, Table
from tests.driver_peers import Bench, free_udp_port, running
from tests.peer_points import ENABLE, FLOW, SETPOINT, TEMPERATURE, THERE, TIMEOUT_S, point
from tests.peer_programs import Program

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    enable = replace(
        point(ENABLE, Table.OBJECT, "binary-value:6", DataType.BOOL, "state"),
        role=Role.ENABLE,
        access=Access.READ_WRITE,
    )
    async with running("bacpypes", tmp_path_factory.mktemp("peer")) as found:
        yield replace(found, points=(*found.points, enable))


@pytest_asyncio.fixture(loop_scope="module")
async def driver(bench: Bench) -> AsyncIterator[Driver]:
    driver = bench.driver()
    await driver.connect()
    yield driver
    await driver.close()


async def operator_sets(bench: Bench, value: float | None) -> None:
    """Somebody at the building's own desk commands the setpoint at priority 8, or lets go."""
    link = await BacnetLink.open(bench.device)
    atom = Null(()) if value is None else Real(value)
    await link.request(
        WritePropertyRequest(
            objectIdentifier=ObjectIdentifier(("analog-value", 4)),
            propertyIdentifier=PropertyIdentifier("present-value"),
            propertyValue=AnyValue(atom.encode()),
            priority=8,
        ),
        TIMEOUT_S,
    )
    link.close()


async def until(driver: Driver, tag: str, value: float) -> None:
    async with asyncio.timeout(30.0):
        while (await driver.read([tag]))[tag].value != value:
            await asyncio.sleep(0.02)


async def test_an_operator_outranks_us_and_release_empties_our_slots(
    bench: Bench, driver: Driver
) -> None:
    await driver.write(ENABLE, driver.encode(ENABLE, 1.0), TIMEOUT_S)
    await driver.write(SETPOINT, driver.encode(SETPOINT, 28.0), TIMEOUT_S)
    await until(driver, SETPOINT, 28.0)
    await operator_sets(bench, 25.0)
    await until(driver, SETPOINT, 25.0)
    # What the gateway's read-back finds: ours does not show.
    await driver.write(SETPOINT, driver.encode(SETPOINT, 27.0), TIMEOUT_S)
    await until(driver, SETPOINT, 25.0)
    await operator_sets(bench, None)
    await until(driver, SETPOINT, 27.0)
    await driver.write(ENABLE, driver.encode(ENABLE, 0.0), TIMEOUT_S)
    await until(driver, SETPOINT, THERE[SETPOINT])
    await until(driver, ENABLE, 0.0)


async def test_a_value_that_the_device_tells_of_is_not_asked_for(
    bench: Bench, driver: Driver
) -> None:
    assert isinstance(bench.peer, Program)
    log = bench.peer.log

    def asked() -> int:
        return sum("analog-value,4" in line for line in log.read_text().splitlines()
                   if line.startswith("asked"))  # fmt: skip

    for _ in range(2):  # the first brings the value, the second what has been told since
        await driver.read([TEMPERATURE, FLOW, SETPOINT])
    seen_untold = []
    for value in (26.0, 27.0):  # twice: one scan in twelve asks for it, told or not
        await operator_sets(bench, value)
        before = asked()
        await until(driver, SETPOINT, value)
        seen_untold.append(asked() > before)
    assert not all(seen_untold)
    await operator_sets(bench, None)


async def test_subscriptions_that_a_restart_took_are_made_anew_at_the_next_scan(
    bench: Bench,
) -> None:
    driver = bench.driver()
    await driver.connect()
    for _ in range(3):
        await driver.read([TEMPERATURE, SETPOINT])
    await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), TIMEOUT_S)
    await until(driver, SETPOINT, 30.0)
    # Between two scans: for the driver the device was never away.
    await bench.peer.stop()
    await bench.peer.start()
    found = await driver.read([TEMPERATURE, SETPOINT])
    assert found[SETPOINT].value == THERE[SETPOINT]
    await operator_sets(bench, 24.0)
    await until(driver, SETPOINT, 24.0)
    await operator_sets(bench, None)
    await driver.close()


async def test_a_device_that_does_not_tell_is_read(bench: Bench) -> None:
    driver = bench.driver(report=Report.SCAN)
    await driver.connect()
    found = await driver.read([TEMPERATURE, SETPOINT])
    assert found[TEMPERATURE].value == THERE[TEMPERATURE]
    await driver.close()


async def test_a_write_leaves_once_even_if_nobody_confirms_it(bench: Bench) -> None:
    received: list[bytes] = []

    class Relay(asyncio.DatagramProtocol):
        """Passes on what is asked, and swallows writes (service 15)."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)
            self.client: tuple[str, int] | None = None

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            if addr[1] == bench.device.port:
                assert self.client is not None
                self.transport.sendto(data, self.client)
            elif data[6:10].find(b"\x0f") >= 0:
                received.append(data)
            else:
                self.client = addr
                self.transport.sendto(data, ("127.0.0.1", bench.device.port))

    loop = asyncio.get_running_loop()
    port = free_udp_port()
    transport, _ = await loop.create_datagram_endpoint(Relay, ("127.0.0.1", port))
    driver = bench.driver(port=port, report=Report.SCAN)
    await driver.connect()
    with pytest.raises(WriteFailed) as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), 0.3)
    assert failed.value.sent
    assert not driver.status.connected
    await driver.connect()
    assert (await driver.read([SETPOINT]))[SETPOINT].value == THERE[SETPOINT]
    assert len(received) == 1
    await driver.close()
    transport.close()
