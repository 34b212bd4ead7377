"""What the site file wants two people for, over the whole application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.authority.roles import Scope
from facility.commands import Mode
from facility.site import People
from tests.controller_fakes import CDU_SETPOINT, START_S
from tests.service_world import World, made_world

BODY = {"mode": "automatic", "why": "the trial was good"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    people = People(two_people=("automatic", "standing_approvals"))
    async with made_world(tmp_path, people) as made:
        yield made


async def agree(world: World, request: str, scope: Scope, **body: Any) -> Any:
    return await world.ask("POST", f"/requests/{request}/approvals", scope, json=body)


async def test_going_automatic_takes_another_person(world: World) -> None:
    asked = await world.ask("PUT", "/modes", Scope.ENGINEER, json=BODY)
    assert asked.status_code == 202
    request = asked.json()
    assert (request["state"], len(request["approvals"])) == ("pending", 1)
    assert set(world.link.modes.values()) == {Mode.ADVISORY}
    own = await agree(world, request["id"], Scope.ENGINEER)
    assert own.status_code == 409
    assert "another person" in own.json()["detail"]
    assert (await agree(world, request["id"], Scope.OPERATOR)).status_code == 403
    other = await agree(world, request["id"], Scope.ADMIN, why="yes")
    assert (other.status_code, other.json()["state"]) == (201, "agreed")
    assert set(world.link.modes.values()) == {Mode.AUTOMATIC}
    assert (await agree(world, request["id"], Scope.ADMIN)).status_code == 409
    back = {"mode": "shadow", "why": "storm"}
    assert (await world.ask("PUT", "/modes", Scope.OPERATOR, json=back)).status_code == 200


async def test_where_ones_own_yes_does_not_count_two_others_agree(tmp_path: Path) -> None:
    people = People(two_people=("automatic",), own_approval=False)
    async with made_world(tmp_path, people) as world:
        request = (await world.ask("PUT", "/modes", Scope.ENGINEER, json=BODY)).json()["id"]
        own = await agree(world, request, Scope.ENGINEER)
        assert own.status_code == 409
        assert "own_approval" in own.json()["detail"]
        assert (await agree(world, request, Scope.ADMIN)).json()["state"] == "pending"
        bob = await world.log_in("bob", Scope.ENGINEER)
        path = f"/requests/{request}/approvals"
        assert (await bob.ask("POST", path, json={})).json()["state"] == "agreed"
        assert set(world.link.modes.values()) == {Mode.AUTOMATIC}


async def test_a_request_expires_and_is_never_carried_out_late(world: World) -> None:
    request = (await world.ask("PUT", "/modes", Scope.ENGINEER, json=BODY)).json()["id"]
    world.at(START_S + 3600.0)
    assert (await agree(world, request, Scope.ADMIN)).status_code == 409
    (listed,) = (await world.ask("GET", "/requests")).json()["items"]
    assert listed["state"] == "expired"
    assert set(world.link.modes.values()) == {Mode.ADVISORY}


async def test_yes_and_no_at_once_have_one_outcome(world: World) -> None:
    request = (await world.ask("PUT", "/modes", Scope.ENGINEER, json=BODY)).json()["id"]
    no = world.ask("POST", f"/requests/{request}/rejections", json={"why": "not now"})
    answers = await asyncio.gather(agree(world, request, Scope.ADMIN), no)
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_a_request_that_the_gateway_does_not_take_has_failed(world: World) -> None:
    request = (await world.ask("PUT", "/modes", Scope.ENGINEER, json=BODY)).json()["id"]
    world.link.away = True
    assert (await agree(world, request, Scope.ADMIN)).status_code == 503
    (listed,) = (await world.ask("GET", "/requests")).json()["items"]
    assert (listed["state"], listed["outcome"]["who"]) == ("failed", "isotherm")


async def test_a_standing_approval_takes_another_person_too(world: World) -> None:
    wish = {
        "targets": [CDU_SETPOINT],
        "largest_step": 1.0,
        "expires": "2024-04-12T00:00:00Z",
        "why": "cool nights",
    }
    asked = await world.ask("POST", "/standing-approvals", json=wish)
    assert asked.status_code == 202
    assert (await world.ask("GET", "/standing-approvals")).json()["items"] == []
    assert (await agree(world, asked.json()["id"], Scope.ADMIN)).status_code == 201
    (granted,) = (await world.ask("GET", "/standing-approvals")).json()["items"]
    assert (granted["state"], granted["standing"]["who"]) == ("active", "engineer one")
