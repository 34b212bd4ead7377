"""Who asks: bearer tokens, refused unless proven, and what each scope may ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controller.authority.roles import Actor, Scope
from controller.authority.tokens import TokenError
from controller.service.context import Here

_bearer = HTTPBearer(
    auto_error=False,
    description="A token from `isotherm token new`, or the one in `STATE/admin.token`.",
)


def actor(
    request: Request,
    here: Here,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Actor:
    """Who asks, by the token that the request carries."""
    if credentials is None:
        raise _unauthorised(
            "this needs a token: send the header `Authorization: Bearer TOKEN`; "
            "`isotherm token new` makes one"
        )
    source = request.client.host if request.client else ""
    try:
        return here.tokens.authenticate(credentials.credentials, source)
    except TokenError as error:
        raise _unauthorised(str(error)) from None


def _unauthorised(why: str) -> HTTPException:
    return HTTPException(401, why, headers={"WWW-Authenticate": 'Bearer realm="isotherm"'})


def at_least(needed: Scope) -> Callable[[Actor], Actor]:
    """A dependency: who asks, if their scope covers ``needed``."""

    def check(asks: Annotated[Actor, Depends(actor)]) -> Actor:
        if not asks.scope.covers(needed):
            raise HTTPException(
                403,
                f"this needs the scope {needed.value}, and the token {asks.name!r} has "
                f"{asks.scope.value}: ask an administrator for one that reaches so far",
            )
        return asks

    return check


Viewer = Annotated[Actor, Depends(at_least(Scope.VIEWER))]
Operator = Annotated[Actor, Depends(at_least(Scope.OPERATOR))]
Admin = Annotated[Actor, Depends(at_least(Scope.ADMIN))]
