"""What shadow runs and proofs of savings claim, against the truth that only a simulator knows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Measure

SCOPE = (
    "savings: hours of the simulated campus under its own Guideline 36 control; trials are spans "
    "of them with schedules drawn by lot. Shadow: a record of the plant under its own control, and "
    "the same scenario run in closed loop under Isotherm, whose metered energy is the truth. By "
    "default one run of four hours, which shows that the method works and not how often; --full is "
    "20 runs of two weeks over both sites, climates and seeds, with sensor faults in some."
)
DAYS, DAYS_FULL = 42, 84
TRIALS = 400
SEED = 5
RUNS = tuple(
    (scenario, seed)
    for scenario in (
        "campus-summer",
        "campus-winter",
        "campus-spring",
        "campus-bad-sensor",
        "campus-inference-week",
        "campus-phoenix",
        "campus-miami",
        "frontier-jobs",
        "frontier-training-summer",
        "frontier-tower-fan",
    )
    for seed in (11, 12)
)
HOURS_FULL = 14 * 24.0


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
    runs = RUNS if bench.full else RUNS[:1]
    hours = HOURS_FULL if bench.full else 4.0
    results = []
    for scenario, seed in runs:
        key = f"shadow-{scenario}-{seed}-{hours:g}h"
        inputs = {"scenario": scenario, "seed": seed, "hours": hours}
        results.append(bench.step(key, inputs, partial(_one, scenario, seed, hours, bench)))
    inside = sum(r["low"] <= r["truth"] <= r["high"] for r in results)
    how = (
        f"{len(results)} closed-loop runs of {hours:g} h; the truth is the saving of cooling and "
        "leakage by the simulator's accounts"
    )
    if bench.full:
        yield Measure(
            "inside_90_interval", inside, f"runs of {len(results)}", 15, "at_least", how=how
        )
    else:
        yield Measure("inside_90_interval", inside, f"runs of {len(results)}", how=how)
    errors = [r["estimate"] - r["truth"] for r in results]
    yield Measure("estimate_less_truth", sum(errors) / len(errors), "share, mean", how=how)
    widths = [r["high"] - r["low"] for r in results]
    yield Measure("interval_width", sum(widths) / len(widths), "share, mean", how=how)


def _one(scenario: str, seed: int, hours: float, bench: Bench) -> dict[str, Any]:
    """A shadow run's estimate, and the same scenario's truth in closed loop."""
    import asyncio

    from controller.demo.model import ensure_model
    from controller.evaluation.in_process import lay_site, run_in_process
    from controller.evaluation.shadow import estimate, run_shadow
    from controller.evaluation.shadow.inputs import learned_parts
    from sim.scenarios import find, prepare, run_scenario

    prepared = prepare(find(scenario), seed=seed, hours=hours)
    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as name:
        folder = Path(name)
        site = lay_site(prepared, folder / "record")
        model, _new = ensure_model(folder / "record" / "site", seed=1, progress=lambda *_: None)
        parts = learned_parts(site, model)
        record = run_scenario(prepared)
        study = asyncio.run(
            run_shadow(
                site,
                parts.bundle,
                record.measured,
                parts.planner,
                parts.settings,
                prices=prepared.grid,
            )
        )
        found = estimate(study, parts.bundle)
        bench.say(f"{scenario}, seed {seed}: in closed loop")
        done = run_in_process(prepared, model, folder / "closed", baselines=("guideline36",))
        own, local = done.accounts["isotherm"], done.accounts["guideline36"]
        used = sum(own["energy_kwh"].values()) + own["it_energy_kwh"] - local["it_energy_kwh"]
        return {
            "estimate": found.saved_share,
            "low": found.interval_share[0],
            "high": found.interval_share[1],
            "truth": 1.0 - used / sum(local["energy_kwh"].values()),
        }
