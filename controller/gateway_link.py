"""The controller's side of the gateway: a port, and the link over the Unix socket.

The link connects anew by itself when a call finds it broken. A gateway that has been away knows
none of our authorities any more, so `on_connect` tells whoever keeps them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from facility.commands import Command, Decision, Mode, Override, Receipt
from facility.telemetry import Snapshot

log = logging.getLogger(__name__)


class GatewayUnavailableError(Exception):
    """No gateway answers: what is wrong and how to mend it."""


class GatewayRefusedError(Exception):
    """The gateway answered no, and why."""


class GatewayLink(Protocol):
    """What the controller asks of the gateway; see docs/interfaces.md, "Gateway".

    Every call raises `GatewayUnavailableError` where no gateway answers, and
    `GatewayRefusedError` where it says no.
    """

    on_connect: Callable[[], Awaitable[None]] | None
    """Called after each connection, before the call that made it goes on."""

    @property
    def connected(self) -> bool:
        """Whether the last call was answered."""
        ...

    async def connect(self) -> str:
        """Say hello; answer the hash of the site that the gateway runs."""
        ...

    async def beat(self, plan_age_s: float | None) -> None:
        """Say that the controller lives, and how old its plan is."""
        ...

    async def snapshot(self) -> Snapshot:
        """The site now."""
        ...

    async def decide(self, decision: Decision) -> None:
        """Register the authority of a decision's commands."""
        ...

    async def override(self, override: Override) -> None:
        """Register the authority of a person's own setpoint."""
        ...

    async def end_override(self, override_id: str, who: str, why: str) -> None:
        """Take that authority back."""
        ...

    async def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Ask for writes; one receipt each, in order."""
        ...

    async def set_mode(
        self, actuators: Sequence[str] | None, mode: Mode, who: str, why: str
    ) -> Mapping[str, Mode]:
        """Set the mode of some or (None) all actuators; answer all modes."""
        ...

    async def release(
        self, actuators: Sequence[str] | None, who: str, why: str
    ) -> Mapping[str, Any]:
        """Give some or (None) all of the plant back to its own control; never refused."""
        ...

    async def arm(self, who: str, why: str) -> None:
        """Lift the latches that a release left."""
        ...

    async def status(self) -> Mapping[str, Any]:
        """Counters, latches, the client and the head of the journal."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...
