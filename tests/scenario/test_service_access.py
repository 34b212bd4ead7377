"""Every operation by every role, with tokens and with sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.authority.roles import Scope
from tests.service_world import World, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


OPERATIONS = {
    ("GET", "/site"): Scope.VIEWER,
    ("GET", "/points"): Scope.VIEWER,
    ("GET", "/telemetry/latest"): Scope.VIEWER,
    ("GET", "/telemetry"): Scope.VIEWER,
    ("GET", "/status"): Scope.VIEWER,
    ("GET", "/stream"): Scope.VIEWER,
    ("GET", "/proposals"): Scope.VIEWER,
    ("GET", "/proposals/{proposal_id}"): Scope.VIEWER,
    ("POST", "/proposals/{proposal_id}/approvals"): Scope.OPERATOR,
    ("POST", "/proposals/{proposal_id}/rejections"): Scope.OPERATOR,
    ("GET", "/decisions"): Scope.VIEWER,
    ("GET", "/decisions/{decision_id}"): Scope.VIEWER,
    ("POST", "/decisions/{decision_id}/reversals"): Scope.OPERATOR,
    ("POST", "/decisions/{decision_id}/withdrawals"): Scope.OPERATOR,
    ("GET", "/standing-approvals"): Scope.VIEWER,
    ("POST", "/standing-approvals"): Scope.ENGINEER,
    ("GET", "/standing-approvals/{approval_id}"): Scope.VIEWER,
    ("POST", "/standing-approvals/{approval_id}/withdrawals"): Scope.OPERATOR,
    ("GET", "/requests"): Scope.VIEWER,
    ("GET", "/requests/{request_id}"): Scope.VIEWER,
    ("POST", "/requests/{request_id}/approvals"): Scope.ENGINEER,
    ("POST", "/requests/{request_id}/rejections"): Scope.OPERATOR,
    ("GET", "/overrides"): Scope.VIEWER,
    ("GET", "/overrides/{override_id}"): Scope.VIEWER,
    ("POST", "/overrides"): Scope.OPERATOR,
    ("POST", "/overrides/{override_id}/releases"): Scope.OPERATOR,
    ("GET", "/modes"): Scope.VIEWER,
    ("PUT", "/modes"): Scope.OPERATOR,
    ("POST", "/releases"): Scope.OPERATOR,
    ("POST", "/armings"): Scope.ENGINEER,
    ("GET", "/limits"): Scope.VIEWER,
    ("POST", "/limits/approvals"): Scope.ENGINEER,
    ("GET", "/plans/current"): Scope.VIEWER,
    ("GET", "/plans/{tick_id}"): Scope.VIEWER,
    ("GET", "/headroom"): Scope.VIEWER,
    ("GET", "/models"): Scope.VIEWER,
    ("GET", "/models/explain"): Scope.VIEWER,
    ("GET", "/reports"): Scope.VIEWER,
    ("GET", "/reports/{name}"): Scope.VIEWER,
    ("GET", "/metrics"): Scope.VIEWER,
    ("GET", "/ticks"): Scope.VIEWER,
    ("GET", "/ticks/{tick_id}"): Scope.VIEWER,
    ("GET", "/alarms"): Scope.VIEWER,
    ("GET", "/alarms/{alarm_id}"): Scope.VIEWER,
    ("POST", "/alarms/{alarm_id}/acknowledgements"): Scope.OPERATOR,
    ("POST", "/alarms/{alarm_id}/shelvings"): Scope.OPERATOR,
    ("POST", "/alarms/{alarm_id}/unshelvings"): Scope.OPERATOR,
    ("GET", "/audit"): Scope.VIEWER,
    ("GET", "/tokens"): Scope.ADMIN,
    ("POST", "/tokens"): Scope.ADMIN,
    ("DELETE", "/tokens/{token_id}"): Scope.ADMIN,
    ("GET", "/users"): Scope.ADMIN,
    ("POST", "/users"): Scope.ADMIN,
    ("PATCH", "/users/{name}"): Scope.ADMIN,
    ("POST", "/users/{name}/passwords"): Scope.ADMIN,
    ("GET", "/sessions/current"): Scope.VIEWER,
    ("DELETE", "/sessions/current"): Scope.VIEWER,
    ("PUT", "/sessions/current/password"): Scope.VIEWER,
}
OPEN = {
    ("GET", "/health"),
    ("POST", "/sessions"),
    ("GET", "/oidc/login"),
    ("GET", "/oidc/callback"),
}
ENDS_THE_SESSION = {("DELETE", "/sessions/current"), ("PUT", "/sessions/current/password")}
ENDLESS = {("GET", "/stream")}


def described(app: FastAPI) -> set[tuple[str, str]]:
    """Every operation that the application has, by its own description."""
    return {
        (method.upper(), path.removeprefix("/v1"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path.startswith("/v1")
    }


def test_the_matrix_names_every_operation_but_the_open_ones(world: World) -> None:
    assert described(world.app) == set(OPERATIONS) | OPEN
    hidden = {r.path for r in world.app.routes if isinstance(r, APIRoute) and r.include_in_schema}
    assert not [path for path in hidden if path.startswith("/v1/") and "openapi" in path]


async def test_every_operation_refuses_without_a_token_and_below_its_role(world: World) -> None:
    wrong = {"Authorization": "Bearer isotherm_abc_def"}
    basic = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    stale = {"Cookie": "isotherm_session=nothing"}
    for (method, path), needed in OPERATIONS.items():
        for headers in ({}, wrong, basic, stale):
            bare = await world.client.request(method, f"/v1{path}", json={}, headers=headers)
            assert bare.status_code == 401, (method, path, headers)
            assert bare.headers["content-type"] == "application/problem+json"
            assert bare.headers["www-authenticate"].startswith("Bearer")
        for scope in Scope:
            if not scope.covers(needed):
                answer = await world.ask(method, path, scope, json={})
                assert answer.status_code == 403, answer.text
                assert needed.value in answer.json()["detail"]
    assert world.link.calls == []


async def test_sessions_reach_as_far_as_their_role_and_no_further(world: World) -> None:
    for scope in Scope:
        session = await world.log_in(f"{scope.value}-two", scope)
        for (method, path), needed in OPERATIONS.items():
            if (method, path) in ENDS_THE_SESSION | ENDLESS:
                continue
            refused = {401} if scope.covers(needed) else {401, 200, 201, 404, 422}
            answer = await session.ask(method, path, json={})
            assert answer.status_code not in refused, (scope, method, path, answer.text)
            forbidden = answer.status_code == 403
            assert forbidden == (not scope.covers(needed)), (scope, method, path, answer.text)


async def test_a_session_changes_nothing_without_its_csrf_token(world: World) -> None:
    session = await world.log_in("ann", Scope.ADMIN)
    other = await world.log_in("bob", Scope.ADMIN)
    for csrf in (None, "", "0" * 64, other.csrf):
        for method, path in OPERATIONS:
            if method == "GET":
                continue
            answer = await session.ask(method, path, csrf=csrf, json={})
            assert answer.status_code == 403, (method, path, csrf)
    assert world.link.calls == []
    assert (await session.ask("POST", "/releases", json={"why": "x"})).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_request_from_another_site_is_refused(
    world: World, headers: dict[str, str]
) -> None:
    session = await world.log_in("ann", Scope.ADMIN)
    body = {"why": "x"}
    answer = await session.ask("POST", "/releases", json=body, headers=headers)
    assert answer.status_code == 403
    login = {"name": "ann", "password": world.PASSWORD}
    forged = await world.client.post("/v1/sessions", json=login, headers=headers)
    assert forged.status_code == 403
    assert "set-cookie" not in forged.headers


async def test_a_session_is_made_anew_and_ends_for_good(world: World) -> None:
    planted = {"Cookie": "isotherm_session=" + "a" * 43}
    world.user("ann", Scope.OPERATOR)
    login = {"name": "ann", "password": world.PASSWORD}
    answer = await world.client.post("/v1/sessions", json=login, headers=planted)
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"]
    assert "a" * 43 not in cookie
    for part in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert part.lower() in cookie.lower()
    world.client.cookies.clear()
    fixed = await world.client.get("/v1/site", headers=planted)
    assert fixed.status_code == 401
    session = await world.log_in("ann", Scope.OPERATOR)
    assert (await session.ask("GET", "/site")).status_code == 200
    assert (await session.ask("DELETE", "/sessions/current")).status_code == 204
    assert (await session.ask("GET", "/site")).status_code == 401


async def test_under_tls_the_cookie_is_secure_and_bound_to_the_host(world: World) -> None:
    world.user("ann", Scope.VIEWER)
    login = {"name": "ann", "password": world.PASSWORD}
    answer = await world.client.post("https://isotherm/v1/sessions", json=login)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-isotherm_session=")
    assert "secure" in cookie.lower()
    assert "domain" not in cookie.lower()


async def test_what_takes_rights_away_ends_sessions(world: World) -> None:
    ann = await world.log_in("ann", Scope.ENGINEER)
    bob = await world.log_in("bob", Scope.ENGINEER)
    why = {"why": "left the team"}
    path = "/users/ann"
    lesser = await world.ask("PATCH", path, Scope.ADMIN, json={"scope": "viewer", **why})
    assert lesser.status_code == 200
    assert (await ann.ask("GET", "/site")).status_code == 401
    disabled = await world.ask("PATCH", "/users/bob", Scope.ADMIN, json={"disabled": True, **why})
    assert disabled.json()["disabled"]
    assert (await bob.ask("GET", "/site")).status_code == 401
    login = {"name": "bob", "password": world.PASSWORD}
    assert (await world.client.post("/v1/sessions", json=login)).status_code == 401


async def test_the_last_administrator_stays_one(world: World) -> None:
    world.user("root", Scope.ADMIN)
    for change in ({"scope": "viewer"}, {"disabled": True}):
        body = {**change, "why": "x"}
        answer = await world.ask("PATCH", "/users/root", Scope.ADMIN, json=body)
        assert answer.status_code == 409
        assert "last administrator" in answer.json()["detail"]


async def test_a_one_time_password_opens_nothing_but_its_change(world: World) -> None:
    body = {"name": "Ann", "scope": "engineer"}
    made = (await world.ask("POST", "/users", Scope.ADMIN, json=body)).json()
    once = made["one_time_password"]
    answer = await world.client.post("/v1/sessions", json={"name": "ann", "password": once})
    assert answer.json()["must_change"] is True
    session = world.session_of(answer)
    refused = await session.ask("GET", "/site")
    assert refused.status_code == 403
    assert "/v1/sessions/current/password" in refused.json()["detail"]
    short = await session.ask("PUT", "/sessions/current/password", json={"old": once, "new": "x"})
    assert short.status_code == 422
    new = {"old": once, "new": world.PASSWORD}
    changed = await session.ask("PUT", "/sessions/current/password", json=new)
    assert changed.status_code == 200, changed.text
    assert (await session.ask("GET", "/sessions/current")).status_code == 401  # the old one ended
    session = world.session_of(changed)
    assert (await session.ask("GET", "/site")).status_code == 200


async def test_wrong_passwords_lock_a_name_and_a_reset_opens_it(world: World) -> None:
    world.user("ann", Scope.OPERATOR)
    right = {"name": "ann", "password": world.PASSWORD}
    wrong = {**right, "password": "wrong"}
    unknown = {**right, "name": "nobody"}
    details = set()
    for body in (unknown, *[wrong] * 5, right):
        answer = await world.client.post("/v1/sessions", json=body)
        assert answer.status_code == 401
        details.add(answer.json()["detail"])
    assert len(details) == 1, "a guesser learns nothing"
    listed = (await world.ask("GET", "/users", Scope.ADMIN)).json()
    assert listed[0]["locked_until_s"] > world.wall[0]
    world.wall[0] += 61.0
    assert (await world.client.post("/v1/sessions", json=right)).status_code == 201
    tried = (await world.ask("GET", "/audit", params={"limit": 10})).json()["items"]
    failed = [i["body"]["who"] for i in tried if i["body"]["action"] == "failed to log in"]
    assert failed == ["ann"] * 6 + ["nobody"]


async def test_health_needs_no_token_and_tells_little(world: World) -> None:
    answer = await world.client.get("/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ended_and_revoked_tokens_are_refused(world: World) -> None:
    token, text = world.here.tokens.issue("short", Scope.VIEWER, life_days=1.0)
    headers = {"Authorization": f"Bearer {text}"}
    assert (await world.client.get("/v1/site", headers=headers)).status_code == 200
    world.wall[0] += 86_400.0
    ended = await world.client.get("/v1/site", headers=headers)
    assert ended.status_code == 401
    assert "has ended" in ended.json()["detail"]
    token, text = world.here.tokens.issue("replayed", Scope.VIEWER)
    revoked = await world.ask("DELETE", f"/tokens/{token.id}", Scope.ADMIN)
    assert revoked.status_code == 200
    headers = {"Authorization": f"Bearer {text}"}
    assert (await world.client.get("/v1/site", headers=headers)).status_code == 401


async def test_the_documentation_needs_no_internet(world: World) -> None:
    page = await world.client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
