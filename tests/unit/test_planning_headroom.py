"""The room that a plan leaves, held against the analytic plant, whose rise is linear in load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.planning.headroom import Headroom, headroom
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import Plan, PlanRequest
from facility.site import Site
from models.contract import Inputs
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for


@pytest.fixture(scope="module")
def planned() -> tuple[AnalyticPlant, PlanRequest, Plan]:
    plant = AnalyticPlant(reference_site("campus"))
    request = request_for(plant)
    plan = PlanMaker(plant.site, plant, PlanningSettings()).make(request).plan
    assert plan is not None
    return plant, request, plan


def inputs_of(request: PlanRequest, plan: Plan) -> Inputs:
    return request.inputs(np.array(plan.setpoints))


def with_limit(site: Site, limit_c: float) -> Site:
    racks = {name: replace(rack, limit_c=limit_c) for name, rack in site.racks.items()}
    return replace(site, racks=racks)


def test_a_rack_that_takes_its_room_ends_at_its_limit(
    planned: tuple[AnalyticPlant, PlanRequest, Plan],
) -> None:
    plant, request, plan = planned
    inputs = inputs_of(request, plan)
    now_c = plant.roll_out(plant.state(request.state), inputs).limited_c
    racks = {
        name: replace(rack, limit_c=float(hottest) + 1.8)
        for (name, rack), hottest in zip(plant.site.racks.items(), now_c.max(axis=0), strict=True)
    }
    plant = AnalyticPlant(replace(plant.site, racks=racks))
    found = headroom(plant.site, plant, request, plan)
    last = request.steps - 1
    checked = 0
    for i, (rack, room) in enumerate(zip(plant.site.racks.values(), found.racks, strict=True)):
        if room.binds[last] != "temperature":
            continue
        checked += 1
        for kw, spare_k in ((room.expected_kw[last], 0.0), (room.lower_kw[last], plant.margin_k)):
            load = inputs.it_power_kw.copy()
            load[:, i] += kw
            hot = plant.roll_out(plant.state(request.state), replace(inputs, it_power_kw=load))
            if kw < rack.rated_kw - request.it_power_kw[last][i] - 1e-3:
                assert hot.limited_c[last, i] == pytest.approx(rack.limit_c - spare_k, abs=0.02)
            assert hot.limited_c[last, i] <= rack.limit_c - spare_k + 0.02
    assert checked > 3


def test_ratings_bind_where_temperatures_do_not(
    planned: tuple[AnalyticPlant, PlanRequest, Plan],
) -> None:
    plant, request, plan = planned
    cool = AnalyticPlant(with_limit(plant.site, 500.0))
    found = headroom(cool.site, cool, request, plan)
    racks = list(cool.site.racks.values())
    for i, room in enumerate(found.racks):
        spare = racks[i].rated_kw - request.it_power_kw[0][i]
        assert room.lower_kw[0] <= max(spare, 0.0) + 1e-3
        assert room.binds[0] != "temperature"
    cdu = next(iter(cool.site.cdus.values()))
    tight = replace(cool.site, cdus={**cool.site.cdus, cdu.id: replace(cdu, rated_kw=1.0)})
    found = headroom(tight, AnalyticPlant(tight), request, plan)
    unit = next(each for each in found.units if each.id == cdu.id)
    assert (unit.expected_kw[0], unit.binds[0]) == (0.0, "rating")
    on_it = [
        room
        for rack, room in zip(tight.racks.values(), found.racks, strict=True)
        if rack.units == (cdu.id,)
    ]
    assert on_it
    assert all(room.binds[0] == f"unit {cdu.id}" and room.lower_kw[0] == 0.0 for room in on_it)


def test_figures_are_in_order_and_nothing_is_negative(
    planned: tuple[AnalyticPlant, PlanRequest, Plan],
) -> None:
    plant, request, plan = planned
    for limit_c in (20.0, 45.0, 80.0):
        hall = AnalyticPlant(with_limit(plant.site, limit_c))
        found: Headroom = headroom(hall.site, hall, request, plan)
        for room in (*found.racks, *found.units, *found.loops):
            figures = zip(room.lower_kw, room.expected_kw, room.upper_kw, strict=True)
            assert all(0.0 <= low <= middle <= high for low, middle, high in figures)
        loops = [name for name in hall.site.loops if name != "tower_water"]
        assert [room.id for room in found.loops] == loops
