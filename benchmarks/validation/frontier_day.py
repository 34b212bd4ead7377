"""The measured day of the Frontier supercomputer through the `frontier` site.

The trace holds the heat of each CDU and the outdoor wet bulb; flows and temperatures of that
day are not in it, so these are held against what its operators publish: 8 to 30 MW, waste heat
at 30 to 38 °C (Sun et al., «Energy dataset of Frontier supercomputer for waste heat recovery»,
Scientific Data 11:1077, 2024), about 6,000 gallons a minute (Bloomberg Businessweek, 2023-01-05),
primary loops that answer within minutes (Grant et al., SCA/HPCAsia 2026 Workshops,
doi 10.1145/3784828.3785159).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import data_folder
from benchmarks.scaled import reference_site
from facility.clock import from_iso
from sim.accounts import Accounts
from sim.parameters import PlantParameters
from sim.plant.layout import Array
from sim.plant.traces import read_load
from sim.plant.weather import generated_weather
from sim.run import warmed_up

TRACE = Path("it_load") / "frontier_2024-04-07_cdu_heat_15s.csv"
START = "2024-04-07"
SAMPLE_S = 15.0
SUPPLY_C = {"fws_supply_temperature_setpoint": 27.0, "tcs_supply_temperature_setpoint": 32.0}
"""Warm water as Frontier is run on: what makes its waste heat 30 to 38 °C. Set at the panels, since
Guideline 36 would make it as cold as the day allows (20 °C)."""


@dataclass(frozen=True)
class Day:
    """The day as simulated, every 15 s.

    Columns: ``measured_kw`` (trace), ``it_kw``, ``cdu_kw`` (heat that the CDUs give to the
    facility water), ``tcs_supply_c`` and ``tcs_return_c`` (means over CDUs by flow),
    ``fws_supply_c``, ``fws_return_c``, ``fws_ls``, ``wet_bulb_c``, ``case_c`` (hottest).
    """

    frame: pd.DataFrame
    accounts: Accounts


def trace_file() -> Path | None:
    """The trace, where there is one."""
    folder = data_folder()
    path = folder / TRACE if folder else None
    return path if path is not None and path.is_file() else None


def simulate(path: Path, *, hours: float = 24.0) -> Day:
    """Run the day at `SUPPLY_C` under Guideline 36, racks without leakage: heat as measured.

    The trace is of heat, which holds whatever leakage there was; ours would be added to it.
    """
    site = reference_site("frontier")
    parameters = PlantParameters.for_site(site, 1)
    parameters.units.liquid["leak_share"] = 0.0
    load = read_load(path, site).starting_at(from_iso(START))
    simulation = warmed_up(
        site,
        parameters,
        load=load,
        weather=generated_weather(1),
        local_control="guideline36",
        start_s=from_iso(START),
        seed=1,
    )
    simulation.set_at_panel(
        {a.id: SUPPLY_C[a.quantity] for a in site.actuators.values() if a.quantity in SUPPLY_C}
    )
    state = simulation._memory.state
    loop = parameters.ids["loops"].index("warm")
    times_s: Array = from_iso(START) + SAMPLE_S * np.arange(1.0, hours * 3600.0 / SAMPLE_S)
    rows = []
    for time_s in times_s:
        simulation.advance(float(time_s))
        cdus, warm = state.cdus, state.loops[loop]
        flow = cdus["flow_ls"]
        rows.append(
            {
                "it_kw": float(state.liquid["it_power"].sum()),
                "cdu_kw": float(cdus["heat_kw"].sum()),
                "tcs_supply_c": float(np.average(cdus["supply_c"], weights=flow)),
                "tcs_return_c": float(np.average(cdus["return_c"], weights=flow)),
                "fws_supply_c": float(warm["supply_c"]),
                "fws_return_c": float(warm["return_c"]),
                "fws_ls": float(warm["flow_ls"]),
                "wet_bulb_c": float(state.outdoor["wet_bulb_c"][0]),
                "case_c": float(state.liquid["case_c"].max()),
            }
        )
    frame = pd.DataFrame(rows, index=(times_s - from_iso(START)) / 3600.0)
    frame["measured_kw"] = load.rack_kw(times_s).sum(axis=1)
    return Day(frame, simulation.accounts())


def delay_s(day: Day) -> float:
    """How long after the chips the facility water carries their heat: best shift of the day."""
    measured = day.frame["measured_kw"].to_numpy()
    carried = day.frame["cdu_kw"].to_numpy()
    rated = [np.corrcoef(measured[: len(carried) - n], carried[n:])[0, 1] for n in range(40)]
    return float(np.argmax(rated)) * SAMPLE_S
