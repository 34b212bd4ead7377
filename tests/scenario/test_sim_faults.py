"""Faults of the simulated facility: each shows in the sensors it should and in none it should
not, comes and goes when it should, and is refused when it cannot be.
"""

from __future__ import annotations

import functools
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from facility.quantities import QUANTITIES
from facility.site import Site
from facility.units import Kind
from sim.faults import KINDS, Fault
from sim.simulation import Simulation
from tests import plants
from tests.plants import START_S

RUN_S = 900.0
# So much no sensor of this kind moves by noise or by the ripple of a plant that settles anew.
STILL = {
    Kind.TEMPERATURE: 0.35, Kind.POWER: 5.0, Kind.FLOW: 0.6, Kind.PRESSURE: 5.0,
    Kind.PERCENT: 3.0, Kind.STATE: 0.5, Kind.COUNT: 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def standing() -> Simulation:
    return plants.standing("campus", dry_bulb_c=25.0, wet_bulb_c=20.0)


@pytest.fixture(scope="module")
def healthy_at(standing: Simulation) -> Callable[[float], dict[str, float]]:
    """What every point shows after so many seconds without a fault."""

    @functools.cache
    def after(run_s: float) -> dict[str, float]:
        twin = standing.copy()
        twin.advance(START_S + run_s)
        return shown(twin)

    return after


@pytest.fixture(scope="module")
def healthy(healthy_at: Callable[[float], dict[str, float]]) -> dict[str, float]:
    """What every point shows after the run without a fault."""
    return healthy_at(RUN_S)


def shown(simulation: Simulation) -> dict[str, float]:
    readings = {tag: simulation.read(tag) for tag in simulation.site.points}
    return {tag: r.value for tag, r in readings.items() if r.ok and r.value is not None}


def with_fault(standing: Simulation, *faults: Fault, run_s: float = RUN_S) -> Simulation:
    twin = standing.copy()
    twin.set_faults(faults)
    twin.advance(START_S + run_s)
    return twin


@dataclass(frozen=True)
class Signature:
    """A fault, what it must move (tag, least change with its sign), and what it must not."""

    kind: str
    place: str
    severity: float | None
    moves: dict[str, float]
    still: tuple[str, ...]
    gone: tuple[str, ...] = ()
    """Points that no longer answer, and ``device ID`` for all of a device."""
    end_s: float = math.inf
    run_s: float = RUN_S
    """When it is looked at: a plant that is back to itself shows nothing."""


WEATHER = ("outdoor.*",)
OTHER_CDUS = ("cdu[234].tcs_*", "cdu[234].pump_power", "d[234]??.*")
AIR_SIDE = ("a???.*", "crah?.supply_air_temperature", "crah?.fan_power", "hall1.*")
LIQUID_SIDE = ("cdu?.tcs_*", "cdu?.pump_power", "d???.*")
EVERYTHING = ("*",)
SUPPLY = "cdu1.tcs_supply_temperature"
CHW = "chiller1.chw_supply_temperature"
CW = "tower_water.cw_supply_temperature"

SIGNATURES = (
    Signature("fouling", "cdu1", 0.15, {"cdu1.valve_position": 3.5},
              (*WEATHER, *OTHER_CDUS, *AIR_SIDE, "cdu1.tcs_*", "cdu1.pump_power")),
    Signature("fouling", "chiller1", 0.5, {"chiller1.power": 6.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "chiller1.chw_*", "chiller1.cooling_load")),
    Signature("filter_clog", "cdu1", 1.5,
              {"cdu1.tcs_flow": -4.0, "d101.case_temperature": 2.0},
              (*WEATHER, *OTHER_CDUS, *AIR_SIDE, SUPPLY)),
    Signature("filter_clog", "crah1", 3.0, {"crah6.fan_speed": 4.0},
              (*WEATHER, *LIQUID_SIDE, "outdoor.*")),
    Signature("stuck_valve", "cdu1", 0.2,
              {"cdu1.valve_position": -30.0, SUPPLY: 10.0, "d101.case_temperature": 8.0},
              (*WEATHER, *OTHER_CDUS, "cdu1.tcs_flow", "cdu1.pump_power", "crah?.fan_speed")),
    # The trim exchanger's valve stands open without need: the colder loop pumps for nothing.
    Signature("stuck_valve", "warm", 0.6, {"cool.fws_flow": 3.0}, (*WEATHER, "cdu?.tcs_flow")),
    Signature("stuck_valve", "cool", 0.0,  # the economiser's: chillers carry what it did
              {"chiller1.cooling_load": 50.0, "chiller1.power": 5.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "chiller1.chw_supply_temperature")),
    Signature("leaking_valve", "cdu1", 0.9, {SUPPLY: -0.5, "cdu1.valve_position": -20.0},
              (*WEATHER, *OTHER_CDUS, *AIR_SIDE, "cdu1.tcs_flow", "cdu1.pump_power")),
    Signature("pump_trip", "cdu1", None,
              {"cdu1.tcs_flow": -15.0, "cdu1.pump_power": -2.0, "d101.case_temperature": 15.0,
               "cdu1.cooling_load": -500.0, "cdu1.fault_alarm": 1.0, "cdu1.available": -1.0},
              (*WEATHER, *OTHER_CDUS, "crah?.fan_power")),
    Signature("pump_degraded", "cdu1", 0.4, {"cdu1.tcs_flow": -4.0, "d101.case_temperature": 3.0},
              (*WEATHER, *OTHER_CDUS, *AIR_SIDE, SUPPLY)),
    Signature("pump_trip", "warm", None,
              {"warm.fws_flow": -40.0, "warm.pump_power": -10.0, SUPPLY: 10.0,
               "cdu3.tcs_supply_temperature": 10.0},
              (*WEATHER, "cdu?.tcs_flow", "cdu?.pump_power")),
    Signature("leaking_valve", "warm", 0.3, {"cool.fws_flow": 5.0}, (*WEATHER, "cdu?.tcs_flow")),
    Signature("fan_trip", "crah1", None,
              {"crah1.fan_speed": -50.0, "crah1.fan_power": -2.0, "crah6.fan_speed": 5.0},
              (*WEATHER, *LIQUID_SIDE)),
    Signature("fan_degraded", "crah1", 0.4, {"crah6.fan_speed": 3.0},
              (*WEATHER, *LIQUID_SIDE)),
    Signature("fan_degraded", "tower1", 0.5, {"tower1.fan_speed": 2.0, "tower2.fan_speed": 2.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "hall1.*")),
    Signature("containment_open", "hall1", 0.4, {"crah1.fan_speed": 3.0, "crah6.fan_speed": 3.0},
              (*WEATHER, *LIQUID_SIDE)),
    Signature("fan_trip", "tower1", None,
              {"tower1.fan_speed": -30.0, "tower1.fan_power": -2.0, "tower2.fan_speed": 10.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "hall1.*")),
    Signature("chiller_trip", "chiller1", None,
              {"chiller1.power": -100.0, "chiller1.cooling_load": -500.0, "chiller1.running": -1.0,
               "chiller1.available": -1.0},
              (*WEATHER, *LIQUID_SIDE)),
    Signature("leak", "cdu1", 3.0, {"cdu1.leak": 1.0}, EVERYTHING),
    Signature("power_blip", "site", None,
              {"chiller1.power": -100.0, "chiller1.cooling_load": -500.0, "chiller1.running": -1.0},
              (*WEATHER, "hall1.*"), end_s=START_S + 10.0, run_s=300.0),
    Signature("sensor_bias", "cdu1.tcs_return_temperature", 2.0,
              {"cdu1.tcs_return_temperature": 1.9}, EVERYTHING),
    Signature("sensor_bias", SUPPLY, 1.0,  # its own controller believes it
              {"d101.case_temperature": -0.4, "cdu1.tcs_return_temperature": -0.4,
               "cdu1.valve_position": 3.0},
              (*WEATHER, *OTHER_CDUS, *AIR_SIDE, SUPPLY, "cdu1.tcs_flow")),
    Signature("sensor_bias", CHW, 1.0,  # and so does a chiller: its water gets too cold
              {"cool.fws_supply_temperature": -0.7, "crah1.valve_position": -1.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE)),
    Signature("sensor_loss", CHW, None,  # it shuts down and says so
              {"chiller1.running": -1.0, "chiller1.power": -100.0, "chiller1.available": -1.0},
              (*WEATHER, *LIQUID_SIDE), gone=(CHW,)),
    Signature("sensor_bias", CW, 2.0, {"tower1.fan_speed": 5.0, "tower2.fan_speed": 5.0},
              (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "hall1.*")),
    Signature("sensor_loss", CW, None, {}, (*WEATHER, *LIQUID_SIDE, *AIR_SIDE, "tower?.fan_speed"),
              gone=(CW,)),
    Signature("sensor_drift", "a101.inlet_temperature", 288.0, {"a101.inlet_temperature": 1.5},
              EVERYTHING),
    Signature("sensor_freeze", "d101.it_power", None, {}, EVERYTHING),
    Signature("sensor_loss", "hall1.dew_point_temperature", None, {}, EVERYTHING,
              gone=("hall1.dew_point_temperature",)),
    Signature("communication_loss", "cdu2", None, {}, EVERYTHING, gone=("device cdu2",)),
    Signature("panel_setpoint", "cdu1.tcs_supply_temperature_setpoint", 29.0,
              {"cdu1.tcs_supply_temperature_setpoint_in_force": -2.0, SUPPLY: -1.5,
               "d101.case_temperature": -1.2},
              (*WEATHER, *OTHER_CDUS, "cdu1.tcs_flow")),
    Signature("panel_local", "cdu1", None, {}, EVERYTHING),
)  # fmt: skip


@pytest.mark.parametrize("case", SIGNATURES, ids=lambda c: f"{c.kind}-{c.place}")
def test_a_fault_shows_in_the_sensors_it_should_and_in_none_it_should_not(
    standing: Simulation, healthy_at: Callable[[float], dict[str, float]], case: Signature
) -> None:
    fault = Fault(case.kind, case.place, START_S, case.end_s, case.severity)
    healthy = healthy_at(case.run_s)
    seen = shown(with_fault(standing, fault, run_s=case.run_s))
    points = standing.site.points
    gone = {t for t in healthy if t in case.gone or f"device {points[t].device}" in case.gone}
    assert set(healthy) - set(seen) == gone
    assert gone or not case.gone
    for tag, least in case.moves.items():
        moved = seen[tag] - healthy[tag]
        assert moved * math.copysign(1.0, least) >= abs(least), (tag, moved)
    quiet = [
        tag
        for tag in seen
        if tag not in case.moves and any(fnmatch(tag, pattern) for pattern in case.still)
    ]
    assert quiet
    stirred = {
        tag: seen[tag] - healthy[tag]
        for tag in quiet
        if abs(seen[tag] - healthy[tag]) > _still(standing.site, tag)
    }
    assert stirred == {}


def _still(site: Site, tag: str) -> float:
    return STILL[QUANTITIES[site.points[tag].quantity].kind]


def test_every_kind_of_fault_has_its_signature() -> None:
    assert {case.kind for case in SIGNATURES} == set(KINDS)


def test_a_fault_begins_and_ends_when_it_should_however_the_run_is_advanced(
    standing: Simulation,
) -> None:
    faults = (
        Fault("fouling", "cdu1", START_S + 47.0, START_S + 400.0, 0.5, grows_s=100.0),
        Fault("pump_trip", "cdu2", START_S + 61.0, START_S + 75.0),
        Fault("sensor_drift", "cdu3.tcs_supply_temperature", START_S + 13.0, severity=40.0),
        Fault("sensor_freeze", "crah1.supply_air_temperature", START_S + 100.0),
        Fault("power_blip", "site", START_S + 200.0, START_S + 207.0),
    )
    at_once, by_the_second = standing.copy(), standing.copy()
    for simulation in (at_once, by_the_second):
        simulation.set_faults(faults)
    at_once.advance(START_S + 500.0)
    for second in range(1, 501):
        by_the_second.advance(START_S + second)
        names = {f.kind for f in by_the_second.active_faults()}
        assert ("pump_trip" in names) == (61.0 <= second < 75.0)
    assert dict(at_once.truth()) == dict(by_the_second.truth())
    assert shown(at_once) == shown(by_the_second)


def test_nothing_of_a_fault_stays_in_the_plant_when_it_is_over_but_what_it_did(
    standing: Simulation, healthy: dict[str, float]
) -> None:
    twin = standing.copy()
    parameters = {name: table.copy() for name, table in twin._units._asdict().items()}
    every = [
        Fault(c.kind, c.place, START_S + 5.0, START_S + 5.5 + i, c.severity)
        for i, c in enumerate(SIGNATURES)
    ]
    twin.set_faults(every)
    twin.advance(START_S + 60.0)
    assert twin.active_faults() == ()
    for name, table in twin._units._asdict().items():
        assert (table == parameters[name]).all(), name
    state = twin._memory.state
    for column in ("fouled", "clogged", "pump_loss", "valve_stuck", "valve_leak", "tripped",
                   "sensor_off_k", "sensor_held", "hole_lmin", "spilled_l"):  # fmt: skip
        assert (state.cdus[column] == 0.0).all(), column
    for column in ("clogged", "fan_loss", "valve_stuck", "valve_leak", "tripped"):
        assert (state.crahs[column] == 0.0).all(), column
    for column in ("sensor_off_k", "sensor_held", "sensor_lost"):
        assert (state.tower_water[column] == 0.0).all(), column
    for column in ("sensor_off_k", "sensor_held"):
        assert (state.chillers[column] == 0.0).all(), column
    for column in ("tower_valve_stuck", "trim_valve_stuck"):
        assert (state.loops[column] == 0.0).all(), column
    assert (state.towers["fan_loss"] == 0.0).all()
    assert (state.towers["available"] == 1.0).all()
    assert (state.chillers["tripped"] == 0.0).all()
    assert set(shown(twin)) == set(healthy)


def test_a_fault_of_one_simulation_is_none_of_its_copies_and_of_its_site(
    standing: Simulation, healthy: dict[str, float]
) -> None:
    fault = Fault("fouling", "chiller1", START_S + 100.0, severity=0.5)
    broken = with_fault(standing, fault, run_s=50.0)
    twin, saved = broken.copy(), pickle.dumps(broken)
    broken.set_faults(())
    broken.advance(START_S + RUN_S)
    assert shown(broken) == healthy
    for other in (twin, pickle.loads(saved)):
        assert other.faults == (fault,)
        other.advance(START_S + RUN_S)
        assert other.truth()["chiller1.power"] > broken.truth()["chiller1.power"] + 6.0


def test_after_a_blip_drives_come_back_at_once_and_chillers_after_their_lock_out(
    standing: Simulation,
) -> None:
    twin = standing.copy()
    it_kw = sum(twin.truth()[f"{r}.it_power"] for r in twin.site.racks)
    twin.set_faults([Fault("power_blip", "site", START_S, START_S + 5.0)])
    twin.advance(START_S + 5.0)
    dark = twin.truth()
    assert dark["cdu1.tcs_flow"] < 0.8 * standing.truth()["cdu1.tcs_flow"]
    assert dark["chiller1.power"] == 0.0
    assert sum(dark[f"{r}.it_power"] for r in twin.site.racks) == pytest.approx(it_kw, rel=0.02)
    twin.advance(START_S + 60.0)
    assert twin.truth()["cdu1.tcs_flow"] == pytest.approx(
        standing.truth()["cdu1.tcs_flow"], rel=0.02
    )
    lock_out_s = float(twin._units.chillers["lock_out_s"][0])
    while twin.truth()["chiller1.running"] == 0.0 and twin.now_s < START_S + 3600.0:
        assert twin.now_s - START_S <= 3600.0
        twin.advance(twin.now_s + 10.0)
        if twin.truth()["chiller1.running"] == 1.0:
            assert twin.now_s - START_S >= lock_out_s
    assert twin.accounts().limit_violation_degree_minutes == 0.0


def test_a_chiller_whose_sensor_is_frozen_goes_on_until_an_end(standing: Simulation) -> None:
    twin = standing.copy()
    aim_c = twin.truth()[CHW] - 3.0
    setpoints = [f"{c}.chw_supply_temperature_setpoint" for c in twin.site.chillers]
    colder = [Fault("panel_setpoint", tag, START_S, severity=aim_c) for tag in setpoints]
    sound = twin.copy()
    sound.set_faults(colder)
    twin.set_faults([*colder, Fault("sensor_freeze", CHW, START_S)])
    shows_c = twin.read(CHW).value
    for simulation in (sound, twin):
        simulation.advance(START_S + 1800.0)
    assert sound.truth()[CHW] == pytest.approx(aim_c, abs=0.2)
    assert twin.truth()[CHW] < aim_c - 1.0
    assert twin.read(CHW).value == shows_c


def test_a_leak_wets_its_sensor_is_made_up_for_a_while_and_then_stops_the_pump(
    standing: Simulation,
) -> None:
    twin = standing.copy()
    twin.set_faults([Fault("leak", "cdu1", START_S, severity=5.0)])
    cdu = twin._memory.state.cdus
    pressures = []
    for minute in range(1, 61):
        twin.advance(START_S + 60.0 * minute)
        pressures.append(float(cdu["pressure_kpa"][0]))
    assert twin.truth()["cdu1.leak"] == 1.0
    # 5 L/min against 2 L/min from a tank of 40 L: gone within 20 minutes, then no pressure.
    assert cdu["tank_used_l"][0] == pytest.approx(40.0, abs=0.1)
    assert pressures[0] > pressures[10] > pressures[40]
    assert twin.truth()["cdu1.tcs_flow"] == 0.0
    assert twin.truth()["cdu2.leak"] == 0.0
    twin.set_faults(())
    twin.advance(twin.now_s + 3600.0)
    assert twin.truth()["cdu1.leak"] == 0.0


def test_a_device_that_is_silent_takes_no_writes_and_falls_back_by_its_watchdog(
    standing: Simulation,
) -> None:
    twin = standing.copy()
    setpoint = "cdu1.tcs_supply_temperature_setpoint"
    twin.set_faults([Fault("communication_loss", "cdu1", START_S + 10.0, START_S + 40.0)])
    assert twin.write("cdu1.remote_enable", 1.0)
    for beat in range(1, 61):
        heard = twin.write("cdu1.heartbeat", float(beat))
        assert heard == twin.answers("cdu1")
        assert twin.answers("cdu1") == (not 10 < beat <= 40)
        twin.write(setpoint, 26.0)
        twin.advance(START_S + beat)
    assert twin.read("cdu1.remote_active").value == 0.0


def test_a_device_switched_to_local_at_its_panel_takes_no_enable(standing: Simulation) -> None:
    twin = standing.copy()
    twin.set_faults(
        [
            Fault("panel_local", "cdu1", START_S + 10.0, START_S + 20.0),
            Fault(
                "panel_setpoint", "cdu1.tcs_supply_temperature_setpoint", START_S + 10.0,
                START_S + 20.0, 30.0,
            ),
        ]
    )  # fmt: skip
    active = []
    for beat in range(1, 31):
        twin.write("cdu1.remote_enable", 1.0)
        twin.write("cdu1.heartbeat", float(beat))
        twin.write("cdu1.tcs_supply_temperature_setpoint", 26.0)
        twin.advance(START_S + beat)
        active.append(twin.read("cdu1.remote_active").value)
        if beat == 19:
            in_force = twin.read("cdu1.tcs_supply_temperature_setpoint_in_force").value
            assert in_force is not None
            assert in_force > 26.0
    assert active[5] == 1.0
    assert active[12:19] == [0.0] * 7
    assert active[-1] == 1.0


def test_the_page_on_faults_names_every_kind() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "faults.md").read_text()
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []
