"""Servers that can be ended, started again and frozen: processes, and the simulator's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol as Port

import pytest

from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.recorder import Recorder
from tests.devices_plant import Measured
from tests.gateway_kit import START_S
from tests.peer_points import THERE

PEERS = Path(__file__).parent / "peers"


class Peer(Port):
    """A server that can be ended, and started again with the values of its first start."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def writes(self) -> int: ...


@dataclass
class Program:
    """A peer that is a process; it says when it listens, and of each write."""

    command: Sequence[str]
    log: Path
    ready: bytes = b"ready"
    wrote: Callable[[str], bool] = lambda line: line.startswith("write")
    _process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            before = log.tell()
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        async with asyncio.timeout(110.0):
            while self.ready not in self.log.read_bytes()[before:]:
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
        return sum(map(self.wrote, self.log.read_text().splitlines()))


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

    def writes(self) -> int:
        return sum(self.recorder.requests.values())


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
