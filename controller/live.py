"""What is true just now, between the loop that knows it and the service that shows it.

In memory and of this process alone; the stores hold what must last.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from facility.commands import Mode, Receipt
from facility.telemetry import Authority, Condition, Snapshot

WAITING_EVENTS = 64
"""A client that is so many events behind is dropped: it comes back and gets the whole state."""
LATEST_TICKS = 4096
"""Ticks over which percentiles are taken: two weeks at one in five minutes."""


class Listener:
    """One client's queue of encoded events."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self.dropped = False
        """It fell so far behind that it lost something: it has to start anew."""
        self._ended = False

    def put(self, message: bytes) -> None:
        """Another event; a queue that is full ends, for what follows would not fit what came."""
        if len(self._messages) >= WAITING_EVENTS:
            self.dropped = True
            self.end()
        else:
            self._messages.append(message)
            self._wake.set()

    def end(self) -> None:
        """No more events."""
        self._ended = True
        self._wake.set()

    async def next(self, within_s: float | None = None) -> bytes | None:
        """All that has come since the last call, as one; None when it is over.

        Raises
        ------
        TimeoutError
            Nothing came within ``within_s`` wall-clock seconds.
        """
        async with asyncio.timeout(within_s):
            await self._wake.wait()
        if self._ended:
            return None
        self._wake.clear()
        message = b"".join(self._messages)
        self._messages.clear()
        return message


class Hub:
    """Events to any number of clients, each encoded once."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._count = 0
        self.news = asyncio.Event()
        """Set whenever something was published: a summary of the state is due."""

    @property
    def has_listeners(self) -> bool:
        """Whether an event would be seen: what is dear to put together may be left out."""
        return bool(self._listeners)

    def publish(self, event: str, data: Any) -> None:
        """Send an event of the stream to everybody who listens."""
        if self._listeners:
            message = self.encode(event, data)
            for listener in self._listeners:
                listener.put(message)
            self.news.set()

    def encode(self, event: str, data: Any) -> bytes:
        """An event as it stands on the wire."""
        self._count += 1
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)
        return f"id: {self._count}\nevent: {event}\ndata: {text}\n\n".encode()

    def close(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            listener.end()

    @contextmanager
    def listen(self, greeting: bytes = b"") -> Iterator[Listener]:
        """A queue of encoded events, ``greeting`` first."""
        listener = Listener()
        if greeting:
            listener.put(greeting)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)


@dataclass
class Live:
    """The controller's own view of itself."""

    site_id: str
    started_at_s: float
    now_s: float
    hub: Hub = field(default_factory=Hub)
    snapshot: Snapshot | None = None
    gateway_error: str = ""
    model_conditions: tuple[Condition, ...] = ()
    """What the watch over the model in use asks somebody for."""
    """Why there is no word from the gateway, or nothing."""
    ticks: int = 0
    fallbacks: int = 0
    last_tick: Mapping[str, Any] | None = None
    """The index record of the last tick."""
    plan_at_s: float | None = None
    """When the plan in force was made."""
    tick_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=LATEST_TICKS))
    receipts: Counter[str] = field(default_factory=Counter)
    """By result."""
    limited: int = 0
    """Commands that the envelope allowed a safer value only."""
    hours: dict[str, float] = field(default_factory=dict)
    """Actuator-hours by the mode that they were in."""
    hours_held: dict[str, float] = field(default_factory=dict)
    """Of those, with the device armed and reporting that the remote holds it."""

    def count_hours(
        self, snapshot: Snapshot, device_of: Mapping[str, str], lasted_s: float
    ) -> None:
        """Add the time since the snapshot before; ``device_of`` is by actuator."""
        for actuator, device in device_of.items():
            mode = snapshot.modes.get(actuator, Mode.SHADOW)
            _add(self.hours, mode.value, lasted_s / 3600.0)
            status = snapshot.devices.get(device)
            held = status is not None and status.armed and status.authority is Authority.REMOTE
            if held and mode.writes:
                _add(self.hours_held, mode.value, lasted_s / 3600.0)

    def count_receipts(self, receipts: tuple[Receipt, ...]) -> None:
        """Count what became of commands."""
        self.receipts.update(receipt.result.value for receipt in receipts)
        self.limited += sum(r.verdict.outcome.value == "limit" for r in receipts)

    def plan_age_s(self) -> float | None:
        """Age of the plan in force, or None before the first."""
        return None if self.plan_at_s is None else max(0.0, self.now_s - self.plan_at_s)

    def summary(self) -> dict[str, Any]:
        """The run so far, as it is written to ``summary.json``."""
        seconds = np.array(self.tick_seconds) if self.tick_seconds else None
        total, held = sum(self.hours.values()), sum(self.hours_held.values())
        return {
            "site": self.site_id,
            "started_at_s": self.started_at_s,
            "now_s": self.now_s,
            "ticks": self.ticks,
            "tick_seconds_p50": None if seconds is None else float(np.percentile(seconds, 50)),
            "tick_seconds_p95": None if seconds is None else float(np.percentile(seconds, 95)),
            "fallbacks": self.fallbacks,
            "receipts": dict(self.receipts),
            "limited": self.limited,
            "actuator_hours": dict(self.hours),
            "actuator_hours_held": dict(self.hours_held),
            "actuator_hours_held_share": held / total if total else None,
        }


def _add(totals: dict[str, float], name: str, amount: float) -> None:
    totals[name] = totals.get(name, 0.0) + amount
