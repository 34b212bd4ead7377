"""The OPC UA driver against asyncua's server: types, statuses, deadlines, and certificates."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from adapters.driver import Unreachable, WriteFailed
from adapters.opcua import OpcUaDriver
from adapters.pki import Pki
from facility.telemetry import Quality
from tests.certificates import self_signed
from tests.gateway_kit import START_S, free_port, scripted_server, small_site

pytestmark = pytest.mark.asyncio(loop_scope="module")

SITE = small_site()
BMS = SITE.devices["bms"]
POINTS = SITE.device_points("bms")
TAGS = tuple(p.tag for p in POINTS)
AIR = "crah-1.supply_air_temperature"
SETPOINT = "crah-1.supply_air_temperature_setpoint"
VALUES = {
    "hall-1.dew_point_temperature": ua.Variant(9.5, ua.VariantType.Double),
    "bms.remote_enable": ua.Variant(False, ua.VariantType.Boolean),
    "bms.heartbeat": ua.Variant(0, ua.VariantType.UInt32),
    "bms.remote_active": ua.Variant(True, ua.VariantType.Boolean),
    "rack-1.case_temperature": ua.Variant(50.0, ua.VariantType.Double),
    "rack-2.case_temperature": ua.Variant(51.0, ua.VariantType.Double),
    "rack-air.inlet_temperature": ua.Variant(22.0, ua.VariantType.Double),
    AIR: ua.Variant(20.5, ua.VariantType.Double),
    f"{SETPOINT}_in_force": ua.Variant(20.0, ua.VariantType.Double),
    SETPOINT: ua.Variant(20.0, ua.VariantType.Double),
}


@asynccontextmanager
async def server_with(pki: Path | None = None) -> AsyncIterator[tuple[int, dict[str, Node]]]:
    port = free_port()
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    await server.set_application_uri("urn:test:peer")
    if pki is None:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    else:
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(pki / "server.der")
        await server.load_private_key(pki / "server.pem")
    index = await server.register_namespace("urn:test")
    assert index == 2
    nodes = {}
    for tag, value in VALUES.items():
        node = await server.nodes.objects.add_variable(
            ua.NodeId(ua.String(tag), ua.Int16(index)),
            ua.QualifiedName(tag, ua.UInt16(index)),
            value.Value,
            value.VariantType,
        )
        await node.set_writable()
        nodes[tag] = node
    await server.start()
    try:
        yield port, nodes
    finally:
        await server.stop()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared() -> AsyncIterator[tuple[int, dict[str, Node]]]:
    """A server for all that leave it running: it takes seconds to start."""
    async with server_with() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def server(shared: tuple[int, dict[str, Node]]) -> tuple[int, dict[str, Node]]:
    """The same with its values as at first."""
    _, nodes = shared
    for tag, value in VALUES.items():
        await nodes[tag].write_value(ua.DataValue(value))
        await nodes[tag].set_writable()
    return shared


def driver_at(port: int, **changes: object) -> OpcUaDriver:
    changes = {"timeout_s": 10.0, **changes}  # a verdict must not depend on how busy the machine is
    device = replace(BMS, port=port, **changes)  # type: ignore[arg-type]  # its fields
    return OpcUaDriver(device, POINTS, lambda: START_S)


async def test_reads_all_points_in_one_request_and_writes_each_type(
    server: tuple[int, dict[str, Node]],
) -> None:
    port, nodes = server
    driver = driver_at(port)
    await driver.connect()
    found = await driver.read(TAGS)
    assert set(found) == set(TAGS)
    assert all(r.quality is Quality.GOOD and r.time_s == START_S for r in found.values())
    assert found[AIR].value == 20.5
    assert found["bms.remote_active"].value == 1.0
    for tag, value in ((SETPOINT, 21.25), ("bms.heartbeat", 7.0), ("bms.remote_enable", 1.0)):
        await driver.write(tag, driver.encode(tag, value), 10.0)
        assert (await driver.read([tag]))[tag].value == value
    # 21 as a Double, not as the Int64 that asyncua would guess and the server refuse.
    await driver.write(SETPOINT, driver.encode(SETPOINT, 21.0), 10.0)
    stored = await nodes[SETPOINT].read_data_value()
    assert stored.Value is not None
    assert stored.Value.VariantType is ua.VariantType.Double
    await driver.close()


async def test_a_bad_status_a_null_and_a_nan_have_no_value_and_say_why(
    server: tuple[int, dict[str, Node]],
) -> None:
    port, nodes = server
    await nodes[AIR].write_value(
        ua.DataValue(
            ua.Variant(99.0, ua.VariantType.Double),
            ua.StatusCode(ua.UInt32(StatusCodes.BadSensorFailure)),
        )
    )
    await nodes["hall-1.dew_point_temperature"].write_value(float("nan"))
    missing = replace(POINTS[0], tag="x.gone", address="ns=2;s=gone")
    driver = OpcUaDriver(
        replace(BMS, port=port, timeout_s=10.0), (*POINTS, missing), lambda: START_S
    )
    await driver.connect()
    found = await driver.read((*TAGS, "x.gone"))
    assert (found[AIR].value, found[AIR].quality) == (None, Quality.BAD)
    assert "BadSensorFailure" in found[AIR].note
    assert found["hall-1.dew_point_temperature"].quality is Quality.BAD
    assert "BadNodeIdUnknown" in found["x.gone"].note
    assert found[SETPOINT].quality is Quality.GOOD
    await driver.close()


async def test_a_refused_write_says_why(
    server: tuple[int, dict[str, Node]],
) -> None:
    port, nodes = server
    await nodes[SETPOINT].set_writable(False)
    driver = driver_at(port)
    await driver.connect()
    with pytest.raises(WriteFailed, match=r"refuses to write .*BadUserAccessDenied"):
        await driver.write(SETPOINT, driver.encode(SETPOINT, 21.0), 10.0)
    assert driver.status.connected
    await driver.close()


async def test_a_server_that_never_answers_is_unreachable_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.sleep(60.0)

    async with scripted_server(silent) as port:
        driver = driver_at(port, timeout_s=0.1)
        with pytest.raises(Unreachable, match=r"bms: 127\.0\.0\.1"):
            await driver.connect()


@pytest.mark.parametrize("security", ["", "None", "None:", "Basic128Rsa15"])
async def test_no_security_needs_a_reason_in_words(security: str) -> None:
    with pytest.raises(Unreachable, match=r"name one of Basic256Sha256.*None: REASON"):
        await driver_at(free_port(), security=security).connect()


@pytest.fixture
def server_keys(tmp_path: Path) -> Path:
    self_signed(tmp_path / "server", "server")
    return tmp_path / "server"


async def test_a_trusted_server_is_spoken_to_in_cipher_and_another_not_at_all(
    server_keys: Path, tmp_path: Path
) -> None:
    pki = Pki(tmp_path)
    pki.trusted.mkdir()
    async with server_with(server_keys) as (port, _):
        device = replace(BMS, port=port, security="Basic256Sha256", timeout_s=10.0)
        driver = OpcUaDriver(device, POINTS, lambda: START_S, pki=pki)
        with pytest.raises(Unreachable, match="nobody is trusted yet"):
            await driver.connect()
        # Our own certificate is made on the first try; it is not the server's.
        shutil.copy(server_keys / "server.der", pki.trusted / "bms.der")
        await driver.connect()
        assert (await driver.read(TAGS))[AIR].value == 20.5
        await driver.write(SETPOINT, driver.encode(SETPOINT, 22.0), 10.0)
        await driver.close()
        shutil.copy(pki.certificate, pki.trusted / "bms.der")
        with pytest.raises(Unreachable, match="Untrusted"):
            await driver.connect()
        await driver.close()


async def test_a_server_whose_certificate_has_expired_is_not_spoken_to(tmp_path: Path) -> None:
    self_signed(tmp_path, "server", days=-1)
    pki = Pki(tmp_path / "pki")
    pki.trusted.mkdir(parents=True)
    shutil.copy(tmp_path / "server.der", pki.trusted)
    async with server_with(tmp_path) as (port, _):
        device = replace(BMS, port=port, security="Basic256Sha256", timeout_s=10.0)
        driver = OpcUaDriver(device, POINTS, lambda: START_S, pki=pki)
        with pytest.raises(Unreachable, match="TimeInvalid"):
            await driver.connect()
        assert await driver.read(TAGS) == {}
        await driver.close()
