"""The three processes of a running site: simulator, gateway, controller."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.demo.options import DemoError

STOP_WITHIN_S = 20.0
TAIL_LINES = 12


@dataclass(slots=True)
class Child:
    """A process of ours, its log and how it ended."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        """Whether it is still there."""
        return self.process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self.process.poll()

    def tail(self) -> str:
        """The end of what it said."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(f"  {self.name}: {line}" for line in lines[-TAIL_LINES:])
        return ""

    def how_it_ended(self) -> str:
        """In words."""
        status = self.status
        if status is None:
            return "running"
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


@contextlib.contextmanager
def children(logs: Path) -> Iterator[Starter]:
    """A starter of processes; whatever still runs at the end is stopped, last started first."""
    logs.mkdir(parents=True, exist_ok=True)
    starter = Starter(logs)
    try:
        yield starter
    finally:
        starter.stop_all()


class Starter:
    """Starts Python modules as processes of their own, each with a log."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.started: list[Child] = []

    def start(self, name: str, module: str, arguments: Sequence[str]) -> Child:
        """Run ``python -m module arguments`` with both outputs in ``name.log``.

        The child gets a process group of its own, so that Ctrl-C reaches this process
        alone and the children are stopped in order.
        """
        log = self._logs / f"{name}.log"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
        child = Child(name, process, log)
        self.started.append(child)
        return child

    def stop_all(self) -> None:
        """Stop what runs, last started first, each given time to leave the plant cleanly."""
        for child in reversed(self.started):
            if child.running:
                child.process.terminate()
                try:
                    child.process.wait(STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()


def await_file(path: Path, child: Child, within_s: float) -> dict[str, Any]:
    """The JSON that ``child`` writes to ``path`` once it is ready.

    Raises
    ------
    DemoError
        It ended before, with the end of its log, or took too long.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        if not child.running:
            raise DemoError(
                f"the {child.name} did not start ({child.how_it_ended()}):\n{child.tail()}"
            )
        time.sleep(0.05)
    raise DemoError(f"the {child.name} was not ready after {within_s:g} s:\n{child.tail()}")
