"""Who controls a day: ours whole, ours with a part taken away, and the plant's own control.

All but the plant's own act through the same loop, gateway core, envelope and journal.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.control_days import MODEL_SEED, Day
from benchmarks.harness import BenchmarkError

if TYPE_CHECKING:
    import pandas as pd

    from controller.estimation.forecasts import Outlook
    from controller.evaluation.in_process import LearnedStep, MakeTick
    from controller.planning.settings import PlanningSettings
    from facility.site import Site
    from sim.scenarios import Prepared

OURS = "isotherm"
BASELINES = ("guideline36", "fixed")
SAC = "sac"
STATIC_BLOCKS = (24,)
"""Two hours held at one level: the least that plans may look ahead."""
HELD_ROWS = 5


def run_agent(day: Day, agent: str, models: Mapping[str, Path]) -> dict[str, Any]:
    """A day under ``agent``: the plant's accounts, and what the controller counted.

    ``models`` has the folder of the learned model (``thermal``) and what else the agent asks for.
    """
    prepared = day.prepared()
    if agent in BASELINES:
        from sim.scenarios import run_scenario

        return {"account": run_scenario(prepared, local_control=agent).summary()}
    result = run_step(prepared, AGENTS[agent].make(models))
    if not AGENTS[agent].plans:
        del result["ticks"], result["fallbacks"]  # there is no plan to fall back from
    return result


def run_step(prepared: Prepared, make: Make) -> dict[str, Any]:
    """A day under a control step of any kind, through the whole chain."""
    from controller.evaluation.files import RunFiles
    from controller.evaluation.in_process import InProcessError, controlled, lay_site
    from facility.commands import Mode

    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as scratch:
        out = Path(scratch)
        site = lay_site(prepared, out)
        try:
            step = make(site, prepared)
            account = controlled(prepared, site, step, out, Mode.AUTOMATIC, lambda *_: None)
        except InProcessError as error:
            raise BenchmarkError(str(error)) from error
        summary = json.loads(RunFiles(out).summary.read_text(encoding="utf-8"))
    writes = account["writes"]["accepted"].get("setpoint", 0)
    return {
        "account": dict(account),
        "moves_per_point_hour": writes / len(site.actuators) / prepared.hours,
        "ticks": summary["ticks"],
        "fallbacks": summary["fallbacks"],
    }


Make = Callable[["Site", "Prepared"], "MakeTick"]
"""The control step of a day at a site."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A control step to be tried."""

    name: str
    about: str
    make: Callable[[Mapping[str, Path]], Make]
    """From the folders and files of models."""
    models: tuple[str, ...] = ("thermal",)
    """Those that it asks for."""
    plans: bool = True
    """Whether a solver plans its steps."""
    is_ablation: bool = True
    needs_stages: bool = False
    """Whether it says something at sites that take stage requests alone."""


def _ours(models: Mapping[str, Path], change: Callable[[Site, LearnedStep], LearnedStep]) -> Make:
    def make(site: Site, prepared: Prepared) -> MakeTick:
        from controller.evaluation.in_process import learned_step

        return change(site, learned_step(site, models["thermal"], prepared.grid)).tick

    return make


def _whole(_site: Site, step: LearnedStep) -> LearnedStep:
    return step


def _no_margins(site: Site, step: LearnedStep) -> LearnedStep:
    """The model's errors are taken to be none: 0.05 K is kept, a sensor's resolution."""
    from controller.planning.predictor import LearnedPredictor
    from models.uncertainty import LEADS_S, ErrorModel, GroupErrors

    none = (0.0,) * len(LEADS_S)
    errors = ErrorModel(
        dict.fromkeys(step.bundle.errors.groups, GroupErrors(none, none, none, none))
    )
    bundle = replace(step.bundle, errors=errors)
    return _planned_by(site, step, LearnedPredictor(site, bundle), step.settings)


def _no_forecasts(_site: Site, step: LearnedStep) -> LearnedStep:
    return replace(step, forecaster=Persistence(_site))


def _static(site: Site, step: LearnedStep) -> LearnedStep:
    from controller.planning.predictor import LearnedPredictor

    settings = replace(step.settings, blocks=STATIC_BLOCKS)
    held = replace(step, forecaster=Persistence(site))
    return _planned_by(site, held, LearnedPredictor(site, step.bundle), settings)


def _no_staging(site: Site, step: LearnedStep) -> LearnedStep:
    """Stages stay as they were at take-over, as far as the sequencer lets them."""
    from controller.planning.predictor import LearnedPredictor

    settings = replace(step.settings, staging=False)
    return _planned_by(site, step, LearnedPredictor(site, step.bundle), settings)


def _planned_by(
    site: Site, step: LearnedStep, predictor: Any, settings: PlanningSettings
) -> LearnedStep:
    from controller.planning.solve import PlanMaker
    from controller.planning.worker import InProcessPlanner

    planner = InProcessPlanner(PlanMaker(site, predictor, settings))
    return replace(step, planner=planner, settings=settings)


def _arx(models: Mapping[str, Path]) -> Make:
    def change(site: Site, step: LearnedStep) -> LearnedStep:
        from benchmarks.arx import Arx, ArxEstimator, ArxPredictor

        arx = Arx.from_json(json.loads(models["arx"].read_text(encoding="utf-8")))
        predictor = ArxPredictor(site, step.bundle, arx)
        estimator = ArxEstimator(site, step.bundle, arx)
        return replace(_planned_by(site, step, predictor, step.settings), estimator=estimator)

    return _ours(models, change)


def _sac(models: Mapping[str, Path]) -> Make:
    from benchmarks.control_rl import agent_step

    return agent_step(models)


class Persistence:
    """A `Forecaster` that expects what the last five minutes had."""

    def __init__(self, site: Site) -> None:
        self._racks = [str(site.tag(rack, "it_power")) for rack in site.racks]
        self._weather = [
            str(site.tag("outdoor", name))
            for name in ("wet_bulb_temperature", "dry_bulb_temperature")
        ]

    def outlook(self, frame: pd.DataFrame, start_s: float, step_s: float, steps: int) -> Outlook:  # noqa: ARG002 - a port
        """The mean of the last rows, held."""
        from controller.estimation.forecasts import Outlook

        recent = frame.iloc[-HELD_ROWS:]
        wet_bulb_c, dry_bulb_c = recent[self._weather].mean()
        return Outlook(
            it_power_kw=np.tile(recent[self._racks].mean().to_numpy(dtype=float), (steps, 1)),
            wet_bulb_c=np.full(steps, float(wet_bulb_c)),
            dry_bulb_c=np.full(steps, float(dry_bulb_c)),
        )


def fit_arx(site_name: str) -> dict[str, Any]:
    """The linear model of a site, fitted to the history that its learned model is trained on."""
    from benchmarks.arx import fit
    from controller.demo.model import HISTORY_SEED
    from sim.history import record_commissioning
    from sim.scenarios.build import reference

    site, parameters = reference(site_name)
    frame = record_commissioning(site, parameters, seed=HISTORY_SEED + MODEL_SEED)
    return fit(site, frame).to_json()


AGENTS: dict[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent(OURS, "ours", lambda models: _ours(models, _whole), is_ablation=False),
        Agent(
            "no_margins",
            "ours without margins for the model's error",
            lambda models: _ours(models, _no_margins),
        ),
        Agent(
            "no_forecasts",
            "ours with load and weather taken to stay as they are",
            lambda models: _ours(models, _no_forecasts),
        ),
        Agent(
            "linear_arx",
            "ours with a linear ARX model of the racks in place of the learned one",
            _arx,
            models=("thermal", "arx"),
        ),
        Agent(
            "static",
            "each step the best level to hold at the load and weather of now (no look-ahead)",
            lambda models: _ours(models, _static),
        ),
        Agent(
            "no_staging",
            "ours without stages planned, where a sequencer takes requests",
            lambda models: _ours(models, _no_staging),
            needs_stages=True,
        ),
        Agent(
            SAC,
            "an agent of reinforcement learning (SAC)",
            _sac,
            models=(SAC,),
            plans=False,
            is_ablation=False,
        ),
    )
}
ABLATIONS = tuple(a.name for a in AGENTS.values() if a.is_ablation and not a.needs_stages)
STAGED_ABLATIONS = tuple(a.name for a in AGENTS.values() if a.is_ablation and a.needs_stages)
"""Those of the days at a site that takes stage requests."""
