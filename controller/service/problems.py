"""Errors as problem details (RFC 9457): what went wrong, and what would go right."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from controller.authority.failures import (
    AuthorityError,
    GatewayError,
    InvalidError,
    NotFoundError,
    OutdatedError,
    StateError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATUS: dict[type[AuthorityError], int] = {
    NotFoundError: 404,
    StateError: 409,
    OutdatedError: 412,
    InvalidError: 422,
    GatewayError: 503,
}


class FieldProblem(BaseModel):
    """One field of a request that cannot be used."""

    field: str = Field(description="Where it stands: `body.value`, `query.start`.")
    detail: str


class Problem(BaseModel):
    """Problem details after RFC 9457."""

    type: str = Field("about:blank", description="`about:blank`: the status says it all.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong here, and how to mend it.")
    errors: list[FieldProblem] | None = Field(None, description="Field by field, where it applies.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem responses of a route for the documentation."""
    return {
        status: {
            "model": Problem,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {}},
        }
        for status in statuses
    }


def problem(
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
    errors: list[FieldProblem] | None = None,
) -> JSONResponse:
    """A problem as a response."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        # What a client sent may stand in it, and need not be text that UTF-8 can carry.
        detail=detail.encode("utf-8", "replace").decode(),
        errors=errors,
    ).model_dump(exclude_none=True)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""
    app.add_exception_handler(AuthorityError, _authority)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)


async def _authority(_: Request, error: Exception) -> JSONResponse:
    status = next(s for kind, s in STATUS.items() if isinstance(error, kind))
    return problem(status, str(error))


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    fields = [
        FieldProblem(field=".".join(map(str, item["loc"])), detail=str(item["msg"]))
        for item in error.errors()
    ]
    text = "; ".join(f"{f.field}: {f.detail}" for f in fields)
    return problem(422, f"the request cannot be used: {text}", errors=fields)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if error.status_code < 400:  # a page that sends on to the log-in
        return Response(None, error.status_code, dict(error.headers or {}))
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "Isotherm made a mistake here; the log of the controller tells more")
