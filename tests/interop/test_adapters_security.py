"""Certificates, policies and logins: OPC UA against node-opcua, Modbus TLS against pymodbus."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from pymodbus.server import ModbusTlsServer
from pymodbus.simulator import DataType as Sim
from pymodbus.simulator import SimData, SimDevice

from adapters.driver import Unreachable
from adapters.pki import Pki, have_certificate
from facility.devices import Device, Login, Protocol
from facility.points import Table
from facility.telemetry import Quality
from tests.certificates import self_signed, write_password
from tests.driver_peers import Bench, running
from tests.gateway_kit import free_port
from tests.peer_points import SETPOINT, TEMPERATURE, THERE, TIMEOUT_S, device_of, modbus_points

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- OPC UA --------------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def opcua(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with running("node-opcua", tmp_path_factory.mktemp("peer")) as bench:
        yield bench


@pytest.fixture
def folder(opcua: Bench, tmp_path: Path) -> Pki:
    """A copy of our folder, to be spoilt."""
    assert opcua.pki is not None
    shutil.copytree(opcua.pki.folder, tmp_path / "pki")
    return Pki(tmp_path / "pki")


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
@pytest.mark.parametrize("login", list(Login))
async def test_each_policy_takes_each_login(
    opcua: Bench, folder: Pki, policy: str, login: Login
) -> None:
    write_password(folder, "ada", "difference")
    users = folder.folder / "users"
    # The application's own certificate serves as the user's: the peer trusts it.
    shutil.copy(folder.certificate, users / "ada.der")
    shutil.copy(folder.key, users / "ada.pem")
    driver = replace(opcua, pki=folder).driver(security=policy, login=login, user="ada")
    await driver.connect()
    await driver.write(SETPOINT, driver.encode(SETPOINT, 31.5), TIMEOUT_S)
    assert (await driver.read([SETPOINT]))[SETPOINT].value == 31.5
    await driver.close()


async def test_a_wrong_password_is_refused_in_words(opcua: Bench, folder: Pki) -> None:
    write_password(folder, "ada", "indifference")
    driver = replace(opcua, pki=folder).driver(login=Login.PASSWORD, user="ada")
    for _ in range(2):
        with pytest.raises(Unreachable, match=r"(?i)denied|rejected|identity"):
            await driver.connect()
    assert await driver.read([TEMPERATURE]) == {}
    await driver.close()


async def test_a_password_that_others_can_read_is_not_used(opcua: Bench, folder: Pki) -> None:
    driver = replace(opcua, pki=folder).driver(login=Login.PASSWORD, user="ada")
    with pytest.raises(Unreachable, match="first line"):
        await driver.connect()
    write_password(folder, "ada", "difference", 0o644)
    with pytest.raises(Unreachable, match="chmod 600"):
        await driver.connect()


async def test_a_server_that_nobody_vouches_for_is_not_spoken_to(opcua: Bench, folder: Pki) -> None:
    driver = replace(opcua, pki=folder).driver()
    (folder.trusted / "server.der").unlink()
    with pytest.raises(Unreachable, match="nobody is trusted yet"):
        await driver.connect()
    self_signed(folder.folder / "else", "else")
    shutil.copy(folder.folder / "else" / "else.der", folder.trusted)
    with pytest.raises(Unreachable, match="Untrusted"):
        await driver.connect()


async def test_a_server_that_does_not_know_us_says_so(opcua: Bench, folder: Pki) -> None:
    shutil.rmtree(folder.folder / "own")
    driver = replace(opcua, pki=folder).driver()
    with pytest.raises(Unreachable, match="may not trust our certificate"):
        await driver.connect()


async def test_our_own_key_is_for_our_eyes_and_an_expired_certificate_is_not_renewed_in_silence(
    tmp_path: Path,
) -> None:
    pki = Pki(tmp_path)
    have_certificate(pki)
    assert pki.key.stat().st_mode & 0o077 == 0
    before = pki.certificate.read_bytes()
    have_certificate(pki)
    assert pki.certificate.read_bytes() == before
    self_signed(tmp_path / "old", "old", days=-1)
    shutil.copy(tmp_path / "old" / "old.der", pki.certificate)
    with pytest.raises(Unreachable, match="remove it"):
        have_certificate(pki)


# -- Modbus/TCP Security -------------------------------------------------------------------------


def listening(server: ModbusTlsServer) -> bool:
    return server.transport is not None


@asynccontextmanager
async def tls_server(folder: Path, *, trusts: bytes) -> AsyncIterator[int]:
    """pymodbus's TLS server with folder/server, asking for the certificate ``trusts``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt.pem", folder / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trusts)
    inputs = [225, 0, 0, 0, 0, 0, 0, 0]
    device = SimDevice(
        1,
        simdata=(
            [SimData(0, values=False, count=8, datatype=Sim.BITS)],
            [SimData(0, values=True, count=8, datatype=Sim.BITS)],
            [SimData(0, values=[3200, 0, 0, 0, 0], datatype=Sim.REGISTERS)],
            [SimData(0, values=inputs, datatype=Sim.REGISTERS)],
        ),
    )
    port = free_port()
    server = ModbusTlsServer(device, sslctx=context, address=("127.0.0.1", port))
    serving = asyncio.create_task(server.serve_forever())
    while not listening(server):
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
        serving.cancel()


def secured(port: int, pki: Pki | None) -> Bench:
    device: Device = device_of(Protocol.MODBUS, port, security="TLS")
    points = tuple(p for p in modbus_points() if p.table is not Table.DISCRETE)
    return Bench(None, device, points, pki)  # type: ignore[arg-type]  # the server is not its own


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    """Our folder, which trusts tmp_path/server."""
    pki = Pki(tmp_path / "pki")
    have_certificate(pki)
    pki.trusted.mkdir()
    self_signed(tmp_path, "server")
    shutil.copy(tmp_path / "server.der", pki.trusted)
    return pki


async def test_modbus_in_tls_reads_and_writes_with_both_sides_known(
    tmp_path: Path, pki: Pki
) -> None:
    async with tls_server(tmp_path, trusts=pki.certificate.read_bytes()) as port:
        driver = secured(port, pki).driver()
        await driver.connect()
        found = await driver.read([TEMPERATURE, SETPOINT])
        assert found[TEMPERATURE].value == THERE[TEMPERATURE]
        await driver.write(SETPOINT, driver.encode(SETPOINT, 30.0), TIMEOUT_S)
        assert (await driver.read([SETPOINT]))[SETPOINT].value == 30.0
        await driver.close()


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("unknown", "self.signed certificate"),
        ("expired", "expired"),
        ("another name", "doesn't match|mismatch|not valid for"),
        ("nobody", "nobody is trusted"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused_in_words(
    tmp_path: Path, pki: Pki, flaw: str, words: str
) -> None:
    if flaw == "nobody":
        (pki.trusted / "server.der").unlink()
    else:
        days, host = (-1 if flaw == "expired" else 10), "127.0.0.1"
        self_signed(tmp_path, "server", days=days, host="127.0.0.2" if "name" in flaw else host)
        if flaw != "unknown":
            shutil.copy(tmp_path / "server.der", pki.trusted)
    async with tls_server(tmp_path, trusts=pki.certificate.read_bytes()) as port:
        driver = secured(port, pki).driver()
        with pytest.raises(Unreachable, match=words):
            await driver.connect()
        assert await driver.read([TEMPERATURE]) == {}
        await driver.close()


async def test_a_server_that_does_not_trust_us_is_no_connection(tmp_path: Path, pki: Pki) -> None:
    self_signed(tmp_path / "else", "else")
    async with tls_server(tmp_path, trusts=(tmp_path / "else" / "else.der").read_bytes()) as port:
        driver = secured(port, pki).driver()
        try:
            await driver.connect()
        except Unreachable:
            return
        # TLS 1.3 tells of a refused certificate only after the handshake.
        assert await driver.read([TEMPERATURE]) == {}
        assert not driver.status.connected
        assert "may not trust our certificate" in driver.status.note
        await driver.close()


async def test_plain_modbus_is_no_answer_to_tls(tmp_path: Path, pki: Pki) -> None:
    async with tls_server(tmp_path, trusts=pki.certificate.read_bytes()) as port:
        driver = replace(secured(port, pki)).driver(security="", timeout_s=0.5)
        await driver.connect()
        found = await driver.read([TEMPERATURE])
        assert all(r.quality is not Quality.GOOD for r in found.values())
        await driver.close()
