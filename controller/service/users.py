"""Users, for administrators."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, Field

from controller.authority.audit import entry
from controller.authority.roles import Actor, Scope
from controller.authority.users import User
from controller.service.auth import Admin
from controller.service.bodies import Request, Why
from controller.service.context import Context, Here
from controller.service.problems import responses

router = APIRouter(tags=["users"], responses=responses(401, 403))


class UserRequest(Request):
    """A user to be made."""

    name: str = Field(
        min_length=1,
        max_length=100,
        description="Shown in the audit as who acted: a-z, 0-9 and . _ @ + -",
        examples=["j.doe"],
    )
    scope: Scope


class UserChange(Request):
    """What is to change; what is left out stays."""

    scope: Scope | None = None
    disabled: bool | None = Field(None, description="A disabled user cannot log in.")
    why: str = Why


class UserMade(BaseModel):
    """A user with a one-time password, which is shown this once and lives for a day."""

    user: User
    one_time_password: str


@router.get("/users")
async def users(here: Here, _: Admin) -> list[User]:
    """Every user, newest first."""
    return list(here.users.all())


@router.post("/users", status_code=201, responses=responses(409, 422))
async def add(here: Here, actor: Admin, request: UserRequest) -> UserMade:
    """Make a local user; the one-time password has to be changed at the first log-in."""
    user, password = await asyncio.to_thread(here.users.add, request.name, request.scope)
    keep(here, actor, "made user", user, request.scope.value)
    return UserMade(user=user, one_time_password=password)


@router.patch("/users/{name}", responses=responses(404, 409, 422))
async def change(here: Here, actor: Admin, name: str, request: UserChange) -> User:
    """Give another role, disable or enable; the last administrator stays one."""
    user = here.users.change(name, scope=request.scope, disabled=request.disabled)
    keep(here, actor, "changed user", user, request.why)
    return user


@router.post("/users/{name}/passwords", status_code=201, responses=responses(404, 409))
async def reset(here: Here, actor: Admin, name: str) -> UserMade:
    """Make a new one-time password; sessions of the user end, and a lock is lifted."""
    user, password = await asyncio.to_thread(here.users.reset, name)
    keep(here, actor, "reset the password of", user, "")
    return UserMade(user=user, one_time_password=password)


def keep(here: Context, actor: Actor, action: str, user: User, why: str) -> None:
    """Write into the audit what was done to a user."""
    detail = {"scope": user.scope.value, "disabled": user.disabled}
    log = entry(actor, action, f"user {user.name}", why, here.clock.now_s(), detail)
    here.records.write(add=[log])
