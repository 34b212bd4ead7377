"""From a scenario to what a run is made of: site, hidden parameters, load, weather, grid."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facility.clock import from_iso
from facility.equipment import RackKind
from facility.loading import parse_site
from facility.site import Site
from sim.faults import Fault, parse_faults
from sim.grid import DailyHours, Grid, Hourly, read_hours
from sim.history import WholeHall
from sim.parameters import PlantParameters
from sim.plant.climates import CLIMATES
from sim.plant.jobs import GeneratedLoad
from sim.plant.layout import Array
from sim.plant.reading import InputError
from sim.plant.shapes import MIXES
from sim.plant.traces import read_load
from sim.plant.weather import (
    ConstantWeather,
    Spell,
    SpelledWeather,
    WeatherSource,
    generated_weather,
    read_epw,
    swept_weather,
)
from sim.plant.workload import ConstantLoad, Job, JobsOnTop, LoadSource
from sim.run import WARM_UP_H, warmed_up
from sim.scenarios.files import ScenarioError
from sim.scenarios.scenario import HourlyPlan, Scenario
from sim.simulation import Simulation
from sim.sites import DESIGNS
from sim.sites.writer import texts

DATA = "ISOTHERM_DATA"
"""Environment variable: the folder of data files that some scenarios need."""
DATA_BESIDE = Path("../shared/data")
PLANT_SEED = 1
"""The same plant for every seed of a run: a model of a site stays a model of it."""
BASE_PORT = 15_000


@dataclass(frozen=True)
class Prepared:
    """What a run of a scenario is made of."""

    scenario: Scenario
    seed: int
    hours: float
    start_s: float
    site: Site
    parameters: PlantParameters
    load: LoadSource
    weather: WeatherSource
    grid: Grid
    faults: tuple[Fault, ...] = ()

    @property
    def ends_s(self) -> float:
        """Plant time of the end."""
        return self.start_s + 3600.0 * self.hours

    def warmed_up(self, local_control: str, warm_up_h: float = WARM_UP_H) -> Simulation:
        """The facility at the scenario's beginning, with a fresh account."""
        return warmed_up(
            self.site,
            self.parameters,
            load=self.load,
            weather=self.weather,
            local_control=local_control,
            start_s=self.start_s,
            seed=self.seed,
            faults=self.faults,
            warm_up_h=warm_up_h,
        )


def data_folder(given: Path | None = None) -> Path:
    """The folder of data files: as given, else ``ISOTHERM_DATA``, else beside the project."""
    return given or Path(os.environ.get(DATA, DATA_BESIDE))


def reference(name: str) -> tuple[Site, PlantParameters]:
    """A reference site and its hidden parameters, in memory."""
    files = dict(texts(DESIGNS[name](), BASE_PORT))
    site = parse_site(files["site.toml"], files["points.csv"])
    return site, PlantParameters.for_site(site, PLANT_SEED)


def prepare(
    scenario: Scenario,
    *,
    seed: int | None = None,
    hours: float | None = None,
    start: str | None = None,
    data: Path | None = None,
) -> Prepared:
    """All that a run of ``scenario`` needs; None takes the scenario's own seed, hours, start.

    Raises
    ------
    ScenarioError, sim.plant.reading.InputError, sim.faults.FaultError
        A data file is missing or cannot be used, or a place is none of the site's.
    """
    folder = data_folder(data)
    if lacking := [file for file in scenario.data_files if not (folder / file).is_file()]:
        raise ScenarioError(
            f"scenario {scenario.name} needs {lacking[0]} below {folder}, which is not there: "
            f"name the folder of data with --data or {DATA}"
        )
    site, parameters = reference(scenario.site)
    seed = scenario.seed if seed is None else seed
    hours = scenario.hours if hours is None else hours
    start_s = from_iso(scenario.start if start is None else start)
    load = _load(scenario, site, seed, folder)
    length_h = load.starting_at(0.0).ends_at_s() / 3600.0
    if length_h < hours - 1e-6:
        raise InputError(
            f"the load of {scenario.name} is {length_h:.2f} h long and the run {hours:g} h:"
            " run fewer hours"
        )
    return Prepared(
        scenario,
        seed,
        hours,
        start_s,
        site,
        parameters,
        load,
        _weather(scenario, seed, hours, start_s, folder),
        Grid(
            _hourly(scenario.price, site.tariff.energy_per_kwh, scenario, folder),
            _hourly(scenario.carbon, site.tariff.carbon_g_per_kwh, scenario, folder),
        ),
        _faults(scenario, site, start_s),
    )


def _faults(scenario: Scenario, site: Site, start_s: float) -> tuple[Fault, ...]:
    rows = [
        {name: value for name, value in asdict(fault).items() if value is not None}
        for fault in scenario.faults
    ]
    return parse_faults(rows, site, start_s, where=f"scenario {scenario.name}")


def _load(scenario: Scenario, site: Site, seed: int, folder: Path) -> LoadSource:
    plan = scenario.load
    load: LoadSource
    if plan.kind == "trace":
        load = read_load(folder / plan.file, site)
    elif plan.kind == "constant":
        load = ConstantLoad(site, plan.share)
    else:
        load = GeneratedLoad(site, seed, peak=plan.peak, mix=MIXES[plan.mix])
    jobs = [
        Job(
            3600.0 * job.start_h,
            3600.0 * (job.start_h + job.hours),
            job.ramp_s,
            job.power_kw,
            _racks(scenario, site, job.places),
        )
        for job in plan.jobs
    ]
    if jobs:
        load = JobsOnTop(load, site, jobs)
    return WholeHall(load, site, seed) if scenario.excited else load


def _racks(scenario: Scenario, site: Site, places: tuple[str, ...]) -> Array:
    """1 for the racks of the places; all where none are named."""
    if not places:
        return np.ones(len(site.racks))
    known = {place for rack in site.racks.values() for place in (rack.id, rack.hall, *rack.units)}
    if unknown := [place for place in places if place not in known]:
        raise ScenarioError(
            f"scenario {scenario.name}: {unknown[0]!r} is no rack, CDU or hall of site {site.id}"
        )
    return np.array(
        [
            float(
                rack.id in places
                or rack.hall in places
                or (rack.kind is not RackKind.AIR and rack.units[0] in places)
            )
            for rack in site.racks.values()
        ]
    )


def _weather(
    scenario: Scenario, seed: int, hours: float, start_s: float, folder: Path
) -> WeatherSource:
    plan = scenario.weather
    weather: WeatherSource
    if plan.kind == "epw":
        weather = read_epw(folder / plan.file)
    elif plan.kind == "constant":
        weather = ConstantWeather(plan.dry_bulb_c, plan.wet_bulb_c)
    elif plan.kind == "swept":
        weather = swept_weather(seed, hours, start_s)
    else:
        weather = generated_weather(seed, climate=CLIMATES[plan.climate])
    spells = [
        Spell(
            start_s + 3600.0 * spell.start_h,
            start_s + 3600.0 * (spell.start_h + spell.hours),
            spell.dry_bulb_k,
            spell.dew_point_k,
        )
        for spell in plan.spells
    ]
    return SpelledWeather(weather, spells) if spells else weather


def _hourly(plan: HourlyPlan, tariff: float, scenario: Scenario, folder: Path) -> Hourly:
    if plan.file:
        return read_hours(folder / plan.file, plan.column)
    offset_h = CLIMATES[scenario.weather.climate].offset_h
    return DailyHours(plan.hours or (tariff,) * 24, offset_h)
