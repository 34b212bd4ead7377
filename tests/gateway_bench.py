"""A bench for faults: real devices behind real servers, proxies between, a gateway process.

Plant time moves by the bench alone, a second at a time, so that what is measured in plant
time (watchdogs, hand-backs) is the same on every machine. Wall time only passes where a
device does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import multiprocessing
import os
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from adapters.gateway.client import GatewayClient, GatewayError, GatewayRefusal, SyncGatewayClient
from facility.commands import Command, Decision, Mode, Move, Origin, Receipt
from facility.devices import HandBackClass, Protocol
from facility.points import Role
from facility.site import Site
from facility.wire import from_wire, to_wire
from safety.journal import read
from sim.authority import _Device
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder
from tests.devices_plant import SmallPlant, free_ports
from tests.gateway_kit import START_S, small_site, with_device
from tests.gateway_victim import Reins, main
from tests.gateway_world import SENSORS

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"
FLOW = "cdu-1.tcs_flow_setpoint"
OTHER = "cdu-2.tcs_supply_temperature_setpoint"
AIR = "crah-1.supply_air_temperature_setpoint"
DEW_POINT_C, MARGIN_K = 20.0, 3.0
TOWARDS_PER_MIN, AWAY_PER_MIN = 2.0, 0.1
SHORT_S = 0.3
"""Wall time that a device under a fault may take; the others get patience."""
PATIENT_S = 20.0
ALL = frozenset({"cdu-1", "cdu-2", "bms"})
Frame = Callable[[bytes], list[bytes]]


def bench_site() -> Site:
    """Two CDUs on Modbus, a CRAH on OPC UA, rates and dew point as in a hall."""
    ports = dict(zip(("cdu-1", "cdu-2", "bms"), free_ports(3), strict=True))
    site = small_site(ports=ports)
    rated = {
        name: replace(
            a,
            rate_towards_per_min=TOWARDS_PER_MIN if a.unit == "degC" else 6.0,
            # The CRAH jumps when it is given back: held within one rate step of its own value.
            rate_away_per_min=1.0 if name in (AIR, FLOW) else AWAY_PER_MIN,
            dwell_s=0.0,
        )
        for name, a in site.actuators.items()
    }
    site = replace(site, actuators=rated)
    for name in site.devices:
        site = with_device(site, name, timeout_s=PATIENT_S)
    return site


class BenchPlant(SmallPlant):
    """Devices that keep their contract but for what a fault switches on."""

    def __init__(self, site: Site) -> None:
        self.refused: set[str] = set()
        """Tags whose writes are rejected."""
        self.ignored: set[str] = set()
        """Tags whose writes are confirmed and not stored."""
        self.shown: dict[str, float | None] = {}
        """Tags that show something else than they hold; None is no value."""
        super().__init__(site, START_S)

    def reset(self) -> None:
        super().reset()
        self.sensors = {
            p.tag: SENSORS.get(p.tag, SENSORS.get(p.quantity, 20.0))
            for p in self._site.points.values()
        }
        self.sensors["hall-1.dew_point_temperature"] = DEW_POINT_C
        self.bumps: list[str] = []
        """Take-overs that moved what was in force."""
        self.refused.clear()
        self.ignored.clear()
        self.shown.clear()

    def write(self, tag: str, value: float) -> bool:
        if tag in self.refused:
            return False
        if value == 1.0 and self._site.points[tag].role is Role.ENABLE:
            for actuator in self._site.device_actuators(self._site.points[tag].device):
                before = self.authority.read(actuator.read_back, self.now_s)
                after = self.authority.read(actuator.id, self.now_s)
                if before is None or after is None or abs(after - before) > actuator.tolerance:
                    self.bumps.append(f"{actuator.id} moved from {before} to {after}")
        return tag in self.ignored or super().write(tag, value)

    def read(self, tag: str) -> Any:
        found = super().read(tag)
        if tag in self.shown:
            return replace(found, value=self.shown[tag], ok=self.shown[tag] is not None)
        return found

    def restart(self, device: str) -> None:
        """Power off and on: every register as new."""
        authority = self.authority
        authority._devices[device] = _Device(self._site.devices[device].watchdog_s)
        authority._registers = tuple(authority._devices.values())
        for row, actuator in enumerate(self._site.actuators.values()):
            if actuator.device == device:
                authority._remote[row] = actuator.fallback


def modbus_frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole MBAP frames, and what is left."""
    found = []
    while len(buffer) >= 6 and len(buffer) >= 6 + (size := struct.unpack_from(">H", buffer, 4)[0]):
        found.append(buffer[: 6 + size])
        buffer = buffer[6 + size :]
    return found, buffer


def opcua_frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole OPC UA chunks, and what is left."""
    found = []
    while len(buffer) >= 8 and len(buffer) >= (size := struct.unpack_from("<I", buffer, 4)[0]):
        found.append(buffer[:size])
        buffer = buffer[size:]
    return found, buffer


def pass_on(frame: bytes) -> list[bytes]:
    """A frame as it is."""
    return [frame]


def swallow(frame: bytes) -> list[bytes]:
    """Nothing of a frame."""
    return []


class Proxy:
    """Between gateway and device; hands on what a fault makes of each frame."""

    def __init__(self, protocol: Protocol, target: int) -> None:
        self._cut_up = opcua_frames if protocol is Protocol.OPCUA else modbus_frames
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.heal()

    def heal(self) -> None:
        """Be a wire again."""
        self.request: Frame = pass_on
        self.reply: Frame = pass_on
        self.delay_s = 0.0
        self.accepts = True

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """As a device that is switched off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def cut(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            if not self.accepts:
                await reader.read()
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(back)
            await asyncio.gather(
                self._pump(reader, back, self._to_device),
                self._pump(there, writer, self._to_client, delays=True),
            )
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(task)
            for each in list(self._writers):
                if each is writer or each.transport.is_closing():
                    self._writers.discard(each)
            writer.transport.abort()
            if back is not None:
                back.transport.abort()

    def _to_device(self, frame: bytes) -> list[bytes]:
        return self.request(frame)

    def _to_client(self, frame: bytes) -> list[bytes]:
        return self.reply(frame)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        make: Frame,
        *,
        delays: bool = False,
    ) -> None:
        rest = b""
        while data := await reader.read(65536):
            frames, rest = self._cut_up(rest + data)
            for frame in frames:
                if delays and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                for each in make(frame):
                    writer.write(each)
        writer.transport.abort()


@dataclass
class Bench:
    """One fault's stage."""

    site: Site
    """As the gateway sees it: the proxies' ports."""
    plant: BenchPlant
    recorder: Recorder
    proxies: Mapping[str, Proxy]
    servers: Mapping[str, OpcUaServer | ModbusServer]
    folder: Path
    context: Any
    now: float = START_S
    alive: bool = True
    """Whether the client beats."""
    plan_age_s: float | None = 0.0
    link: GatewayClient | None = None
    process: Any = None
    struck_at: float = math.inf
    handed_back: dict[str, float] = field(default_factory=dict)
    """Seconds from the fault until a device was in local control, by device."""
    held: set[str] = field(default_factory=set)
    """Devices that were ours when the fault struck."""
    unrecorded: set[str] = field(default_factory=set)
    """Kinds of write that leave though the journal cannot take them."""
    frozen: bool = False
    """Whether the gateway's process is stopped: nobody waits for it."""
    count: Any = field(default_factory=lambda: itertools.count(1))

    # -- the gateway's process -----------------------------------------------------------------

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def journal(self) -> Path:
        return self.state / "journal.jsonl"

    async def start(self, flaw: str = "", *, connects: bool = True) -> None:
        """Start a gateway; it has said hello and seen every device when this returns."""
        self.reins = Reins(self.context, self.now)
        args = (self.site, self.state, self.folder / "g.sock", self.log, self.reins, flaw)
        self.process = self.context.Process(target=main, args=args, daemon=True)
        self.process.start()
        if not connects:
            await self._until(lambda: not self.process.is_alive())
            return
        await self.greet()
        await self.seconds(2)

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"

    async def greet(self) -> None:
        """Connect the client."""
        path = self.folder / "g.sock"
        await self._until(lambda: path.exists() or not self.process.is_alive())
        assert self.process.is_alive(), self.log.read_text()
        while True:
            try:
                self.link = await GatewayClient.connect(path)
                break
            except GatewayError:
                await asyncio.sleep(0.01)
        await self.link.call("hello", client="bench")

    async def _until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.002)

    async def gone(self) -> int:
        """Wait for the end of the process; answer its status."""
        await self._until(lambda: not self.process.is_alive())
        return int(self.process.exitcode)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def pull(self) -> None:
        """Let the flaw happen from now on."""
        self.reins.trigger.value = 1

    async def end(self) -> None:
        """Leave nothing behind."""
        if self.link is not None:
            await self.link.close()
            self.link = None
        if self.process is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
            await self.gone()

    # -- time ----------------------------------------------------------------------------------

    async def seconds(self, count: int) -> None:
        """Let plant time pass."""
        for _ in range(count):
            await self._second()

    async def _second(self) -> None:
        begins = self.now
        self.now += 1.0
        for quarter in (0.25, 0.5, 0.75):
            self.plant.now_s = begins + quarter
            self._look(begins + quarter)
        self.plant.now_s = begins
        self.plant.advance(self.now)
        self._look(self.now)
        if self.alive and self.link is not None:
            with contextlib.suppress(GatewayError, GatewayRefusal):
                await self.link.call("beat", plan_age_s=self.plan_age_s)
        self.reins.now.value = self.now
        if not self.frozen:
            await self._until(
                lambda: self.reins.wakes.value > self.now or not self.process.is_alive()
            )
        # What the gateway did in this second shows before its next.
        self._look(self.now)

    def _look(self, at_s: float) -> None:
        for device, remote in self.plant.authority.remote(at_s).items():
            if remote:
                self.handed_back.pop(device, None)
            elif device in self.held and device not in self.handed_back:
                self.handed_back[device] = at_s - self.struck_at

    # -- what a client does --------------------------------------------------------------------

    async def call(self, op: str, **arguments: Any) -> Any:
        assert self.link is not None
        return await self.link.call(op, **arguments)

    async def set_mode(self, mode: Mode) -> None:
        await self.call("set_mode", actuators=None, mode=mode.value, who="Ada", why="bench")

    def decision(self, moves: Mapping[str, float]) -> tuple[Decision, list[Command]]:
        """A decision for moves from what is in force, and its commands."""
        number, now_s = next(self.count), self.now + self.reins.offset.value
        held = {a: self.in_force(a) for a in moves}
        decision = Decision(
            id=f"d{number}",
            proposal=f"p{number}",
            plan_hash=f"hash{number}",
            origin=Origin.OPTIMISER,
            who="automatic mode",
            why="bench",
            moves=tuple(Move(a, held[a], value) for a, value in moves.items()),
            decided_at_s=now_s,
            expires_at_s=now_s + 900.0,
        )
        commands = [
            Command(f"c{number}-{a}", a, value, Origin.OPTIMISER, decision.id, decision.plan_hash,
                    now_s, now_s + 60.0)
            for a, value in moves.items()
        ]  # fmt: skip
        return decision, commands

    async def move(self, moves: Mapping[str, float]) -> tuple[Receipt, ...]:
        """Decide and command."""
        decision, commands = self.decision(moves)
        await self.call("decide", decision=to_wire(decision))
        answers = await self.call("command", commands=to_wire(tuple(commands)))
        return tuple(from_wire(Receipt, answer) for answer in answers)

    async def ask(self, moves: Mapping[str, float]) -> str:
        """As `move`, with whatever comes of it, in words."""
        try:
            receipts = await self.move(moves)
        except (GatewayError, GatewayRefusal) as error:
            return str(error)
        return ", ".join(f"{r.result.value} {r.verdict.check}".strip() for r in receipts)

    async def hold(self) -> None:
        """Everything in automatic, taken over and moved once."""
        await self.set_mode(Mode.AUTOMATIC)
        receipts = await self.move({SUPPLY: 31.0, OTHER: 31.0, AIR: 19.5})
        assert {r.result.value for r in receipts} == {"written"}, receipts
        await self.seconds(3)
        assert self.remote == ALL

    def strike(self) -> None:
        """The fault begins now."""
        self.struck_at = self.now
        self.held = set(self.remote)

    async def status(self) -> dict[str, Any]:
        answer = await self.call("status")
        assert isinstance(answer, dict)
        return answer

    def person(self, op: str, **arguments: Any) -> Awaitable[Any]:
        """Somebody else at the socket."""

        def call() -> Any:
            with SyncGatewayClient(self.folder / "g.sock") as client:
                return client.call(op, **arguments)

        return asyncio.to_thread(call)

    # -- what the devices say ------------------------------------------------------------------

    @property
    def remote(self) -> frozenset[str]:
        told = self.plant.authority.remote(self.now)
        return frozenset(device for device, remote in told.items() if remote)

    def in_force(self, actuator: str) -> float:
        value = self.plant.authority.read(self.site.actuators[actuator].read_back, self.now)
        assert value is not None
        return value

    def record(self) -> list[dict[str, Any]]:
        """Every write that reached a device."""
        self.recorder.flush()
        text = (self.folder / "recorder.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def slowest(self) -> dict[str, float]:
        """The longest time to local control by class, of those that went."""
        found: dict[str, float] = {}
        for device, seconds in self.handed_back.items():
            kind = self.site.devices[device].hand_back.value
            found[kind] = max(found.get(kind, 0.0), seconds)
        return found


def outside_the_envelope(bench: Bench) -> list[str]:
    """What the devices hold against us: the promises, stated once more by hand."""
    faults = list(bench.plant.bumps)
    site = bench.site
    last: dict[str, float] = {}
    enabled: set[str] = set()
    for row in bench.record():
        tag, value = row["tag"], row["value"]
        if tag is None or value is None:
            faults.append(f"a write to no point, or of no value: {row}")
            continue
        point = site.points[tag]
        if point.role is Role.ENABLE:
            (enabled.add if value else enabled.discard)(point.device)
        if point.role is not Role.SETPOINT:
            continue
        actuator = site.actuators[tag]
        if not (math.isfinite(value) and actuator.minimum <= value <= actuator.maximum):
            faults.append(f"{tag} = {value:g} is out of range")
        if actuator.dew_point_margin_k is not None and value < DEW_POINT_C + MARGIN_K - 0.01:
            faults.append(f"{tag} = {value:g} is too near the dew point")
        if tag in last and point.device in enabled:
            before = last[tag]
            towards = actuator.is_more_cooling(value, before)
            rate = actuator.rate_towards_per_min if towards else actuator.rate_away_per_min
            span_s = 60.0 if towards else 300.0
            if abs(value - before) > rate * span_s / 60.0 + 0.011:
                faults.append(f"{tag} moved from {before:g} to {value:g} at once")
        last[tag] = value
    return faults


def not_in_the_journal(bench: Bench) -> list[str]:
    """Writes that devices received and the journal does not hold."""
    ours: dict[tuple[str, str, str], int] = {}
    beats = {p.device: p.tag for p in bench.site.points.values() if p.role is Role.HEARTBEAT}
    for record in read(bench.journal):
        if record.kind == "write":
            key = (record.data["device"], record.data["tag"], record.data["raw"])
            ours[key] = ours.get(key, 0) + 1
        elif record.kind == "heartbeats":
            for device, raw in record.data.items():
                key = (device, beats[device], raw)
                ours[key] = ours.get(key, 0) + 1
    missing = []
    for row in bench.record():
        if row["kind"] in bench.unrecorded:
            continue
        key = (row["device"], row["tag"], row["raw"])
        ours[key] = ours.get(key, 0) - 1
        if ours[key] < 0:
            missing.append(str(row))
    return missing


def limit_s(site: Site, device: str) -> float:
    """How soon a device must be in its own control when we are gone."""
    return site.devices[device].hand_back.hand_back_s


class Stage:
    """Servers and proxies that all faults share, and a bench for each."""

    def __init__(self) -> None:
        self.site = bench_site()
        self.plant = BenchPlant(self.site)
        self.recorder = Recorder()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.gateway_victim"])
        self.proxies: dict[str, Proxy] = {}
        self.servers: dict[str, OpcUaServer | ModbusServer] = {}

    async def open(self, folder: Path) -> None:
        for device in self.site.devices.values():
            await self.serve(device.id, folder)
            proxy = self.proxies[device.id] = Proxy(device.protocol, device.port)
            await proxy.open()

    async def serve(self, name: str, folder: Path) -> None:
        """Switch a device's server on."""
        device = self.site.devices[name]
        points = self.site.device_points(name)
        server: OpcUaServer | ModbusServer
        if device.protocol is Protocol.OPCUA:
            server = OpcUaServer(device, points, self.plant, self.recorder, folder / "pki")
        else:
            registers = RegisterMap(self.site, name, self.plant, self.recorder)
            server = ModbusServer(
                device.host, device.port, {device.unit_id: registers}, self.recorder
            )
        await server.start()
        self.servers[name] = server

    async def close(self) -> None:
        for proxy in self.proxies.values():
            await proxy.close()
        for server in self.servers.values():
            await server.stop()
        self.recorder.close()

    @asynccontextmanager
    async def bench(self, folder: Path, hurried: str = "") -> AsyncIterator[Bench]:
        """A fresh bench; the device ``hurried`` gets a short time-out."""
        self.plant.reset()
        site = self.site
        for name, proxy in self.proxies.items():
            proxy.heal()
            if proxy._server is None:
                await proxy.open()
            changes: dict[str, Any] = {"port": proxy.port}
            if name == hurried:
                changes["timeout_s"] = SHORT_S
            site = with_device(site, name, **changes)
        folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
        self.recorder.open(folder / "recorder.jsonl")
        bench = Bench(
            site, self.plant, self.recorder, self.proxies, self.servers, folder, self.context
        )
        try:
            yield bench
        finally:
            await bench.end()
            for proxy in self.proxies.values():
                proxy.cut()


assert HandBackClass.LIQUID.hand_back_s < HandBackClass.AIR.hand_back_s
