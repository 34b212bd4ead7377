"""Standing approvals, undoing, regions and panels, over the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.authority.roles import Scope
from facility.commands import Command, Mode, Move, Origin
from facility.telemetry import Authority, DeviceStatus
from tests.controller_fakes import CASE, CDU_SETPOINT, CHILLERS, START_S, proposal, snapshot
from tests.service_world import World, approve, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


def wish(**more: Any) -> dict[str, Any]:
    return {
        "targets": [CDU_SETPOINT],
        "largest_step": 2.0,
        "expires": "2024-04-12T00:00:00Z",
        "why": "the night is cool",
        **more,
    }


async def grant(world: World, **more: Any) -> dict[str, Any]:
    answer = await world.ask("POST", "/standing-approvals", json=wish(**more))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def carry_out(world: World, later_s: float = 5.0) -> Any:
    world.at(world.here.clock.now_s() + later_s)
    world.refresh()
    assert world.here.live.snapshot is not None
    return await world.here.desk.carry_out(world.here.live.snapshot, world.here.clock.now_s())


async def test_a_covered_move_is_written_without_asking_under_the_optimisers_budgets(
    world: World,
) -> None:
    granted = await grant(world)
    world.offer()
    (receipt,) = await carry_out(world)
    assert receipt.written == 32.0
    (command,) = world.link.of("command")[0]
    assert isinstance(command, Command)
    assert command.origin is Origin.OPTIMISER
    seen = (await world.ask("GET", "/proposals/p1")).json()
    assert seen["state"] == "approved"
    assert seen["moves"][0]["covered_by"] == granted["id"]
    (decision,) = (await world.ask("GET", "/decisions")).json()["items"]
    assert (decision["standing"], decision["decision"]["who"]) == (granted["id"], "engineer one")
    assert await carry_out(world) == ()


@pytest.mark.parametrize(
    ("bounds", "at"),
    [
        ({"largest_step": 1.0, "reach": 5.0}, START_S),  # the step is too large
        ({"largest_step": 2.0, "reach": 1.5}, START_S),  # it leads too far
        ({"from_hour": "08:00", "to_hour": "18:00"}, START_S),  # not at midnight
        ({"from_hour": "00:00", "to_hour": "02:00", "time_zone": "Asia/Tokyo"}, START_S),
        ({"targets": ["chillers"]}, START_S),
        ({}, START_S + 6 * 86_400.0),  # past Friday
    ],
)
async def test_what_is_not_covered_waits_for_a_person(
    world: World, bounds: dict[str, Any], at: float
) -> None:
    await grant(world, **bounds)
    world.at(at)
    world.refresh()
    world.here.desk.decide(proposal(1, at), snapshot(at, world.link.modes), at)
    assert (await world.ask("GET", "/proposals/p1")).json()["state"] == "pending"
    assert await carry_out(world) == ()
    assert world.link.values == {}


async def test_hours_may_span_midnight(world: World) -> None:
    await grant(world, from_hour="22:00", to_hour="06:00")
    world.offer()
    assert [r.written for r in await carry_out(world)] == [32.0]


async def test_the_part_that_is_covered_moves_and_the_rest_waits(world: World) -> None:
    await grant(world)
    world.refresh()
    both = replace(proposal(), moves=(*proposal().moves, *(Move(c, 10.0, 11.0) for c in CHILLERS)))
    world.here.desk.decide(both, snapshot(START_S, world.link.modes), START_S)
    await carry_out(world)
    assert world.link.values == {CDU_SETPOINT: 32.0}
    seen = (await world.ask("GET", "/proposals/p1")).json()
    assert seen["state"] == "pending"
    answer = await approve(world)
    assert {m["actuator"] for m in answer.json()["decision"]["moves"]} == set(CHILLERS)
    assert world.link.values == {CDU_SETPOINT: 32.0, **dict.fromkeys(CHILLERS, 11.0)}


async def test_a_withdrawn_standing_approval_says_yes_to_nothing_more(world: World) -> None:
    granted = await grant(world)
    path = f"/standing-approvals/{granted['id']}/withdrawals"
    answer = await world.ask("POST", path, Scope.OPERATOR, json={"why": "heat wave"})
    assert (answer.status_code, answer.json()["state"]) == (201, "withdrawn")
    assert (await world.ask("POST", path, json={"why": "again"})).status_code == 409
    world.offer()
    assert await carry_out(world) == ()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"targets": ["nobody"]}, 404),
        ({"largest_step": 0.0}, 422),
        ({"expires": "2024-04-01T00:00:00Z"}, 422),
        ({"expires": "2025-04-01T00:00:00Z"}, 422),
        ({"expires": "friday"}, 422),
        ({"time_zone": "Mars/Olympus"}, 422),
        ({"time_zone": "../../etc/passwd"}, 422),
        ({"from_hour": "25:00"}, 422),
        ({"why": ""}, 422),
    ],
)
async def test_a_bad_standing_approval_says_what_is_wrong(
    world: World, more: dict[str, Any], status: int
) -> None:
    answer = await world.ask("POST", "/standing-approvals", json=wish(**more))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_undo_returns_to_the_earlier_values_through_the_gateway(world: World) -> None:
    world.offer()
    decision = (await approve(world)).json()["decision"]
    world.refresh()
    path = f"/decisions/{decision['id']}/reversals"
    answer = await world.ask("POST", path, Scope.OPERATOR, json={"why": "noisy pump"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["decision"]["moves"] == [
        {"actuator": CDU_SETPOINT, "now": 32.0, "proposed": 30.0}
    ]
    assert world.link.values == {CDU_SETPOINT: 30.0}
    before = (await world.ask("GET", f"/decisions/{decision['id']}")).json()
    assert before["state"] == "withdrawn"
    assert before["reversed_by"] == answer.json()["decision"]["id"]
    assert (await world.ask("POST", path, json={"why": "twice"})).status_code == 409
    actions = [i["body"]["action"] for i in (await world.ask("GET", "/audit")).json()["items"]]
    assert actions[0] == "undid"


async def test_an_undo_has_its_window_and_respects_overrides(world: World) -> None:
    world.offer()
    decision = (await approve(world)).json()["decision"]
    path = f"/decisions/{decision['id']}/reversals"
    override = {"target": CDU_SETPOINT, "value": 25.0, "lasts_s": 60.0, "why": "leak check"}
    await world.ask("POST", "/overrides", json=override)
    held = await world.ask("POST", path, json={"why": "x"})
    assert held.status_code == 409
    assert "overridden" in held.json()["detail"]
    world.at(START_S + 3601.0)
    late = await world.ask("POST", path, json={"why": "x"})
    assert late.status_code == 409
    assert "60 min" in late.json()["detail"]


async def test_a_decision_can_be_withdrawn_until_it_is_written(world: World) -> None:
    world.offer()
    world.link.away = True
    decision = (await approve(world)).json()["decision"]
    path = f"/decisions/{decision['id']}/withdrawals"
    assert (await world.ask("POST", path, Scope.OPERATOR, json={"why": "no"})).status_code == 201
    world.link.away = False
    assert await carry_out(world) == ()
    assert (await world.ask("POST", path, json={"why": "no"})).status_code == 409


async def test_a_plant_that_leaves_the_region_ends_what_was_approved(world: World) -> None:
    world.offer()
    world.link.away = True
    assert (await approve(world)).status_code == 201
    world.link.away = False
    world.link.values[CASE] = 61.0
    assert await carry_out(world) == ()
    (decision,) = (await world.ask("GET", "/decisions")).json()["items"]
    assert decision["state"] == "withdrawn"
    assert f"{CASE} is 61" in decision["outcome"]["why"]


async def test_a_change_at_the_panel_counts_as_an_override(world: World) -> None:
    def look(note: str, value: float) -> None:
        seen = snapshot(world.here.clock.now_s(), world.link.modes, {CDU_SETPOINT: value})
        status = DeviceStatus("cdu1", True, Authority.LOCAL, False, seen.time_s, 1.0, note)
        world.here.live.snapshot = replace(seen, devices={**seen.devices, "cdu1": status})

    async def looked() -> list[dict[str, Any]]:
        assert world.here.live.snapshot is not None
        await world.here.desk.carry_out(world.here.live.snapshot, world.here.clock.now_s())
        return list((await world.ask("GET", "/overrides")).json()["items"])

    look("latched: other_hand: cdu1: we set 32 degC and find 27: somebody else holds it", 27.0)
    (held,) = await looked()
    assert (held["state"], held["at_panel"]) == ("active", True)
    assert (held["override"]["value"], held["override"]["who"]) == (27.0, "panel of cdu1")
    assert [o.value for o in world.here.desk.overrides(START_S)] == [27.0], "it is planned around"
    assert world.link.of("override") == []
    assert world.link.of("command") == []
    path = f"/overrides/{held['id']}/releases"
    refused = await world.ask("POST", path, json={"why": "mine"})
    assert refused.status_code == 409
    assert "at the machine" in refused.json()["detail"]
    look("latched: other_hand: cdu1: we set 32 degC and find 26: somebody else holds it", 26.0)
    assert [o["override"]["value"] for o in await looked()] == [26.0]
    look("", 26.0)
    assert [o["state"] for o in await looked()] == ["released"]


async def test_automatic_decisions_cannot_be_undone(world: World) -> None:
    world.link.modes = dict.fromkeys(world.link.modes, Mode.AUTOMATIC)
    decision = world.here.desk.decide(proposal(), snapshot(START_S, world.link.modes), START_S)
    assert decision is not None
    answer = await world.ask("POST", f"/decisions/{decision.id}/reversals", json={"why": "x"})
    assert answer.status_code == 409
    assert "mode's own" in answer.json()["detail"]
