"""The simulated plant beside EnergyPlus: same machines, load, weather and setpoints.

How far the two are apart, and why, is told in docs/simulation.md; here stand the tolerances.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.validation import components, energyplus
from benchmarks.validation.office import SEASONS
from benchmarks.validation.same_plant import (
    PLATE_SHARE,
    SETTLED_H,
    Agreement,
    Comparison,
    compare,
)

pytestmark = pytest.mark.skipif(
    not energyplus.available(), reason="pyenergyplus-lbnl is of the development packages"
)


@pytest.fixture(scope="module")
def summer() -> Comparison:
    return compare(SEASONS[0])


@pytest.fixture(scope="module")
def winter() -> Comparison:
    return compare(SEASONS[1], exchanger_share=PLATE_SHARE)


def test_both_engines_carry_the_same_heat_in_the_same_weather(summer: Comparison) -> None:
    ours, theirs = summer.ours.iloc[SETTLED_H:], summer.theirs.iloc[SETTLED_H:]
    assert ours["load_kw"].to_numpy() == pytest.approx(theirs["load_kw"].to_numpy(), rel=1e-3)
    # One reads dew point and asks psychrolib, the other has a psychrometry of its own; both
    # draw lines between the hours of the file.
    assert Agreement.of(summer).wet_bulb_k < 0.3


def test_energyplus_closes_its_own_condenser_loop(summer: Comparison) -> None:
    steps = summer.steps.iloc[12:]
    columns = [f"{name}{i}_w" for name in ("chiller", "cooling") for i in (1, 2)]
    inflow = steps[columns].sum(axis=1).to_numpy()
    # What is left over is its condenser pump. With its usual two iterations up to 30 % is.
    assert np.abs(steps["tower_heat_w"].to_numpy() / inflow - 1.0).max() < 0.02


def test_summer_days_take_the_same_power_within_three_percent(summer: Comparison) -> None:
    found = Agreement.of(summer)
    assert abs(found.chillers) < 0.03
    assert abs(found.both) < 0.03
    assert abs(found.cop) < 0.02
    assert abs(found.fans) < 0.05
    assert found.worst_hour < 0.04


def test_summer_days_have_the_same_water_temperatures(summer: Comparison) -> None:
    found = Agreement.of(summer)
    assert found.tower_k < 0.2
    assert found.condenser_k < 0.25


def test_winter_days_are_carried_by_the_economiser_alike(winter: Comparison) -> None:
    found = Agreement.of(winter)
    assert abs(found.economiser) < 0.015
    assert abs(found.both) < 0.08
    assert found.tower_k < 0.6
    # Chillers rest in nine hours of ten in both, and in the same ones.
    rest = [
        (table["cooling_kw"].iloc[SETTLED_H:] < 20.0).to_numpy()
        for table in (winter.ours, winter.theirs)
    ]
    assert (rest[0] == rest[1]).mean() > 0.85


def test_a_chiller_takes_at_energyplus_states_what_energyplus_says(summer: Comparison) -> None:
    errors = components.chiller_errors(summer.plant, summer.steps)
    # The same everywhere: ours holds its nameplate at AHRI's rating point, theirs at the set's.
    assert len(errors) > 400
    assert np.ptp(errors) < 0.002
    assert np.abs(errors).max() < 0.01


def test_a_tower_cools_at_energyplus_states_as_energyplus_says(summer: Comparison) -> None:
    apart = components.tower_errors_k(summer.plant, summer.steps)
    assert len(apart) > 200
    assert np.abs(apart).mean() < 0.1
    assert np.abs(apart).max() < 0.3
