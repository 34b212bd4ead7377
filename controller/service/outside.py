"""Log-in by the organisation's own account, as browsers walk through it."""

from __future__ import annotations

import asyncio
import hmac
from html import escape
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from controller.authority.users import LoginError
from controller.service.context import Context, Here
from controller.service.oidc import PENDING_S, Provider, ProviderError
from controller.service.problems import responses
from controller.service.sessions import start

open_router = APIRouter(tags=["sessions"])

COOKIE = "isotherm_oidc"
"""Binds a log-in to the browser that began it. Lax: the provider's page leads back here."""


@open_router.get(
    "/oidc/login",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: {"description": "On to the provider"}, **responses(404, 502)},
)
async def login(here: Here, request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Begin to log in with the organisation's account; `next` is a page of ours."""
    provider = _provider(here)
    try:
        state, address = await provider.begin(_own_page(next))
    except ProviderError as error:
        raise HTTPException(502, str(error)) from None
    response = RedirectResponse(address, 303)
    response.set_cookie(
        COOKIE,
        state,
        max_age=int(PENDING_S),
        path="/v1/oidc",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


@open_router.get(
    "/oidc/callback",
    response_class=HTMLResponse,
    responses={200: {"description": "Logged in, on to the page"}, **responses(401, 404)},
)
async def callback(
    here: Here, request: Request, state: str = "", code: str = "", error: str = ""
) -> Response:
    """Where the provider sends a browser back to; sets the session's cookie."""
    provider = _provider(here)
    began = request.cookies.get(COOKIE, "")
    if not state or not hmac.compare_digest(began.encode(), state.encode("utf-8", "replace")):
        raise HTTPException(401, "this log-in was not begun in this browser: begin again")
    if error or not code:
        raise HTTPException(401, f"the provider did not let you in: {error[:200] or 'no code'}")
    try:
        identity, goes_to = await provider.finish(state, code)
        user = await asyncio.to_thread(
            here.users.from_outside, identity.name, identity.scope, identity.subject
        )
    except (ProviderError, LoginError) as refused:
        raise HTTPException(401, str(refused)) from None
    # A page and no redirect: browsers send a strict cookie along only from a page of ours.
    address = escape(goes_to, quote=True)
    page = HTMLResponse(
        '<!doctype html><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="0;url={address}">'
        f'<title>Logged in</title><p>Logged in. <a href="{address}">Go on</a></p>'
    )
    start(request, page, here, user)
    page.delete_cookie(COOKIE, path="/v1/oidc")
    return page


def _provider(here: Context) -> Provider:
    if here.oidc is None:
        raise HTTPException(404, "no provider of identities is set up here ([oidc], service.toml)")
    return here.oidc


def _own_page(address: str) -> str:
    """A page of ours, whatever the address says."""
    parts = urlsplit(address)
    ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and not parts.scheme and not parts.netloc else "/"
