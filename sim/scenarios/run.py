"""A scenario under the plant's own control: tables of truth and of measured values, accounts."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facility.clock import iso
from facility.points import Access
from sim.accounts import Accounts
from sim.grid import Grid
from sim.history import SAMPLE_S, Excitation
from sim.run import table
from sim.scenarios.build import Prepared, prepare
from sim.scenarios.scenario import Scenario

FORMATS = ("parquet", "csv")


@dataclass(frozen=True)
class ScenarioRun:
    """What a run of a scenario leaves."""

    prepared: Prepared
    local_control: str
    truth: pd.DataFrame
    """Noise-free values by tag, a row a minute (UTC), the beginning and the end included."""
    measured: pd.DataFrame
    """The same moments as the points showed them; NaN where one showed nothing."""
    accounts: Accounts
    cooling_cost: float
    """Of the cooling's electricity at the scenario's prices, in the site's currency."""
    facility_carbon_kg: float
    """Of IT and cooling at the scenario's carbon intensity."""
    seconds: float
    """Of wall time."""

    def summary(self) -> dict[str, Any]:
        """The accounts and where they come from, ready for JSON; no timings."""
        return {
            "scenario": self.prepared.scenario.name,
            "site": self.prepared.site.id,
            "local_control": self.local_control,
            "seed": self.prepared.seed,
            "start": iso(self.prepared.start_s),
            "hours": self.prepared.hours,
            **dataclasses.asdict(self.accounts),
            "cooling_energy_kwh": self.accounts.cooling_energy_kwh,
            "pue": self.accounts.pue,
            "balance_error": self.accounts.balance_error,
            "cooling_cost": self.cooling_cost,
            "facility_carbon_kg": self.facility_carbon_kg,
        }

    def write(self, out: Path, form: str = "parquet") -> tuple[Path, ...]:
        """Write ``accounts.json``, ``truth`` and ``measured`` (parquet or csv) into ``out``."""
        out.mkdir(parents=True, exist_ok=True)
        accounts = out / "accounts.json"
        text = json.dumps(self.summary(), indent=1, allow_nan=False)
        accounts.write_text(text + "\n", encoding="utf-8")
        written = [accounts]
        for name, frame in (("truth", self.truth), ("measured", self.measured)):
            path = out / f"{name}.{form}"
            if form == "csv":
                frame.to_csv(path)
            else:
                frame.to_parquet(path)
            written.append(path)
        return tuple(written)


def run_scenario(
    scenario: Scenario | Prepared,
    *,
    local_control: str = "guideline36",
    seed: int | None = None,
    hours: float | None = None,
    data: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> ScenarioRun:
    """Run a scenario under the plant's own control.

    Parameters
    ----------
    scenario
        Of the library (`sim.scenarios.find`), or prepared already; then seed, hours and data
        are those that it was prepared with.
    local_control
        ``guideline36`` or ``fixed``.
    progress
        Gets the share done, 0 to 1, now and then.

    Raises
    ------
    ScenarioError, sim.plant.reading.InputError
        It cannot be run; nothing has been simulated then.
    """
    began = time.perf_counter()
    ready = (
        scenario
        if isinstance(scenario, Prepared)
        else prepare(scenario, seed=seed, hours=hours, data=data)
    )
    simulation = ready.warmed_up(local_control)
    excitation = Excitation(ready.site, ready.seed, simulation) if ready.scenario.excited else None
    readable = [p.tag for p in ready.site.points.values() if p.access is not Access.WRITE]
    ends_s = ready.ends_s
    times_s = np.append(np.arange(ready.start_s, ends_s - 1e-6, SAMPLE_S), ends_s)
    truth, measured, used = [], [], []
    for i, time_s in enumerate(times_s):
        simulation.advance(float(time_s))
        truth.append(simulation.truth())
        measured.append([simulation.read(tag).value for tag in readable])
        account = simulation.accounts()
        used.append((account.cooling_energy_kwh, account.it_energy_kwh))
        if excitation is not None:
            excitation.move(simulation)
        if progress is not None and i % 16 == 0:
            progress(i / len(times_s))
    frame = table(times_s, truth)
    cost, carbon_kg = _billed(ready.grid, times_s, np.array(used))
    return ScenarioRun(
        ready,
        local_control,
        frame,
        pd.DataFrame(np.array(measured, dtype=np.float64), index=frame.index, columns=readable),
        simulation.accounts(),
        cost,
        carbon_kg,
        time.perf_counter() - began,
    )


def _billed(grid: Grid, times_s: Any, used_kwh: Any) -> tuple[float, float]:
    """Cost of cooling, and kg of carbon of the facility: each minute at its own price."""
    cooling_kwh, it_kwh = np.diff(used_kwh, axis=0).T
    price, carbon_g = grid.price.at(times_s[:-1]), grid.carbon.at(times_s[:-1])
    cost = float((price * cooling_kwh).sum())
    return cost, float((carbon_g * (cooling_kwh + it_kwh)).sum()) / 1000.0
