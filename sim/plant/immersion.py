"""Immersion tanks: servers in a dielectric fluid, a pump, a plate exchanger to the CDU's water.

Two lumps: the chips (with sinks that the fluid flows over) and the well-mixed bath,

    C1 dT1/dt = P - (T1 - T2) / R
    C2 dT2/dt = (T1 - T2) / R + pump - UA-eps (T2 - Tin) - to air

A litre of a hydrocarbon fluid holds 0.8 kg at 2.1 kJ/kgK; ten litres a kilowatt make a time
constant of minutes, which is what a tank has over a cold plate when its cooling stops.

Cold fluid is thick: its film in the exchanger goes with Re^0.7 Pr^(1/3), hence with viscosity
to the power -0.37 at a given flow (Kays & London, *Compact Heat Exchangers*, for plates as
`sim.plant.exchanger`). Viscosity over temperature is Walther's law, which ASTM D341 makes a
chart of, through 5.0 mm²/s at 40 °C and 1.8 mm²/s at 100 °C: a light fluid as it is sold for
tanks (a choice of this model; name another by `VISCOSITY`).
"""

from __future__ import annotations

import math

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.direct_to_chip import SHUT_SHARE, latched
from sim.plant.exchanger import counterflow_heat_kw, counterflow_ua
from sim.plant.fluids import COOLANT_KJ_LK
from sim.plant.layout import Layout, Record, Table, kernel

FLUID_KJ_LK = 1.68
"""Of a litre of the dielectric fluid: 0.8 kg x 2.1 kJ/kgK."""
VISCOSITY = ((40.0, 5.0), (100.0, 1.8))
"""Kinematic viscosity, mm²/s, at two temperatures, °C."""
VISCOSITY_POWER = 0.7 - 1.0 / 3.0
DESIGN_C = 40.0
"""Bath at which exchangers are chosen."""

PARAMETERS = Layout(
    {
        "rated_kw": "nameplate, kW",
        "limit_c": "named limit of the bath, degC",
        "recommended_c": "design temperature of the bath, degC",
        "to_air_share": "share of the heat that goes to the hall's air",
        "design_ls": "coolant of the CDU at design, L/s",
        "flow_share": "share of the CDU's flow",
        "chip_k_kw": "resistance chip to bath, K/kW",
        "chip_kj_k": "heat capacity of chips and sinks, kJ/K (45 s)",
        "bath_kj_k": "of the fluid, kJ/K (10 L/kW)",
        "ua_kw_k": "conductance of the exchanger at design, kW/K",
        "fluid_ls": "fluid through the exchanger, L/s (6 K range at nameplate)",
        "pump_kw": "electric power of the tank's pump, all into the fluid, kW",
        "leak_share": "leakage over power with the chips at 60 °C",
        "leak_per_k": "linear growth of leakage, 1/K",
        "leak_per_k2": "quadratic growth of leakage, 1/K²",
        "throttle_c": "bath from which the servers throttle, degC",
    }
)
STATE = Layout(
    {
        "tripped": "1 while a fault keeps the tank's pump off",
        "it_power": "electric power, kW",
        "throttled_kw": "power taken back by throttling, kW",
        "shut": "1 while the servers are off to save themselves",
        "chip_c": "chips' cases, degC",
        "bath_c": "fluid, degC",
        "return_c": "coolant that leaves the exchanger, degC",
        "flow_ls": "coolant, L/s",
        "heat_kw": "heat given to the coolant, kW",
        "air_kw": "heat to the hall's air, kW",
        "pump_power": "electric power of the tank's pump, kW",
    }
)

SHUT_K = 10.0
STILL_SHARE = 0.05
"""Of the pump's flow: what natural convection moves through the exchanger without it."""


def racks(site: Site) -> list[str]:
    """Ids of the tanks, in the order of the site."""
    return [r.id for r in site.racks.values() if r.kind is RackKind.IMMERSION]


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """Tanks from their nameplates: chips 18 K over the bath, the bath 5 K over leaving coolant."""
    cooled = {c.hall for c in site.crahs.values()}
    cooled |= {r.hall for r in site.racks.values() if r.kind is RackKind.REAR_DOOR}
    rows = []
    for name in racks(site):
        rack = site.racks[name]
        to_air = rack.to_air_share if rack.hall in cooled else 0.0
        liquid_kw = rack.rated_kw * (1.0 - to_air)
        flow = rack.design_flow_ls or liquid_kw * 1.35 / 60.0
        chip_k_kw = 18.0 / rack.rated_kw * (1.0 + 0.08 * rng.uniform(-1.0, 1.0))
        fluid = rack.rated_kw / (FLUID_KJ_LK * 6.0)
        cold = COOLANT_KJ_LK * flow
        ua = counterflow_ua(liquid_kw, FLUID_KJ_LK * fluid, cold, liquid_kw / cold + 5.0)
        rows.append(
            {
                "rated_kw": rack.rated_kw,
                "limit_c": rack.limit_c,
                "recommended_c": rack.recommended_c,
                "to_air_share": to_air,
                "design_ls": flow,
                "flow_share": flow * (1.0 + 0.04 * rng.uniform(-1.0, 1.0)),
                "chip_k_kw": chip_k_kw,
                "chip_kj_k": 45.0 / chip_k_kw,
                "bath_kj_k": 10.0 * rack.rated_kw * FLUID_KJ_LK,
                "ua_kw_k": ua * (1.0 + 0.04 * rng.uniform(-1.0, 1.0)),
                "fluid_ls": fluid,
                "pump_kw": fluid * 60.0e-3 / 0.45,  # 60 kPa at 45 % from wire to water
                "leak_share": rng.uniform(0.12, 0.20),
                "leak_per_k": 0.008,
                "leak_per_k2": 6e-5,
                "throttle_c": rack.limit_c + 2.0,
            }
        )
    return PARAMETERS.filled(rows)


def _walther() -> tuple[float, float]:
    (t1, v1), (t2, v2) = VISCOSITY
    y1, y2 = (math.log10(math.log10(v + 0.7)) for v in (v1, v2))
    x1, x2 = (math.log10(t + 273.15) for t in (t1, t2))
    slope = (y1 - y2) / (x2 - x1)
    return y1 + slope * x1, slope


WALTHER_A, WALTHER_B = _walther()


@kernel
def viscosity_mm2s(bath_c: float) -> float:
    """Kinematic viscosity of the fluid by Walther's law (ASTM D341)."""
    log_log = WALTHER_A - WALTHER_B * math.log10(bath_c + 273.15)
    return float(10.0 ** (10.0**log_log) - 0.7)


@kernel
def conductance_kw_k(p: Record, bath_c: float, fluid_share: float, flow_ls: float) -> float:
    """UA of the tank's exchanger: half of the clean resistance on each side at design."""
    thick = (viscosity_mm2s(bath_c) / viscosity_mm2s(DESIGN_C)) ** VISCOSITY_POWER
    fluid = thick * fluid_share**-0.7
    return p.ua_kw_k / (0.5 * fluid + 0.5 * max(flow_ls / p.design_ls, 0.02) ** -0.7)


@kernel
def step(p: Record, s: Record, work_kw: float, water_c: float, dt_s: float) -> None:
    """One tank through a step; ``work_kw`` is what its work takes with the chips at 60 °C.

    ``flow_ls`` is set before. The bath and the chips are solved together (backward Euler) with
    the exchanger's heat of the step's start.
    """
    factor = max(0.5, 1.0 - 0.05 * max(0.0, s.bath_c - p.throttle_c))
    s.shut = latched(s.shut, s.bath_c, p.throttle_c + SHUT_K, p.recommended_c)
    if s.shut > 0.5:
        factor = SHUT_SHARE
    over = s.chip_c - 60.0
    growth = max(1.0 + p.leak_per_k * over + p.leak_per_k2 * over * over, 0.3)
    full = work_kw * (1.0 - p.leak_share + p.leak_share * growth)
    s.it_power = full * factor
    s.throttled_kw = full - s.it_power
    s.air_kw = p.to_air_share * s.it_power
    turning = s.tripped < 0.5
    s.pump_power = p.pump_kw if turning else 0.0
    share = 1.0 if turning else STILL_SHARE
    ua = conductance_kw_k(p, s.bath_c, share, s.flow_ls)
    hot, cold = FLUID_KJ_LK * p.fluid_ls * share, COOLANT_KJ_LK * s.flow_ls
    s.heat_kw = counterflow_heat_kw(hot, cold, ua, s.bath_c, water_c)
    s.return_c = water_c + s.heat_kw / cold if cold > 1e-9 else s.bath_c
    g = 1.0 / p.chip_k_kw
    a1, a2 = p.chip_kj_k / dt_s, p.bath_kj_k / dt_s
    d1 = a1 + g
    b1 = a1 * s.chip_c + s.it_power - s.air_kw
    s.bath_c = (a2 * s.bath_c + s.pump_power - s.heat_kw + g * b1 / d1) / (a2 + g - g * g / d1)
    s.chip_c = (b1 + g * s.bath_c) / d1
