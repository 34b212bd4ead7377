"""Waterside economiser: a plate exchanger between a loop's return and the tower water.

It lies in series upstream of the chillers (integrated economiser, ASHRAE 90.1-2019 section
6.5.1.2), so that towers take what they can of the return and chillers the rest. Its valve on
the tower's side holds the water behind it.
"""

from __future__ import annotations

from sim.plant.exchanger import counterflow_heat_kw, counterflow_ua, plate_conductance
from sim.plant.fluids import WATER_KJ_LK
from sim.plant.hydronics import (
    branch_conductance,
    leaking_opening,
    move_towards,
    proportional_integral,
)
from sim.plant.layout import Record, kernel

MOST_TOWER_WATER = 1.2
"""Tower water over the loop's own through its exchanger: a limit of the valve's controller."""

DESIGN_APPROACH_K = 2.0
"""Of the loop's water to the tower water at design load: 1.5 to 3 K of plate exchangers."""

PARAMETERS = {
    "tower_ua_kw_k": "conductance of the tower exchanger, clean, at design, kW/K",
    "tower_fouling": "its added resistance over the clean one",
    "tower_water_ls": "tower water through it at design, L/s",
    "tower_c_ls_kpa": "conductance of its valve on the tower side, open, L/s a root of kPa",
    "tower_r_kpa_ls2": "resistance of that branch, kPa for each (L/s)²",
    "tower_leakage": "conductance of that valve shut over open (IEC 60534-4 class IV: 1e-4)",
}
STATE = {
    "economiser": "1 while the tower exchanger may carry heat",
    "after_tower_c": "behind the tower exchanger, degC",
    "tower_kw": "heat given to the tower water, kW",
    "tower_valve": "valve of the tower exchanger, 0 to 1",
    "tower_valve_stuck": "1 while that valve does not move",
    "tower_integral": "of its controller",
    "tower_side_ls": "tower water through it, L/s",
    "tower_side_c": "that water leaving, degC",
}


def parameters(load_kw: float, flow_ls: float, fouling: float, dp_kpa: float) -> dict[str, float]:
    """An exchanger for a loop's design load at `DESIGN_APPROACH_K`, equal flows on both sides.

    Half of the tower water's design pressure is the valve's, half the plates'.
    """
    rate = WATER_KJ_LK * flow_ls
    span = load_kw / rate
    return {
        "tower_ua_kw_k": counterflow_ua(load_kw, rate, rate, span + DESIGN_APPROACH_K),
        "tower_fouling": fouling,
        "tower_water_ls": flow_ls,
        "tower_c_ls_kpa": 1.15 * flow_ls / (0.5 * dp_kpa) ** 0.5,
        "tower_r_kpa_ls2": 0.5 * dp_kpa / flow_ls**2,
        "tower_leakage": 0.0,
    }


@kernel
def move_valve(p: Record, s: Record, dt_s: float) -> None:
    """The valve holds the water behind the exchanger while the loop runs and it is enabled."""
    wanted = 0.0
    if s.economiser > 0.5 and s.enabled > 0.5:
        wanted, s.tower_integral = proportional_integral(
            s.after_tower_c - s.setpoint_c, s.tower_integral, p.valve_gain, p.valve_reset_s, dt_s
        )
        # More tower water than the loop's own brings nothing: it only has to be pumped.
        spare = (MOST_TOWER_WATER * s.flow_ls - s.tower_side_ls) / p.tower_water_ls
        wanted = max(min(wanted, s.tower_valve + 0.3 * spare), 0.1)
    else:
        s.tower_integral = 0.3
    if s.tower_valve_stuck < 0.5:
        s.tower_valve = move_towards(s.tower_valve, wanted, dt_s / p.stroke_s)


@kernel
def branch(p: Record, s: Record) -> float:
    """Conductance of the exchanger's branch on the tower water, L/s a root of kPa."""
    opening = leaking_opening(s.tower_valve, p.tower_leakage)
    return branch_conductance(p.tower_c_ls_kpa * opening, p.tower_r_kpa_ls2)


@kernel
def exchange(p: Record, s: Record, entering_c: float, flow_ls: float, tower_c: float) -> float:
    """Heat from ``flow_ls`` of the loop's water to the tower's; the water behind, degC."""
    rate, cold = WATER_KJ_LK * flow_ls, WATER_KJ_LK * s.tower_side_ls
    share = s.tower_side_ls / p.tower_water_ls
    ua = plate_conductance(p.tower_ua_kw_k, flow_ls / p.design_ls, share, p.tower_fouling)
    s.tower_kw = counterflow_heat_kw(rate, cold, ua, entering_c, tower_c)
    s.after_tower_c, s.tower_side_c = entering_c, tower_c
    if s.tower_kw > 0.0:
        s.after_tower_c = entering_c - s.tower_kw / rate
        s.tower_side_c = tower_c + s.tower_kw / cold
    return float(s.after_tower_c)
