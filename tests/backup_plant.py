"""A plant by hand, whose worst case can be worked out with a pencil."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from facility.devices import Cooling
from facility.equipment import CDU, CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.site import Site
from facility.worst_case import WorstCase
from safety.backup import Coldplate
from tests.safety_kit import actuator, site

LIQUID, AIR = RackKind.DIRECT_TO_CHIP, RackKind.AIR

FIGURES = WorstCase(
    rise_s=40.0,
    idle_share=0.2,
    answer_s=70.0,
    tcs_holdup_s=50.0,
    fws_holdup_s=110.0,
    tower_holdup_s=170.0,
    air_holdup_s=80.0,
    restart_s=240.0,
    loading_per_min=0.25,
    cdu_approach_k=4.0,
    exchanger_approach_k=2.25,
    coil_approach_k=5.5,
    tower_approach_k=3.7,
    tower_range_k=5.2,
    design_wet_bulb_c=24.5,
    wet_bulb_rise_k=1.5,
    rest_c=19.0,
    case_tolerance=0.2,
    air_rise_k=12.0,
    server_air_share=1.3,
    recirculation=0.12,
    recirculation_gain=0.3,
)
ANSWERED = 0.8 * (70.0 - 20.0)
"""Share of the load that rises, over the seconds that a valve is away for, less half the rise."""


def liquid(name: str, unit: str, kw: float, **more: Any) -> Rack:
    base = Rack(name, "h1", LIQUID, kw, (unit,), 80.0, 72.0, 1, 1)
    return replace(base, **({"to_air_share": 0.25} | more))


def air(name: str, hall: str, kw: float, limit_c: float, *units: str) -> Rack:
    return Rack(name, hall, AIR, kw, units, limit_c, 27.0, 1, 1)


def setpoint(tag: str, device: str, low: float, high: float, own: float, **more: Any) -> Any:
    cooling = Cooling.HIGHER if "flow" in tag or "fan" in tag else Cooling.LOWER
    return actuator(tag, device, minimum=low, maximum=high, fallback=own, cooling=cooling, **more)


SETPOINTS = {
    each.id: each
    for each in (
        setpoint("c1.tcs_supply_temperature_setpoint", "cdu_1", 18.0, 40.0, 25.0),
        setpoint("c1.tcs_flow_setpoint", "cdu_1", 5.0, 30.0, 20.0),
        setpoint("warm.fws_supply_temperature_setpoint", "ch_1", 15.0, 36.0, 21.0),
        setpoint("k1.chw_supply_temperature_setpoint", "ch_1", 7.0, 18.0, 10.0),
        setpoint("k3.chw_supply_temperature_setpoint", "ch_1", 8.0, 17.0, 11.0),
        setpoint("tower_water.cw_supply_temperature_setpoint", "ch_1", 12.0, 32.0, 22.0),
        setpoint(
            "a1.supply_air_temperature_setpoint", "crah_1", 15.0, 27.0, 20.0, rate_away_per_min=0.2
        ),
        setpoint("a1.fan_speed_setpoint", "crah_1", 30.0, 100.0, 85.0),
        setpoint("a2.fan_speed_setpoint", "crah_1", 35.0, 90.0, 80.0),
        setpoint("empty.tcs_flow_setpoint", "cdu_1", 5.0, 30.0, 20.0),
        setpoint("a4.supply_air_temperature_setpoint", "crah_1", 16.0, 26.0, 19.0),
    )
}


def plant(**changes: Any) -> Site:
    """Two CDUs on warm water from towers, four CRAHs in two halls on water of three chillers."""
    racks = (
        liquid("r1", "c1", 100.0, design_flow_ls=3.0),
        liquid("r2", "c1", 60.0, limit_c=78.0),
        liquid("r3", "c2", 40.0, to_air_share=0.0),
        liquid("r4", "c2", 30.0, kind=RackKind.REAR_DOOR, limit_c=70.0),
        air("r5", "h1", 50.0, 32.0, "a1", "a2"),
        air("r6", "h1", 30.0, 35.0, "a2"),
        air("r7", "h2", 20.0, 32.0, "a4"),
    )
    values: dict[str, Any] = {
        "halls": {name: Hall(name, name, "A2") for name in ("h1", "h2", "h3")},
        "racks": {each.id: each for each in racks},
        "loops": {
            "cool": CoolingLoop("cool", 20.0, 7.0, 900.0, 30.0),
            "warm": CoolingLoop("warm", 40.0, 15.0, 500.0, 25.0),
        },
        "cdus": {
            "c1": CDU("c1", "h1", "warm", 200.0, 24.0, 5.0, 41.0),
            "c2": CDU("c2", "h1", "warm", 200.0, 16.0, 5.0, 42.0),
            "empty": CDU("empty", "h1", "warm", 200.0, 16.0, 5.0, 42.0),
        },
        "crahs": {
            name: CRAH(name, "h2" if name == "a4" else "h1", "cool", 90.0, volume)
            for name, volume in (("a1", 9.0), ("a2", 7.0), ("a3", 5.0), ("a4", 4.0))
        },
        "chillers": {
            name: Chiller(name, "cool", kw, 6.0, min_off_s=off_s)
            for name, kw, off_s in (("k1", 60.0, 500.0), ("k2", 150.0, 900.0), ("k3", 90.0, 700.0))
        },
        "towers": {"t1": Tower("t1", 90.0, 5.0), "t2": Tower("t2", 120.0, 5.0)},
        "worst_case": FIGURES,
    }
    actuators = changes.pop("actuators", SETPOINTS)
    return replace(site(**(values | changes)), actuators=actuators)


# Heat: r1 75, r2 45, r3 40 and r4 22.5 kW to coolant; to air 25 + 15 + 7.5 + 50 + 30 and 20.
C1_LIFT = 120.0 / (4.0 * 24.0) * ANSWERED / 50.0
WARM_LIFT = 182.5 / (4.17 * 25.0) * ANSWERED / 110.0 + 4.0
BASIN_LIFT = 5.2 * ANSWERED / 170.0 + 2.25 + 4.0
APPROACH = (0.75, 3.7 * 330.0 / 90.0 + 0.25 * 25.6 + 2.25 + 4.0)
"""Rated 330 kW on the 90 kW that the smaller cell carries."""


def restart_k(heat_kw: float, locked_s: float, largest_kw: float) -> float:
    away_s = 240.0 + locked_s + 0.5 * 60.0 * min(heat_kw / largest_kw, 1.0) / 0.25 - 20.0
    return heat_kw / (4.17 * 30.0) * 0.8 * away_s / 110.0


def plate(limit_c: float, heat_kw: float, flow_ls: float, stated_k: float) -> Coldplate:
    """A tenth of a kelvin's half upwards, each part."""
    coolant_k = heat_kw / (4.0 * flow_ls)
    half_k = math.ceil(10.0 * 1.2 * max(stated_k - coolant_k, 0.5 * coolant_k)) / 20.0
    return Coldplate(limit_c, math.ceil(20.0 * 1.2 * coolant_k) / 20.0, half_k, half_k)
