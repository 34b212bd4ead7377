"""A hall's air: the plenum that racks breathe into and CRAHs draw from, and its moisture."""

from __future__ import annotations

from facility.site import Site
from sim.plant.fluids import AIR_KJ_M3K
from sim.plant.layout import Layout, Record, Table, kernel

PARAMETERS = Layout(
    {
        "air_kj_k": "air of the hall with the metal that follows it, kJ/K",
        "dew_min_c": "dew point that humidifiers hold, degC (ASHRAE TC 9.9: -9)",
        "dew_max_c": "dew point that the make-up air is dried to, degC (TC 9.9: 15)",
        "dew_lag_s": "exchange of the hall's air with make-up air, s",
    }
)
STATE = Layout(
    {
        "return_c": "air of the return plenum, degC",
        "dew_point_c": "dew point, degC",
    }
)


def parameters(site: Site) -> Table:
    """Halls: 30 s of the CRAHs' air, twice for metal; make-up air of half a change an hour."""
    rows = []
    for hall in site.halls:
        air = sum(c.design_air_m3s for c in site.crahs.values() if c.hall == hall)
        rows.append(
            {
                "air_kj_k": 60.0 * AIR_KJ_M3K * max(air, 20.0),
                "dew_min_c": 2.0,
                "dew_max_c": 14.0,
                "dew_lag_s": 7200.0,
            }
        )
    return PARAMETERS.filled(rows)


@kernel
def step(p: Record, s: Record, inflow_kw: float, air_m3s: float, dew_c: float, dt_s: float) -> None:
    """Plenum and moisture through a step.

    ``inflow_kw`` is the heat that enters the plenum above 0 °C: what racks breathe out,
    bypassed supply air, and heat of liquid-cooled racks to air. ``air_m3s`` leaves to the
    CRAHs at the plenum's temperature.
    """
    m = p.air_kj_k
    s.return_c = (m * s.return_c + dt_s * inflow_kw) / (m + dt_s * AIR_KJ_M3K * air_m3s)
    wanted = min(max(dew_c, p.dew_min_c), p.dew_max_c)
    s.dew_point_c += (wanted - s.dew_point_c) * dt_s / (p.dew_lag_s + dt_s)
