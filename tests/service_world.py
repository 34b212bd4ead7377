"""The whole application over a gateway in memory, and who asks of it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from controller.authority.roles import Scope
from controller.service.app import create_app
from controller.service.context import Context
from controller.service.guard import Rates
from controller.service.stream import Stream
from facility.clock import FixedClock
from facility.commands import Mode
from facility.site import People
from tests.controller_fakes import FakeLink, context, proposal, small_site, snapshot

UNHURRIED = Rates(per_s=1e6, at_once=1e6, logins_per_s=1e6, logins_at_once=1e6)


@dataclass
class Person:
    """Somebody in a browser: the cookie and the CSRF token of their session."""

    client: httpx.AsyncClient
    cookie: str
    csrf: str

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Cookie": self.cookie, **options.pop("headers", {})}
        csrf = options.pop("csrf", self.csrf)
        if csrf is not None:
            headers["X-CSRF-Token"] = csrf
        return await self.client.request(method, f"/v1{path}", headers=headers, **options)


@dataclass
class World:
    """The service's parts, and a client in front of it."""

    here: Context
    link: FakeLink
    app: FastAPI
    client: httpx.AsyncClient
    texts: dict[Scope, str]
    wall: list[float]
    """The wall's time, to be moved."""
    PASSWORD = "correct horse battery staple"

    def user(self, name: str, scope: Scope) -> None:
        """A user with the password that all have here."""
        _, once = self.here.users.add(name, scope)
        self.here.users.set_password(name, once, self.PASSWORD)

    async def log_in(self, name: str, scope: Scope) -> Person:
        """A new user, logged in."""
        if name not in [user.name for user in self.here.users.all()]:
            self.user(name, scope)
        body = {"name": name, "password": self.PASSWORD}
        return self.session_of(await self.client.post("/v1/sessions", json=body))

    def session_of(self, answer: httpx.Response) -> Person:
        """The session that an answer gave."""
        assert answer.is_success, answer.text
        self.client.cookies.clear()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return Person(self.client, cookie, answer.json()["csrf"])

    def at(self, time_s: float) -> None:
        clock = self.here.clock
        assert isinstance(clock, FixedClock)
        clock._now_s = self.link.now_s = time_s

    def offer(self, number: int = 1) -> None:
        """What a tick does with a new proposal."""
        self.refresh()
        assert self.here.live.snapshot is not None
        self.here.desk.decide(proposal(number), self.here.live.snapshot, self.here.clock.now_s())

    def refresh(self, values: Mapping[str, float] | None = None) -> None:
        self.link.values.update(values or {})
        now_s = self.here.clock.now_s()
        self.here.live.snapshot = snapshot(now_s, self.link.modes, self.link.values)

    async def ask(
        self, method: str, path: str, scope: Scope = Scope.ENGINEER, **options: Any
    ) -> httpx.Response:
        headers = {
            "Authorization": f"Bearer {self.texts[scope]}",
            **options.pop("headers", {}),
        }
        return await self.client.request(method, f"/v1{path}", headers=headers, **options)


@cache
def _application() -> FastAPI:
    """Routes and their description cost half a second to make, and depend on no world."""
    link = FakeLink(small_site())
    with tempfile.TemporaryDirectory() as folder:
        return create_app(context(Path(folder), link, lambda: 0.0), UNHURRIED)


@asynccontextmanager
async def made_world(tmp_path: Path, people: People | None = None) -> AsyncIterator[World]:
    """A world in advisory mode, with a token of each scope."""
    link = FakeLink(small_site(), Mode.ADVISORY)
    wall = [1_000_000.0]
    here = context(tmp_path, link, lambda: wall[0], people)
    app = _application()
    app.state.context, app.state.stream = here, Stream(here)
    texts = {scope: here.tokens.issue(f"{scope.value} one", scope)[1] for scope in Scope}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:
        yield World(here, link, app, client, texts, wall)
    here.telemetry.close()
    here.records.close()


def approve(world: World, number: int = 1, scope: Scope = Scope.OPERATOR, **body: Any) -> Any:
    return world.ask(
        "POST",
        f"/proposals/p{number}/approvals",
        scope,
        json=body,
        headers={"If-Match": f'"hash{number}"'},
    )
