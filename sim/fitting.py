"""``python -m sim.fitting --data DIR``: the figures of the made-up inputs, fitted to data again.

`sim.plant.shapes` and `sim.plant.climates` hold what this prints, rounded. Each fit is a function
of arrays, so that a site can fit its own. The files are those of ``shared/data``; the weather
files of the ``pyenergyplus-lbnl`` wheel give the climates that the former lack.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sim.plant.climates import Climate
from sim.plant.layout import Array
from sim.plant.weather import HOURS, HourlyWeather, read_epw

YEAR_START_S = 1_672_531_200.0
"""2023-01-01, a year of 365 days."""


@dataclass(frozen=True, slots=True)
class JobFit:
    """What a trace of total power tells of the jobs in it; powers are shares of its rating."""

    idle: tuple[float, float]
    """10 and 90 % of the level between jobs."""
    busy: tuple[float, float]
    """10 and 90 % of the level of jobs, their edges left out."""
    job_s: tuple[float, float]
    """Median, and standard deviation of the logarithm."""
    pause_s: tuple[float, float]
    ramp_s: tuple[float, float]
    """10 and 90 % of the time that a full swing takes at its steepest."""


def fit_jobs(times_s: Array, share: Array) -> JobFit:
    """Tell jobs from pauses by the middle between the levels of the trace.

    Parameters
    ----------
    times_s
        (N,) evenly spaced.
    share
        (N,) power over rating.

    Raises
    ------
    ValueError
        Fewer than three jobs: there is nothing to fit.
    """
    low, high = np.quantile(share, (0.1, 0.9))
    runs = _runs(share > 0.5 * (low + high))
    step_s = float(times_s[1] - times_s[0])
    jobs = [run for run in runs if share[run.start] > 0.5 * (low + high)]
    pauses = [run for run in runs if run not in jobs]
    if len(jobs) < 3 or len(pauses) < 3:
        raise ValueError(f"{len(jobs)} jobs and {len(pauses)} pauses are too few to fit")
    lengths = [np.array([len(run) * step_s for run in kind]) for kind in (jobs, pauses)]
    busy = np.concatenate([_core(share, run) for run in jobs])
    idle = np.concatenate([_core(share, run) for run in pauses])
    swing = float(np.median(busy) - np.median(idle))
    steepest = [
        swing
        * step_s
        / float(np.abs(np.diff(share[max(0, run.start - 20) : run.start + 20])).max())
        for run in runs[1:]
    ]
    return JobFit(
        idle=_quantiles(idle),
        busy=_quantiles(busy),
        job_s=_lognormal(lengths[0]),
        pause_s=_lognormal(lengths[1]),
        ramp_s=_quantiles(np.array(steepest)),
    )


@dataclass(frozen=True, slots=True)
class ServiceFit:
    """What a trace of utilisation tells of its rhythm; all relative to its mean."""

    day: float
    """Amplitude of the day's first harmonic."""
    week: float
    """Amplitude of the week's first harmonic."""
    noise: float
    """Standard deviation of what is left."""
    lag_1: float
    """Autocorrelation of what is left, one step on."""


def fit_service(times_s: Array, level: Array) -> ServiceFit:
    """Day, week and noise of a utilisation by least squares on harmonics.

    A trace shorter than two days tells nothing of the day, one shorter than two weeks nothing of
    the week: those are 0 then.
    """
    x = level / level.mean()
    span_s = float(times_s[-1] - times_s[0])
    columns = [np.ones(len(x))]
    periods = [p for p in (86_400.0, 604_800.0) if span_s >= 2.0 * p]
    for period_s in periods:
        angle = 2.0 * np.pi * times_s / period_s
        columns += [np.cos(angle), np.sin(angle)]
    basis = np.stack(columns, axis=1)
    weights = np.linalg.lstsq(basis, x, rcond=None)[0]
    rest = x - basis @ weights
    found = {p: float(np.hypot(*weights[1 + 2 * i : 3 + 2 * i])) for i, p in enumerate(periods)}
    return ServiceFit(
        found.get(86_400.0, 0.0),
        found.get(604_800.0, 0.0),
        float(rest.std()),
        autocorrelation(rest, 1),
    )


def fit_climate(weather: HourlyWeather) -> Climate:
    """The climate of a year of weather, in the terms of the generator."""
    offset_h = weather.offset_h
    air = weather.at_times(YEAR_START_S + 3600.0 * (np.arange(HOURS, dtype=np.float64) - offset_h))
    dry, depression = air[:, 0], air[:, 0] - air[:, 2]
    day = np.arange(HOURS) / 24.0
    angle = 2.0 * np.pi * day / 365.0
    hours = 2.0 * np.pi * day
    basis = np.stack(
        (np.ones(HOURS), np.cos(angle), np.sin(angle), np.cos(hours), np.sin(hours)), axis=1
    )
    w = np.linalg.lstsq(basis, dry, rcond=None)[0]
    fronts = dry - basis @ w
    coldest = float(np.arctan2(-w[2], -w[1]) / (2.0 * np.pi) * 365.0) % 365.0
    warmest_h = float(np.arctan2(w[4], w[3]) / (2.0 * np.pi) * 24.0) % 24.0
    season = -np.cos(2.0 * np.pi * (day - coldest) / 365.0)
    daily = np.cos(2.0 * np.pi * (day - warmest_h / 24.0))
    of_dew = np.stack((np.ones(HOURS), season, daily, fronts), axis=1)
    d = np.linalg.lstsq(of_dew, depression, rcond=None)[0]
    wetness = float((depression - of_dew @ d).std())
    return Climate(
        name="fitted",
        mean_c=round(float(w[0]), 1),
        season_k=round(float(np.hypot(w[1], w[2])), 1),
        coldest_day=round(coldest, 0),
        day_k=round(float(np.hypot(w[3], w[4])), 1),
        warmest_h=round(warmest_h, 1),
        front_k=round(float(fronts.std()), 1),
        depression_k=round(float(d[0]), 1),
        depression_season_k=round(float(d[1]), 1),
        depression_day_k=round(float(d[2]), 1),
        depression_front_k=round(float(d[3] * fronts.std()), 1),
        wetness_k=round(wetness * float(np.sqrt(2.0)), 1),
        offset_h=offset_h,
    )


def autocorrelation(values: Array, lag: int) -> float:
    """Autocorrelation of a series ``lag`` steps on."""
    centred = values - values.mean()
    return float((centred[lag:] * centred[:-lag]).sum() / (centred * centred).sum())


def _runs(flags: Array) -> list[range]:
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(np.int64))) + 1).tolist(), len(flags)]
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def _core(share: Array, run: range) -> Array:
    """A run without its edges, or its middle where it is all edge."""
    cut = min(20, (len(run) - 1) // 2)
    return share[run.start + cut : run.stop - cut]


def _quantiles(values: Array) -> tuple[float, float]:
    low, high = np.quantile(values, (0.1, 0.9)).tolist()
    return round(low, 3), round(high, 3)


def _lognormal(lengths_s: Array) -> tuple[float, float]:
    logs = np.log(lengths_s)
    return round(float(np.exp(np.median(logs))), 0), round(float(logs.std()), 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit everything that there is a file for, and print it; exit status 2 without files."""
    parser = argparse.ArgumentParser(prog="python -m sim.fitting", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data files")
    parser.add_argument("--weather", type=Path, help="one more folder of EPW files")
    args = parser.parse_args(arguments)
    lines = [*_load_lines(args.data), *_climate_lines(args.data / "weather", args.weather)]
    for line in lines:
        sys.stdout.write(line + "\n")
    if not lines:
        sys.stderr.write(f"there is nothing to fit in {args.data}\n")
    return 0 if lines else 2


def frontier_share(path: Path) -> tuple[Array, Array]:
    """Times (s) and total heat of Frontier's CDUs over the reference site's rating."""
    table = pd.read_csv(path)
    heat = table[[name for name in table.columns if name.endswith("_heat_W")]].to_numpy()
    return table["time_s"].to_numpy(dtype=np.float64), heat.sum(axis=1) / FRONTIER_RATED_W


def request_rate(path: Path, every_s: float) -> tuple[Array, Array]:
    """Times (s) and tokens generated in each interval of a trace of requests."""
    table = pd.read_csv(path)
    stamps = pd.to_datetime(table["TIMESTAMP"])
    arrived_s = (stamps - stamps.min()).dt.total_seconds().to_numpy()
    whole = int(arrived_s.max() // every_s)
    place = (arrived_s // every_s).astype(np.int64)
    tokens = np.bincount(place, weights=table["GeneratedTokens"].to_numpy(dtype=np.float64))
    return every_s * np.arange(float(whole)), tokens[:whole].astype(np.float64)


FRONTIER_RATED_W = 25 * 3 * 370e3
"""Nameplate of the reference site ``frontier``."""


def _load_lines(data: Path) -> list[str]:
    folder, lines = data / "it_load", []
    frontier = folder / "frontier_2024-04-07_cdu_heat_15s.csv"
    if frontier.is_file():
        lines.append(f"{frontier.name}: {fit_jobs(*frontier_share(frontier))}")
    cluster = folder / "alibaba_cpu_hourly.csv"
    if cluster.is_file():
        level = pd.read_csv(cluster)["cpu_load"].to_numpy(dtype=np.float64)
        fit = fit_service(3600.0 * np.arange(float(len(level))), level)
        lines.append(f"{cluster.name}: {fit}")
    lines += [
        f"{path.name}, a minute each: {fit_service(*request_rate(path, 60.0))}"
        for path in sorted(folder.glob("azure_llm_*.csv"))
    ]
    return lines


def _climate_lines(*folders: Path | None) -> list[str]:
    paths = [path for folder in folders if folder for path in sorted(folder.glob("*.epw"))]
    return [f"{path.stem}: {fit_climate(read_epw(path))}" for path in paths]


if __name__ == "__main__":
    sys.exit(main())
