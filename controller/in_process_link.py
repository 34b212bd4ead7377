"""The controller's link to a gateway in the same process: the same operations without a socket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from adapters.driver import Now
from adapters.gateway.door import Refusal
from adapters.gateway.house import House
from controller.gateway_link import GatewayRefusedError
from facility.commands import Command, Decision, Mode, Override, Receipt
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire

CONNECTION = 1
NAME = "controller"


class InProcessLink:
    """Calls a gateway's office directly; see the port `controller.gateway_link.GatewayLink`.

    What the office journals, refuses and remembers is what it does for a client at its socket.
    """

    def __init__(self, house: House, now: Now) -> None:
        self._office, self._core, self._now = house.office, house.core, now
        self.on_connect: Callable[[], Awaitable[None]] | None = None

    @property
    def connected(self) -> bool:
        """Always: there is nothing between."""
        return True

    async def connect(self) -> str:
        """Say hello; answer the hash of the site that the gateway runs."""
        if self.on_connect is not None:
            await self.on_connect()
        return str(json.loads(self._office.hello(self._now()))["site_hash"])

    async def beat(self, plan_age_s: float | None) -> None:
        """Say that the controller lives, and how old its plan is."""
        with _refusals():
            self._office.beat(CONNECTION, NAME, {"plan_age_s": plan_age_s}, self._now())

    async def snapshot(self) -> Snapshot:
        """The site now."""
        return self._core.snapshot(self._now())

    async def decide(self, decision: Decision) -> None:
        """Register the authority of a decision's commands."""
        with _refusals():
            self._office.decide({"decision": to_wire(decision)}, self._now())

    async def override(self, override: Override) -> None:
        """Register the authority of a person's own setpoint."""
        with _refusals():
            self._office.override({"override": to_wire(override)}, self._now())

    async def end_override(self, override_id: str, who: str, why: str) -> None:
        """Take that authority back."""
        with _refusals():
            args = {"override_id": override_id, "who": who, "why": why}
            self._office.end_override(args, self._now())

    async def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Ask for writes; one receipt each, in order."""
        with _refusals():
            args = {"commands": to_wire(tuple(commands))}
            answer = await self._office.command(CONNECTION, args, self._now())
        return tuple(from_wire(Receipt, item) for item in json.loads(answer))

    async def set_mode(
        self, actuators: Sequence[str] | None, mode: Mode, who: str, why: str
    ) -> Mapping[str, Mode]:
        """Set the mode of some or (None) all actuators; answer all modes."""
        with _refusals():
            args = {
                "actuators": None if actuators is None else list(actuators),
                "mode": mode.value,
                "who": who,
                "why": why,
            }
            answer = await self._office.set_mode(args, self._now())
        return {actuator: Mode(value) for actuator, value in json.loads(answer).items()}

    async def release(
        self, actuators: Sequence[str] | None, who: str, why: str
    ) -> Mapping[str, Any]:
        """Give some or (None) all of the plant back; never refused."""
        args = {"actuators": None if actuators is None else list(actuators), "who": who, "why": why}
        with _refusals():
            answer = await self._office.release(args, self._now())
        return dict(json.loads(answer))

    async def arm(self, who: str, why: str) -> None:
        """Lift the latches that a release left."""
        with _refusals():
            self._office.arm({"who": who, "why": why}, self._now())

    async def approve_limits(self, digest: str, who: str, why: str) -> Mapping[str, Any]:
        """One person's yes to wider limits, by their hash; answer how they stand."""
        with _refusals():
            args = {"hash": digest, "who": who, "why": why}
            answer = self._office.approve_limits(args, self._now())
        return dict(json.loads(answer))

    async def status(self) -> Mapping[str, Any]:
        """Counters, latches, the client and the head of the journal."""
        return dict(json.loads(self._office.status(self._now())))

    async def close(self) -> None:
        """The client goes: whatever it held is given back at the gateway's next second."""
        self._core.watch.left(CONNECTION)


@contextmanager
def _refusals() -> Iterator[None]:
    """A refusal in the controller's words."""
    try:
        yield
    except Refusal as error:
        raise GatewayRefusedError(str(error)) from None
