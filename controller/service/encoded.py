"""Answers that are encoded once for everybody, and not sent again to who has them.

An answer that is the same for all who may read it is kept as bytes; with its ``ETag`` sent back as
``If-None-Match`` it is 304 without a body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, TypeAdapter

from controller.service.context import Context

JSON = "application/json"
UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "As it was when its `ETag` was given (`If-None-Match`)."}
}


def whole(
    request: Request,
    here: Context,
    name: Hashable,
    token: object,
    make: Callable[[], BaseModel | list[BaseModel]],
) -> Response:
    """An answer that is the same for everybody until ``token`` is another one."""
    content, etag = here.kept.get(("answer", name), token, lambda: _with_tag(_bytes(make())))
    headers = {"ETag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=JSON, headers=headers)


def page_of(items: list[bytes], next_before: int | None) -> Response:
    """A page of a list, of items that are encoded already."""
    following = b"null" if next_before is None else str(next_before).encode()
    content = b'{"next_before":' + following + b',"items":[' + b",".join(items) + b"]}"
    return Response(content, media_type=JSON)


def item(model: BaseModel) -> bytes:
    """One item of a list."""
    return model.model_dump_json().encode()


def _bytes(answer: BaseModel | list[BaseModel]) -> bytes:
    if isinstance(answer, BaseModel):
        return item(answer)
    return TypeAdapter(list[BaseModel]).dump_json(answer, serialize_as_any=True)


def _with_tag(content: bytes) -> tuple[bytes, str]:
    return content, f'"{hashlib.sha256(content).hexdigest()[:24]}"'
