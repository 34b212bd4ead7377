"""Chilled-water storage: a stratified tank between a loop's supply and its return.

Charging takes supply water into the bottom and pushes warm water from the top to the return;
discharging takes return water into the top and pushes cold water from the bottom into the
supply, beside or in the place of the chillers. The tank is a column of mixed layers, as in TRNSYS
type 4 and Modelica Buildings ``Fluid.Storage.Stratified``: plug flow through them, conduction and
turbulence between neighbours, loss to the room, and instant mixing where a layer lies warmer
below than above. A tank of no volume is none, and costs nothing.
"""

from __future__ import annotations

from sim.plant.fluids import WATER_KJ_LK
from sim.plant.hydronics import drive_efficiency, move_towards, shaft_power_kw
from sim.plant.layout import Array, Record, kernel

LAYERS = 12
"""Top first. The thermocline is about a layer and a half thick: 0.5 to 1 m in real tanks."""

PARAMETERS = {
    "tank_m3": "volume of the chilled-water storage tank, m³; 0 for none",
    "tank_ls": "water through it at full charge or discharge, L/s",
    "tank_mixing_kw_k": "conduction and turbulence between neighbouring layers, kW/K",
    "tank_loss_kw_k": "loss to its surroundings, kW/K",
    "tank_room_c": "temperature there, degC",
    "tank_head_kpa": "head of its pumps at full flow, kPa",
    "tank_ramp_s": "from standstill to full flow, s",
}
STATE = {
    "tank_command": "wanted flow over full flow: 1 charges, -1 discharges",
    "tank_flow_ls": "water through the tank, charging positive, L/s",
    "tank_out_c": "water leaving the tank, degC",
    "tank_pump_kw": "electric power of its pumps, kW",
    "tank_heat_kw": "their heat in the water, kW",
    "tank_loss_kw": "heat lost to its surroundings, kW; negative where it gains",
    "tank_level_pct": "cold in it between the supply setpoint and the design return, percent",
    "tank_rate_pct": "water through it over its full flow, charging positive, percent",
    "tank_setpoint_pct": "flow that is asked of it over its full flow, in force, percent",
    "tank_own_pct": "the same that local control asks by itself, percent",
    "tank_asked": "1 while a remote or a person at the panel sets it, or it is on its way back",
    "plant_ls": "water through exchangers and chillers, L/s",
}

NONE = {
    "tank_m3": 0.0, "tank_ls": 0.0, "tank_mixing_kw_k": 0.0, "tank_loss_kw_k": 0.0,
    "tank_room_c": 20.0, "tank_head_kpa": 80.0, "tank_ramp_s": 30.0,
}  # fmt: skip


def parameters(volume_m3: float, flow_ls: float) -> dict[str, float]:
    """A cylindrical tank as high as wide and a half, with 50 mm of insulation (0.7 W/m²K).

    Between layers water conducts 0.6 W/mK; diffusers of a Richardson number over 1 stir
    about ten times that (ASHRAE Handbook HVAC Applications 2019, chapter 50).
    """
    diameter = (volume_m3 / (1.5 * 0.7854)) ** (1.0 / 3.0)
    section = 0.7854 * diameter**2
    surface = 3.1416 * diameter * 1.5 * diameter + 2.0 * section
    return NONE | {
        "tank_m3": volume_m3,
        "tank_ls": flow_ls,
        "tank_mixing_kw_k": 6e-3 * section / (1.5 * diameter / LAYERS),
        "tank_loss_kw_k": 0.7e-3 * surface,
    }


@kernel
def run_pump(p: Record, s: Record, dt_s: float) -> None:
    """Flow through the tank towards its command, never more out than the loop takes."""
    s.tank_pump_kw, s.tank_heat_kw = 0.0, 0.0
    if p.tank_m3 <= 0.0:
        s.plant_ls = s.flow_ls
        return
    wanted = min(max(s.tank_command, -1.0), 1.0) * p.tank_ls
    s.tank_flow_ls = move_towards(s.tank_flow_ls, wanted, p.tank_ls * dt_s / p.tank_ramp_s)
    s.tank_flow_ls = max(s.tank_flow_ls, -s.flow_ls)
    s.plant_ls = s.flow_ls + s.tank_flow_ls
    speed = abs(s.tank_flow_ls) / p.tank_ls
    if speed > 1e-3:
        full = shaft_power_kw(p.tank_ls, p.tank_head_kpa, 0.75)
        s.tank_heat_kw = full * speed**3
        s.tank_pump_kw = s.tank_heat_kw / drive_efficiency(speed, speed**3)


@kernel
def plant_return_c(p: Record, s: Record, layers: Array) -> float:
    """Water that enters the plant: the loop's return with what charging drives from the top."""
    if s.tank_flow_ls <= 0.0 or p.tank_m3 <= 0.0:
        return float(s.return_c)
    return (s.flow_ls * s.return_c + s.tank_flow_ls * layers[0]) / (s.flow_ls + s.tank_flow_ls)


@kernel
def loop_supply_c(p: Record, s: Record, layers: Array, plant_c: float) -> float:
    """Water that enters the supply: the plant's with what discharging drives from the bottom."""
    if s.tank_flow_ls >= 0.0 or p.tank_m3 <= 0.0 or s.flow_ls <= 0.0:
        return plant_c
    cold = -s.tank_flow_ls
    return ((s.flow_ls - cold) * plant_c + cold * layers[LAYERS - 1]) / s.flow_ls


@kernel
def step(p: Record, s: Record, layers: Array, plant_c: float, dt_s: float) -> None:
    """Carry the layers through a step; what left them is `plant_return_c`, `loop_supply_c`.

    Plug flow is exact in heat at any step in which less than a layer passes.
    """
    if p.tank_m3 <= 0.0:
        return
    layer_l = 1000.0 * p.tank_m3 / LAYERS
    part = abs(s.tank_flow_ls) * dt_s / layer_l
    last = LAYERS - 1
    if s.tank_flow_ls > 0.0:
        s.tank_out_c = layers[0]
        for i in range(last):
            layers[i] += part * (layers[i + 1] - layers[i])
        layers[last] += part * (plant_c - layers[last])
    elif s.tank_flow_ls < 0.0:
        s.tank_out_c = layers[last]
        for i in range(last, 0, -1):
            layers[i] += part * (layers[i - 1] - layers[i])
        layers[0] += part * (s.return_c - layers[0])
    heat_kj_k = layer_l * WATER_KJ_LK
    s.tank_loss_kw = 0.0
    for i in range(LAYERS):
        lost = p.tank_loss_kw_k / LAYERS * (layers[i] - p.tank_room_c)
        layers[i] += dt_s * (s.tank_heat_kw / LAYERS - lost) / heat_kj_k
        s.tank_loss_kw += lost
    share = min(p.tank_mixing_kw_k * dt_s / heat_kj_k, 0.25)
    for i in range(last):
        moved = share * (layers[i] - layers[i + 1])
        layers[i] -= moved
        layers[i + 1] += moved
    _turn_over(layers)
    s.tank_rate_pct = 100.0 * s.tank_flow_ls / p.tank_ls
    warm_c = s.setpoint_c + p.design_range_k
    s.tank_level_pct = 100.0 * charge_share(layers, s.setpoint_c, warm_c)


@kernel
def _turn_over(layers: Array) -> None:
    """Mix each layer with those above it that are colder, heat conserved."""
    for i in range(1, LAYERS):
        if layers[i] > layers[i - 1] + 1e-9:
            total, count = layers[i], 1
            while count <= i and layers[i - count] < total / count:
                total += layers[i - count]
                count += 1
            for j in range(count):
                layers[i - j] = total / count


@kernel
def charge_share(layers: Array, cold_c: float, warm_c: float) -> float:
    """How full of cold a tank is between two temperatures, 0 to 1."""
    if warm_c - cold_c < 0.5:
        return 0.0
    total = 0.0
    for i in range(LAYERS):
        total += min(max((warm_c - layers[i]) / (warm_c - cold_c), 0.0), 1.0)
    return total / LAYERS
