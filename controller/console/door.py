"""Log in, log out, and the change of one's own password."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from controller.authority.failures import InvalidError
from controller.authority.users import LoginError
from controller.console.render import Facts, Note, page
from controller.console.visit import Visitor
from controller.service import sessions
from controller.service.context import Here

router = APIRouter(include_in_schema=False)


def own_page(address: str) -> str:
    """Where to go after the log-in: a page of ours, whatever the address says."""
    parts = urlsplit(address)
    ours = not parts.scheme and not parts.netloc and address.startswith("/")
    return address if ours and not address.startswith(("//", "/\\")) else "/"


@router.get("/login", response_class=HTMLResponse)
async def login_page(request: Request, here: Here, next: str = "/") -> HTMLResponse:  # noqa: A002 - the name in the address
    """Where to log in."""
    return page(request, "login.html", here, None, next=own_page(next), name="")


@router.post("/login")
async def log_in(request: Request, here: Here) -> Response:
    """Open a session."""
    form = await request.form()
    name, password = str(form.get("name", "")), str(form.get("password", ""))
    goes_to = own_page(str(form.get("next", "/")))
    response = RedirectResponse(goes_to, 303)
    try:
        session = await sessions.log_in(request, response, here, name[:256], password[:256])
    except LoginError as error:
        said = Note(f"Not logged in: {error}.", "bad")
        return page(
            request, "login.html", here, None, status=401, said=said, next=goes_to, name=name
        )
    if session.user.must_change:
        response.headers["Location"] = "/password"
    return response


@router.get("/login/{code}")
async def log_in_once(request: Request, here: Here, code: str) -> Response:
    """Open a session by a link of a demonstration."""
    facts: Facts = request.app.state.console
    user = facts.login_link.redeem(code) if facts.login_link else None
    if user is None:
        said = Note("This link has been used, or is none: log in, or take the next one.", "bad")
        return page(request, "login.html", here, None, status=401, said=said, next="/", name="")
    response = RedirectResponse("/", 303)
    sessions.start(request, response, here, user)
    return response


@router.post("/logout")
async def log_out(request: Request, here: Here, _: Visitor) -> Response:
    """End the session."""
    response = RedirectResponse("/login", 303)
    sessions.log_out(request, response, here)
    return response


@router.get("/password", response_class=HTMLResponse)
async def password_page(request: Request, here: Here, visitor: Visitor) -> HTMLResponse:
    """Where to change one's own password."""
    return page(request, "password.html", here, visitor)


@router.post("/password")
async def change_password(request: Request, here: Here, visitor: Visitor) -> Response:
    """Change one's own password."""
    form = await request.form()
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    response = RedirectResponse("/", 303)
    try:
        if new != str(form.get("again", "")):
            raise InvalidError("the new password was not written the same way twice")
        await sessions.change_password(request, response, here, old[:256], new)
    except (LoginError, InvalidError) as error:
        said = Note(f"The password is as it was: {error}.", "bad")
        return page(request, "password.html", here, visitor, status=422, said=said)
    return response
