"""What the shortcuts of a step cost: our plan against those of problems without them.

One is without the choice of rows: every rack has a row at every check, and both may take as many
rounds. One is ours with more rounds. One is also without move blocks: every step has a move of its
own, which may then go at a write's rate every step, while our longer blocks keep the dwell between
writes. Each follows the same plan, as in service, a step after plans began; all are compared by
what the nonlinear models expect of them.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.scaled import HALL_RACKS, scaled_site
from benchmarks.sized import planned_request, untrained
from benchmarks.tick_bound import lower_bound
from controller.planning.corridor import Corridor
from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.situation import Situation
from controller.planning.solve import PlanMaker
from controller.planning.verify import rollout
from facility.site import Site

BLOCKS = (1, 1, 1, 2, 3, 4, 6, 6)
"""Two hours of our own: without blocks a solve takes seconds there, and minutes over four hours."""
ROUNDS, ROUND_GAIN = 5, 0.0005
"""Of the problems without shortcuts."""
LOW, HIGH = 0.1, 0.4
"""Prices a kWh."""


def gaps(racks: int) -> dict[str, float]:
    """Of a hall: both gaps, the time of the problem without shortcuts, and the bound."""
    torch.set_num_threads(1)
    site, ours = scaled_site(racks // HALL_RACKS), PlanningSettings()
    patient = replace(ours, rounds=ROUNDS, round_gain=ROUND_GAIN)
    rows = replace(patient, hottest=len(site.racks))
    half = ours.steps // 2
    dear = (LOW,) * half + (HIGH,) * (ours.steps - half)
    flat = (LOW,) * ours.steps
    found = [compared(site, patient, rows, price) for price in (flat, dear)]
    rounds = compared(site, ours, patient, flat)
    shorter = replace(ours, blocks=BLOCKS)
    whole = replace(rows, blocks=(1,) * shorter.steps)
    free = compared(site, shorter, whole, (LOW,) * shorter.steps)
    return {
        "gap": max(each["gap"] for each in found),
        "rounds_gap": rounds["gap"],
        "blocking_gap": free["gap"],
        "over_bound": free["over_bound"],
        "full_s": free["full_s"],
        "ours_s": free["ours_s"],
    }


def compared(
    site: Site, ours: PlanningSettings, full: PlanningSettings, price: tuple[float, ...]
) -> dict[str, Any]:
    """Cost of our plan over the other's less 1, seconds of both, and ours over the bound."""
    bundle = untrained(site)
    predictor = LearnedPredictor(site, bundle)
    makers = {"ours": PlanMaker(site, predictor, ours), "full": PlanMaker(site, predictor, full)}
    request = planned_request(site, bundle, ours, price)
    # As in service: the plan follows the one of the step before.
    started = makers["ours"].make(request).plan
    if started is None:
        raise RuntimeError("there is no plan to start from")
    request = replace(request, previous=started.setpoints)
    layout, state = makers["full"].layout, predictor.state(request.state)
    situation = Situation(site, request, state, layout, Corridor(request, full), predictor)
    cost, seconds = {}, {}
    for name, maker in makers.items():
        began = time.process_time()
        plan = maker.make(request).plan
        seconds[name] = time.process_time() - began
        if plan is None or not plan.verified:
            raise RuntimeError(f"the plan of {name} was not verified")
        cost[name] = rollout(situation, np.array(plan.setpoints)[layout.block_start]).merit
    found = {
        "gap": cost["ours"] / cost["full"] - 1.0,
        "full_s": seconds["full"],
        "ours_s": seconds["ours"],
    }
    if set(full.blocks) == {1}:
        found["over_bound"] = cost["ours"] / lower_bound(situation).cost - 1.0
    return found
