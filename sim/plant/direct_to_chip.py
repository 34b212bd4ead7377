"""Direct-to-chip racks: die, cold plate and coolant, with hoses of variable delay.

Three lumps a rack, solved together by backward Euler (the die settles in seconds):

    C1 dT1/dt = P - (T1 - T2) / R12              die
    C2 dT2/dt = (T1 - T2) / R12 - (T2 - T3) / R(V)   cold plate: the case temperature
    C3 dT3/dt = (T2 - T3) / R(V) - c V (T3 - Tin)    coolant of manifold and plates

R(V) = R0 + R1 (V/Vn)^-0.75: the film of a micro-channel plate goes with flow to the power
0.7 to 0.8. At rated power and design flow the case is 20 K over the coolant, which is 40 % of
the < 0.03 K/W that a 2.7 kW superchip module may have at most (kenfatech), as built plates do.
Leakage follows the die: quadratic about 60 °C (Price et al., arXiv:1407.8116).
"""

from __future__ import annotations

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.fluids import COOLANT_KJ_LK
from sim.plant.hydronics import PIPE_CELLS
from sim.plant.layout import Layout, Record, Table, kernel

PARAMETERS = Layout(
    {
        "rated_kw": "nameplate, kW",
        "limit_c": "named limit of the case, degC",
        "recommended_c": "design temperature of the case, degC",
        "to_air_share": "share of the heat that goes to the hall's air",
        "design_ls": "coolant at design, L/s",
        "flow_share": "share of the CDU's flow",
        "die_k_kw": "resistance die to case, K/kW",
        "plate_k_kw": "resistance case to coolant that flow does not change, K/kW",
        "film_k_kw": "resistance case to coolant that flow changes, at design, K/kW",
        "die_kj_k": "heat capacity of the dies, kJ/K (1 to 5 s)",
        "plate_kj_k": "of the cold plates, kJ/K (5 to 20 s)",
        "coolant_kj_k": "of manifold and coolant, kJ/K (20 s at design)",
        "parcel_l": "one of the parcels of the supply hose, and of the return hose, L",
        "leak_share": "leakage over power with the die at 60 °C",
        "leak_per_k": "linear growth of leakage, 1/K",
        "leak_per_k2": "quadratic growth of leakage, 1/K²",
        "throttle_c": "case temperature from which the chips throttle, degC",
    }
)
STATE = Layout(
    {
        "it_power": "electric power, kW",
        "throttled_kw": "power taken back by throttling, kW",
        "shut": "1 while the rack is off to save itself",
        "die_c": "hottest die, degC",
        "case_c": "hottest cold-plate case, degC",
        "coolant_c": "coolant in the plates, degC",
        "leaving_c": "coolant that left them over the step, degC",
        "inlet_c": "coolant entering the rack, degC",
        "return_c": "coolant at the CDU's end of the return hose, degC",
        "flow_ls": "coolant, L/s",
        "air_kw": "heat to the hall's air, kW",
    }
)

LEAK_REFERENCE_C = 60.0
HALVES = 2
SHUT_K = 14.0
"""From throttling to shutting down: accelerators slow down 5 to 15 K before they trip."""
SHUT_SHARE = 0.03
"""Power of a rack that is off: management and losses of supplies in standby."""


def racks(site: Site) -> list[str]:
    """Ids of the direct-to-chip racks, in the order of the site."""
    return [r.id for r in site.racks.values() if r.kind is RackKind.DIRECT_TO_CHIP]


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """Racks from their nameplates: resistance ±8 %, share of flow ±4 %, leakage 12 to 20 %.

    A hall without CRAHs and rear doors has nothing that would carry heat from its air: there
    all heat of a rack goes to its coolant. Shares of flow are made of flows once all that hangs
    on a CDU is known (`sim.parameters`).
    """
    cooled = {c.hall for c in site.crahs.values()}
    cooled |= {r.hall for r in site.racks.values() if r.kind is RackKind.REAR_DOOR}
    rows = []
    for name in racks(site):
        rack = site.racks[name]
        to_air = rack.to_air_share if rack.hall in cooled else 0.0
        liquid_kw = rack.rated_kw * (1.0 - to_air)
        flow = rack.design_flow_ls or liquid_kw * 1.35 / 60.0
        spread = 1.0 + 0.08 * rng.uniform(-1.0, 1.0)
        case_k_kw = 20.0 / liquid_kw * spread
        die_k_kw = 12.0 / liquid_kw * spread
        rate = COOLANT_KJ_LK * flow
        rows.append(
            {
                "rated_kw": rack.rated_kw,
                "limit_c": rack.limit_c,
                "recommended_c": rack.recommended_c,
                "to_air_share": to_air,
                "design_ls": flow,
                "flow_share": flow * (1.0 + 0.04 * rng.uniform(-1.0, 1.0)),
                "die_k_kw": die_k_kw,
                "plate_k_kw": 0.5 * case_k_kw,
                "film_k_kw": 0.5 * case_k_kw,
                "die_kj_k": 3.0 / die_k_kw,
                "plate_kj_k": 15.0 / case_k_kw,
                "coolant_kj_k": 20.0 * rate,
                "parcel_l": flow * rng.uniform(6.0, 14.0) / PIPE_CELLS,
                "leak_share": rng.uniform(0.12, 0.20),
                "leak_per_k": 0.008,
                "leak_per_k2": 6e-5,
                "throttle_c": rack.limit_c + 1.0,
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def latched(state: float, value_c: float, above_c: float, below_c: float) -> float:
    """A trip that comes above one temperature and goes below another."""
    if value_c > above_c:
        return 1.0
    if value_c < below_c:
        return 0.0
    return state


@kernel
def leakage_factor(p: Record, die_c: float) -> float:
    """Power over the power that the same work takes with the die at 60 °C."""
    d = die_c - LEAK_REFERENCE_C
    growth = 1.0 + p.leak_per_k * d + p.leak_per_k2 * d * d
    return 1.0 - p.leak_share + p.leak_share * max(growth, 0.3)


@kernel
def case_resistance_k_kw(p: Record, flow_ls: float) -> float:
    """From the case to the coolant at a flow, K/kW."""
    share = max(flow_ls / p.design_ls, 0.02)
    return p.plate_k_kw + p.film_k_kw * share**-0.75


@kernel
def step(p: Record, s: Record, work_kw: float, dt_s: float) -> None:
    """One rack through a step; ``work_kw`` is what its work takes at 60 °C.

    Inlet and flow are set before. Throttling takes 5 % for each kelvin above the limit, half
    of the power at most; where that does not help the rack shuts down until it is cool.
    """
    factor = max(0.5, 1.0 - 0.05 * max(0.0, s.case_c - p.throttle_c))
    s.shut = latched(s.shut, s.case_c, p.throttle_c + SHUT_K, p.recommended_c - 10.0)
    if s.shut > 0.5:
        factor = SHUT_SHARE
    full = work_kw * leakage_factor(p, s.die_c)
    s.it_power = full * factor
    s.throttled_kw = full - s.it_power
    s.air_kw = p.to_air_share * s.it_power
    heat = s.it_power - s.air_kw
    g12 = 1.0 / p.die_k_kw
    g23 = 1.0 / case_resistance_k_kw(p, s.flow_ls)
    rate = COOLANT_KJ_LK * s.flow_ls
    # Chips jump by all of their power within a second: half steps keep what backward Euler
    # blurs of it under a twentieth of a kelvin.
    half_s = dt_s / HALVES
    a1, a2, a3 = p.die_kj_k / half_s, p.plate_kj_k / half_s, p.coolant_kj_k / half_s
    # Tridiagonal elimination of the three lumps, from the die down.
    d1 = a1 + g12
    d2 = a2 + g12 + g23 - g12 * g12 / d1
    d3 = a3 + g23 + rate - g23 * g23 / d2
    leaving = 0.0
    for _ in range(HALVES):
        b1 = a1 * s.die_c + heat
        b2 = a2 * s.case_c + g12 * b1 / d1
        b3 = a3 * s.coolant_c + rate * s.inlet_c + g23 * b2 / d2
        s.coolant_c = b3 / d3
        s.case_c = (b2 + g23 * s.coolant_c) / d2
        s.die_c = (b1 + g12 * s.case_c) / d1
        leaving += s.coolant_c
    s.leaving_c = leaving / HALVES
