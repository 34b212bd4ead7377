"""Cooling towers: cells with variable-speed fans over a common basin.

Approach by YorkCalc (EnergyPlus Engineering Reference, «CoolingTower:VariableSpeed», the same
27 coefficients as Modelica Buildings ``Fluid.HeatExchangers.CoolingTowers.YorkCalc``). For a
given wet bulb and ratio of water to air it is quadratic in the range, so that the leaving
temperature follows in closed form.

Where the fit ends (`BOX`) the cell goes on as a counterflow exchanger of enthalpy, by Merkel's
theory in the effectiveness form of Braun, Klein & Mitchell, «Effectiveness models for cooling
towers and cooling coils», ASHRAE Transactions 95(2), 1989: the transfer units that YorkCalc
has at the nearest point of its box, carried outwards with the ratio of water to air to the
power 0.4. So it is continuous, ends at wet bulb without heat, and never passes it.
"""

from __future__ import annotations

import math

import numpy as np

from facility.site import Site
from sim.plant.fluids import LATENT_KJ_KG, WATER_KJ_LK
from sim.plant.layout import Layout, Record, Table, kernel

YORKCALC = np.array(
    [
        -0.359741205, -0.055053608, 0.0023850432,
        0.173926877, -0.0248473764, 0.00048430224,
        -0.005589849456, 0.0005770079712, -0.00001342427256,
        2.84765801111111, -0.121765149, 0.0014599242,
        1.680428651, -0.0166920786, -0.0007190532,
        -0.025485194448, 0.0000487491696, 0.00002719234152,
        -0.0653766255555556, -0.002278167, 0.0002500254,
        -0.0910565458, 0.00318176316, 0.000038621772,
        -0.0034285382352, 0.00000856589904, -0.000001516821552,
    ]
)  # fmt: skip
"""``c[9k + 3j + i]`` of wet bulb^i, range^j, (water/air)^k."""

# BOX of the fit (EnergyPlus; Modelica Buildings ``CorrelationsBoundaries.YorkCalc``).
WET_BULB_C = (-34.4, 29.4)
RANGE_K = (1.1, 22.2)
APPROACH_K = (1.1, 40.0)
MAX_WATER_TO_AIR = 8.0

DESIGN_WATER_TO_AIR = 1.2
"""Mass of water over dry air at design flows: mechanical-draft cells have 0.75 to 1.5 (ASHRAE
Handbook HVAC Systems and Equipment 2020, chapter 40)."""
WATER_KJ_KGK = 4.18
TRANSFER_EXPONENT = 0.4
"""Of transfer units on the air's side in water over air: 1 + n, n = -0.6 (Braun et al. 1989)."""

PARAMETERS = Layout(
    {
        "rated_kw": "heat at 25.6 °C wet bulb, 5.56 K range, 3.89 K approach, kW (CTI rating)",
        "rated_fan_kw": "fan power at full speed, kW",
        "design_ls": "water at design, L/s",
        "min_ls": "least water over a cell before its fill dries, L/s (30 %: its nozzles)",
        "free_share": "heat with the fan off over heat at full speed (EnergyPlus: 0.125)",
        "fan_exponent": "of fan power in speed (practice 2.5 to 3)",
        "fan_ramp_per_s": "fastest change of fan speed, share a second",
        "min_speed": "lowest fan speed of the converter, share",
        "quality": "fill and fan against new: multiplies the air flow",
        "drift_share": "water carried off as drops, share of the water over the cell",
    }
)
STATE = Layout(
    {
        "available": "0 while a fault keeps the fan off",
        "fan_loss": "share of the air lost: a slipping belt, blades at a wrong pitch",
        "speed": "fan speed, share",
        "fan_speed": "fan speed, percent",
        "fan_power": "electric power of the fan, kW",
        "leaving_c": "water from the cell, degC",
        "heat_kw": "heat rejected, kW",
        "water_ls": "water over the cell, L/s",
        "evaporation_ls": "water evaporated, L/s",
        "drift_ls": "water lost as drops, L/s",
    }
)


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """Tower cells of a site from their nameplates; ``quality`` varies by a few percent."""
    rows = []
    for tower in site.towers.values():
        design = tower.rated_kw / (WATER_KJ_LK * 5.56)
        rows.append(
            {
                "rated_kw": tower.rated_kw,
                "rated_fan_kw": tower.rated_fan_kw,
                "design_ls": design,
                "min_ls": 0.3 * design,
                "free_share": 0.125,
                "fan_exponent": 2.8,
                "fan_ramp_per_s": 1.0 / 60.0,
                "min_speed": 0.15,
                "quality": 1.0 - 0.05 * rng.uniform(),
                "drift_share": 8e-5,  # EnergyPlus' default, 0.008 %
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def approach_polynomial(wet_bulb_c: float, water_to_air: float) -> tuple[float, float, float]:
    """Coefficients of the approach (K) in the range: ``a0 + a1 Tr + a2 Tr²``."""
    w, r = wet_bulb_c, water_to_air
    a0 = a1 = a2 = 0.0
    power = 1.0
    for k in range(3):
        i = 9 * k
        a0 += power * (YORKCALC[i] + w * (YORKCALC[i + 1] + w * YORKCALC[i + 2]))
        a1 += power * (YORKCALC[i + 3] + w * (YORKCALC[i + 4] + w * YORKCALC[i + 5]))
        a2 += power * (YORKCALC[i + 6] + w * (YORKCALC[i + 7] + w * YORKCALC[i + 8]))
        power *= r
    return a0, a1, a2


@kernel
def saturated_kj_kg(temperature_c: float) -> float:
    """Enthalpy of saturated air at 101.3 kPa, kJ for each kg of dry air.

    ASHRAE Handbook Fundamentals 2021, chapter 1, with the saturation pressure of Alduchov &
    Eskridge, J. Appl. Meteor. 35, 1996 (within 0.4 % from -40 to 50 °C); held above 80 °C.
    """
    t = min(temperature_c, 80.0)
    pressure = 0.61094 * math.exp(17.625 * t / (t + 243.04))
    humidity = 0.62198 * pressure / (101.325 - pressure)
    return 1.006 * t + humidity * (2501.0 + 1.86 * t)


@kernel
def saturation_slope(cold_c: float, hot_c: float) -> float:
    """Mean slope of saturated enthalpy between two temperatures, kJ/kgK."""
    hot = max(hot_c, cold_c + 1e-3)
    return (saturated_kj_kg(hot) - saturated_kj_kg(cold_c)) / (hot - cold_c)


@kernel
def transfer_units(share: float, capacity: float) -> float:
    """Transfer units of a cell from its range over range plus approach, and m*.

    ``capacity`` is m*, air over water: (air flow x saturation slope) / (water flow x heat
    capacity). The inverse of `water_effectiveness`.
    """
    eps = min(share / capacity, 0.995)
    if abs(capacity - 1.0) < 1e-4:
        return eps / (1.0 - eps)
    rest = max((1.0 - eps) / max(1.0 - capacity * eps, 1e-6), 1e-9)
    return -math.log(rest) / (1.0 - capacity)


@kernel
def water_effectiveness(units: float, capacity: float) -> float:
    """Range over range plus approach at so many transfer units (Braun et al. 1989, eq. 7)."""
    if abs(capacity - 1.0) < 1e-4:
        return capacity * units / (1.0 + units)
    e = math.exp(-units * (1.0 - capacity))
    return capacity * (1.0 - e) / (1.0 - capacity * e)


@kernel
def leaving_temperature_c(
    entering_c: float, wet_bulb_c: float, water_share: float, air_share: float
) -> float:
    """Water from a cell at shares of design water and air, fan running."""
    if entering_c <= wet_bulb_c:
        return entering_c
    head = entering_c - wet_bulb_c  # range + approach
    actual = water_share / max(air_share, 1e-3)
    ratio = min(actual, MAX_WATER_TO_AIR)
    bulb = min(max(wet_bulb_c, WET_BULB_C[0]), WET_BULB_C[1])
    a0, a1, a2 = approach_polynomial(bulb, ratio)
    b, c = 1.0 + a1, a0 - head
    root = b * b - 4.0 * a2 * c
    solved = RANGE_K[1] + 1.0
    if root >= 0.0 and b + math.sqrt(root) > 0.0:
        solved = -2.0 * c / (b + math.sqrt(root))
    tr = min(max(solved, RANGE_K[0]), RANGE_K[1])
    approach = a0 + tr * (a1 + tr * a2)
    near = min(max(approach, APPROACH_K[0]), APPROACH_K[1])
    if tr == solved and near == approach and bulb == wet_bulb_c and ratio == actual:
        return entering_c - tr
    slope = saturation_slope(bulb, bulb + tr + near)
    units = transfer_units(tr / (tr + near), slope / (ratio * DESIGN_WATER_TO_AIR * WATER_KJ_KGK))
    units *= (actual / ratio) ** TRANSFER_EXPONENT
    slope = saturation_slope(wet_bulb_c, entering_c)
    share = water_effectiveness(units, slope / (actual * DESIGN_WATER_TO_AIR * WATER_KJ_KGK))
    return entering_c - min(share, 1.0) * head


@kernel
def step(p: Record, s: Record, entering_c: float, wet_bulb_c: float) -> None:
    """One cell at its present water and fan speed: leaving water, heat, power, evaporation.

    Evaporation carries nearly all of the heat: 0.9 of it on the average of a year (ASHRAE
    Handbook HVAC Systems and Equipment 2020, chapter 40).
    """
    s.fan_speed = 100.0 * s.speed
    s.fan_power = 0.0
    if s.speed > 0.0:
        s.fan_power = p.rated_fan_kw * (0.97 * s.speed**p.fan_exponent + 0.03)
    if s.water_ls <= 0.0:
        s.leaving_c, s.heat_kw, s.evaporation_ls, s.drift_ls = entering_c, 0.0, 0.0, 0.0
        return
    share = s.water_ls / p.design_ls
    full = entering_c - leaving_temperature_c(entering_c, wet_bulb_c, share, p.quality)
    tr = p.free_share * full
    if s.speed > 0.0:
        air = p.quality * s.speed * (1.0 - s.fan_loss)
        leaving = leaving_temperature_c(entering_c, wet_bulb_c, share, air)
        tr = max(tr, entering_c - leaving)
    s.leaving_c = entering_c - tr
    s.heat_kw = s.water_ls * WATER_KJ_LK * tr
    s.evaporation_ls = 0.9 * s.heat_kw / LATENT_KJ_KG
    s.drift_ls = p.drift_share * s.water_ls


def design_approach_k(wet_bulb_c: float, range_k: float, water_to_air: float) -> float:
    """Approach of YorkCalc itself (K), for checks against published points."""
    a0, a1, a2 = approach_polynomial(wet_bulb_c, water_to_air)
    return float(a0 + range_k * (a1 + range_k * a2))
