"""Chillers, towers, racks and air handlers against published points."""

from __future__ import annotations

import numpy as np
import pytest

from sim.plant import air_rack, chiller, chiller_curves, direct_to_chip
from sim.plant.layout import Array, Table

CURVES = chiller_curves.SETS[chiller_curves.DEFAULT].numbers()


def machine(cop: float = 6.8) -> Table:
    table = chiller.PARAMETERS.table(1)
    table["capacity_kw"], table["cop"], table["min_part_load"] = 3600.0, cop, 0.1
    table["min_lift_k"], table["max_cop"] = 8.0, 14.0
    return table


def cop(load: float, evaporator_c: float, condenser_c: float, curves: Array = CURVES) -> float:
    p = machine()[0]
    return (
        load * 3600.0 / float(chiller.power_kw(curves, p, load * 3600.0, evaporator_c, condenser_c))
    )


def test_the_nameplate_holds_at_the_rating_point() -> None:
    assert cop(1.0, chiller.RATED_EVAPORATOR_C, chiller.RATED_CONDENSER_C) == pytest.approx(6.8)


def test_cop_rises_as_lift_falls_and_never_passes_the_cap() -> None:
    lifts = [cop(0.7, te, 30.0) for te in (7.0, 10.0, 14.0, 18.0, 22.0, 26.0)]
    assert lifts == sorted(lifts)
    assert max(lifts) <= 14.0
    # A York YK's own curves give COP 22 to 37 at 22 °C; ours stays a machine's.
    assert 8.0 < cop(0.7, 22.0, 36.0) < 14.0


@pytest.mark.parametrize("edge", [6.11, 12.78])
def test_power_is_continuous_over_the_edge_of_the_fitted_box(edge: float) -> None:
    assert cop(0.6, edge - 1e-6, 27.0) == pytest.approx(cop(0.6, edge + 1e-6, 27.0), rel=1e-4)
    assert cop(0.6, 10.0, 30.63 - 1e-6) == pytest.approx(cop(0.6, 10.0, 30.63 + 1e-6), rel=1e-4)


def test_beyond_the_box_efficiency_follows_carnot() -> None:
    def carnot(te: float, tc: float) -> float:
        return (te - 1.5 + 273.15) / (tc - te + 3.0)

    ratio = cop(0.8, 16.0, 36.0) / cop(0.8, 14.0, 36.0)
    assert ratio == pytest.approx(carnot(16.0, 36.0) / carnot(14.0, 36.0), rel=1e-3)


def test_a_chiller_waits_out_its_lock_out_and_loads_at_its_rate() -> None:
    p, s = machine(), chiller.STATE.table(1)
    p["lock_out_s"], p["start_s"], p["loading_per_s"] = 600.0, 90.0, 0.1 / 60.0
    p["evaporator_kj_k"] = p["condenser_kj_k"] = 30_000.0
    p["unloading_per_s"], p["cut_out_condenser_c"] = 0.5 / 60.0, 45.0
    s["commanded"], s["setpoint_c"], s["chw_supply_temperature"], s["condenser_c"] = 1, 10, 18, 28
    s["evaporator_ls"] = s["condenser_ls"] = 120.0
    started = None
    loads = []
    for second in range(1200):
        chiller.sequence(p[0], s[0], 1.0)
        chiller.step(CURVES, p[0], s[0], 18.0, 26.0, 1.0)
        if started is None and s["running"][0] > 0.5:
            started = second
        loads.append(float(s["cooling_load"][0]))
    assert started is not None
    assert started >= 598
    assert max(loads[: started + 88]) == 0.0
    assert max(np.diff(loads)) <= 0.1 / 60.0 * 3600.0 + 1e-6


def rack(rated_kw: float = 120.0) -> tuple[Table, Table]:
    p, s = direct_to_chip.PARAMETERS.table(1), direct_to_chip.STATE.table(1)
    flow = rated_kw * 1.35 / 60.0
    values = {
        "rated_kw": rated_kw, "design_ls": flow, "die_k_kw": 12.0 / rated_kw,
        "plate_k_kw": 10.0 / rated_kw, "film_k_kw": 10.0 / rated_kw, "die_kj_k": rated_kw / 4.0,
        "plate_kj_k": 15.0 * rated_kw / 20.0, "coolant_kj_k": 20.0 * 4.0 * flow,
        "leak_share": 0.16, "leak_per_k": 0.008, "leak_per_k2": 6e-5, "throttle_c": 81.0,
    }  # fmt: skip
    for name, value in values.items():
        p[name] = value
    for name in ("die_c", "case_c", "coolant_c", "inlet_c"):
        s[name] = 32.0
    s["flow_ls"] = flow
    return p, s


def test_a_rack_settles_where_its_resistances_put_it() -> None:
    p, s = rack()
    for _ in range(900):
        direct_to_chip.step(p[0], s[0], 120.0, 1.0)
    power, flow = float(s["it_power"][0]), float(s["flow_ls"][0])
    coolant = 32.0 + power / (4.0 * flow)
    assert float(s["coolant_c"][0]) == pytest.approx(coolant, abs=1e-3)
    assert float(s["case_c"][0]) == pytest.approx(coolant + 20.0 / 120.0 * power, abs=1e-2)
    # OCP: 1.35 L/min for each kW is a rise of about 11 K.
    assert 9.0 < coolant - 32.0 < 13.0


def test_less_flow_makes_a_hotter_case_by_rise_and_by_film() -> None:
    p, _ = rack()
    full = direct_to_chip.case_resistance_k_kw(p[0], float(p["design_ls"][0]))
    half = direct_to_chip.case_resistance_k_kw(p[0], 0.5 * float(p["design_ls"][0]))
    assert half / full == pytest.approx(0.5 + 0.5 * 0.5**-0.75)


def test_leakage_costs_a_tenth_to_three_tenths_of_a_percent_a_kelvin() -> None:
    p, _ = rack()
    for die_c in (45.0, 60.0, 75.0):
        per_k = direct_to_chip.leakage_factor(p[0], die_c + 0.5) - direct_to_chip.leakage_factor(
            p[0], die_c - 0.5
        )
        assert 0.0008 < per_k < 0.003


def test_chips_throttle_above_their_limit_and_give_back_half_at_most() -> None:
    p, s = rack()
    s["case_c"] = s["die_c"] = 95.0
    direct_to_chip.step(p[0], s[0], 120.0, 1e-6)
    full = 120.0 * direct_to_chip.leakage_factor(p[0], 95.0)
    assert float(s["throttled_kw"][0]) == pytest.approx(0.5 * full)


def test_recirculation_closes_the_air_balance_when_crahs_blow_too_little() -> None:
    p = air_rack.PARAMETERS.table(1)
    p["recirculation"], p["shortage_gain"], p["shortage_from"] = 0.05, 0.25, 0.9
    assert air_rack.recirculation(p[0], 80.0, 100.0) == pytest.approx(0.05)
    assert air_rack.recirculation(p[0], 200.0, 100.0) >= 0.5
    assert air_rack.recirculation(p[0], 50.0, 0.0) == 1.0
