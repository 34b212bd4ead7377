"""A control step: how long it takes from 100 to 10,000 racks, and what its shortcuts cost."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.harness import Bench, Measure
from benchmarks.scaled import HALL_RACKS, scaled_site

SCOPE = (
    "the campus hall one to a hundred times over under one plant, with an untrained model of a "
    "trained one's structure: estimate, forecast, plan and proposal as `isotherm serve` runs them, "
    "without gateway and storage. Seconds are of the processor on one thread, so that other work "
    "on the machine does not enter them; a process of its own for each size"
)
GOALS = {100: 0.25, 500: None, 2000: 2.0, 10_000: 10.0}
MINUTES = 60
TICKS = 4
"""The first compiles what numba has not kept, and is not counted."""


def measure(bench: Bench) -> Iterator[Measure]:
    """Each size, then the gap to the problem without shortcuts."""
    for racks, goal in GOALS.items():
        found = bench.step(f"tick-{racks}", {"racks": racks}, partial(_apart, _ticks, racks))
        stages = ", ".join(f"{name} {value:.3g} s" for name, value in found["stages"].items())
        yield Measure(
            f"tick_s_{racks}",
            round(found["tick_s"], 4),
            "s",
            goal,
            "report" if goal is None else "at_most",
            how=f"median of {TICKS - 1} steps 5 min apart on {racks} racks and {found['groups']} "
            f"setpoints, processor time on one thread; {found['wall_s']:.3g} s of wall-clock "
            f"time, of which {stages}; {found['links']}",
        )
        yield Measure(
            f"memory_mib_{racks}",
            round(found["memory_mib"]),
            "MiB",
            how=f"largest resident size of the process that made the steps of {racks} racks, "
            "libraries included",
        )
    gap = bench.step("gap-100", {"racks": 100}, partial(_apart, _gaps, 100))
    yield Measure(
        "objective_gap",
        round(gap["gap"], 5),
        "of the cost",
        0.005,
        "at_most",
        how="cost of four hours (energy at its price, moves and penalties, rolled out by the "
        "nonlinear model) of our plan over that of the problem in which every rack has a row at "
        "every check, less 1, both solved for up to five rounds; 100 racks, the worse of a flat "
        "price and dear hours ahead",
    )
    yield Measure(
        "rounds_gap_100",
        round(gap["rounds_gap"], 4),
        "of the cost",
        how="the same cost of our plan with the rounds that it has in service over that with up to "
        "five, less 1, in the second step of a hall that is far from its rest: the steps after it "
        "are the missing rounds",
    )
    yield Measure(
        "blocking_gap_100",
        round(gap["blocking_gap"], 4),
        "of the cost",
        how="the same over two hours, against a problem in which besides each step has a move of "
        "its own, at a write's rate every step: the dwell between writes, which our blocks keep, "
        f"is part of it. That problem took {gap['full_s']:.1f} s, ours {gap['ours_s']:.2f} s",
    )
    yield Measure(
        "cost_over_bound_100",
        round(gap["over_bound"], 4),
        "of the bound",
        how="the cost of those two hours over the relaxation's of `benchmarks.tick_bound`, less 1: "
        "ranges, rates and powers alone, as if no rack had a limit and each were as cool as the "
        "coldest plan makes it. No plan can be below it by these models",
    )
    yield from _peers(bench)
    yield Measure(
        "full_over_ours_100",
        round(gap["full_s"] / gap["ours_s"], 1),
        "times",
        how="time of that full problem's plan over ours",
    )


def _gaps(racks: int) -> dict[str, float]:
    from benchmarks.tick_gap import gaps

    return gaps(racks)


def _peers(bench: Bench) -> Iterator[Measure]:
    """What the peers of `benchmarks.tick_peers` take for a step, over what our plan takes."""
    from benchmarks import tick_peers as peers

    for name, racks, work, goal, what in (
        ("plain", 500, peers.plain_over_ours, 15.0, "the plain sparse problem: one state a rack, "
         "every rack and step, stated in CVXPY and solved by Clarabel once"),
        ("dompc", 100, peers.dompc_over_ours, 10.0, "the second step of do-mpc with IPOPT on the "
         "same one state a rack, without its set-up"),
    ):  # fmt: skip
        found = bench.step(f"{name}-{racks}", {"racks": racks}, partial(_apart, work, racks))
        yield Measure(
            f"{name}_over_ours_{racks}",
            round(found["peer_s"] / found["ours_s"], 1),
            "times",
            goal,
            "at_least",
            how=f"processor seconds of {what} ({found['peer_s']:.2f} s), over those of our plan "
            f"with its rounds and verification ({found['ours_s']:.2f} s); neither has estimate "
            f"and forecast; {racks} racks",
        )


def _apart(work: Any, racks: int) -> Any:
    """In a process of its own, whose memory nothing else has touched."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, racks).result()


def _ticks(racks: int) -> dict[str, Any]:
    import asyncio

    import torch

    from benchmarks.sized import snapshots, untrained
    from controller.estimation.learned import LearnedEstimator, LearnedForecaster
    from controller.planning.predictor import LearnedPredictor
    from controller.planning.settings import PlanningSettings
    from controller.planning.solve import PlanMaker
    from controller.planning.worker import InProcessPlanner
    from controller.tick import Parts, TickState, tick

    torch.set_num_threads(1)
    site = scaled_site(racks // HALL_RACKS)
    bundle = untrained(site)
    settings = PlanningSettings()
    seen = snapshots(site, bundle, MINUTES + 5 * TICKS)
    maker = PlanMaker(site, LearnedPredictor(site, bundle), settings)
    parts = Parts(
        site=site,
        model_version=bundle.version,
        estimator=LearnedEstimator(site, bundle),
        forecaster=LearnedForecaster(site, bundle),
        planner=InProcessPlanner(maker),
        authority=_Nobody(),
        gateway=_Nobody(),
        settings=settings,
    )
    state = TickState.start(site)
    for snapshot in seen[:MINUTES]:
        state = state.seen(snapshot)
    seconds, walls, stages, links = [], [], [], []
    loop = asyncio.new_event_loop()
    for number in range(TICKS):
        now = MINUTES + 5 * number
        for snapshot in seen[now : now + 5]:
            state = state.seen(snapshot)
        began, wall = time.process_time(), time.perf_counter()
        state, record = loop.run_until_complete(tick(state, seen[now + 4], parts))
        seconds.append(time.process_time() - began)
        walls.append(time.perf_counter() - wall)
        stages.append(record.seconds)
        if record.outcome is None:
            raise RuntimeError(f"the step was not planned: {record.note}")
        links.append([attempt.link for attempt in record.outcome.attempts])
    loop.close()
    return {
        "tick_s": float(np.median(seconds[1:])),
        "wall_s": float(np.median(walls[1:])),
        "stages": {
            name: float(np.median([lap[name] for lap in stages[1:]]))
            for name in ("estimate", "forecast", "plan")
        },
        "links": f"solves {[len(link) for link in links[1:]]}",
        "groups": len(site.groups),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


class _Nobody:
    """Decides nothing, so that nothing is written."""

    def decide(self, proposal: Any, snapshot: Any, now_s: float) -> None:
        """No decision."""

    def drop(self, proposal_id: str, why: str, now_s: float) -> None:
        """Nothing waits."""

    def overrides(self, now_s: float) -> tuple[Any, ...]:  # noqa: ARG002 - a port
        """Nobody holds anything."""
        return ()

    async def send(self, decision: Any, commands: Any) -> tuple[Any, ...]:  # noqa: ARG002 - a port
        """Never asked."""
        return ()
