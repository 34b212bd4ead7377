"""Things that happen at once: one outcome each, and it is on record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.authority.desk import Desk
from controller.authority.roles import Actor, Scope
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import PlanOutcome, PlanRequest
from controller.planning.worker import InProcessPlanner
from controller.storage.records import LocalRecords
from controller.tick import Parts, TickState, tick
from facility.commands import Mode
from tests.controller_fakes import CDU_SETPOINT, START_S, FakeLink, proposal, snapshot
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_ports import TakesAll
from tests.planning_requests import snapshot_for, usual_setpoints
from tests.service_world import World, approve, made_world

OVERRIDE = {"target": CDU_SETPOINT, "value": 25.0, "lasts_s": 600.0, "why": "leak check"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


async def outcomes(world: World) -> dict[str, int]:
    """How often each action stands in the audit."""
    found: dict[str, int] = {}
    for item in (await world.ask("GET", "/audit")).json()["items"]:
        action = item["body"]["action"]
        found[action] = found.get(action, 0) + 1
    return found


async def test_many_people_at_once_decide_once(world: World) -> None:
    world.offer()
    people = [
        approve(world, scope=scope)
        for scope in (Scope.OPERATOR, Scope.ENGINEER, Scope.ADMIN)
        for _ in range(3)
    ]
    answers = await asyncio.gather(*people)
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 8]
    assert len((await world.ask("GET", "/decisions")).json()["items"]) == 1
    assert (await outcomes(world))["approved"] == 1
    assert len(world.link.of("command")) == 1


async def test_two_undos_at_once_go_back_once(world: World) -> None:
    world.offer()
    decision = (await approve(world)).json()["decision"]
    world.refresh()
    path = f"/decisions/{decision['id']}/reversals"
    undo = [world.ask("POST", path, Scope.OPERATOR, json={"why": "noise"}) for _ in range(4)]
    answers = await asyncio.gather(*undo)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert (await outcomes(world))["undid"] == 1


async def test_two_overrides_of_one_actuator_at_once_hold_once(world: World) -> None:
    other = {**OVERRIDE, "value": 26.0}
    answers = await asyncio.gather(
        world.ask("POST", "/overrides", Scope.OPERATOR, json=OVERRIDE),
        world.ask("POST", "/overrides", Scope.ENGINEER, json=other),
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    active = (await world.ask("GET", "/overrides", params={"state": "active"})).json()["items"]
    assert [item["override"]["value"] for item in active] == [world.link.values[CDU_SETPOINT]]


async def test_an_approval_and_a_release_at_once_leave_the_plant_alone(world: World) -> None:
    world.offer()
    approved, _ = await asyncio.gather(
        approve(world), world.ask("POST", "/releases", Scope.OPERATOR, json={"why": "smoke"})
    )
    world.refresh()
    assert world.here.live.snapshot is not None
    assert await world.here.desk.carry_out(world.here.live.snapshot, START_S + 60.0) == ()
    decisions = (await world.ask("GET", "/decisions")).json()["items"]
    if approved.status_code == 201:
        (decision,) = decisions
        assert decision["state"] == "withdrawn"
        assert "shadow" in decision["outcome"]["why"]
    else:  # the release came first, and nothing waits for a yes in shadow
        assert (approved.status_code, decisions) == (409, [])


async def test_a_mode_change_in_mid_flight_ends_what_is_not_written_yet(world: World) -> None:
    world.offer()
    world.link.away = True
    assert (await approve(world)).status_code == 201
    world.link.away = False
    body = {"mode": "off", "why": "maintenance"}
    assert (await world.ask("PUT", "/modes", Scope.OPERATOR, json=body)).status_code == 200
    world.refresh()
    assert world.here.live.snapshot is not None
    assert await world.here.desk.carry_out(world.here.live.snapshot, START_S + 60.0) == ()
    assert world.link.values == {}
    back = {"mode": "advisory", "why": "done"}
    await world.ask("PUT", "/modes", Scope.ENGINEER, json=back)
    world.refresh()
    assert await world.here.desk.carry_out(world.here.live.snapshot, START_S + 120.0) == ()
    assert (await outcomes(world))["withdrew"] == 1


async def test_an_approval_in_the_second_of_its_expiry_is_refused(world: World) -> None:
    world.offer()
    world.at(START_S + 1199.9)
    assert (await approve(world)).status_code == 201
    world.at(START_S + 3000.0)
    world.refresh()
    world.here.desk.decide(
        replace(proposal(2), created_at_s=START_S + 3000.0, expires_at_s=START_S + 4200.0),
        snapshot(START_S + 3000.0, world.link.modes),
        START_S + 3000.0,
    )
    world.at(START_S + 4200.0)
    late = await approve(world, 2)
    assert late.status_code == 409
    assert (await outcomes(world))["expired"] == 1


class Interrupted(InProcessPlanner):
    """A solver during whose run something else happens."""

    def __init__(self, maker: PlanMaker, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(maker)
        self._meanwhile = meanwhile

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        outcome = await super().plan(request)
        await self._meanwhile()
        return outcome


async def test_an_override_during_the_solvers_run_is_not_written_over(tmp_path: Path) -> None:
    site = reference_site("campus")
    plant, usual = AnalyticPlant(site), usual_setpoints(site)
    maker = PlanMaker(site, plant, PlanningSettings())
    racks = plant.settled(
        usual[None, :], np.array([[0.6 * rack.rated_kw for rack in site.racks.values()]])
    )[0]
    shot = snapshot_for(site, usual, racks)
    shot = replace(shot, modes=dict.fromkeys(site.actuators, Mode.AUTOMATIC))
    records = LocalRecords(tmp_path / "records.db")
    link = FakeLink(site, Mode.AUTOMATIC)
    desk = Desk(site, records, link)
    ann = Actor("ann", Scope.OPERATOR)
    taken: list[str] = []

    async def overridden() -> None:
        proposed = site.groups["cool.chw_supply_temperature_setpoint"]
        for actuator in proposed:
            value = actuator.minimum + 1.0
            placed, _ = await desk.override(
                actuator.id, value, 600.0, ann, "mine", snapshot=shot, now_s=shot.time_s
            )
            taken.extend(each.actuator for each in placed)

    gateway = TakesAll()
    wired = Parts(
        site=site,
        model_version=plant.version,
        estimator=plant,
        forecaster=plant,
        planner=Interrupted(maker, overridden),
        authority=desk,
        gateway=gateway,
    )
    _, record = await tick(TickState.start(site), shot, wired)
    assert record.proposal is not None
    assert {move.actuator for move in record.proposal.moves} & set(taken), "it was planned to move"
    assert gateway.sent, "the others are moved"
    assert not {command.actuator for command in gateway.sent} & set(taken)
    assert record.decision is not None
    assert not {move.actuator for move in record.decision.moves} & set(taken)
    records.close()
