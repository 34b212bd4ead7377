"""Reading the field: processor time a decoded value costs, and whether any is lost."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Bench, BenchmarkError, Measure

SCOPE = (
    "the drivers alone, against servers in processes of their own on the loopback interface: "
    "libmodbus (C) for Modbus, the simulator's (asyncua) for OPC UA, encrypted (Basic256Sha256). "
    "Processor time is that of this process, user and system, without the servers'."
)
SECONDS = 20
DEVICES, BLOCKS, FLOATS = 40, 5, 50
"""Of Modbus: 40 devices with 250 float32 each, in blocks of 100 registers, once a second."""
PEERS = ROOT / "tests" / "peers"


def measure(bench: Bench) -> Iterator[Measure]:
    """Read for a while over each protocol."""
    seconds = SECONDS if not bench.full else 120
    found = bench.step("modbus", {"seconds": seconds}, lambda: _modbus(seconds))
    reads = (
        f"{DEVICES * BLOCKS * FLOATS} float32 (words swapped) once a second for {seconds} s, over "
        f"{DEVICES} connections in blocks of {2 * FLOATS} registers, each decoded into a reading "
        "with quality and time and compared with what the server holds"
    )
    yield Measure(
        "modbus_core_share_10k", found["ours"], "cores", 0.10, "at_most",
        how=f"{reads}; processor time over wall time",
    )  # fmt: skip
    yield Measure(
        "modbus_core_share_10k_pymodbus", found["pymodbus"], "cores",
        how="the same reads through pymodbus's client, decoded by the same code",
    )  # fmt: skip
    yield Measure(
        "modbus_cpu_over_c", found["ours_s"] / found["c_s"], "times",
        how="processor time of our driver for as many rounds as fast as they go, over that of a C "
        "client on libmodbus which reads and decodes the same (but judges, dates and names none)",
    )  # fmt: skip
    for name, tags in (("2k", 2_000), ("10k", 10_000)):
        inputs = {"tags": tags, "seconds": seconds}
        read = bench.step(f"opcua-{name}", inputs, partial(_opcua, tags, seconds))
        yield Measure(
            f"opcua_lost_{name}", read["lost"], "values", 0.0, "at_most",
            how=f"{tags} tags whose value is the second of the server's clock, read once a second "
            f"in batches for {seconds} s; seconds that a tag did not show",
        )  # fmt: skip
        yield Measure(
            f"opcua_core_share_{name}", read["cores"], "cores",
            how=f"the same {tags} tags a second; processor time of the client over wall time",
        )  # fmt: skip


# -- Modbus ----------------------------------------------------------------------------------------


def _modbus(seconds: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
        count = BLOCKS * 2 * FLOATS
        server = _compiled("libmodbus_server", Path(folder), f"-DSIZE={count}")
        client = _compiled("libmodbus_client", Path(folder))
        port = _free_port()
        words = [f"input:{i}={word}" for i, word in enumerate(_words())]
        with _process([str(server), str(port), *words]):
            ours, ours_s, rounds = asyncio.run(_ours(port, seconds))
            theirs = asyncio.run(_pymodbus(port, seconds))
            shape = [str(n) for n in (port, DEVICES, BLOCKS, 2 * FLOATS, rounds)]
            told = subprocess.run([str(client), *shape], capture_output=True, text=True, check=True)
            c_s, total = (float(word) for word in told.stdout.split())
            if abs(total - DEVICES * sum(_values())) > 1.0:
                raise BenchmarkError("the C client read something else than the server holds")
    return {"ours": ours, "pymodbus": theirs, "ours_s": ours_s, "c_s": c_s}


def _values() -> list[float]:
    return [20.0 + 0.25 * i for i in range(BLOCKS * FLOATS)]


def _words() -> list[int]:
    return [
        word
        for value in _values()
        for word in reversed(struct.unpack(">2H", struct.pack(">f", value)))
    ]


def _devices(port: int) -> list[Any]:
    from adapters.modbus import ModbusDriver
    from facility.points import Access, DataType, Order, Point, Role, Table
    from facility.site import Device, HandBackClass, Protocol, Release

    drivers = []
    for number in range(DEVICES):
        name = f"cdu{number}"
        device = Device(
            name, Protocol.MODBUS, "127.0.0.1", port, HandBackClass.LIQUID, Release.RAMP,
            max_block=2 * FLOATS, timeout_s=5.0,
        )  # fmt: skip
        points = [
            Point(
                f"{name}.p{i}", name, name, "cooling_load", Role.SENSOR, Table.INPUT, str(2 * i),
                DataType.FLOAT32, "kW", Access.READ, word_order=Order.LITTLE,
                minimum=0.0, maximum=1e4,
            )
            for i in range(BLOCKS * FLOATS)
        ]  # fmt: skip
        drivers.append(ModbusDriver(device, points, time.time))
    return drivers


async def _ours(port: int, seconds: int) -> tuple[float, float, int]:
    drivers = _devices(port)
    tags = [tuple(f"{d.device.id}.p{i}" for i in range(BLOCKS * FLOATS)) for d in drivers]
    await asyncio.gather(*(d.connect() for d in drivers))
    right = _values()

    async def scan() -> None:
        answers = await asyncio.gather(
            *(d.read(names) for d, names in zip(drivers, tags, strict=True))
        )
        for found in answers:
            if [reading.good for reading in found.values()] != right:
                raise BenchmarkError("our driver read something else than the server holds")

    await scan()
    share = await _paced(scan, seconds)
    rounds = 20
    before = time.process_time()
    for _ in range(rounds):
        await scan()
    spent_s = time.process_time() - before
    await asyncio.gather(*(d.close() for d in drivers))
    return share, spent_s, rounds


async def _pymodbus(port: int, seconds: int) -> float:
    from pymodbus.client import AsyncModbusTcpClient

    from adapters.modbus import blocks

    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0) for _ in range(DEVICES)]
    plans = [blocks(d._points.values(), 0, 2 * FLOATS) for d in _devices(port)]
    for client in clients:
        await client.connect()
    right = _values()

    async def read(client: Any, plan: Sequence[Any]) -> None:
        found: dict[str, Any] = {}
        for block in plan:
            first, count = struct.unpack(">HH", block.request[1:])
            answer = await client.read_input_registers(first, count=count, device_id=1)
            data = struct.pack(f">{count}H", *answer.registers)
            found.update(block.decode(data, time.time()))
        if [reading.good for reading in found.values()] != right:
            raise BenchmarkError("pymodbus read something else than the server holds")

    async def scan() -> None:
        await asyncio.gather(*(read(c, p) for c, p in zip(clients, plans, strict=True)))

    await scan()
    share = await _paced(scan, seconds)
    for client in clients:
        client.close()
    return share


async def _paced(scan: Any, seconds: int) -> float:
    """Processor time over wall time of a scan each second."""
    began, before = time.monotonic(), time.process_time()
    for second in range(seconds):
        await asyncio.sleep(max(0.0, began + second - time.monotonic()))
        await scan()
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    return (time.process_time() - before) / (time.monotonic() - began)


# -- OPC UA ----------------------------------------------------------------------------------------


def _opcua(tags: int, seconds: int) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
        port = _free_port()
        command = [sys.executable, "-m", "benchmarks.gateway", str(port), str(tags), folder]
        with _process(command):
            return asyncio.run(_read_nodes(port, tags, seconds, Path(folder)))


def _opcua_device(port: int, tags: int) -> tuple[Any, list[Any]]:
    from facility.points import Access, DataType, Point, Role, Table
    from facility.site import Device, HandBackClass, Protocol, Release

    device = Device(
        "bms", Protocol.OPCUA, "127.0.0.1", port, HandBackClass.AIR, Release.RAMP,
        security="Basic256Sha256", timeout_s=10.0,
    )  # fmt: skip
    points = [
        Point(
            f"bms.p{i}", "bms", f"unit{i // 50}", "cooling_load", Role.SENSOR, Table.NODE,
            f"ns=2;s=bms.p{i}", DataType.FLOAT64, "kW", Access.READ,
        )
        for i in range(tags)
    ]  # fmt: skip
    return device, points


async def _read_nodes(port: int, tags: int, seconds: int, folder: Path) -> Mapping[str, float]:
    from adapters.opcua import OpcUaDriver
    from adapters.pki import Pki

    pki = Pki(folder / "pki")
    pki.trusted.mkdir(parents=True)
    (pki.trusted / "bms.der").write_bytes((folder / "bms.der").read_bytes())
    device, points = _opcua_device(port, tags)
    driver = OpcUaDriver(device, points, time.time, pki=pki)
    await driver.connect()
    names = tuple(p.tag for p in points)
    seen: dict[str, set[float]] = {name: set() for name in names}
    await driver.read(names)
    # In the middle of the server's seconds, so that a late scan is told from a lost one.
    begins = float(int(time.time()) + 1) + 0.5
    await asyncio.sleep(begins - time.time())
    before = time.process_time()
    for second in range(seconds):
        await asyncio.sleep(max(0.0, begins + second - time.time()))
        for tag, reading in (await driver.read(names)).items():
            if reading.good is not None:
                seen[tag].add(reading.good)
    await asyncio.sleep(max(0.0, begins + seconds - time.time()))
    cores = (time.process_time() - before) / seconds
    await driver.close()
    wanted = {float(int(begins) + second) for second in range(seconds)}
    lost = sum(len(wanted - shown) for shown in seen.values())
    return {"lost": lost, "cores": cores}


async def _serve_nodes(port: int, tags: int, folder: Path) -> None:
    """A server whose every value is the second of the clock, until this process is killed."""
    from dataclasses import dataclass

    from sim.devices.opcua import OpcUaServer
    from sim.recorder import Recorder

    @dataclass(frozen=True)
    class Second:
        value: float
        time_s: float
        ok: bool = True

    class Clockwork:
        @property
        def now_s(self) -> float:
            return time.time()

        def advance(self, to_s: float) -> None:
            """Time advances by itself."""

        def read(self, tag: str) -> Second:  # noqa: ARG002 - all are the same
            now_s = time.time()
            return Second(float(int(now_s)), now_s)

        def write(self, tag: str, value: float) -> bool:  # noqa: ARG002 - nothing to write to
            return False

        def answers(self, device: str) -> bool:  # noqa: ARG002 - it always does
            return True

    device, points = _opcua_device(port, tags)
    server = OpcUaServer(device, points, Clockwork(), Recorder(), folder)
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


# -- processes -------------------------------------------------------------------------------------


class _process:
    """A server that says «ready», for as long as it is needed."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def __enter__(self) -> None:
        self._child = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
        )
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != "ready":
            self._child.wait()
            raise BenchmarkError(f"{self._command[0]} did not start")

    def __exit__(self, *_error: object) -> None:
        self._child.kill()
        self._child.communicate()


def _compiled(name: str, folder: Path, *flags: str) -> Path:
    target = folder / name
    try:
        told = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libmodbus"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        command = ["gcc", "-O2", *flags, "-o", str(target), str(PEERS / f"{name}.c")]
        subprocess.run([*command, *told.stdout.split()], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchmarkError(
            f"{name} cannot be built ({error}); install gcc, pkg-config and libmodbus-dev"
        ) from None
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    asyncio.run(_serve_nodes(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
