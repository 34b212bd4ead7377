"""Water-cooled centrifugal chillers with variable speed.

Inside the box that its curves were fitted in (`sim.plant.chiller_curves`) a machine follows
EnergyPlus ``Chiller:Electric:ReformulatedEIR``.

Outside it the curves blow up (a York YK gives COP 22 to 37 at 22 °C), so the inputs are held
at the box's edge and the power is continued at constant second-law efficiency: in
proportion to the lift over the evaporating temperature, Gordon & Ng, *Cool Thermodynamics*
(2000), chapter 4, with 1.5 K of approach in each shell, a least lift that the compressor and
its oil need, and a cap on COP.

Curves of part load were fitted along the condenser temperatures of a seasonal test, so at a
hot condenser some of them rise again below a certain load. There the power is held at its
least: a centrifugal machine that is unloaded at that lift keeps out of surge by hot-gas
bypass, at constant power (ASHRAE Handbook HVAC Systems and Equipment 2020, chapter 43).
"""

from __future__ import annotations

import math

import numpy as np

from facility.equipment import Chiller
from facility.site import Site
from sim.plant import control_sensor
from sim.plant.fluids import WATER_KJ_LK
from sim.plant.hydronics import move_towards
from sim.plant.layout import Array, Layout, Record, Table, kernel

# Rating point of AHRI 550/590: 6.7 °C leaving chilled water, 34.6 °C leaving condenser water.
RATED_EVAPORATOR_C = 6.7
RATED_CONDENSER_C = 34.6
SHELL_APPROACH_K = 1.5

PARAMETERS = Layout(
    {
        "capacity_kw": "nameplate at the AHRI 550/590 rating point, kW",
        "cop": "nameplate COP there",
        "min_part_load": "below this the machine cycles, share of available capacity",
        "min_lift_k": "leaving condenser over leaving evaporator water, least, K",
        "max_cop": "cap on COP, where the curves know nothing",
        "loading_per_s": "fastest rise of the load, share of capacity a second (10 %/min)",
        "unloading_per_s": "fastest fall, share of capacity a second",
        "start_s": "from start to load: pre-lubrication, flow proving, vanes, s",
        "lock_out_s": "shortest time from stop to start, s (SBC library: off at least 600 s)",
        "fast_restart_s": "the same after a trip that has been reset, s (60 to 180 where bought)",
        "min_on_s": "least running time but for a trip, s (Carrier 23XL: 15 min start to start)",
        "cycle_k": "0: below the least part load the mean of cycling; above: the machine stops so"
        " far below its setpoint and starts again so far above it, K",
        "cut_out_condenser_c": "leaving condenser water at which high pressure trips it, degC",
        "cut_out_evaporator_c": "leaving chilled water at which low temperature trips it, degC",
        "reset_s": "from such a trip until it resets itself, s",
        "evaporator_design_ls": "evaporator water at design, L/s",
        "evaporator_min_ls": "evaporator water, least, L/s",
        "condenser_design_ls": "condenser water at design, L/s",
        "condenser_c_ls_kpa": "conductance of the condenser's branch, L/s a root of kPa",
        "evaporator_kj_k": "water and shell of the evaporator, kJ/K",
        "condenser_kj_k": "water and shell of the condenser, kJ/K",
        "fouling_k": "added lift from condenser fouling at full load, K",
    }
)
STATE = Layout(
    {
        "commanded": "1 while the sequencer wants it to run",
        "tripped": "1 while a fault keeps it off",
        "running": "1 while it runs",
        "since_s": "seconds since it started or stopped",
        "cut_out": "1 from its own trip until that is reset",
        "restarts": "1 while the fast restart after a trip is due",
        "idles": "1 while it runs with its compressor cycled off",
        "idle_s": "seconds since the compressor last cycled on or off",
        "valve": "condenser isolation valve, 0 to 1",
        "cooling_load": "heat taken from the chilled water, kW",
        "power": "electric power, kW",
        "chw_supply_temperature": "leaving chilled water, degC",
        "chw_return_temperature": "entering chilled water, degC",
        "condenser_c": "leaving condenser water, degC",
        "evaporator_ls": "evaporator water, L/s",
        "condenser_ls": "condenser water, L/s",
        "part_load": "share of available capacity",
        "setpoint_c": "chilled-water setpoint in force, degC",
        "starts": "starts so far",
    }
    | control_sensor.STATE
)


def design_ls(chiller: Chiller) -> float:
    """Evaporator water of a chiller at design, L/s: 7 K of range."""
    return chiller.rated_kw / (WATER_KJ_LK * 7.0)


def least_ls(chiller: Chiller) -> float:
    """Its least evaporator water, L/s: tubes at 40 % of their design velocity."""
    return 0.4 * design_ls(chiller)


def parameters(site: Site, rng: np.random.Generator, condenser_dp_kpa: float) -> Table:
    """Chillers of a site from their nameplates, each a few percent off it."""
    rows = []
    for chiller in site.chillers.values():
        wear = 1.0 + 0.02 * rng.uniform(-1.0, 1.0)
        evaporator = design_ls(chiller)
        rejected = chiller.rated_kw * (1.0 + 1.0 / chiller.rated_cop)
        condenser = rejected / (WATER_KJ_LK * 5.56)  # AHRI: 3 gpm/ton, about 10 F
        rows.append(
            {
                "capacity_kw": chiller.rated_kw,
                "cop": chiller.rated_cop * wear,
                "min_part_load": 0.2,
                "min_lift_k": 8.0,
                "max_cop": 14.0,
                "loading_per_s": 0.1 / 60.0,
                "unloading_per_s": 0.5 / 60.0,
                "start_s": 90.0,
                "lock_out_s": 600.0,
                "fast_restart_s": 600.0,
                "min_on_s": 900.0,
                "cycle_k": 0.0,
                "cut_out_condenser_c": 45.0,
                "cut_out_evaporator_c": 3.0,
                "reset_s": 900.0,
                "evaporator_design_ls": evaporator,
                "evaporator_min_ls": least_ls(chiller),
                "condenser_design_ls": condenser,
                "condenser_c_ls_kpa": condenser / condenser_dp_kpa**0.5,
                "evaporator_kj_k": 60.0 * evaporator * WATER_KJ_LK,
                "condenser_kj_k": 60.0 * condenser * WATER_KJ_LK,
                "fouling_k": 0.3 * rng.uniform(),
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def biquadratic(c: Array, first: int, x: float, y: float) -> float:
    """``c1 + c2 x + c3 x² + c4 y + c5 y² + c6 x y`` from ``c[first]`` on."""
    i = first
    return (
        c[i] + c[i + 1] * x + c[i + 2] * x * x + c[i + 3] * y + c[i + 4] * y * y
        + c[i + 5] * x * y
    )  # fmt: skip


@kernel
def part_load_eir(c: Array, y: float, z: float) -> float:
    """EIRFPLR of leaving condenser water ``y`` (°C) and part-load ratio ``z``."""
    return (
        c[12] + c[13] * y + c[14] * y * y + c[15] * z + c[16] * z * z + c[17] * y * z
        + c[18] * y * y * y + c[19] * z * z * z + c[20] * y * y * z + c[21] * y * z * z
    )  # fmt: skip


@kernel
def surge_part_load(c: Array, y: float) -> float:
    """Part-load ratio below which EIRFPLR at leaving condenser water ``y`` would rise again.

    Where its slope in the part-load ratio turns from negative to positive; 0 where the power
    falls with the load all the way.
    """
    slope = c[15] + c[17] * y + c[20] * y * y
    if slope >= 0.0:
        return 0.0
    bend = 2.0 * (c[16] + c[21] * y)
    root = bend * bend - 12.0 * slope * c[19]
    if root < 0.0 or bend + math.sqrt(root) <= 0.0:
        return 1.0
    return min(-2.0 * slope / (bend + math.sqrt(root)), 1.0)


@kernel
def lift_ratio(evaporator_c: float, condenser_c: float, min_lift_k: float) -> float:
    """Ideal work over heat, (Tc - Te) / Te of the refrigerant, at least for the least lift."""
    lift = max(condenser_c - evaporator_c, min_lift_k) + 2.0 * SHELL_APPROACH_K
    return lift / (evaporator_c - SHELL_APPROACH_K + 273.15)


@kernel
def energy_input_ratio(
    c: Array, evaporator_c: float, condenser_c: float, plr: float, min_lift_k: float
) -> float:
    """EIR (power over available capacity, times an arbitrary reference COP) at any state.

    Under the least lift the machine holds its condensing pressure up to it.
    """
    condenser_c = max(condenser_c, evaporator_c + min_lift_k)
    te = min(max(evaporator_c, c[22]), c[23])
    tc = min(max(condenser_c, c[24]), c[25])
    inside = biquadratic(c, 6, te, tc) * part_load_eir(c, tc, max(plr, surge_part_load(c, tc)))
    return (
        inside * lift_ratio(evaporator_c, condenser_c, min_lift_k) / lift_ratio(te, tc, min_lift_k)
    )


@kernel
def available_kw(c: Array, p: Record, evaporator_c: float, condenser_c: float) -> float:
    """Capacity, never extrapolated: the box's edge holds beyond it."""
    te = min(max(evaporator_c, c[22]), c[23])
    tc = min(max(condenser_c, c[24]), c[25])
    rated = biquadratic(c, 0, RATED_EVAPORATOR_C, min(RATED_CONDENSER_C, c[25]))
    return p.capacity_kw * biquadratic(c, 0, te, tc) / rated


@kernel
def power_kw(c: Array, p: Record, cooling_kw: float, evaporator_c: float, condenser_c: float):  # type: ignore[no-untyped-def]  # numba infers it
    """Electric power while it carries ``cooling_kw``; below the least part load it cycles.

    Anchored so that the nameplate COP holds at the rating point and full load.
    """
    available = available_kw(c, p, evaporator_c, condenser_c)
    share = min(cooling_kw / available, 1.0)
    plr = max(share, p.min_part_load)
    hot = condenser_c + p.fouling_k * plr
    anchor = energy_input_ratio(c, RATED_EVAPORATOR_C, RATED_CONDENSER_C, 1.0, p.min_lift_k)
    eir = energy_input_ratio(c, evaporator_c, hot, plr, p.min_lift_k) / (anchor * p.cop)
    power = max(available * eir, plr * available / p.max_cop)
    return power * min(share / plr, 1.0)


@kernel
def sequence(p: Record, s: Record, dt_s: float) -> None:
    """Start and stop: lock-out after a stop, least running time, trips, isolation valve.

    High condensing pressure and cold evaporators trip the machine by itself; that trip resets
    after a while, once the shells are back within their limits.
    """
    s.since_s += dt_s
    beyond = (
        s.condenser_c > p.cut_out_condenser_c or s.chw_supply_temperature < p.cut_out_evaporator_c
    )
    if s.running > 0.5 and beyond:
        s.cut_out = 1.0
    elif s.cut_out > 0.5 and s.running < 0.5 and s.since_s >= p.reset_s and not beyond:
        s.cut_out = 0.0
    tripped = s.tripped > 0.5 or s.cut_out > 0.5
    wanted = s.commanded > 0.5
    if s.running > 0.5:
        if tripped or (not wanted and s.since_s >= p.min_on_s):
            s.running, s.since_s = 0.0, 0.0
            s.restarts = 1.0 if tripped else 0.0
    elif wanted and not tripped:
        wait = p.fast_restart_s if s.restarts > 0.5 else p.lock_out_s
        if s.since_s >= wait:
            s.running, s.since_s, s.restarts = 1.0, 0.0, 0.0
            s.idles, s.idle_s = 0.0, 0.0
            s.starts += 1.0
    s.valve = move_towards(s.valve, s.running, dt_s / 60.0)


@kernel
def cycle(
    p: Record, s: Record, wanted_kw: float, available: float, excess_k: float, dt_s: float
) -> float:
    """Load of a machine that cannot run below its least part load: on and off by temperature.

    It stops where its water is ``cycle_k`` under the setpoint (``excess_k`` over it, as its
    sensor has it) and starts where it is as much above, but not before its lock-out is over.
    """
    s.idle_s += dt_s
    if s.idles < 0.5 and excess_k < -p.cycle_k:
        s.idles, s.idle_s = 1.0, 0.0
    elif s.idles > 0.5 and excess_k > p.cycle_k and s.idle_s >= p.lock_out_s:
        s.idles, s.idle_s = 0.0, 0.0
        s.starts += 1.0
    if s.idles > 0.5:
        return 0.0
    return max(wanted_kw, p.min_part_load * available)


@kernel
def step(
    c: Array, p: Record, s: Record, entering_c: float, entering_condenser_c: float, dt_s: float
) -> None:
    """Carry one chiller through a step; water flows are set before.

    The capacity control asks for the heat that brings the leaving water to the setpoint
    within 30 s, limited in range and rate. Both shells are mixed volumes (backward Euler).
    """
    available = available_kw(c, p, s.chw_supply_temperature, s.condenser_c)
    rate = s.evaporator_ls * WATER_KJ_LK
    wanted = 0.0
    if s.running > 0.5 and s.since_s >= p.start_s and s.evaporator_ls > 0.2 * p.evaporator_min_ls:
        off_k = control_sensor.sensed_c(s, s.chw_supply_temperature) - s.chw_supply_temperature
        aim_c = s.setpoint_c - off_k
        excess_k = s.chw_supply_temperature - aim_c
        wanted = rate * (entering_c - aim_c) + p.evaporator_kj_k * excess_k / 30.0
        wanted = min(max(wanted, 0.0), available)
        rise = p.loading_per_s * p.capacity_kw * dt_s
        fall = p.unloading_per_s * p.capacity_kw * dt_s
        wanted = min(max(wanted, s.cooling_load - fall), s.cooling_load + rise)
        wanted = min(max(wanted, 0.0), available)
        if p.cycle_k > 0.0:
            wanted = cycle(p, s, wanted, available, excess_k, dt_s)
    s.cooling_load = wanted
    s.power = 0.0
    if wanted > 0.0:
        s.power = power_kw(c, p, wanted, s.chw_supply_temperature, s.condenser_c)
    s.part_load = wanted / available
    s.chw_return_temperature = entering_c
    m = p.evaporator_kj_k
    s.chw_supply_temperature = (
        m * s.chw_supply_temperature + dt_s * (rate * entering_c - wanted)
    ) / (m + dt_s * rate)
    rate = s.condenser_ls * WATER_KJ_LK
    m = p.condenser_kj_k
    s.condenser_c = (
        m * s.condenser_c + dt_s * (rate * entering_condenser_c + wanted + s.power)
    ) / (m + dt_s * rate)
