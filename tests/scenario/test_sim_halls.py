"""Halls against what others published: loss of cooling, flow and rise, recirculation, moisture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facility.equipment import RackKind
from facility.site import Site
from sim.faults import Fault
from sim.parameters import PlantParameters
from sim.plant import cdu, crah, immersion, rear_door, wet_coil
from sim.plant.exchanger import crossflow_effectiveness
from sim.plant.fluids import AIR_KJ_KGK, AIR_KJ_M3K, COOLANT_KJ_LK
from sim.plant.moist_air import _LIBRARY as PSYCHROLIB  # interpreted: seconds less
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.run import warmed_up
from sim.simulation import Simulation
from tests.halls_site import laboratory
from tests.plants import START_S, standing


@pytest.fixture(scope="module")
def campus() -> Simulation:
    return standing("campus", dry_bulb_c=22.0, wet_bulb_c=14.0)


@pytest.fixture(scope="module")
def lab() -> Site:
    return laboratory()


@pytest.fixture(scope="module")
def full(lab: Site) -> Simulation:
    return stands(lab, 1.0, control="fixed")


def stands(
    site: Site, share: float, *, control: str = "guideline36", dry_c: float = 22.0,
    wet_c: float = 14.0,
) -> Simulation:  # fmt: skip
    return warmed_up(
        site,
        PlantParameters.for_site(site, 1),
        load=ConstantLoad(site, share),
        weather=ConstantWeather(dry_c, wet_c),
        local_control=control,
        start_s=START_S,
        seed=1,
    )


def seconds_until(simulation: Simulation, tags: list[str], above_c: float) -> float:
    while max(simulation.truth()[tag] for tag in tags) <= above_c:
        simulation.advance(simulation.now_s + 5.0)
        assert simulation.now_s - START_S < 3600.0
    return simulation.now_s - START_S


# Opengate (Mission Critical Magazine): cabinets of 5 kW trip within about three minutes.
def test_cabinets_of_5_kw_pass_their_inlet_limit_about_three_minutes_after_the_air_stops(
    full: Simulation,
) -> None:
    twin = full.copy()
    twin.set_faults([Fault("fan_trip", unit, START_S) for unit in ("crah1", "crah2")])
    seconds = seconds_until(twin, [f"c{i:02d}.inlet_temperature" for i in range(12)], 35.0)
    assert 60.0 <= seconds <= 300.0


def test_racks_on_cold_plates_pass_theirs_within_a_minute_and_tanks_after_several(
    full: Simulation,
) -> None:
    twin = full.copy()
    twin.set_faults([Fault("pump_trip", "cdu2", START_S)])
    plates = seconds_until(twin.copy(), [f"p{i}.case_temperature" for i in range(4)], 80.0)
    tanks = seconds_until(twin, [f"t{i}.bath_temperature" for i in range(4)], 60.0)
    assert 15.0 <= plates <= 60.0
    # 1.7 MJ/K a cubic metre: 100 kW warm 1,000 litres of fluid by 3.6 K a minute.
    assert 240.0 <= tanks <= 600.0


def test_racks_without_cooling_shut_down_before_they_burn_and_come_back_when_they_are_cool(
    full: Simulation,
) -> None:
    twin = full.copy()
    twin.set_faults([Fault("pump_trip", "cdu2", START_S, START_S + 1200.0)])
    twin.advance(START_S + 1190.0)
    hot = twin.truth()
    assert all(hot[f"p{i}.it_power"] < 5.0 for i in range(4))
    assert max(hot[f"p{i}.case_temperature"] for i in range(4)) < 125.0
    assert max(hot[f"t{i}.bath_temperature"] for i in range(4)) < 80.0
    twin.advance(START_S + 3600.0)
    assert all(twin.truth()[f"p{i}.it_power"] > 80.0 for i in range(4))
    assert twin.accounts().throttled_kwh > 50.0


# Khankari (ASHRAE LV-11-C026): the rate of heating starts at what the air alone would do and
# decays, with one time constant, to that of all the mass in the room.
def test_a_hall_without_cooling_heats_at_a_rate_that_decays_to_that_of_all_its_mass(
    lab: Site,
) -> None:
    twin = stands(lab, 0.4, control="fixed")
    twin.set_faults([Fault("fan_trip", unit, START_S) for unit in ("crah1", "crah2")])
    units, state = twin._units, twin._memory.state
    inlets = units.air["inlet_kj_k"][:12].sum()
    room = float(units.halls["air_kj_k"][0])
    servers = units.air["server_kj_k"][:12].sum()
    means = []
    for _ in range(120):
        means.append(float(state.air["inlet_c"][:12].mean()))
        twin.advance(twin.now_s + 10.0)
    rates = np.diff(means) / 10.0
    assert rates.argmax() < 24
    kw = sum(twin.truth()[f"c{i:02d}.it_power"] for i in range(12))
    slowest = kw / (inlets + servers + room)
    fastest = kw / inlets
    assert slowest < rates.max() < fastest
    assert rates[-1] == pytest.approx(slowest, rel=0.15)
    assert rates[-1] < 0.6 * rates.max()


# OCP and vendors: 1.0 to 1.5 L/min for each kW, a rise of 10 K at 1.4 to 1.5.
@pytest.mark.parametrize("lmin_kw", [1.0, 1.2, 1.35])
def test_coolant_rises_over_direct_to_chip_racks_as_flow_says(
    campus: Simulation, lmin_kw: float
) -> None:
    twin = campus.copy()
    it_kw = sum(twin.truth()[f"d1{i:02d}.it_power"] for i in range(1, 11))
    liquid_kw = 0.9 * it_kw
    flow = lmin_kw / 60.0 * liquid_kw
    twin.set_at_panel({"cdu1.tcs_flow_setpoint": flow})
    twin.advance(START_S + 1800.0)
    truth = twin.truth()
    assert truth["cdu1.tcs_flow"] == pytest.approx(flow, rel=0.01)
    rise = truth["cdu1.tcs_return_temperature"] - truth["cdu1.tcs_supply_temperature"]
    kj_lk = COOLANT_KJ_LK
    assert rise == pytest.approx(60.0 / (lmin_kw * kj_lk), rel=0.03)
    assert 9.0 < rise < 16.0


# Sharma, Bash & Patel, AIAA-2002-3091: SHI = sum(Tin - Tref) / sum(Tout - Tref), RHI = 1 - SHI.
def test_supply_heat_index_is_that_of_a_contained_hall_and_worsens_with_less_air(
    campus: Simulation,
) -> None:
    def index(simulation: Simulation) -> float:
        state = simulation._memory.state
        supply_c = float((state.crahs["supply_c"] * state.crahs["air_m3s"]).sum())
        supply_c /= float(state.crahs["air_m3s"].sum())
        inlet, outlet = state.air["inlet_c"], state.air["outlet_c"]
        return float((inlet - supply_c).sum() / (outlet - supply_c).sum())

    def at_speed(percent: float) -> float:
        twin = campus.copy()
        twin.set_at_panel({f"crah{i}.fan_speed_setpoint": percent for i in range(1, 7)})
        twin.advance(START_S + 2400.0)
        return index(twin)

    plenty, short = at_speed(90.0), at_speed(35.0)
    assert 0.02 < plenty < 0.2
    assert short > plenty + 0.1


def test_every_kind_of_rack_keeps_the_balance_and_its_limits(lab: Site) -> None:
    assert {r.kind for r in lab.racks.values()} == set(RackKind)
    simulation = stands(lab, 0.8, control="fixed")
    simulation.advance(START_S + 6.0 * 3600.0)
    accounts = simulation.accounts()
    assert abs(accounts.balance_error) < 1e-3
    assert accounts.limit_violation_degree_minutes == 0.0
    assert accounts.throttled_kwh == 0.0
    truth = simulation.truth()
    # A room-neutral door: what leaves it is what the room is, within a degree.
    for i in range(6):
        drop = truth[f"d{i}.outlet_temperature"] - truth[f"d{i}.inlet_temperature"]
        assert abs(drop) < 1.0
    flows = simulation._memory.state
    of_cdu2 = flows.tanks["flow_ls"].sum() + flows.liquid["flow_ls"].sum()
    assert of_cdu2 == pytest.approx(truth["cdu2.tcs_flow"])
    assert flows.doors["flow_ls"].sum() == pytest.approx(truth["cdu1.tcs_flow"])


def test_such_a_site_keeps_its_parameters_in_a_file(lab: Site, tmp_path) -> None:  # type: ignore[no-untyped-def]
    parameters = PlantParameters.for_site(lab, 1)
    parameters.save(tmp_path / "plant.toml")
    again = PlantParameters.load(tmp_path / "plant.toml", lab)
    for ours, theirs in zip(parameters.units, again.units, strict=True):
        assert np.array_equal(ours, theirs)


# Schmidt et al., InterPACK 2005: a door takes out a good half of a rack's heat, more with water.
def test_a_rear_door_takes_half_of_the_heat_with_little_water_and_all_with_design_water(
    lab: Site,
) -> None:
    p = rear_door.parameters(lab, np.random.default_rng(1))
    s = rear_door.STATE.table(len(p))

    def share(flow: float, water_c: float) -> float:
        row = s[0]
        row["flow_ls"] = flow * p[0]["design_ls"]
        rear_door.step(p[0], row, 24.0 + 12.5, p[0]["design_m3s"], water_c, 1.0)
        return float(row["heat_kw"]) / 30.0

    assert share(1.0, 18.0) == pytest.approx(1.0, abs=0.07)
    assert 0.4 < share(0.4, 18.0) < 0.75
    assert share(1.0, 14.0) > share(1.0, 18.0)
    effectiveness = share(1.0, 18.0) * 12.5 / 18.5
    assert 0.6 < effectiveness < 0.85


def test_cold_fluid_is_thick_and_its_exchanger_the_worse(lab: Site) -> None:
    # Walther's line goes through its two points, and is as steep as light hydrocarbons are.
    assert immersion.viscosity_mm2s(40.0) == pytest.approx(5.0)
    assert immersion.viscosity_mm2s(100.0) == pytest.approx(1.8)
    assert 8.0 < immersion.viscosity_mm2s(20.0) < 11.0
    p = immersion.parameters(lab, np.random.default_rng(1))[0]
    warm, cold = (
        immersion.conductance_kw_k(p, bath_c, 1.0, float(p["design_ls"])) for bath_c in (40.0, 10.0)
    )
    assert 0.7 < cold / warm < 0.85


def integrated_coil_kw(
    film: float, whole: float, air_c: float, water_c: float, dew_c: float
) -> tuple[float, float]:
    """Sensible and latent heat by bisection on the surface, with psychrolib's moist air."""
    pressure = wet_coil.PRESSURE_KPA * 1e3
    moist = PSYCHROLIB.GetHumRatioFromTDewPoint(dew_c, pressure)
    rest = 1.0 / (1.0 / whole - 1.0 / film)

    def heat(surface_c: float) -> tuple[float, float]:
        over = moist - PSYCHROLIB.GetSatHumRatio(surface_c, pressure)
        latent = film / AIR_KJ_KGK * wet_coil.LATENT_COIL_KJ_KG * max(over, 0.0)
        return film * (air_c - surface_c), latent

    surface_c, low, high = water_c, water_c, air_c
    for _ in range(60):
        surface_c = 0.5 * (low + high)
        if sum(heat(surface_c)) > rest * (surface_c - water_c):
            low = surface_c
        else:
            high = surface_c
    return heat(surface_c)


@pytest.mark.parametrize(("water_c", "dew_c"), [(7.0, 14.0), (7.0, 10.0), (10.0, 16.0), (7.0, 6.0)])
def test_a_wet_coil_condenses_what_psychrolib_s_air_would(water_c: float, dew_c: float) -> None:
    air = AIR_KJ_M3K * 20.0
    ua = 40.0
    film = air * (1.0 - math.exp(-2.0 * ua / air))
    whole = crossflow_effectiveness(ua / air, air / 45.0) * air
    sensible, latent = wet_coil.wet_coil_kw(film, whole, 32.0, water_c, dew_c)
    expected = integrated_coil_kw(film, whole, 32.0, water_c, dew_c)
    assert sensible == pytest.approx(expected[0], rel=0.01)
    assert latent == pytest.approx(expected[1], rel=0.05, abs=0.5)
    if dew_c < water_c:
        assert latent == 0.0
        assert sensible == pytest.approx(whole * (32.0 - water_c))


def test_dew_points_and_humidity_ratios_are_psychrolib_s() -> None:
    for dew_c in (2.0, 9.0, 14.0, 20.0):
        ratio = wet_coil.humidity_ratio(dew_c)
        theirs = PSYCHROLIB.GetHumRatioFromTDewPoint(dew_c, wet_coil.PRESSURE_KPA * 1e3)
        assert ratio == pytest.approx(theirs, rel=0.005)
        assert wet_coil.dew_point_of(ratio) == pytest.approx(dew_c)


def test_cold_coils_dry_the_hall_until_its_make_up_air_keeps_up(campus: Simulation) -> None:
    humid = standing("campus", dry_bulb_c=26.0, wet_bulb_c=24.0)
    twin = humid.copy()
    chillers = [f"{c}.chw_supply_temperature_setpoint" for c in campus.site.chillers]
    air = [f"{c}.supply_air_temperature_setpoint" for c in campus.site.crahs]
    fans = [f"{c}.fan_speed_setpoint" for c in campus.site.crahs]
    twin.set_at_panel(
        dict.fromkeys(chillers, 7.0) | dict.fromkeys(air, 15.0) | dict.fromkeys(fans, 100.0)
    )
    condensate_l = 0.0
    for minute in range(1, 241):
        twin.advance(START_S + 60.0 * minute)
        condensate_l += 60.0 * float(twin._memory.state.crahs["condensate_ls"].sum())
    humid.advance(twin.now_s)
    warm, cold = humid.truth(), twin.truth()
    assert cold["hall1.dew_point_temperature"] < warm["hall1.dew_point_temperature"] - 0.2
    assert 0.5 < condensate_l < 200.0
    assert abs(twin.accounts().balance_error) < 1e-3


@pytest.mark.parametrize("clogged", [0.0, 0.5, 2.0])
def test_a_filter_takes_flow_along_the_parabola_of_the_circuit(
    campus: Simulation, clogged: float
) -> None:
    p = campus._units.cdus[0]
    s = campus._memory.state.cdus.copy()[0]
    s["clogged"], s["flow_setpoint_ls"] = clogged, 1e3
    for _ in range(60):
        cdu.run_pump(p, s, 1.0)
    assert s["flow_ls"] == pytest.approx(p["max_ls"] / math.sqrt(1.0 + clogged))


def test_a_loaded_filter_and_a_slipping_belt_take_air_and_the_fan_goes_on_turning(
    campus: Simulation,
) -> None:
    p = campus._units.crahs[0]
    s = campus._memory.state.crahs.copy()[0]
    s["fan_setpoint_pct"] = 80.0
    found = []
    for clogged, loss in ((0.0, 0.0), (1.0, 0.0), (0.0, 0.3)):
        s["clogged"], s["fan_loss"] = clogged, loss
        for _ in range(60):
            crah.run_fans(p, s, 1.0)
        assert s["fan_speed"] == pytest.approx(80.0)
        found.append(float(s["air_m3s"]) / float(p["design_m3s"]))
    assert found == pytest.approx([0.8, 0.8 * math.sqrt(1.25 / 2.25), 0.56])
