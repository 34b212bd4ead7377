"""Where tasks run, and the folder that remembers which are done.

A task is a function by its name and arguments that JSON can hold, so that any process anywhere can
run it and its result is the same wherever it ran. Each result is a file of its own, written whole
or not at all: an interrupted sweep goes on where it was, and a worker that is killed costs its one
task another try.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

TRIES = 3
"""How often a task is tried whose worker died; a task that raises is not tried again."""


class SweepError(Exception):
    """A sweep that cannot be run or finished: what is wrong and how to mend it."""


@dataclass(frozen=True)
class Task:
    """One run."""

    key: str
    """Its name in the table and among the files."""
    function: str
    """``module:function``; takes the arguments by name and answers JSON values."""
    arguments: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked: a kept result of something else is not taken for this one."""
        asked = json.dumps([self.function, dict(self.arguments)], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()


@dataclass(frozen=True)
class Done:
    """A task's result, or why there is none."""

    task: Task
    result: Any = None
    error: str = ""


class Engine(Protocol):
    """Runs tasks in whatever order, and answers each when it is done."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """Every task once; a lost worker's task is tried again."""
        ...


class LocalEngine:
    """Processes of this machine."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or os.cpu_count() or 1

    def run(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """See `Engine`."""
        waiting = [(task, 1) for task in tasks]
        while waiting:
            # A pool with a dead worker is of no more use; what it had not done goes to a new one.
            waiting = yield from self._round(waiting)

    def _round(
        self, waiting: list[tuple[Task, int]]
    ) -> Generator[Done, None, list[tuple[Task, int]]]:
        left: list[tuple[Task, int]] = []
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            futures: dict[Future[Any], tuple[Task, int]] = {
                pool.submit(call, task.function, dict(task.arguments)): (task, number)
                for task, number in waiting
            }
            while futures:
                finished, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in finished:
                    task, number = futures.pop(future)
                    try:
                        yield Done(task, future.result())
                    except BrokenProcessPool:
                        if number < TRIES:
                            left.append((task, number + 1))
                        else:
                            yield Done(task, error=f"its worker died {TRIES} times")
                    except Exception as error:  # noqa: BLE001 - told with its task, never lost
                        yield Done(task, error=f"{type(error).__name__}: {error}")
        return left


class RayEngine:
    """A Ray cluster, or Ray on this machine.

    Parameters
    ----------
    address
        Of a running cluster (``auto``, ``host:port``); None starts one here and ends it.
    workers
        Processors to use here.

    Raises
    ------
    SweepError
        Ray is not installed (``pip install 'isotherm[ray]'``), or does not answer.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise SweepError(
                "the engine ray needs Ray: pip install 'isotherm[ray]', or use --engine local"
            ) from None
        self._ray, self._address, self._workers = ray, address, workers

    def run(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """See `Engine`."""
        ray = self._ray
        try:
            ray.init(
                address=self._address,
                num_cpus=None if self._address else self._workers,
                include_dashboard=None if self._address else False,
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SweepError(f"Ray at {self._address or 'this machine'}: {error}") from None
        try:
            remote = ray.remote(max_retries=TRIES - 1)(call)
            refs = {remote.remote(task.function, dict(task.arguments)): task for task in tasks}
            while refs:
                finished, _ = ray.wait(list(refs), num_returns=1)
                task = refs.pop(finished[0])
                try:
                    yield Done(task, ray.get(finished[0]))
                except ray.exceptions.RayTaskError as error:
                    cause = error.cause
                    yield Done(task, error=f"{type(cause).__name__}: {cause}")
                except ray.exceptions.RayError as error:
                    yield Done(task, error=f"its worker died {TRIES} times: {error}")
        finally:
            ray.shutdown()


def call(function: str, arguments: dict[str, Any]) -> Any:
    """Run a task's function in whatever process this is."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(**arguments)


def run_sweep(
    tasks: Sequence[Task],
    folder: Path,
    engine: Engine,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Run what is not done yet; answer the results by key, in the order of ``tasks``.

    Raises
    ------
    SweepError
        Two tasks share a key, or some failed: their reasons, all of them. What is done is kept.
    """
    keys = [task.key for task in tasks]
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})
        raise SweepError(f"tasks of the same name: {', '.join(twice)}")
    folder.mkdir(parents=True, exist_ok=True)
    results = {task.key: kept for task in tasks if (kept := _kept(folder, task)) is not None}
    left = [task for task in tasks if task.key not in results]
    if progress is not None:
        progress(len(results), len(tasks))
    failed = []
    for done in engine.run(left) if left else ():
        if done.error:
            failed.append(f"{done.task.key}: {done.error}")
            continue
        result = json.loads(json.dumps(done.result, allow_nan=False))
        _keep(folder, done.task, result)
        results[done.task.key] = result
        if progress is not None:
            progress(len(results), len(tasks))
    if failed:
        raise SweepError(
            f"{len(failed)} of {len(tasks)} tasks failed; the others are kept in {folder}, and the "
            "same command tries these again:\n" + "\n".join(sorted(failed))
        )
    return {key: results[key] for key in keys}


def _kept(folder: Path, task: Task) -> Any:
    try:
        data = json.loads((folder / f"{task.key}.json").read_text(encoding="utf-8"))
        return data["result"] if data["asked"] == task.digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(folder: Path, task: Task, result: Any) -> None:
    handle, name = tempfile.mkstemp(dir=folder, prefix=task.key, suffix=".new")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"asked": task.digest, "result": result}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(folder / f"{task.key}.json")
