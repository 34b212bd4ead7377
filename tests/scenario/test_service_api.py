"""What the REST interface promises, over the whole application with a gateway in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from controller.authority.roles import Scope
from controller.service.app import create_app
from controller.service.context import Context
from facility.clock import FixedClock
from facility.commands import Mode
from facility.telemetry import Quality, Reading
from tests.controller_fakes import (
    CASE,
    CDU_SETPOINT,
    CHILLERS,
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
    snapshot,
)


@dataclass
class World:
    here: Context
    link: FakeLink
    app: FastAPI
    client: httpx.AsyncClient
    texts: dict[Scope, str]

    def at(self, time_s: float) -> None:
        clock = self.here.clock
        assert isinstance(clock, FixedClock)
        clock._now_s = self.link.now_s = time_s

    def offer(self, number: int = 1) -> None:
        """What a tick does with a new proposal."""
        self.refresh()
        self.here.desk.decide(proposal(number), self.link.modes, self.here.clock.now_s())

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


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    link = FakeLink(small_site(), Mode.ADVISORY)
    here = context(tmp_path, link, lambda: 1_000_000.0)
    app = create_app(here)
    texts = {scope: here.tokens.issue(f"{scope.value} one", scope)[1] for scope in Scope}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://isotherm") as client:
        yield World(here, link, app, client, texts)
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


OPERATIONS = [
    ("GET", "/site", Scope.VIEWER),
    ("GET", "/points", Scope.VIEWER),
    ("GET", "/telemetry/latest", Scope.VIEWER),
    ("GET", "/telemetry", Scope.VIEWER),
    ("GET", "/status", Scope.VIEWER),
    ("GET", "/stream", Scope.VIEWER),
    ("GET", "/proposals", Scope.VIEWER),
    ("GET", "/proposals/{proposal_id}", Scope.VIEWER),
    ("POST", "/proposals/{proposal_id}/approvals", Scope.OPERATOR),
    ("POST", "/proposals/{proposal_id}/rejections", Scope.OPERATOR),
    ("GET", "/decisions", Scope.VIEWER),
    ("GET", "/overrides", Scope.VIEWER),
    ("POST", "/overrides", Scope.OPERATOR),
    ("POST", "/overrides/{override_id}/releases", Scope.OPERATOR),
    ("GET", "/modes", Scope.VIEWER),
    ("PUT", "/modes", Scope.OPERATOR),
    ("POST", "/releases", Scope.OPERATOR),
    ("POST", "/armings", Scope.ENGINEER),
    ("GET", "/limits", Scope.VIEWER),
    ("POST", "/limits/approvals", Scope.ENGINEER),
    ("GET", "/ticks", Scope.VIEWER),
    ("GET", "/ticks/{tick_id}", Scope.VIEWER),
    ("GET", "/alarms", Scope.VIEWER),
    ("POST", "/alarms/{alarm_id}/acknowledgements", Scope.OPERATOR),
    ("POST", "/alarms/{alarm_id}/shelvings", Scope.OPERATOR),
    ("POST", "/alarms/{alarm_id}/unshelvings", Scope.OPERATOR),
    ("GET", "/audit", Scope.VIEWER),
    ("GET", "/tokens", Scope.ADMIN),
    ("POST", "/tokens", Scope.ADMIN),
    ("DELETE", "/tokens/{token_id}", Scope.ADMIN),
]


def described(app: FastAPI) -> set[tuple[str, str]]:
    """Every operation that the application has, by its own description."""
    return {
        (method.upper(), path.removeprefix("/v1"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }


def test_the_matrix_names_every_operation_but_health(world: World) -> None:
    assert described(world.app) - {("GET", "/health")} == {(m, p) for m, p, _ in OPERATIONS}
    hidden = {r.path for r in world.app.routes if isinstance(r, APIRoute)}
    assert not [path for path in hidden if path.startswith("/v1") and "health" not in path]


@pytest.mark.parametrize(("method", "path", "needed"), OPERATIONS)
async def test_every_operation_refuses_without_a_token_and_below_its_scope(
    world: World, method: str, path: str, needed: Scope
) -> None:
    bare = await world.client.request(method, f"/v1{path}", json={})
    assert bare.status_code == 401
    assert bare.headers["content-type"] == "application/problem+json"
    assert bare.headers["www-authenticate"].startswith("Bearer")
    wrong = {"Authorization": "Bearer isotherm_abc_def"}
    refused = await world.client.request(method, f"/v1{path}", json={}, headers=wrong)
    assert refused.status_code == 401
    for scope in Scope:
        if not scope.covers(needed):
            answer = await world.ask(method, path, scope, json={})
            assert answer.status_code == 403, answer.text
            assert needed.value in answer.json()["detail"]
    assert world.link.calls == []


async def test_health_needs_no_token_and_tells_little(world: World) -> None:
    answer = await world.client.get("/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ended_and_revoked_tokens_are_refused(world: World) -> None:
    now = [0.0]
    world.here.tokens._now_s = lambda: now[0]
    _, text = world.here.tokens.issue("short", Scope.VIEWER, life_days=1.0)
    headers = {"Authorization": f"Bearer {text}"}
    assert (await world.client.get("/v1/site", headers=headers)).status_code == 200
    now[0] = 86_400.0
    ended = await world.client.get("/v1/site", headers=headers)
    assert ended.status_code == 401
    assert "has ended" in ended.json()["detail"]


async def test_the_documentation_needs_no_internet(world: World) -> None:
    page = await world.client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


# ---- proposals


async def test_an_approval_reaches_the_device_and_is_on_record(world: World) -> None:
    world.offer()
    seen = await world.ask("GET", "/proposals/p1", Scope.VIEWER)
    assert seen.json()["state"] == "pending"
    assert seen.headers["etag"] == '"hash1"'
    answer = await approve(world, why="cool night")
    assert answer.status_code == 201, answer.text
    assert answer.json()["receipts"][0]["result"] == "written"
    assert world.link.values == {CDU_SETPOINT: 32.0}
    after = (await world.ask("GET", "/proposals/p1")).json()
    assert after["state"] == "approved"
    assert after["outcome"]["who"] == "operator one"
    audit = (await world.ask("GET", "/audit")).json()["items"][0]["body"]
    assert {k: audit[k] for k in ("who", "role", "action", "about", "why")} == {
        "who": "operator one",
        "role": "operator",
        "action": "approved",
        "about": "proposal p1",
        "why": "cool night",
    }
    decisions = (await world.ask("GET", "/decisions")).json()["items"]
    assert decisions[0]["decision"]["origin"] == "person"


async def test_an_approval_may_take_a_smaller_step(world: World) -> None:
    world.offer()
    answer = await approve(world, share=0.5)
    assert answer.json()["decision"]["moves"][0]["proposed"] == 31.0
    assert world.link.values == {CDU_SETPOINT: 31.0}


async def test_an_approval_is_bound_to_the_plan_that_was_seen(world: World) -> None:
    world.offer()
    path = "/proposals/p1/approvals"
    assert (await world.ask("POST", path, json={})).status_code == 428
    for stale in ('"hash0"', "hash"):
        answer = await world.ask("POST", path, json={}, headers={"If-Match": stale})
        assert answer.status_code == 412
        assert answer.json()["title"] == "Precondition Failed"
    assert world.link.of("command") == []


async def test_an_approval_after_expiry_is_never_applied(world: World) -> None:
    world.offer()
    world.at(START_S + 1200.0)
    answer = await approve(world)
    assert answer.status_code == 409
    assert "expired" in answer.json()["detail"]
    assert (await world.ask("GET", "/proposals/p1")).json()["state"] == "expired"
    assert world.link.of("command") == []


async def test_an_approval_is_refused_where_the_plant_has_left_the_region(world: World) -> None:
    world.offer()
    world.refresh({CASE: 61.0})
    answer = await approve(world)
    assert answer.status_code == 409
    assert f"{CASE} is 61, not 20 to 60" in answer.json()["detail"]
    world.here.live.snapshot = replace(
        snapshot(START_S, world.link.modes), readings={CASE: Reading(50.0, Quality.STALE, START_S)}
    )
    assert (await approve(world)).status_code == 409


async def test_two_people_at_once_have_one_outcome(world: World) -> None:
    world.offer()
    reject = world.ask("POST", "/proposals/p1/rejections", json={"why": "not tonight"})
    answers = await asyncio.gather(approve(world), approve(world), reject, approve(world))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    late = next(a for a in answers if a.status_code == 409)
    assert "one" in late.json()["detail"]
    assert len((await world.ask("GET", "/decisions")).json()["items"]) <= 1


async def test_a_rejection_needs_a_reason_and_keeps_it(world: World) -> None:
    world.offer()
    assert (await world.ask("POST", "/proposals/p1/rejections", json={})).status_code == 422
    answer = await world.ask("POST", "/proposals/p1/rejections", json={"why": "maintenance"})
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["outcome"]["why"]) == ("rejected", "maintenance")
    assert (await approve(world)).status_code == 409
    assert world.link.of("command") == []


async def test_a_newer_proposal_takes_the_place_of_the_pending_one(world: World) -> None:
    world.offer(1)
    world.offer(2)
    listed = (await world.ask("GET", "/proposals", params={"state": "pending"})).json()["items"]
    assert [item["id"] for item in listed] == ["p2"]
    assert (await approve(world, 1)).status_code == 409
    assert (await approve(world, 2)).status_code == 201


async def test_in_shadow_nobody_is_asked_and_nothing_can_be_approved(world: World) -> None:
    world.link.modes = dict.fromkeys(world.link.modes, Mode.SHADOW)
    world.offer()
    assert (await world.ask("GET", "/proposals/p1")).json()["state"] == "recorded"
    assert (await approve(world)).status_code == 409
    assert world.link.calls == []


async def test_a_mode_change_between_proposal_and_approval_counts(world: World) -> None:
    world.offer()
    body = {"mode": "shadow", "why": "storm"}
    assert (await world.ask("PUT", "/modes", Scope.OPERATOR, json=body)).status_code == 200
    world.refresh()
    answer = await approve(world)
    assert answer.status_code == 409
    assert "advisory" in answer.json()["detail"]


async def test_a_decision_made_while_the_gateway_is_away_is_carried_out_when_it_is_back(
    world: World,
) -> None:
    world.offer()
    world.link.away = True
    answer = await approve(world)
    assert (answer.status_code, answer.json()["receipts"]) == (201, [])
    world.link.away = False
    await world.here.desk.register_again(START_S + 60)
    assert world.here.live.snapshot is not None
    receipts = await world.here.desk.carry_out(world.here.live.snapshot, START_S + 60)
    assert [receipt.written for receipt in receipts] == [32.0]


# ---- overrides


def override(target: str = CDU_SETPOINT, value: float = 25.0, **more: Any) -> dict[str, Any]:
    return {"target": target, "value": value, "lasts_s": 3600.0, "why": "leak check", **more}


async def test_an_override_holds_until_it_expires(world: World) -> None:
    answer = await world.ask("POST", "/overrides", Scope.OPERATOR, json=override())
    assert answer.status_code == 201, answer.text
    assert world.link.values == {CDU_SETPOINT: 25.0}
    world.offer()
    assert [o.value for o in world.here.desk.overrides(START_S)] == [25.0]
    # Somebody turns it at the device: it is asked for again.
    world.refresh({CDU_SETPOINT: 31.0})
    assert world.here.live.snapshot is not None
    again = await world.here.desk.carry_out(world.here.live.snapshot, START_S + 60)
    assert [receipt.written for receipt in again] == [25.0]
    world.at(START_S + 3600.0)
    listed = (await world.ask("GET", "/overrides")).json()["items"]
    assert [item["state"] for item in listed] == ["expired"]
    assert world.here.desk.overrides(START_S + 3600.0) == ()


async def test_an_override_of_a_group_sets_every_member(world: World) -> None:
    answer = await world.ask("POST", "/overrides", json=override("chillers", 8.0))
    assert answer.status_code == 201
    assert world.link.values == dict.fromkeys(CHILLERS, 8.0)


async def test_a_conflicting_override_is_refused_whole(world: World) -> None:
    first = await world.ask("POST", "/overrides", json=override(CHILLERS[1], 9.0))
    assert first.status_code == 201
    second = await world.ask("POST", "/overrides", json=override("chillers", 8.0))
    assert second.status_code == 409
    assert "leak check" in second.json()["detail"]
    assert world.link.values == {CHILLERS[1]: 9.0}
    states = {
        item["override"]["actuator"]: item["state"]
        for item in (await world.ask("GET", "/overrides")).json()["items"]
    }
    assert states == {CHILLERS[0]: "failed", CHILLERS[1]: "active"}


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (override(value=50.0), 422, "range 20 to 45 degC"),
        (override(target="nobody"), 404, "no actuator nobody"),
        (override(why=""), 422, "body.why"),
        (override(lasts_s=0.0), 422, "body.lasts_s"),
        (override(lasts_s=1e9), 422, "at most 7 days"),
        (override(valu=3.0), 422, "body.valu"),
    ],
)
async def test_a_bad_override_says_what_is_wrong(
    world: World, body: dict[str, Any], status: int, says: str
) -> None:
    answer = await world.ask("POST", "/overrides", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert world.link.calls == []


async def test_an_override_in_shadow_is_refused(world: World) -> None:
    world.link.modes = dict.fromkeys(world.link.modes, Mode.SHADOW)
    world.refresh()
    answer = await world.ask("POST", "/overrides", json=override())
    assert answer.status_code == 409
    assert world.link.calls == []


async def test_an_override_is_released_with_a_reason(world: World) -> None:
    placed = (await world.ask("POST", "/overrides", json=override())).json()["overrides"][0]
    path = f"/overrides/{placed['id']}/releases"
    answer = await world.ask("POST", path, json={"why": "done"})
    assert (answer.status_code, answer.json()["state"]) == (201, "released")
    assert world.link.of("end_override") == [placed["id"]]
    assert (await world.ask("POST", path, json={"why": "again"})).status_code == 409


async def test_an_override_that_the_gateway_refuses_is_not_in_force(world: World) -> None:
    world.link.refuses = "latched"
    answer = await world.ask("POST", "/overrides", json=override())
    assert answer.status_code == 503
    assert "latched" in answer.json()["detail"]
    assert world.here.desk.overrides(START_S) == ()


# ---- modes


async def test_modes_are_the_gateways(world: World) -> None:
    body = {"mode": "automatic", "actuators": [CDU_SETPOINT], "why": "trial"}
    refused = await world.ask("PUT", "/modes", Scope.OPERATOR, json=body)
    assert refused.status_code == 403
    answer = await world.ask("PUT", "/modes", Scope.ENGINEER, json=body)
    assert answer.json()["modes"][CDU_SETPOINT] == "automatic"
    assert world.link.modes[CDU_SETPOINT] is Mode.AUTOMATIC
    lower = {"mode": "off", "why": "maintenance"}
    assert (await world.ask("PUT", "/modes", Scope.OPERATOR, json=lower)).status_code == 200
    assert set(world.link.modes.values()) == {Mode.OFF}


async def test_in_automatic_the_mode_decides_and_overrides_are_left_out(world: World) -> None:
    world.link.modes = dict.fromkeys(world.link.modes, Mode.AUTOMATIC)
    decision = world.here.desk.decide(proposal(), world.link.modes, START_S)
    assert decision is not None
    assert (decision.origin.value, len(decision.moves)) == ("optimiser", 1)
    assert world.here.desk.decide(proposal(), world.link.modes, START_S + 300) == decision
    world.refresh()
    assert (await world.ask("POST", "/overrides", json=override())).status_code == 201
    assert world.here.desk.decide(proposal(2), world.link.modes, START_S) is None


async def test_a_release_gives_the_plant_back(world: World) -> None:
    answer = await world.ask("POST", "/releases", Scope.OPERATOR, json={"why": "noise"})
    assert answer.status_code == 201
    assert answer.json()["released"] == {"devices": ["cdu1", "plant"]}
    assert set(world.link.modes.values()) == {Mode.SHADOW}


async def test_what_was_decided_before_a_release_does_not_come_back(world: World) -> None:
    world.offer()
    assert (await approve(world)).status_code == 201
    assert (
        await world.ask("POST", "/overrides", json=override(CHILLERS[0], 8.0))
    ).status_code == 201
    await world.ask("POST", "/releases", Scope.OPERATOR, json={"why": "noise"})
    world.refresh({CDU_SETPOINT: 30.0, CHILLERS[0]: 12.0})  # local control's values
    assert world.here.live.snapshot is not None
    assert await world.here.desk.carry_out(world.here.live.snapshot, START_S + 120) == ()
    world.link.modes = dict.fromkeys(world.link.modes, Mode.ADVISORY)
    world.refresh()
    assert await world.here.desk.carry_out(world.here.live.snapshot, START_S + 240) == ()
    (decision,) = (await world.ask("GET", "/decisions")).json()["items"]
    assert decision["state"] == "withdrawn"
    (placed,) = (await world.ask("GET", "/overrides")).json()["items"]
    assert (placed["state"], placed["outcome"]["who"]) == ("released", "isotherm")
    assert world.link.values[CDU_SETPOINT] == 30.0


async def test_a_release_without_a_gateway_says_what_to_do(world: World) -> None:
    world.link.away = True
    answer = await world.ask("POST", "/releases", json={"why": "noise"})
    assert answer.status_code == 503
    assert "isotherm release" in answer.json()["detail"]
    assert (await world.ask("GET", "/audit")).json()["items"][0]["body"]["action"] == (
        "failed to release"
    )


# ---- reading


async def test_telemetry_is_downsampled_with_gaps(world: World) -> None:
    for t in (0, 60, 120, 600):
        world.here.telemetry.append(snapshot(START_S + t, world.link.modes, {CASE: 50.0 + t}))
    answer = await world.ask(
        "GET",
        "/telemetry",
        Scope.VIEWER,
        params={
            "tag": CASE,
            "start": "2024-04-07T00:00:00Z",
            "end": START_S + 900,
            "every_s": 300,
        },
    )
    assert answer.status_code == 200, answer.text
    series = answer.json()["series"][CASE]
    assert series == {
        "unit": "degC",
        # 50 and 110 stood for a minute each, 170 for as long as a silent point's value stands
        "mean": [pytest.approx((50 * 60 + 110 * 60 + 170 * 75) / 195), None, 650.0],
        "min": [50.0, None, 650.0],
        "max": [170.0, None, 650.0],
    }


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"tag": "nobody", "start": "0"}, 404),
        ({"tag": CASE, "start": "yesterday"}, 422),
        ({"tag": CASE, "start": "nan"}, 422),
        ({"tag": CASE, "start": START_S, "end": START_S - 1}, 422),
        ({"tag": CASE, "start": "0", "every_s": 1.0}, 422),
        ({"start": START_S}, 422),
    ],
)
async def test_a_bad_range_is_refused(world: World, params: dict[str, Any], status: int) -> None:
    answer = await world.ask("GET", "/telemetry", params=params)
    assert answer.status_code == status, answer.text


async def test_pages_go_back_in_time(world: World) -> None:
    for number in range(5):
        world.offer(number)
    first = (await world.ask("GET", "/proposals", params={"limit": 2})).json()
    assert [item["id"] for item in first["items"]] == ["p4", "p3"]
    params = {"limit": 3, "before": first["next_before"]}
    rest = (await world.ask("GET", "/proposals", params=params)).json()
    assert [item["id"] for item in rest["items"]] == ["p2", "p1", "p0"]
    assert rest["next_before"] is None


async def test_site_points_latest_and_status_answer(world: World) -> None:
    site = (await world.ask("GET", "/site", Scope.VIEWER)).json()
    assert [a["id"] for a in site["actuators"]] == [CDU_SETPOINT, *CHILLERS]
    assert site["racks"][0]["temperature_tag"] == CASE
    points = (await world.ask("GET", "/points", params={"equipment": "rack1"})).json()
    assert [(p["tag"], p["unit"]) for p in points] == [(CASE, "degC")]
    latest = (await world.ask("GET", "/telemetry/latest")).json()
    assert latest["readings"][CASE]["quality"] == "good"
    status = (await world.ask("GET", "/status")).json()
    assert status["modes"] == {"advisory": 3}
    assert status["gateway"]["latches"] == []


async def test_without_a_snapshot_it_says_so(world: World) -> None:
    world.here.live.snapshot = None
    world.here.live.gateway_error = "no gateway answers"
    answer = await world.ask("GET", "/telemetry/latest")
    assert answer.status_code == 503
    assert "no gateway answers" in answer.json()["detail"]
    assert (await world.client.get("/v1/health")).json() == {"status": "degraded"}


async def test_the_stream_carries_events_to_every_client(world: World) -> None:
    async with world.here.live.hub.listen() as one, world.here.live.hub.listen() as two:
        world.here.live.hub.publish("tick", {"number": 1})
        first = await one.get()
        assert first is await two.get()
    assert first is not None
    lines = first.decode().splitlines()
    assert lines[1] == "event: tick"
    assert json.loads(lines[2].removeprefix("data: ")) == {"number": 1}


async def test_an_alarm_stays_after_it_is_seen_and_goes_with_its_cause(world: World) -> None:
    here = world.here
    world.refresh({CASE: 76.0})
    here.alarms.update(here.live.snapshot, here.live, START_S)
    item = (await world.ask("GET", "/alarms")).json()["items"][0]
    assert item["state"] == "active"
    assert "above its limit of 75.0" in item["body"]["text"]
    path = f"/alarms/{item['id']}/acknowledgements"
    seen = await world.ask("POST", path, Scope.OPERATOR, json={"note": "on my way"})
    assert (seen.status_code, seen.json()["state"]) == (201, "acknowledged")
    assert (await world.ask("POST", path, json={})).status_code == 409
    world.refresh({CASE: 70.0})
    for t in (30.0, 90.0):
        here.alarms.update(here.live.snapshot, here.live, START_S + t)
    assert [r["state"] for r in (await world.ask("GET", "/alarms")).json()["items"]] == ["cleared"]
