"""A gateway process before devices of their own process: what tests of both begin with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.gateway.client import GatewayClient, GatewayError
from facility.clock import WallClock
from facility.commands import Command, Decision, Move, Origin
from facility.loading import load_site
from facility.site import Site
from facility.wire import to_wire
from safety.journal import read
from sim.devices.host import DeviceHost
from sim.recorder import Recorder
from sim.sites import write
from tests.devices_plant import SmallPlant
from tests.gateway_kit import free_port

ROOT = Path(__file__).resolve().parents[1]
RATE = 2.0
SLACK_S = 1.0 * RATE
"""Plant time of a second of wall time, which this process may be late in looking."""
START_S = 1_712_448_000.0
QUANTITIES = {
    "dew_point_temperature": 8.0,
    "leak": 0.0,
    "running": 1.0,
    "available": 1.0,
    "hardwired_enable": 1.0,
    "locked_out": 0.0,
    "emergency_power_off": 0.0,
    "generator_running": 0.0,
    "fire_alarm": 0.0,
    "fault_alarm": 0.0,
    "condensation_alarm": 0.0,
    "overheating_alarm": 0.0,
    "chw_supply_temperature": 12.0,
    "cw_return_temperature": 28.0,
    "case_temperature": 50.0,
    "inlet_temperature": 22.0,
}


class Stage:
    """Simulated devices of the campus in this process, and gateways beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write("campus", folder / "site", _free_range())
        toml = folder / "site" / "site.toml"
        # A busy machine must not look like a dead device.
        toml.write_text(toml.read_text().replace("scan_s =", "timeout_s = 8.0\nscan_s ="))
        self.site: Site = load_site(folder / "site")
        self.clock = WallClock(START_S, rate=RATE)
        self.plant = SmallPlant(self.site, START_S)
        for point in self.site.points.values():
            if point.quantity in QUANTITIES:
                self.plant.sensors[point.tag] = QUANTITIES[point.quantity]
            elif point.quantity.endswith("flow"):
                self.plant.sensors[point.tag] = 1e3
        self.recorder = Recorder(folder / "recorder.jsonl")
        self.host = DeviceHost(self.site, self.plant, self.recorder, folder)
        clock = {
            "start_s": START_S,
            "start_monotonic_s": self.clock._start_monotonic_s,
            "rate": RATE,
        }
        (folder / "ready.json").write_text(json.dumps({"clock": clock}))
        self.released_s: dict[str, float] = {}
        """When each device was first seen in local control after it was remote."""
        self._was_remote: set[str] = set()

        self._runs = 0
        self.begin()

    def begin(self) -> None:
        """Another test: new folders, and only what is recorded from now on counts."""
        self._runs += 1
        self.state = self.folder / f"state{self._runs}"
        self.socket = self.folder / f"{self._runs}.sock"
        self.recorder.flush()
        self._recorded = (self.folder / "recorder.jsonl").stat().st_size
        self._requests = self.recorder.requests.total()
        self.released_s.clear()
        self._was_remote.clear()

    @property
    def requests(self) -> int:
        """Requests to write that reached any device since this test began."""
        return self.recorder.requests.total() - self._requests

    async def tend(self) -> None:
        """Move the plant with the clock, and watch who holds the devices."""
        while True:
            await self.host.advance(float(int(self.clock.now_s())))
            for device, remote in self.plant.authority.remote(self.clock.now_s()).items():
                if remote:
                    self._was_remote.add(device)
                    self.released_s.pop(device, None)
                elif device in self._was_remote:
                    self.released_s.setdefault(device, self.clock.now_s())
            await asyncio.sleep(0.02)

    @property
    def remote(self) -> set[str]:
        held = self.plant.authority.remote(self.clock.now_s())
        return {device for device, remote in held.items() if remote}

    async def start(self, **options: Path) -> asyncio.subprocess.Process:
        paths = {
            "site": self.folder / "site",
            "state": self.state,
            "socket": self.socket,
            "clock-file": self.folder / "ready.json",
            **options,
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapters.gateway"),
            *(word for name, path in paths.items() for word in (f"--{name}", str(path))),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A gateway that is ready, and gone afterwards."""
        process = await self.start()
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(await process.stdout.readline())
        assert ready["ready"] is True
        assert ready["pid"] == process.pid
        draining = asyncio.create_task(process.stderr.read())
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            await draining

    def record(self) -> list[dict[str, Any]]:
        """What the devices received since this test began."""
        self.recorder.flush()
        text = (self.folder / "recorder.jsonl").read_text()[self._recorded :]
        return [json.loads(line) for line in text.splitlines()]


class Client:
    """A controller that beats, decides and commands."""

    def __init__(self, stage: Stage, link: GatewayClient) -> None:
        self.stage, self.link = stage, link
        self.beating = asyncio.create_task(self._beat())

    @classmethod
    async def connect(cls, stage: Stage) -> Client:
        link = await GatewayClient.connect(stage.socket)
        await link.call("hello", client="a test")
        await link.call("beat", plan_age_s=0.0)
        client = cls(stage, link)
        while not all(d["connected"] for d in (await link.call("snapshot"))["devices"].values()):
            await asyncio.sleep(0.05)
        return client

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.25 / RATE)
            try:
                await self.link.call("beat", plan_age_s=0.0)
            except GatewayError:
                return

    async def everywhere(self) -> list[Any]:
        """Ask for a small move of every actuator."""
        snapshot = await self.link.call("snapshot")
        assert all(
            snapshot["readings"][a.read_back]["quality"] == "good"
            for a in self.stage.site.actuators.values()
        )
        now_s = snapshot["time_s"]
        moves, commands = [], []
        for actuator in self.stage.site.actuators.values():
            now = snapshot["readings"][actuator.read_back]["value"]
            value = now - 0.5 if now - 0.5 >= actuator.minimum else now + 0.5
            moves.append(Move(actuator.id, now, value))
            commands.append(
                Command(
                    id=f"{now_s}-{actuator.id}",
                    actuator=actuator.id,
                    value=value,
                    origin=Origin.OPTIMISER,
                    authority=f"d{now_s}",
                    plan_hash="hash",
                    issued_at_s=now_s,
                    expires_at_s=now_s + 60.0,
                )
            )
        decision = Decision(
            id=f"d{now_s}",
            proposal="p",
            plan_hash="hash",
            origin=Origin.OPTIMISER,
            who="mode",
            why="automatic",
            moves=tuple(moves),
            decided_at_s=now_s,
            expires_at_s=now_s + 900.0,
        )
        await self.link.call("decide", decision=to_wire(decision))
        receipts = await self.link.call("command", commands=to_wire(tuple(commands)))
        assert isinstance(receipts, list)
        return receipts

    async def take_over(self) -> None:
        """Hold every device."""
        await self.link.call("set_mode", actuators=None, mode="automatic", who="Ada", why="trial")
        receipts = await self.everywhere()
        assert {r["result"] for r in receipts} <= {"written", "unchanged"}, receipts
        assert self.stage.remote == set(self.stage.site.devices)

    async def stop(self) -> None:
        """Fall silent; the connection stays."""
        self.beating.cancel()
        await asyncio.wait([self.beating])

    async def close(self) -> None:
        """Hang up."""
        await self.stop()
        await self.link.close()


async def until(condition: Any, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def _free_range() -> int:
    """A port with twenty free ones after it."""
    while True:
        base = free_port()
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + 20):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return base


def journalled(stage: Stage) -> list[tuple[str, str, str]]:
    """Device, tag and bytes of every write of the journal, by device, heartbeats apart."""
    beats = {p.device: p.tag for p in stage.site.points.values() if p.quantity == "heartbeat"}
    found: list[tuple[str, str, str]] = []
    for record in read(stage.state / "journal.jsonl"):
        if record.kind == "write":
            found.append((record.data["device"], record.data["tag"], record.data["raw"]))
        elif record.kind == "heartbeats":
            found += [(device, beats[device], raw) for device, raw in record.data.items()]
    return sorted(found, key=lambda item: item[0])


def recorded(stage: Stage) -> list[tuple[str, str, str]]:
    """The same as the devices received it."""
    rows = stage.record()
    assert all(row["accepted"] for row in rows)
    found = [(row["device"], row["tag"], row["raw"]) for row in rows]
    return sorted(found, key=lambda item: item[0])
