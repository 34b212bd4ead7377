"""Servers for the drivers' contract: programs that we did not write, and our simulator's."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import bcrypt

from adapters.driver import Driver
from adapters.gateway.drivers import drivers_of
from adapters.pki import Pki, have_certificate
from facility.clock import Clock
from facility.devices import Device, Login, Protocol, Report
from facility.points import Point
from facility.site import Site
from sim.devices.certificates import write_certificate
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder
from tests.certificates import self_signed, write_password
from tests.gateway_kit import START_S, free_port, small_site
from tests.peer_points import (
    COUNT,
    FLOW,
    MISSING,
    RUNNING,
    SETPOINT,
    TEMPERATURE,
    THERE,
    bacnet_points,
    bacnet_words,
    device_of,
    modbus_points,
    modbus_words,
    node_points,
    redfish_points,
    sushy_points,
)
from tests.peer_programs import PEERS, Peer, Program, Simulated, TinyPlant, c_program, node_script


@dataclass(frozen=True)
class Bench:
    """A peer with what our side needs to know of it."""

    peer: Peer
    device: Device
    points: tuple[Point, ...]
    pki: Pki | None = None
    there: Mapping[str, float] = field(default_factory=lambda: THERE)
    """What it shows at first."""

    def driver(self, clock: Clock | None = None, **changes: object) -> Driver:
        """A driver as the gateway makes it; its time stands at `START_S` without a clock."""
        device = replace(self.device, **changes)  # type: ignore[arg-type]  # its fields
        site: Site = replace(
            small_site(),
            devices={device.id: device},
            points={p.tag: p for p in self.points},
        )
        now = (lambda: START_S) if clock is None else clock.now_s
        return drivers_of(site, now, self.pki)[device.id]


def libmodbus(folder: Path) -> Bench:
    port = free_port()
    program = c_program("libmodbus_server", folder.parent)
    peer = Program([str(program), str(port), *modbus_words()], folder / "log")
    return Bench(peer, device_of(Protocol.MODBUS, port), modbus_points())


def modbus_serial(folder: Path) -> Bench:
    port = free_port()
    command = [*node_script("modbus_serial_server.js"), str(port), *modbus_words()]
    return Bench(
        Program(command, folder / "log"), device_of(Protocol.MODBUS, port), modbus_points()
    )


def simulated_modbus(folder: Path) -> Bench:
    device = device_of(Protocol.MODBUS, free_port())
    points = modbus_points()
    there = {p.tag: p for p in points if p.tag != MISSING}
    site = replace(small_site(), devices={"x": device}, points=there)

    def make(plant: TinyPlant, recorder: Recorder) -> ModbusServer:
        registers = RegisterMap(site, "x", plant, recorder)
        return ModbusServer(device.host, device.port, {1: registers}, recorder)

    return Bench(Simulated(make), device, points)


def node_opcua(folder: Path) -> Bench:
    port, pki = free_port(), opcua_pki(folder, "urn:test:peer")
    values = {
        TEMPERATURE: ("Double", THERE[TEMPERATURE], False),
        FLOW: ("Float", THERE[FLOW], False),
        RUNNING: ("Boolean", True, False),
        SETPOINT: ("Double", THERE[SETPOINT], True),
        COUNT: ("UInt32", 0, True),
    }
    command = [*node_script("node_opcua_server.js"), str(port), str(folder), json.dumps(values)]
    device = device_of(Protocol.OPCUA, port, security="Basic256Sha256")
    return Bench(Program(command, folder / "log"), device, node_points(1), pki)


def opcua_pki(folder: Path, uri: str) -> Pki:
    """Certificates for both sides, each trusted by the other."""
    pki = Pki(folder / "pki")
    have_certificate(pki)
    certificate, _ = write_certificate(folder, "server", uri, "127.0.0.1")
    pki.trusted.mkdir()
    shutil.copy(certificate, pki.trusted / "server.der")
    (folder / "trusted").mkdir()
    shutil.copy(pki.certificate, folder / "trusted" / "isotherm.der")
    return pki


def simulated_opcua(folder: Path) -> Bench:
    device = device_of(Protocol.OPCUA, free_port(), security="Aes256Sha256RsaPss")
    points = node_points(2)
    there = [p for p in points if p.tag != MISSING]
    pki = Pki(folder / "pki")
    pki.trusted.mkdir(parents=True)

    def make(plant: TinyPlant, recorder: Recorder) -> OpcUaServer:
        return OpcUaServer(device, there, plant, recorder, folder)

    def trust() -> None:  # each start writes a new certificate
        shutil.copy(folder / "x.der", pki.trusted / "x.der")

    return Bench(Simulated(make, trust), device, points, pki)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bacnet_js(folder: Path) -> Bench:
    port = free_udp_port()
    names = {"analog-input": "0", "analog-value": "2", "binary-input": "3", "binary-value": "5"}
    command = [*node_script("bacnet_server.js"), str(port), *bacnet_words(names)]
    return Bench(
        Program(command, folder / "log"),
        device_of(Protocol.BACNET, port, unit_id=7),
        bacnet_points(),
    )


def bacpypes(folder: Path) -> Bench:
    port = free_udp_port()
    command = [sys.executable, str(PEERS / "bacpypes_server.py"), str(port), *bacnet_words({})]
    device = device_of(Protocol.BACNET, port, unit_id=7, report=Report.EXCEPTION)
    return Bench(Program(command, folder / "log"), device, bacnet_points())


def https_pki(folder: Path) -> Pki:
    """A server's certificate, trusted by us, and the password of the user «ada»."""
    pki = Pki(folder / "pki")
    self_signed(folder, "server")
    pki.trusted.mkdir(parents=True)
    shutil.copy(folder / "server.der", pki.trusted)
    write_password(pki, "ada", "difference")
    return pki


def redfish(folder: Path) -> Bench:
    port, pki = free_port(), https_pki(folder)
    files = [str(folder / "server.crt.pem"), str(folder / "server.pem")]
    command = [sys.executable, str(PEERS / "redfish_server.py"), str(port), *files]
    device = device_of(Protocol.REDFISH, port, login=Login.PASSWORD, user="ada")
    return Bench(Program(command, folder / "log"), device, redfish_points(), pki)


def sushy(folder: Path) -> Bench:
    """OpenStack's emulator of a server's board; it has sensors, and nothing to set."""
    port, pki = free_port(), https_pki(folder)
    users, config = folder / "users", folder / "config.py"
    hashed = bcrypt.hashpw(b"difference", bcrypt.gensalt(4)).decode()
    users.write_text(f"ada:{hashed}\n")
    settings = {"AUTH_FILE": str(users), "STATE_DIR": str(folder)}
    config.write_text("".join(f"SUSHY_EMULATOR_{k} = {v!r}\n" for k, v in settings.items()))
    files = ["--ssl-certificate", str(folder / "server.crt.pem"), "--ssl-key",
             str(folder / "server.pem")]  # fmt: skip
    command = [sys.executable, "-m", "sushy_tools.emulator.main", "--fake", "--config", str(config),
               "--interface", "127.0.0.1", "--port", str(port), *files]  # fmt: skip
    peer = Program(command, folder / "log", b"Running on", lambda line: "PATCH" in line)
    device = device_of(Protocol.REDFISH, port, login=Login.PASSWORD, user="ada")
    there = {TEMPERATURE: 25.0, RUNNING: 1.0, SETPOINT: 41.0, FLOW: 2100.0}
    return Bench(peer, device, sushy_points(), pki, there)


ALL: dict[str, Callable[[Path], Bench]] = {
    "libmodbus": libmodbus,
    "modbus-serial": modbus_serial,
    "simulated-modbus": simulated_modbus,
    "node-opcua": node_opcua,
    "simulated-opcua": simulated_opcua,
    "bacnet-js": bacnet_js,
    "bacpypes": bacpypes,
    "redfish": redfish,
}
"""Those that hold all of the contract's points."""
READ_ONLY: dict[str, Callable[[Path], Bench]] = {"sushy": sushy}
PROCESSES = [name for name in (*ALL, *READ_ONLY) if not name.startswith("simulated")]


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[Bench]:
    """A bench whose peer runs."""
    folder = folder / name
    folder.mkdir()
    bench = {**ALL, **READ_ONLY}[name](folder)
    await bench.peer.start()
    try:
        yield bench
    finally:
        await bench.peer.stop()
