"""The planner in its own process: an answer within the limit, even from one that hangs or dies."""

from __future__ import annotations

import multiprocessing
import os
import time
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from controller.planning import worker
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import PlanRequest
from controller.planning.worker import InProcessPlanner, WorkerPlanner, carry_on
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for

SETTINGS = PlanningSettings(wall_clock_limit_s=1.0)


class Moody(PlanMaker):
    """Hangs, dies or raises where the number of the request says so."""

    def make(self, request: PlanRequest) -> Any:
        if request.number == 66:
            time.sleep(60.0)
        if request.number == 67:
            os._exit(3)
        if request.number == 68:
            raise RuntimeError("out of spirits")
        return super().make(request)


def build() -> PlanMaker:
    plant = AnalyticPlant(reference_site("campus"))
    return Moody(plant.site, plant, PlanningSettings())


def numbered(request: PlanRequest, number: int, later_s: float = 0.0) -> PlanRequest:
    from dataclasses import replace

    return replace(request, number=number, now_s=request.now_s + later_s)


async def test_it_answers_hangs_dies_and_answers_again() -> None:
    request = request_for(AnalyticPlant(reference_site("campus")))
    planner = WorkerPlanner(partial(build), SETTINGS, start_limit_s=60.0)
    try:
        first = await planner.plan(request)
        assert first.plan is not None
        assert first.plan.link == "piqp"

        since = time.perf_counter()
        hung = await planner.plan(numbered(request, 66, 300.0))
        assert time.perf_counter() - since < 3.0
        assert hung.timed_out
        assert hung.fallback
        assert hung.plan is not None
        assert hung.plan.link == "previous"
        assert "killed" in hung.attempts[0].why

        # Started anew, and dead at once: still an answer.
        dead = await planner.plan(numbered(request, 67, 3600.0))
        assert dead.fallback
        assert not dead.timed_out
        assert dead.plan is not None
        assert dead.plan.link == "ramp"

        angry = await planner.plan(numbered(request, 68, 300.0))
        assert "out of spirits" in angry.attempts[0].why

        again = await planner.plan(numbered(request, 2, 300.0))
        assert again.plan is not None
        assert again.plan.link == "piqp"
    finally:
        await planner.close()


async def test_a_worker_that_is_not_ready_in_time_is_started_anew() -> None:
    request = request_for(AnalyticPlant(reference_site("campus")))
    planner = WorkerPlanner(partial(build), SETTINGS, start_limit_s=0.01)
    try:
        await planner.prepare()
        planner._start_limit_s = 60.0
        for number in (1, 2):
            outcome = await planner.plan(numbered(request, number, 300.0 * number))
            assert outcome.plan is not None
            assert outcome.plan.link == "piqp"
            assert outcome.plan.start_s == request.now_s + 300.0 * number
    finally:
        await planner.close()


async def test_an_answer_to_an_earlier_request_is_dropped() -> None:
    ours, theirs = multiprocessing.Pipe()
    asked = worker._Worker(cast("Any", None), ours)
    with ours, theirs:
        theirs.send((0, "ready"))
        theirs.send((1, "mine"))
        assert await worker._exchange(asked, None, 1.0) == "mine"
        assert theirs.recv() == (1, None)
        theirs.send((1, "late"))
        with pytest.raises(TimeoutError):
            await worker._exchange(asked, None, 0.05)


async def test_in_this_process_the_answer_is_the_makers() -> None:
    request = request_for(AnalyticPlant(reference_site("campus")))
    maker = build()
    outcome = await InProcessPlanner(maker).plan(request)
    assert outcome == maker.make(request) or outcome.plan is not None
    assert outcome.plan is not None
    assert outcome.plan.verified


def test_a_plan_carried_on_without_models_only_ever_cools_more() -> None:
    plant = AnalyticPlant(reference_site("campus"))
    request = request_for(plant)
    plan = build().make(request).plan
    assert plan is not None
    later = numbered(request, 2, 300.0)
    carried = carry_on(plan, later)
    assert carried is not None
    for g, limit in enumerate(later.limits):
        change = np.array(carried.setpoints)[:, g] - limit.in_force
        assert np.all(change <= 1e-9 if limit.colder_is_lower else change >= -1e-9)
    assert carry_on(plan, numbered(request, 3, 7200.0)) is None
