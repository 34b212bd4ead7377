"""What every request passes before anything looks at it: rates, patience, and headers.

A client may ask so often, by its address (what it says of itself would open a fresh account each
time), and log in more seldom. A body that does not arrive in time is given up. No answer of the
API is kept by caches, framed, or taken for something that it is not.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.service.problems import problem

BODY_WITHIN_S = 10.0
MOST_CLIENTS = 10_000
"""Clients remembered; the one that has been silent for longest is forgotten first."""
LOGIN_PATHS = ("/v1/sessions", "/login")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a client may ask: so many a second in the long run, and so many at once."""

    per_s: float = 50.0
    at_once: float = 500.0
    logins_per_s: float = 1.0 / 6.0
    logins_at_once: float = 20.0


class Buckets:
    """Token buckets by client: each fills at a rate, and a request takes one out."""

    def __init__(self, per_s: float, at_once: float, now_s: Callable[[], float]) -> None:
        self._per_s, self._at_once, self._now_s = per_s, at_once, now_s
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one; answer 0, or for how many seconds there is none."""
        now_s = self._now_s()
        level, since_s = self._level.pop(client, (self._at_once, now_s))
        level = min(self._at_once, level + (now_s - since_s) * self._per_s)
        enough = level >= 1.0
        self._level[client] = (level - 1.0 if enough else level, now_s)
        if len(self._level) > MOST_CLIENTS:
            self._level.popitem(last=False)
        return 0.0 if enough else (1.0 - level) / self._per_s


class Guard:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        rates: Rates | None = None,
        now_s: Callable[[], float] = time.monotonic,
        body_within_s: float = BODY_WITHIN_S,
    ) -> None:
        self._app, self._body_within_s = app, body_within_s
        rates = rates or Rates()
        self._requests = Buckets(rates.per_s, rates.at_once, now_s)
        self._logins = Buckets(rates.logins_per_s, rates.logins_at_once, now_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _with_headers(scope, send)
        wait_s = self._wait_s(scope)
        if wait_s > 0.0:
            retry = {"Retry-After": str(math.ceil(wait_s))}
            text = f"too many requests: ask again in {math.ceil(wait_s)} s"
            await problem(429, text, retry)(scope, receive, answer)
            return
        patient = _Patient(receive, self._body_within_s)
        try:
            await self._app(scope, patient, answer)
        except BodyTooSlowError:
            text = f"the body did not arrive within {self._body_within_s:g} s"
            await problem(408, text, {"Connection": "close"})(scope, receive, answer)

    def _wait_s(self, scope: Scope) -> float:
        address = scope["client"][0] if scope.get("client") else ""
        if scope["method"] == "POST" and scope["path"] in LOGIN_PATHS:
            return self._logins.take(address)
        return self._requests.take(address)


class BodyTooSlowError(Exception):
    """A body that does not arrive in time."""


class _Patient:
    """Receives a request's body, for so long and no longer."""

    def __init__(self, receive: Receive, within_s: float) -> None:
        self._receive, self._within_s = receive, within_s
        self._until_s: float | None = None
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:  # what comes now is the client's hanging up, which may take hours
            return await self._receive()
        now_s = asyncio.get_running_loop().time()
        self._until_s = self._until_s or now_s + self._within_s
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        self._whole = not message.get("more_body", False)
        return message


def _with_headers(scope: Scope, send: Send) -> Send:
    more = dict(HEADERS)
    if scope["path"].startswith("/v1/"):
        more |= API_HEADERS
    if scope.get("scheme") == "https":
        more |= TLS_HEADERS

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in more.items():
                headers.setdefault(name, value)
        await send(message)

    return answer
