"""Computer-room air handlers: filter, chilled-water coil, valve, variable-speed fans.

Dry, the coil is a crossflow exchanger; films go with air flow to the power 0.6 and water flow
to 0.4 (Wetter, *Simulation Model Finned Water-Air-Coil Without Condensation*, LBNL-42355).
Where its surface is colder than the hall's dew point it is wet (`sim.plant.wet_coil`): the
condensate's heat goes into the water besides, and the hall loses the moisture.

Fans at a given speed move less through a loaded filter: on a quadratic fan curve with a
shut-off head of 1.25 of design, as `sim.plant.hydronics` has it for pumps, and with the
filter's share of the resistance. Their power at that speed hardly changes.
"""

from __future__ import annotations

import math

import numpy as np

from facility.site import Site
from sim.plant import control_sensor
from sim.plant.exchanger import crossflow_effectiveness, crossflow_ua
from sim.plant.fluids import AIR_KJ_M3K, WATER_KJ_LK
from sim.plant.hydronics import (
    branch_conductance,
    move_towards,
    proportional_integral,
    valve_opening,
)
from sim.plant.layout import Layout, Record, Table, kernel
from sim.plant.wet_coil import AIR_FILM, LATENT_COIL_KJ_KG, wet_coil_kw

SHUT_OFF_HEAD = 1.25
"""Head of the fans without flow over that at design."""

PARAMETERS = Layout(
    {
        "rated_kw": "nameplate, kW",
        "design_m3s": "air at full speed, m³/s",
        "ua_kw_k": "conductance of the coil at design, kW/K",
        "water_ls": "water at design, L/s",
        "valve_c_ls_kpa": "conductance of the valve, open, L/s a root of kPa",
        "water_r_kpa_ls2": "resistance of coil and pipes, kPa for each (L/s)²",
        "stroke_s": "full stroke of the valve, s (60 to 90)",
        "valve_gain": "of the supply air loop, 1/K",
        "valve_reset_s": "its integral time, s",
        "rated_fan_kw": "fan power at full speed, kW",
        "fan_exponent": "of fan power in speed (practice 2.5 to 2.8)",
        "fan_ramp_per_s": "fastest change of fan speed, share a second",
        "min_speed": "lowest fan speed, share",
        "coil_kj_k": "coil, casing and supply air, kJ/K (30 s at design)",
    }
)
STATE = Layout(
    {
        "tripped": "1 while a fault keeps the fans off",
        "supply_setpoint_c": "supply air setpoint in force, degC",
        "fan_setpoint_pct": "fan speed setpoint in force, percent",
        "supply_c": "air to the hall, degC",
        "return_c": "air from the hall, degC",
        "speed": "fan speed, share",
        "fan_speed": "fan speed, percent",
        "fan_power": "electric power of the fans, kW",
        "air_m3s": "air, m³/s",
        "valve": "water valve, 0 to 1",
        "valve_integral": "of its controller",
        "valve_position": "water valve, percent",
        "water_ls": "water, L/s",
        "water_return_c": "water leaving, degC",
        "heat_kw": "heat given to the water, sensible and latent, kW",
        "latent_kw": "its latent part, kW",
        "condensate_ls": "water that runs off the coil, L/s",
        "clogged": "added resistance of the filter over the whole at design",
        "fan_loss": "share of the air lost: a slipping belt, one of several fans",
        "valve_stuck": "1 while the valve does not move",
        "valve_leak": "share of full conductance that the valve cannot shut off",
    }
    | control_sensor.STATE
)


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """CRAHs from their nameplates: 7.5 K water range, 6 K between supply air and water.

    Fans take 3.5 % of the nameplate at full speed (EC fans at 350 Pa, 60 % total efficiency).
    """
    rows = []
    for unit in site.crahs.values():
        water = unit.rated_kw / (WATER_KJ_LK * 7.5)
        air = AIR_KJ_M3K * unit.design_air_m3s
        inlet_k = unit.rated_kw / air + 6.0
        rows.append(
            {
                "rated_kw": unit.rated_kw,
                "design_m3s": unit.design_air_m3s,
                "ua_kw_k": crossflow_ua(unit.rated_kw, air, WATER_KJ_LK * water, inlet_k)
                * (1.0 - 0.06 * rng.uniform()),
                "water_ls": water,
                "valve_c_ls_kpa": 1.15 * water / 75.0**0.5,
                "water_r_kpa_ls2": 75.0 / water**2,
                "stroke_s": 75.0,
                "valve_gain": 0.03,
                "valve_reset_s": 60.0,
                "rated_fan_kw": 0.35 * unit.design_air_m3s / 0.6,
                "fan_exponent": 2.7,
                "fan_ramp_per_s": 1.0 / 25.0,
                "min_speed": 0.3,
                "coil_kj_k": 30.0 * air,
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def water_branch(p: Record, s: Record) -> float:
    """Conductance of the unit's branch on the chilled water, L/s a root of kPa."""
    opening = max(valve_opening(s.valve), s.valve_leak)
    return branch_conductance(p.valve_c_ls_kpa * opening, p.water_r_kpa_ls2)


@kernel
def run_fans(p: Record, s: Record, dt_s: float) -> None:
    """Fans follow their setpoint within range and ramp."""
    wanted = 0.0
    if s.tripped < 0.5:
        wanted = min(max(s.fan_setpoint_pct / 100.0, p.min_speed), 1.0)
    s.speed = move_towards(s.speed, wanted, p.fan_ramp_per_s * dt_s)
    s.fan_speed = 100.0 * s.speed
    s.air_m3s = p.design_m3s * s.speed * (1.0 - s.fan_loss)
    if s.clogged > 0.0:
        s.air_m3s *= math.sqrt(SHUT_OFF_HEAD / (SHUT_OFF_HEAD + s.clogged))
    s.fan_power = 0.0
    if s.speed > 0.0:
        s.fan_power = p.rated_fan_kw * (0.97 * s.speed**p.fan_exponent + 0.03)


@kernel
def step(p: Record, s: Record, water_c: float, dew_point_c: float, dt_s: float) -> None:
    """Coil and valve through a step; ``water_ls`` and ``return_c`` are set before.

    The fans sit in the air stream: all of their power ends in the supply air.
    ``dew_point_c`` is that of the hall's air.
    """
    air, water = AIR_KJ_M3K * s.air_m3s, WATER_KJ_LK * s.water_ls
    s.heat_kw, s.latent_kw, s.condensate_ls = 0.0, 0.0, 0.0
    s.water_return_c = water_c
    sensible = 0.0
    small = min(air, water)
    if small > 1e-6 and s.return_c > water_c:
        films = 0.5 * (
            (s.air_m3s / p.design_m3s) ** -0.6 + max(s.water_ls / p.water_ls, 0.02) ** -0.4
        )
        ntu = p.ua_kw_k / films / small
        share = crossflow_effectiveness(ntu, small / max(air, water))
        sensible = share * small * (s.return_c - water_c)
        if dew_point_c > water_c:
            film = air * (1.0 - math.exp(-AIR_FILM * p.ua_kw_k / films / air))
            sensible, s.latent_kw = wet_coil_kw(
                film, share * small, s.return_c, water_c, dew_point_c
            )
            s.condensate_ls = s.latent_kw / LATENT_COIL_KJ_KG
        s.heat_kw = sensible + s.latent_kw
        s.water_return_c = water_c + s.heat_kw / water
    m = p.coil_kj_k
    heat = air * s.return_c - sensible + s.fan_power
    s.supply_c = (m * s.supply_c + dt_s * heat) / (m + dt_s * air)
    sensed_c = control_sensor.sensed_c(s, s.supply_c)
    wanted, s.valve_integral = proportional_integral(
        sensed_c - s.supply_setpoint_c, s.valve_integral, p.valve_gain, p.valve_reset_s, dt_s
    )
    if s.valve_stuck < 0.5:
        s.valve = move_towards(s.valve, wanted, dt_s / p.stroke_s)
    s.valve_position = 100.0 * s.valve
