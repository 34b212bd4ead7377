"""The simulator: how fast it runs and how exactly it keeps its energy."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Measure

SCOPE = (
    "both reference sites under their own Guideline 36 control with generated load and weather, in "
    "one process on one core, without devices or protocols; a day each, a week with --full"
)
STARTS = {"campus": "2024-07-15", "frontier": "2024-04-07"}
FIRST_HOURS = 0.5
"""A run that is not timed: it compiles."""
SEED = 1


def measure(bench: Bench) -> Iterator[Measure]:
    """Run each site and look at its accounts."""
    hours = 168.0 if bench.full else 24.0
    worst = 0.0
    for site, start in STARTS.items():
        inputs = {"site": site, "start": start, "hours": hours, "seed": SEED}
        run = bench.step(f"run-{site}", inputs, partial(_run, site, start, hours))
        worst = max(worst, abs(run["balance_error"]))
        yield Measure(
            f"speed_{site}",
            run["plant_s"] / run["wall_s"],
            "x real time",
            5000.0,
            "at_least",
            how=f"sim.run over {hours:g} h from {start} in steps of 1 s with a row of truth each "
            "60 s; plant time, warm-up included, over wall time on one core, compiled code warm",
        )
    yield Measure(
        "energy_balance_error",
        worst,
        "share",
        0.001,
        "at_most",
        how="of the same runs: heat put in less heat rejected less heat stored, as a share of the "
        "heat put in; the worse of both sites",
    )


def _run(name: str, start: str, hours: float) -> dict[str, Any]:
    from facility.clock import from_iso
    from facility.loading import load_site
    from sim.parameters import PlantParameters
    from sim.plant.jobs import GeneratedLoad
    from sim.plant.weather import generated_weather
    from sim.run import WARM_UP_H, run
    from sim.sites import write

    with tempfile.TemporaryDirectory(prefix="isotherm-bench-") as folder:
        write(name, Path(folder), 20_000, seed=SEED)
        site = load_site(Path(folder))
        parameters = PlantParameters.load(Path(folder) / "plant.toml", site)

    def once(span_h: float) -> Any:
        return run(
            site,
            parameters,
            load=GeneratedLoad(site, SEED),
            weather=generated_weather(SEED),
            local_control="guideline36",
            start_s=from_iso(start),
            hours=span_h,
            seed=SEED,
        )

    with _one_core():
        once(FIRST_HOURS)
        began = time.perf_counter()
        found = once(hours)
        wall_s = time.perf_counter() - began
    return {
        "plant_s": 3600.0 * (hours + WARM_UP_H),
        "wall_s": wall_s,
        "balance_error": found.accounts.balance_error,
    }


@contextmanager
def _one_core() -> Iterator[None]:
    """Whatever threads there are, they share one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
