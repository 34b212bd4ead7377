"""Pumps, valves and pipes: affinity laws, equal-percentage valves, plug flow.

Pressures in kPa, flows in L/s. A loop's pumps hold its differential pressure; its branches
(valve and fixed resistance in series) hang in parallel on it, so that flow and pressure
follow in closed form from the pump speed:

    head = speed² head0 - a Q²,  head = dp + k Q²,  Q = C sqrt(dp)
    =>  dp = speed² head0 / (1 + (a + k) C²)
"""

from __future__ import annotations

import math

from sim.plant.layout import Array, Layout, Record, kernel, template

PIPE_CELLS = 24
"""Parcels of a pipe: temperature fronts are smeared over 1/24 of its length."""

PIPE_STATE = Layout(
    {
        "head": "index of the oldest parcel",
        "fill": "how full the parcel that is entering is, 0 to 1",
        "entering_c": "its temperature, degC",
    }
)

HEADER = {
    "design_ls": "water at design, L/s",
    "design_dp_kpa": "differential pressure over the branches at design, kPa",
    "head0_kpa": "head of the pumps at full speed without flow, kPa",
    "pump_kpa_ls2": "fall of their head, kPa for each (L/s)²",
    "plant_kpa_ls2": "resistance of the plant's side, kPa for each (L/s)²",
    "pump_efficiency": "hydraulic efficiency at its best (0.75 to 0.82)",
    "pump_shaft_kw": "shaft power at design, kW",
    "pumps": "pumps in parallel on the header that run together at design",
    "pump_min_speed": "lowest speed of the drives, share",
    "pump_ramp_per_s": "fastest change of speed, share a second",
}
HEADER_STATE = {
    "enabled": "1 while the pumps are wanted",
    "dp_setpoint_kpa": "differential pressure to hold, kPa",
    "pumps_wanted": "pumps that the sequencer wants; one where it says nothing",
    "pumps_lost": "pumps that a fault keeps off",
    "pumps_on": "pumps that run",
    "pump_speed": "their speed, share",
    "dp_kpa": "differential pressure over the branches, kPa",
    "flow_ls": "water through the branches, L/s",
    "pump_power": "electric power of the pumps, kW",
    "pump_heat_kw": "their heat in the water, kW",
}


PUMPS = 3
"""On each header of a site: no plant of megawatts hangs on one pump, and Guideline 36 stages
them (section 5.20.6)."""


def header_parameters(
    design_ls: float, dp_kpa: float, plant_kpa: float, pumps: int = PUMPS
) -> dict[str, float]:
    """Pumps chosen for a design point: shut-off head 1.25 of design head, best efficiency there.

    ``plant_kpa`` is lost in exchangers, chillers and mains at design flow.
    """
    head = dp_kpa + plant_kpa
    return {
        "design_ls": design_ls,
        "design_dp_kpa": dp_kpa,
        "head0_kpa": 1.25 * head,
        "pump_kpa_ls2": 0.25 * head / design_ls**2,
        "plant_kpa_ls2": plant_kpa / design_ls**2,
        "pump_efficiency": 0.80,
        "pump_shaft_kw": design_ls * head * 1e-3 / 0.80,
        "pumps": float(pumps),
        "pump_min_speed": 0.2,
        "pump_ramp_per_s": 1.0 / 30.0,
    }


VALVE_RANGEABILITY = 40.0
"""Of equal-percentage control valves: 30 to 50 (Driskell, *Control-Valve Selection*)."""


@kernel
def valve_opening(position: float) -> float:
    """Share of full conductance at a position 0 to 1; closes fully below 2 % of stroke.

    Inherent equal-percentage characteristic, R^(x-1) (IEC 60534-2-4).
    """
    if position <= 0.0:
        return 0.0
    share = math.exp((position - 1.0) * math.log(VALVE_RANGEABILITY))
    return share * min(1.0, position / 0.02)


@kernel
def leaking_opening(position: float, leakage: float) -> float:
    """`valve_opening` of a valve whose seat lets ``leakage`` of its full conductance pass."""
    return max(valve_opening(position), leakage)


@kernel
def branch_conductance(valve_ls_kpa: float, resistance_kpa_ls2: float) -> float:
    """Conductance C (L/s a square root of kPa) of a valve in series with a resistance."""
    if valve_ls_kpa <= 1e-12:
        return 0.0
    return 1.0 / math.sqrt(1.0 / (valve_ls_kpa * valve_ls_kpa) + resistance_kpa_ls2)


@kernel
def drive_efficiency(speed: float, load: float) -> float:
    """Of motor and frequency converter, at shares of nominal speed and shaft power.

    Bernier & Bourret, «Pumping energy and variable frequency drives», ASHRAE Journal 41(12),
    1999: motor 94.187 (1 - exp(-0.0904 x)) %, converter a cubic in speed.
    """
    n = 100.0 * min(max(speed, 0.05), 1.0)
    motor = 0.94187 * (1.0 - math.exp(-0.0904 * 100.0 * min(max(load, 0.01), 1.0)))
    converter = 0.5087 + 0.01283 * n - 1.42e-4 * n * n + 5.834e-7 * n * n * n
    return motor * converter


@kernel
def pump_efficiency(flow_share: float, speed: float, best: float) -> float:
    """Hydraulic efficiency: a parabola in flow over speed with its best at design.

    Affinity keeps it along Q/s; below 30 % of the best the parabola is not trusted.
    """
    if speed <= 1e-6:
        return best
    r = flow_share / speed
    return best * max(0.3, 1.0 - (1.0 - r) * (1.0 - r))


@kernel
def shaft_power_kw(flow_ls: float, head_kpa: float, efficiency: float) -> float:
    """Shaft power of a pump: all of it ends as heat in the water."""
    return flow_ls * head_kpa * 1e-3 / efficiency


@template
def run_header(p: Record, s: Record, conductance: float, bypass_ls_kpa: float, dt_s: float) -> None:
    """Pumps of a loop in parallel: hold its differential pressure, within their ramp and curve.

    ``p`` and ``s`` are records with the columns of `HEADER` and `HEADER_STATE`. Beside the
    branches lies a bypass of ``bypass_ls_kpa`` (L/s a root of kPa, 0 for none): its water
    passes pumps and plant but no branch. Of n pumps of a header, m that run have its curve at
    n/m of the flow.
    """
    s.pumps_on = min(max(s.pumps_wanted, 1.0), p.pumps - s.pumps_lost)
    all_ls_kpa = conductance + bypass_ls_kpa
    target, drag, fewer = 0.0, 1.0, 1.0
    if s.pumps_on > 0.5:
        fewer = p.pumps / s.pumps_on
        fall = p.pump_kpa_ls2 * fewer * fewer + p.plant_kpa_ls2
        drag = 1.0 + fall * all_ls_kpa * all_ls_kpa
        if s.enabled > 0.5 and all_ls_kpa > 1e-6:
            target = math.sqrt(s.dp_setpoint_kpa * drag / p.head0_kpa)
            target = min(max(target, p.pump_min_speed), 1.0)
    s.pump_speed = move_towards(s.pump_speed, target, p.pump_ramp_per_s * dt_s)
    dp = s.pump_speed * s.pump_speed * p.head0_kpa / drag
    total = all_ls_kpa * math.sqrt(dp)
    s.dp_kpa, s.flow_ls, s.pump_power, s.pump_heat_kw = dp, conductance * math.sqrt(dp), 0.0, 0.0
    if total > 1e-6 and s.pump_speed > 1e-3 and s.pumps_on > 0.5:
        head = dp + p.plant_kpa_ls2 * total * total
        best = pump_efficiency(total * fewer / p.design_ls, s.pump_speed, p.pump_efficiency)
        shaft = shaft_power_kw(total, head, best)
        s.pump_heat_kw = shaft
        s.pump_power = shaft / drive_efficiency(s.pump_speed, shaft * fewer / p.pump_shaft_kw)


@kernel
def proportional_integral(
    error: float, integral: float, gain: float, reset_s: float, dt_s: float
) -> tuple[float, float]:
    """A PI controller with output 0 to 1: output and new integral.

    Positive ``error`` opens. The integral stands still where the output is at its end and
    the error would drive it further (conditional integration).
    """
    output = gain * error + integral
    if (output < 1.0 or error < 0.0) and (output > 0.0 or error > 0.0):
        integral = min(max(integral + gain * error * dt_s / reset_s, 0.0), 1.0)
    return min(max(output, 0.0), 1.0), integral


@kernel
def move_towards(value: float, target: float, step: float) -> float:
    """``value`` moved towards ``target`` by at most ``step``: strokes, ramps, slews."""
    if target > value + step:
        return value + step
    if target < value - step:
        return value - step
    return target


@kernel
def flow_through_pipe(cells: Array, pipe: Record, inlet_c: float, parcels: float) -> float:
    """Push ``parcels`` of water at ``inlet_c`` into a pipe; the temperature of what comes out.

    Plug flow by volume: the pipe is a ring of parcels, the oldest drains while a new one
    fills in its place, so that heat is conserved exactly and the delay follows the flow.
    Without flow the oldest parcel's temperature is the answer.
    """
    head = int(pipe.head)
    left, heat = parcels, 0.0
    while left > 1e-12:
        part = min(left, 1.0 - pipe.fill)
        heat += part * cells[head]
        total = pipe.fill + part
        pipe.entering_c += (inlet_c - pipe.entering_c) * part / total
        pipe.fill = total
        left -= part
        if pipe.fill >= 1.0 - 1e-12:
            cells[head] = pipe.entering_c
            head = (head + 1) % cells.shape[0]
            pipe.fill = 0.0
    pipe.head = head
    if parcels <= 1e-12:
        return float(cells[head])
    return heat / parcels


@kernel
def pipe_outlet_c(cells: Array, pipe: Record, parcels: float) -> float:
    """What `flow_through_pipe` will answer for ``parcels``, before its inlet is known.

    It lets a loop be closed without delay: what leaves the return main this step is known
    at the step's start, what enters it at the end.
    """
    head = int(pipe.head)
    if parcels <= 1e-12:
        return float(cells[head])
    left, heat, room = parcels, 0.0, 1.0 - pipe.fill
    for i in range(cells.shape[0]):
        part = min(left, room)
        heat += part * cells[(head + i) % cells.shape[0]]
        left -= part
        room = 1.0
        if left <= 1e-12:
            break
    return heat / (parcels - max(left, 0.0))


@kernel
def pipe_content_k(cells: Array, pipe: Record) -> float:
    """Sum of the parcels' temperatures: times a parcel's heat capacity, the stored heat."""
    head = int(pipe.head)
    total = 0.0
    for i in range(cells.shape[0]):
        total += cells[i]
    return total + pipe.fill * (pipe.entering_c - cells[head])
