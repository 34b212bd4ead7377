"""An agent of reinforcement learning learns on the environment and acts through the gateway."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks import control_rl
from benchmarks.control_agents import run_step
from benchmarks.control_days import days
from benchmarks.control_rl import Policy, Range, agent_step, train
from sim.environment import PlantEnvironment

HOURS = 0.25
RUN_H = 0.1


@pytest.fixture(scope="module")
def days_of_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent that has seen few steps of a single day, briefly warmed up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control_rl, "days", lambda hours, week: days(hours, week)[1:2])
        patch.setattr(
            control_rl,
            "PlantEnvironment",
            lambda day, **kept: PlantEnvironment(day, warm_up_h=0.1, **kept),
        )
        return train("campus", tmp_path_factory.mktemp("agent"), steps=4, hours=HOURS)


@pytest.mark.slow
def test_it_acts_through_the_gateway_within_ranges_and_rates(days_of_one: Path) -> None:
    day = dataclasses.replace(days(HOURS)[1], hours=RUN_H)
    result = run_step(day.prepared(), agent_step({"sac": days_of_one}))
    writes = result["account"]["writes"]
    assert writes["accepted"]["setpoint"] > 0
    assert writes["rejected"] == {}
    assert result["account"]["seconds"] == 3600.0 * RUN_H


def test_the_same_observation_gives_the_same_action_and_training_is_kept(days_of_one: Path) -> None:
    policy = Policy(days_of_one)
    seen = np.full(policy._mean.shape, 20.0, dtype=np.float32)
    first = policy.act(seen)
    assert np.array_equal(first, Policy(days_of_one).act(seen))
    assert (np.abs(first) <= 1.0).all()
    written = (days_of_one / control_rl.AGENT).stat().st_mtime_ns
    assert train("campus", days_of_one) == days_of_one
    assert (days_of_one / control_rl.AGENT).stat().st_mtime_ns == written


def test_a_step_goes_no_further_than_the_sites_rates() -> None:
    site = days(HOURS)[1].prepared().site
    limits = Range(site)
    held = 0.5 * (limits.low + limits.high)
    for action in (-1.0, 1.0):
        now = limits.towards(held, np.full(len(held), action, dtype=np.float32))
        for value, before, members in zip(now, held, site.groups.values(), strict=True):
            one = members[0]
            rate = (
                one.rate_towards_per_min
                if one.is_more_cooling(value, before)
                else one.rate_away_per_min
            )
            assert abs(value - before) <= rate * control_rl.STEP_S / 60.0 + 1e-9
