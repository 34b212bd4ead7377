"""Servers for the drivers' contract: programs that we did not write, and our simulator's.

Each offers the same six points in its own protocol, and a seventh that is on our list and
not on the device.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Protocol as Port

import pytest

from adapters.driver import Driver
from adapters.gateway.drivers import drivers_of
from adapters.pki import Pki, have_certificate
from facility.clock import Clock
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.site import Device, HandBackClass, Login, Protocol, Release, Report, Site
from sim.devices.certificates import write_certificate
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder
from tests.certificates import self_signed, write_password
from tests.devices_plant import Measured
from tests.gateway_kit import START_S, free_port, small_site

PEERS = Path(__file__).parent / "peers"
TEMPERATURE, FLOW, RUNNING = "x.temperature", "x.flow", "x.running"
SETPOINT, COUNT, MISSING = "x.setpoint", "x.count", "x.missing"
ENABLE = "x.enable"
"""Of the BACnet peers alone; no driver has it unless a test says so."""
THERE = {TEMPERATURE: 22.5, FLOW: 1200.0, RUNNING: 1.0, SETPOINT: 32.0, COUNT: 0.0}
"""What every peer shows at first, in canonical units."""
TIMEOUT_S = 20.0
"""Long enough for a busy machine; tests of time-outs set their own."""


class Peer(Port):
    """A server that can be ended, started again with the values of its first start, and frozen."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def writes(self) -> int: ...


@dataclass(frozen=True)
class Bench:
    """A peer with what our side needs to know of it."""

    peer: Peer
    device: Device
    points: tuple[Point, ...]
    pki: Pki | None = None

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


@dataclass
class Program:
    """A peer that is a process; it says «ready» once it listens, and «write ...» for writes."""

    command: Sequence[str]
    log: Path
    _process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        async with asyncio.timeout(110.0):
            while b"ready" not in self.log.read_bytes()[before:]:
                if self._process.poll() is not None:
                    pytest.fail(f"{self.command[0]} ended: {self.log.read_text()}")
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def writes(self) -> int:
        return sum(line.startswith("write") for line in self.log.read_text().splitlines())


class TinyPlant:
    """A plant of a handful of values, behind the simulator's servers."""

    now_s = START_S

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = dict(values)

    def advance(self, to_s: float) -> None: ...

    def read(self, tag: str) -> Measured:
        return Measured(self.values[tag], True, self.now_s)

    def write(self, tag: str, value: float) -> bool:
        self.values[tag] = value
        return True

    def answers(self, device: str) -> bool:
        return True


@dataclass
class Simulated:
    """A server of the simulator, in this process."""

    make: Callable[[TinyPlant, Recorder], ModbusServer | OpcUaServer]
    started: Callable[[], None] = lambda: None
    recorder: Recorder = field(default_factory=Recorder)
    _server: ModbusServer | OpcUaServer | None = None

    async def start(self) -> None:
        self._server = self.make(TinyPlant(THERE), self.recorder)
        await self._server.start()
        self.started()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def freeze(self) -> None:
        raise NotImplementedError("it lives in the test's own process")

    def thaw(self) -> None:
        raise NotImplementedError("it lives in the test's own process")

    def writes(self) -> int:
        return sum(self.recorder.requests.values())


# -- what is needed beyond pip -------------------------------------------------------------------


@cache
def node_script(name: str) -> tuple[str, ...]:
    """The command of a program of npm's; skips where npm's packages are not installed."""
    if not (PEERS / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("npm packages are absent: npm ci --prefix tests/peers")
    return ("node", "--no-deprecation", str(PEERS / name))


@cache
def c_program(name: str, folder: Path) -> Path:
    """A program of ours on libmodbus, compiled; skips where gcc or libmodbus are absent."""
    flags = ["pkg-config", "--cflags", "--libs", "libmodbus"]
    if shutil.which("gcc") is None or shutil.which("pkg-config") is None:
        pytest.skip("gcc or pkg-config is absent: apt-get install gcc pkg-config")
    found = subprocess.run(flags, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("libmodbus is absent: apt-get install libmodbus-dev")
    target = folder / name
    source = PEERS / f"{name}.c"
    command = ["gcc", "-O2", "-Wall", "-Werror", "-o", str(target), str(source)]
    subprocess.run([*command, *found.stdout.split()], check=True)
    return target


# -- the same points in each protocol ------------------------------------------------------------


def device_of(protocol: Protocol, port: int, **fields: object) -> Device:
    return Device(
        id="x",
        protocol=protocol,
        host="127.0.0.1",
        port=port,
        hand_back=HandBackClass.LIQUID,
        release=Release.RAMP,
        timeout_s=TIMEOUT_S,
        **fields,  # type: ignore[arg-type]  # its fields
    )


def point(
    tag: str, table: Table, address: str, data_type: DataType, unit: str, **fields: object
) -> Point:
    writable = tag in (SETPOINT, COUNT)
    roles = {SETPOINT: Role.SETPOINT, COUNT: Role.HEARTBEAT}
    limits = {"minimum": 18.0, "maximum": 45.0} if tag == SETPOINT else {}
    return Point(
        tag=tag,
        device="x",
        equipment="x",
        quantity=tag.removeprefix("x."),
        role=roles.get(tag, Role.SENSOR),
        table=table,
        address=address,
        data_type=data_type,
        unit=unit,
        access=Access.READ_WRITE if writable else Access.READ,
        **{**limits, **fields},  # type: ignore[arg-type]  # its fields
    )


def modbus_points() -> tuple[Point, ...]:
    integer, real = DataType.INT16, DataType.FLOAT32
    return (
        point(TEMPERATURE, Table.INPUT, "0", integer, "degC", scale=0.1),
        point(FLOW, Table.INPUT, "1", real, "kW", word_order=Order.LITTLE),
        point(RUNNING, Table.DISCRETE, "3", DataType.BOOL, "state"),
        point(SETPOINT, Table.HOLDING, "0", integer, "degC", scale=0.01),
        point(COUNT, Table.HOLDING, "4", DataType.UINT16, "count", function_code=6),
        point(MISSING, Table.INPUT, "99", integer, "degC"),
    )


def modbus_words() -> list[str]:
    high, low = struct.unpack(">2H", struct.pack(">f", THERE[FLOW]))
    return ["input:0=225", f"input:1={low}", f"input:2={high}", "discrete:3=1", "holding:0=3200"]


def node_points(namespace: int) -> tuple[Point, ...]:
    rows = (
        (TEMPERATURE, DataType.FLOAT64, "degC"),
        (FLOW, DataType.FLOAT32, "kW"),
        (RUNNING, DataType.BOOL, "state"),
        (SETPOINT, DataType.FLOAT64, "degC"),
        (COUNT, DataType.UINT32, "count"),
        (MISSING, DataType.FLOAT64, "degC"),
    )
    return tuple(
        point(tag, Table.NODE, f"ns={namespace};s={tag}", data_type, unit)
        for tag, data_type, unit in rows
    )


# -- the peers -----------------------------------------------------------------------------------


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
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pki = Pki(folder / "pki")
    have_certificate(pki)
    certificate, key = write_certificate(folder, "server", uri, "127.0.0.1")
    pem = x509.load_der_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.PEM)
    (folder / "server.crt.pem").write_bytes(pem)
    key.rename(folder / "server.key.pem")
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


def bacnet_points() -> tuple[Point, ...]:
    real, table = DataType.FLOAT32, Table.OBJECT
    return (
        point(TEMPERATURE, table, "analog-input:1", real, "degC"),
        point(FLOW, table, "analog-input:2", real, "kW"),
        point(RUNNING, table, "binary-input:3", DataType.BOOL, "state"),
        point(SETPOINT, table, "analog-value:4", real, "degC"),
        point(COUNT, table, "analog-value:5", DataType.UINT16, "count"),
        point(MISSING, table, "analog-input:99", real, "degC"),
    )


def bacnet_words(names: Mapping[str, str]) -> list[str]:
    """What the BACnet peers are told to hold; ``names`` of object types as each has them."""
    kinds = {
        TEMPERATURE: ("analog-input", 1),
        FLOW: ("analog-input", 2),
        RUNNING: ("binary-input", 3),
        SETPOINT: ("analog-value", 4),
        COUNT: ("analog-value", 5),
        ENABLE: ("binary-value", 6),
    }
    return [
        f"{names.get(kind, kind)}:{instance}={THERE.get(tag, 0.0):g}"
        for tag, (kind, instance) in kinds.items()
    ]


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


def redfish_points() -> tuple[Point, ...]:
    unit = "/redfish/v1/ThermalEquipment/CDUs/1"
    real, table = DataType.FLOAT64, Table.RESOURCE
    control = f"{unit}#/SupplyTemperatureControlCelsius"
    return (
        point(TEMPERATURE, table, f"{control}/Reading", real, "degC"),
        point(FLOW, table, f"{unit}/Sensors/Flow#/Reading", real, "kW"),
        point(RUNNING, table, f"{unit}#/Status/State", DataType.BOOL, "state"),
        point(SETPOINT, table, f"{control}/SetPoint", real, "degC"),
        point(COUNT, table, f"{unit}#/Oem/Isotherm/1/Count", DataType.UINT16, "count"),
        point(MISSING, table, f"{unit}/Sensors/None#/Reading", real, "degC"),
    )


def redfish(folder: Path) -> Bench:
    port, pki = free_port(), Pki(folder / "pki")
    self_signed(folder, "server")
    pki.trusted.mkdir(parents=True)
    shutil.copy(folder / "server.der", pki.trusted)
    write_password(pki, "ada", "difference")
    files = [str(folder / "server.crt.pem"), str(folder / "server.pem")]
    command = [sys.executable, str(PEERS / "redfish_server.py"), str(port), *files]
    device = device_of(Protocol.REDFISH, port, login=Login.PASSWORD, user="ada")
    return Bench(Program(command, folder / "log"), device, redfish_points(), pki)


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
PROCESSES = [name for name in ALL if not name.startswith("simulated")]


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[Bench]:
    """A bench whose peer runs."""
    folder = folder / name
    folder.mkdir()
    bench = ALL[name](folder)
    await bench.peer.start()
    try:
        yield bench
    finally:
        await bench.peer.stop()
