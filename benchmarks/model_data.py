"""Histories for the benchmark of the thermal model: recorded once, kept by what made them.

Each seed has three of the simulated campus, moved as the product's own experiments move a hall:
*train*, twelve days of a cool season, loads to 85 % of the nameplate, the middle four fifths of
each setpoint's range; *within*, another week and seed of the same; *beyond*, a heat wave with the
hall fuller than ever and setpoints to both ends of their ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.harness import ROOT, Bench
from facility.site import Site
from models.dataset import History

if TYPE_CHECKING:
    from sim.plant.weather import WeatherSource

CORES = 2
HOURS = {"train": 288.0, "within": 36.0, "beyond": 36.0}
SEEDS = {"train": 1000, "within": 2000, "beyond": 3000}
HOURS_A_YEAR = 8760


@dataclass(frozen=True, slots=True)
class Season:
    """Weather of a time of the year: means and swings, °C."""

    mean_c: float
    slow_k: float
    daily_k: float


COOL, HOT = Season(8.0, 7.0, 4.0), Season(28.0, 4.0, 5.0)
HIGHEST_DEW_POINT_C = 26.0


def site_folder(work: Path) -> Path:
    """The campus, written once."""
    from sim.scenarios.build import PLANT_SEED
    from sim.sites import write

    folder = work / "campus"
    if not (folder / "plant.toml").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write("campus", folder, 15_020, seed=PLANT_SEED)
    return folder


def record_all(bench: Bench, seeds: Sequence[int]) -> Path:
    """Record what is lacking, on both cores; answers the folder that they lie in."""
    site_folder(bench.work)
    folder = bench.work / f"histories-{_source()}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(name, seed) for seed in seeds for name in HOURS]
    lacking = [pair for pair in wanted if not _path(folder, *pair).exists()]
    if lacking:
        bench.say(f"{len(lacking)} histories of the simulated campus to record")
        one = partial(_record, bench.work, folder)
        with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as cores:
            for name in cores.map(one, lacking):
                bench.say(f"recorded {name}")
    return folder


def load(site: Site, folder: Path, name: str, seed: int) -> History:
    """One of them, checked."""
    return History.of(site, pd.read_parquet(_path(folder, name, seed)))


def _path(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.parquet"


def _record(work: Path, folder: Path, what: tuple[str, int]) -> str:
    from facility.loading import load_site
    from sim.history import Conditions, record_history
    from sim.parameters import PlantParameters

    name, seed = what
    site = load_site(site_folder(work))
    own = SEEDS[name] + seed
    beyond = name == "beyond"
    conditions = Conditions(
        weather=_weather(HOT if beyond else COOL, own),
        peak_load=1.03 if beyond else 0.85,
        cover=(0.0, 1.0) if beyond else (0.1, 0.9),
    )
    parameters = PlantParameters.load(site_folder(work) / "plant.toml", site)
    frame = record_history(site, parameters, hours=HOURS[name], seed=own, conditions=conditions)
    partial_file = folder / f".{name}-{seed}.part"
    frame.to_parquet(partial_file)
    partial_file.replace(_path(folder, name, seed))
    return f"{name}-{seed}"


def _weather(season: Season, seed: int) -> WeatherSource:
    from sim.plant.weather import HourlyWeather

    rng = np.random.default_rng([seed, 77])
    hours = np.arange(HOURS_A_YEAR, dtype=np.float64)
    phase = rng.uniform(0.0, 1.0, 3)

    def wave(period_h: float, at: float) -> np.ndarray:
        return np.asarray(np.cos(2.0 * np.pi * (hours / period_h + at)))

    dry = season.mean_c + season.daily_k * wave(24.0, -15.0 / 24.0)
    dry = dry + season.slow_k * (0.6 * wave(97.0, phase[0]) + 0.4 * wave(41.0, phase[1]))
    dew = dry - (5.0 + 4.0 * wave(61.0, phase[2]))
    return HourlyWeather(dry, np.minimum(dew, HIGHEST_DEW_POINT_C), 0.0, None)


def _source() -> str:
    """Short hash of the simulator and of what it is moved by."""
    digest = hashlib.sha256()
    for package in ("sim", "facility"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
