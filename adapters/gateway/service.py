"""The asyncio shell: real drivers, the Unix socket, a clock, signals."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from adapters.gateway.door import Refusal
from adapters.gateway.field import Visit
from adapters.gateway.house import House
from adapters.gateway.probe import PROBES
from facility.clock import Clock, RunEnded
from safety.journal import JournalError

log = logging.getLogger("gateway")

PATIENCE_S = 0.4
"""Wall time that the loop waits for slow devices in a second; they may go on in the next."""


class AsyncRim:
    """Speaks to devices at once. With a clock that runs on, it does not wait for slow ones.

    Where time stands still it waits for all, so that a run repeats bit for bit.
    """

    def __init__(self, *, waits_for_all: bool) -> None:
        self._waits_for_all = waits_for_all
        self._visits: dict[str, asyncio.Task[Visit]] = {}

    async def together(self, jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
        """All of ``jobs`` at once."""
        if len(jobs) == 1:
            await jobs[0]
        elif jobs:
            await asyncio.gather(*jobs)

    async def visits(self, jobs: Mapping[str, Coroutine[Any, Any, Visit]]) -> Mapping[str, Visit]:
        """Start ``jobs``; answer those done within a moment, of these and earlier ones."""
        for device, job in jobs.items():
            self._visits[device] = asyncio.create_task(job)
        if self._visits:
            patience_s = None if self._waits_for_all else PATIENCE_S
            await asyncio.wait(self._visits.values(), timeout=patience_s)
        done = {d: task.result() for d, task in self._visits.items() if task.done()}
        for device in done:
            del self._visits[device]
        return done

    def is_busy(self, device: str) -> bool:
        """Whether an earlier visit still goes on."""
        return device in self._visits

    async def close(self) -> None:
        """Give up the visits that go on."""
        for task in self._visits.values():
            task.cancel()
        if self._visits:
            await asyncio.wait(self._visits.values())
        self._visits.clear()


class Service:
    """Runs a gateway until it is told to stop."""

    def __init__(self, house: House, clock: Clock, rim: AsyncRim) -> None:
        self._house, self._clock, self._rim = house, clock, rim
        self._turn = asyncio.Lock()
        self._names: dict[int, str] = {}
        self._stop = asyncio.Event()
        self.why_stopped = ""
        self._failure: BaseException | None = None

    def stop(self, why: str) -> None:
        """Give everything back and end."""
        self.why_stopped = self.why_stopped or why
        self._stop.set()

    async def run(self) -> int:
        """Work until `stop`, the end of the run, or a failure; answer the exit status."""
        loop = asyncio.create_task(self._loop())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait((loop, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        status = 0
        if loop.done():
            error = loop.exception()
            if isinstance(error, RunEnded):
                log.info("%s", error)
                self._house.note("run_ended", {})
                await self._rim.close()
                return 0
            self.why_stopped = _in_words(error)
            log.error("stopping: %s", self.why_stopped)
            status = 1
        if self._failure is not None:
            status = 1
        await self._give_back_all(loop)
        return status

    async def _give_back_all(self, loop: asyncio.Task[None]) -> None:
        """Release what is armed, whatever else is going on."""
        try:
            # A second that is under way may end; one that hangs is cut off.
            async with asyncio.timeout(2.0):
                async with self._turn:
                    loop.cancel()
        except TimeoutError:
            loop.cancel()
        await asyncio.wait((loop,))
        await self._rim.close()
        await self._house.give_back(self.why_stopped or "the gateway stops")

    async def _loop(self) -> None:
        next_s = self._clock.now_s()
        while True:
            async with self._turn:
                await self._house.rounds.second()
            now_s = self._clock.now_s()
            # On the grid of whole seconds, without catching up on those that were missed.
            next_s = max(next_s + 1.0, float(int(now_s)) + 1.0)
            await self._clock.sleep_until(next_s)

    # -- the socket's side ---------------------------------------------------------------------

    async def answer(self, connection: int, op: str, args: dict[str, Any]) -> str:
        """Carry out one request of a client."""
        office, now_s = self._house.office, self._clock.now_s()
        if op == "beat":
            return office.beat(connection, self._names.get(connection, ""), args, now_s)
        if op == "snapshot":
            return office.snapshot(now_s)
        if op == "hello":
            self._names[connection] = str(args.get("client", ""))[:100]
            return office.hello(now_s)
        if op == "status":
            return office.status(now_s)
        if op in PROBES:
            # Reads alone, which no turn needs to wait for: a slow device holds up nobody's heart.
            return await self._house.probe.answer(op, args)
        try:
            async with self._turn:
                return await self._in_turn(connection, op, args)
        except (JournalError, OSError) as error:
            self._failure = error
            self.stop(f"records cannot be kept: {error}")
            raise Refusal(f"the gateway stops, for its records cannot be kept: {error}") from None
        except Refusal:
            raise
        except Exception as error:
            # A fault of ours in the middle of a request: what it left half done is not known.
            self._failure = error
            self.stop(_in_words(error))
            log.exception("stopping")
            raise Refusal(f"the gateway stops: {_in_words(error)}") from error

    async def _in_turn(self, connection: int, op: str, args: dict[str, Any]) -> str:
        office, now_s = self._house.office, self._clock.now_s()
        if op == "command":
            return await office.command(connection, args, now_s)
        if op == "set_mode":
            return await office.set_mode(args, now_s)
        if op == "release":
            return await office.release(args, now_s)
        if op == "fall_silent":
            return office.fall_silent(connection, args, now_s)
        simple = {
            "decide": office.decide,
            "override": office.override,
            "end_override": office.end_override,
            "arm": office.arm,
            "approve_limits": office.approve_limits,
        }
        if op not in simple:
            known = "hello, beat, snapshot, status, command, set_mode, release, fall_silent, "
            known += ", ".join((*simple, *PROBES))
            raise Refusal(f"there is no op {op!r}; there are {known}")
        return simple[op](args, now_s)

    def left(self, connection: int) -> None:
        """A client hung up; if it was the one that beats, give everything back at once."""
        self._names.pop(connection, None)
        if not self._house.core.watch.left(connection) or self._clock.stands_still:
            return  # where time stands still, the next second sees to it
        if not self._stop.is_set():
            self._goodbye = asyncio.create_task(self._client_left())

    async def _client_left(self) -> None:
        try:
            async with self._turn:
                core = self._house.core
                devices, why = core.in_doubt(self._clock.now_s())
                if devices:
                    await self._house.rounds.give_up(devices, why)
        except (JournalError, OSError) as error:
            self._failure = error
            self.stop(f"records cannot be kept: {error}")


def ready_line(site_id: str, site_hash: str, socket_path: str, pid: int) -> str:
    """What the process says on standard output once it listens."""
    message = {
        "ready": True,
        "site": site_id,
        "site_hash": site_hash,
        "socket": socket_path,
        "pid": pid,
    }
    return json.dumps(message)


def _in_words(error: BaseException | None) -> str:
    if isinstance(error, ConnectionError | JournalError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"
