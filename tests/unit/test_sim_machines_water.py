"""Headers, bypass and valves; the waterside economiser; the storage tank."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from facility.clock import from_iso
from facility.loading import parse_site
from facility.site import Site
from sim.bms.sequencing import Sequencer
from sim.bms.storage import Storage
from sim.parameters import PlantParameters
from sim.plant import economiser, fws_loop, hydronics, tank
from sim.plant.layout import Array, Layout, Table
from sim.plant.plant import Memory, links
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.run import warmed_up
from sim.sites import DESIGNS
from sim.sites.writer import texts

HEADER = Layout(hydronics.HEADER)
HEADER_STATE = Layout(hydronics.HEADER_STATE)
OPEN = 100.0 / 150.0**0.5


def header(
    running: float, conductance: float, dp_kpa: float = 150.0, bypass: float = 0.0, lost: float = 0
) -> dict[str, float]:
    """A header of four pumps for 100 L/s at 150 kPa over its branches, settled."""
    p = HEADER.filled([hydronics.header_parameters(100.0, 150.0, 100.0, 4)])
    s = HEADER_STATE.table(1)
    s["enabled"], s["dp_setpoint_kpa"] = 1.0, dp_kpa
    s["pumps_wanted"], s["pumps_lost"] = running, lost
    for _ in range(60):
        hydronics.run_header(p[0], s[0], conductance, bypass, 1.0)
    return {name: float(s[name][0]) for name in s.dtype.names or ()}


def test_affinity_a_pump_s_flow_goes_with_its_speed_and_its_head_with_the_square() -> None:
    one, two = header(4, OPEN, 37.5), header(4, OPEN, 150.0)
    assert two["pump_speed"] / one["pump_speed"] == pytest.approx(2.0)
    assert two["flow_ls"] / one["flow_ls"] == pytest.approx(2.0)
    assert two["pump_heat_kw"] / one["pump_heat_kw"] == pytest.approx(8.0)


def test_fewer_pumps_carry_a_small_flow_for_less_power() -> None:
    all_, two = header(4, 0.3 * OPEN), header(2, 0.3 * OPEN)
    assert two["dp_kpa"] == pytest.approx(all_["dp_kpa"]) == pytest.approx(150.0)
    assert two["flow_ls"] == pytest.approx(30.0)
    assert two["pump_power"] < 0.9 * all_["pump_power"]


def test_a_header_that_loses_pumps_gives_what_the_others_can() -> None:
    whole, less, none = (header(4, OPEN, lost=n) for n in (0, 2, 4))
    assert 50.0 < less["flow_ls"] < 90.0
    assert less["pump_speed"] == 1.0
    assert whole["flow_ls"] == pytest.approx(100.0)
    assert none["flow_ls"] == none["pump_power"] == 0.0


def test_head_flow_and_pressure_agree_with_a_search_along_the_curve() -> None:
    p = hydronics.header_parameters(100.0, 150.0, 100.0, 4)
    found = header(3, 0.7 * OPEN, bypass=0.2 * OPEN)
    q, low, high = 0.0, 0.0, 300.0
    for _ in range(60):
        q = 0.5 * (low + high)
        head = found["pump_speed"] ** 2 * p["head0_kpa"] - p["pump_kpa_ls2"] * (q * 4 / 3) ** 2
        lost = p["plant_kpa_ls2"] * q**2 + (q / (0.9 * OPEN)) ** 2
        low, high = (q, high) if head > lost else (low, q)
    assert found["flow_ls"] == pytest.approx(q * 7 / 9, rel=1e-6)
    assert found["dp_kpa"] == pytest.approx((q / (0.9 * OPEN)) ** 2, rel=1e-6)


def test_a_valve_has_its_rangeability_and_leaks_what_its_seat_lets_pass() -> None:
    opening = hydronics.leaking_opening
    assert opening(1.0, 1e-4) == pytest.approx(1.0)
    assert opening(0.02, 1e-4) == pytest.approx(40.0 ** (0.02 - 1.0))
    assert opening(0.0, 1e-4) == 1e-4
    assert opening(0.0, 0.0) == 0.0


@pytest.fixture(scope="module")
def campus() -> Site:
    files = dict(texts(DESIGNS["campus"](), 15_000))
    return parse_site(files["site.toml"], files["points.csv"])


@pytest.fixture(scope="module")
def parameters(campus: Site) -> PlantParameters:
    return PlantParameters.for_site(campus, 1)


def memory(parameters: PlantParameters) -> Memory:
    return Memory({kind: len(ids) for kind, ids in parameters.ids.items()})


# Guideline 36-2021, 5.20.6: N pumps of M while flow over design is over N/M - 0.03 for 10 min.
def test_pumps_stage_by_flow_with_ten_minutes_of_patience(
    campus: Site, parameters: PlantParameters
) -> None:
    plant, sequencer = memory(parameters), Sequencer(parameters.units, links(campus))
    loop, design = plant.state.loops[0], float(parameters.units.loops["design_ls"][0])
    assert parameters.units.loops["pumps"][0] == 3.0

    def minutes(share: float, count: float) -> float:
        loop["flow_ls"], loop["pump_speed"] = share * design, 0.7
        for _ in range(round(2 * count)):
            sequencer.update(plant.state, 30.0)
        return float(loop["pumps_wanted"])

    assert minutes(0.2, 0.5) == 3.0  # all of them at first
    assert minutes(0.2, 9.0) == 3.0
    assert minutes(0.2, 2.0) == 2.0
    assert minutes(0.2, 11.0) == 1.0
    assert minutes(0.25, 30.0) == 1.0
    assert minutes(0.32, 11.0) == 2.0
    assert minutes(0.31, 30.0) == 2.0  # 1/3 - 0.03 lies between
    loop["pump_speed"], loop["dp_setpoint_kpa"], loop["dp_kpa"] = 1.0, 100.0, 80.0
    for _ in range(3):
        sequencer.update(plant.state, 30.0)
    assert loop["pumps_wanted"] == 3.0  # short of pressure at full speed: at once


def exchanger(fouling: float = 0.0) -> tuple[Table, Table]:
    p, s = fws_loop.PARAMETERS.table(1), fws_loop.STATE.table(1)
    values = economiser.parameters(7200.0, 230.0, fouling, 90.0) | {"design_ls": 230.0}
    for name, value in values.items():
        p[name] = value
    s["tower_side_ls"] = 230.0
    return p, s


def test_an_economiser_meets_its_design_approach_and_fouling_costs_it() -> None:
    span = 7200.0 / (4.17 * 230.0)
    # Equal streams: approach = inlet difference / (1 + NTU), and NTU 1.3 times smaller.
    fouled_k = (span + 2.0) / (1.0 + span / 2.0 / 1.3)
    for fouling, approach in ((0.0, 2.0), (0.3, fouled_k)):
        p, s = exchanger(fouling)
        after = economiser.exchange(p[0], s[0], 10.0 + span + 2.0, 230.0, 10.0)
        assert after - 10.0 == pytest.approx(approach, abs=1e-3)


def test_an_economiser_gains_approach_at_part_flow_and_carries_no_heat_uphill() -> None:
    p, s = exchanger()
    s["tower_side_ls"] = 115.0
    part = economiser.exchange(p[0], s[0], 19.5, 115.0, 10.0) - 10.0
    # UA falls with flow to the power 0.7, transfer units rise: the approach gets smaller.
    assert 1.5 < part < 2.0
    assert economiser.exchange(p[0], s[0], 12.0, 230.0, 14.0) == 12.0
    assert float(s["tower_kw"][0]) == 0.0


def column(flow_ls: float, volume_m3: float = 60.0) -> tuple[Table, Table, Array]:
    p, s = fws_loop.PARAMETERS.table(1), fws_loop.STATE.table(1)
    for name, value in tank.parameters(volume_m3, 100.0).items():
        p[name] = value
    s["tank_flow_ls"], s["tank_command"], s["flow_ls"] = flow_ls, flow_ls / 100.0, 200.0
    s["return_c"] = 20.0
    return p, s, np.full(tank.LAYERS, 20.0)


def test_a_tank_charges_from_the_bottom_and_its_heat_balances_to_the_last() -> None:
    p, s, layers = column(50.0)
    p["tank_loss_kw_k"] = 0.4
    kj_k = 60_000.0 / tank.LAYERS * 4.17
    stored, taken = layers.sum() * kj_k, 0.0
    for second in range(900):
        tank.run_pump(p[0], s[0], 1.0)
        top = float(layers[0])
        inflow = 50.0 * 4.17 * (10.0 + math.sin(second / 50.0) - top)
        tank.step(p[0], s[0], layers, 10.0 + math.sin(second / 50.0), 1.0)
        taken += inflow + float(s["tank_heat_kw"][0]) - float(s["tank_loss_kw"][0])
    assert layers.sum() * kj_k - stored == pytest.approx(taken, rel=1e-9)
    assert layers[-1] < 11.5
    assert layers[0] > 15.0
    assert (np.diff(layers) <= 1e-9).all()


def test_discharging_gives_cold_water_until_the_thermocline_arrives() -> None:
    p, s, layers = column(-50.0)
    layers[:] = 8.0
    given = []
    for _ in range(1800):
        tank.run_pump(p[0], s[0], 1.0)
        given.append(float(layers[-1]))
        tank.step(p[0], s[0], layers, 15.0, 1.0)
    # 60 m3 at 50 L/s are 1,200 s; stratified, half of it is still as cold as it was.
    assert given[600] < 8.5
    assert given[-1] > 19.0
    half = tank.loop_supply_c(p[0], s[0], np.full(tank.LAYERS, 8.0), 16.0)
    assert half == pytest.approx((150.0 * 16.0 + 50.0 * 8.0) / 200.0)


def test_a_tank_that_stands_loses_its_cold_slowly_and_never_lies_upside_down() -> None:
    p, s, layers = column(0.0)
    layers[:] = np.linspace(6.0, 18.0, tank.LAYERS)
    before = layers.sum()
    tank.step(p[0], s[0], layers, 15.0, 1.0)
    assert layers.sum() == pytest.approx(before, rel=1e-4)
    assert (np.diff(layers) <= 1e-9).all()
    assert tank.charge_share(np.full(tank.LAYERS, 8.0), 8.0, 16.0) == 1.0
    assert tank.charge_share(np.full(tank.LAYERS, 12.0), 8.0, 16.0) == pytest.approx(0.5)


def test_a_tank_is_kept_full_from_what_chillers_spare_and_helps_when_supply_is_warm() -> None:
    p, s, layers = column(0.0)
    storage = Storage()
    s["setpoint_c"], s["supply_c"] = 10.0, 10.1
    assert storage.command(p[0], s[0], layers, 2000.0) > 0.3
    assert storage.command(p[0], s[0], layers, 0.0) == 0.0
    layers[:] = 10.0
    assert storage.command(p[0], s[0], layers, 2000.0) == 0.0
    s["supply_c"] = 11.5
    assert storage.command(p[0], s[0], layers, 2000.0) == -1.0
    s["supply_c"] = 10.6
    assert -1.0 < storage.command(p[0], s[0], layers, 2000.0) < 0.0
    s["supply_c"] = 10.1
    assert storage.command(p[0], s[0], layers, 2000.0) == 0.0


def with_tank(parameters: PlantParameters, volume_m3: float) -> PlantParameters:
    loops = parameters.units.loops.copy()
    if volume_m3 > 0.0:
        for name, value in tank.parameters(volume_m3, 120.0).items():
            loops[name][0] = value
    return replace(parameters, units=parameters.units._replace(loops=loops))


def test_a_tank_carries_the_hall_over_the_loss_of_every_chiller(
    campus: Site, parameters: PlantParameters
) -> None:
    start_s = from_iso("2024-07-10")
    warmest = {}
    for volume in (0.0, 150.0):
        simulation = warmed_up(
            campus,
            with_tank(parameters, volume),
            load=ConstantLoad(campus, 0.7),
            weather=ConstantWeather(33.0, 25.0),
            local_control="guideline36",
            start_s=start_s,
            seed=1,
        )
        state, layers = simulation._memory.state, simulation._memory.pipes.tank[0]
        if volume:
            setpoint = float(state.loops["setpoint_c"][0])
            assert tank.charge_share(layers, setpoint, setpoint + 8.0) > 0.8
        state.chillers["tripped"][:] = 1.0
        simulation.advance(start_s + 480.0)
        warmest[volume] = float(state.loops["supply_c"][0])
        accounts = simulation.accounts()
        assert abs(accounts.balance_error) < 1e-4
    assert warmest[150.0] < warmest[0.0] - 2.0


def test_only_the_site_that_names_a_tank_has_one() -> None:
    for name, design in DESIGNS.items():
        files = dict(texts(design(), 15_000))
        site = parse_site(files["site.toml"], files["points.csv"])
        units = PlantParameters.for_site(site, 1).units
        volume = 250.0 if name == "campus-storage" else 0.0
        assert cast(float, units.loops["tank_m3"].max()) == volume
