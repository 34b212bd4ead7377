"""``python -m benchmarks.plan_cases``: draw how price, carbon and the month's peak move a plan.

One hall of the campus with an untrained model of typical plant, planned once for each case from the
same state; the plots lie in docs/images/optimiser and are explained in docs/optimiser.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.scaled import reference_site
from benchmarks.sized import planned_request, untrained
from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import Plan, PlanRequest
from models.contract import Array

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images" / "optimiser"
FLAT = 0.10
DEAR = 0.60
DEAR_FROM, DEAR_TO = 18, 30
"""Steps of the dear hour."""
CARBON_PER_KG = 0.5
DIRTY_KG, CLEAN_KG = 0.7, 0.2
DEMAND_PER_KW = 12.0
LOAD_STEP = 1.15
ROUNDS = 2
"""Plans of the same situation, each from the one before, as one step's plan follows another's."""


@dataclass(frozen=True)
class Case:
    """A plan beside the plan of a flat price."""

    name: str
    title: str
    request: PlanRequest
    driver: str
    driven_by: Array


def settled(maker: PlanMaker, request: PlanRequest) -> Plan:
    """The plan that comes of planning the same situation again and again."""
    found: list[Plan] = []
    for _ in range(ROUNDS):
        plan = maker.make(request).plan
        if plan is None or not plan.verified:
            raise SystemExit("a case has no verified plan")
        request = replace(request, previous=plan.setpoints)
        found.append(plan)
    return found[-1]


def cases(base: PlanRequest) -> list[Case]:
    """Price, carbon and peak, each with the rest as it was."""
    steps = base.steps
    dear = np.full(steps, FLAT)
    dear[DEAR_FROM:DEAR_TO] = DEAR
    carbon = np.full(steps, CLEAN_KG)
    carbon[: steps // 2] = DIRTY_KG
    # A job comes: all racks take a seventh more for the hour.
    it_power = base.it_power.copy()
    it_power[DEAR_FROM:DEAR_TO] *= LOAD_STEP
    peak_kw = float(it_power.sum(axis=1).max())
    rows = tuple(tuple(float(v) for v in line) for line in it_power)
    return [
        Case(
            "price",
            "A dear hour",
            replace(base, price_per_kwh=tuple(map(float, dear))),
            "price, USD/kWh",
            dear,
        ),
        Case(
            "carbon",
            "Two dirty hours, then clean ones",
            replace(base, price_per_kwh=tuple(map(float, FLAT + CARBON_PER_KG * carbon))),
            "carbon, kg/kWh",
            carbon,
        ),
        Case(
            "peak",
            "A job above the month's peak",
            replace(base, it_power_kw=rows, peak_kw=peak_kw, demand_per_kw=DEMAND_PER_KW),
            "IT load, kW",
            it_power.sum(axis=1),
        ),
    ]


def draw(case: Case, plan: Plan, flat: Plan) -> None:
    """Driver, electric power of cooling with IT's leakage, and the colder water."""
    hours = np.arange(len(plan.setpoints)) * plan.step_s / 3600.0
    figure, axes = plt.subplots(3, 1, figsize=(7.0, 5.2), sharex=True, layout="constrained")
    axes[0].step(hours, case.driven_by, where="post", color="0.3")
    axes[0].set_ylabel(case.driver)
    axes[0].set_title(case.title)
    for shown, colour, name in ((flat, "0.55", "without it"), (plan, "#0b6e75", "with it")):
        axes[1].step(hours, _power(shown), where="post", color=colour, label=name)
        for group, style in (("cool.chw", "-"), ("tower_water.cw", ":")):
            g = next(i for i, found in enumerate(shown.groups) if found.startswith(group))
            values = [line[g] for line in shown.setpoints]
            axes[2].step(hours, values, where="post", color=colour, linestyle=style)
    axes[1].set_ylabel("cooling, kW")
    axes[1].legend(frameon=False, loc="upper right")
    axes[2].set_ylabel("water, °C\n(dotted: towers)")
    axes[2].set_xlabel("hours ahead")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(IMAGES / f"{case.name}.svg", metadata={"Date": None})
    plt.close(figure)


def _power(plan: Plan) -> Array:
    return np.asarray(np.array(plan.power_kw).sum(axis=1))


def figures(case: Case, plan: Plan, flat: Plan) -> dict[str, Any]:
    """What the plot shows, in numbers."""
    hour = slice(DEAR_FROM, DEAR_TO)
    return {
        "case": case.name,
        "in the hour kW": round(float(_power(plan)[hour].mean()), 2),
        "without kW": round(float(_power(flat)[hour].mean()), 2),
        "before it kW": round(float(_power(plan)[:DEAR_FROM].mean()), 2),
        "before it, without kW": round(float(_power(flat)[:DEAR_FROM].mean()), 2),
        "binding": [f"{b.constraint}: {b.shadow_price:g} {b.unit}" for b in plan.binding[:4]],
    }


def main() -> int:
    """Plan, draw, and print the figures."""
    import torch

    torch.set_num_threads(1)
    plt.rcParams["svg.hashsalt"] = "isotherm"
    IMAGES.mkdir(parents=True, exist_ok=True)
    site = reference_site("campus")
    bundle, settings = untrained(site), PlanningSettings()
    maker = PlanMaker(site, LearnedPredictor(site, bundle), settings)
    price = (FLAT,) * settings.steps
    base = planned_request(site, bundle, settings, price)
    for _ in range(ROUNDS):
        # From where the hall would come to rest, so that nothing but the case moves it.
        rest = np.array(settled(maker, base).setpoints[-1])
        base = planned_request(site, bundle, settings, price, rest)
    for case in cases(base):
        same = replace(base, it_power_kw=case.request.it_power_kw)
        flat, plan = settled(maker, same), settled(maker, case.request)
        draw(case, plan, flat)
        print(figures(case, plan, flat))
    return 0


if __name__ == "__main__":
    sys.exit(main())
