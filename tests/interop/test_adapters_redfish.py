"""Redfish's own: ETags, limits that the device states, states in words, refusals, trust."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from adapters.driver import Driver, Unreachable, WriteFailed
from adapters.pki import Pki, tls_context
from adapters.redfish_json import change, resolve
from facility.devices import Login
from facility.points import DataType, Table
from facility.telemetry import Quality
from tests.certificates import self_signed, write_password
from tests.driver_peers import Bench, running
from tests.peer_points import COUNT, FLOW, SETPOINT, TEMPERATURE, THERE, TIMEOUT_S, point
from tests.peer_programs import Program

UNIT = "/redfish/v1/ThermalEquipment/CDUs/1"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with running("redfish", tmp_path_factory.mktemp("peer")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def driver(bench: Bench) -> AsyncIterator[Driver]:
    driver = bench.driver()
    await driver.connect()
    yield driver
    await driver.close()


@pytest.fixture
def folder(bench: Bench, tmp_path: Path) -> Pki:
    """A copy of our folder, to be spoilt."""
    assert bench.pki is not None
    shutil.copytree(bench.pki.folder, tmp_path / "pki")
    return Pki(tmp_path / "pki")


def lines(bench: Bench, start: str) -> list[str]:
    assert isinstance(bench.peer, Program)
    return [x for x in bench.peer.log.read_text().splitlines() if x.startswith(start)]


async def test_what_has_not_changed_is_not_sent_again(bench: Bench, driver: Driver) -> None:
    await driver.read([FLOW])
    before = len(lines(bench, "asked"))
    found = await driver.read([FLOW])
    (asked,) = lines(bench, "asked")[before:]
    assert "304" in asked
    assert found[FLOW].value == THERE[FLOW]


async def test_points_of_one_resource_cost_one_request(bench: Bench, driver: Driver) -> None:
    before = len(lines(bench, "asked"))
    await driver.read([TEMPERATURE, SETPOINT, COUNT])
    assert len(lines(bench, "asked")) == before + 1


async def test_a_change_names_the_member_alone_and_leaves_its_neighbours(
    bench: Bench, driver: Driver
) -> None:
    await driver.write(COUNT, driver.encode(COUNT, 5.0), TIMEOUT_S)
    body = json.loads(lines(bench, "write")[-1].split(" ", 2)[2])
    assert body == {"Oem": {"Isotherm": [{}, {"Count": 5}]}}
    assert (await driver.read([COUNT]))[COUNT].value == 5.0


async def test_a_resource_that_changed_meanwhile_is_looked_at_again(
    bench: Bench, driver: Driver
) -> None:
    await driver.read([SETPOINT])
    assert bench.pki is not None
    url = f"https://127.0.0.1:{bench.device.port}{UNIT}"
    grant = httpx.BasicAuth("ada", "difference")
    context = tls_context(bench.device, bench.pki, our_certificate=False)
    async with httpx.AsyncClient(verify=context, auth=grant, trust_env=False) as other:
        etag = (await other.get(url)).headers["ETag"]
        body = {"SupplyTemperatureControlCelsius": {"SetPoint": 33.0}}
        answer = await other.patch(url, json=body, headers={"If-Match": etag})
        assert answer.status_code == 200
    await driver.write(SETPOINT, driver.encode(SETPOINT, 29.5), TIMEOUT_S)
    assert (await driver.read([SETPOINT]))[SETPOINT].value == 29.5


async def test_what_the_device_does_not_allow_is_not_sent(bench: Bench) -> None:
    wide = tuple(
        replace(p, minimum=0.0, maximum=90.0) if p.tag == SETPOINT else p for p in bench.points
    )
    driver = replace(bench, points=wide).driver()
    await driver.connect()
    before = len(lines(bench, "write"))
    with pytest.raises(WriteFailed, match=r"18\.0 to 45\.0") as failed:
        await driver.write(SETPOINT, driver.encode(SETPOINT, 50.0), TIMEOUT_S)
    assert not failed.value.sent
    assert len(lines(bench, "write")) == before
    await driver.close()


async def test_a_sensor_that_is_offline_or_absent_has_no_value(bench: Bench) -> None:
    def sensor(name: str) -> str:
        return f"{UNIT}/Sensors/{name}#/Reading"

    real, table = DataType.FLOAT64, Table.RESOURCE
    points = (
        point("x.broken", table, sensor("Broken"), real, "degC"),
        point("x.absent", table, sensor("Absent"), real, "degC"),
        point("x.health", table, f"{UNIT}#/Status/Health", DataType.BOOL, "state"),
        point("x.words", table, f"{UNIT}#/EquipmentType", real, "degC"),
        point("x.member", table, f"{UNIT}#/Nothing/Here", real, "degC"),
    )
    driver = replace(bench, points=points).driver()
    await driver.connect()
    found = await driver.read([p.tag for p in points])
    qualities = {tag: reading.quality for tag, reading in found.items()}
    assert qualities == {
        "x.broken": Quality.BAD,
        "x.absent": Quality.ABSENT,
        "x.health": Quality.GOOD,
        "x.words": Quality.BAD,
        "x.member": Quality.BAD,
    }
    assert found["x.health"].value == 0.0
    assert "UnavailableOffline" in found["x.broken"].note
    await driver.close()


async def test_a_wrong_password_is_refused_in_words(bench: Bench, folder: Pki) -> None:
    write_password(folder, "ada", "indifference")
    driver = replace(bench, pki=folder).driver()
    with pytest.raises(Unreachable, match="401, There is no valid session"):
        await driver.connect()
    assert await driver.read([FLOW]) == {}


@pytest.mark.parametrize(("flaw", "words"), [("unknown", "self.signed"), ("nobody", "nobody is")])
async def test_a_service_that_nobody_vouches_for_is_not_spoken_to(
    bench: Bench, folder: Pki, flaw: str, words: str
) -> None:
    (folder.trusted / "server.der").unlink()
    if flaw == "unknown":
        self_signed(folder.folder / "else", "else")
        shutil.copy(folder.folder / "else" / "else.der", folder.trusted)
    driver = replace(bench, pki=folder).driver()
    with pytest.raises(Unreachable, match=words):
        await driver.connect()


async def test_a_password_never_travels_in_the_clear(bench: Bench) -> None:
    driver = bench.driver(security="None: a test", login=Login.PASSWORD)
    with pytest.raises(Unreachable, match="HTTPS"):
        await driver.connect()


async def test_pointers_are_read_as_rfc_6901_says() -> None:
    document = {"a/b": {"m~n": [10, {"c": 11}]}}
    assert resolve(document, ("a/b", "m~n", "1", "c")) == 11
    with pytest.raises(KeyError):
        resolve(document, ("a/b", "m~n", "2"))
    assert change(("x", "1", "y"), 2.0) == {"x": [{}, {"y": 2.0}]}
