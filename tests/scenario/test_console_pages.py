"""What the console shows and does, over the whole application with a gateway in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.authority.roles import Scope
from controller.console import acts
from controller.console.app import POLICY, install
from controller.console.door import own_page
from controller.console.render import Facts, asset
from controller.service.app import create_app
from controller.service.stream import Stream
from controller.storage.ports import Kind
from tests.controller_fakes import CASE, CDU_SETPOINT, START_S, FakeLink, context, small_site
from tests.service_world import UNHURRIED, World, made_world

PAGES = ["/", "/proposals", "/trends", "/overrides", "/alarms", "/shadow", "/model", "/audit"]
PAGES += ["/users", "/password", "/trends?equipment=cdu1&hours=1"]


@dataclass
class Browser:
    """A person at the console: a session's cookie, and forms that carry its token."""

    world: World
    cookie: str
    csrf: str

    async def open(self, path: str) -> httpx.Response:
        return await self.world.client.get(path, headers={"Cookie": self.cookie})

    async def send(self, path: str, csrf: str | None = None, **fields: Any) -> httpx.Response:
        data = {"csrf": self.csrf if csrf is None else csrf, **fields}
        return await self.world.client.post(path, data=data, headers={"Cookie": self.cookie})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """Service and console; its routes cost half a second to make, and depend on no world."""
    link = FakeLink(small_site())
    made = create_app(context(tmp_path_factory.mktemp("app"), link, lambda: 0.0), UNHURRIED)
    install(made, Facts("isotherm release --gateway /run/it.sock"))
    return made


@pytest.fixture
async def world(tmp_path: Path, app: FastAPI) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        made.app = app
        app.state.context, app.state.stream = made.here, Stream(made.here)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:
            made.client = client
            yield made


async def somebody(world: World, scope: Scope) -> Browser:
    person = await world.log_in(f"{scope.value}.one", scope)
    return Browser(world, person.cookie, person.csrf)


def busy(world: World) -> None:
    """Something on every page: a proposal, an alarm."""
    world.offer()
    world.refresh({CASE: 76.0})
    world.here.alarms.update(world.here.live.snapshot, world.here.live, START_S)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_sends_who_is_not_logged_in_to_the_log_in(world: World, path: str) -> None:
    answer = await world.client.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=")
    assert "Proposal" not in answer.text


async def test_log_in_opens_the_page_that_was_asked_for(world: World) -> None:
    world.user("ann", Scope.OPERATOR)
    form = {"name": "ann", "password": world.PASSWORD, "next": "/alarms"}
    answer = await world.client.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
    wrong = await world.client.post("/login", data={**form, "password": "nonsense"})
    assert wrong.status_code == 401
    assert 'value="ann"' in wrong.text
    assert "nonsense" not in wrong.text


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", ""]
)
def test_the_log_in_goes_to_no_page_of_somebody_else(address: str) -> None:
    assert own_page(address) == "/"


async def test_a_one_time_password_is_changed_first(world: World) -> None:
    _, once = world.here.users.add("new", Scope.OPERATOR)
    answer = await world.client.post("/login", data={"name": "new", "password": once})
    assert answer.headers["location"] == "/password"
    assert (await world.client.get("/")).headers["location"] == "/password"
    page = await world.client.get("/password")
    csrf = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert csrf is not None
    form = {"csrf": csrf[1], "old": once, "new": world.PASSWORD, "again": "something else"}
    assert (
        "not written the same way twice" in (await world.client.post("/password", data=form)).text
    )
    done = await world.client.post("/password", data={**form, "again": world.PASSWORD})
    assert (done.status_code, done.headers["location"]) == (303, "/")


@pytest.mark.parametrize("full", [False, True])
async def test_every_page_shows_and_keeps_its_policy(world: World, full: bool) -> None:
    person = await somebody(world, Scope.ADMIN)
    if full:
        busy(world)
    for path in PAGES:
        answer = await person.open(path)
        assert answer.status_code == 200, (path, answer.text[:2000])
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        text = answer.text
        assert not re.search(r"<[^>]+\sstyle=|<style|<script>|\son\w+=|javascript:", text), path
        assert "Give the plant back" in text
        assert "isotherm release --gateway /run/it.sock" in text
        assert not re.search(r"https?://", text.replace("http://www.w3.org/2000/svg", "")), path


def test_the_policy_allows_nothing_inline_and_no_frame() -> None:
    assert "unsafe" not in POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert "default-src 'none'" in POLICY


async def test_the_proposal_shows_what_an_approval_needs(world: World) -> None:
    world.offer()
    page = (await (await somebody(world, Scope.OPERATOR)).open("/proposals")).text
    for words in ("30.0", "32.0", "20–45", "+2.0 K", "12.0", "Approve: move 1 setpoint"):
        assert words in page, words
    assert "expires in" in page
    assert "It holds while 1 reading stays" in page


async def test_an_approval_by_form_reaches_the_device(world: World) -> None:
    world.offer()
    person = await somebody(world, Scope.OPERATOR)
    answer = await person.send("/proposals/p1/approvals", plan_hash="hash1", share="50", why="ok")
    assert answer.status_code == 303, answer.text
    assert world.link.values[CDU_SETPOINT] == 31.0
    record = world.here.records.get(Kind.PROPOSAL, "p1")
    assert record is not None
    assert (record.state, record.body["outcome"]["who"]) == ("approved", "operator.one")
    said = answer.headers["set-cookie"].partition(";")[0]
    after = await world.client.get("/proposals", headers={"Cookie": f"{person.cookie}; {said}"})
    assert "1 of 1 devices took a new value" in after.text


async def test_another_plan_is_not_approved_and_the_page_says_so(world: World) -> None:
    world.offer()
    person = await somebody(world, Scope.OPERATOR)
    answer = await person.send("/proposals/p1/approvals", plan_hash="old", share="100")
    assert answer.status_code == 412
    assert "Nothing was changed" in answer.text
    assert world.link.of("command") == []


async def test_a_rejection_keeps_its_reason(world: World) -> None:
    world.offer()
    person = await somebody(world, Scope.OPERATOR)
    await person.send("/proposals/p1/rejections", why="maintenance on cdu1")
    assert "maintenance on cdu1" in (await person.open("/proposals")).text
    assert "maintenance on cdu1" in (await person.open("/shadow")).text


async def test_an_override_holds_and_ends(world: World) -> None:
    person = await somebody(world, Scope.OPERATOR)
    form = {"target": CDU_SETPOINT, "value": "28", "hours": "2", "why": "a test"}
    assert (await person.send("/overrides", **form)).status_code == 303
    assert world.link.values[CDU_SETPOINT] == 28.0
    page = await person.open("/overrides")
    assert "operator.one: a test" in page.text
    (found,) = world.here.desk.overrides(START_S)
    await person.send(f"/overrides/{found.id}/releases", why="done")
    assert world.here.desk.overrides(START_S) == ()
    assert "operator.one: done" in (await person.open("/overrides")).text


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("value", "99", "outside"), ("value", "warm", "must be a number"), ("hours", "0", "lasts_s")],
)
async def test_what_cannot_be_used_is_said_and_nothing_written_is_lost(
    world: World, field: str, value: str, says: str
) -> None:
    person = await somebody(world, Scope.OPERATOR)
    form = {"target": CDU_SETPOINT, "value": "28", "hours": "2", "why": "a long reason"}
    answer = await person.send("/overrides", **{**form, field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="a long reason"' in answer.text
    assert world.link.calls == []


async def test_the_plant_is_given_back_from_any_page(world: World) -> None:
    person = await somebody(world, Scope.OPERATOR)
    assert (await person.send("/releases", why="I want it")).status_code == 303
    assert world.link.of("release") == [None]
    world.link.away = True
    away = await person.send("/releases", why="again")
    assert away.status_code == 503
    assert "own watchdogs" in away.text


async def test_alarms_are_acknowledged_and_shelved(world: World) -> None:
    busy(world)
    person = await somebody(world, Scope.OPERATOR)
    (record,) = world.here.alarms.open()
    assert "give cooling to cdu1" in (await person.open("/alarms")).text
    await person.send(f"/alarms/{record.id}/acknowledgements", note="on my way")
    assert "on my way" in (await person.open("/alarms")).text
    await person.send(f"/alarms/{record.id}/shelvings", hours="1", why="sensor")
    assert "operator.one: sensor" in (await person.open("/alarms")).text


async def test_a_viewer_reads_and_changes_nothing(world: World) -> None:
    busy(world)
    person = await somebody(world, Scope.VIEWER)
    routes = [
        route for router in acts.ROUTERS for route in router.routes if isinstance(route, APIRoute)
    ]
    assert len(routes) >= 14
    for route in routes:
        answer = await person.send(re.sub(r"\{.*?\}", "x", route.path), why="x")
        assert answer.status_code == 403, route.path
        assert "viewer" in answer.text
    assert world.link.calls == []


async def test_a_forged_form_does_nothing(world: World) -> None:
    world.offer()
    person = await somebody(world, Scope.ADMIN)
    for csrf in ("", "0" * 64):
        answer = await person.send("/releases", csrf=csrf, why="forged")
        assert answer.status_code == 403
    foreign = {"Cookie": person.cookie, "Origin": "http://evil.example"}
    form = {"csrf": person.csrf, "why": "forged"}
    answer = await world.client.post("/releases", data=form, headers=foreign)
    assert answer.status_code == 403
    assert world.link.calls == []


async def test_what_people_write_is_text_and_never_markup(world: World) -> None:
    world.offer()
    person = await somebody(world, Scope.OPERATOR)
    attack = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    await person.send("/proposals/p1/rejections", why=attack)
    for path in ("/proposals", "/audit", "/shadow"):
        text = (await person.open(path)).text
        assert "&lt;script&gt;" in text
        assert "<script>alert" not in text
        assert "<img" not in text


async def test_users_are_made_with_a_password_that_is_shown_once(world: World) -> None:
    person = await somebody(world, Scope.ADMIN)
    made = await person.send("/users", name="bob", scope="operator")
    assert made.status_code == 200
    once = re.search(r"<code>([0-9a-f-]{29})</code>", made.text)
    assert once is not None
    assert once[1] not in (await person.open("/users")).text
    assert world.here.users.authenticate("bob", once[1]).must_change
    assert "bob" not in (await (await somebody(world, Scope.VIEWER)).open("/users")).text
    changed = await person.send("/users/bob", scope="viewer", disabled="yes", why="left")
    assert changed.status_code == 303
    assert world.here.users.get("bob").disabled


async def test_what_does_not_exist_is_said_in_a_page(world: World) -> None:
    person = await somebody(world, Scope.VIEWER)
    for path in ("/nowhere", "/proposals/none", "/trends?equipment=none"):
        answer = await person.open(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
    api = await world.ask("GET", "/nowhere")
    assert api.headers["content-type"] == "application/problem+json"


async def test_files_are_kept_for_long_and_only_ours_are_served(world: World) -> None:
    answer = await world.client.get(f"/static/{asset('console.js')}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/0/console.js", "/static/0/..%2fapp.py", "/static/0/app.py"):
        assert (await world.client.get(path)).status_code == 404
