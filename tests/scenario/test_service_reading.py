"""What the service tells of the plant, over the whole application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.authority.roles import Scope
from tests.controller_fakes import CASE, CDU_SETPOINT, CHILLERS, START_S, snapshot
from tests.service_world import World, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


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
    with world.here.live.hub.listen() as one, world.here.live.hub.listen() as two:
        world.here.live.hub.publish("tick", {"number": 1})
        first = await one.next()
        assert first == await two.next()
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


@pytest.mark.parametrize("path", ["/site", "/points", "/telemetry/latest"])
async def test_what_has_not_changed_is_not_sent_again(world: World, path: str) -> None:
    first = await world.ask("GET", path, Scope.VIEWER)
    tag = first.headers["etag"]
    again = await world.ask("GET", path, Scope.VIEWER, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    if path == "/telemetry/latest":
        world.refresh({CASE: 51.0})
        fresh = await world.ask("GET", path, Scope.VIEWER, headers={"If-None-Match": tag})
        assert fresh.json()["readings"][CASE]["value"] == 51.0


async def test_long_answers_come_packed_for_who_can_unpack_them(world: World) -> None:
    packed = await world.ask("GET", "/points", headers={"Accept-Encoding": "gzip"})
    plain = await world.ask("GET", "/points", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
