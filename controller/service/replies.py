"""Idempotency keys: a request that is sent again is answered again, and done once.

A client that lost the answer of a POST, PUT, PATCH or DELETE sends the same request with the same
``Idempotency-Key``: it gets the first answer, marked ``Idempotent-Replayed: true``, for a day and
over restarts. The key belongs to who asks, in the role that they have. With another request under
the same key the answer is 422, while the first is being worked on 409. Answers that carry a
secret are not kept: their repetition is refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.service.auth import authenticate
from controller.service.problems import problem
from controller.storage.ports import ConflictError, Kind, Record, RecordStore

KEY = "idempotency-key"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
LONGEST_KEY = 255
LIFE_S = 86_400.0
RUNNING, DONE, OPEN = "running", "done", "open"
"""``open``: it failed for no fault of the client's and may be tried again under its key."""
SECRETS = ("/v1/tokens", "/v1/users", "/v1/sessions")


class Replies:
    """The layer that keeps answers, around the application."""

    def __init__(self, app: ASGIApp, now_s: Callable[[], float]) -> None:
        self._app, self._now_s = app, now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if not _is_keyed(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, scope, send)
        except HTTPException as error:
            answer = problem(error.status_code, str(error.detail), dict(error.headers or {}))
        if answer is not None:
            await answer(scope, receive, send)

    async def _answer(self, request: Request, scope: Scope, send: Send) -> Response | None:
        """What to answer instead of doing it; None where it was done and answered."""
        here = request.app.state.context
        key = request.headers[KEY]
        if not 0 < len(key) <= LONGEST_KEY:
            return problem(422, f"an Idempotency-Key has 1 to {LONGEST_KEY} characters")
        body = await request.body()
        who = await authenticate(request, here)
        record_id = _digest(who.name, who.scope.value, key)
        asked = _digest(request.method, request.url.path, request.url.query, body)
        records: RecordStore = here.records
        known = records.get(Kind.REPLY, record_id)
        now_s = self._now_s()
        if known is not None and known.state != OPEN and now_s - known.time_s < LIFE_S:
            return _again(known, asked)
        mine = Record(Kind.REPLY, record_id, now_s, {"asked": asked}, state=RUNNING)
        try:
            if known is None:
                records.write(add=[mine])
            else:
                mine = replace(mine, version=known.version)
                records.write(change=[mine])
                mine = replace(mine, version=mine.version + 1)
        except ConflictError:
            return _busy()
        await self._do(mine, body, scope, send, records)
        return None

    async def _do(
        self, mine: Record, body: bytes, scope: Scope, send: Send, records: RecordStore
    ) -> None:
        told: dict[str, Any] = {}
        parts: list[bytes] = []

        async def listen(message: Message) -> None:
            if message["type"] == "http.response.start":
                told["status"] = message["status"]
                told["headers"] = [
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in message["headers"]
                    if name.lower() in (b"content-type", b"etag", b"location")
                ]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    records.write(change=[_kept(mine, told, b"".join(parts), scope["path"])])
            await send(message)

        given = False

        async def once() -> Message:
            nonlocal given
            if given:
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._app(scope, once, listen)
        except BaseException:
            if "status" not in told:
                records.write(change=[replace(mine, state=OPEN)])
            raise


def _is_keyed(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] in METHODS
        and scope["path"].startswith("/v1/")
        and scope["path"] != "/v1/sessions"  # nobody is known before it
        and any(name.lower() == KEY.encode() for name, _ in scope["headers"])
    )


def _kept(mine: Record, told: dict[str, Any], body: bytes, path: str) -> Record:
    if told["status"] >= 500:
        return replace(mine, state=OPEN)
    secret = path.startswith(SECRETS) and told["status"] < 400
    text = "" if secret else base64.b64encode(body).decode()
    return replace(mine, state=DONE, body={**mine.body, **told, "secret": secret, "text": text})


def _again(known: Record, asked: str) -> Response:
    if known.body["asked"] != asked:
        return problem(422, "this Idempotency-Key was used for another request; take a new one")
    if known.state == RUNNING:
        return _busy()
    if known.body["secret"]:
        return problem(
            409, "this was done already; its answer carried a secret, which is not kept: look at it"
        )
    headers = {**dict(known.body["headers"]), "Idempotent-Replayed": "true"}
    content = base64.b64decode(known.body["text"])
    return Response(content or None, int(known.body["status"]), headers)


def _busy() -> Response:
    return problem(
        409,
        "a request with this Idempotency-Key is being worked on, or was when the controller ended: "
        "look at what is in force before you ask again",
    )


def _digest(*parts: str | bytes) -> str:
    joined = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "replace") if isinstance(part, str) else part
        joined.update(len(data).to_bytes(8, "big") + data)
    return joined.hexdigest()
