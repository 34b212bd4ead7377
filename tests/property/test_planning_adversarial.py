"""Whatever the situation, a request has an answer that keeps hard limits and rates."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from controller.planning.corridor import Corridor
from controller.planning.layout import Layout
from controller.planning.problem import Answer, Numbers
from controller.planning.settings import PlanningSettings
from controller.planning.solve import SOLVERS, PlanMaker, Solver
from controller.planning.words import PlanRequest
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for

SITE = reference_site("campus")
PLANT = AnalyticPlant(SITE)
G = len(SITE.groups)
STEPS = PlanningSettings().steps
PRICES = (0.1, 0.0, -0.05, 3.0)
NONSENSE = (*([""] * 6), "state", "sensor", "load", "weather", "price")


def situation(number: int) -> tuple[PlanRequest, dict[str, Solver]]:
    """A hall anywhere, limits that contradict it, now and then nonsense, and a chain of solvers.

    The same for the same number, so that one that fails can be tried again by itself.
    """
    rng = np.random.default_rng(number)
    low = np.array([m[0].minimum for m in SITE.groups.values()])
    high = np.array([m[0].maximum for m in SITE.groups.values()])
    setpoints = low + rng.uniform(-0.1, 1.1, G) * (high - low)
    racks = np.array([r.limit_c for r in SITE.racks.values()]) + rng.uniform(
        -40.0, rng.uniform(-20.0, 20.0), len(SITE.racks)
    )
    changes: dict[str, dict[str, float]] = {}
    for name, x in zip(SITE.groups, setpoints, strict=True):
        kind = rng.integers(0, 8)
        if kind == 0:
            changes[name] = {"lower": float(x) + 1.0, "upper": float(x) + 1.5}
        elif kind == 1:
            changes[name] = {"fixed_at": float(x) + 3.0, "fixed_until_s": 1.72001e9}
        elif kind == 2:
            changes[name] = {"free_from_s": 1.7200095e9}
        elif kind == 3:
            changes[name] = {"rise_per_step": 0.0, "fall_per_step": 0.0}
    request = request_for(
        PLANT,
        load=rng.choice([0.0, 1.0, rng.uniform()], p=[0.05, 0.05, 0.9]),
        wet_bulb_c=rng.uniform(-20.0, 35.0),
        setpoints=setpoints,
        racks_c=racks,
        price=[PRICES[rng.integers(len(PRICES))]] * STEPS,
        limits=changes,
    )
    nonsense = NONSENSE[rng.integers(len(NONSENSE))]
    if nonsense == "state":
        request = replace(request, state=json.dumps({"racks": [float("nan")] * len(SITE.racks)}))
    elif nonsense == "sensor":
        # Some froze where they stood: far below, or far above, what the hall can be at.
        frozen = np.where(rng.random(len(racks)) < 0.2, rng.choice([-40.0, 150.0]), racks)
        request = replace(request, state=json.dumps({"racks": frozen.tolist()}))
    elif nonsense == "load":
        bad = ((float("nan"),) * len(SITE.racks),) * request.steps
        request = replace(request, it_power_kw=bad)
    elif nonsense == "weather":
        request = replace(request, wet_bulb_c=(float("inf"),) * request.steps)
    elif nonsense == "price":
        request = replace(request, price_per_kwh=(float("nan"),) * request.steps)
    if rng.random() < 0.5:
        request = replace(request, peak_kw=rng.uniform(0.0, 5000.0), demand_per_kw=12.0)
    return request, dict(CHAINS[rng.integers(len(CHAINS))])


def raises(_numbers: Numbers, _layout: Layout) -> Answer:
    raise RuntimeError("the solver is gone")


def far_away(numbers: Numbers, _layout: Layout) -> Answer:
    return Answer("optimal", np.full_like(numbers.nominal, 2.1e9), 0.0, {})


def stands_still(numbers: Numbers, _layout: Layout) -> Answer:
    return Answer("optimal", np.zeros_like(numbers.nominal), 0.0, {})


def not_a_number(numbers: Numbers, _layout: Layout) -> Answer:
    return Answer("optimal", np.full_like(numbers.nominal, np.nan), float("nan"), {})


BAD: tuple[Solver, ...] = (raises, far_away, stands_still, not_a_number)
"""What solvers have answered, or not."""

CHAINS: tuple[dict[str, Solver], ...] = (
    *([SOLVERS] * 6),
    *({**SOLVERS, "piqp": bad} for bad in BAD),
    *(dict.fromkeys(SOLVERS, bad) for bad in BAD),
)


def test_there_is_always_a_plan_within_limits_and_rates() -> None:
    for number in range(60):
        check(number)


@pytest.mark.study
@pytest.mark.parametrize("hundred", range(100))
def test_there_is_one_in_ten_thousand_situations(hundred: int) -> None:
    for number in range(100 * hundred, 100 * hundred + 100):
        check(number)


MAKER = PlanMaker(SITE, PLANT, PlanningSettings())


def check(number: int) -> None:
    """A verified plan or the rule's, within every limit, within the time that there is."""
    request, chain = situation(number)
    MAKER.solvers = chain
    outcome = MAKER.make(request)
    said = f"situation {number}: {outcome.attempts}"
    assert outcome.seconds < MAKER.settings.wall_clock_limit_s, said
    assert outcome.plan is not None, said
    assert outcome.plan.verified or outcome.plan.link == "ramp", said
    assert np.isfinite(outcome.plan.saving_kw), said
    setpoints = np.array(outcome.plan.setpoints)
    assert np.all(np.isfinite(setpoints)), said
    corridor = Corridor(request, MAKER.settings)
    blocks = setpoints[corridor.block_start]
    lower, upper = corridor.ends
    assert np.all(blocks >= lower - 1e-5), said
    assert np.all(blocks <= upper + 1e-5), said
    rise, fall = corridor.rates
    moves = np.diff(blocks, axis=0, prepend=request.in_force[None, :])
    assert np.all(moves <= rise + 1e-5), said
    assert np.all(-moves <= fall + 1e-5), said
