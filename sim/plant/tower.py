"""Cooling towers: cells with variable-speed fans over a common basin.

Approach by YorkCalc (EnergyPlus Engineering Reference, «CoolingTower:VariableSpeed», the same
27 coefficients as Modelica Buildings ``Fluid.HeatExchangers.CoolingTowers.YorkCalc``). For a
given wet bulb and ratio of water to air it is quadratic in the range, so that the leaving
temperature follows in closed form. Below a range of 1.1 K, where the fit ends, the approach
falls in proportion to the range: a tower without heat is at wet bulb.
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

MIN_RANGE_K = 1.1
MAX_WATER_TO_AIR = 8.0
WET_BULB_C = (-10.0, 29.4)
"""Held to what the fit was made for; below -10 °C it is extrapolated by its edge."""

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
    }
)
STATE = Layout(
    {
        "available": "0 while a fault keeps the fan off",
        "speed": "fan speed, share",
        "fan_speed": "fan speed, percent",
        "fan_power": "electric power of the fan, kW",
        "leaving_c": "water from the cell, degC",
        "heat_kw": "heat rejected, kW",
        "water_ls": "water over the cell, L/s",
        "evaporation_ls": "water evaporated, L/s",
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
def leaving_temperature_c(
    entering_c: float, wet_bulb_c: float, water_share: float, air_share: float
) -> float:
    """Water from a cell at shares of design water and air, fan running (YorkCalc)."""
    if entering_c <= wet_bulb_c:
        return entering_c
    bulb = min(max(wet_bulb_c, WET_BULB_C[0]), WET_BULB_C[1])
    ratio = min(water_share / max(air_share, 1e-3), MAX_WATER_TO_AIR)
    a0, a1, a2 = approach_polynomial(bulb, ratio)
    head = entering_c - wet_bulb_c  # range + approach
    least = max(a0 + MIN_RANGE_K * (a1 + MIN_RANGE_K * a2), 0.05)
    if head <= MIN_RANGE_K + least:
        return entering_c - head * MIN_RANGE_K / (MIN_RANGE_K + least)
    b, c = 1.0 + a1, a0 - head
    root = b * b - 4.0 * a2 * c
    if root < 0.0 or b <= 0.0:  # outside the fit: as much approach as the smallest range has
        return wet_bulb_c + min(least, head)
    tr = -2.0 * c / (b + math.sqrt(root))
    return entering_c - min(max(tr, MIN_RANGE_K), head)


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
        s.leaving_c, s.heat_kw, s.evaporation_ls = entering_c, 0.0, 0.0
        return
    share = s.water_ls / p.design_ls
    full = entering_c - leaving_temperature_c(entering_c, wet_bulb_c, share, p.quality)
    tr = p.free_share * full
    if s.speed > 0.0:
        leaving = leaving_temperature_c(entering_c, wet_bulb_c, share, p.quality * s.speed)
        tr = max(tr, entering_c - leaving)
    s.leaving_c = entering_c - tr
    s.heat_kw = s.water_ls * WATER_KJ_LK * tr
    s.evaporation_ls = 0.9 * s.heat_kw / LATENT_KJ_KG


def design_approach_k(wet_bulb_c: float, range_k: float, water_to_air: float) -> float:
    """Approach of YorkCalc itself (K), for checks against published points."""
    a0, a1, a2 = approach_polynomial(wet_bulb_c, water_to_air)
    return float(a0 + range_k * (a1 + range_k * a2))
