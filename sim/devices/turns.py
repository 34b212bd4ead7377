"""The clock server of a stepped run: who works when, and when plant time moves on.

Protocol in `facility.clock.SteppedClock`: one line of JSON each way. Exactly one
participant is at work at any instant; plant time stands still meanwhile. When all wait,
the one with the earliest wake-up gets the next turn, after the plant has been brought
there; those of the same moment go in the fixed order of the names, each once before any
goes again. A participant whose connection ends, by whatever death, is waited for no more;
it may join again and gets a turn at that moment. When nobody is left the plant runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"
LEAVE_WITHIN_S = 30.0
"""Wall time that participants have to leave after the end of a run."""
STRIDE_S = 10.0
"""Plant time between two looks at the sockets while nobody is due."""

Advance = Callable[[float], Awaitable[None]]


@dataclass(slots=True)
class _Participant:
    """A connected process; at work while ``wake_s`` is None."""

    name: str
    rank: int
    writer: asyncio.StreamWriter
    wake_s: float | None
    turn_at_s: float = -math.inf
    turns: int = 0
    """Turns at the moment ``turn_at_s``."""


class ClockServer:
    """Hands out the turns of a run.

    Parameters
    ----------
    advance
        Brings the plant to a time.
    clients
        Names that the start waits for, in the order of their turns; others may join too
        and come after them.
    start_s, ends_at_s
        Plant time of the run.
    pace
        At most so many times real time; None is as fast as it goes.
    """

    def __init__(
        self,
        advance: Advance,
        clients: Sequence[str],
        *,
        start_s: float,
        ends_at_s: float,
        pace: float | None = None,
    ) -> None:
        self._advance, self._ends_at_s, self._pace = advance, ends_at_s, pace
        self._awaited = set(clients)
        self._ranks = {name: rank for rank, name in enumerate(clients)}
        self._participants: dict[str, _Participant] = {}
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._released_at = 0.0
        self.now_s = start_s

    async def start(self) -> tuple[str, int]:
        """Listen on a free port of the loopback interface; the host and the port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def run(self) -> None:
        """Hand out turns until the end of the run, and wait until everybody has left."""
        await self._until(lambda: not self._awaited)
        while self.now_s < self._ends_at_s:
            await self._until(self._all_wait)
            due = min(self._participants.values(), key=self._precedence, default=None)
            wake_s = math.inf if due is None or due.wake_s is None else due.wake_s
            if wake_s > self.now_s:
                await self._stride(min(wake_s, self._ends_at_s))
            elif due is not None:
                await self._turn(due)
        await self._until(self._all_wait)
        for participant in list(self._participants.values()):
            await self._answer(participant, {"now": self.now_s, "end": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._until(lambda: not self._participants)

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            for participant in list(self._participants.values()):
                participant.writer.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def present(self) -> tuple[str, ...]:
        """Who takes part now."""
        return tuple(self._participants)

    def _all_wait(self) -> bool:
        return all(p.wake_s is not None for p in self._participants.values())

    def _precedence(self, participant: _Participant) -> tuple[float, int, int]:
        """Earliest first; at one moment fewest turns first, then by rank."""
        wake_s = self.now_s if participant.wake_s is None else participant.wake_s
        moment_s = max(wake_s, self.now_s)
        turns = participant.turns if participant.turn_at_s == moment_s else 0
        return moment_s, turns, participant.rank

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _stride(self, to_s: float) -> None:
        """Move towards ``to_s``, by one stride, no faster than the pace allows."""
        loop = asyncio.get_running_loop()
        if self._pace is None:
            to_s = min(to_s, self.now_s + STRIDE_S)
            await asyncio.sleep(0)
        else:
            to_s = min(to_s, self.now_s + 1.0)
            self._released_at = max(
                self._released_at + (to_s - self.now_s) / self._pace, loop.time()
            )
            await asyncio.sleep(self._released_at - loop.time())
        await self._advance(to_s)
        self.now_s = to_s

    async def _turn(self, participant: _Participant) -> None:
        if participant.turn_at_s != self.now_s:
            participant.turn_at_s, participant.turns = self.now_s, 0
        participant.turns += 1
        participant.wake_s = None
        await self._answer(participant, {"now": self.now_s})

    async def _answer(
        self, participant: _Participant, message: dict[str, float | bool | str]
    ) -> None:
        participant.writer.write(json.dumps(message).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # its reader sees the end and forgets it
            await participant.writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        participant: _Participant | None = None
        try:
            while line := await reader.readline():
                participant = await self._take(participant, line, writer)
        except ConnectionError:
            pass
        except ValueError as error:  # a line that is no message, or too long
            complaint = {"error": f"clock server: {error}"}
            writer.write(json.dumps(complaint).encode() + b"\n")
        finally:
            if participant and self._participants.get(participant.name) is participant:
                del self._participants[participant.name]
            writer.close()
            self._changed.set()

    async def _take(
        self, participant: _Participant | None, line: bytes, writer: asyncio.StreamWriter
    ) -> _Participant:
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError(f"expected an object, got {message!r}")
        if participant is None:
            name = message.get("join")
            if not isinstance(name, str):
                raise ValueError(f'join first, as {{"join": NAME}}; got {message!r}')
            participant = self._join(name, writer)
        else:
            wake_s = message.get("wake")
            if not isinstance(wake_s, (int, float)) or not math.isfinite(wake_s):
                raise ValueError(f'expected {{"wake": TIME}}, got {message!r}')
            participant.wake_s = float(wake_s)
        if self.now_s >= self._ends_at_s:
            await self._answer(participant, {"now": self.now_s, "end": True})
        self._changed.set()
        return participant

    def _join(self, name: str, writer: asyncio.StreamWriter) -> _Participant:
        if (older := self._participants.pop(name, None)) is not None:
            older.writer.close()  # a process that was killed and is back before we noticed
        rank = self._ranks.setdefault(name, len(self._ranks))
        participant = _Participant(name, rank, writer, wake_s=self.now_s)
        self._participants[name] = participant
        self._awaited.discard(name)
        return participant
