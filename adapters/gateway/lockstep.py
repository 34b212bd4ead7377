"""The lock-step shell: the same gateway in one process with its plant, without sockets.

For benchmarks and tests that want every rule of the gateway at the speed of the plant
model. Drivers must answer at once (`adapters.in_process.InProcessDriver` over a plant,
`adapters.driver.FakeDriver`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from adapters.driver import Driver, Now
from adapters.gateway.field import Visit
from adapters.gateway.house import House
from facility.commands import Command, Decision, Mode, Override, Receipt
from facility.site import Site
from facility.telemetry import Snapshot

T = TypeVar("T")

_CONNECTION = 1


def run_at_once(job: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits.

    Raises
    ------
    RuntimeError
        It waits for something: its driver is one for the asyncio shell.
    """
    try:
        job.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    job.close()
    raise RuntimeError("a driver of the lock-step gateway waited; use the asyncio shell for it")


class LockStepRim:
    """One device after the other."""

    async def together(self, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        """Each of ``jobs`` in turn."""
        for job in jobs:
            await job

    async def visits(self, jobs: Mapping[str, Coroutine[Any, Any, Visit]]) -> Mapping[str, Visit]:
        """All of them, done."""
        return {device: await job for device, job in jobs.items()}

    def is_busy(self, device: str) -> bool:  # noqa: ARG002 - the port's argument
        """Never: every visit ends before the next begins."""
        return False


class LockStepGateway:
    """A gateway whose seconds its owner counts.

    Parameters
    ----------
    drivers
        By device id; none may wait.
    now
        Plant time.
    state
        Folder of journal and modes; None keeps them in memory (`house.journal`).
    """

    def __init__(
        self, site: Site, drivers: Mapping[str, Driver], now: Now, state: Path | None = None
    ) -> None:
        self.house = House.build(site, drivers, LockStepRim(), now, state)
        self._now = now

    def second(self) -> None:
        """Everything of one second of plant time."""
        run_at_once(self.house.rounds.second())

    def beat(self, plan_age_s: float | None = 0.0) -> None:
        """The client lives."""
        self.house.office.beat(_CONNECTION, "lock-step", {"plan_age_s": plan_age_s}, self._now())

    def hang_up(self) -> None:
        """The client has gone."""
        self.house.core.watch.left(_CONNECTION)

    def snapshot(self) -> Snapshot:
        """The site now."""
        return self.house.core.snapshot(self._now())

    def register(self, authority: Decision | Override) -> None:
        """Register a decision or an override; `safety.authority.AuthorityError` says why not."""
        self.house.core.register(authority, self._now())

    def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Judge and carry out commands."""
        return run_at_once(self.house.rounds.command(commands))

    def set_mode(self, mode: Mode, actuators: Sequence[str] | None = None) -> None:
        """Set the mode of some or (None) all actuators."""
        args = {
            "actuators": None if actuators is None else list(actuators),
            "mode": mode.value,
            "who": "lock-step",
            "why": "set by the owner of the run",
        }
        run_at_once(self.house.office.set_mode(args, self._now()))

    def release(self, why: str = "released by the owner of the run") -> None:
        """Give everything back, latched."""
        args = {"actuators": None, "who": "lock-step", "why": why}
        run_at_once(self.house.office.release(args, self._now()))

    def arm(self) -> None:
        """Lift every latch."""
        self.house.office.arm({"who": "lock-step", "why": "the owner of the run"}, self._now())
