"""One forked process for each job: what it answers, or that it died or took too long.

A worker that breaks is never taken for an answer: each job ends in exactly one `Ended`, and what
did not answer says how it ended.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Work = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Ended(Generic[Job]):
    """How a job ended: with an answer, or why without one."""

    job: Job
    answer: dict[str, Any] | None
    why: str = ""
    """``timed out`` or ``crashed`` with how, where there is no answer."""
    took_s: float = 0.0


@dataclass
class _Child(Generic[Job]):
    job: Job
    process: int
    pipe: int
    started_s: float
    limit_s: float
    heard: bytes = b""


def in_forks(
    jobs: Iterable[Job], work: Work[Job], *, workers: int, limit_s: Callable[[Job], float]
) -> Iterator[Ended[Job]]:
    """Do each job in a process of its own, ``workers`` at a time; in the order of their ends."""
    waiting = iter(jobs)
    selector = selectors.DefaultSelector()
    running: dict[int, _Child[Job]] = {}
    try:
        while True:
            while len(running) < workers and (job := next(waiting, None)) is not None:
                child = _start(job, work, limit_s(job))
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            if not running:
                return
            yield from _listen(selector, running)
    finally:
        for child in running.values():
            os.kill(child.process, signal.SIGKILL)
            os.waitpid(child.process, 0)


def _start(job: Job, work: Work[Job], limit_s: float) -> _Child[Job]:
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return _Child(job, process, reading, time.monotonic(), limit_s)
    status = 70
    try:
        os.setpgid(0, 0)
        os.close(reading)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        answer = json.dumps(work(job)).encode() + b"\n"
        while answer:
            answer = answer[os.write(writing, answer) :]
        status = 0
    finally:
        os._exit(status)


def _listen(
    selector: selectors.BaseSelector, running: dict[int, _Child[Job]]
) -> Iterator[Ended[Job]]:
    for key, _ in selector.select(timeout=0.2):
        child = running[key.fd]
        block = os.read(child.pipe, 65536)
        child.heard += block
        if not block:
            yield _finish(selector, running, child, "")
    now_s = time.monotonic()
    for child in list(running.values()):
        if now_s - child.started_s > child.limit_s:
            os.killpg(child.process, signal.SIGKILL)
            yield _finish(selector, running, child, "timed out")


def _finish(
    selector: selectors.BaseSelector,
    running: dict[int, _Child[Job]],
    child: _Child[Job],
    why: str,
) -> Ended[Job]:
    selector.unregister(child.pipe)
    os.close(child.pipe)
    del running[child.pipe]
    _, status = os.waitpid(child.process, 0)
    took_s = time.monotonic() - child.started_s
    if not why and status == 0 and child.heard.endswith(b"\n"):
        return Ended(child.job, json.loads(child.heard), took_s=took_s)
    how = os.waitstatus_to_exitcode(status)
    ended = f"signal {-how}" if how < 0 else f"exit status {how}"
    return Ended(child.job, None, why or f"crashed: {ended}", took_s)
