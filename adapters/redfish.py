"""Redfish driver: telemetry and setpoints of CDUs and racks over HTTPS.

A scan asks for each resource once, whatever points lie in it, and a device that offers ETags
answers «not modified» where nothing has changed. A write looks at the resource first: its
limits and its mode, and its ETag, so that a change in between is noticed (If-Match) instead
of overwritten. There is no redirect, no retry of anything that may have been carried out,
and a connection that is given up takes its unsent bytes with it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from adapters import codec
from adapters.driver import (
    Now,
    Place,
    ReadRefused,
    Unreachable,
    WriteFailed,
)
from adapters.pki import Pki, password, tls_context
from adapters.point_driver import PointDriver
from adapters.redfish_json import change, place_of, reading, why_not, words_of
from adapters.redfish_places import ROOT, places_in
from facility.devices import Device, Login
from facility.points import Access, Point
from facility.telemetry import Quality, Reading

_AT_ONCE = 2
"""Resources asked for at once; one connection more is kept for writes."""
_CONNECT_SHARE = 0.45
"""Of the time for an exchange, what each of the two steps of connecting may take."""
_REFUSED = 412
"""Precondition failed: the resource has changed, and nothing was carried out."""


class _NoAnswer(ConnectionError):
    """The device did not answer in time, or not in HTTP."""


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource as it was last seen."""

    body: Any
    etag: str


class RedfishDriver(PointDriver):
    """A Redfish service behind the driver port.

    Parameters
    ----------
    device
        Host, port, time-out, login.
    points
        Its points; addresses are a path and a JSON pointer (``/redfish/v1/...#/Reading``).
    now
        Plant time, for the readings.
    pki
        Whom we trust, and passwords; needed for HTTPS.
    """

    def __init__(
        self, device: Device, points: Collection[Point], now: Now, *, pki: Pki | None = None
    ) -> None:
        super().__init__(device, points, now)
        self._pki = pki
        self._places = {p.tag: place_of(p) for p in points}
        self._client: httpx.AsyncClient | None = None
        self._seen: dict[str, _Resource] = {}

    def _why_lost(self) -> str | None:
        return self._note if self._client is None else None

    async def connect(self) -> None:
        device = self._device
        await self.close()
        try:
            self._client = self._open()
        except Unreachable as error:
            self._note = str(error)
            raise
        try:
            root = await self._ask("GET", ROOT, device.timeout_s)
            if root.status_code != httpx.codes.OK or "RedfishVersion" not in _json(root):
                raise _NoAnswer(f"no Redfish service: {words_of(root.status_code, _json(root))}")
            # The root is open to everybody: one of our own resources tells whether we are known.
            path = next((path for path, _ in self._places.values()), ROOT)
            first = await self._ask("GET", path, device.timeout_s)
            if first.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                words = words_of(first.status_code, _json(first))
                raise _NoAnswer(f"{device.user or 'nobody'} may not: {words}")
        except _NoAnswer as error:
            await self._lose(str(error))
            words = f"{device.host}:{device.port}: {error}"
            raise Unreachable(f"{device.id}: {words}") from None

    def _open(self) -> httpx.AsyncClient:
        device = self._device
        plain = device.security.partition(":")[0].strip() == "None"
        if plain and device.login is not Login.ANONYMOUS:
            raise Unreachable(f"{device.id}: a login needs HTTPS")
        auth = None
        if device.login is Login.PASSWORD:
            auth = httpx.BasicAuth(device.user, password(device, self._pki))
        # Closing forgets unsent bytes instead of retrying them (RFC 9293, 3.10.5).
        forget = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        limits = httpx.Limits(max_connections=_AT_ONCE + 1)
        transport = httpx.AsyncHTTPTransport(
            verify=True if plain else tls_context(device, self._pki, our_certificate=False),
            limits=limits,
            retries=0,
            socket_options=[forget],
            trust_env=False,
        )
        scheme = "http" if plain else "https"
        return httpx.AsyncClient(
            base_url=f"{scheme}://{device.host}:{device.port}",
            transport=transport,
            auth=auth,
            headers={"OData-Version": "4.0", "Accept": "application/json"},
            timeout=device.timeout_s,
            trust_env=False,
        )

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        wanted: dict[str, list[str]] = {}
        for tag in tags:
            if self._points[tag].access is not Access.WRITE:
                wanted.setdefault(self._places[tag][0], []).append(tag)
        found: dict[str, Reading] = {}
        paths = list(wanted)
        for first in range(0, len(paths), _AT_ONCE):
            if first and self._device.request_gap_s:
                await asyncio.sleep(self._device.request_gap_s)
            some = paths[first : first + _AT_ONCE]
            answers = await asyncio.gather(
                *(self._look(path) for path in some), return_exceptions=True
            )
            for path, answer in zip(some, answers, strict=True):
                if isinstance(answer, _NoAnswer):
                    await self._lose(str(answer))
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    self._take(wanted[path], answer, found)
            if self._client is None:
                break
        return found

    def _take(
        self, tags: Collection[str], answer: _Resource | str, found: dict[str, Reading]
    ) -> None:
        time_s = self._now()
        for tag in tags:
            if isinstance(answer, str):
                note = f"the device refuses to read it: {answer}"
                found[tag] = Reading(None, Quality.BAD, time_s, note)
            else:
                pointer = self._places[tag][1]
                found[tag] = reading(self._points[tag], answer.body, pointer, time_s)

    async def _look(self, path: str, within_s: float | None = None) -> _Resource | str:
        """A resource as it is now, or why the device does not show it."""
        known = self._seen.get(path)
        headers = {"If-None-Match": known.etag} if known and known.etag else {}
        limit_s = self._device.timeout_s if within_s is None else within_s
        answer = await self._ask("GET", path, limit_s, headers=headers)
        if answer.status_code == httpx.codes.NOT_MODIFIED and known:
            return known
        self._seen.pop(path, None)
        if answer.status_code != httpx.codes.OK:
            return words_of(answer.status_code, _json(answer))
        found = _Resource(_json(answer), answer.headers.get("ETag", ""))
        self._seen[path] = found
        return found

    async def _ask(self, method: str, path: str, within_s: float, **fields: Any) -> httpx.Response:
        client = self._client
        if client is None:
            raise _NoAnswer(self._note)
        sent = time.monotonic()
        # httpcore forgets to close a socket whose TLS handshake is cancelled from outside: its
        # own time-out comes first there.
        phases = httpx.Timeout(within_s, connect=_CONNECT_SHARE * within_s)
        try:
            async with asyncio.timeout(within_s):
                answer = await client.request(method, path, timeout=phases, **fields)
        except TimeoutError:
            raise _NoAnswer(f"no answer within {within_s:.3g} s") from None
        except httpx.TimeoutException:
            raise _NoAnswer(f"no answer within {within_s:.3g} s") from None
        except httpx.HTTPError as error:
            raise _NoAnswer(str(error) or type(error).__name__) from None
        self._answered(sent)
        return answer

    async def places(self, below: str) -> tuple[Place, ...]:
        path, name = below or ROOT, self._device.id
        try:
            found = await self._look(path)
        except _NoAnswer as error:
            await self._lose(str(error))
            raise Unreachable(f"{name}: {error}") from None
        if isinstance(found, str):
            raise ReadRefused(f"{name}: {path}: {found}")
        return places_in(path, found.body)

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        point, name = self._points[tag], self._device.id
        if self._client is None:
            raise WriteFailed(f"{name}: {self._note}, {tag} not written", sent=False)
        if point.access is Access.READ:
            raise WriteFailed(f"{name}: {tag} cannot be written", sent=False)
        until = time.monotonic() + within_s
        number = codec.scalar(point, data)
        answer = await self._look_and_change(tag, number, until)
        if answer.status_code == _REFUSED:  # it changed meanwhile and was not written: look again
            answer = await self._look_and_change(tag, number, until)
        if not answer.is_success:
            words = words_of(answer.status_code, _json(answer))
            raise WriteFailed(f"{name} refuses to write {tag}: {words}", sent=True)

    async def _look_and_change(self, tag: str, number: float, until: float) -> httpx.Response:
        name, (path, pointer) = self._device.id, self._places[tag]
        sent = False
        try:
            left_s = until - time.monotonic()
            if left_s <= 0.0:
                raise WriteFailed(f"{name}: the deadline of {tag} has passed", sent=False)
            seen = await self._look(path, left_s)
            if isinstance(seen, str):
                raise WriteFailed(f"{name}: {tag} not written: {seen}", sent=False)
            try:
                refusal = why_not(seen.body, pointer, number)
            except KeyError as error:
                refusal = f"the resource has no {error.args[0]}"
            if refusal:
                raise WriteFailed(f"{name}: {tag} not written: {refusal}", sent=False)
            left_s = until - time.monotonic()
            if left_s <= 0.0:
                raise WriteFailed(f"{name}: the deadline of {tag} has passed", sent=False)
            headers = {"If-Match": seen.etag} if seen.etag else {}
            self._seen.pop(path, None)
            sent = True
            body = change(pointer, number)
            return await self._ask("PATCH", path, left_s, json=body, headers=headers)
        except _NoAnswer as error:
            await self._lose(str(error))
            raise WriteFailed(f"{name}: {tag} not confirmed: {error}", sent=sent) from None
        except asyncio.CancelledError:
            await self._lose("given up in the middle of a write")
            raise

    async def close(self) -> None:
        await self._lose("closed")

    async def _lose(self, why: str) -> None:
        client, self._client = self._client, None
        self._note = why
        self._seen.clear()
        if client is not None:
            await client.aclose()


def _json(answer: httpx.Response) -> Any:
    """The body; nothing where it is no JSON."""
    try:
        return answer.json()
    except ValueError:
        return {}
