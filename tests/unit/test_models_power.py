"""Power is convex in the setpoints; cuts lie below it and touch it; leakage is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import psychrolib
import pytest
import torch
from torch import nn

from models.contract import Array, Inputs, Leakage, PowerCuts
from models.dataset import History
from models.layout import layout_of
from models.leakage import PRIOR_PER_K, find_leakage
from models.power import SIGNS, PowerModel, UnitPower, new_plant
from models.power_features import FEATURES, PowerLayout
from tests.models_hall import LEAKAGE_PER_K, small_bundle, small_history, small_inputs, small_site

SITE = small_site()
LAYOUT = layout_of(SITE)


def random_power(seed: int) -> PowerModel:
    """Untrained: convexity must not depend on the fit."""
    plant = nn.ModuleDict(
        {
            name: new_plant(name, PowerLayout.of(SITE, LAYOUT), seed + i)
            for i, name in enumerate(SIGNS)
        }
    )
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in plant.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    flow = LAYOUT.groups.index("cdu1.tcs_flow_setpoint")
    unit = UnitPower("cdu1", "cdu_pumps", flow, 16.0, 8.0, 16.0, 0.3, 6.0, 2.6)
    none = np.zeros(len(LAYOUT.racks))
    leakage = Leakage(none + 0.002, none, none + 40.0)
    return PowerModel(PowerLayout.of(SITE, LAYOUT), plant, (unit,), leakage, {})


def all_cuts(power: PowerModel, inputs: Inputs, n: int) -> PowerCuts:
    """Of plant and units together."""
    plant, units = power.cuts(inputs, n), power.unit_cuts(inputs, n)
    slope = np.zeros((len(units.group), inputs.setpoints.shape[1]))
    slope[np.arange(len(slope)), units.group] = units.slope
    return PowerCuts(
        components=(*plant.components, *units.components),
        component=np.concatenate([plant.component, units.component + len(plant.components)]),
        step=np.concatenate([plant.step, units.step]),
        constant=np.concatenate([plant.constant, units.constant]),
        slope=np.concatenate([plant.slope, slope]),
    )


def by_component(cuts: PowerCuts, setpoints: Array, steps: int) -> dict[str, Array]:
    """The highest cut of each component at each step."""
    rows = cuts.constant + (cuts.slope * setpoints[cuts.step]).sum(axis=1)
    answer = {name: np.full(steps, -np.inf) for name in cuts.components}
    for row, value in enumerate(rows):
        name = cuts.components[cuts.component[row]]
        answer[name][cuts.step[row]] = max(answer[name][cuts.step[row]], value)
    return answer


def total(inputs: Inputs, power: PowerModel) -> Array:
    return np.asarray(sum(power.predict(inputs).values()))


@pytest.mark.parametrize("seed", range(5))
def test_power_is_convex_in_the_setpoints(seed: int) -> None:
    power, a = random_power(seed), small_inputs(50, 300.0, seed)
    b = replace(a, setpoints=small_inputs(50, 300.0, seed + 99).setpoints)
    for share in (0.25, 0.5, 0.9):
        between = replace(a, setpoints=share * a.setpoints + (1.0 - share) * b.setpoints)
        for name, middle in power.predict(between).items():
            chord = share * power.predict(a)[name] + (1.0 - share) * power.predict(b)[name]
            assert (middle <= chord + 1e-9).all(), name


@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_under_estimates_and_touch_at_the_point(seed: int) -> None:
    power, inputs = random_power(seed), small_inputs(20, 300.0, seed)
    cuts = all_cuts(power, inputs, 4)
    here = by_component(cuts, inputs.setpoints, inputs.steps)
    np.testing.assert_allclose(sum(here.values()), total(inputs, power), rtol=1e-9)
    for other in range(5):
        moved = replace(inputs, setpoints=small_inputs(20, 300.0, 50 + other).setpoints)
        below = by_component(cuts, moved.setpoints, inputs.steps)
        assert (sum(below.values()) <= total(moved, power) + 1e-9).all()


def test_slopes_of_the_cuts_equal_finite_differences() -> None:
    power, inputs = random_power(1), small_inputs(3, 300.0, 1)
    cuts = all_cuts(power, inputs, 1)
    for group in range(len(LAYOUT.groups)):
        up, down = inputs.setpoints.copy(), inputs.setpoints.copy()
        up[:, group] += 1e-4
        down[:, group] -= 1e-4
        above, under = (replace(inputs, setpoints=s) for s in (up, down))
        expected = (total(above, power) - total(under, power)) / 2e-4
        slope = np.bincount(cuts.step, weights=cuts.slope[:, group])
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("component", "quantity", "sign"),
    [
        ("chillers", "cw_supply_temperature_setpoint", 1),  # more lift
        ("chillers", "chw_supply_temperature_setpoint", -1),  # less lift
        ("chillers", "tcs_supply_temperature_setpoint", -1),  # a warmer return for the towers
        ("chillers", "fan_speed_setpoint", 1),  # their heat
        ("fws_pumps", "tcs_supply_temperature_setpoint", -1),  # valves close
    ],
)
def test_signs_of_the_plant_are_those_of_physics(component: str, quantity: str, sign: int) -> None:
    power, inputs = random_power(3), small_inputs(30, 300.0, 3)
    groups = [i for i, g in enumerate(LAYOUT.groups) if g.endswith("." + quantity)]
    moved = inputs.setpoints.copy()
    moved[:, groups] += 1.0
    before = power.predict(inputs)[component]
    change = power.predict(replace(inputs, setpoints=moved))[component] - before
    assert (change * sign >= -1e-9).all()


def test_levels_that_rise_together_change_no_difference() -> None:
    power, inputs = random_power(4), small_inputs(10, 300.0, 4)
    warmer = inputs.setpoints + np.array([1.0 * ("temperature" in g) for g in LAYOUT.groups])
    together = replace(inputs, setpoints=warmer, wet_bulb_c=inputs.wet_bulb_c + 1.0)
    features, _ = power.layout.features(inputs)
    gain = power.layout.gain(together.wet_bulb_c) / power.layout.gain(inputs.wet_bulb_c)
    np.testing.assert_allclose(power.layout.features(together)[0], features * gain, atol=1e-12)
    assert features.shape == (10, len(FEATURES))


def test_a_kelvin_of_approach_is_worth_what_the_enthalpy_of_saturated_air_makes_of_it() -> None:
    # ASHRAE Handbook, Fundamentals, moist air at sea level, saturated: 16.70 and 27.03 kJ/kg at
    # 4 and 9 °C, 42.11 and 57.55 at 15 and 20 °C, 57.55 and 76.50 at 20 and 25 °C.
    gain = random_power(4).layout.gain(np.array([4.0, 15.0, 20.0]))
    usual = 57.55 - 42.11
    expected = [(27.03 - 16.70) / usual, 1.0, (76.50 - 57.55) / usual]
    np.testing.assert_allclose(gain[:, 0], expected, rtol=0.01)
    assert (gain[:, 1:] == 1.0).all()


def test_a_fitted_pump_law_is_the_plants() -> None:
    pump = next(u for u in small_bundle().power.units if u.unit == "cdu1")
    flow = np.linspace(9.0, 16.0, 8)
    # the synthetic hall's own law, in its units
    np.testing.assert_allclose(pump.kw(flow), 0.3 + 6.0 * (flow / 16.0) ** 2.6, rtol=0.02)


def test_the_chillers_gain_from_warmer_chilled_water_as_the_plant_does() -> None:
    power = small_bundle().power
    inputs = small_inputs(200, 300.0, 4)
    group = LAYOUT.groups.index("cool.chw_supply_temperature_setpoint")
    warmer = inputs.setpoints.copy()
    warmer[:, group] += 1.0
    before = power.predict(inputs)["chillers"]
    change = power.predict(replace(inputs, setpoints=warmer))["chillers"] - before
    # the synthetic hall's chillers draw (trim + air) * lift/120, its lift being 6 K at least
    cool, tower, warm = (
        inputs.setpoints[:, LAYOUT.groups.index(name)]
        for name in (
            "cool.chw_supply_temperature_setpoint",
            "tower_water.cw_supply_temperature_setpoint",
            "warm.fws_supply_temperature_setpoint",
        )
    )
    total_kw = inputs.it_power_kw.sum(axis=1)
    trim = 0.3 * total_kw * np.clip(1.0 - (warm - tower) / 12.0, 0.0, 1.0)
    air = inputs.it_power_kw[:, LAYOUT.air].sum(axis=1)
    expected = -(trim + air) / 120.0 * (tower + 5.0 - cool > 6.0)
    assert float(change.mean()) == pytest.approx(float(expected.mean()), rel=0.4)


def test_leakage_is_found_in_the_meters() -> None:
    # the synthetic hall's loads step at random by tens of percents, every half an hour or so
    history = History.of(SITE, small_history(72.0, seed=5))
    found = find_leakage(history)
    liquid = LAYOUT.liquid
    assert (found.per_k[LAYOUT.air] == 0.0).all()
    error = abs(float(found.per_k[liquid[0]]) - LEAKAGE_PER_K)
    assert error < 3.0 * float(found.std_per_k[liquid[0]])
    assert float(found.std_per_k[liquid[0]]) < 0.0008


def test_without_excitation_leakage_is_the_prior() -> None:
    frame = small_history(12.0, seed=6)
    for unit in ("cdu1", "cdu2"):
        frame[f"{unit}.tcs_supply_temperature_setpoint"] = 25.0
        frame[f"{unit}.tcs_flow_setpoint"] = 10.0
    found = find_leakage(History.of(SITE, frame))
    assert float(found.per_k[LAYOUT.liquid[0]]) == pytest.approx(PRIOR_PER_K)


def test_leakage_counts_from_the_reference_temperature() -> None:
    power, inputs = random_power(0), small_inputs(4, 300.0, 0)
    warm = np.full((4, len(LAYOUT.racks)), 45.0)
    extra = power.predict(inputs, warm)["it_leakage"]
    np.testing.assert_allclose(extra, 0.002 * 5.0 * inputs.it_power_kw.sum(axis=1), rtol=1e-9)


def test_the_weather_reaches_power_only_through_the_towers_approach() -> None:
    power, inputs = random_power(3), small_inputs(6, 300.0, 3)
    summer = replace(inputs, wet_bulb_c=inputs.wet_bulb_c + 12.0)
    before, after = power.predict(inputs), power.predict(summer)
    for name in ("chillers", "tower_pumps", "fws_pumps"):
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert (after["tower_fans"] > before["tower_fans"]).all()


def test_a_tower_with_the_same_heat_and_air_has_the_same_feature_in_all_weathers() -> None:
    """Held against a tower of constant effectiveness (Braun 1989), worked out by itself."""
    saturated_c = np.linspace(-5.0, 50.0, 5501)
    psychrolib.SetUnitSystem(psychrolib.SI)
    enthalpy = np.array([psychrolib.GetSatAirEnthalpy(float(t), 101_325.0) for t in saturated_c])
    wet_bulb_c = np.array([2.0, 6.0, 10.0, 15.0, 20.0, 25.0])
    at_wet_bulb = np.interp(wet_bulb_c, saturated_c, enthalpy)
    # Heat = effectiveness x air x (enthalpy of air saturated at the warm water less the air's):
    # of one heat and one air, that difference is one, here that of a usual day.
    usual = np.interp(15.0 + 5.0 + 5.0, saturated_c, enthalpy) - np.interp(
        15.0, saturated_c, enthalpy
    )
    warm_c = np.interp(at_wet_bulb + usual, enthalpy, saturated_c)
    inputs = small_inputs(len(wet_bulb_c), 300.0, 3)
    tower = LAYOUT.groups.index("tower_water.cw_supply_temperature_setpoint")
    setpoints = np.tile(inputs.setpoints[:1], (len(wet_bulb_c), 1))
    setpoints[:, tower] = warm_c - 5.0
    there = replace(inputs, setpoints=setpoints, wet_bulb_c=wet_bulb_c)
    layout = random_power(4).layout
    found = layout.features(there)[0][:, 0]
    assert np.ptp(found) / found.mean() < 0.15
    approach = (warm_c - 5.0 - wet_bulb_c) * layout.gain(wet_bulb_c)[:, 0]
    assert np.ptp(approach) / approach.mean() > 0.3, "the approach alone would do"
