"""What people may decide on proposals, over the whole application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.authority.roles import Scope
from facility.commands import Mode, Recheck
from facility.telemetry import Quality, Reading
from tests.controller_fakes import CASE, CDU_SETPOINT, START_S, proposal, snapshot
from tests.service_world import World, approve, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


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


async def test_an_approval_starts_from_the_setpoint_in_force(world: World) -> None:
    world.offer()
    world.refresh({CDU_SETPOINT: 29.0})  # the plant's own reset
    shown = (await world.ask("GET", "/proposals/p1")).json()["moves"][0]
    assert (shown["now"], shown["proposed"], shown["is_left"]) == (29.0, 32.0, True)
    answer = await approve(world, share=0.5)
    assert answer.json()["decision"]["moves"][0] == {
        "actuator": CDU_SETPOINT,
        "now": 29.0,
        "proposed": 30.5,
    }


async def test_where_the_plant_went_by_itself_there_is_nothing_to_approve(world: World) -> None:
    world.offer()
    world.refresh({CDU_SETPOINT: 33.0})
    assert not (await world.ask("GET", "/proposals/p1")).json()["moves"][0]["is_left"]
    answer = await approve(world)
    assert answer.status_code == 409
    assert "nothing of the move is left" in answer.json()["detail"]
    world.refresh({CDU_SETPOINT: 30.0})
    assert (await approve(world)).status_code == 201


async def test_a_proposal_that_falls_says_why_and_cannot_be_approved(world: World) -> None:
    world.offer()
    world.here.desk.drop("p1", "the plant has left the region", START_S + 300.0)
    seen = (await world.ask("GET", "/proposals/p1")).json()
    assert (seen["state"], seen["outcome"]["why"]) == (
        "superseded",
        "the plant has left the region",
    )
    assert (await approve(world)).status_code == 409
    world.here.desk.drop("p1", "again", START_S + 600.0)
    assert (await world.ask("GET", "/proposals/p1")).json()["outcome"] == seen["outcome"]


async def test_what_the_models_say_later_is_shown_with_it(world: World) -> None:
    world.offer()
    assert world.here.live.snapshot is not None
    again = Recheck(START_S + 300.0, 9.5, 22.8, 4.25, "rack1")
    world.here.desk.decide(
        replace(proposal(), recheck=again), world.here.live.snapshot, START_S + 300.0
    )
    seen = (await world.ask("GET", "/proposals/p1")).json()
    assert seen["proposal"]["recheck"]["saving_kw"] == 9.5
    assert any("rolled out again at 2024-04-07T00:05:00" in line for line in seen["checked"])
    assert (await approve(world)).status_code == 201


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
