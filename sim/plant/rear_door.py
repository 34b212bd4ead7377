"""Rear-door heat exchangers: a coil on the back of an air-cooled rack, fed by a CDU.

The rack itself is one of `sim.plant.air_rack`: its servers' fans push their hot air through
the door, and what leaves it enters the room. A door stands in a room without containment,
which the racks breathe as it is mixed. The door is passive: its water is its share of the
CDU's flow, its heat what a crossflow exchanger carries at the flows of the moment; its films
go with air and water as those of a CRAH's coil. Water stays above the room's dew point (HPE
asks for 2 °C, QuickSpecs of its liquid-cooled doors), so that the coil is dry.

Doors take out a large portion of a rack's heat (Schmidt et al., InterPACK 2005-73244), and all
of it with colder or more water: «room-neutral».
"""

from __future__ import annotations

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.exchanger import crossflow_effectiveness, crossflow_ua
from sim.plant.fluids import AIR_KJ_M3K, COOLANT_KJ_LK
from sim.plant.layout import Layout, Record, Table, kernel

RISE_K = 12.5
"""Of the air through the rack at nameplate (`sim.plant.air_rack`)."""
APPROACH_K = 6.0
"""Of the room over the door's water where the door is room-neutral at nameplate."""

PARAMETERS = Layout(
    {
        "ua_kw_k": "conductance of the coil at design, kW/K",
        "design_m3s": "air at design, m³/s",
        "design_ls": "water at design, L/s",
        "flow_share": "share of the CDU's flow",
        "water_kj_k": "water and metal of the coil, kJ/K (20 s at design)",
    }
)
STATE = Layout(
    {
        "heat_kw": "heat given to the water, kW",
        "leaving_c": "air that leaves the door, degC",
        "return_c": "water that leaves the door, degC",
        "flow_ls": "water, L/s",
    }
)


def racks(site: Site) -> list[str]:
    """Ids of the racks with a rear door, in the order of the site."""
    return [r.id for r in site.racks.values() if r.kind is RackKind.REAR_DOOR]


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """Doors that are room-neutral at nameplate with water 6 K under the room; UA ±6 %."""
    rows = []
    for name in racks(site):
        rack = site.racks[name]
        flow = rack.design_flow_ls or rack.rated_kw * 1.35 / 60.0
        air = rack.rated_kw / RISE_K
        rows.append(
            {
                "ua_kw_k": crossflow_ua(
                    rack.rated_kw, air, COOLANT_KJ_LK * flow, RISE_K + APPROACH_K
                )
                * (1.0 + 0.06 * rng.uniform(-1.0, 1.0)),
                "design_m3s": air / AIR_KJ_M3K,
                "design_ls": flow,
                "flow_share": flow * (1.0 + 0.04 * rng.uniform(-1.0, 1.0)),
                "water_kj_k": 20.0 * COOLANT_KJ_LK * flow,
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def step(p: Record, s: Record, air_c: float, air_m3s: float, water_c: float, dt_s: float) -> None:
    """One door through a step: servers' air ``air_c`` against the CDU's supply ``water_c``.

    ``flow_ls`` is set before. The coil's water is one mixed volume (backward Euler).
    """
    air, water = AIR_KJ_M3K * air_m3s, COOLANT_KJ_LK * s.flow_ls
    small = min(air, water)
    s.heat_kw = 0.0
    if small > 1e-6:
        films = 0.5 * (
            (air_m3s / p.design_m3s) ** -0.6 + max(s.flow_ls / p.design_ls, 0.02) ** -0.4
        )
        share = crossflow_effectiveness(p.ua_kw_k / films / small, small / max(air, water))
        s.heat_kw = share * small * (air_c - water_c)
    s.leaving_c = air_c - s.heat_kw / air if air > 1e-6 else air_c
    m = p.water_kj_k
    s.return_c = (m * s.return_c + dt_s * (water * water_c + s.heat_kw)) / (m + dt_s * water)
