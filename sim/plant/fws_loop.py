"""Facility water loops: return - tower exchanger - trim exchanger - chillers - supply.

A loop has any of the three, in series: `cool` has a waterside economiser (its tower
exchanger) and chillers, `warm` a tower exchanger and a trim exchanger fed by `cool`. Valves
and temperatures of the loop's own exchangers are held here; chillers hold their own leaving
water (`sim.plant.chiller`).
"""

from __future__ import annotations

import math

import numpy as np

from facility.equipment import CoolingLoop
from facility.site import Site
from sim.plant import chiller, economiser, tank
from sim.plant.exchanger import counterflow_heat_kw, counterflow_ua, plate_conductance
from sim.plant.fluids import WATER_KJ_LK
from sim.plant.hydronics import (
    HEADER,
    HEADER_STATE,
    PIPE_CELLS,
    branch_conductance,
    header_parameters,
    leaking_opening,
    move_towards,
    proportional_integral,
)
from sim.plant.layout import Array, Index, Layout, Record, Table, kernel

TOWER_WATER = "tower_water"
"""Id of the loop between towers, condensers and tower exchangers."""

PARAMETERS = Layout(
    HEADER
    | economiser.PARAMETERS
    | tank.PARAMETERS
    | {
        "trim_loop": "row of the loop that trims this one, -1 for none",
        "design_range_k": "return over supply at design, K",
        "trim_ua_kw_k": "conductance of the trim exchanger, clean, at design, kW/K",
        "trim_fouling": "its added resistance over the clean one",
        "trim_kw": "heat that the trim exchanger carries at design, kW",
        "trim_ls": "water of the colder loop through it at design, L/s",
        "trim_c_ls_kpa": "conductance of its valve, open, L/s a root of kPa",
        "trim_r_kpa_ls2": "resistance of that branch, kPa for each (L/s)²",
        "trim_leakage": "conductance of that valve shut over open",
        "bypass_c_ls_kpa": "conductance of the chillers' minimum-flow bypass, L/s a root of kPa",
        "stroke_s": "full stroke of the valves, s",
        "plant_kj_k": "water and metal of the plant's side, kJ/K",
        "parcel_l": "one of the parcels of the supply main, and of the return main, L",
        "valve_gain": "of the exchangers' valve loops, 1/K",
        "valve_reset_s": "their integral time, s",
    }
)
STATE = Layout(
    HEADER_STATE
    | economiser.STATE
    | tank.STATE
    | {
        "trim_enabled": "1 while the trim exchanger may",
        "stage": "chillers that the sequencer runs",
        "stage_setpoint": "chillers asked of the sequencer; its own stage where nobody asks",
        "setpoint_c": "supply setpoint in force, degC",
        "supply_c": "supply leaving the plant, degC",
        "delivered_c": "supply at the units, behind the main, degC",
        "return_c": "return reaching the plant, degC",
        "mixed_return_c": "return leaving the units, degC",
        "trim_kw": "heat given to the colder loop, kW",
        "trim_valve": "valve of the trim exchanger, 0 to 1",
        "trim_valve_stuck": "1 while that valve does not move",
        "trim_integral": "of its controller",
        "trim_ls": "water of the colder loop through it, L/s",
        "trim_side_c": "that water leaving, degC",
        "bypass_valve": "valve of the chillers' minimum-flow bypass, 0 to 1",
        "bypass_ls": "water through it, L/s",
        "chillers_c": "mixed water leaving the chillers, degC",
        "chillers_kw": "heat taken by the chillers, kW",
    }
)


def order(site: Site) -> tuple[CoolingLoop, ...]:
    """The facility loops of a site (without the tower water), trimmed ones last."""
    loops = [loop for loop in site.loops.values() if loop.id != TOWER_WATER]
    return tuple(sorted(loops, key=lambda loop: (bool(loop.trim), loop.id)))


def parameters(site: Site, rng: np.random.Generator, tower_dp_kpa: float) -> Table:
    """Loops of a site from their design load and flow (100 kPa in the plant, 150 in branches).

    Tower exchangers are chosen for an approach of 2 K at the loop's design load, the trim
    exchanger for what the chillers of its loop can spare with one of them lost, at most 60 %
    of the loop's load, at 10 K between the streams' inlets.
    """
    loops = order(site)
    rows = []
    for loop in loops:
        span = loop.rated_kw / (WATER_KJ_LK * loop.design_flow_ls)
        row = header_parameters(loop.design_flow_ls, 150.0, 100.0)
        rate = WATER_KJ_LK * loop.design_flow_ls
        fouling = 0.1 * rng.uniform()
        row |= economiser.parameters(loop.rated_kw, loop.design_flow_ls, fouling, tower_dp_kpa)
        row |= tank.NONE
        row |= {
            "trim_loop": -1.0,
            "design_range_k": span,
            "trim_ua_kw_k": 0.0,
            "trim_fouling": 0.0,
            "trim_kw": 0.0,
            "trim_ls": 0.0,
            "trim_c_ls_kpa": 0.0,
            "trim_r_kpa_ls2": 0.0,
            "trim_leakage": 0.0,
            "bypass_c_ls_kpa": _bypass(site, loop),
            "stroke_s": 75.0,
            "plant_kj_k": 30.0 * rate,
            "parcel_l": 45.0 * loop.design_flow_ls / PIPE_CELLS,
            "valve_gain": 0.03,
            "valve_reset_s": 45.0,
        }
        for each in site.storage_tanks.values():
            if each.loop == loop.id:
                row |= tank.parameters(each.volume_m3, each.rated_flow_ls)
        if loop.trim:
            row |= _trim(site, loop, [other.id for other in loops].index(loop.trim))
        rows.append(row)
    return PARAMETERS.filled(rows)


def trim_load_kw(site: Site, loop: CoolingLoop) -> float:
    """Heat that a loop's trim exchanger is chosen for, kW."""
    sizes = sorted(c.rated_kw for c in site.chillers.values() if c.loop == loop.trim)
    coils = sum(c.rated_kw for c in site.crahs.values() if c.loop == loop.trim)
    spare = sum(sizes[:-1]) - coils
    return min(0.6 * loop.rated_kw, max(spare, 0.1 * loop.rated_kw))


def _bypass(site: Site, loop: CoolingLoop) -> float:
    """Conductance that passes the least water of all a loop's chillers at 34.5 kPa (5 psi)."""
    least = sum(chiller.least_ls(c) for c in site.chillers.values() if c.loop == loop.id)
    return float(least / 34.5**0.5)


def _trim(site: Site, loop: CoolingLoop, row: int) -> dict[str, float]:
    heat = trim_load_kw(site, loop)
    flow = heat / (WATER_KJ_LK * 7.5)
    hot = WATER_KJ_LK * loop.design_flow_ls
    return {
        "trim_loop": float(row),
        "trim_kw": heat,
        "trim_ls": flow,
        "trim_ua_kw_k": counterflow_ua(heat, hot, WATER_KJ_LK * flow, 10.0),
        "trim_c_ls_kpa": 1.15 * flow / 75.0**0.5,
        "trim_r_kpa_ls2": 75.0 / flow**2,
    }


@kernel
def move_valves(p: Record, s: Record, dt_s: float) -> None:
    """Valves of the exchangers: the tower's holds the water behind it, trim's the supply.

    Trim opens on supply 0.3 K over its setpoint, so that it never works against the towers.
    """
    economiser.move_valve(p, s, dt_s)
    wanted = 0.0
    if s.trim_enabled > 0.5 and s.enabled > 0.5:
        wanted, s.trim_integral = proportional_integral(
            s.supply_c - s.setpoint_c - 0.3, s.trim_integral, p.valve_gain, p.valve_reset_s, dt_s
        )
    else:
        s.trim_integral = 0.0
    if s.trim_valve_stuck < 0.5:
        s.trim_valve = move_towards(s.trim_valve, wanted, dt_s / p.stroke_s)


@kernel
def trim_branch(p: Record, s: Record) -> float:
    """Conductance of the trim exchanger's branch on the colder loop."""
    if p.trim_loop < 0.0:
        return 0.0
    opening = leaking_opening(s.trim_valve, p.trim_leakage)
    return branch_conductance(p.trim_c_ls_kpa * opening, p.trim_r_kpa_ls2)


@kernel
def exchange(
    p: Record, s: Record, entering_c: float, tower_water_c: float, trim_water_c: float
) -> float:
    """Tower and trim exchangers at the present flows; the water behind both, degC."""
    after = economiser.exchange(p, s, entering_c, s.plant_ls, tower_water_c)
    rate, share = WATER_KJ_LK * s.plant_ls, s.plant_ls / p.design_ls
    s.trim_kw = 0.0
    s.trim_side_c = trim_water_c
    if p.trim_loop >= 0.0 and s.trim_ls > 0.0:
        cold = WATER_KJ_LK * s.trim_ls
        ua = plate_conductance(p.trim_ua_kw_k, share, s.trim_ls / p.trim_ls, p.trim_fouling)
        s.trim_kw = counterflow_heat_kw(rate, cold, ua, after, trim_water_c)
        if s.trim_kw > 0.0:
            after -= s.trim_kw / rate
            s.trim_side_c = trim_water_c + s.trim_kw / cold
    return after


@kernel
def cool_by_chillers(
    c: Array,
    loop: int,
    entering_c: float,
    condenser_c: float,
    p: Record,
    s: Record,
    params: Table,
    state: Table,
    loop_of: Index,
    dt_s: float,
) -> float:
    """Chillers of a loop in parallel, with their minimum-flow bypass; mixed leaving water.

    Water passes all machines that run; without any it passes by. The bypass takes leaving
    water back before the machines; its valve follows what the least flow of those that run
    lacks, at the pressure over the branches.
    """
    running = 0
    least = 0.0
    for i in range(state.shape[0]):
        if loop_of[i] == loop and state[i].running > 0.5:
            running += 1
            least = max(least, params[i].evaporator_min_ls)
    s.chillers_kw = 0.0
    flow_each = 0.0
    mixed_c = entering_c
    if running > 0:
        total = s.plant_ls + s.bypass_ls
        flow_each = total / running
        if total > 0.0:
            mixed_c = (entering_c * s.plant_ls + s.chillers_c * s.bypass_ls) / total
    leaving = 0.0
    for i in range(state.shape[0]):
        if loop_of[i] != loop:
            continue
        m = state[i]
        m.evaporator_ls = flow_each if m.running > 0.5 else 0.0
        chiller.step(c[i], params[i], m, mixed_c, condenser_c, dt_s)
        if m.running > 0.5:
            s.chillers_kw += m.cooling_load
            leaving += m.chw_supply_temperature / running
    s.chillers_c = leaving if running > 0 else entering_c
    lacking = max(least * running - s.plant_ls, 0.0)
    wanted = 0.0
    if lacking > 0.0 and p.bypass_c_ls_kpa > 0.0:
        wanted = min(lacking / (p.bypass_c_ls_kpa * math.sqrt(max(s.dp_kpa, 1.0))), 1.0)
    s.bypass_valve = move_towards(s.bypass_valve, wanted, dt_s / p.stroke_s)
    return s.chillers_c
