"""Tokens, for administrators."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from controller.authority.audit import entry
from controller.authority.roles import Scope
from controller.authority.tokens import LIFE_DAYS, Token
from controller.service.auth import Admin
from controller.service.bodies import Request
from controller.service.context import Here
from controller.service.problems import responses

router = APIRouter(tags=["tokens"], responses=responses(401, 403))


class TokenRequest(Request):
    """A token to be made."""

    name: str = Field(min_length=1, max_length=200, description="Shown in the audit as who acted.")
    scope: Scope
    life_days: float = Field(LIFE_DAYS, gt=0.0, le=3650.0)


class TokenMade(BaseModel):
    """A new token; its text is shown this once."""

    token: Token
    text: str


@router.get("/tokens")
async def tokens(here: Here, _: Admin) -> list[Token]:
    """Every token, without its secret."""
    return list(here.tokens.all())


@router.post("/tokens", status_code=201, responses=responses(422))
async def make(here: Here, actor: Admin, request: TokenRequest) -> TokenMade:
    """Make a token."""
    token, text = here.tokens.issue(request.name, request.scope, request.life_days)
    why = f"{request.name}, {request.scope.value}, {request.life_days:g} days"
    now_s = here.clock.now_s()
    here.records.write(add=[entry(actor, "made token", f"token {token.id}", why, now_s)])
    return TokenMade(token=token, text=text)


@router.delete("/tokens/{token_id}", responses=responses(404))
async def revoke(here: Here, actor: Admin, token_id: str) -> Token:
    """Revoke a token now."""
    token = here.tokens.revoke(token_id)
    now_s = here.clock.now_s()
    here.records.write(add=[entry(actor, "revoked token", f"token {token_id}", token.name, now_s)])
    return token
