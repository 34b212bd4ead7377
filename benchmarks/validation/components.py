"""Single machines at single points, against EnergyPlus, CoolProp and each other's psychrometry.

EnergyPlus' own states of a run are the points: what its chiller took, what left its tower. So
the same machine is asked the same question, without a plant around it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.validation.office import CELLS, Plant
from sim.plant import chiller, exchanger, tower
from sim.plant.fluids import COOLANT_KJ_LK, WATER_KJ_LK
from sim.plant.layout import Array
from sim.plant.moist_air import wet_bulb_c

FULL_SPEED = 0.995


def chiller_errors(plant: Plant, steps: pd.DataFrame) -> Array:
    """Our power over EnergyPlus', less 1, at each of its steps with the first chiller on."""
    on = steps[steps["cooling1_w"] > 1e4]
    curves, machine = plant.parameters.units.curves[0], plant.parameters.units.chillers[0]
    ours = [
        chiller.power_kw(curves, machine, q / 1e3, te, tc)
        for q, te, tc in zip(on["cooling1_w"], on["evaporator1_c"], on["condenser1_c"], strict=True)
    ]
    theirs = on["chiller1_w"].to_numpy(dtype=np.float64) / 1e3
    return np.asarray(np.array(ours) / theirs - 1.0, dtype=np.float64)


def tower_errors_k(plant: Plant, steps: pd.DataFrame) -> Array:
    """Our leaving water less EnergyPlus', K, at each of its steps with the fans at full speed."""
    full = steps[(steps["air_share"] > FULL_SPEED) & (steps["tower_kgs"] > 1.0)]
    ours = [
        tower.leaving_temperature_c(t, wet, flow / 0.998 / (CELLS * plant.cell_ls), 1.0)
        for t, wet, flow in zip(
            full["tower_in_c"], full["wet_bulb_c"], full["tower_kgs"], strict=True
        )
    ]
    return np.asarray(np.array(ours) - full["tower_out_c"].to_numpy(), dtype=np.float64)


def integrated_kw(hot_ls: float, cold_ls: float, ua_kw_k: float, hot_c: float, cold_c: float,
                  cells: int = 200) -> float:  # fmt: skip
    """Heat of a counterflow CDU exchanger with real fluids: PG25 over water, kW.

    Cell by cell with the heat capacity that CoolProp has at each temperature, by relaxation.
    """
    import CoolProp.CoolProp as coolprop

    grid = np.linspace(0.0, 60.0, 121)

    def volumetric(fluid: str) -> Array:
        return np.array(
            [
                coolprop.PropsSI("D", "T", 298.15, "P", 3e5, fluid)
                * coolprop.PropsSI("C", "T", t + 273.15, "P", 3e5, fluid)
                / 1e6
                for t in grid
            ]
        )

    coolant, water = volumetric("INCOMP::MPG[0.25]"), volumetric("Water")
    low, high, carried = 0.0, 4.3 * min(hot_ls, cold_ls) * (hot_c - cold_c), 0.0
    for _ in range(50):
        heat = 0.5 * (low + high)
        th, tc, carried = hot_c, cold_c + heat / (WATER_KJ_LK * cold_ls), 0.0
        for _ in range(cells):
            q = ua_kw_k / cells * (th - tc)
            th -= q / (hot_ls * float(np.interp(th, grid, coolant)))
            tc -= q / (cold_ls * float(np.interp(tc, grid, water)))
            carried += q
        # From the hot end with a guessed cold outlet: right where the cold inlet comes out.
        low, high = (low, heat) if tc > cold_c else (heat, high)
    return carried


def exchanger_error(
    hot_ls: float, cold_ls: float, ua_kw_k: float, hot_c: float, cold_c: float
) -> float:
    """Our heat with constant properties over the real fluids', less 1."""
    ours = exchanger.counterflow_heat_kw(
        COOLANT_KJ_LK * hot_ls, WATER_KJ_LK * cold_ls, ua_kw_k, hot_c, cold_c
    )
    return float(ours / integrated_kw(hot_ls, cold_ls, ua_kw_k, hot_c, cold_c) - 1.0)


def wet_bulb_errors_k() -> pd.DataFrame:
    """Our wet bulb less CoolProp's humid air (Herrmann, Kretzschmar & Gatley 2009), K.

    Index: dry bulb, columns: dew-point depression, at sea level.
    """
    from CoolProp.HumidAirProp import HAPropsSI

    dry, depression = (0.0, 10.0, 20.0, 30.0, 40.0), (1.0, 5.0, 10.0, 20.0)
    return pd.DataFrame(
        [
            [
                wet_bulb_c(t, t - d)
                - (HAPropsSI("B", "T", t + 273.15, "D", t - d + 273.15, "P", 101_325.0) - 273.15)
                for d in depression
            ]
            for t in dry
        ],
        index=list(dry),
        columns=list(depression),
    )
