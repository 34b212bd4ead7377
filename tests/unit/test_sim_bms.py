"""Local control: trim and respond, sequences, and what Guideline 36 asks for."""

from __future__ import annotations

import numpy as np
import pytest

from facility.site import Site
from sim.bms.fixed import Fixed
from sim.bms.guideline36 import Guideline36
from sim.bms.sequencing import Sequencer
from sim.bms.setpoints import CHW, CW, FAN, FWS, TCS, TCS_FLOW, Commissioned
from sim.bms.trim_respond import Held, TrimAndRespond
from sim.parameters import PlantParameters
from sim.plant.plant import Memory, links
from tests.plants import reference


@pytest.fixture(scope="module")
def campus() -> Site:
    return reference("campus")[0]


@pytest.fixture(scope="module")
def parameters(campus: Site) -> PlantParameters:
    return PlantParameters.for_site(campus, 1)


def memory(parameters: PlantParameters) -> Memory:
    return Memory({kind: len(ids) for kind, ids in parameters.ids.items()})


# Guideline 36-2021, 5.1.14.4, figure: trim -0.04 and respond 0.06 a request beyond two, at most
# 0.15, every two minutes: one column of its own example.
def test_trim_and_respond_does_what_the_guideline_s_example_does() -> None:
    reset = TrimAndRespond(0.5, 0.15, 1.5, -0.04, 0.06, 0.15, ignored=2, step_s=120.0)
    assert reset.update(9, 60.0) == 0.5
    assert reset.update(0, 60.0) == pytest.approx(0.46)
    assert [reset.update(n, 120.0) for n in (2, 3, 4, 9)] == pytest.approx([0.42, 0.44, 0.52, 0.63])
    for _ in range(40):
        reset.update(0, 120.0)
    assert reset.value == 0.15


def test_a_delay_starts_again_when_its_condition_breaks() -> None:
    held = Held()
    assert [held.update(c, 30.0) for c in (True, True, False, True)] == [30.0, 60.0, 0.0, 30.0]


def test_every_actuator_of_the_site_has_its_setpoint(campus: Site) -> None:
    commissioned = Commissioned.of(campus)
    keys = [commissioned.keys[i] for i in commissioned.actuator_row]
    assert keys == [(a.equipment, a.quantity) for a in campus.actuators.values()]
    fallbacks = [a.fallback for a in campus.actuators.values()]
    assert commissioned.value[commissioned.actuator_row] == pytest.approx(fallbacks)


def test_fixed_control_keeps_what_was_commissioned(
    campus: Site, parameters: PlantParameters
) -> None:
    commissioned, plant = Commissioned.of(campus), memory(parameters)
    control = Fixed(parameters.units, links(campus), commissioned)
    assert control.update(plant.state, 30.0) == pytest.approx(commissioned.value)
    assert plant.state.loops["dp_setpoint_kpa"] == pytest.approx(150.0)


def guideline(campus: Site, parameters: PlantParameters) -> tuple[Guideline36, Memory]:
    plant = memory(parameters)
    plant.state.outdoor["wet_bulb_c"] = 10.0
    plant.state.air["inlet_c"] = 24.0
    plant.state.loops["return_c"] = plant.state.loops["after_tower_c"] = 28.0
    return Guideline36(parameters.units, links(campus), Commissioned.of(campus)), plant


def test_without_requests_pressure_falls_to_34_5_kpa_and_water_gets_warm(
    campus: Site, parameters: PlantParameters
) -> None:
    control, plant = guideline(campus, parameters)
    plant.state.cdus["valve"] = plant.state.crahs["valve"] = 0.6
    for _ in range(800):
        control.update(plant.state, 30.0)
    wanted = control.update(plant.state, 30.0)
    part = Commissioned.of(campus).part
    assert plant.state.loops["dp_setpoint_kpa"] == pytest.approx(34.5)
    assert wanted[part[CHW]] == pytest.approx(18.0)
    assert wanted[part[FWS]][-1] == pytest.approx(wanted[part[TCS]].min() - 5.0)


def test_one_valve_wide_open_gets_pressure_first_and_colder_water_then(
    campus: Site, parameters: PlantParameters
) -> None:
    control, plant = guideline(campus, parameters)
    plant.state.cdus["valve"] = 0.6
    for _ in range(800):
        control.update(plant.state, 30.0)
    plant.state.cdus["valve"][0] = 1.0
    part, seen = Commissioned.of(campus).part, []
    for _ in range(1100):
        wanted = control.update(plant.state, 30.0)
        seen.append((float(plant.state.loops["dp_setpoint_kpa"][-1]), float(wanted[part[FWS]][-1])))
    pressure, water = np.array(seen).T
    assert (np.diff(pressure) >= 0.0).all()
    assert pressure[-1] == pytest.approx(150.0)
    assert (np.diff(water) <= 1e-9).all()
    assert water[pressure < 150.0] == pytest.approx(water[0])
    assert water[-1] < water[0] - 1.0


def test_flow_of_cdus_stays_at_design_and_setpoints_within_their_range(
    campus: Site, parameters: PlantParameters
) -> None:
    control, plant = guideline(campus, parameters)
    commissioned = Commissioned.of(campus)
    rng = np.random.default_rng(3)
    for _ in range(300):
        plant.state.outdoor["wet_bulb_c"] = rng.uniform(-10.0, 30.0)
        plant.state.air["inlet_c"] = rng.uniform(18.0, 34.0, len(plant.state.air))
        plant.state.cdus["valve"] = rng.uniform(0.0, 1.0, len(plant.state.cdus))
        plant.state.crahs["valve"] = rng.uniform(0.0, 1.0, len(plant.state.crahs))
        wanted = control.update(plant.state, 30.0)
        assert (wanted >= commissioned.low).all()
        assert (wanted <= commissioned.high).all()
        design = [c.design_tcs_flow_ls for c in campus.cdus.values()]
        assert wanted[commissioned.part[TCS_FLOW]] == pytest.approx(design)
        assert np.isfinite(wanted[commissioned.part[CW]]).all()


# Condensers take flow as the square root of the pressure over them; 34.5 kPa are 5 psi.
def test_condenser_water_follows_the_load_of_the_chillers(
    campus: Site, parameters: PlantParameters
) -> None:
    control, plant = guideline(campus, parameters)
    plant.state.cdus["valve"] = plant.state.crahs["valve"] = 0.6
    design = float(parameters.units.tower_water["design_dp_kpa"][0])
    capacity = parameters.units.chillers["capacity_kw"]
    for share, expected in ((0.2, 34.5), (0.8, design * 0.8**2), (1.0, design)):
        for _ in range(800):
            plant.state.chillers["commanded"] = 1.0
            plant.state.chillers["cooling_load"] = share * capacity
            plant.state.loops["economiser"] = 0.0
            control.update(plant.state, 30.0)
        assert plant.state.tower_water["dp_setpoint_kpa"][0] == pytest.approx(expected, rel=0.01)


def test_a_loop_that_nobody_sets_takes_the_setpoint_of_its_chillers(campus: Site) -> None:
    commissioned = Commissioned.of(campus)
    setpoints = commissioned.value.copy()
    setpoints[commissioned.part[CHW]] = 9.0
    commissioned.lead(setpoints)
    loops = dict(zip(commissioned.keys, setpoints, strict=True))
    assert loops["cool", FWS] == pytest.approx(9.0)
    assert loops["warm", FWS] == commissioned.value[commissioned.part[FWS]][-1]


def test_a_hot_inlet_makes_the_nearest_fans_blow_harder(
    campus: Site, parameters: PlantParameters
) -> None:
    control, plant = guideline(campus, parameters)
    part = Commissioned.of(campus).part
    nearest = links(campus).air_crah[0, 0]
    before = control.update(plant.state, 30.0)[part[FAN]].copy()
    plant.state.air["inlet_c"][0] = 28.0
    for _ in range(10):
        control.update(plant.state, 30.0)
    after = control.update(plant.state, 30.0)[part[FAN]]
    assert after[nearest] > before[nearest] + 5.0


def test_chillers_start_one_by_one_with_dwell_and_a_tripped_one_is_replaced(
    campus: Site, parameters: PlantParameters
) -> None:
    plant, sequencer = memory(parameters), Sequencer(parameters.units, links(campus))
    state = plant.state
    state.outdoor["wet_bulb_c"] = 26.0
    state.loops["return_c"], state.loops["after_tower_c"] = 22.0, 22.0
    state.loops["supply_c"], state.loops["setpoint_c"] = 12.0, 10.0
    commanded = []
    for _ in range(120):
        sequencer.update(state, 30.0)
        state.chillers["running"] = state.chillers["commanded"]
        commanded.append(int(state.chillers["commanded"].sum()))
    assert commanded[0] == 1
    changes = np.flatnonzero(np.diff(commanded)) * 30.0
    assert (np.diff(commanded) <= 1).all()
    assert (np.diff(changes) >= 900.0).all()
    state.loops["supply_c"] = 10.0
    state.chillers["tripped"][0] = 1.0
    sequencer.update(state, 30.0)
    assert state.chillers["commanded"][0] == 0.0
    assert int(state.chillers["commanded"].sum()) == min(commanded[-1], 2)


def test_trim_waits_until_the_towers_cannot_hold() -> None:
    site = reference("frontier")[0]
    parameters = PlantParameters.for_site(site, 1)
    plant, sequencer = memory(parameters), Sequencer(parameters.units, links(site))
    state, warm = plant.state, 1
    state.loops["return_c"], state.loops["after_tower_c"] = 30.0, 22.0
    state.outdoor["wet_bulb_c"], state.loops["setpoint_c"] = 18.0, 20.0
    state.loops["supply_c"], state.loops["tower_valve"] = 21.5, 1.0
    state.tower_water["fan_command"] = 0.7
    for _ in range(60):
        sequencer.update(state, 30.0)
    assert state.loops["trim_enabled"][warm] == 0.0  # the fans have more to give
    assert state.chillers["commanded"].sum() == 0.0
    state.tower_water["fan_command"] = 1.0
    for _ in range(25):
        sequencer.update(state, 30.0)
    assert state.loops["trim_enabled"][warm] == 1.0
    assert state.loops["enabled"][0] == 1.0


def test_a_setpoint_that_a_reset_lowers_starts_no_chiller_but_one_that_stands_unmet_does(
    campus: Site, parameters: PlantParameters
) -> None:
    def commanded(fall_k: float) -> int:
        plant, sequencer = memory(parameters), Sequencer(parameters.units, links(campus))
        state = plant.state
        state.outdoor["wet_bulb_c"] = 26.0
        state.loops["return_c"] = state.loops["after_tower_c"] = 24.0
        state.loops["supply_c"] = state.loops["setpoint_c"] = 17.0
        for minute in range(40):
            state.loops["setpoint_c"] = max(17.0 - fall_k * max(minute - 20, 0), 12.0)
            # The running machine follows at 0.15 K a minute.
            state.loops["supply_c"] = max(17.0 - 0.15 * max(minute - 20, 0), 12.0) + 0.1
            for _ in range(2):
                sequencer.update(state, 30.0)
                state.chillers["running"] = state.chillers["commanded"]
        return int(state.chillers["commanded"].sum())

    assert commanded(0.75) == 1
    plant, sequencer = memory(parameters), Sequencer(parameters.units, links(campus))
    plant.state.outdoor["wet_bulb_c"] = 26.0
    plant.state.loops["return_c"] = plant.state.loops["after_tower_c"] = 24.0
    plant.state.loops["setpoint_c"], plant.state.loops["supply_c"] = 15.0, 18.5
    for _ in range(12):
        sequencer.update(plant.state, 30.0)
    assert plant.state.chillers["commanded"].sum() == 2.0
