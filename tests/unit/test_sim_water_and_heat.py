"""Fluids, exchangers, pumps, valves and pipes against published values or another method."""

from __future__ import annotations

import math

import CoolProp.CoolProp as coolprop
import numpy as np
import pytest

from sim.plant import exchanger, fluids, hydronics
from sim.plant.layout import Layout


def volumetric_kj_lk(fluid: str, temperature_c: float) -> float:
    state = ("T", temperature_c + 273.15, "P", 3e5, fluid)
    return float(coolprop.PropsSI("D", *state) * coolprop.PropsSI("C", *state) / 1e6)


@pytest.mark.parametrize("temperature_c", [10.0, 20.0, 30.0, 40.0, 50.0])
def test_constant_properties_stay_within_one_percent_of_coolprop(temperature_c: float) -> None:
    water = volumetric_kj_lk("Water", temperature_c)
    assert water == pytest.approx(fluids.WATER_KJ_LK, rel=0.01)
    coolant = volumetric_kj_lk("INCOMP::MPG[0.25]", temperature_c)
    assert coolant == pytest.approx(fluids.COOLANT_KJ_LK, rel=0.01)


def integrated_counterflow_kw(
    hot: float, cold: float, ua: float, hot_c: float, cold_c: float
) -> float:
    """Heat of a counterflow exchanger by shooting on its differential equations."""
    low, high = 0.0, min(hot, cold) * (hot_c - cold_c)
    for _ in range(60):
        heat = 0.5 * (low + high)
        th, tc, carried = hot_c, cold_c + heat / cold, 0.0
        for _ in range(4000):
            q = ua / 4000 * (th - tc)
            th, tc, carried = th - q / hot, tc - q / cold, carried + q
        low, high = (heat, high) if carried > heat else (low, heat)
    return 0.5 * (low + high)


@pytest.mark.parametrize(("hot", "cold", "ua"), [(100, 133, 240), (133, 100, 240), (120, 120, 60)])
def test_effectiveness_agrees_with_integration_along_the_plates(
    hot: float, cold: float, ua: float
) -> None:
    heat = exchanger.counterflow_heat_kw(hot, cold, ua, 37.0, 21.0)
    assert heat == pytest.approx(integrated_counterflow_kw(hot, cold, ua, 37.0, 21.0), rel=2e-3)


def test_effectiveness_at_the_limits_of_the_textbook() -> None:
    assert exchanger.counterflow_effectiveness(3.0, 0.0) == pytest.approx(1.0 - math.exp(-3.0))
    assert exchanger.counterflow_effectiveness(3.0, 1.0) == pytest.approx(0.75)
    assert exchanger.crossflow_effectiveness(2.0, 0.0) == pytest.approx(1.0 - math.exp(-2.0))
    # Incropera, figure 11.14: NTU 2, ratio 0.5: about 0.73 (unmixed crossflow).
    assert exchanger.crossflow_effectiveness(2.0, 0.5) == pytest.approx(0.73, abs=0.02)


def test_an_exchanger_chosen_for_a_load_carries_it() -> None:
    ua = exchanger.counterflow_ua(1200.0, 100.0, 133.0, 16.0)
    assert exchanger.counterflow_heat_kw(100.0, 133.0, ua, 16.0, 0.0) == pytest.approx(1200.0)
    coil = exchanger.crossflow_ua(300.0, 24.8, 40.0, 18.1)
    assert exchanger.crossflow_effectiveness(coil / 24.8, 0.62) * 24.8 * 18.1 == pytest.approx(
        300.0, rel=1e-6
    )


def test_an_impossible_exchanger_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match="give it more flow or less to carry"):
        exchanger.counterflow_ua(2000.0, 100.0, 133.0, 16.0)


def test_fouling_and_low_flow_cost_conductance() -> None:
    clean = exchanger.plate_conductance(100.0, 1.0, 1.0, 0.0)
    assert clean == pytest.approx(100.0)
    assert exchanger.plate_conductance(100.0, 1.0, 1.0, 0.3) == pytest.approx(77, abs=0.5)
    assert exchanger.plate_conductance(100.0, 0.5, 0.5, 0.0) == pytest.approx(100 * 0.5**0.7)


HEADER = Layout(hydronics.HEADER)
HEADER_STATE = Layout(hydronics.HEADER_STATE)


def pumps(dp_share: float, conductance_share: float) -> tuple[float, float, float, float]:
    """Flow, pressure, electric and shaft power of a loop of 100 L/s that has settled."""
    p = HEADER.filled([hydronics.header_parameters(100.0, 150.0, 100.0)])
    s = HEADER_STATE.table(1)
    s["enabled"], s["dp_setpoint_kpa"], s["pumps_wanted"] = 1.0, 150.0 * dp_share, 3.0
    for _ in range(60):
        hydronics.run_header(p[0], s[0], conductance_share * 100.0 / 150.0**0.5, 0.0, 1.0)
    row = s[0]
    return (
        float(row["flow_ls"]), float(row["dp_kpa"]),
        float(row["pump_power"]), float(row["pump_heat_kw"]),
    )  # fmt: skip


def test_pumps_meet_their_design_point() -> None:
    flow, dp, power, _ = pumps(1.0, 1.0)
    assert flow == pytest.approx(100.0)
    assert dp == pytest.approx(150.0)
    # 100 L/s at 250 kPa are 25 kW of hydraulic power; a good train takes 65 to 75 % of it.
    assert 25.0 / 0.78 < power < 25.0 / 0.65


def test_shaft_power_falls_with_the_cube_of_flow_on_a_fixed_circuit() -> None:
    full, half = pumps(1.0, 1.0), pumps(0.25, 1.0)
    assert half[0] == pytest.approx(50.0)
    assert half[3] / full[3] == pytest.approx(0.125)
    # Motors and drives lose efficiency at part load: an exponent of 2.2 to 2.8 in practice.
    assert 0.5**2.8 < half[2] / full[2] < 0.5**2.2


def test_valves_are_equal_percentage_and_shut() -> None:
    assert hydronics.valve_opening(1.0) == pytest.approx(1.0)
    assert hydronics.valve_opening(0.0) == 0.0
    ratio = hydronics.valve_opening(0.8) / hydronics.valve_opening(0.7)
    assert ratio == pytest.approx(hydronics.valve_opening(0.5) / hydronics.valve_opening(0.4))


def test_drives_and_motors_lie_where_bernier_and_bourret_measured_them() -> None:
    assert hydronics.drive_efficiency(1.0, 1.0) == pytest.approx(0.90, abs=0.01)
    assert hydronics.drive_efficiency(0.5, 0.125) == pytest.approx(0.55, abs=0.06)


def test_a_pipe_delays_by_its_volume_over_the_flow_and_loses_no_heat() -> None:
    rng = np.random.default_rng(1)
    pipe = Layout(hydronics.PIPE_STATE.meaning).table(1)
    cells = np.full(hydronics.PIPE_CELLS, 20.0)
    stored, entered, left = 20.0 * hydronics.PIPE_CELLS, 0.0, 0.0
    for _ in range(500):
        parcels, inlet = rng.uniform(0.0, 3.0), rng.uniform(10.0, 40.0)
        foreseen = hydronics.pipe_outlet_c(cells, pipe[0], parcels)
        outlet = hydronics.flow_through_pipe(cells, pipe[0], inlet, parcels)
        assert outlet == pytest.approx(foreseen)
        entered, left = entered + parcels * inlet, left + parcels * outlet
    content = hydronics.pipe_content_k(cells, pipe[0])
    assert content - stored == pytest.approx(entered - left)


@pytest.mark.parametrize("parcels", [0.25, 0.5, 2.0])
def test_a_front_arrives_when_the_pipe_has_been_filled(parcels: float) -> None:
    pipe = Layout(hydronics.PIPE_STATE.meaning).table(1)
    cells = np.full(hydronics.PIPE_CELLS, 20.0)
    steps = 0
    while hydronics.flow_through_pipe(cells, pipe[0], 30.0, parcels) < 25.0:
        steps += 1
    assert steps == pytest.approx(hydronics.PIPE_CELLS / parcels, abs=1.0 + 1.0 / parcels)
