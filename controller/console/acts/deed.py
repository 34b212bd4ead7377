"""One form sent by one person, and what every form has in common.

What was done is said on the page that one comes from; what cannot be done is said beside what was
written, and nothing of it is lost.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from controller.authority.failures import AuthorityError
from controller.authority.roles import Actor, Scope
from controller.authority.sessions import Session
from controller.console import words
from controller.console.render import FLASH, Note
from controller.console.visit import Visitor
from controller.service.auth import signed_in
from controller.service.context import Context, Here
from controller.service.problems import STATUS

HOUR_S = 3600.0


@dataclass(frozen=True)
class Deed:
    """Who wants what, as it stands in the form and the address."""

    here: Context
    visitor: Session
    actor: Actor
    form: Mapping[str, str]
    lists: Mapping[str, list[str]]
    """Fields that may be chosen several times."""
    request: Request

    @property
    def id(self) -> str:
        """What it is done to: the one name in the address."""
        (found,) = self.request.path_params.values()
        return str(found)

    @property
    def why(self) -> str:
        """The reason that was given."""
        return self.form.get("why", "")

    @property
    def seen(self) -> str | None:
        """The version that the page showed, as ``If-Match`` has it."""
        version = self.form.get("seen")
        return f'"{version}"' if version else None

    def figure(self, name: str) -> float:
        """A number of the form.

        Raises
        ------
        ValueError
            It is none.
        """
        text = self.form.get(name, "").strip().replace("−", "-")
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"{name} must be a number, not {text!r}") from None


Act = Callable[[Deed], Awaitable[str | Response]]
"""Does it, and says in a sentence what was done (or answers a page of its own)."""
Page = Callable[..., Awaitable[Response]]


def form(router: APIRouter, path: str, role: Scope, page: Page, back: str) -> Callable[[Act], Act]:
    """Add a form to a router.

    Parameters
    ----------
    path
        Where it is sent to, with at most one name in it.
    role
        That it takes, as the route of REST does.
    page
        Shown with what is wrong, and with what was written.
    back
        Where to go once it is done.
    """
    asks: Any = Depends(signed_in(role))

    def add(act: Act) -> Act:
        async def answer(
            request: Request, here: Here, visitor: Visitor, actor: Actor = asks
        ) -> Response:
            sent = await request.form()
            names = list(sent)
            deed = Deed(
                here=here,
                visitor=visitor,
                actor=actor,
                form={n: str(v) for n, v in sent.items() if isinstance(v, str)},
                lists={n: [str(v) for v in sent.getlist(n)] for n in names},
                request=request,
            )
            return await _done(deed, act, page, back)

        router.add_api_route(path, answer, methods=["POST"], description=act.__doc__ or "")
        return act

    return add


async def _done(deed: Deed, act: Act, page: Page, back: str) -> Response:
    try:
        said = await act(deed)
    except (AuthorityError, ValidationError, HTTPException, ValueError) as error:
        status, problem = _in_words(error)
        note = Note(f"Nothing was changed: {words.sentence(problem)}", "bad")
        return await page(
            deed.request, deed.here, deed.visitor, said=note, status=status, form=deed.form
        )
    if isinstance(said, Response):
        return said
    response = RedirectResponse(back, 303)
    text = json.dumps(["good", said]).encode().hex()
    response.set_cookie(FLASH, text, max_age=30, httponly=True, samesite="strict", path="/")
    return response


def _in_words(error: Exception) -> tuple[int, str]:
    if isinstance(error, AuthorityError):
        return next(s for kind, s in STATUS.items() if isinstance(error, kind)), str(error)
    if isinstance(error, ValidationError):
        fields = (f"{_name(item)}: {item['msg']}" for item in error.errors())
        return 422, "; ".join(fields)
    if isinstance(error, HTTPException):
        if error.status_code < 400:
            raise error
        return error.status_code, str(error.detail)
    return 422, str(error)


def _name(item: Any) -> str:
    return ".".join(map(str, item["loc"]))
