"""Log in, log out, and one's own password.

`log_in`, `log_out` and `change_password` are what the pages call as well.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from controller.authority.audit import entry
from controller.authority.roles import Actor, Scope
from controller.authority.sessions import Session
from controller.authority.users import LONGEST, LoginError, User
from controller.service.auth import (
    Viewer,
    drop_cookie,
    refuse_other_pages,
    session_of,
    set_cookie,
    source_of,
)
from controller.service.bodies import Request as Body
from controller.service.context import Context, Here
from controller.service.problems import responses
from facility.clock import iso

open_router = APIRouter(tags=["sessions"])
router = APIRouter(tags=["sessions"], responses=responses(401, 403))


class Login(Body):
    """A name and a password."""

    name: str = Field(min_length=1, max_length=LONGEST, examples=["j.doe"])
    password: str = Field(min_length=1, max_length=LONGEST)


class NewPassword(Body):
    """One's own password, old and new."""

    old: str = Field(min_length=1, max_length=LONGEST)
    new: str = Field(min_length=1, max_length=LONGEST, description="15 characters or more.")


class SessionView(BaseModel):
    """Who is logged in, and what their requests must carry."""

    user: str
    scope: Scope
    must_change: bool = Field(description="Nothing works but the change of the password.")
    csrf: str = Field(description="To be sent as `X-CSRF-Token` with what changes something.")
    expires: str


def view(session: Session) -> SessionView:
    """A session as the API shows it, without the secret."""
    return SessionView(
        user=session.user.name,
        scope=session.user.scope,
        must_change=session.user.must_change,
        csrf=session.csrf,
        expires=iso(session.expires_at_s),
    )


async def log_in(
    request: Request, response: Response, here: Context, name: str, password: str
) -> Session:
    """Open a session and give it to the browser; an older one of that browser ends.

    Raises
    ------
    LoginError
        The name or the password is not accepted; it is in the audit.
    """
    refuse_other_pages(request)
    try:
        user = await asyncio.to_thread(here.users.authenticate, name, password)
    except LoginError as error:
        who = Actor(name[:100], Scope.VIEWER, source_of(request))
        _keep(here, who, "failed to log in", str(error))
        raise
    return start(request, response, here, user)


def start(request: Request, response: Response, here: Context, user: User) -> Session:
    """A new session for a user who has proven who they are."""
    if (older := session_of(request, here)) is not None:
        here.sessions.close(older)
    session, secret = here.sessions.open(user, source_of(request))
    set_cookie(request, response, secret, here.sessions.life_s)
    _keep(here, session.actor, "logged in", user.source)
    return session


def log_out(request: Request, response: Response, here: Context) -> None:
    """End the session of a request, if it has one."""
    if (session := session_of(request, here)) is not None:
        here.sessions.close(session)
        _keep(here, session.actor, "logged out", "")
    drop_cookie(request, response)


async def change_password(
    request: Request, response: Response, here: Context, old: str, new: str
) -> Session:
    """Change the password of who is logged in; all their sessions end, and one begins.

    Raises
    ------
    LoginError, InvalidError
        The old one is wrong, or the new one cannot be a password.
    """
    session = session_of(request, here)
    if session is None:
        raise HTTPException(403, "a token has no password: log in with a session to change it")
    user = await asyncio.to_thread(here.users.set_password, session.user.name, old, new)
    _keep(here, session.actor, "changed the password", "")
    return start(request, response, here, user)


def _keep(here: Context, who: Actor, action: str, why: str) -> None:
    here.records.write(add=[entry(who, action, f"user {who.name}", why, here.clock.now_s())])


@open_router.post("/sessions", status_code=201, responses=responses(401, 403, 422))
async def make(here: Here, request: Request, response: Response, login: Login) -> SessionView:
    """Log in: the answer sets a cookie (HttpOnly, SameSite=Strict), and tells the CSRF token.

    Five wrong passwords in a row lock the name for a minute, and each further one for twice as
    long, up to an hour.
    """
    try:
        return view(await log_in(request, response, here, login.name, login.password))
    except LoginError as error:
        raise HTTPException(401, str(error)) from None


@router.get("/sessions/current", responses=responses(404))
async def current(here: Here, _: Viewer, request: Request, response: Response) -> SessionView:
    """Who is logged in by the cookie of this request."""
    response.headers["Cache-Control"] = "no-store"
    if (session := session_of(request, here)) is None:
        raise HTTPException(404, "this request carries a token, and no session")
    return view(session)


@router.delete("/sessions/current", status_code=204)
async def end(here: Here, _: Viewer, request: Request) -> Response:
    """Log out."""
    response = Response(status_code=204)
    log_out(request, response, here)
    return response


@router.put("/sessions/current/password", responses=responses(422))
async def password(
    here: Here,
    _: Viewer,
    request: Request,
    response: Response,
    body: NewPassword,
) -> SessionView:
    """Change one's own password; all sessions of the user end, and a new one begins."""
    try:
        return view(await change_password(request, response, here, body.old, body.new))
    except LoginError as error:
        raise HTTPException(403, str(error)) from None
