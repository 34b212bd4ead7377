"""Ours with a part taken away: what is taken is gone, and it still plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.arx import Arx, ArxEstimator, ArxPredictor, ArxState
from benchmarks.control_agents import ABLATIONS, AGENTS, OURS, STATIC_BLOCKS, Persistence
from benchmarks.control_days import days
from benchmarks.scaled import reference_site
from benchmarks.sized import START_S, planned_request, untrained
from controller.estimation.learned import LearnedForecaster
from controller.evaluation.in_process import LearnedStep
from controller.planning.predictor import LearnedPredictor
from controller.planning.solve import PlanMaker
from controller.planning.worker import InProcessPlanner
from facility.site import Site

LEADS_S = np.array([300.0, 14_400.0])


@pytest.fixture(scope="module")
def site() -> Site:
    return reference_site("campus")


@pytest.fixture(scope="module")
def step_of(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LearnedStep]:
    """The control step of an agent, over a model that nobody has trained."""
    folder = tmp_path_factory.mktemp("models")
    bundle = untrained(site)
    bundle.save(folder / "thermal")
    racks, groups = len(site.racks), list(site.groups.values())
    gain = np.zeros((racks, len(groups)))
    for r, rack in enumerate(site.racks.values()):
        for g, members in enumerate(groups):
            if members[0].equipment in rack.units and members[0].unit == "degC":
                gain[r, g] = 0.5 / len(rack.units)
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    none = np.zeros(racks)
    arx = Arx(none + 0.5, gain, 5.0 / rated, none, none, none, bundle.errors)
    (folder / "arx.json").write_text(json.dumps(arx.to_json()))
    models = {"thermal": folder / "thermal", "arx": folder / "arx.json"}
    prepared = days(3.0)[1].prepared()

    def make(name: str) -> LearnedStep:
        bound: Any = AGENTS[name].make(models)(site, prepared)
        step = bound.__self__
        assert isinstance(step, LearnedStep)
        return step

    return make


def maker(step: LearnedStep) -> PlanMaker:
    assert isinstance(step.planner, InProcessPlanner)
    return step.planner._maker


def test_each_takes_away_what_it_says_and_nothing_else(
    step_of: Callable[[str], LearnedStep],
) -> None:
    whole, bare, blind, linear, still = (step_of(name) for name in (OURS, *ABLATIONS))
    usual = maker(whole).predictor.margins(LEADS_S)
    assert usual.min() >= 1.0
    assert maker(bare).predictor.margins(LEADS_S).max() <= 0.05
    for step in (blind, still):
        assert isinstance(step.forecaster, Persistence)
        assert np.array_equal(maker(step).predictor.margins(LEADS_S), usual)
    for step in (whole, bare, linear):
        assert isinstance(step.forecaster, LearnedForecaster)
    assert still.settings.blocks == maker(still).settings.blocks == STATIC_BLOCKS
    assert whole.settings == bare.settings == blind.settings == linear.settings
    assert isinstance(maker(linear).predictor, ArxPredictor)
    assert isinstance(linear.estimator, ArxEstimator)
    assert type(maker(whole).predictor) is LearnedPredictor


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_has_a_verified_plan(
    name: str, site: Site, step_of: Callable[[str], LearnedStep]
) -> None:
    step = step_of(name)
    request = planned_request(site, step.bundle, step.settings, (0.1,) * step.settings.steps)
    if isinstance(step.estimator, ArxEstimator):
        none = np.zeros(len(site.racks))
        state = step.estimator.to_text(ArxState(START_S, none + 25.0, none))
        request = replace(request, state=state)
    outcome = maker(step).make(request)
    assert outcome.plan is not None
    assert outcome.plan.verified, outcome.attempts
    assert not outcome.fallback


def test_persistence_expects_the_mean_of_the_last_five_minutes(site: Site) -> None:
    racks = [str(site.tag(rack, "it_power")) for rack in site.racks]
    index = pd.to_datetime(START_S + 60.0 * np.arange(8), unit="s", utc=True)
    frame = pd.DataFrame({tag: np.arange(8.0) for tag in racks}, index=index)
    frame["outdoor.wet_bulb_temperature"] = 10.0
    frame["outdoor.dry_bulb_temperature"] = 14.0
    ahead = Persistence(site).outlook(frame, START_S + 480.0, 300.0, 3)
    assert ahead.it_power_kw.shape == (3, len(racks))
    assert (ahead.it_power_kw == 5.0).all()
    assert ahead.wet_bulb_c.tolist() == [10.0] * 3
    assert ahead.dry_bulb_c.tolist() == [14.0] * 3
