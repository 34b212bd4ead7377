"""What holds for every exchanger, cell, pipe and reset, whatever the numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim.bms.trim_respond import TrimAndRespond
from sim.plant import chiller, chiller_curves, exchanger, tower
from sim.plant.hydronics import proportional_integral

rates = st.floats(0.5, 5000.0)
temperatures = st.floats(-5.0, 60.0)


@given(rates, rates, st.floats(0.1, 20_000.0), temperatures, temperatures)
def test_heat_flows_from_hot_to_cold_and_never_crosses(
    hot: float, cold: float, ua: float, hot_c: float, cold_c: float
) -> None:
    heat = exchanger.counterflow_heat_kw(hot, cold, ua, hot_c, cold_c)
    assert heat >= 0.0
    if hot_c > cold_c:
        assert hot_c - heat / hot >= cold_c - 1e-6
        assert cold_c + heat / cold <= hot_c + 1e-6
        assert heat <= ua * (hot_c - cold_c) + 1e-6


@given(st.floats(-20.0, 30.0), st.floats(0.0, 25.0), st.floats(0.1, 1.3), st.floats(0.05, 1.0))
def test_a_tower_cools_towards_wet_bulb_and_never_below(
    wet_bulb_c: float, head_k: float, water: float, air: float
) -> None:
    entering = wet_bulb_c + head_k
    leaving = tower.leaving_temperature_c(entering, wet_bulb_c, water, air)
    assert wet_bulb_c - 1e-9 <= leaving <= entering + 1e-9


CURVES = {name: known.numbers() for name, known in chiller_curves.SETS.items()}
names = st.sampled_from(sorted(CURVES))


def cop(name: str, heat_kw: float, evaporator_c: float, condenser_c: float) -> float:
    table = chiller.PARAMETERS.table(1)
    table["capacity_kw"], table["cop"], table["min_part_load"] = 3600.0, 6.8, 0.2
    table["min_lift_k"], table["max_cop"], table["fouling_k"] = 8.0, 14.0, 0.3
    power = chiller.power_kw(CURVES[name], table[0], heat_kw, evaporator_c, condenser_c)
    return heat_kw / float(power)


@given(names, temperatures, temperatures, st.floats(0.001, 1.0))
def test_a_chiller_s_power_is_positive_and_its_cop_under_the_cap_at_any_state(
    name: str, evaporator_c: float, condenser_c: float, load: float
) -> None:
    assert 0.0 < cop(name, load * 3000.0, evaporator_c, condenser_c) <= 14.0 + 1e-9


@given(names, temperatures, temperatures, st.floats(0.001, 0.99), st.floats(0.001, 0.2))
def test_a_chiller_s_power_never_falls_as_its_load_grows(
    name: str, evaporator_c: float, condenser_c: float, load: float, more: float
) -> None:
    one, two = load * 3000.0, (load + more) * 3000.0
    power = one / cop(name, one, evaporator_c, condenser_c)
    assert two / cop(name, two, evaporator_c, condenser_c) >= power - 1e-9


@given(names, temperatures, st.floats(8.0, 45.0), st.floats(0.7, 0.95), st.floats(0.1, 3.0))
def test_a_chiller_s_cop_falls_as_the_condenser_gets_hotter(
    name: str, evaporator_c: float, lift_k: float, load: float, hotter_k: float
) -> None:
    heat = load * 2600.0
    condenser_c = evaporator_c + lift_k
    cold = cop(name, heat, evaporator_c, condenser_c)
    assert cop(name, heat, evaporator_c, condenser_c + hotter_k) <= cold * (1.0 + 1e-3)


@given(names, st.floats(-5.0, 50.0), st.floats(11.0, 45.0), st.floats(0.1, 3.0))
def test_a_chiller_s_cop_rises_as_its_water_gets_warmer(
    name: str, evaporator_c: float, lift_k: float, warmer_k: float
) -> None:
    condenser_c = evaporator_c + lift_k
    cold = cop(name, 2300.0, evaporator_c, condenser_c)
    assert cop(name, 2300.0, evaporator_c + warmer_k, condenser_c) >= cold * (1.0 - 3e-3)


@given(names, st.sampled_from(["evaporator", "condenser"]), temperatures, st.floats(0.05, 1.0))
def test_a_chiller_s_power_is_continuous_over_the_edges_of_its_box(
    name: str, side: str, other_c: float, load: float
) -> None:
    row = CURVES[name]
    for edge in row[22:24] if side == "evaporator" else row[24:26]:
        below, above = (
            cop(name, load * 3000.0, x, other_c)
            if side == "evaporator"
            else cop(name, load * 3000.0, other_c, x)
            for x in (edge - 1e-7, edge + 1e-7)
        )
        assert abs(below / above - 1.0) < 1e-5


@given(st.lists(st.integers(0, 40), max_size=60), st.floats(0.0, 1.0), st.integers(0, 3))
def test_a_reset_stays_in_its_range(requests: list[int], first: float, ignored: int) -> None:
    reset = TrimAndRespond(first, 0.0, 1.0, -0.02, 0.03, 0.07, ignored=ignored)
    before = first
    for count in requests:
        after = reset.update(count, 120.0)
        assert 0.0 <= after <= 1.0
        assert -0.02 - 1e-12 <= after - before <= 0.05 + 1e-12
        before = after


@given(st.lists(st.floats(-20.0, 20.0), max_size=80))
def test_a_controller_s_output_and_memory_stay_in_their_range(errors: list[float]) -> None:
    integral = 0.5
    for error in errors:
        output, integral = proportional_integral(error, integral, 0.03, 45.0, 1.0)
        assert 0.0 <= output <= 1.0
        assert 0.0 <= integral <= 1.0
