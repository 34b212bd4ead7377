"""Who asks, and whether they may: refused unless proven.

Programs send a token (``Authorization: Bearer``), people's browsers the cookie of a session. A
cookie is sent by the browser whoever wrote the page, so that a request that changes something
must carry the session's CSRF token as well: in the header ``X-CSRF-Token``, or as the field
``csrf`` of a form. The cookie is HttpOnly, SameSite=Strict, and under TLS Secure and bound to the
host (``__Host-``).

`signed_in` is the one dependency for the API and the pages. Under ``/v1`` it answers 401 and 403;
a page sends on to ``/login?next=...``, or to ``/password`` where a one-time password has to be
changed first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request, Response
from fastapi.security import APIKeyCookie, HTTPBearer

from controller.authority.roles import Actor, Scope
from controller.authority.sessions import Session
from controller.authority.tokens import TokenError
from controller.service.context import Context, Here

COOKIE = "isotherm_session"
SECURE_COOKIE = "__Host-isotherm_session"
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
PASSWORD_PATHS = ("/v1/sessions/current", "/v1/sessions/current/password", "/password", "/logout")
"""What a session with a one-time password may ask for."""

_bearer = HTTPBearer(
    auto_error=False,
    description="A token from `isotherm token new`, or the one in `STATE/admin.token`.",
)
_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A session from `POST /v1/sessions`; what changes something needs the session's "
    f"`csrf` in the header `{CSRF_HEADER}` too. Under TLS the cookie is `{SECURE_COOKIE}`.",
)


def source_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def is_page(request: Request) -> bool:
    """Whether a person's browser waits for a page, and no program for data."""
    return not request.url.path.startswith("/v1/")


def session_of(request: Request, here: Context) -> Session | None:
    """The session that a request's cookie stands for, or None."""
    secret = request.cookies.get(_cookie_name(request), "")
    return here.sessions.find(secret, source_of(request))


def set_cookie(request: Request, response: Response, secret: str, life_s: float) -> None:
    """Give a browser its session."""
    response.set_cookie(
        _cookie_name(request),
        secret,
        max_age=int(life_s),
        path="/",
        secure=_is_tls(request),
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"


def drop_cookie(request: Request, response: Response) -> None:
    """Take a browser's session away."""
    response.delete_cookie(
        _cookie_name(request), path="/", secure=_is_tls(request), httponly=True, samesite="strict"
    )


def refuse_other_pages(request: Request) -> None:
    """Refuse what a page of somebody else's made a browser send.

    Raises
    ------
    HTTPException
        403: the browser says that the request comes from another site.
    """
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign or (origin is not None and origin.partition("://")[2] != host):
        raise HTTPException(403, "this request comes from a page of another site")


async def actor(
    request: Request,
    here: Here,
    _token: Annotated[object, Depends(_bearer)] = None,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Actor:
    """Who asks, by the token or the session that the request carries."""
    return await authenticate(request, here)


async def authenticate(request: Request, here: Context) -> Actor:
    """Who asks, outside a dependency.

    Raises
    ------
    HTTPException
        401: nobody who is known. 403: a forged request, or a one-time password to change.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind:
        if kind.lower() != "bearer":
            raise _unauthorised("tokens are sent as `Authorization: Bearer TOKEN`")
        try:
            return here.tokens.authenticate(token.strip(), source_of(request))
        except TokenError as error:
            raise _unauthorised(str(error)) from None
    session = session_of(request, here)
    if session is None:
        if is_page(request):
            raise HTTPException(303, headers={"Location": f"/login?next={_here(request)}"})
        raise _unauthorised(
            "this needs a token (the header `Authorization: Bearer TOKEN`; `isotherm token new` "
            "makes one) or a session (`POST /v1/sessions`)"
        )
    if request.method not in SAFE_METHODS:
        await _check_csrf(request, session)
    if session.user.must_change and request.url.path not in PASSWORD_PATHS:
        if is_page(request):
            raise HTTPException(303, headers={"Location": "/password"})
        raise HTTPException(
            403, "change the one-time password first: PUT /v1/sessions/current/password"
        )
    return session.actor


def signed_in(needed: Scope) -> Callable[[Actor], Actor]:
    """A dependency: who asks, if their role covers ``needed``; for routes and pages alike."""

    def check(asks: Annotated[Actor, Depends(actor)]) -> Actor:
        if not asks.scope.covers(needed):
            raise HTTPException(
                403,
                f"this needs the role {needed.value}, and {asks.name!r} has {asks.scope.value}: "
                "ask an administrator for one that reaches so far",
            )
        return asks

    return check


async def _check_csrf(request: Request, session: Session) -> None:
    refuse_other_pages(request)
    sent = request.headers.get(CSRF_HEADER)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent is None and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        field = (await request.form()).get(CSRF_FIELD)
        sent = field if isinstance(field, str) else None
    if sent is None or not session.owns(sent):
        raise HTTPException(
            403,
            f"a request with a session's cookie needs that session's CSRF token, as {CSRF_HEADER} "
            f"or as the field {CSRF_FIELD} of a form; this one has none that fits",
        )


def _unauthorised(why: str) -> HTTPException:
    return HTTPException(401, why, headers={"WWW-Authenticate": 'Bearer realm="isotherm"'})


def _is_tls(request: Request) -> bool:
    return request.url.scheme == "https"


def _cookie_name(request: Request) -> str:
    return SECURE_COOKIE if _is_tls(request) else COOKIE


def _here(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return quote(request.url.path + query if request.method == "GET" else "/", safe="")


Viewer = Annotated[Actor, Depends(signed_in(Scope.VIEWER))]
Operator = Annotated[Actor, Depends(signed_in(Scope.OPERATOR))]
Engineer = Annotated[Actor, Depends(signed_in(Scope.ENGINEER))]
Admin = Annotated[Actor, Depends(signed_in(Scope.ADMIN))]
