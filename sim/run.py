"""Whole runs of a facility from Python: warmed up, accounted, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facility.site import Site
from sim.accounts import Accounts
from sim.faults import Fault
from sim.parameters import PlantParameters
from sim.plant.layout import Array
from sim.plant.weather import WeatherSource
from sim.plant.workload import LoadSource
from sim.simulation import Simulation

WARM_UP_H = 3.0
"""Loops, masses and resets have settled by then; the load's first value holds meanwhile."""
WARM_UP_CONTROL = "guideline36"


@dataclass(frozen=True)
class Run:
    """What a run leaves: truth by tag over time, and the accounts."""

    frame: pd.DataFrame
    accounts: Accounts


def warmed_up(  # noqa: PLR0913 - all that a facility at its start is made of, by name
    site: Site,
    parameters: PlantParameters,
    *,
    load: LoadSource,
    weather: WeatherSource,
    local_control: str,
    start_s: float,
    seed: int,
    faults: Sequence[Fault] = (),
    warm_up_h: float = WARM_UP_H,
) -> Simulation:
    """A facility at ``start_s`` with a fresh account, warmed up under Guideline 36.

    Variants that are compared start from the same state, whatever their own control. Faults
    that begin before the start meet the plant while it is warmed up. Loops and resets are not
    settled after less than `WARM_UP_H`.
    """
    simulation = Simulation(
        site,
        parameters,
        load=load.starting_at(start_s),
        weather=weather,
        local_control=WARM_UP_CONTROL,
        start_s=start_s - 3600.0 * warm_up_h,
        seed=seed,
        faults=faults,
    )
    simulation.advance(start_s)
    if local_control != WARM_UP_CONTROL:
        simulation.switch_local_control(local_control)
    simulation.open_accounts()
    return simulation


def run(  # noqa: PLR0913 - all that a run is made of, by name
    site: Site,
    parameters: PlantParameters,
    *,
    load: LoadSource,
    weather: WeatherSource,
    local_control: str,
    start_s: float,
    hours: float,
    seed: int,
    every_s: float = 60.0,
    faults: Sequence[Fault] = (),
    progress: Callable[[float], None] | None = None,
) -> Run:
    """Run a facility under its own local control.

    Parameters
    ----------
    every_s
        Between two rows of the table; its first row is the start.
    faults
        What breaks, where and when.
    progress
        Gets the share done, 0 to 1, now and then.
    """
    simulation = warmed_up(
        site,
        parameters,
        load=load,
        weather=weather,
        local_control=local_control,
        start_s=start_s,
        seed=seed,
        faults=faults,
    )
    times_s = start_s + np.arange(0.0, 3600.0 * hours + 1e-6, every_s)
    rows = []
    for i, time_s in enumerate(times_s):
        simulation.advance(float(time_s))
        rows.append(simulation.truth())
        if progress is not None and i % 32 == 0:
            progress(i / len(times_s))
    simulation.advance(start_s + 3600.0 * hours)
    return Run(table(times_s, rows), simulation.accounts())


def table(times_s: Array, rows: Sequence[Mapping[str, float]]) -> pd.DataFrame:
    """Rows of truth as a table: UTC times, one column a tag."""
    index = pd.to_datetime(times_s, unit="s", utc=True)
    index.name = "time"
    return pd.DataFrame(rows, index=index)
