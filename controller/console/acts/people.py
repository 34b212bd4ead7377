"""Users and tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from controller.authority.roles import Scope
from controller.console import pages
from controller.console.acts.deed import Deed, form
from controller.service import tokens, users

router = APIRouter(include_in_schema=False)
on_users = partial(form, router, page=pages.users_page, back="/users")


@on_users("/users", Scope.ADMIN)
async def add_user(deed: Deed) -> Response:
    """Make a user; the one-time password is shown on the page that answers, and only there."""
    body = users.UserRequest.model_validate({k: deed.form.get(k, "") for k in ("name", "scope")})
    made = await users.add(deed.here, deed.actor, body)
    return await pages.users_page(deed.request, deed.here, deed.visitor, one_time=made)


@on_users("/users/{name}/passwords", Scope.ADMIN)
async def reset(deed: Deed) -> Response:
    """A new one-time password, shown as that of a new user."""
    made = await users.reset(deed.here, deed.actor, deed.id)
    return await pages.users_page(deed.request, deed.here, deed.visitor, one_time=made)


@on_users("/users/{name}", Scope.ADMIN)
async def change_user(deed: Deed) -> str:
    """Give another role, disable or enable."""
    told: dict[str, Any] = {"why": deed.why}
    if deed.form.get("scope"):
        told["scope"] = deed.form["scope"]
    if deed.form.get("disabled"):
        told["disabled"] = deed.form["disabled"] == "yes"
    user = await users.change(deed.here, deed.actor, deed.id, users.UserChange.model_validate(told))
    state = "disabled" if user.disabled else f"{user.scope.value}, enabled"
    return f"{user.name} is {state}."


@on_users("/tokens/{token_id}/revocations", Scope.ADMIN)
async def revoke(deed: Deed) -> str:
    """End a token now."""
    token = await tokens.revoke(deed.here, deed.actor, deed.id)
    return f"Token {token.name} is revoked."
