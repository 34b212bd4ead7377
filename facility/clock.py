"""Time as a port: plant time, which a simulator can stop, step or hurry.

Plant time is POSIX seconds in UTC as a float. It never goes back, whatever the
wall clock does: `WallClock` counts on the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Protocol

HURRY_LIMIT = 10.0
"""Wall clocks run at most this many times real time: devices answer in real milliseconds."""


class RunEnded(Exception):
    """The simulator has come to the end of its run: leave cleanly."""


class Clock(Protocol):
    """Where a process learns the time, and how it waits."""

    @property
    def stands_still(self) -> bool:
        """Whether time stops while this process works (stepped), or runs on (wall)."""
        ...

    def now_s(self) -> float:
        """Plant time now, POSIX seconds UTC; never less than the last answer."""
        ...

    async def sleep_until(self, time_s: float) -> float:
        """Wait until plant time is at least ``time_s``; answer the time it is then."""
        ...


class WallClock:
    """Plant time that runs ``rate`` times as fast as the wall's.

    Parameters
    ----------
    start_s
        Plant time at ``start_monotonic_s`` (default: the wall's time now).
    start_monotonic_s
        A reading of `time.monotonic`, which all processes of a machine share, so
        that processes given the same pair agree on the time (default: now).
    rate
        Above 0 and at most `HURRY_LIMIT`.
    """

    stands_still = False

    def __init__(
        self,
        start_s: float | None = None,
        start_monotonic_s: float | None = None,
        rate: float = 1.0,
    ) -> None:
        if not 0.0 < rate <= HURRY_LIMIT:
            raise ValueError(f"rate must be above 0 and at most {HURRY_LIMIT:g}, not {rate!r}")
        self._start_s = time.time() if start_s is None else start_s
        self._start_monotonic_s = (
            time.monotonic() if start_monotonic_s is None else start_monotonic_s
        )
        self.rate = rate

    def now_s(self) -> float:
        """Plant time now."""
        return self._start_s + (time.monotonic() - self._start_monotonic_s) * self.rate

    async def sleep_until(self, time_s: float) -> float:
        """Wait until plant time is at least ``time_s``."""
        while (left_s := time_s - self.now_s()) > 0.0:
            await asyncio.sleep(left_s / self.rate)
        return self.now_s()


class SteppedClock:
    """Plant time that a simulator advances when every process has said when it wakes.

    One line of JSON each way over a loopback TCP connection to the simulator's
    clock server: ``{"join": name}`` is answered by ``{"now": time_s}`` once the
    run starts; ``{"wake": time_s}`` is answered by ``{"now": time_s}`` when that
    moment has come and it is this process's turn. Between an answer and the next
    ``wake`` time stands still for everybody. At the end of a run the answer also
    says ``"end": true``. The server gives turns of the same
    moment in a fixed order of names, so a run repeats bit for bit.
    """

    stands_still = True

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, now_s: float
    ) -> None:
        self._reader, self._writer, self._now_s = reader, writer, now_s

    @classmethod
    async def join(cls, host: str, port: int, name: str) -> SteppedClock:
        """Connect to the clock server as participant ``name`` and wait for the start."""
        reader, writer = await asyncio.open_connection(host, port)
        clock = cls(reader, writer, 0.0)
        await clock._exchange({"join": name})
        return clock

    def now_s(self) -> float:
        """Plant time, as of the last turn."""
        return self._now_s

    async def sleep_until(self, time_s: float) -> float:
        """Announce the next wake-up and wait for the turn."""
        await self._exchange({"wake": time_s})
        return self._now_s

    async def _exchange(self, message: dict[str, float | str]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")
        await self._writer.drain()
        line = await self._reader.readline()
        if not line:
            raise ConnectionError("the simulator's clock has gone away")
        answer = json.loads(line)
        self._now_s = float(answer["now"])
        if answer.get("end"):
            self._writer.close()
            raise RunEnded(f"the run ended at {iso(self._now_s)}")

    async def leave(self) -> None:
        """Take no further part; the others go on without waiting for this process."""
        self._writer.close()


class FixedClock:
    """A clock for tests and replays: it stands where it is put."""

    stands_still = True

    def __init__(self, now_s: float) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        """Where the clock stands."""
        return self._now_s

    async def sleep_until(self, time_s: float) -> float:
        """Jump to ``time_s`` at once."""
        self._now_s = max(self._now_s, time_s)
        return self._now_s


def iso(time_s: float) -> str:
    """A plant time as ISO 8601 in UTC, to the millisecond: ``2024-04-07T00:00:00.000Z``."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Plant time of an ISO 8601 date or date-time; without an offset it is UTC.

    Raises
    ------
    ValueError
        ``text`` is not a date or date-time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
