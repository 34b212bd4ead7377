"""The console as part of the application: its pages, its files and the headers that guard them."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.authority.failures import AuthorityError
from controller.console import acts, door, pages
from controller.console.render import STATIC, Facts, Note, asset, page
from controller.service.auth import is_page, session_of
from controller.service.problems import STATUS, problem

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
OTHERS = ("/v1/", "/docs", "/redoc", "/static-offline-docs")
"""What is no page of the console; the API's documentation has scripts of its own."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
A_YEAR = "public, max-age=31536000, immutable"


def install(app: FastAPI, facts: Facts) -> None:
    """Add the console to an application of `controller.service.app`."""
    app.state.console = facts
    for router in (pages.router, *acts.ROUTERS, door.router):
        app.include_router(router)
    app.add_api_route("/static/{digest}/{name}", static, include_in_schema=False)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(AuthorityError, _authority)
    app.add_middleware(Guarded)


async def static(digest: str, name: str) -> Response:
    """A file of ours; its address holds its content's hash, so it is kept for long."""
    kind = TYPES.get(name[name.rfind(".") :], "")
    if not kind or name not in {file.name for file in STATIC.iterdir()}:
        raise HTTPException(404, f"there is no file {name}")
    if asset(name) != f"{digest}/{name}":
        raise HTTPException(404, f"{name} is another one by now: load the page again")
    return Response(
        (STATIC / name).read_bytes(),
        media_type=f"{kind}; charset=utf-8",
        headers={"Cache-Control": A_YEAR},
    )


class Guarded:
    """Headers on every page: nothing from elsewhere, nothing inline, in nobody's frame."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with our headers on what is a page."""
        if scope["type"] != "http" or scope["path"].startswith(OTHERS):
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, guarded)


def _failed(request: Request, status: int, text: str, headers: dict[str, str]) -> Response:
    if not is_page(request):
        return problem(status, text, headers)
    if "Location" in headers or status < 400:
        return Response(status_code=status, headers=headers)
    here = request.app.state.context
    session = session_of(request, here)
    said = Note(text, "bad")
    return page(request, "failed.html", here, session, status=status, said=said)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return _failed(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def _authority(request: Request, error: Exception) -> Response:
    status = next(s for kind, s in STATUS.items() if isinstance(error, kind))
    return _failed(request, status, str(error), {})
