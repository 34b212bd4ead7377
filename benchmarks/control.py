"""What the optimiser is worth: paired days in three climates and four seasons.

Both sites' models are trained at once, one a core, then the days go through two processes; the
longest first, so that no core waits for the other at the end.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Bench, BenchmarkError, Measure

SCOPE = (
    "twelve days, three climates by four seasons, each with a site and a load of its own by Latin "
    "square (whole-machine jobs on frontier; training, inference and both on campus) and a seed of "
    "its own; forecasts, not known futures, and a model trained on a history of other seeds. The "
    "whole controller and gateway in one process, beside the same plant under fixed setpoints and "
    "under its tuned Guideline 36 control. By default three hours of each day, at hours that go "
    "round the clock; --full takes whole days, and goes on where it was interrupted. A "
    "simulator's figures, not a plant's"
)
CLIMATES = ("mid_atlantic", "hot_dry", "cool_marine")
SEASONS = {
    "winter": "2025-01-21",
    "spring": "2025-04-15",
    "summer": "2025-07-22",
    "autumn": "2025-10-14",
}
LOADS = (
    ("frontier", "supercomputer"),
    ("campus", "training"),
    ("campus", "inference"),
    ("campus", "mixed"),
)
SEED = 7100
"""Of the first day; no model is trained on any of them, and nothing is tuned to them."""
MODEL_SEED = 1
WINDOW_H, DAY_H = 3.0, 24.0
APART_H = 4
"""Between the hours at which windows begin."""
BOTH_CORES = 2
RESAMPLED = 2000
BEST_FOUND = {False: ((2, 7), 80), True: ((1, 2, 7, 10), 400)}
"""Whether in full: days that are searched for the best there is, by number, and the runs of the
plant that each search may take."""


@dataclass(frozen=True, slots=True)
class Day:
    """One of the twelve."""

    climate: str
    season: str
    site: str
    mix: str
    start: str
    hours: float
    seed: int

    @property
    def name(self) -> str:
        """A file name."""
        return f"{self.climate}-{self.season}"


def days(hours: float) -> list[Day]:
    """The Latin square: no load twice in a climate, each three times in all."""
    found = []
    square = itertools.product(enumerate(CLIMATES), enumerate(SEASONS.items()))
    for number, ((row, climate), (column, (season, date))) in enumerate(square):
        site, mix = LOADS[(row + column) % len(LOADS)]
        first = 0 if hours >= DAY_H else APART_H * ((column + 2 * row) % 6)
        start = f"{date}T{first:02d}:00:00Z"
        found.append(Day(climate, season, site, mix, start, hours, SEED + number))
    return found


def measure(bench: Bench) -> Iterator[Measure]:
    """Train what is lacking, run the days on both cores, and add up."""
    square = days(DAY_H if bench.full else WINDOW_H)
    marked, evaluations = BEST_FOUND[bench.full]
    with (
        ProcessPoolExecutor(BOTH_CORES, mp_context=get_context("spawn")) as cores,
        ThreadPoolExecutor(BOTH_CORES) as hands,
    ):
        sites = list(dict.fromkeys(site for site, _ in LOADS))
        bench.say(f"models of {' and '.join(sites)}, where none is kept")
        trained = [cores.submit(train_model, site, bench.work / f"site-{site}") for site in sites]
        models = {site: one.result() for site, one in zip(sites, trained, strict=True)}

        def run(number: int) -> Any:
            day = square[number]
            inputs = {**asdict(day), "model": models[day.site].name}
            work = partial(_on_a_core, cores, run_day, day, models[day.site])
            return bench.step(day.name, inputs, work)

        def search(number: int) -> Any:
            day = square[number]
            work = partial(_on_a_core, cores, best_found, day, evaluations)
            return bench.step(f"best-{day.name}", {**asdict(day), "evaluations": evaluations}, work)

        longest_first = sorted(range(len(square)), key=lambda n: square[n].site != "frontier")
        waiting = {n: hands.submit(run, n) for n in longest_first}
        searching = {n: hands.submit(search, n) for n in marked}
        runs = [waiting[n].result() for n in range(len(square))]
        found = {n: searching[n].result() for n in marked}
    yield from _measures(square, runs)
    yield _share_of_best(square, runs, found)


def _on_a_core(cores: ProcessPoolExecutor, work: Callable[..., Any], *given: Any) -> Any:
    return cores.submit(work, *given).result()


def train_model(site: str, folder: Path) -> Path:
    """The folder of a site's model, trained where none is kept."""
    from controller.demo.model import ensure_model
    from sim.scenarios.build import PLANT_SEED
    from sim.sites import write

    folder.mkdir(parents=True, exist_ok=True)
    write(site, folder, 15_020, seed=PLANT_SEED)
    model, _ = ensure_model(folder, seed=MODEL_SEED, progress=lambda _stage, _share: None)
    return model


def best_found(day: Day, evaluations: int) -> dict[str, Any]:
    """What a clairvoyant search on the plant itself makes of a day."""
    from benchmarks.best_found import search_day
    from sim.scenarios import prepare

    return search_day(prepare(_scenario(day)), evaluations)


def run_day(day: Day, model: Path) -> dict[str, Any]:
    """One day under all three controls: energies as accounted, violations, moves, fallbacks."""
    from controller.evaluation.accounts import compare, read_account
    from controller.evaluation.files import ISOTHERM
    from controller.evaluation.in_process import BASELINES, InProcessError, run_in_process
    from sim.scenarios import prepare

    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        try:
            run = run_in_process(prepare(_scenario(day)), model, out)
        except InProcessError as error:
            raise BenchmarkError(f"{day.name}: {error}") from error
        names = (ISOTHERM, *BASELINES)
        accounts = {name: read_account(out / name / "accounts.json") for name in names}
        writes = run.accounts[ISOTHERM]["writes"]["accepted"].get("setpoint", 0)
        points = _points(out / "site")
    compared = compare(accounts)
    return {
        "energy_kwh": {name: compared[name].energy_kwh for name in names},
        "water_m3": {name: accounts[name].water_m3 for name in names},
        "violation_degree_minutes": {
            name: accounts[name].limit_violation_degree_minutes for name in names
        },
        "peak_excess_k": {name: accounts[name].peak_excess_k for name in names},
        "throttled_kwh": accounts[ISOTHERM].throttled_kwh,
        "moves_per_point_hour": writes / points / day.hours,
        "ticks": run.summary["ticks"],
        "fallbacks": run.summary["fallbacks"],
    }


def _points(folder: Path) -> int:
    from facility.loading import load_site

    return len(load_site(folder).actuators)


def _scenario(day: Day) -> Any:
    from sim.scenarios.scenario import HourlyPlan, LoadPlan, Scenario, WeatherPlan

    return Scenario(
        name=day.name,
        title=f"{day.season} in {day.climate}, {day.mix} on {day.site}",
        description="A day of the control benchmark.",
        site=day.site,
        start=day.start,
        hours=day.hours,
        seed=day.seed,
        tags=(),
        load=LoadPlan("generated", mix=day.mix),
        weather=WeatherPlan("generated", climate=day.climate),
        price=HourlyPlan(),
        carbon=HourlyPlan(),
    )


def _measures(square: Sequence[Day], runs: Sequence[Mapping[str, Any]]) -> Iterator[Measure]:
    hours = square[0].hours
    what = f"{len(square)} paired days of {hours:g} h each"
    for baseline, name, goal in (
        ("guideline36", "saving_vs_guideline36", 0.12),
        ("fixed", "saving_vs_fixed", 0.30),
    ):
        ours = np.array([run["energy_kwh"]["isotherm"] for run in runs])
        theirs = np.array([run["energy_kwh"][baseline] for run in runs])
        low, high = _interval(ours, theirs)
        by_day = ", ".join(
            f"{day.name} {1.0 - a / b:.1%}" for day, a, b in zip(square, ours, theirs, strict=True)
        )
        yield Measure(
            name,
            round(float(1.0 - ours.sum() / theirs.sum()), 4),
            "of the energy",
            goal,
            "at_least",
            how=f"{what}, energy as accounted summed over the days; 90 % interval over days "
            f"{low:.1%} to {high:.1%} (bootstrap); {by_day}",
        )
    for name, unit in (("violation_degree_minutes", "K min"), ("peak_excess_k", "K")):
        worst = max if name == "peak_excess_k" else sum
        yield Measure(
            name,
            round(float(worst(run[name]["isotherm"] for run in runs)), 3),
            unit,
            round(float(worst(run[name]["fixed"] for run in runs)), 3),
            "at_most",
            how=f"{what}, noise-free truth above the named limits; the goal is what the same days "
            "under fixed setpoints have",
        )
    yield Measure(
        "moves_per_point_hour",
        round(float(np.mean([run["moves_per_point_hour"] for run in runs])), 2),
        "1/h",
        3.0,
        "at_most",
        how=f"{what}, setpoints that devices accepted over actuators and hours",
    )
    ticks, fallbacks = (sum(run[name] for run in runs) for name in ("ticks", "fallbacks"))
    yield Measure(
        "fallback_share",
        round(fallbacks / max(ticks, 1), 4),
        "of the steps",
        0.02,
        "at_most",
        how=f"{what}, {fallbacks} of {ticks} steps without a verified answer of a solver",
    )
    water = {n: sum(run["water_m3"][n] for run in runs) for n in ("isotherm", "guideline36")}
    yield Measure(
        "water_vs_guideline36",
        round(water["isotherm"] / water["guideline36"], 3),
        "of its water",
        how=f"{what}, evaporated by the towers",
    )
    yield Measure(
        "throttled_kwh",
        round(float(sum(run["throttled_kwh"] for run in runs)), 3),
        "kWh",
        0.0,
        "at_most",
        how=f"{what}, IT energy not delivered because racks throttled",
    )


def _share_of_best(
    square: Sequence[Day], runs: Sequence[Mapping[str, Any]], found: Mapping[int, Mapping[str, Any]]
) -> Measure:
    theirs = np.array([runs[n]["energy_kwh"]["guideline36"] for n in found])
    ours = np.array([runs[n]["energy_kwh"]["isotherm"] for n in found])
    # Who does better than the search has shown it to be weak: then ours is the best found.
    best = np.minimum([found[n]["energy_kwh"] for n in found], ours)
    saved, there_was = theirs - ours, theirs - best
    by_day = ", ".join(
        f"{square[n].name} {a:.0f} of {b:.0f} kWh (search after {found[n]['tried']} runs)"
        for n, a, b in zip(found, saved, there_was, strict=True)
    )
    share = float(saved.sum() / there_was.sum()) if there_was.sum() > 0.0 else 1.0
    return Measure(
        "share_of_best_found",
        round(share, 3),
        "of the saving",
        0.85,
        "at_least",
        how="of the saving over Guideline 36 of the best that a search found which knows the load, "
        f"the weather and the plant itself, one level a quantity: {by_day}",
    )


def _interval(ours: Any, theirs: Any) -> tuple[float, float]:
    """5 and 95 % of the saving over days drawn again."""
    draw = np.random.default_rng(SEED).integers(0, len(ours), (RESAMPLED, len(ours)))
    savings = 1.0 - ours[draw].sum(axis=1) / theirs[draw].sum(axis=1)
    low, high = np.quantile(savings, (0.05, 0.95))
    return float(low), float(high)
