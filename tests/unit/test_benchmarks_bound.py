"""The relaxation's bound: below every plan, and near what its own setpoints cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.tick_bound import lower_bound
from controller.planning.corridor import Corridor
from controller.planning.settings import PlanningSettings
from controller.planning.situation import Situation
from controller.planning.solve import PlanMaker
from controller.planning.verify import rollout
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for

SETTINGS = PlanningSettings(blocks=(1,) * 24)


def situation(load: float) -> tuple[Situation, PlanMaker]:
    plant = AnalyticPlant(reference_site("campus"))
    maker = PlanMaker(plant.site, plant, SETTINGS)
    request = request_for(plant, load=load, settings=SETTINGS)
    corridor = Corridor(request, SETTINGS)
    state = plant.state(request.state)
    return Situation(plant.site, request, state, maker.layout, corridor, plant), maker


def test_no_plan_is_below_it_and_its_own_setpoints_cost_little_more() -> None:
    cool, maker = situation(0.1)
    found = lower_bound(cool)
    bound = found.cost
    plan = maker.make(cool.request).plan
    assert plan is not None
    ours = rollout(cool, np.array(plan.setpoints)).merit
    assert bound <= ours
    rng = np.random.default_rng(1)
    lower, upper = cool.corridor.ends
    for _ in range(20):
        wanted = lower + rng.uniform(size=lower.shape) * (upper - lower)
        assert bound <= rollout(cool, cool.corridor.settle(wanted)).merit
    # What its own setpoints cost by the models: leakage, and what the tangents left, is between.
    assert bound > 0.8 * rollout(cool, found.blocks).merit


def test_blocks_of_several_steps_are_refused() -> None:
    cool, _ = situation(0.1)
    longer = replace(cool.layout, settings=PlanningSettings(blocks=(12, 12)))
    with pytest.raises(ValueError, match="one step each"):
        lower_bound(replace(cool, layout=longer))
