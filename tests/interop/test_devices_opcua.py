"""A raw asyncua client against the simulated OPC UA devices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError
from cryptography.x509.oid import ExtendedKeyUsageOID

from facility.devices import Device, Release
from facility.site import Site
from sim.devices.host import DeviceHost, HostError
from sim.recorder import Recorder
from tests.devices_plant import START_S, SmallPlant, device, free_ports, site_of

AIR = "crahs.supply_air_temperature"
SETPOINT = "crahs.supply_air_temperature_setpoint"
Type = ua.VariantType
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Hosted:
    """Devices on the network."""

    site: Site
    plant: SmallPlant
    host: DeviceHost
    recorder: Recorder
    out: Path


@dataclass(frozen=True)
class Bench:
    """One of the devices, fresh, with a client of its own and the record."""

    name: str
    hosted: Hosted
    client: Client
    out: Path

    @property
    def plant(self) -> SmallPlant:
        return self.hosted.plant

    @property
    def device(self) -> Device:
        return self.hosted.site.devices[self.name]

    async def read(self, tag: str) -> ua.DataValue:
        node = self.client.get_node(self.hosted.site.points[tag].address)
        return await node.read_data_value(raise_on_bad_status=False)

    async def value(self, tag: str) -> float | bool | None:
        found = (await self.read(tag)).Value
        return None if found is None else found.Value

    async def write(
        self, address: str, value: object, kind: Type, attribute: int = AttributeIds.Value
    ) -> int:
        """The status code."""
        item = ua.WriteValue(
            NodeId=ua.NodeId.from_string(address),
            AttributeId=attribute,
            Value=ua.DataValue(ua.Variant(value, kind)),
        )
        found = await self.client.uaclient.write(ua.WriteParameters(NodesToWrite=[item]))
        return int(found[0].value)

    async def set(self, tag: str, value: object, kind: Type) -> int:
        return await self.write(self.hosted.site.points[tag].address, value, kind)

    def record(self) -> list[dict[str, object]]:
        self.hosted.recorder.flush()
        lines = (self.out / "recorder.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosted]:
    """A ramping and a jumping device: a server takes a second to build, so all tests share them."""
    out = tmp_path_factory.mktemp("opcua")
    ports = free_ports(2)
    site = site_of(
        device("crahs", ports[0], opcua=True),
        device("bms", ports[1], opcua=True, release=Release.JUMP),
    )
    plant, recorder = SmallPlant(site), Recorder()
    host = DeviceHost(site, plant, recorder, out)
    await host.start()
    yield Hosted(site, plant, host, recorder, out)
    await host.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(
    hosted: Hosted, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Bench]:
    name = getattr(request, "param", "crahs")
    hosted.plant.reset()
    for counter in (hosted.recorder.accepted, hosted.recorder.rejected, hosted.recorder.requests):
        counter.clear()
    hosted.recorder.open(tmp_path / "recorder.jsonl")
    port = hosted.site.devices[name].port
    async with Client(f"opc.tcp://127.0.0.1:{port}/") as client:
        yield Bench(name, hosted, client, tmp_path)
    hosted.recorder.close()


async def test_reads_show_the_plant_as_it_is_now_with_its_time(bench: Bench) -> None:
    bench.plant.sensors[AIR] = 21.25
    await bench.hosted.host.advance(START_S + 5.0)
    found = await bench.read(AIR)
    assert found.Value is not None
    assert (found.Value.Value, found.Value.VariantType) == (21.25, Type.Double)
    assert found.SourceTimestamp is not None
    assert found.SourceTimestamp.replace(tzinfo=UTC) == datetime.fromtimestamp(START_S + 5.0, UTC)


async def test_a_broken_sensor_has_a_bad_status_and_no_value(bench: Bench) -> None:
    bench.plant.broken.add(AIR)
    found = await bench.read(AIR)
    assert found.StatusCode is not None
    assert found.StatusCode.value == StatusCodes.BadSensorFailure
    assert found.Value is None or found.Value.Value is None


async def test_points_are_found_by_browsing_their_equipment(bench: Bench) -> None:
    found = await bench.client.nodes.objects.get_child(["2:crahs", "2:supply_air_temperature"])
    assert found.nodeid.to_string() == f"ns=2;s={AIR}"


@pytest.mark.parametrize(
    ("address", "value", "kind", "status"),
    [
        (f"ns=2;s={SETPOINT}", 22.0, Type.Float, StatusCodes.BadTypeMismatch),
        (f"ns=2;s={SETPOINT}", 22, Type.Int32, StatusCodes.BadTypeMismatch),
        (f"ns=2;s={SETPOINT}", [22.0], Type.Double, StatusCodes.BadTypeMismatch),
        (f"ns=2;s={SETPOINT}", "22", Type.String, StatusCodes.BadTypeMismatch),
        (f"ns=2;s={SETPOINT}", 27.5, Type.Double, StatusCodes.BadOutOfRange),
        (f"ns=2;s={SETPOINT}", float("nan"), Type.Double, StatusCodes.BadOutOfRange),
        (f"ns=2;s={AIR}", 22.0, Type.Double, StatusCodes.BadNotWritable),
        ("ns=2;s=nothing", 22.0, Type.Double, StatusCodes.BadNodeIdUnknown),
        ("i=2259", 0, Type.Int32, StatusCodes.BadNodeIdUnknown),  # the server's own state
    ],
)
async def test_a_wrong_write_has_its_status_and_is_recorded(
    bench: Bench, address: str, value: object, kind: Type, status: int
) -> None:
    assert await bench.write(address, value, kind) == status
    assert bench.hosted.recorder.requests == {"crahs": 1}
    (line,) = bench.record()
    assert (line["accepted"], line["table"], line["address"]) == (False, "node", address)
    assert await bench.value(SETPOINT) == 20.0


async def test_only_values_can_be_written(bench: Bench) -> None:
    code = await bench.write(
        f"ns=2;s={SETPOINT}", ua.LocalizedText("x"), Type.LocalizedText, AttributeIds.DisplayName
    )
    assert code == StatusCodes.BadWriteNotSupported


@pytest.mark.parametrize("bench", ["crahs", "bms"], indirect=True)
async def test_armed_by_a_client_it_follows_and_without_beats_it_goes_home(bench: Bench) -> None:
    setpoint = f"{bench.name}.supply_air_temperature_setpoint"
    assert await bench.set(setpoint, 24.0, Type.Double) == StatusCodes.Good
    assert await bench.set(f"{bench.name}.heartbeat", 1, Type.UInt32) == StatusCodes.Good
    assert await bench.set(f"{bench.name}.remote_enable", True, Type.Boolean) == StatusCodes.Good
    assert await bench.value(f"{bench.name}.remote_active") is True
    for second in range(1, 8):
        await bench.set(f"{bench.name}.heartbeat", second + 1, Type.UInt32)
        await bench.hosted.host.advance(START_S + second)
    assert await bench.value(f"{setpoint}_in_force") == 24.0
    silent_since = bench.plant.now_s
    while await bench.value(f"{bench.name}.remote_active"):
        await bench.hosted.host.advance(bench.plant.now_s + 1.0)
    assert bench.plant.now_s - silent_since <= bench.device.watchdog_s
    jumps = bench.device.release is Release.JUMP
    first = await bench.value(f"{setpoint}_in_force")
    assert first == (20.0 if jumps else pytest.approx(24.0 - 2.0 / 60.0))
    assert await bench.value(f"{bench.name}.remote_enable") is False
    lines = bench.record()
    assert [line["kind"] for line in lines[:3]] == ["setpoint", "heartbeat", "enable"]
    assert [line["raw"] for line in lines[:3]] == ["0000000000003840", "01000000", "01"]
    assert all(line["accepted"] for line in lines)


async def test_subscribers_hear_of_changes_when_the_plant_moves(bench: Bench) -> None:
    heard: asyncio.Queue[float] = asyncio.Queue()

    class Listener:
        def datachange_notification(self, node: object, value: float, data: object) -> None:
            heard.put_nowait(value)

    subscription = await bench.client.create_subscription(10, Listener())
    await subscription.subscribe_data_change(bench.client.get_node(f"ns=2;s={AIR}"))
    assert await asyncio.wait_for(heard.get(), 10.0) == 20.0
    bench.plant.sensors[AIR] = 23.5
    await bench.hosted.host.advance(START_S + 1.0)
    assert await asyncio.wait_for(heard.get(), 10.0) == 23.5
    await subscription.delete()


async def test_a_named_policy_is_the_only_way_in(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    secure = replace(device("bms", port, opcua=True), security="Basic256Sha256")
    site = site_of(secure)
    host = DeviceHost(site, SmallPlant(site), Recorder(), tmp_path)
    await host.start()
    url = f"opc.tcp://127.0.0.1:{port}/"
    with pytest.raises(UaError):
        async with Client(url):
            pass
    key, certificate = tmp_path / "client.pem", tmp_path / "client.der"
    uri = "urn:isotherm:test-client"
    await setup_self_signed_certificate(
        key, certificate, uri, "localhost", [ExtendedKeyUsageOID.CLIENT_AUTH], {}
    )
    client = Client(url)
    client.application_uri = uri
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate,
        key,
        server_certificate=str(tmp_path / "pki" / "bms.der"),
    )
    async with client:
        node = client.get_node(site.points["bms.supply_air_temperature"].address)
        assert await node.read_value() == 20.0
    assert (tmp_path / "pki" / "bms.key.pem").stat().st_mode & 0o077 == 0
    await host.stop()


@pytest.mark.parametrize("security", ["", "None", "None:", "Basic128", "None of your business"])
async def test_a_policy_that_is_not_named_in_words_is_refused(
    security: str, tmp_path: Path
) -> None:
    site = site_of(replace(device("bms", 4840, opcua=True), security=security))
    with pytest.raises(HostError, match=r"device bms: security is .* site\.toml"):
        DeviceHost(site, SmallPlant(site), Recorder(), tmp_path)


async def test_an_address_that_is_no_node_id_is_refused_by_name(tmp_path: Path) -> None:
    site = site_of(device("bms", 4840, opcua=True))
    points = dict(site.points)
    tag = "bms.heartbeat"
    points[tag] = replace(points[tag], address="heartbeat")
    with pytest.raises(HostError, match=r"'heartbeat' of bms\.heartbeat is no OPC UA node id"):
        DeviceHost(replace(site, points=points), SmallPlant(site), Recorder(), tmp_path)
