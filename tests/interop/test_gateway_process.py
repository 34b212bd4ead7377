"""The gateway as a process, against real Modbus and OPC UA servers, in hurried wall time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.gateway.client import GatewayClient, GatewayError, GatewayRefusal, SyncGatewayClient
from facility.clock import WallClock
from facility.commands import Command, Decision, Move, Origin
from facility.loading import load_site
from facility.site import Site
from facility.wire import to_wire
from safety.journal import read, verify
from sim.devices.host import DeviceHost
from sim.recorder import Recorder
from sim.sites import write
from tests.devices_plant import SmallPlant
from tests.gateway_kit import free_port

ROOT = Path(__file__).resolve().parents[2]
# Starting OPC UA servers takes seconds, so all tests share one set of devices and one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devices(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("gateway"))
    await stage.host.start()
    tending = asyncio.create_task(stage.tend())
    yield stage
    tending.cancel()
    await asyncio.wait([tending])
    await stage.host.stop()
    stage.recorder.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(devices: Stage) -> Stage:
    await until(lambda: not devices.remote)
    devices.begin()
    return devices


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


async def test_in_shadow_no_request_to_write_reaches_any_device(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        receipts = await client.everywhere()
        assert {r["verdict"]["check"] for r in receipts} == {"mode"}
        with pytest.raises(GatewayRefusal, match="no op"):
            await client.link.call("write", tag="cdu1.heartbeat", value=1)
        await asyncio.sleep(6.0 / RATE)
        await client.close()
    assert stage.requests == 0


async def test_a_killed_gateway_leaves_every_device_to_its_watchdog(stage: Stage) -> None:
    async with stage.gateway() as process:
        client = await Client.connect(stage)
        await client.take_over()
        await asyncio.sleep(5.0 / RATE)
        assert stage.remote == set(stage.site.devices)
        killed_s = stage.clock.now_s()
        process.kill()
        await process.wait()
        await client.close()
        await until(lambda: not stage.remote)
        await asyncio.sleep(0.05)
    for device, released_s in stage.released_s.items():
        limit_s = stage.site.devices[device].hand_back.hand_back_s
        assert released_s - killed_s <= limit_s + SLACK_S, device
    assert set(stage.released_s) == set(stage.site.devices)
    assert verify(stage.state / "journal.jsonl") is None
    # The last moment's writes are told before they leave, and may not have left.
    ours, theirs = journalled(stage), recorded(stage)
    assert set(theirs) <= set(ours)
    assert len(ours) - len(theirs) <= len(stage.site.devices)


async def test_a_client_that_hangs_up_costs_every_hold_at_once(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        left_s = stage.clock.now_s()
        await client.close()
        await until(lambda: not stage.remote)
        assert stage.clock.now_s() - left_s <= 1.0 + SLACK_S
        with SyncGatewayClient(stage.socket) as other:
            status = other.call("status")
        assert status["armed"] == []
        assert set(status["latches"]) == set(stage.site.devices)
    assert journalled(stage) == recorded(stage)


async def test_a_client_that_falls_silent_costs_every_hold_in_time(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        await client.stop()
        silent_s = stage.clock.now_s()
        await until(lambda: not stage.remote)
        # The client's patience of 3 s, and up to a second each until it is noticed and carried out.
        assert 2.0 <= stage.clock.now_s() - silent_s <= 5.0 + SLACK_S
        await client.link.close()


async def test_told_to_stop_it_gives_everything_back_and_cleans_up(stage: Stage) -> None:
    async with stage.gateway() as process:
        client = await Client.connect(stage)
        await client.take_over()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert stage.remote == set()
        assert not stage.socket.exists()
        await client.close()
    records = [record.kind for record in read(stage.state / "journal.jsonl")]
    assert records[-2:] == ["release", "stopped"]
    modes = json.loads((stage.state / "modes.json").read_text())
    assert set(modes.values()) == {"automatic"}


async def test_a_person_releases_past_a_controller_that_hangs(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        with SyncGatewayClient(stage.socket) as person:
            with pytest.raises(GatewayRefusal, match="another client holds the gateway: a test"):
                person.call("beat", plan_age_s=0.0)
            with pytest.raises(GatewayRefusal, match="who is missing"):
                person.call("release", actuators=None, why="noise")
            answer = await asyncio.to_thread(
                person.call, "release", actuators=None, who="Ada", why="noise"
            )
        assert set(answer["confirmed"]) == set(stage.site.devices)
        assert stage.remote == set()
        receipts = await client.everywhere()
        assert {r["verdict"]["check"] for r in receipts} == {"latched"}
        assert stage.remote == set()
        await client.close()


async def test_one_gateway_at_a_time_and_clear_words_where_it_cannot_start(stage: Stage) -> None:
    async with stage.gateway() as first:
        for options, words in (
            ({}, "another gateway is running on"),
            ({"state": stage.folder / "elsewhere"}, "another gateway is listening on"),
            ({"site": stage.folder / "nowhere"}, "cannot be read"),
        ):
            second = await stage.start(**options)
            _, said = await second.communicate()
            assert second.returncode == 2
            assert words in said.decode()
            assert "Traceback" not in said.decode()
        first.kill()
        await first.wait()
    assert stage.socket.exists()  # a killed gateway leaves it
    async with stage.gateway():
        with SyncGatewayClient(stage.socket) as client:
            assert client.call("hello", client="again")["site_hash"] == stage.site.content_hash
    third = await stage.start(**{"clock-file": stage.folder / "site" / "points.csv"})
    _, said = await third.communicate()
    assert third.returncode == 2
    assert "is no clock file" in said.decode()


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
