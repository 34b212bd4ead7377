"""Keys that make repetition harmless, rates, patience and headers, over the whole application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from controller.authority import roles
from controller.service.guard import Guard, Rates
from tests.controller_fakes import CDU_SETPOINT
from tests.service_world import World, made_world

KEY = {"Idempotency-Key": "night-shift-17"}
OVERRIDE = {"target": CDU_SETPOINT, "value": 25.0, "lasts_s": 600.0, "why": "leak check"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


async def test_a_repeated_request_is_answered_again_and_done_once(world: World) -> None:
    first = await world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY)
    again = await world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(world.link.of("override")) == 1


async def test_a_key_outlives_a_restart_and_ends_after_a_day(tmp_path: Path) -> None:
    async with made_world(tmp_path) as world:
        await world.ask("POST", "/releases", json={"why": "noise"}, headers=KEY)
    async with made_world(tmp_path) as world:
        headers = {**KEY, "Authorization": f"Bearer {world.texts[roles.Scope.ENGINEER]}"}
        again = await world.client.post("/v1/releases", json={"why": "noise"}, headers=headers)
        assert again.headers["idempotent-replayed"] == "true"
        assert world.link.calls == []


async def test_a_key_is_of_one_request_and_of_one_person(world: World) -> None:
    await world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY)
    other = await world.ask("POST", "/overrides", json={**OVERRIDE, "value": 26.0}, headers=KEY)
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]
    admin = await world.ask("POST", "/overrides", roles.Scope.ADMIN, json=OVERRIDE, headers=KEY)
    assert admin.status_code == 409, "it was asked in earnest, and the actuator is held already"
    nobody = await world.client.post("/v1/overrides", json=OVERRIDE, headers=KEY)
    assert nobody.status_code == 401
    viewer = await world.ask("POST", "/overrides", roles.Scope.VIEWER, json=OVERRIDE, headers=KEY)
    assert viewer.status_code == 403
    for bad in ("", "x" * 256):
        answer = await world.ask("POST", "/releases", json={}, headers={"Idempotency-Key": bad})
        assert answer.status_code == 422


async def test_two_at_once_under_one_key_are_done_once(world: World) -> None:
    ask = [world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY) for _ in range(5)]
    answers = await asyncio.gather(*ask)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(world.link.of("override")) == 1


async def test_what_failed_for_our_fault_may_be_tried_again_under_its_key(world: World) -> None:
    world.link.away = True
    failed = await world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY)
    assert failed.status_code == 503
    world.link.away = False
    again = await world.ask("POST", "/overrides", json=OVERRIDE, headers=KEY)
    assert again.status_code == 201
    assert "idempotent-replayed" not in again.headers


async def test_secrets_are_kept_under_no_key(world: World, tmp_path: Path) -> None:
    body = {"name": "scheduler", "scope": "viewer"}
    made = await world.ask("POST", "/tokens", roles.Scope.ADMIN, json=body, headers=KEY)
    again = await world.ask("POST", "/tokens", roles.Scope.ADMIN, json=body, headers=KEY)
    assert (made.status_code, again.status_code) == (201, 409)
    secret = made.json()["text"].split("_", 2)[2]  # which may hold one itself
    kept = await asyncio.to_thread(lambda: [f.read_bytes() for f in tmp_path.glob("records.db*")])
    assert kept
    assert not [data for data in kept if secret.encode() in data]


async def test_who_asks_too_often_is_told_to_wait() -> None:
    now = [0.0]
    rates = Rates(per_s=2.0, at_once=4.0, logins_per_s=0.1, logins_at_once=2.0)
    app = Guard(PlainTextResponse("done"), rates, lambda: now[0])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:
        answers = [await client.get("/v1/site", headers={"Cookie": f"a={i}"}) for i in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].headers["content-type"] == "application/problem+json"
        now[0] = 0.5
        assert (await client.get("/v1/site")).status_code == 200
        for path in ("/v1/sessions", "/login"):
            assert (await client.post(path)).status_code == 200
        refused = await client.post("/v1/sessions")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await PlainTextResponse("done")(scope, receive, send)

    async def drip() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    told: list[Any] = []

    async def send(message: Message) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/releases", "headers": []}
    await Guard(reads, body_within_s=0.05)(scope, drip, send)
    assert told[0]["status"] == 408


async def test_every_answer_tells_browsers_what_it_is_not(world: World) -> None:
    for answer in (
        await world.ask("GET", "/site"),
        await world.client.get("/v1/site"),
        await world.client.get("/v1/nothing"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../../etc/passwd",
        "/v1/%2e%2e/%2e%2e/etc/passwd",
        "/v1/ticks/..%2f..%2frecords",
        "/v1/ticks/%2e%2e%2f%2e%2e%2frecords.db",
        "/v1/reports/..%2f..%2fadmin.token",
        "/v1/proposals/..%2f..%2fadmin.token",
        "/static/..%2f..%2fadmin.token",
    ],
)
async def test_no_path_leads_out(world: World, path: str) -> None:
    token = world.texts[roles.Scope.ADMIN]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await world.client.get(f"http://isotherm{path}", headers=headers)
    assert answer.status_code in (400, 404), answer.text
