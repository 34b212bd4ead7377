"""``python -m benchmarks.tank_case``: a storage tank and a dear hour, planned and then lived.

The campus with a tank and a trained model of it (made where none is kept, in a quarter of an hour).
One plan before a dear hour, with the tank and without it; with ``--hours``, so many hours of a
summer day at a time-of-use price besides, in closed loop, through control loop, gateway core and
envelope, with the tank left to plans and with it left standing. The plots lie in
docs/images/optimiser.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.closed_loop import site_and_model
from benchmarks.plan_cases import DEAR, FLAT, IMAGES, settled
from benchmarks.sized import planned_request
from controller.planning.predictor import LearnedPredictor
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import Plan, PlanRequest, StorageState
from facility.site import Site
from models.contract import Array
from models.registry import Bundle
from models.storage import full_kw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from controller.planning.words import Planner, PlanOutcome
    from sim.scenarios import Prepared

TANK, CHARGE = "tank1", "tank1.charge_setpoint"
SCENARIO, SITE = "campus-price-day", "campus-storage"
DEAR_FROM, DEAR_TO = 24, 36
"""Steps of the dear hour, which is one block of the plan: further ahead a plan sees hours."""
START = "2024-07-16T17:00:00"
"""UTC: of what is lived, two hours before the five dear ones (14 to 19 h there)."""
LEVEL_PCT, LOAD_KW, RUNNING_KW = 50.0, 1000.0, 3600.0
"""Of the planned case: half full, one chiller at a quarter of its rating."""
OURS, STILL, GREY = "#0b6e75", "0.55", "0.3"
MODELS = ".isotherm"


def prepared(hours: float) -> Prepared:
    """The price day on the campus with a tank."""
    from sim.scenarios import find, prepare

    return prepare(replace(find(SCENARIO), site=SITE), hours=hours, start=START)


def state_of(site: Site) -> StorageState:
    """The tank of the planned case."""
    tank = site.storage_tanks[TANK]
    full = full_kw(site, tank)
    return StorageState(
        group=CHARGE,
        level_pct=LEVEL_PCT,
        reserve_pct=tank.reserve_pct,
        full_kwh=full / tank.rated_flow_ls * 1000.0 * tank.volume_m3 / 3600.0,
        full_kw=full,
        loss_pct_per_day=tank.loss_pct_per_day,
        load_kw=LOAD_KW,
        running_kw=RUNNING_KW,
    )


def column(plan: Plan) -> Array:
    """(T,) charge, percent."""
    return np.array(plan.setpoints)[:, plan.groups.index(CHARGE)]


def level_of(state: StorageState, charge: Array, step_s: float) -> Array:
    """(T,) percent after each step."""
    kwh = np.cumsum(charge) / 100.0 * state.full_kw * step_s / 3600.0
    return np.asarray(state.level_pct + 100.0 * kwh / state.full_kwh)


def planned(site: Site, bundle: Bundle) -> dict[str, Any]:
    """Plan the dear hour with the tank and without it, draw both, and answer the figures."""
    settings = PlanningSettings()
    maker = PlanMaker(site, LearnedPredictor(site, bundle), settings)
    flat = (FLAT,) * settings.steps
    base = planned_request(site, bundle, settings, flat)
    for _ in range(2):
        rest = np.array(settled(maker, base).setpoints[-1])
        base = planned_request(site, bundle, settings, flat, rest)
    price = np.full(settings.steps, FLAT)
    price[DEAR_FROM:DEAR_TO] = DEAR
    later = (FLAT,) * int(settings.storage_look_ahead_h - 4.0)
    # The level of the case is given; none was read, so that its limits forbid a discharge.
    limits = tuple(
        replace(limit, lower=-100.0, lower_name="range") if limit.group == CHARGE else limit
        for limit in base.limits
    )
    alone: PlanRequest = replace(
        base,
        limits=limits,
        price_per_kwh=tuple(map(float, price)),
        price_later_per_kwh=later,
    )
    state = state_of(site)
    without, plan = settled(maker, alone), settled(maker, replace(alone, storage=(state,)))
    hours = np.arange(settings.steps) * settings.step_s / 3600.0
    drawn = {name: np.array(p.power_kw).sum(axis=1) for name, p in (("w", without), ("t", plan))}
    level = level_of(state, column(plan), settings.step_s)
    figure, axes = _axes("A dear hour, with a storage tank", "hours ahead")
    axes[0].step(hours, price, where="post", color=GREY)
    for name, colour, label in (("w", STILL, "tank stands still"), ("t", OURS, "tank charged")):
        axes[1].step(hours, drawn[name], where="post", color=colour, label=label)
    axes[2].step(hours, column(plan), where="post", color=OURS)
    ends = np.asarray(hours + settings.step_s / 3600.0, dtype=np.float64)
    _draw_level(axes[2], ends, level, state.reserve_pct)
    _save(figure, axes, "storage")
    window = {
        "before": slice(0, DEAR_FROM), "in": slice(DEAR_FROM, DEAR_TO),
        "after": slice(DEAR_TO, settings.steps),
    }  # fmt: skip
    return {
        **{f"{w} it kW": round(float(drawn["t"][part].mean()), 1) for w, part in window.items()},
        **{
            f"{w} it, without kW": round(float(drawn["w"][part].mean()), 1)
            for w, part in window.items()
        },
        "level before, after %": [round(float(level[k - 1]), 1) for k in (DEAR_FROM, DEAR_TO)],
        "said": [e.stopped_by for e in plan.effects if e.quantity == "charge_setpoint"],
    }


class StandsStill:
    """The planner of a step, to which no tank is told of: it lets them stand."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        """As the planner does without its storage."""
        return await self._planner.plan(replace(request, storage=()))

    async def close(self) -> None:
        """Close the planner."""
        await self._planner.close()


def lived(hours: float, model: Path) -> dict[str, Any]:
    """The day in closed loop, with the tank under plans and left standing; figures and a plot."""
    from controller.evaluation.files import RunFiles, read_frame
    from controller.evaluation.in_process import controlled, lay_site, learned_step
    from facility.commands import Mode

    day, figures, truths = prepared(hours), {}, {}
    for name in ("tank", "still"):
        with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as scratch:
            out = Path(scratch)
            site = lay_site(day, out)
            step = learned_step(site, model, day.grid)
            if name == "still":
                step = replace(step, planner=StandsStill(step.planner))
            account = controlled(day, site, step.tick, out, Mode.AUTOMATIC, lambda *_: None)
            truths[name] = read_frame(RunFiles(out).truth("isotherm"))
            summary = json.loads(RunFiles(out).summary.read_text(encoding="utf-8"))
            figures[name] = _figures(day, site, truths[name], account, summary)
    _draw_lived(day, truths)
    return figures


def _figures(
    day: Prepared, site: Site, truth: Any, account: Mapping[str, Any], summary: Mapping[str, Any]
) -> dict[str, Any]:
    kw, price = _cooling_kw(site, truth), day.grid.price.at(_times_s(truth))
    step_h = float(np.diff(_times_s(truth)).mean()) / 3600.0
    dear = price > price.mean()
    level = truth[f"{TANK}.charge_level"].to_numpy()
    return {
        "cooling kWh": round(float(kw.sum() * step_h), 1),
        "cost USD": round(float((kw * price).sum() * step_h), 2),
        "dear hours kW": round(float(kw[dear].mean()), 1),
        "other hours kW": round(float(kw[~dear].mean()), 1),
        "level % first, last": [round(float(v), 1) for v in (level[0], level[-1])],
        "above limits K min": account["limit_violation_degree_minutes"],
        "fallbacks": summary["fallbacks"],
        "ticks": summary["ticks"],
    }


def _times_s(truth: Any) -> Array:
    return np.asarray(truth.index.as_unit("ns").asi8 / 1e9)


def _cooling_kw(site: Site, truth: Any) -> Array:
    from controller.evaluation.series import component_tags

    tags = [tag for found in component_tags(site).values() for tag in found if tag]
    return np.asarray(truth[tags].sum(axis=1))


def _draw_lived(day: Prepared, truths: Mapping[str, Any]) -> None:
    figure, axes = _axes("A summer day at a time-of-use price, lived", "hours since midnight, UTC")
    for name, colour, label in (("still", STILL, "tank stands still"), ("tank", OURS, "tank used")):
        truth = truths[name]
        times_s = _times_s(truth)
        hours = (times_s - times_s[0] // 86_400.0 * 86_400.0) / 3600.0
        kw = np.convolve(_cooling_kw(day.site, truth), np.ones(15) / 15.0, mode="same")
        inner = slice(8, -8)
        axes[1].plot(hours[inner], kw[inner], color=colour, label=label)
        if name == "tank":
            axes[0].step(hours, day.grid.price.at(_times_s(truth)), where="post", color=GREY)
            axes[2].plot(hours, truth[f"{TANK}.charge_rate"], color=OURS)
            reserve = day.site.storage_tanks[TANK].reserve_pct
            _draw_level(axes[2], hours, truth[f"{TANK}.charge_level"].to_numpy(), reserve)
    _save(figure, axes, "storage-day")


def _axes(title: str, below: str) -> tuple[Any, list[Axes]]:
    figure, axes = plt.subplots(3, 1, figsize=(7.0, 5.6), sharex=True, layout="constrained")
    axes[0].set_title(title)
    axes[0].set_ylabel("price, USD/kWh")
    axes[1].set_ylabel("cooling, kW")
    axes[2].set_ylabel("charge, %\n(dotted: level)")
    axes[2].set_xlabel(below)
    return figure, list(axes)


def _draw_level(axis: Axes, hours: Array, level: Array, reserve_pct: float) -> None:
    axis.plot(hours, level, color=OURS, linestyle=":")
    axis.axhline(reserve_pct, color=GREY, linewidth=0.6)
    beside = ("axes fraction", "data")
    axis.annotate(" reserve", (1.0, reserve_pct), xycoords=beside, va="center", fontsize=8)
    axis.set_ylim(-105.0, 105.0)


def _save(figure: Any, axes: list[Axes], name: str) -> None:
    axes[1].legend(frameon=False, loc="best")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    """Plan, live, draw, and print the figures."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=0.0, help="to live in closed loop besides")
    parser.add_argument("--home", default=MODELS, help="where trained models are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plt.rcParams["svg.hashsalt"] = "isotherm"
    IMAGES.mkdir(parents=True, exist_ok=True)
    site, model = site_and_model(prepared(1.0), args.home)
    print(planned(site, Bundle.load(model, site)))
    if args.hours > 0.0:
        for name, found in lived(args.hours, model).items():
            print(name, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
