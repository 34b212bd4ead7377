"""What the routes work with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from controller.alarms.watch import AlarmBook
from controller.authority.asking import Asking
from controller.authority.desk import Desk
from controller.authority.failures import GatewayError
from controller.authority.sessions import SessionBook
from controller.authority.tokens import TokenBook
from controller.authority.users import UserBook
from controller.feeds import Feeds
from controller.gateway_link import GatewayLink, GatewayRefusedError, GatewayUnavailableError
from controller.live import Live
from controller.planning.situation import Predictor
from controller.service.kept import Kept
from controller.service.oidc import Provider
from controller.storage.ports import RecordStore, TelemetryStore
from controller.storage.ticks import TickArchive
from facility.clock import Clock
from facility.site import Site
from facility.telemetry import Snapshot
from models.registry import Bundle


@dataclass(frozen=True, eq=False)
class Model:
    """The learned model that plans here."""

    version: str
    card: Mapping[str, Any]
    """Where it came from and how good it is."""
    predictor: Predictor
    bundle: Bundle | None = None
    """All of it, where it was learned: what it expects can be explained then."""


@dataclass(frozen=True, eq=False)
class Context:
    """One site's parts, as `controller.assembly` wires them."""

    site: Site
    clock: Clock
    live: Live
    link: GatewayLink
    telemetry: TelemetryStore
    records: RecordStore
    ticks: TickArchive
    desk: Desk
    asking: Asking
    alarms: AlarmBook
    tokens: TokenBook
    users: UserBook
    model: Model
    reports: Path
    """Where the folders of reports lie."""
    sessions: SessionBook
    oidc: Provider | None = None
    """The organisation's provider of identities, where it has one."""
    feeds: Feeds | None = None
    """What the world outside tells, where the site has feeds."""
    modes_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who changes modes as seen does so alone: the gateway answers in its own time."""
    kept: Kept = field(default_factory=Kept)
    """Answers and drawings that serve more than one asker."""

    def snapshot(self) -> Snapshot:
        """The latest snapshot.

        Raises
        ------
        GatewayError
            There is none yet.
        """
        if self.live.snapshot is None:
            why = self.live.gateway_error or "the controller has just started"
            raise GatewayError(f"there is no word from the field yet: {why}")
        return self.live.snapshot

    async def look_again(self) -> None:
        """Take over modes and devices from the gateway, after something was asked of it.

        The readings stay those of the last look; a gateway that is away changes nothing.
        """
        last = self.live.snapshot
        try:
            fresh = await self.link.snapshot()
        except (GatewayUnavailableError, GatewayRefusedError):
            return
        if last is None or last is not self.live.snapshot:
            return  # the loop has looked meanwhile
        self.live.snapshot = replace(last, modes=fresh.modes, devices=fresh.devices)
        self.live.hub.news.set()


def context(request: Request) -> Context:
    """The context that the application was made with."""
    found: Context = request.app.state.context
    return found


Here = Annotated[Context, Depends(context)]
