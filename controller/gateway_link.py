"""The controller's side of the gateway: a port, and the link over the Unix socket.

The link connects anew by itself when a call finds it broken. A gateway that has been away knows
none of our authorities any more, so `on_connect` tells whoever keeps them.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from adapters.gateway.client import GatewayClient, GatewayError, GatewayRefusal
from facility.commands import Command, Decision, Mode, Override, Receipt
from facility.telemetry import Quality, Reading, Snapshot
from facility.wire import WireError, from_wire, to_wire

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

    async def approve_limits(self, digest: str, who: str, why: str) -> Mapping[str, Any]:
        """One person's yes to wider limits, by their hash; answer how they stand."""
        ...

    async def status(self) -> Mapping[str, Any]:
        """Counters, latches, the limits' version, the client and the head of the journal."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


class SocketGatewayLink:
    """The link over the gateway's Unix socket; see the port `GatewayLink`.

    Parameters
    ----------
    path
        The gateway's socket.
    site_hash
        Of the site that the controller runs: a gateway that runs another is not talked to.
    """

    def __init__(self, path: Path, site_hash: str, name: str = "controller") -> None:
        self._path, self._site_hash, self._name = path, site_hash, name
        self._client: GatewayClient | None = None
        self._connecting = asyncio.Lock()
        self.on_connect: Callable[[], Awaitable[None]] | None = None

    @property
    def connected(self) -> bool:
        """Whether the last call was answered."""
        return self._client is not None

    async def connect(self) -> str:
        """Say hello; answer the hash of the site that the gateway runs."""
        await self._open()
        return self._site_hash

    async def beat(self, plan_age_s: float | None) -> None:
        """Say that the controller lives, and how old its plan is."""
        await self._call("beat", plan_age_s=plan_age_s)

    async def snapshot(self) -> Snapshot:
        """The site now."""
        return snapshot_of(await self._call("snapshot"))

    async def decide(self, decision: Decision) -> None:
        """Register the authority of a decision's commands."""
        await self._call("decide", decision=to_wire(decision))

    async def override(self, override: Override) -> None:
        """Register the authority of a person's own setpoint."""
        await self._call("override", override=to_wire(override))

    async def end_override(self, override_id: str, who: str, why: str) -> None:
        """Take that authority back."""
        await self._call("end_override", override_id=override_id, who=who, why=why)

    async def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Ask for writes; one receipt each, in order."""
        answers = await self._call("command", commands=to_wire(tuple(commands)))
        return tuple(from_wire(Receipt, answer) for answer in answers)

    async def set_mode(
        self, actuators: Sequence[str] | None, mode: Mode, who: str, why: str
    ) -> Mapping[str, Mode]:
        """Set the mode of some or (None) all actuators; answer all modes."""
        answer = await self._call(
            "set_mode", actuators=_list(actuators), mode=mode.value, who=who, why=why
        )
        return {actuator: Mode(value) for actuator, value in answer.items()}

    async def release(
        self, actuators: Sequence[str] | None, who: str, why: str
    ) -> Mapping[str, Any]:
        """Give some or (None) all of the plant back; never refused."""
        answer = await self._call("release", actuators=_list(actuators), who=who, why=why)
        return answer if isinstance(answer, dict) else {"released": answer}

    async def arm(self, who: str, why: str) -> None:
        """Lift the latches that a release left."""
        await self._call("arm", who=who, why=why)

    async def approve_limits(self, digest: str, who: str, why: str) -> Mapping[str, Any]:
        """One person's yes to wider limits, by their hash; answer how they stand."""
        answer: Mapping[str, Any] = await self._call(
            "approve_limits", hash=digest, who=who, why=why
        )
        return answer

    async def status(self) -> Mapping[str, Any]:
        """Counters, latches, the limits' version, the client and the head of the journal."""
        answer: Mapping[str, Any] = await self._call("status")
        return answer

    async def close(self) -> None:
        """Hang up."""
        await self._drop()

    async def _call(self, op: str, **arguments: Any) -> Any:
        client = await self._open()
        try:
            return await client.call(op, **arguments)
        except GatewayRefusal as error:
            raise GatewayRefusedError(str(error)) from None
        except GatewayError as error:
            await self._drop()
            raise GatewayUnavailableError(str(error)) from None

    async def _open(self) -> GatewayClient:
        async with self._connecting:
            if self._client is not None:
                return self._client
            client = await self._greeted()
            self._client = client
        if self.on_connect is not None:
            await self.on_connect()
        return client

    async def _greeted(self) -> GatewayClient:
        try:
            client = await GatewayClient.connect(self._path)
            hello = await client.call("hello", client=self._name)
        except (GatewayError, GatewayRefusal) as error:
            raise GatewayUnavailableError(str(error)) from None
        if hello["site_hash"] != self._site_hash:
            await client.close()
            raise GatewayUnavailableError(
                f"the gateway at {self._path} runs another site than the controller (its files "
                f"have the hash {hello['site_hash'][:12]}, ours {self._site_hash[:12]}): start "
                "both on the same site directory, and restart both after a change of it"
            )
        return client

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def snapshot_of(data: Any) -> Snapshot:
    """As `facility.wire.from_wire`, twenty times faster for hundreds of readings.

    Raises
    ------
    WireError
        ``data`` is no snapshot.
    """
    rest = from_wire(Snapshot, {**data, "readings": {}})
    try:
        readings = {tag: _reading(item) for tag, item in data["readings"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"Snapshot.readings: {error!r}") from None
    return replace(rest, readings=readings)


def _reading(item: Mapping[str, Any]) -> Reading:
    value = item["value"]
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return Reading(value, Quality(item["quality"]), float(item["time_s"]), item["note"])


def _list(actuators: Sequence[str] | None) -> list[str] | None:
    return None if actuators is None else list(actuators)
