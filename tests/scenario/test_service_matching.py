"""Two people at one thing: who acts on what has changed since they looked is told, and may look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.authority.roles import Scope
from facility.commands import Mode
from tests.controller_fakes import CASE, CDU_SETPOINT, START_S
from tests.service_world import World, approve, made_world

OVERRIDE = {"target": CDU_SETPOINT, "value": 25.0, "lasts_s": 600.0, "why": "leak check"}
STANDING = {
    "targets": [CDU_SETPOINT],
    "largest_step": 1.0,
    "expires": str(START_S + 3600.0),
    "why": "cool nights",
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


async def an_override(world: World) -> tuple[str, str]:
    made = await world.ask("POST", "/overrides", json=OVERRIDE)
    return "/overrides/" + made.json()["overrides"][0]["id"], "releases"


async def a_decision(world: World) -> tuple[str, str]:
    world.offer()
    made = await approve(world)
    return "/decisions/" + made.json()["decision"]["id"], "withdrawals"


async def a_standing_approval(world: World) -> tuple[str, str]:
    made = await world.ask("POST", "/standing-approvals", json=STANDING)
    return "/standing-approvals/" + made.json()["id"], "withdrawals"


async def an_alarm(world: World) -> tuple[str, str]:
    world.refresh({CASE: 76.0})
    world.here.alarms.update(world.here.live.snapshot, world.here.live, START_S)
    (found,) = (await world.ask("GET", "/alarms")).json()["items"]
    return "/alarms/" + found["id"], "acknowledgements"


@pytest.mark.parametrize("make", [an_override, a_decision, a_standing_approval, an_alarm])
async def test_an_action_on_another_version_is_refused_and_changes_nothing(
    world: World, make: Any
) -> None:
    path, action = await make(world)
    seen = await world.ask("GET", path)
    tag = seen.headers["etag"]
    assert tag == f'"{seen.json()["version"]}"'
    body = {"why": "done"} if action != "acknowledgements" else {"note": "seen"}
    other = {"If-Match": '"77"'}
    refused = await world.ask("POST", f"{path}/{action}", json=body, headers=other)
    assert refused.status_code == 412
    assert "look again" in refused.json()["detail"]
    assert (await world.ask("GET", path)).headers["etag"] == tag
    done = await world.ask("POST", f"{path}/{action}", json=body, headers={"If-Match": tag})
    assert done.status_code == 201, done.text
    late = await world.ask("POST", f"{path}/{action}", json=body, headers={"If-Match": tag})
    assert late.status_code == 412


async def test_of_two_who_set_modes_as_seen_one_is_told_to_look_again(world: World) -> None:
    tag = (await world.ask("GET", "/modes")).headers["etag"]

    def put(mode: str) -> Any:
        body = {"mode": mode, "why": "as seen"}
        return world.ask("PUT", "/modes", json=body, headers={"If-Match": tag})

    answers = await asyncio.gather(put("automatic"), put("shadow"))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    done = next(answer for answer in answers if answer.status_code == 200)
    assert set(done.json()["modes"].values()) == {mode.value for mode in world.link.modes.values()}
    # What was set shows at once, and its tag is the one to go on with.
    now = await world.ask("GET", "/modes")
    assert now.json() == done.json()
    assert now.headers["etag"] == done.headers["etag"] != tag


async def test_the_way_back_asks_for_nothing(world: World) -> None:
    body = {"mode": "shadow", "why": "storm"}
    assert (await world.ask("PUT", "/modes", Scope.OPERATOR, json=body)).status_code == 200
    answer = await world.ask("POST", "/releases", Scope.OPERATOR, json={"why": "storm"})
    assert answer.status_code == 201
    told = await world.ask("GET", "/modes")
    assert set(told.json()["modes"].values()) == {Mode.SHADOW.value}


async def test_a_rejection_may_be_bound_to_the_plan_that_was_seen(world: World) -> None:
    world.offer()
    path, body = "/proposals/p1/rejections", {"why": "pump on test"}
    other = await world.ask("POST", path, json=body, headers={"If-Match": '"another"'})
    assert other.status_code == 412
    seen = await world.ask("POST", path, json=body, headers={"If-Match": '"hash1"'})
    assert seen.status_code == 201


async def test_approvals_of_limits_may_be_bound_to_who_had_approved(world: World) -> None:
    seen = await world.ask("GET", "/limits")
    body = {"hash": seen.json()["hash"], "why": "read them"}
    path = "/limits/approvals"
    refused = await world.ask("POST", path, json=body, headers={"If-Match": '"older"'})
    assert refused.status_code == 412
    assert not world.link.of("approve_limits")
