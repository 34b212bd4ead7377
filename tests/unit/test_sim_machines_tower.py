"""Cooling towers: published points, what lies beyond the fit, fans, water, frost."""

from __future__ import annotations

import numpy as np
import pytest

from sim.plant import tower, tower_water
from sim.plant.hydronics import header_parameters
from sim.plant.layout import Array, Table


# EnergyPlus and Modelica Buildings: wet bulb, range, water over air -> approach (YorkCalc).
@pytest.mark.parametrize(
    ("wet_bulb_c", "range_k", "ratio", "approach_k"),
    [(25.6, 5.56, 1.0, 3.83), (25.6, 5.56, 2.0, 8.66), (10.0, 5.56, 1.0, 7.77)],
)
def test_approach_at_the_published_points(
    wet_bulb_c: float, range_k: float, ratio: float, approach_k: float
) -> None:
    assert tower.design_approach_k(wet_bulb_c, range_k, ratio) == pytest.approx(
        approach_k, abs=0.01
    )
    entering = wet_bulb_c + approach_k + range_k
    leaving = tower.leaving_temperature_c(entering, wet_bulb_c, 1.0, 1.0 / ratio)
    assert leaving == pytest.approx(wet_bulb_c + approach_k, abs=0.02)


def test_a_cell_meets_its_rating() -> None:
    # CTI: 35.0 °C on, 29.4 off at 25.6 °C wet bulb; YorkCalc is 0.06 K better than the rating.
    assert tower.leaving_temperature_c(35.0, 25.6, 1.0, 1.0) == pytest.approx(29.44, abs=0.1)


# psychrolib 2.5.0, GetSatAirEnthalpy at 101,325 Pa.
@pytest.mark.parametrize(
    ("temperature_c", "kj_kg"), [(0.01, 9.457), (15.0, 42.016), (25.6, 78.854), (40.0, 166.132)]
)
def test_saturated_enthalpy_is_psychrolib_s(temperature_c: float, kj_kg: float) -> None:
    assert tower.saturated_kj_kg(temperature_c) == pytest.approx(kj_kg, rel=0.006, abs=0.05)


@pytest.mark.parametrize("capacity", [0.4, 0.99995, 1.0, 1.6])
@pytest.mark.parametrize("units", [0.1, 1.0, 2.5])
def test_transfer_units_are_the_inverse_of_effectiveness(units: float, capacity: float) -> None:
    share = tower.water_effectiveness(units, capacity)
    assert tower.transfer_units(share, capacity) == pytest.approx(units, rel=1e-3)


def merkel_leaving_c(entering_c: float, wet_bulb_c: float, ratio: float, units: float) -> float:
    """A counterflow cell by Merkel's integral: dh/dT and dT/dV stepped through the fill."""
    low, high = wet_bulb_c, entering_c
    for _ in range(50):
        leaving = 0.5 * (low + high)
        t, h, volume = leaving, tower.saturated_kj_kg(wet_bulb_c), 0.0
        step = (entering_c - leaving) / 400.0
        for _ in range(400):
            volume += step / max(tower.saturated_kj_kg(t + 0.5 * step) - h, 1e-6)
            h += ratio * tower.WATER_KJ_KGK * step
            t += step
        # Me = cw integral dT / (hs - h) = NTU (air side) / ratio
        low, high = (leaving, high) if tower.WATER_KJ_KGK * volume * ratio > units else (
            low, leaving,
        )  # fmt: skip
    return 0.5 * (low + high)


def test_the_continuation_is_merkel_s_integral_within_half_a_kelvin() -> None:
    for entering, bulb, ratio, units in ((35.0, 25.6, 1.2, 1.6), (30.0, 31.0 - 6.0, 1.0, 2.0)):
        slope = tower.saturation_slope(bulb, entering)
        share = tower.water_effectiveness(units, slope / (ratio * tower.WATER_KJ_KGK))
        ours = entering - share * (entering - bulb)
        assert ours == pytest.approx(merkel_leaving_c(entering, bulb, ratio, units), abs=0.5)


def leaving(entering: Array, wet_bulb_c: float, water: float, air: float) -> Array:
    return np.array(
        [tower.leaving_temperature_c(float(t), wet_bulb_c, water, air) for t in entering]
    )


@pytest.mark.parametrize("wet_bulb_c", [-34.41, -34.39, -10.0, 5.0, 20.0, 29.39, 29.41, 33.0])
@pytest.mark.parametrize(("water", "air"), [(1.0, 1.0), (0.35, 1.0), (1.0, 0.13), (1.0, 0.124)])
def test_leaving_water_goes_without_a_step_through_every_edge_of_the_fit(
    wet_bulb_c: float, water: float, air: float
) -> None:
    entering = np.arange(wet_bulb_c + 0.01, wet_bulb_c + 45.0, 0.01)
    off = leaving(entering, wet_bulb_c, water, air)
    assert np.abs(np.diff(off)).max() < 0.03
    assert (off >= wet_bulb_c).all()
    assert (off <= entering).all()


@pytest.mark.parametrize("wet_bulb_c", [-5.0, 12.0, 25.0, 31.0])
def test_more_air_makes_colder_water(wet_bulb_c: float) -> None:
    airs = np.linspace(0.1, 1.1, 60)
    for head in (1.5, 4.0, 10.0, 20.0):
        off = [tower.leaving_temperature_c(wet_bulb_c + head, wet_bulb_c, 0.8, a) for a in airs]
        assert np.diff(off).max() < 0.02


def cell() -> tuple[Table, Table]:
    p, s = tower.PARAMETERS.table(1), tower.STATE.table(1)
    values = {
        "rated_kw": 2318.0, "rated_fan_kw": 40.0, "design_ls": 100.0, "min_ls": 30.0,
        "free_share": 0.125, "fan_exponent": 2.8, "fan_ramp_per_s": 1.0 / 60.0,
        "min_speed": 0.15, "quality": 1.0, "drift_share": 8e-5,
    }  # fmt: skip
    for name, value in values.items():
        p[name] = value
    s["available"], s["water_ls"] = 1.0, 100.0
    return p, s


def test_a_cell_without_fan_has_an_eighth_of_its_heat_and_fans_follow_their_law() -> None:
    p, s = cell()
    heat, power = [], []
    for speed in (0.0, 0.5, 1.0):
        s["speed"] = speed
        tower.step(p[0], s[0], 35.0, 25.6)
        heat.append(float(s["heat_kw"][0]))
        power.append(float(s["fan_power"][0]))
    assert heat[0] == pytest.approx(0.125 * heat[2])
    assert heat[0] < heat[1] < heat[2]
    assert power[0] == 0.0
    assert power[2] == pytest.approx(40.0)
    assert 0.5**3 < power[1] / power[2] < 0.5**2.4  # the cube, and what the drive loses


def test_a_cell_evaporates_nearly_a_hundredth_of_its_water_at_design() -> None:
    p, s = cell()
    s["speed"] = 1.0
    tower.step(p[0], s[0], 35.0, 25.6)
    for_each = float(s["evaporation_ls"][0]) / 100.0 * 5.56 / (35.0 - float(s["leaving_c"][0]))
    assert 0.008 < for_each < 0.010
    assert float(s["drift_ls"][0]) == pytest.approx(0.008)


def basin(**changed: float) -> tuple[Table, Table, Table, Table]:
    p, s = tower_water.PARAMETERS.table(1), tower_water.STATE.table(1)
    values = header_parameters(200.0, 90.0, 75.0) | {
        "basin_kj_k": 30_000.0, "parcel_l": 300.0, "fan_gain": 0.12, "fan_reset_s": 240.0,
        "concentration": 4.0, "heater_kw": 12.0, "heater_c": 4.5, "basin_loss_kw_k": 0.5,
    } | changed  # fmt: skip
    for name, value in values.items():
        if name in (p.dtype.names or ()):
            p[name] = value
    (one_p, one_s) = cell()
    params, state = np.repeat(one_p, 2), np.repeat(one_s, 2)
    s["supply_c"], s["setpoint_c"], s["return_c"] = 20.0, 20.0, 26.0
    return p, s, params, state


def test_water_in_is_water_out_at_so_many_cycles_of_concentration() -> None:
    p, s, params, state = basin()
    s["flow_ls"] = 180.0
    for _ in range(600):
        tower_water.reject(p[0], s[0], params, state, 24.0, 16.0, 1.0)
    evaporation, drift = state["evaporation_ls"].sum(), state["drift_ls"].sum()
    blow_down, make_up = float(s["blow_down_ls"][0]), float(s["make_up_ls"][0])
    assert make_up == pytest.approx(evaporation + drift + blow_down)
    # What leaves as water carries the salts that came in with the make-up, fourfold.
    assert make_up / (drift + blow_down) == pytest.approx(4.0)


def test_heaters_keep_an_idle_basin_from_freezing_and_heat_balances() -> None:
    p, s, params, state = basin()
    s["supply_c"] = 8.0
    stored, given, lost = 8.0 * 30_000.0, 0.0, 0.0
    for _ in range(4000):
        tower_water.reject(p[0], s[0], params, state, -15.0, -16.0, 60.0)
        given += 60.0 * float(s["heater_kw"][0])
        lost += 60.0 * float(s["loss_kw"][0])
    assert float(s["supply_c"][0]) > 4.0
    assert float(s["heater_kw"][0]) == pytest.approx(float(s["loss_kw"][0]), rel=0.05)
    assert float(s["supply_c"][0]) * 30_000.0 - stored == pytest.approx(given - lost, abs=1.0)


def test_near_freezing_water_passes_by_the_cells() -> None:
    p, s, params, state = basin()
    s["flow_ls"], s["supply_c"], s["setpoint_c"], s["return_c"] = 180.0, 3.5, 3.0, 4.0
    for _ in range(120):
        tower_water.reject(p[0], s[0], params, state, -15.0, -16.0, 1.0)
        s["supply_c"] = 3.5
    assert float(s["bypass"][0]) > 0.5


def test_cells_join_and_leave_with_the_water_and_without_chatter() -> None:
    p, s, params, state = basin()
    s["supply_c"], s["setpoint_c"] = 24.0, 20.0
    counts = []
    for flow in [40.0, 62.0, 67.0, 62.0, 61.0, 59.0, 62.0]:
        s["flow_ls"] = flow
        tower_water.reject(p[0], s[0], params, state, 24.0, 16.0, 1.0)
        counts.append(float(s["cells"][0]))
    assert counts == [1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0]
