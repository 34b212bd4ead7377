"""The planner of a recorded step: in a worker process like the one that answered first."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from controller.planning.words import PlanOutcome, PlanRequest
from controller.planning.worker import WorkerPlanner
from controller.records import TickRecord
from controller.replay.inputs import model_of, site_of
from controller.replay.recompute import (
    Ask,
    Find,
    ReplayError,
    Sources,
    is_without_planner,
    settings_of,
)
from facility.site import Site

PATIENCE_S = 600.0
"""A replay waits for an answer however busy the machine is; it never falls back by itself."""


def sources_of(
    state: Path, find: Find, site_dir: Path | None = None, model_dir: Path | None = None
) -> Sources:
    """What was kept beside the records in ``state``, or the given directories before it."""

    @contextmanager
    def planner(site: Site, tick: TickRecord) -> Iterator[Ask]:
        from controller.planning.build import plan_maker

        site_at, _ = site_of(state, tick.site_hash, site_dir)
        model_at, _ = model_of(state, tick.model_version, site, model_dir)
        settings = settings_of(tick)
        build = functools.partial(plan_maker, site_at, model_at, settings)
        patient = replace(settings, wall_clock_limit_s=PATIENCE_S)
        with asyncio.Runner() as runner:
            worker = WorkerPlanner(build, patient, start_limit_s=PATIENCE_S)

            def ask(request: PlanRequest) -> PlanOutcome:
                outcome = runner.run(worker.plan(request))
                if is_without_planner(outcome):
                    raise ReplayError(f"the planner does not answer: {outcome.attempts[0].why}")
                return outcome

            try:
                yield ask
            finally:
                runner.run(worker.close())

    return Sources(find, lambda content: site_of(state, content, site_dir)[1], planner)
