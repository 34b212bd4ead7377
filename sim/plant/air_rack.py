"""Air-cooled racks: inlet and outlet nodes, recirculation, neighbours, server fans.

The intake of a rack is mostly what its CRAHs blow, and for a share ``r`` what comes back
around and over the racks:

    Tin = (1 - r) sum_j w_j Ts_j + r (0.5 Tout of itself + 0.15 of each neighbour + 0.2 plenum)
    r = max(r0 + k max(0, V_servers / V_crahs - beta), 1 - V_crahs / V_servers)

The second bound closes the air balance where the CRAHs blow less than the servers draw.
Server fans go with load and, above 25 °C inlet, faster (flat below, +4 %/K, to 1.15); their
power with the cube of speed, 7 % of nameplate at full speed (5 to 10 % is usual).
"""

from __future__ import annotations

import numpy as np

from facility.equipment import RackKind
from facility.site import Site
from sim.plant.direct_to_chip import SHUT_SHARE, latched
from sim.plant.fluids import AIR_KJ_M3K
from sim.plant.layout import Index, Layout, Record, Table, kernel

PARAMETERS = Layout(
    {
        "rated_kw": "nameplate, kW",
        "limit_c": "allowable inlet, degC",
        "recommended_c": "recommended inlet, degC",
        "design_m3s": "air at full server fan speed, m³/s (12.5 K rise at nameplate)",
        "idle_speed": "server fan speed without load, share",
        "fan_share": "server fan power at full speed over nameplate",
        "fan_from_c": "inlet from which the fans speed up, degC",
        "fan_per_k": "their speed-up, 1/K",
        "fan_max": "highest fan speed, share",
        "fan_lag_s": "lag of the fan control, s",
        "recirculation": "share of recirculated air with ample supply (0.02 to 0.15)",
        "shortage_gain": "its growth with short supply",
        "shortage_from": "servers' over CRAHs' air from which it grows",
        "inlet_kj_k": "air and metal of the intake, kJ/K (25 s)",
        "server_kj_k": "servers, kJ/K (about 240 s at design)",
        "leak_share": "leakage over power at 25 °C inlet",
        "leak_per_k": "its growth, 1/K",
        "throttle_c": "inlet from which the servers throttle, degC",
    }
)
STATE = Layout(
    {
        "it_power": "electric power with server fans, kW",
        "throttled_kw": "power taken back by throttling, kW",
        "shut": "1 while the servers are off to save themselves",
        "inlet_c": "air into the rack, degC",
        "outlet_c": "air out of the rack, degC",
        "speed": "server fan speed, share",
        "air_m3s": "air through the rack, m³/s",
        "recirculated": "share of recirculated air at the intake",
    }
)

SHUT_K = 10.0
"""From throttling to shutting down: servers for 35 °C trip at 45 to 50 °C of inlet."""

OWN, EACH_SIDE, PLENUM = 0.5, 0.15, 0.2
"""Where recirculated air comes from: over the rack itself, from its neighbours, the plenum."""


def racks(site: Site) -> list[str]:
    """Ids of the racks with air-cooled servers (rear doors too), in the order of the site."""
    kinds = (RackKind.AIR, RackKind.REAR_DOOR)
    return [r.id for r in site.racks.values() if r.kind in kinds]


def parameters(site: Site, rng: np.random.Generator) -> Table:
    """Racks from their nameplates; recirculation is worst at the ends of a row."""
    rows = []
    ends = _ends(site)
    for name in racks(site):
        rack = site.racks[name]
        design = rack.rated_kw / (AIR_KJ_M3K * 12.5)
        rows.append(
            {
                "rated_kw": rack.rated_kw,
                "limit_c": rack.limit_c,
                "recommended_c": rack.recommended_c,
                "design_m3s": design,
                "idle_speed": 0.45,
                "fan_share": 0.07,
                "fan_from_c": 25.0,
                "fan_per_k": 0.04,
                "fan_max": 1.15,
                "fan_lag_s": 20.0,
                "recirculation": rng.uniform(0.02, 0.08) + (0.06 if name in ends else 0.0),
                "shortage_gain": 0.25,
                "shortage_from": 0.9,
                "inlet_kj_k": 25.0 * AIR_KJ_M3K * design,
                "server_kj_k": 240.0 * AIR_KJ_M3K * design * rng.uniform(0.8, 1.2),
                "leak_share": rng.uniform(0.10, 0.18),
                "leak_per_k": 0.01,
                "throttle_c": rack.limit_c + 3.0,
            }
        )
    return PARAMETERS.filled(rows)


def _ends(site: Site) -> set[str]:
    rows: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for name in racks(site):
        rack = site.racks[name]
        rows.setdefault((rack.hall, rack.row), []).append((rack.position, name))
    return {name for row in rows.values() for _, name in (min(row), max(row))}


def neighbours(site: Site) -> tuple[Index, Index]:
    """For each rack the rows of those to its left and right (itself where there is none).

    What leaves a rear door is mixed into the room: it is nobody's neighbour.
    """
    names = racks(site)
    place = {
        (r.hall, r.row, r.position): i
        for i, r in enumerate(site.racks[name] for name in names)
        if r.kind is RackKind.AIR
    }
    left, right = np.arange(len(names)), np.arange(len(names))
    for i, name in enumerate(names):
        rack = site.racks[name]
        left[i] = place.get((rack.hall, rack.row, rack.position - 1), i)
        right[i] = place.get((rack.hall, rack.row, rack.position + 1), i)
    return left.astype(np.int64), right.astype(np.int64)


@kernel
def run_fans(p: Record, s: Record, work_kw: float, dt_s: float) -> None:
    """Server fans follow load and inlet."""
    load = min(work_kw / p.rated_kw, 1.0)
    wanted = p.idle_speed + (1.0 - p.idle_speed) * load
    wanted += p.fan_per_k * max(0.0, s.inlet_c - p.fan_from_c)
    wanted = min(wanted, p.fan_max)
    s.speed += (wanted - s.speed) * dt_s / (p.fan_lag_s + dt_s)
    s.air_m3s = p.design_m3s * s.speed


@kernel
def recirculation(p: Record, servers_m3s: float, crahs_m3s: float) -> float:
    """Share of recirculated air at the intake."""
    if crahs_m3s <= 1e-6:
        return 1.0
    ratio = servers_m3s / crahs_m3s
    share = p.recirculation + p.shortage_gain * max(0.0, ratio - p.shortage_from)
    return min(max(share, 1.0 - 1.0 / max(ratio, 1e-6)), 1.0)


@kernel
def step(p: Record, s: Record, work_kw: float, intake_c: float, dt_s: float) -> None:
    """One rack through a step; ``work_kw`` is its nameplate-like power at 25 °C inlet.

    Of it the reference fan power of its load is replaced by what the fans take now. The
    intake is a mixed volume, so is the rack (backward Euler), so that no heat is lost.
    """
    factor = max(0.5, 1.0 - 0.05 * max(0.0, s.inlet_c - p.throttle_c))
    s.shut = latched(s.shut, s.inlet_c, p.throttle_c + SHUT_K, p.recommended_c)
    if s.shut > 0.5:
        factor = SHUT_SHARE
    load = min(work_kw / p.rated_kw, 1.0)
    reference = p.idle_speed + (1.0 - p.idle_speed) * load
    rated_fan = p.fan_share * p.rated_kw
    chips = work_kw - rated_fan * reference**3
    chips = max(chips, 0.0) * (1.0 + p.leak_share * p.leak_per_k * (s.inlet_c - 25.0))
    s.throttled_kw = chips * (1.0 - factor)
    s.it_power = chips * factor + rated_fan * s.speed**3
    rate = AIR_KJ_M3K * s.air_m3s
    m = p.inlet_kj_k
    s.inlet_c = (m * s.inlet_c + dt_s * rate * intake_c) / (m + dt_s * rate)
    m = p.server_kj_k
    s.outlet_c = (m * s.outlet_c + dt_s * (rate * s.inlet_c + s.it_power)) / (m + dt_s * rate)
