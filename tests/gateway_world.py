"""A gateway in lock-step with devices in memory, and the words to drive it in a test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

from adapters.driver import FakeDriver
from adapters.gateway.house import ListJournal
from adapters.gateway.lockstep import LockStepGateway
from facility.clock import FixedClock
from facility.commands import Command, Decision, Mode, Move, Origin, Override, Receipt
from facility.points import Role
from facility.site import Site
from safety.journal import Journal
from tests.gateway_kit import START_S, small_site

SENSORS = {
    "hall-1.dew_point_temperature": 9.0,
    "crah-1.supply_air_temperature": 20.0,
    "leak": 0.0,
    "tcs_supply_temperature": 32.0,
    "tcs_flow": 40.0,
    "case_temperature": 50.0,
    "inlet_temperature": 22.0,
}


@dataclass
class World:
    """Fake devices, a gateway, and a client that does what a test says."""

    site: Site = field(default_factory=small_site)
    state: Path | None = None
    clock: FixedClock = field(default_factory=lambda: FixedClock(START_S))

    def __post_init__(self) -> None:
        self.devices = {d: self._device(d) for d in self.site.devices}
        self.gateway = self.start()
        self.client_lives = True
        self.plan_age_s: float | None = 0.0
        self._numbers = itertools.count(1)

    def _device(self, device: str) -> FakeDriver:
        points = self.site.device_points(device)
        values = {
            p.tag: SENSORS.get(p.tag, SENSORS.get(p.quantity))
            for p in points
            if p.role is Role.SENSOR
        }
        local = {a.id: a.fallback for a in self.site.device_actuators(device)}
        return FakeDriver(
            self.site.devices[device], points, self.clock.now_s, values=values, local=local
        )

    def start(self) -> LockStepGateway:
        """A new gateway on the same devices, as after a restart."""
        return LockStepGateway(self.site, self.devices, self.clock.now_s, self.state)

    def close(self) -> None:
        """End the gateway as a kill does: nothing is given back."""
        journal = self.gateway.house.journal
        if isinstance(journal, Journal):
            journal.close()

    @property
    def now_s(self) -> float:
        return self.clock.now_s()

    def run(self, seconds: int = 1) -> None:
        """Let plant time pass, second by second."""
        for _ in range(seconds):
            self.clock._now_s += 1.0
            if self.client_lives:
                self.gateway.beat(self.plan_age_s)
            self.gateway.second()

    def settle(self, mode: Mode = Mode.AUTOMATIC) -> None:
        """Connected, scanned, and in ``mode``."""
        self.run(2)
        if mode is not Mode.SHADOW:
            self.gateway.set_mode(mode)

    def decide(
        self, moves: dict[str, float], origin: Origin = Origin.OPTIMISER, lasts_s: float = 900.0
    ) -> Decision:
        """Register a decision for moves from what is in force."""
        number = next(self._numbers)
        decision = Decision(
            id=f"d{number}",
            proposal=f"p{number}",
            plan_hash=f"hash{number}",
            origin=origin,
            who="a test",
            why="to see",
            moves=tuple(Move(a, self.in_force(a), value) for a, value in moves.items()),
            decided_at_s=self.now_s,
            expires_at_s=self.now_s + lasts_s,
        )
        self.gateway.register(decision)
        return decision

    def commands(self, decision: Decision, origin: Origin | None = None) -> list[Command]:
        """The commands that carry a decision out."""
        return [
            Command(
                id=f"c{next(self._numbers)}",
                actuator=move.actuator,
                value=move.proposed,
                origin=decision.origin if origin is None else origin,
                authority=decision.id,
                plan_hash=decision.plan_hash,
                issued_at_s=self.now_s,
                expires_at_s=self.now_s + 60.0,
            )
            for move in decision.moves
        ]

    def move(self, moves: dict[str, float], **fields: object) -> tuple[Receipt, ...]:
        """Decide and command at once."""
        decision = self.decide(moves, **fields)  # type: ignore[arg-type]  # of decide
        return self.gateway.command(self.commands(decision))

    def override(self, actuator: str, value: float, lasts_s: float = 3600.0) -> Override:
        """Register a person's own setpoint."""
        number = next(self._numbers)
        override = Override(
            f"o{number}", actuator, value, "Ada", "to see", self.now_s, self.now_s + lasts_s
        )
        self.gateway.register(override)
        return override

    def carry_out(self, override: Override) -> Receipt:
        """Command what an override asks for."""
        command = Command(
            id=f"c{next(self._numbers)}",
            actuator=override.actuator,
            value=override.value,
            origin=Origin.PERSON,
            authority=override.id,
            plan_hash="",
            issued_at_s=self.now_s,
            expires_at_s=self.now_s + 60.0,
        )
        return self.gateway.command([command])[0]

    def in_force(self, actuator: str) -> float:
        """What the device's own loops follow."""
        value = self.devices[self.site.actuators[actuator].device].in_force(actuator)
        assert value is not None
        return value

    def is_remote(self, device: str) -> bool:
        """Whether a device is in remote control."""
        return self.devices[device].remote

    def received(self, device: str | None = None) -> list[tuple[str, bytes]]:
        """Tag and bytes of every write that a device (default: any) accepted."""
        names = self.devices if device is None else [device]
        return [(tag, data) for name in names for _, tag, data in self.devices[name].received]

    def records(self, kind: str) -> list[dict[str, object]]:
        """The journal's records of a kind, where it lies in memory."""
        journal = self.gateway.house.journal
        assert isinstance(journal, ListJournal)
        return [dict(data) for _, name, data in journal.records if name == kind]
