"""Plans, headroom, the model, reports and figures for Prometheus, over the whole application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.records import TickRecord
from controller.service.context import Model
from tests.controller_fakes import CASE, START_S, snapshot
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for
from tests.service_world import World, made_world

STEPS = PlanningSettings().steps


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


def plan(world: World) -> str:
    """Let the campus be planned for, and keep the step; answer its id."""
    site = reference_site("campus")
    plant = AnalyticPlant(site)
    request = request_for(plant)
    outcome = PlanMaker(site, plant, PlanningSettings()).make(request)
    empty = TickRecord.empty(1, snapshot(START_S, world.link.modes), site, plant.version, ())
    kept = world.here.ticks.keep(replace(empty, request=request, outcome=outcome))
    model = Model(plant.version, {"site": site.id}, plant)
    world.app.state.context = replace(world.here, site=site, model=model)
    return str(kept["id"])


async def test_a_plan_is_shown_with_its_horizon_and_its_bands(world: World) -> None:
    assert (await world.ask("GET", "/plans/current")).status_code == 404
    tick = plan(world)
    answer = await world.ask("GET", "/plans/current")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["tick"] == tick
    assert len(found["setpoints"]) == len(found["power_kw"]) == len(found["wet_bulb_c"]) == STEPS
    assert len(found["setpoints"][0]) == len(found["groups"]) == len(found["units"])
    assert {band["unit"] for band in found["bands"]} == {"degC", "kW"}
    assert (await world.ask("GET", f"/plans/{tick}")).json() == found
    assert (await world.ask("GET", "/plans/nothing")).status_code == 404


async def test_headroom_is_told_by_loop_unit_and_rack_with_what_binds(world: World) -> None:
    plan(world)
    answer = await world.ask("GET", "/headroom")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert len(found["racks"]) == 100
    for room in (*found["racks"], *found["units"], *found["loops"]):
        assert room["now_kw"] == room["lower_kw"][0]
        assert len(room["binds"]) == len(found["times_s"]) == STEPS
    rack = found["racks"][3]["id"]
    one = (await world.ask("GET", "/headroom", params={"rack": rack})).json()
    assert [room["id"] for room in one["racks"]] == [rack]
    assert (await world.ask("GET", "/headroom", params={"rack": "nobody"})).status_code == 404
    other = replace(world.app.state.context.model, version="newer")
    world.app.state.context = replace(world.app.state.context, model=other)
    assert (await world.ask("GET", "/headroom")).status_code == 409


async def test_the_model_is_told_with_its_card(world: World) -> None:
    (found,) = (await world.ask("GET", "/models")).json()
    assert (found["version"], found["in_use"], found["card"]["site"]) == ("m1", True, "small")


async def test_reports_of_the_state_directory_are_listed_and_read(
    world: World, tmp_path: Path
) -> None:
    assert (await world.ask("GET", "/reports")).json() == []
    folder = world.here.reports / "march"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"saving_kwh": 3.0}), "utf-8")
    (folder / "report.html").write_text("<p>", "utf-8")
    (listed,) = (await world.ask("GET", "/reports")).json()
    assert (listed["name"], listed["parts"]) == ("march", ["report.html", "report.json"])
    assert (await world.ask("GET", "/reports/march")).json() == {"saving_kwh": 3.0}
    assert (await world.ask("GET", "/reports/april")).status_code == 404


async def test_prometheus_reads_the_figures_and_sees_gaps(world: World) -> None:
    answer = await world.ask("GET", "/metrics")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}
    assert families["isotherm_gateway_up"].samples[0].value == 1.0
    cases = {s.labels["tag"]: s.value for s in families["isotherm_point_celsius"].samples}
    assert cases[CASE] == 50.0
    world.here.live.snapshot = snapshot(START_S, world.link.modes)
    readings = dict(world.here.live.snapshot.readings)
    del readings[CASE]
    world.here.live.snapshot = replace(world.here.live.snapshot, readings=readings)
    answer = await world.ask("GET", "/metrics")
    assert CASE not in answer.text
