"""The same days through EnergyPlus and through our simulation, hour by hour.

Our plant runs first, whole: its own start from rest, sequences, loops, valves and drives, under
fixed setpoints. The heat that its CDUs give to the chilled water, and the water that they draw,
are then the load of EnergyPlus, so that both plants carry the same; weather is the same file.
What differs is what is compared: each engine's machines, water temperatures and control.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.validation import energyplus
from benchmarks.validation.office import DAY_SHARE, Plant, Season, plant
from benchmarks.validation.office_idf import STEPS_PER_HOUR, idf, schedule
from facility.clock import from_iso
from facility.site import Site
from sim.plant.layout import Array
from sim.plant.weather import read_epw
from sim.plant.workload import LoadSource
from sim.run import warmed_up

YEAR = 2023
"""Any year of 365 days."""
OFFSET_S = -5.0 * 3600.0
"""Local standard time of Virginia over UTC."""
SAMPLE_S = 60.0
HOUR_S = 3600.0
DENSITY_KG_L = 0.998
PLATE_SHARE = 0.65
"""What our plate law leaves of the economiser's UA at the winter's mean flows (0.54 of design)."""


class DailyLoad:
    """Every rack at the share of the hour, the same each day, in local standard time."""

    def __init__(self, site: Site) -> None:
        self._rated = np.array([rack.rated_kw for rack in site.racks.values()])

    def starting_at(self, start_s: float) -> LoadSource:  # noqa: ARG002 - it has no beginning
        return self

    def rack_kw(self, times_s: Array) -> Array:
        hours = np.floor((times_s + OFFSET_S - 0.5) / HOUR_S).astype(np.int64) % 24
        return np.asarray(DAY_SHARE[hours, None] * self._rated[None, :])

    def wet_bulb(self) -> tuple[Array, Array] | None:
        return None

    def ends_at_s(self) -> float:
        return np.inf


@dataclass(frozen=True)
class Comparison:
    """Both engines' hours of a season: the same columns, index in hours from its start.

    Columns: ``wet_bulb_c``, ``load_kw`` (heat into the chilled water), ``chillers_kw``,
    ``cooling_kw`` (of the chillers), ``fans_kw``, ``tower_c`` (water leaving the towers),
    ``condenser_c`` (leaving condensers, mean of those that run; NaN without any),
    ``economiser_kw``, ``running`` (chillers, mean over the hour), ``supply_c``, ``return_c``
    and ``flow_ls`` of the chilled water, ``tower_ls`` (water over the towers).
    """

    season: Season
    ours: pd.DataFrame
    theirs: pd.DataFrame
    steps: pd.DataFrame
    """EnergyPlus by its time step, as it reported it (`office_idf.VARIABLES`)."""
    plant: Plant


def compare(season: Season, *, tower: str = "YorkCalc", exchanger_share: float = 1.0) -> Comparison:
    """Run a season through both.

    Parameters
    ----------
    tower
        EnergyPlus' model of the towers; ``CoolToolsCrossFlow`` is the prototype's own.
    exchanger_share
        EnergyPlus' UA of the economiser over our design UA.

    Raises
    ------
    EnergyPlusError
        EnergyPlus is absent or failed.
    """
    made = plant(season)
    samples = _ours(made, season, energyplus.weather_file())
    per_step = round(HOUR_S / STEPS_PER_HOUR / SAMPLE_S)
    load_kw, flow_ls = (_means(samples[name], per_step) for name in ("load_kw", "flow_ls"))
    start_s = _second_of_year(season)
    step_s = HOUR_S / STEPS_PER_HOUR
    ends_s: Array = start_s + step_s * np.arange(1.0, len(load_kw) + 1.0)
    steps = energyplus.run(
        idf(made, season, tower_model=tower, exchanger_share=exchanger_share),
        {"load.csv": schedule(ends_s, load_kw, flow_ls, 1.2 * made.loop_ls)},
    )
    return Comparison(season, _hourly(samples), _hourly(_theirs(steps, start_s)), steps, made)


def _means(values: pd.Series[float], count: int) -> Array:
    """Means of so many values each."""
    return np.array([part.mean() for part in np.split(values.to_numpy(), len(values) // count)])


def _second_of_year(season: Season) -> float:
    first = pd.Timestamp(year=YEAR, month=season.month, day=season.day)
    return (first.day_of_year - 1) * 86_400.0


def _ours(made: Plant, season: Season, weather: Path) -> pd.DataFrame:
    """Means of each minute over the season's days."""
    start_s = from_iso(f"{YEAR}-{season.month:02d}-{season.day:02d}") - OFFSET_S
    simulation = warmed_up(
        made.site,
        made.parameters,
        load=DailyLoad(made.site),
        weather=read_epw(weather),
        local_control="fixed",
        start_s=start_s,
        seed=1,
    )
    state = simulation._memory.state
    rows, before = [], simulation.accounts()
    for _ in range(round(season.days * 86_400.0 / SAMPLE_S)):
        simulation.advance(simulation.now_s + SAMPLE_S)
        after = simulation.accounts()
        hours = SAMPLE_S / HOUR_S
        running = state.chillers["running"] > 0.5
        loaded = running & (state.chillers["cooling_load"] > 0.0)
        rows.append(
            {
                "wet_bulb_c": float(state.outdoor["wet_bulb_c"][0]),
                "load_kw": float(state.cdus["heat_kw"].sum()),
                "chillers_kw": (after.energy_kwh["chillers"] - before.energy_kwh["chillers"])
                / hours,
                "cooling_kw": float(state.chillers["cooling_load"].sum()),
                "fans_kw": (after.energy_kwh["towers"] - before.energy_kwh["towers"]) / hours,
                "tower_c": float(state.tower_water["supply_c"][0]),
                "condenser_c": float(state.chillers["condenser_c"][loaded].mean())
                if loaded.any()
                else np.nan,
                "economiser_kw": float(state.loops["tower_kw"][0]),
                "running": float(loaded.sum()),
                "supply_c": float(state.loops["supply_c"][0]),
                "flow_ls": float(state.loops["flow_ls"][0]),
                "return_c": float(state.loops["return_c"][0]),
                "tower_ls": float(state.tower_water["flow_ls"][0]),
            }
        )
        before = after
    table = pd.DataFrame(rows)
    table.index = (np.arange(len(rows)) + 1) * SAMPLE_S / HOUR_S
    return table


def _theirs(steps: pd.DataFrame, start_s: float) -> pd.DataFrame:
    chillers = (1, 2)
    loaded = [steps[f"cooling{i}_w"] > 0.0 for i in chillers]
    table = pd.DataFrame(
        {
            "wet_bulb_c": steps["wet_bulb_c"],
            "load_kw": -steps["load_w"] / 1e3,
            "chillers_kw": sum(steps[f"chiller{i}_w"] for i in chillers) / 1e3,
            "cooling_kw": sum(steps[f"cooling{i}_w"] for i in chillers) / 1e3,
            "fans_kw": steps["fan_w"] / 1e3,
            "tower_c": steps["tower_out_c"],
            "condenser_c": steps["condenser1_c"].where(loaded[0]),
            "economiser_kw": steps["exchanger_w"] / 1e3,
            "running": loaded[0].astype(float) + loaded[1].astype(float),
            "supply_c": steps["supply_c"],
            "flow_ls": steps["supply_kgs"] / DENSITY_KG_L,
            "return_c": steps["return_c"],
            "tower_ls": steps["tower_kgs"] / DENSITY_KG_L,
        }
    )
    table.index = (steps.index - start_s) / HOUR_S
    return table


SETTLED_H = 2
"""Hours at the start of a season that are not compared: both engines start from elsewhere."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far ours is from EnergyPlus over a season, its first two hours left out."""

    season: str
    hours: int
    chillers: float
    """Chiller electricity of the season over theirs, less 1."""
    fans: float
    """Fan electricity, likewise."""
    both: float
    """Chillers and fans together, likewise."""
    cop: float
    """Season's cooling over chiller electricity, over theirs, less 1; 0 without cooling."""
    economiser: float
    """Economiser heat, likewise; 0 without any."""
    worst_hour: float
    """Largest difference of an hour's chiller power, as a share of their largest hour."""
    tower_k: float
    """Mean absolute difference of the water leaving the towers, K."""
    condenser_k: float
    """Mean absolute difference of the water leaving the condensers, where both cool, K."""
    wet_bulb_k: float
    """Largest difference of an hour's wet bulb from the same weather file, K."""

    @classmethod
    def of(cls, found: Comparison) -> Agreement:
        """Judge a comparison."""
        a, b = found.ours.iloc[SETTLED_H:], found.theirs.iloc[SETTLED_H:]

        def over(name: str) -> float:
            theirs = float(b[name].sum())
            return float(a[name].sum()) / theirs - 1.0 if theirs > 0.0 else 0.0

        def cop(table: pd.DataFrame) -> float:
            return float(table["cooling_kw"].sum() / max(table["chillers_kw"].sum(), 1e-9))

        power = a["chillers_kw"] - b["chillers_kw"]
        both = (a["running"] > 0.5) & (b["running"] > 0.5)
        apart = {
            name: (a[name] - b[name]).abs() for name in ("tower_c", "condenser_c", "wet_bulb_c")
        }
        return cls(
            season=found.season.name,
            hours=len(a),
            chillers=over("chillers_kw"),
            fans=over("fans_kw"),
            both=float(
                (a["chillers_kw"] + a["fans_kw"]).sum() / (b["chillers_kw"] + b["fans_kw"]).sum()
            )
            - 1.0,
            cop=cop(a) / cop(b) - 1.0,
            economiser=over("economiser_kw"),
            worst_hour=float(power.abs().max() / b["chillers_kw"].max()),
            tower_k=float(apart["tower_c"].mean()),
            condenser_k=float(apart["condenser_c"][both].mean()),
            wet_bulb_k=float(apart["wet_bulb_c"].max()),
        )


def _hourly(table: pd.DataFrame) -> pd.DataFrame:
    hours = np.ceil(table.index.to_numpy() - 1e-6).astype(np.int64)
    return table.groupby(hours).mean()
