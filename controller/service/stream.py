"""The stream of server-sent events: put together once, sent to everybody.

One producer looks when something was published, at least every second, and sends what has
changed. A client gets the whole state first, then changes. One that falls behind is dropped: it
connects again and gets the whole state anew, so that nobody looks at a state with holes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.live import Listener
from controller.service.auth import Viewer
from controller.service.context import Context, Here
from controller.service.moment import moment_of
from controller.service.problems import responses
from facility.clock import iso
from facility.telemetry import Quality, Snapshot

log = logging.getLogger(__name__)

router = APIRouter(tags=["telemetry"], responses=responses(401))

EVERY_S = 1.0
"""Wall-clock seconds; something published is sent at once."""
LEAST_APART_S = 0.2
"""Between two looks, however much is published."""
KEEP_ALIVE_S = 5.0
"""A stream that has nothing to say says so: pages tell by it that they are connected."""
SLOW_S = 10.0
"""A client that takes nothing for so long is dropped."""


class Stream:
    """The producer of one application; it works while somebody listens."""

    def __init__(self, here: Context) -> None:
        self._here = here
        self._task: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self._values: dict[str, float | None] = {}
        self._not_good: dict[str, str] = {}
        self._modes: dict[str, str] = {}
        self._status: dict[str, Any] = {}
        self._greeting = b""
        points = here.site.points.values()
        self._dead_bands = {p.tag: p.dead_band for p in points if p.dead_band > 0.0}

    def greeting(self) -> bytes:
        """The whole state, as a new client needs it; encoded once for all that come meanwhile."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="stream")
            self._look()
        if not self._greeting:
            hub = self._here.live.hub
            parts = [b"retry: 2000\n\n"]
            if self._snapshot is not None:
                parts.append(hub.encode("snapshot", self._whole(self._snapshot)))
            self._greeting = b"".join([*parts, hub.encode("status", self._status)])
        return self._greeting

    async def _run(self) -> None:
        hub = self._here.live.hub
        while True:
            hub.news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await hub.news.wait()
            if not hub.has_listeners:
                return
            for event, data in self._look():
                hub.publish(event, data)
            await asyncio.sleep(LEAST_APART_S)

    def _look(self) -> list[tuple[str, dict[str, Any]]]:
        """What has changed since the last look."""
        found: list[tuple[str, dict[str, Any]]] = []
        snapshot = self._here.live.snapshot
        if snapshot is not None and snapshot is not self._snapshot:
            found.append(("changes", self._changes(snapshot)))
            self._snapshot = snapshot
        status = moment_of(self._here)
        if _without_time(status) != _without_time(self._status) or found:
            self._status = status
            found.append(("status", status))
        if found:
            self._greeting = b""
        return found

    def _changes(self, snapshot: Snapshot) -> dict[str, Any]:
        """What differs from what was sent; a value within its point's dead band does not."""
        values: dict[str, float | None] = {}
        for tag, reading in snapshot.readings.items():
            new, old = reading.value, self._values.get(tag)
            if tag in self._values and (
                new == old
                or (
                    new is not None
                    and old is not None
                    and abs(new - old) < self._dead_bands.get(tag, 0.0)
                )
            ):
                continue
            values[tag] = new
        not_good = {
            tag: reading.quality.value
            for tag, reading in snapshot.readings.items()
            if reading.quality is not Quality.GOOD
        }
        modes = {actuator: mode.value for actuator, mode in snapshot.modes.items()}
        data: dict[str, Any] = {"time_s": snapshot.time_s, "values": values}
        if not_good != self._not_good:
            data["not_good"] = not_good
        if modes != self._modes:
            data["modes"] = modes
        self._values.update(values)
        self._not_good, self._modes = not_good, modes
        return data

    def _whole(self, snapshot: Snapshot) -> dict[str, Any]:
        return {
            "time_s": snapshot.time_s,
            "time": iso(snapshot.time_s),
            "values": self._values,
            "not_good": self._not_good,
            "modes": self._modes,
        }


def _without_time(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status without what only says that time passes."""
    passing = ("time", "time_s", "age_s", "plan_age_s")
    return {name: value for name, value in status.items() if name not in passing}


class EventStream(Response):
    """A response that lasts as long as its client listens and keeps up."""

    media_type = "text/event-stream"

    def __init__(self, here: Context, stream: Stream) -> None:
        super().__init__()
        self._hub, self._stream = here.live.hub, stream
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the whole state, then whatever happens."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._hub.listen(self._stream.greeting()) as listener:
            gone = asyncio.create_task(_gone(receive, listener))
            try:
                await self._until_the_end(listener, send)
            except TimeoutError:
                listener.dropped = True
            finally:
                gone.cancel()
        if listener.dropped:
            client = (scope.get("client") or ("unknown", 0))[0]
            log.warning("a client of the stream at %s fell behind and was dropped", client)
            raise ConnectionAbortedError("the client does not take what it is sent")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_the_end(self, listener: Listener, send: Send) -> None:
        while True:
            try:
                message = await listener.next(KEEP_ALIVE_S)
            except TimeoutError:
                message = b"event: alive\ndata: {}\n\n"
            if message is None:
                return
            async with asyncio.timeout(SLOW_S):
                await send({"type": "http.response.body", "body": message, "more_body": True})


async def _gone(receive: Receive, listener: Listener) -> None:
    """End the client's queue when it hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


@router.get("/stream", responses={200: {"content": {"text/event-stream": {}}}})
async def stream(here: Here, _: Viewer, request: Request) -> Response:
    """Server-sent events.

    First `snapshot`, everything that is known, and `status`, the figures of the console's head.
    Then `changes`, the readings that moved by more than their dead band (the same form as
    `snapshot`; what is not named is as before), `status` when it changes, `tick`, `proposal` and
    `alarm` when they happen, and `alive` every few seconds without news.

    Whoever falls behind is dropped, and gets the whole state again with the next connection.
    Share one stream between tabs: a browser opens six connections a host over HTTP/1.1.
    """
    found: Stream = request.app.state.stream
    return EventStream(here, found)
