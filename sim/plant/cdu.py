"""Coolant distribution units: plate exchanger between FWS and TCS, valve, pump.

The primary valve holds the secondary (TCS) supply temperature, the pump's drive holds the
secondary flow; both by the unit's own controller. The secondary circuit is fixed, so its
head goes with the square of flow, and pump power nearly with the cube.

What can go wrong with a unit is part of its state, healthy at zero (`sim.faults` sets it):
fouled plates, a clogged filter, a worn or stopped pump, a valve that sticks or does not shut,
a supply sensor that misleads the unit's own controller, and a leak. A leaking secondary loses
its static pressure as an expansion vessel does; the make-up pump holds it up from its tank
as long as there is coolant, and the unit stops its pump before it cavitates.
"""

from __future__ import annotations

import math

import numpy as np

from facility.site import Site
from sim.plant import control_sensor
from sim.plant.exchanger import counterflow_heat_kw, counterflow_ua, plate_conductance
from sim.plant.fluids import COOLANT_KJ_LK, WATER_KJ_LK
from sim.plant.hydronics import (
    branch_conductance,
    drive_efficiency,
    move_towards,
    proportional_integral,
    shaft_power_kw,
    valve_opening,
)
from sim.plant.layout import Layout, Record, Table, kernel

PARAMETERS = Layout(
    {
        "rated_kw": "nameplate, kW",
        "ua_kw_k": "conductance of the exchanger, clean, at design, kW/K",
        "fouling": "its added resistance over the clean one",
        "primary_ls": "facility water at design, L/s",
        "valve_c_ls_kpa": "conductance of the primary valve, open, L/s a root of kPa",
        "primary_r_kpa_ls2": "resistance of the primary side, kPa for each (L/s)²",
        "stroke_s": "full stroke of the valve, s (60 to 120)",
        "valve_gain": "of the supply temperature loop, 1/K",
        "valve_reset_s": "its integral time, s",
        "design_ls": "secondary flow at design, L/s",
        "min_ls": "secondary flow, least, L/s",
        "max_ls": "secondary flow at full speed, L/s",
        "head_kpa": "secondary head at design, kPa (100 to 250)",
        "filter_share": "added head from a loaded filter, share of design",
        "pump_efficiency": "hydraulic efficiency of the pump",
        "pump_shaft_kw": "its shaft power at design, kW",
        "ramp_ls2": "fastest change of flow, L/s a second (full range in 15 s)",
        "supply_kj_k": "coolant and metal of the supply side, kJ/K",
        "return_kj_k": "coolant of reservoir and return side, kJ/K",
    }
)
STATE = Layout(
    {
        "tripped": "1 while a fault keeps the pump off",
        "supply_setpoint_c": "secondary supply setpoint in force, degC",
        "flow_setpoint_ls": "secondary flow setpoint in force, L/s",
        "supply_c": "secondary supply, degC",
        "return_c": "secondary return, degC",
        "flow_ls": "secondary flow, L/s",
        "valve": "primary valve, 0 to 1",
        "valve_integral": "of its controller",
        "valve_position": "primary valve, percent",
        "primary_ls": "facility water, L/s",
        "primary_return_c": "facility water leaving, degC",
        "heat_kw": "heat given to the facility water, kW",
        "pump_power": "electric power of the pump, kW",
        "pump_heat_kw": "its heat in the coolant, kW",
        "leak": "1 where a leak is sensed",
        "fouled": "resistance of fouled plates over the clean one, on top of the unit's own",
        "clogged": "head of a clogged filter over the design head, on top of the unit's own",
        "pump_loss": "share of the pump's flow lost: a worn wheel, one of two pumps",
        "valve_stuck": "1 while the valve does not move",
        "valve_leak": "share of full conductance that the valve cannot shut off",
        "hole_lmin": "leak at full static pressure, L/min",
        "spilled_l": "coolant in the drip tray, L",
        "missing_l": "coolant that the circuit lacks, L",
        "tank_used_l": "coolant that the make-up pump has taken from its tank, L",
        "topping_up": "1 while the make-up pump runs",
        "makeup_ls": "make-up, L/s",
        "pressure_kpa": "static pressure of the secondary, kPa",
    }
    | control_sensor.STATE
)

STATIC_KPA = 150.0
"""Static pressure of a filled secondary: 1 to 2 bar at the pump's inlet is usual."""
VESSEL_KPA_L = 4.0
"""Fall of it for each litre that is missing, from the expansion vessel."""
TOP_UP_KPA, LOW_KPA = 0.9 * STATIC_KPA, 50.0
"""Below the first the make-up pump starts, below the second the unit stops its pump."""
MAKE_UP_LS, MAKE_UP_TANK_L = 2.0 / 60.0, 40.0
"""Make-up pump and the tank that it draws from."""
TRAY_L = 0.2
"""So much coolant in the drip tray wets the leak sensor."""
DESIGN_APPROACH_K = 4.0
"""Secondary supply over facility supply at design: 3 to 5 K of liquid-to-liquid CDUs."""


def primary_share(site: Site, cdu_id: str) -> float:
    """Share of its loop's design flow that a CDU gets, by rating."""
    unit = site.cdus[cdu_id]
    return unit.rated_kw / sum(c.rated_kw for c in site.cdus.values() if c.loop == unit.loop)


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """CDUs of a site from their nameplates; UA and head differ by a few percent."""
    rows = []
    for unit in site.cdus.values():
        primary = site.loops[unit.loop].design_flow_ls * primary_share(site, unit.id)
        hot, cold = COOLANT_KJ_LK * unit.design_tcs_flow_ls, WATER_KJ_LK * primary
        head = 180.0 * (1.0 + 0.05 * rng.uniform(-1.0, 1.0))
        inlet_k = unit.rated_kw / hot + DESIGN_APPROACH_K
        rows.append(
            {
                "rated_kw": unit.rated_kw,
                "ua_kw_k": counterflow_ua(unit.rated_kw, hot, cold, inlet_k)
                * (1.0 + 0.04 * rng.uniform(-1.0, 1.0)),
                "fouling": 0.15 * rng.uniform(),
                "primary_ls": primary,
                "valve_c_ls_kpa": 1.15 * primary / 75.0**0.5,
                "primary_r_kpa_ls2": 75.0 / primary**2,
                "stroke_s": 75.0,
                "valve_gain": 0.02,
                "valve_reset_s": 45.0,
                "design_ls": unit.design_tcs_flow_ls,
                "min_ls": unit.min_tcs_flow_ls,
                "max_ls": 1.15 * unit.design_tcs_flow_ls,
                "head_kpa": head,
                "filter_share": 0.1 * rng.uniform(),
                "pump_efficiency": 0.72,
                "pump_shaft_kw": unit.design_tcs_flow_ls * head * 1e-3 / 0.72,
                "ramp_ls2": unit.design_tcs_flow_ls / 15.0,
                "supply_kj_k": 12.0 * hot,
                "return_kj_k": 15.0 * hot,
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def primary_branch(p: Record, s: Record) -> float:
    """Conductance of the unit's branch on the facility water, L/s a root of kPa."""
    opening = max(valve_opening(s.valve), s.valve_leak)
    return branch_conductance(p.valve_c_ls_kpa * opening, p.primary_r_kpa_ls2)


@kernel
def hold_pressure(s: Record, dt_s: float) -> None:
    """Leak, expansion vessel and make-up of the secondary through a step.

    A hole loses with the root of pressure (Torricelli); what is missing lowers the pressure
    in proportion. The coolant is replaced at its own temperature: heat is not counted.
    """
    s.pressure_kpa = max(STATIC_KPA - VESSEL_KPA_L * s.missing_l, 0.0)
    lost_l = 0.0
    if s.hole_lmin > 0.0:
        lost_l = s.hole_lmin / 60.0 * math.sqrt(s.pressure_kpa / STATIC_KPA) * dt_s
    s.spilled_l += lost_l
    s.leak = 1.0 if s.spilled_l >= TRAY_L else 0.0
    if s.pressure_kpa < TOP_UP_KPA:
        s.topping_up = 1.0
    elif s.missing_l <= 0.0:
        s.topping_up = 0.0
    s.makeup_ls = 0.0
    if s.topping_up > 0.5 and s.tank_used_l < MAKE_UP_TANK_L:
        s.makeup_ls = MAKE_UP_LS
    s.tank_used_l += s.makeup_ls * dt_s
    if s.hole_lmin <= 0.0:  # mended: the tray is dry, the tank is full
        s.spilled_l, s.tank_used_l = 0.0, 0.0
    s.missing_l = max(s.missing_l + lost_l - s.makeup_ls * dt_s, 0.0)


@kernel
def run_pump(p: Record, s: Record, dt_s: float) -> None:
    """Secondary flow towards its setpoint within range and ramp, and what it costs.

    At full speed a clogged filter takes flow along the circuit's parabola, and a worn pump
    its share; at the same flow both ask for more speed (affinity), the filter for more head.
    """
    reach = (1.0 - s.pump_loss) / math.sqrt(1.0 + s.clogged)
    wanted = 0.0
    if s.tripped < 0.5 and s.pressure_kpa >= LOW_KPA:
        wanted = min(max(s.flow_setpoint_ls, p.min_ls), p.max_ls * reach)
    s.flow_ls = move_towards(s.flow_ls, wanted, p.ramp_ls2 * dt_s)
    s.pump_power, s.pump_heat_kw = 0.0, 0.0
    if s.flow_ls > 1e-6:
        flow = s.flow_ls / p.design_ls
        head = p.head_kpa * (1.0 + p.filter_share + s.clogged) * flow * flow
        shaft = shaft_power_kw(s.flow_ls, head, p.pump_efficiency)
        s.pump_heat_kw = shaft
        s.pump_power = shaft / drive_efficiency(flow / max(reach, 0.05), shaft / p.pump_shaft_kw)


@kernel
def step(p: Record, s: Record, facility_c: float, returning_c: float, dt_s: float) -> None:
    """Exchanger, reservoir and supply side through a step; ``primary_ls`` is set before.

    ``returning_c`` is the mixed coolant that comes back from the racks. Both volumes are
    mixed (backward Euler), the pump's heat goes into the supply side.
    """
    rate = COOLANT_KJ_LK * s.flow_ls
    m = p.return_kj_k
    s.return_c = (m * s.return_c + dt_s * rate * returning_c) / (m + dt_s * rate)
    cold = WATER_KJ_LK * s.primary_ls
    ua = plate_conductance(
        p.ua_kw_k, s.flow_ls / p.design_ls, s.primary_ls / p.primary_ls, p.fouling + s.fouled
    )
    s.heat_kw = counterflow_heat_kw(rate, cold, ua, s.return_c, facility_c)
    s.primary_return_c = facility_c
    if cold > 0.0:
        s.primary_return_c = facility_c + s.heat_kw / cold
    m = p.supply_kj_k
    heat = rate * s.return_c - s.heat_kw + s.pump_heat_kw
    s.supply_c = (m * s.supply_c + dt_s * heat) / (m + dt_s * rate)
    sensed_c = control_sensor.sensed_c(s, s.supply_c)
    wanted, s.valve_integral = proportional_integral(
        sensed_c - s.supply_setpoint_c, s.valve_integral, p.valve_gain, p.valve_reset_s, dt_s
    )
    if s.valve_stuck < 0.5:
        s.valve = move_towards(s.valve, wanted, dt_s / p.stroke_s)
    s.valve_position = 100.0 * s.valve
