"""The process's main loop: beat every second of plant time, look every 5 s, tick every 300 s.

On a stepped clock time stands still while this process works, so all work of a moment is done
before the next wake-up is announced, in a fixed order. On a wall clock snapshots and ticks run
beside the loop, so that the gateway hears from us while they do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from controller.alarms.watch import AlarmBook
from controller.authority.desk import Desk
from controller.gateway_link import GatewayLink, GatewayRefusedError, GatewayUnavailableError
from controller.lifecycle.watching import DriftWatch
from controller.live import Live
from controller.records import TickRecord
from controller.storage.ports import KEEP_ALL, Retention, TelemetryStore
from controller.storage.ticks import TickArchive
from facility.clock import Clock, RunEnded
from facility.site import Site
from facility.telemetry import Quality, Snapshot
from facility.wire import to_wire

log = logging.getLogger(__name__)

BEAT_S = 1.0
SNAPSHOT_S = 5.0
TICK_S = 300.0
COMPACT_S = 3600.0
DRIFT_S = 3600.0
PATIENCE_S = 60.0
"""The first tick waits so long for points that never answered, then goes without them."""


class Tick(Protocol):
    """One control step with its state inside; wired up in `controller.assembly`."""

    def observe(self, snapshot: Snapshot) -> None:
        """See a snapshot between ticks."""
        ...

    async def step(self, snapshot: Snapshot) -> TickRecord:
        """Estimate, forecast, plan, propose, decide and command."""
        ...

    async def close(self) -> None:
        """Let go of worker processes."""
        ...


@dataclass(frozen=True)
class LoopParts:
    """What the loop works with."""

    site: Site
    clock: Clock
    link: GatewayLink
    desk: Desk
    alarms: AlarmBook
    telemetry: TelemetryStore
    ticks: TickArchive
    tick: Tick
    live: Live
    summary_file: Path
    retention: Retention = KEEP_ALL
    upkeep: Callable[[], int] = lambda: 0
    """Lets go of records that have served their purpose; answers how many."""
    drift: DriftWatch | None = None
    """None where the model in use claims nothing."""
    ends_at_s: float = math.inf
    """When a simulated run on a wall clock ends; a stepped clock tells it itself."""


class ControlLoop:
    """Runs until the simulated run ends or the task is cancelled."""

    def __init__(self, parts: LoopParts) -> None:
        self._p = parts
        self._device_of = {a.id: a.device for a in parts.site.actuators.values()}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._first_seen_s: float | None = None
        self._next_snapshot_s = self._next_tick_s = -math.inf
        self._next_compaction_s = self._next_drift_s = math.inf
        parts.link.on_connect = self._register_again

    async def run(self) -> None:
        """Beat, look and tick until the end; then write the summary."""
        clock = self._p.clock
        try:
            while clock.now_s() < self._p.ends_at_s:
                await self._moment(clock.now_s())
                await clock.sleep_until(_next(clock.now_s(), BEAT_S))
        except RunEnded as end:
            log.info("%s", end)
        except ConnectionError as error:
            # Of the clock: the gateway's own are told apart by `GatewayLink`.
            log.error("%s", error)
        finally:
            await self._finish()

    async def _moment(self, now_s: float) -> None:
        """All that is due at ``now_s``."""
        self._p.live.now_s = now_s
        await self._beat()
        if now_s >= self._next_snapshot_s:
            self._next_snapshot_s = _next(now_s, SNAPSHOT_S)
            await self._do("snapshot", self._look(now_s))
        snapshot = self._p.live.snapshot
        if snapshot is not None and now_s >= self._next_tick_s and self._is_complete(snapshot):
            self._next_tick_s = now_s + TICK_S
            await self._do("tick", self._tick(snapshot))
        if now_s >= self._next_compaction_s:
            self._next_compaction_s = _next(now_s, COMPACT_S)
            await self._do("compaction", self._compact(now_s))
        if now_s >= self._next_drift_s:
            self._next_drift_s = _next(now_s, DRIFT_S)
            await self._do("drift", self._watch(now_s))

    async def _do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do it now where time stands still, else beside the loop, never twice at once."""
        if self._p.clock.stands_still:
            await work
            return
        running = self._work.get(name)
        if running is not None and not running.done():
            log.warning("the %s before is not done yet: this one is left out", name)
            work.close()
            return
        if running is not None:
            running.result()  # a fault of the work is a fault of the process: fail, do not hide
        self._work[name] = asyncio.ensure_future(work)

    async def _beat(self) -> None:
        live = self._p.live
        try:
            await self._p.link.beat(live.plan_age_s())
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            self._lost(str(error))
        else:
            if live.gateway_error:
                log.warning("the gateway answers again")
                live.gateway_error = ""

    def _lost(self, why: str) -> None:
        if why != self._p.live.gateway_error:
            log.error("no word from the gateway: %s", why)
        self._p.live.gateway_error = why

    async def _look(self, now_s: float) -> None:
        p, live = self._p, self._p.live
        try:
            snapshot = await p.link.snapshot()
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            self._lost(str(error))
            p.alarms.update(live.snapshot, live, now_s)
            return
        if live.snapshot is not None and snapshot.time_s > live.snapshot.time_s:
            live.count_hours(snapshot, self._device_of, snapshot.time_s - live.snapshot.time_s)
        if self._first_seen_s is None:
            self._first_seen_s = snapshot.time_s
            self._next_compaction_s = _next(now_s, COMPACT_S)
            self._next_drift_s = _next(now_s, DRIFT_S)
        live.snapshot = snapshot
        p.tick.observe(snapshot)
        await asyncio.to_thread(p.telemetry.append, snapshot)
        try:
            live.count_receipts(await p.desk.carry_out(snapshot, now_s))
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            self._lost(str(error))
        p.alarms.update(snapshot, live, now_s)
        live.hub.news.set()

    def _is_complete(self, snapshot: Snapshot) -> bool:
        if snapshot.time_s - (self._first_seen_s or 0.0) >= PATIENCE_S:
            return True
        readable = (p for p in self._p.site.points.values() if p.access.value != "w")
        return all(snapshot.reading(p.tag).quality is not Quality.ABSENT for p in readable)

    async def _tick(self, snapshot: Snapshot) -> None:
        p, live = self._p, self._p.live
        started = time.perf_counter()
        record = await p.tick.step(snapshot)
        live.tick_seconds.append(time.perf_counter() - started)
        live.ticks += 1
        live.fallbacks += record.fallback
        live.count_receipts(record.receipts)
        if record.outcome is not None and record.outcome.plan is not None:
            live.plan_at_s = record.time_s
        live.last_tick = await asyncio.to_thread(p.ticks.keep, record)
        live.hub.publish("tick", live.last_tick)
        if record.is_new and record.proposal is not None:
            live.hub.publish("proposal", to_wire(record.proposal))

    async def _compact(self, now_s: float) -> None:
        rows = await asyncio.to_thread(self._p.telemetry.compact, now_s)
        went = await asyncio.to_thread(self._p.telemetry.retain, self._p.retention, now_s)
        ended = await asyncio.to_thread(self._p.upkeep)
        log.info(
            "compacted %d readings, let go of %d, and of %d sessions and replies", rows, went, ended
        )

    async def _watch(self, now_s: float) -> None:
        if self._p.drift is not None:
            found = await asyncio.to_thread(self._p.drift.look, now_s)
            self._p.live.model_conditions = found

    async def _register_again(self) -> None:
        await self._p.desk.register_again(self._p.clock.now_s())

    async def _finish(self) -> None:
        for task in self._work.values():
            task.cancel()
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        write_json(self._p.summary_file, self._p.live.summary())


def write_json(path: Path, data: object) -> None:
    """Replace a file by JSON, at once."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _next(now_s: float, every_s: float) -> float:
    """The next multiple of ``every_s`` after ``now_s``."""
    return math.floor(now_s / every_s + 1e-6) * every_s + every_s
