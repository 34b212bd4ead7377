"""10,000 float32 a second over Modbus: by our driver, by pymodbus's client, by a client in C."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import BenchmarkError
from benchmarks.peers import Process, compiled, free_port

DEVICES, BLOCKS, FLOATS = 40, 5, 50
"""40 devices with 250 float32 each, in blocks of 100 registers, once a second."""


def read_registers(seconds: int) -> Mapping[str, float]:
    """Cores that our driver and pymodbus take, and processor seconds of ours and of C's."""
    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
        count = BLOCKS * 2 * FLOATS
        server = compiled("libmodbus_server", Path(folder), f"-DSIZE={count}")
        client = compiled("libmodbus_client", Path(folder))
        port = free_port()
        words = [f"input:{i}={word}" for i, word in enumerate(_words())]
        with Process([str(server), str(port), *words]):
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
    from facility.devices import Device, HandBackClass, Protocol, Release
    from facility.points import Access, DataType, Order, Point, Role, Table

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
