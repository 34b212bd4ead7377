"""Overrides, modes and releases, over the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.authority.roles import Scope
from facility.commands import Mode
from tests.controller_fakes import CDU_SETPOINT, CHILLERS, START_S, proposal, snapshot
from tests.service_world import World, approve, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


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
    decision = world.here.desk.decide(proposal(), snapshot(START_S, world.link.modes), START_S)
    assert decision is not None
    assert (decision.origin.value, len(decision.moves)) == ("optimiser", 1)
    assert (
        world.here.desk.decide(proposal(), snapshot(START_S, world.link.modes), START_S + 300)
        == decision
    )
    world.refresh()
    assert (await world.ask("POST", "/overrides", json=override())).status_code == 201
    assert world.here.desk.decide(proposal(2), snapshot(START_S, world.link.modes), START_S) is None


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
