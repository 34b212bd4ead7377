"""The planner in a process of its own, with a limit on the wall's time; and one without.

A solver's own time limit is not enough: native code can hang where no Python runs. The worker
is spawned once, keeps its compiled problem, and is killed and started anew when an answer does
not come in time; the step then goes by the last verified plan, as far as that cools more, or
without one by the ramp to more cooling, a rule that needs neither solver nor model.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

from controller.planning.ramp import ramp_plan
from controller.planning.settings import PlanningSettings
from controller.planning.words import Attempt, Plan, PlanOutcome, PlanRequest

if TYPE_CHECKING:
    from controller.planning.solve import PlanMaker

Build = Callable[[], "PlanMaker"]
"""Makes the planner inside the worker; picklable (a `functools.partial` of a function)."""

START_LIMIT_S = 180.0
"""Loading torch, cvxpy and the models, and compiling the problem, on a slow machine."""
TRUSTED_S = 1800.0
"""How long a plan is carried on without the models: as long as a gateway lets one stand."""


class InProcessPlanner:
    """Plans in this very process: for tests and lock-step runs. Nothing can be killed here."""

    def __init__(self, maker: PlanMaker) -> None:
        self._maker = maker

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        """The maker's answer."""
        return self._maker.make(request)

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    warm: bool = False
    asked: int = 0
    """Requests sent; an answer bears the number of its own."""


class WorkerPlanner:
    """Plans in a spawned process; answers within ``limit_s`` whatever happens in there.

    Parameters
    ----------
    build
        Makes the planner in the worker; sent there by pickle.
    settings
        Has the limit in wall-clock seconds for an answer of a warm worker.
    """

    def __init__(
        self, build: Build, settings: PlanningSettings, start_limit_s: float = START_LIMIT_S
    ) -> None:
        self._build, self._settings, self._start_limit_s = build, settings, start_limit_s
        self._worker: _Worker | None = None
        self._last: tuple[PlanRequest, Plan] | None = None
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Start the worker and have it load its models, before anybody waits for a plan.

        What goes wrong is not told here: the first plan meets it again, with a worker started anew,
        and says so.
        """
        async with self._turn:
            worker = self._worker or self._start()
            try:
                await _exchange(worker, None, self._start_limit_s)
            except (EOFError, OSError):  # a TimeoutError is among them
                self._kill()

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        """The worker's answer, or what can be done without it."""
        async with self._turn:
            return await self._plan(request)

    async def _plan(self, request: PlanRequest) -> PlanOutcome:
        started = time.perf_counter()
        worker = self._worker or self._start()
        limit_s = self._settings.wall_clock_limit_s if worker.warm else self._start_limit_s
        try:
            outcome = await _exchange(worker, request, limit_s)
        except TimeoutError:
            why = f"no answer within {limit_s:g} s; the planner's process was killed"
            self._kill()
            return self._without(request, why, started, timed_out=True)
        except (EOFError, OSError, BrokenPipeError) as error:
            why = f"the planner's process died: {type(error).__name__} {error}".rstrip()
            self._kill()
            return self._without(request, why, started, timed_out=False)
        if isinstance(outcome, str):
            return self._without(request, outcome, started, timed_out=False)
        worker.warm = True
        if outcome.plan is not None and outcome.plan.verified:
            self._last = request, outcome.plan
        return replace(outcome, seconds=time.perf_counter() - started)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, self._build, os.getpid()), daemon=True, name="planner"
        )
        process.start()
        theirs.close()
        self._worker = _Worker(process, ours)
        return self._worker

    def _kill(self) -> None:
        if self._worker is None:
            return
        self._worker.process.kill()
        self._worker.process.join(5.0)
        self._worker.pipe.close()
        self._worker = None

    def _without(
        self, request: PlanRequest, why: str, started: float, *, timed_out: bool
    ) -> PlanOutcome:
        """The last verified plan, where it is still one to act on; else the rule's."""
        attempts = [Attempt("worker", 0, "timed out" if timed_out else "failed", False, why)]
        plan, carried_from = None, None
        if self._last is not None:
            carried_from = self._last[0].number
            plan = carry_on(self._last[1], request)
            said = "" if plan is not None else "it is out of date, or its limits have moved"
            attempts.append(Attempt("previous", 0, "shifted", plan is not None, said))
        if plan is None:
            plan = ramp_plan(request, self._settings)
            attempts.append(Attempt("ramp", 0, "by rule", True))
        return PlanOutcome(
            plan,
            tuple(attempts),
            timed_out,
            time.perf_counter() - started,
            carried_from=carried_from,
        )

    async def close(self) -> None:
        """End the worker."""
        self._kill()


def carry_on(plan: Plan, request: PlanRequest) -> Plan | None:
    """A verified plan as seen from now, if its next step is still within limits and rates.

    Without the models it cannot be rolled out again, so it is only trusted for `TRUSTED_S`, and
    nothing in it may ask for less cooling than is in force.
    """
    age_s = request.now_s - plan.start_s
    if not 0.0 <= age_s <= TRUSTED_S:
        return None
    if plan.groups != tuple(limit.group for limit in request.limits):
        return None
    setpoints = []
    for line in plan.shifted(request.now_s):
        values = []
        for value, limit in zip(line, request.limits, strict=True):
            asked = limit.in_force if limit.fixed_at is None else limit.fixed_at
            cools_more = value < asked if limit.colder_is_lower else value > asked
            free = limit.fixed_at is None and limit.free_from_s <= request.now_s
            inside = limit.lower <= value <= limit.upper
            reach = limit.fall_per_step if value < asked else limit.rise_per_step
            near = abs(value - asked) <= reach
            if limit.group in request.charges and limit.fixed_at is None:
                # Nobody knows what it is worth now: a tank stands still, as near as its rate lets,
                # but for one that gives cold, which may be needed.
                rest = min(max(limit.in_force, limit.lower), 0.0)
                still = max(limit.in_force - limit.fall_per_step, rest)
                values.append(min(still, limit.in_force + limit.rise_per_step))
                continue
            values.append(value if cools_more and free and inside and near else asked)
        setpoints.append(tuple(values))
    return replace(
        plan,
        start_s=request.now_s,
        setpoints=tuple(setpoints),
        link="previous",
        binding=(),
        effects=(),
        shortfalls=(),
    )


async def _exchange(
    worker: _Worker, request: PlanRequest | None, limit_s: float
) -> PlanOutcome | str:
    """Send a request (None: get ready) and wait for the answer, off the event loop.

    Late answers to requests before it are dropped.
    """
    worker.asked += 1
    number, pipe = worker.asked, worker.pipe

    def wait() -> PlanOutcome | str:
        ends = time.monotonic() + limit_s
        pipe.send((number, request))
        while pipe.poll(max(ends - time.monotonic(), 0.0)):
            answered: int
            answer: PlanOutcome | str
            answered, answer = pipe.recv()
            if answered == number:
                return answer
        raise TimeoutError

    return await asyncio.to_thread(wait)


def serve(pipe: Connection, build: Any, parent: int) -> None:
    """The worker's life: build the planner, then answer until the pipe closes."""
    # One request at a time, on small matrices: threads would only fight over two cores.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    maker: PlanMaker | None = None
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while os.getppid() == parent:
            if not pipe.poll(1.0):
                continue
            number, request = pipe.recv()
            try:
                if maker is None:
                    maker = build()
                pipe.send((number, "ready" if request is None else maker.make(request)))
            except Exception as error:  # noqa: BLE001 - whatever it is, the step must have an answer
                pipe.send((number, f"the planner failed: {type(error).__name__}: {error}"))
