"""A hall's air: the plenum that racks breathe into and CRAHs draw from, and its moisture.

The moisture of a hall has one source and two sinks: make-up air that is dried or humidified
into the band that TC 9.9 recommends, and what condenses on coils (people and leaking doors
are within the make-up's margin). The balance is over the humidity ratio of well-mixed air;
the dew point follows from it.
"""

from __future__ import annotations

from facility.site import Site
from sim.plant.fluids import AIR_KJ_KGK, AIR_KJ_M3K
from sim.plant.layout import Layout, Record, Table, kernel
from sim.plant.wet_coil import dew_point_of, humidity_ratio

METAL = 2.0
"""Air and the metal that follows it, over the air alone."""

PARAMETERS = Layout(
    {
        "air_kj_k": "air of the hall with the metal that follows it, kJ/K",
        "dew_min_c": "dew point that humidifiers hold, degC (ASHRAE TC 9.9: -9)",
        "dew_max_c": "dew point that the make-up air is dried to, degC (TC 9.9: 15)",
        "dew_lag_s": "exchange of the hall's air with make-up air, s",
        "leak_share": "CRAHs' air that escapes from the cold aisles before a rack draws it, share",
    }
)
STATE = Layout(
    {
        "return_c": "air of the return plenum, degC",
        "dew_point_c": "dew point, degC",
        "condensate_ls": "water that runs off all its coils, L/s",
        "opened": "the same share through containment that stands open, on top of its own",
    }
)


def parameters(site: Site) -> Table:
    """Halls: 30 s of the CRAHs' air, twice for metal; make-up air of half a change an hour."""
    rows = []
    for hall in site.halls:
        air = sum(c.design_air_m3s for c in site.crahs.values() if c.hall == hall)
        rows.append(
            {
                "air_kj_k": 30.0 * METAL * AIR_KJ_M3K * max(air, 20.0),
                "dew_min_c": 2.0,
                "dew_max_c": 14.0,
                "dew_lag_s": 7200.0,
                "leak_share": 0.0,  # what leaks in as built is in the racks' own recirculation
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def step(p: Record, s: Record, inflow_kw: float, air_m3s: float, dew_c: float, dt_s: float) -> None:
    """Plenum and moisture through a step; ``condensate_ls`` is of the step before.

    ``inflow_kw`` is the heat that enters the plenum above 0 °C: what racks breathe out,
    bypassed supply air, and heat of liquid-cooled racks to air. ``air_m3s`` leaves to the
    CRAHs at the plenum's temperature.
    """
    m = p.air_kj_k
    s.return_c = (m * s.return_c + dt_s * inflow_kw) / (m + dt_s * AIR_KJ_M3K * air_m3s)
    wanted = min(max(dew_c, p.dew_min_c), p.dew_max_c)
    ratio = humidity_ratio(s.dew_point_c)
    if s.condensate_ls > 0.0:
        # The air that is dried has the mass of what the lumped metal was added to.
        dry_air_kg = p.air_kj_k / (METAL * AIR_KJ_KGK)
        ratio = max(ratio - s.condensate_ls * dt_s / dry_air_kg, 1e-4)
    ratio += (humidity_ratio(wanted) - ratio) * dt_s / (p.dew_lag_s + dt_s)
    s.dew_point_c = dew_point_of(ratio)
