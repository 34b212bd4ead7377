"""One fault's stage: real devices behind real servers, proxies between, a gateway process.

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
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.gateway.client import GatewayClient, GatewayError, GatewayRefusal, SyncGatewayClient
from facility.commands import Command, Decision, Mode, Move, Origin, Receipt
from facility.points import Role
from facility.site import Site
from facility.wire import from_wire, to_wire
from safety.journal import read
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.recorder import Recorder
from tests.gateway_kit import START_S
from tests.gateway_proxy import Proxy
from tests.gateway_victim import Reins, main

if TYPE_CHECKING:
    from tests.gateway_stage import BenchPlant

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"
FLOW = "cdu-1.tcs_flow_setpoint"
OTHER = "cdu-2.tcs_supply_temperature_setpoint"
AIR = "crah-1.supply_air_temperature_setpoint"
DEW_POINT_C, MARGIN_K = 20.0, 3.0
ALL = frozenset({"cdu-1", "cdu-2", "bms"})


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
    sealed_ports: Mapping[str, int] = field(default_factory=dict)
    """Of the OPC UA device that signs and encrypts, by who its certificate is of."""
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
