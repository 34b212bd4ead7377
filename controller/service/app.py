"""The application: routes, errors, documentation that needs no internet."""

from __future__ import annotations

import time

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.gzip import GZipMiddleware

from controller.service import (
    acting,
    deciding,
    history,
    limits,
    metrics,
    outside,
    planned,
    problems,
    reading,
    sessions,
    standing,
    stream,
    tokens,
    users,
)
from controller.service.context import Context
from controller.service.description import describe
from controller.service.guard import Guard, Rates
from controller.service.replies import Replies

DESCRIPTION = """
Predictive control of cooling for liquid-cooled AI data halls.

Every route but `health` and the log-in needs a token (`Authorization: Bearer TOKEN`) or a session
(`POST /v1/sessions`; its cookie, and with what changes something `X-CSRF-Token`). Roles, each
including the ones before: **viewer** reads, **operator** decides, overrides and releases,
**engineer** lets Isotherm go further, **admin** hands out tokens and looks after users.

Times are plant time; values are in the canonical unit of their point (°C, K, kW, L/s, kPa, %).
Errors are problem details after RFC 9457.
"""

LONGEST_BODY = 1 << 20
"""Bytes; nothing that is asked for takes more than a few thousand."""


def create_app(context: Context, rates: Rates | None = None) -> FastAPI:
    """The application over one site's parts."""
    app = FastAPIOffline(
        title="Isotherm",
        description=DESCRIPTION,
        version="1",
        openapi_url="/v1/openapi.json",
        docs_url="/docs",
        redoc_url="/redoc",
        max_body_size=LONGEST_BODY,
    )
    app.state.context = context
    app.state.stream = stream.Stream(context)
    problems.install(app)
    app.add_middleware(Replies, now_s=time.time)
    app.add_middleware(Guard, rates=rates)
    # Level 3: half the time of 9 for a twentieth more bytes. A page with its CSRF token is told
    # to nobody but its session's browser (SameSite=Strict), so that its length gives nothing away.
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=3)
    describe(app)
    for module in (reading, stream, deciding, standing, acting, limits, planned, history, metrics):
        app.include_router(module.router, prefix="/v1")
    for module in (tokens, users, sessions):
        app.include_router(module.router, prefix="/v1")
    for router in (reading.open_router, sessions.open_router, outside.open_router):
        app.include_router(router, prefix="/v1")
    return app
