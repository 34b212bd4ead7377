"""The simulator: how fast it runs, how its cost grows, how exactly it keeps its energy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.harness import Bench, Measure
from benchmarks.scaled import HALL_RACKS, reference_site, scaled_site

SCOPE = (
    "both reference sites under their own Guideline 36 control with generated load and weather, in "
    "one process on one core, without devices or protocols; a day each, a week with --full. Times "
    "are of the processor, so that other work on the machine does not enter them"
)
STARTS = {"campus": "2024-07-15", "frontier": "2024-04-07"}
FIRST_HOURS = 0.5
"""A run that is not timed: it compiles."""
SEED = 1
HALLS = (1, 3, 10, 32, 100)
SCALED_S = 900.0
HALVING_HOURS = 6.0


def measure(bench: Bench) -> Iterator[Measure]:
    """Run each site and look at its accounts; then larger sites, then shorter steps."""
    hours = 168.0 if bench.full else 24.0
    worst = 0.0
    for site, start in STARTS.items():
        inputs = {"site": site, "start": start, "hours": hours, "seed": SEED}
        run = bench.step(f"run-{site}", inputs, partial(_run, site, start, hours))
        worst = max(worst, abs(run["balance_error"]))
        yield Measure(
            f"speed_{site}",
            run["plant_s"] / run["processor_s"],
            "x real time",
            5000.0,
            "at_least",
            how=f"sim.run over {hours:g} h from {start} in steps of 1 s with a row of truth each "
            "60 s; plant time, warm-up included, over processor time of one core, compiled code "
            "warm",
        )
    costs = [
        bench.step(f"scaled-{halls}", {"halls": halls, "seed": SEED}, partial(_cost, halls))
        for halls in HALLS
    ]
    racks = [HALL_RACKS * halls for halls in HALLS]
    slope = float(np.polyfit(np.log(racks), np.log(costs), 1)[0])
    steepest = max(
        float(np.log(after[1] / before[1]) / np.log(after[0] / before[0]))
        for before, after in pairwise(zip(racks, costs, strict=True))
    )
    yield Measure(
        "cost_exponent",
        slope,
        "exponent",
        1.1,
        "at_most",
        how="least squares of log processor time over log racks, 15 min of plant time each at "
        + ", ".join(f"{n:,} racks {1e6 * c:.0f} µs" for n, c in zip(racks, costs, strict=True))
        + f" a step; steepest between two neighbours {steepest:.2f}; the campus hall repeated, "
        "chillers, towers and loops grown (benchmarks/scaled.py)",
    )
    yield Measure(
        "energy_balance_error",
        worst,
        "share",
        0.001,
        "at_most",
        how="of the timed runs: heat put in less heat rejected less heat stored, as a share of the "
        "heat put in; the worse of both sites",
    )
    halved = {
        site: bench.step(
            f"halving-{site}",
            {"site": site, "start": start, "hours": HALVING_HOURS, "seed": SEED},
            partial(_halving_k, site, start),
        )
        for site, start in STARTS.items()
    }
    yield Measure(
        "step_halving_k",
        max(found["racks_k"] for found in halved.values()),
        "K",
        0.05,
        "at_most",
        how=f"the same {HALVING_HOURS:g} h from one state at 1 s and at 0.5 s, under the same "
        "commands of local control, jobs that jump within a second included: largest difference of "
        "any rack's limited temperature (case or inlet) at any minute, the worse of both sites; of "
        f"any other temperature {max(f['others_k'] for f in halved.values()):.3f} K; where each "
        "decides for itself, a stage one control period apart moves racks by up to "
        f"{max(f['deciding_k'] for f in halved.values()):.2f} K for minutes",
    )


def _run(name: str, start: str, hours: float) -> dict[str, Any]:
    from facility.clock import from_iso
    from sim.parameters import PlantParameters
    from sim.plant.jobs import GeneratedLoad
    from sim.plant.weather import generated_weather
    from sim.run import WARM_UP_H, run

    site = reference_site(name)
    parameters = PlantParameters.for_site(site, SEED)

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
        began = time.process_time()
        found = once(hours)
        processor_s = time.process_time() - began
    return {
        "plant_s": 3600.0 * (hours + WARM_UP_H),
        "processor_s": processor_s,
        "balance_error": found.accounts.balance_error,
    }


def _cost(halls: int) -> float:
    """Processor seconds of one step of a site of so many halls, settled in."""
    from facility.clock import from_iso
    from sim.parameters import PlantParameters
    from sim.plant.jobs import GeneratedLoad
    from sim.plant.weather import generated_weather
    from sim.simulation import Simulation

    site = scaled_site(halls)
    simulation = Simulation(
        site,
        PlantParameters.for_site(site, SEED),
        load=GeneratedLoad(site, SEED),
        weather=generated_weather(SEED),
        local_control="guideline36",
        start_s=from_iso(STARTS["campus"]),
        seed=SEED,
    )
    with _one_core():
        simulation.advance(simulation.now_s + 600.0)
        began = time.process_time()
        simulation.advance(simulation.now_s + SCALED_S)
        return (time.process_time() - began) / SCALED_S


def _halving_k(name: str, start: str) -> dict[str, float]:
    from benchmarks.halving import halving_k

    return halving_k(name, start, HALVING_HOURS, SEED)


@contextmanager
def _one_core() -> Iterator[None]:
    """Whatever threads there are, they share one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
