"""The tower water: pumps, condensers and tower exchangers in parallel, cells, basin.

The fans hold the water that leaves the basin; below their least speed they cycle, and when
the water is too cold without them, or near freezing, a bypass carries part of it past the
cells. Electric heaters keep an idle basin from freezing. Blow-down keeps the salts at so many
cycles of concentration: make-up = evaporation + drift + blow-down, blow-down = evaporation /
(cycles - 1) - drift (ASHRAE Handbook HVAC Systems and Equipment 2020, chapter 40). Make-up
is taken to arrive as warm as the basin.
"""

from __future__ import annotations

from facility.site import Site
from sim.plant import control_sensor, tower
from sim.plant.fluids import WATER_KJ_LK
from sim.plant.hydronics import (
    HEADER,
    HEADER_STATE,
    PIPE_CELLS,
    header_parameters,
    move_towards,
    proportional_integral,
)
from sim.plant.layout import Layout, Record, Table, kernel

DESIGN_DP_KPA = 90.0
"""Over condensers and exchangers with their valves; the cells' static lift is in the mains."""

FREEZING_C = 5.0
"""Under this water passes by the cells whatever the setpoint, so that their fill does not ice."""

PARAMETERS = Layout(
    HEADER
    | {
        "basin_kj_k": "water of the basins, kJ/K",
        "parcel_l": "one of the parcels of the return main, L",
        "fan_gain": "of the loop that holds the water by the fans, 1/K",
        "fan_reset_s": "its integral time, s",
        "concentration": "cycles of concentration held by blow-down (3 to 7)",
        "heater_kw": "electric heaters of the basins, kW",
        "heater_c": "basin temperature that they hold, degC",
        "basin_loss_kw_k": "heat from the basins to outdoor air, kW/K",
    }
)
STATE = Layout(
    HEADER_STATE
    | {
        "setpoint_c": "tower-water setpoint in force, degC",
        "supply_c": "water leaving the basin, degC",
        "return_c": "water reaching the cells, degC",
        "mixed_return_c": "water leaving condensers and exchangers, degC",
        "fan_command": "output of the fan controller, 0 to 1",
        "fan_integral": "its integral",
        "fans_on": "1 while the fans turn",
        "cells": "cells with water",
        "bypass": "share of the water past the cells",
        "heat_kw": "heat rejected, kW",
        "loss_kw": "heat from the basins to outdoor air, kW",
        "heater_kw": "heat and electric power of the basin heaters, kW",
        "blow_down_ls": "water drained against concentration, L/s",
        "make_up_ls": "water fed in, L/s",
        "sensor_lost": "1 while the fan controller knows its sensor to be lost",
    }
    | control_sensor.STATE
)


def parameters(site: Site, design_ls: float) -> Table:
    """Tower water for the sum of its users' design flows.

    75 kPa in mains, strainers and the lift to the cells; basins hold 150 s of flow. Heaters
    are chosen to hold 4.5 °C at -18 °C outdoors, at 2 kW a MW of cells.
    """
    towers_kw = sum(t.rated_kw for t in site.towers.values())
    towers_ls = towers_kw / (WATER_KJ_LK * 5.56)
    flow = min(design_ls, 1.2 * towers_ls)
    row = header_parameters(flow, DESIGN_DP_KPA, 75.0)
    row |= {
        "basin_kj_k": 150.0 * flow * WATER_KJ_LK,
        "parcel_l": 40.0 * flow / PIPE_CELLS,
        "fan_gain": 0.12,
        "fan_reset_s": 240.0,
        "concentration": 5.0,
        "heater_kw": 0.002 * towers_kw,
        "heater_c": 4.5,
        "basin_loss_kw_k": 0.002 * towers_kw / 22.5,
    }
    return PARAMETERS.filled([row])


@kernel
def reject(
    p: Record,
    s: Record,
    params: Table,
    state: Table,
    dry_bulb_c: float,
    wet_bulb_c: float,
    dt_s: float,
) -> None:
    """Cells and basin: fan control, water over as many cells as keep their fill wet."""
    shown_c = control_sensor.sensed_c(s, s.supply_c)
    command = s.fan_command  # a controller without its sensor keeps its output
    if s.sensor_lost < 0.5:
        command, s.fan_integral = proportional_integral(
            shown_c - s.setpoint_c, s.fan_integral, p.fan_gain, p.fan_reset_s, dt_s
        )
    s.fan_command = command
    if command < 0.03 or s.flow_ls <= 0.0:
        s.fans_on = 0.0
    elif command > 0.10:
        s.fans_on = 1.0
    cells = state.shape[0]
    # One cell more only with a tenth of water to spare, so that it does not come and go.
    keeps = min(max(int(s.flow_ls / params[0].min_ls), 1), cells)
    joins = min(max(int(s.flow_ls / (1.1 * params[0].min_ls)), 1), cells)
    active = min(max(int(s.cells), joins), keeps)
    s.cells = active if s.flow_ls > 0.0 else 0.0
    cold = 0.0 if command > 0.0 else min(max((s.setpoint_c - 0.5 - shown_c) * 0.4, 0.0), 0.9)
    cold = max(cold, min(max((FREEZING_C - s.supply_c) * 0.5, 0.0), 0.9))
    s.bypass = move_towards(s.bypass, cold, dt_s / 90.0)
    over = s.flow_ls * (1.0 - s.bypass)
    heat = evaporation = drift = 0.0
    for i in range(cells):
        u = state[i]
        wanted = 0.0
        if i < active and s.fans_on > 0.5 and u.available > 0.5:
            wanted = max(command, params[i].min_speed)
        u.speed = move_towards(u.speed, wanted, params[i].fan_ramp_per_s * dt_s)
        u.water_ls = over / active if i < active else 0.0
        tower.step(params[i], u, s.return_c, wet_bulb_c)
        heat += u.heat_kw
        evaporation += u.evaporation_ls
        drift += u.drift_ls
    s.heat_kw = heat
    s.blow_down_ls = max(evaporation / (p.concentration - 1.0) - drift, 0.0)
    s.make_up_ls = evaporation + drift + s.blow_down_ls
    s.loss_kw = p.basin_loss_kw_k * (s.supply_c - dry_bulb_c)
    # The thermostat is proportional over a kelvin, so that it does not chatter.
    s.heater_kw = p.heater_kw * min(max(p.heater_c + 0.5 - s.supply_c, 0.0), 1.0)
    rate = WATER_KJ_LK * s.flow_ls
    inflow = dt_s * (rate * s.return_c - heat + s.pump_heat_kw + s.heater_kw - s.loss_kw)
    s.supply_c = (p.basin_kj_k * s.supply_c + inflow) / (p.basin_kj_k + dt_s * rate)
