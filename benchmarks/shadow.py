"""What shadow runs and proofs of savings claim, against the truth that only a simulator knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.harness import Bench, Measure

SCOPE = (
    "savings: hours of the simulated campus under its own Guideline 36 control; trials are spans "
    "of them with schedules drawn by lot. Shadow: records of a plant under its own control, and "
    "the same periods in closed loop under the same control step and envelope, whose account is "
    "the truth. By default three short runs with a step an hour, which shows that the method works "
    "and not how often; --full is 20 runs of two weeks over both sites, climates, seeds and kinds "
    "of local control, with faults in some, a step every half hour, resumed where it stopped."
)
DAYS, DAYS_FULL = 42, 84
TRIALS = 400
SEED = 5
RUNS = (
    ("campus-summer", 11, "guideline36"),
    ("campus-winter", 11, "kept"),
    ("campus-summer", 12, "fixed"),
    ("campus-winter", 12, "guideline36"),
    ("campus-spring", 11, "guideline36"),
    ("campus-spring", 12, "kept"),
    ("campus-bad-sensor", 11, "guideline36"),
    ("campus-bad-sensor", 12, "fixed"),
    ("campus-inference-week", 11, "guideline36"),
    ("campus-phoenix", 11, "guideline36"),
    ("campus-phoenix", 12, "kept"),
    ("campus-miami", 11, "guideline36"),
    ("campus-miami", 12, "fixed"),
    ("campus-fouling-week", 11, "guideline36"),
    ("campus-seattle-autumn", 11, "guideline36"),
    ("frontier-jobs", 11, "guideline36"),
    ("frontier-jobs", 12, "kept"),
    ("frontier-training-summer", 11, "guideline36"),
    ("frontier-training-summer", 12, "fixed"),
    ("frontier-tower-fan", 11, "guideline36"),
)
"""Scenario, seed, and the plant's own control in the record."""
DEFAULT_RUNS, DEFAULT_HOURS, DEFAULT_EVERY_S = 3, 24.0, 3600.0
FULL_HOURS, FULL_EVERY_S = 14 * 24.0, 1800.0
TRIAL = "benchmarks.closed_loop:shadow_trial"


def measure(bench: Bench) -> Iterator[Measure]:
    """Trials of the savings method, then shadow runs."""
    yield from _savings(bench)
    yield from _shadow(bench)


def _savings(bench: Bench) -> Iterator[Measure]:
    days = DAYS_FULL if bench.full else DAYS
    found = bench.step(f"savings-{days}", {"days": days, "trials": TRIALS}, partial(_trials, days))
    how = (
        f"{TRIALS} schedules of 28 switchback days on {days} days of the simulated campus; spans "
        "overlap, so trials are not independent"
    )
    yield Measure(
        "false_claims", found["false_claims"], "share", 0.05, "at_most",
        how=f"{how}; nothing was changed",
    )  # fmt: skip
    yield Measure(
        "power_at_8_percent", found["power"], "share", 0.8, "at_least",
        how=f"{how}; Isotherm's days use 8 % less",
    )  # fmt: skip
    fit = "regression of hourly cooling power, on days that it was not fitted to"
    yield Measure("baseline_cv_rmse", found["cv_rmse"], "share", 0.10, "at_most", how=fit)
    yield Measure("baseline_nmbe", abs(found["nmbe"]), "share", 0.01, "at_most", how=fit)


def _trials(days: int) -> dict[str, float]:
    from controller.evaluation.savings import fit_energy, of_site, power_of_days
    from sim.scenarios import find, run_scenario

    done = run_scenario(find("campus-spring"), hours=24.0 * days, seed=SEED)
    hours = of_site(done.prepared.site, done.measured)
    fit = fit_energy(hours).fit
    return {
        "false_claims": power_of_days(hours, 28, 0.0, trials=TRIALS, seed=SEED),
        "power": power_of_days(hours, 28, 0.08, trials=TRIALS, seed=SEED),
        "cv_rmse": fit.cv_rmse_unseen,
        "nmbe": fit.nmbe,
    }


def _shadow(bench: Bench) -> Iterator[Measure]:
    from benchmarks.closed_loop import site_and_model
    from controller.demo.model import home
    from controller.sweep import LocalEngine, Task, run_sweep
    from sim.scenarios import find, prepare

    runs = RUNS if bench.full else RUNS[:DEFAULT_RUNS]
    hours = FULL_HOURS if bench.full else DEFAULT_HOURS
    every_s = FULL_EVERY_S if bench.full else DEFAULT_EVERY_S
    kept = str(home().resolve())
    for scenario in {find(name).site: name for name, _, _ in runs}.values():
        # Before runs that would each train one of their own.
        site_and_model(prepare(find(scenario), hours=hours), kept)
    tasks = [
        Task(
            f"{scenario}-{seed}-{baseline}",
            TRIAL,
            {
                "scenario": scenario,
                "seed": seed,
                "hours": hours,
                "every_s": every_s,
                "baseline": baseline,
                "home": kept,
            },
        )
        for scenario, seed, baseline in runs
    ]
    # A result is of the sources that it came from, and where it is not a study, of today.
    folder = bench.work / (f"shadow-{bench.source[:12]}" if bench.full else "shadow")
    if not bench.full:
        shutil.rmtree(folder, ignore_errors=True)
    told = run_sweep(
        tasks, folder, LocalEngine(), lambda done, of: bench.say(f"{done} of {of} shadow runs")
    )
    for key, one in told.items():
        bench.say(
            f"{key}: {one['estimate']:+.1%} ({one['low']:+.1%} to {one['high']:+.1%}), "
            f"truth {one['truth']:+.1%}; against: {', '.join(one['against']) or 'nothing'}"
        )
    yield from _told(list(told.values()), hours, full=bench.full)


def _told(results: list[dict[str, Any]], hours: float, *, full: bool) -> Iterator[Measure]:
    count = len(results)
    how = (
        f"{count} closed-loop runs of {hours:g} h; the truth is the saving of cooling and leakage "
        "by the simulator's accounts"
    )
    inside = sum(r["low"] <= r["truth"] <= r["high"] for r in results)
    right = sum(_is_go(r) == _should_go(r) for r in results)
    should_not = sum(not _should_go(r) for r in results)
    verdict = (
        f"{how}; the right answer is go where it saves what the site asks for and adds no "
        "degree-minute above a limit; criteria of length are left out"
    )
    if full:
        of = f"runs of {count}"
        yield Measure("inside_90_interval", inside, of, 15, "at_least", how=how)
        yield Measure("go_no_go_right", right, of, count, "at_least", how=verdict)
        yield Measure("right_answer_no_go", should_not, of, 2, "at_least", how=verdict)
    else:
        yield Measure("inside_90_interval", inside, f"runs of {count}", how=how)
        yield Measure("go_no_go_right", right, f"runs of {count}", how=verdict)
    wrong_go = sum(_is_go(r) and not _should_go(r) for r in results)
    yield Measure("go_where_it_should_not", wrong_go, f"runs of {count}", 0, "at_most", how=verdict)
    errors = [r["estimate"] - r["truth"] for r in results]
    yield Measure("estimate_less_truth", sum(errors) / count, "share, mean", how=how)
    widths = [r["high"] - r["low"] for r in results]
    yield Measure("interval_width", sum(widths) / count, "share, mean", how=how)


def _is_go(result: dict[str, Any]) -> bool:
    return not set(result["against"]) - {"length"}


def _should_go(result: dict[str, Any]) -> bool:
    warmer = result["violation_ours_k_min"] - result["violation_local_k_min"]
    return bool(result["truth"] >= result["least_saving_share"] and warmer <= 0.0)
