"""Pictures of single machines: chiller, tower, rack."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.validation.drawing import (
    BLUE,
    GREEN,
    GREY,
    LIGHT,
    ORANGE,
    PUBLISHED,
    RED,
    picture,
)
from sim.plant import chiller, direct_to_chip, tower
from sim.plant.chiller_curves import DEFAULT, NAMEPLATES, SETS
from sim.plant.fluids import COOLANT_KJ_LK
from sim.plant.layout import Array


def chiller_cop() -> None:
    """COP over lift at several loads, and over load at several condenser temperatures."""
    curves, nameplate = SETS[DEFAULT].numbers(), NAMEPLATES[DEFAULT]
    machine = chiller.PARAMETERS.table(1)
    machine["capacity_kw"], machine["min_part_load"] = nameplate.capacity_kw, 0.2
    machine["min_lift_k"], machine["max_cop"], machine["cop"] = 8.0, 14.0, 1.0
    # The catalogue's own reference point gives the nameplate that ours is anchored by.
    at_reference = _cop(curves, machine, 1.0, nameplate.evaporator_c, nameplate.condenser_c)
    machine["cop"] = nameplate.cop / at_reference
    low, high = SETS[DEFAULT].condenser_c
    with picture("chiller-cop", columns=2, height=3.7) as (left, right):
        evaporator_c = nameplate.evaporator_c
        condenser = np.linspace(10.0, 40.0, 121)
        inside = (condenser >= low) & (condenser <= high)
        for load, colour in ((0.4, GREEN), (0.7, BLUE), (1.0, ORANGE)):
            cop = np.array([_cop(curves, machine, load, evaporator_c, t) for t in condenser])
            lift = condenser - evaporator_c
            left.plot(lift, cop, color=colour, linestyle=(0, (4, 2)), linewidth=1.2)
            left.plot(lift[inside], cop[inside], color=colour, label=f"{100 * load:.0f} % load")
        bare = np.array([_bare_cop(curves, nameplate.cop, evaporator_c, t) for t in condenser])
        left.plot(
            condenser[~inside & (condenser > low)] - evaporator_c,
            bare[~inside & (condenser > low)],
            color=GREY,
            linewidth=1.0,
            label="bare polynomials, 100 %",
        )
        left.plot(
            nameplate.condenser_c - nameplate.evaporator_c,
            nameplate.cop,
            **PUBLISHED,
            label="catalogue: 8.54",
        )
        left.axvspan(low - evaporator_c, high - evaporator_c, color=LIGHT, alpha=0.35, lw=0)
        left.text(low - evaporator_c + 0.4, 1.0, "fitted box", color=GREY, fontsize=8.5)
        left.set(
            title="COP over lift (6.1 °C chilled water)",
            xlabel="leaving condenser less leaving evaporator, K",
            ylabel="COP",
            ylim=(0, 15),
        )
        left.legend(loc="upper right")
        loads = np.linspace(0.2, 1.0, 81)
        for condenser_c, colour in ((20.0, GREEN), (25.0, BLUE), (30.0, ORANGE)):
            right.plot(
                100.0 * loads,
                [_cop(curves, machine, z, evaporator_c, condenser_c) for z in loads],
                color=colour,
                label=f"{condenser_c:.0f} °C",
            )
        right.set(
            title="COP over load (by condenser water)",
            xlabel="load, % of available capacity",
            ylabel="COP",
            ylim=(0, 15),
        )
        right.legend(loc="upper left", title="leaving condenser", title_fontsize=8.5, ncols=3)


def _cop(
    curves: Array, machine: Any, load: float, evaporator_c: float, condenser_c: float
) -> float:
    kw = load * chiller.available_kw(curves, machine[0], evaporator_c, condenser_c)
    return float(kw / chiller.power_kw(curves, machine[0], kw, evaporator_c, condenser_c))


def _bare_cop(curves: Array, cop: float, evaporator_c: float, condenser_c: float) -> float:
    """Full-load COP of the curves as they were fitted, wherever that leads."""
    return float(
        cop
        / chiller.biquadratic(curves, 6, evaporator_c, condenser_c)
        / chiller.part_load_eir(curves, condenser_c, 1.0)
    )


def tower_approach() -> None:
    """Approach over wet bulb at a design range, at three fan speeds; the published points."""
    range_k = 5.56
    points = ((25.6, 3.83, 1.0), (10.0, 7.77, 1.0), (25.6, 8.66, 2.0))
    wet_bulb = np.linspace(-5.0, 29.0, 69)
    with picture("tower-approach", columns=2, height=3.6) as (left, right):
        for air, colour in ((1.0, BLUE), (0.75, GREEN), (0.5, ORANGE)):
            left.plot(
                wet_bulb,
                [_approach_k(w, range_k, 1.0 / air) for w in wet_bulb],
                color=colour,
                label=f"{100 * air:.0f} % air",
            )
        left.plot([p[0] for p in points], [p[1] for p in points], **PUBLISHED, label="YorkCalc")
        left.set(
            title="Approach over wet bulb (5.56 K range)",
            xlabel="wet bulb, °C",
            ylabel="approach, K",
            ylim=(0, 22),
        )
        left.legend(loc="upper right")
        speed = np.linspace(0.2, 1.0, 33)
        for wet, colour in ((5.0, GREEN), (15.0, BLUE), (25.0, ORANGE)):
            right.plot(
                100.0 * speed,
                [tower.leaving_temperature_c(30.0, wet, 1.0, s) for s in speed],
                color=colour,
                label=f"{wet:.0f} °C wet bulb",
            )
        right.set(
            title="Leaving water over fan speed (30 °C in)",
            xlabel="fan speed, %",
            ylabel="leaving water, °C",
        )
        right.legend(loc="lower left")


def _approach_k(wet_bulb_c: float, range_k: float, water_to_air: float) -> float:
    """Approach at which the cell has just this range, by bisection on the entering water."""
    low, high = wet_bulb_c + range_k, wet_bulb_c + range_k + 45.0
    for _ in range(50):
        entering = 0.5 * (low + high)
        leaving = tower.leaving_temperature_c(entering, wet_bulb_c, 1.0, 1.0 / water_to_air)
        low, high = (entering, high) if entering - leaving < range_k else (low, entering)
    return 0.5 * (low + high) - range_k - wet_bulb_c


def rack_temperature() -> None:
    """Case and coolant of a 120 kW rack over flow, settled, at 32 °C supply."""
    rated, supply_c = 120.0, 32.0
    flow = np.linspace(0.4, 2.0, 65)
    with picture("rack-temperature", columns=2, height=3.6) as (left, right):
        for load, colour in ((1.0, ORANGE), (0.75, BLUE), (0.5, GREEN)):
            found = np.array([_settled(rated, load, f, supply_c) for f in flow])
            left.plot(flow, found[:, 0], color=colour, label=f"{100 * load:.0f} % of 120 kW")
            right.plot(flow, found[:, 1] - supply_c, color=colour)
        left.axhline(80.0, color=RED, linewidth=1.0, linestyle=(0, (4, 2)))
        left.text(2.0, 80.6, "limit", color=RED, ha="right", fontsize=8.5)
        left.axvspan(1.0, 1.5, color=LIGHT, alpha=0.35, lw=0)
        left.text(1.02, 38.5, "usual design flows", color=GREY, fontsize=8.5)
        left.set(
            title="Hottest case over flow (32 °C supply)",
            xlabel="coolant, L/min for each rated kW",
            ylabel="case, °C",
            ylim=(37, 100),
        )
        left.legend(loc="upper right")
        right.plot([1.5], [10.0], **PUBLISHED, label="OCP: 1.5 L/min for each kW, 10 K at most")
        right.set(
            title="Coolant rise over flow",
            xlabel="coolant, L/min for each rated kW",
            ylabel="outlet less supply, K",
            ylim=(0, 40),
        )
        right.legend(loc="upper right")


def _settled(rated_kw: float, load: float, flow_lmin_kw: float, supply_c: float) -> Array:
    """Case and coolant outlet once they have settled, °C."""
    p, s = direct_to_chip.PARAMETERS.table(1), direct_to_chip.STATE.table(1)
    design = rated_kw * 1.35 / 60.0
    values = {
        "rated_kw": rated_kw, "design_ls": design, "die_k_kw": 12.0 / rated_kw,
        "plate_k_kw": 10.0 / rated_kw, "film_k_kw": 10.0 / rated_kw, "die_kj_k": rated_kw / 4.0,
        "plate_kj_k": 15.0 * rated_kw / 20.0, "coolant_kj_k": 20.0 * COOLANT_KJ_LK * design,
        "leak_share": 0.16, "leak_per_k": 0.008, "leak_per_k2": 6e-5, "throttle_c": 1e3,
    }  # fmt: skip
    for name, value in values.items():
        p[name] = value
    for name in ("die_c", "case_c", "coolant_c", "inlet_c"):
        s[name] = supply_c
    s["flow_ls"] = rated_kw * flow_lmin_kw / 60.0
    for _ in range(600):
        direct_to_chip.step(p[0], s[0], load * rated_kw, 2.0)
    return np.array([float(s["case_c"][0]), float(s["coolant_c"][0])])
