"""What people do on the pages: each form calls the function that REST calls, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from controller.authority.failures import AuthorityError
from controller.authority.sessions import Session
from controller.console import pages, words
from controller.console.render import FLASH, Note
from controller.console.visit import Visitor
from controller.service import acting, deciding, standing, tokens, users
from controller.service.auth import Admin, Engineer, Operator
from controller.service.context import Context, Here
from controller.service.problems import STATUS
from controller.service.schemas import (
    AcknowledgementRequest,
    AgreementRequest,
    ApprovalRequest,
    ArmingRequest,
    EndRequest,
    ModeRequest,
    OverrideRequest,
    RejectionRequest,
    ReleaseRequest,
    RequestView,
    ShelvingRequest,
    StandingRequest,
)
from facility.commands import Receipt

router = APIRouter(include_in_schema=False)

Page = Callable[..., Awaitable[Response]]
HOUR_S = 3600.0


async def answered(
    request: Request,
    here: Context,
    visitor: Session,
    page: Page,
    back: str,
    act: Callable[[Mapping[str, str]], Awaitable[str]],
) -> Response:
    """Do it and go back to the page, or show the page with what is wrong and what was written."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    try:
        said = await act(form)
    except AuthorityError as error:
        status = next(s for kind, s in STATUS.items() if isinstance(error, kind))
        problem = str(error)
    except ValidationError as error:
        status, problem = (
            422,
            "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()
            ),
        )
    except HTTPException as error:
        if error.status_code < 400:
            raise
        status, problem = error.status_code, str(error.detail)
    except ValueError as error:
        status, problem = 422, str(error)
    else:
        response = RedirectResponse(back, 303)
        text = json.dumps(["good", said]).encode().hex()
        response.set_cookie(FLASH, text, max_age=30, httponly=True, samesite="strict", path="/")
        return response
    note = Note(f"Nothing was changed: {words.sentence(problem)}", "bad")
    return await page(request, here, visitor, said=note, status=status, form=form)


def figure(form: Mapping[str, str], name: str) -> float:
    """A number of a form.

    Raises
    ------
    ValueError
        It is none.
    """
    text = form.get(name, "").strip().replace("−", "-")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None


def receipts_in_words(receipts: list[Receipt]) -> str:
    """What became of commands, counted."""
    if not receipts:
        return "the gateway has not answered yet; it is carried out when it does"
    written = sum(r.written is not None for r in receipts)
    limited = sum(r.verdict.outcome.value == "limit" for r in receipts)
    refused = [r for r in receipts if r.result.value == "refused"]
    failed = sum(r.result.value == "failed" for r in receipts)
    parts = [f"{written} of {len(receipts)} devices took a new value"]
    if limited:
        parts.append(f"{limited} move in steps, as their limits ask")
    if failed:
        parts.append(f"{failed} did not confirm it in time")
    parts += [f"{words.actuator(r.actuator)} was refused: {r.verdict.detail}" for r in refused[:3]]
    return "; ".join(parts)


@router.post("/proposals/{proposal_id}/approvals")
async def approve(
    request: Request, here: Here, visitor: Visitor, actor: Operator, proposal_id: str
) -> Response:
    """Approve what was looked at, whole or with a smaller step."""

    async def act(form: Mapping[str, str]) -> str:
        body = ApprovalRequest(why=form.get("why", ""), share=figure(form, "share") / 100.0)
        etag = f'"{form.get("plan_hash", "")}"'
        found = await deciding.approve(here, actor, proposal_id, body, etag)
        return f"Approved: {receipts_in_words(found.receipts)}."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/proposals/{proposal_id}/rejections")
async def reject(
    request: Request, here: Here, visitor: Visitor, actor: Operator, proposal_id: str
) -> Response:
    """Reject, with the reason."""

    async def act(form: Mapping[str, str]) -> str:
        await deciding.reject(here, actor, proposal_id, RejectionRequest(why=form.get("why", "")))
        return "Rejected; the reason is kept for who tunes the plant."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/decisions/{decision_id}/reversals")
async def undo(
    request: Request, here: Here, visitor: Visitor, actor: Operator, decision_id: str
) -> Response:
    """Undo a decision."""

    async def act(form: Mapping[str, str]) -> str:
        found = await deciding.undo(here, actor, decision_id, EndRequest(why=form.get("why", "")))
        return f"Undone, back to the values from before: {receipts_in_words(found.receipts)}."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/standing-approvals")
async def grant(request: Request, here: Here, visitor: Visitor, actor: Engineer) -> Response:
    """Say yes in advance."""
    targets = [str(value) for value in (await request.form()).getlist("targets")]

    async def act(form: Mapping[str, str]) -> str:
        body = StandingRequest(
            targets=targets,
            largest_step=figure(form, "largest_step"),
            from_hour=form.get("from_hour", ""),
            to_hour=form.get("to_hour", ""),
            expires=str(here.clock.now_s() + figure(form, "hours") * HOUR_S),
            why=form.get("why", ""),
        )
        found = await standing.grant(here, actor, body, Response())
        if isinstance(found, RequestView):
            return f"It takes {found.needed} people here: the request waits for another one."
        return "The standing approval is in force."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/standing-approvals/{approval_id}/withdrawals")
async def withdraw(
    request: Request, here: Here, visitor: Visitor, actor: Operator, approval_id: str
) -> Response:
    """End a standing approval."""

    async def act(form: Mapping[str, str]) -> str:
        await standing.withdraw(here, actor, approval_id, EndRequest(why=form.get("why", "")))
        return "The standing approval has ended; what it decided before stands."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/requests/{request_id}/approvals")
async def agree(
    request: Request, here: Here, visitor: Visitor, actor: Engineer, request_id: str
) -> Response:
    """Agree to what somebody else asked for."""

    async def act(form: Mapping[str, str]) -> str:
        body = AgreementRequest(why=form.get("why", ""))
        found = await standing.agree(here, actor, request_id, body)
        return (
            "Agreed: it is in force." if found.state == "agreed" else "Agreed; one more is needed."
        )

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/requests/{request_id}/rejections")
async def refuse(
    request: Request, here: Here, visitor: Visitor, actor: Operator, request_id: str
) -> Response:
    """Refuse it, or take one's own back."""

    async def act(form: Mapping[str, str]) -> str:
        await standing.refuse(here, actor, request_id, EndRequest(why=form.get("why", "")))
        return "Refused; nothing was changed."

    return await answered(request, here, visitor, pages.proposals_page, "/proposals", act)


@router.post("/overrides")
async def override(request: Request, here: Here, visitor: Visitor, actor: Operator) -> Response:
    """Hold a setpoint."""

    async def act(form: Mapping[str, str]) -> str:
        body = OverrideRequest(
            target=form.get("target", ""),
            value=figure(form, "value"),
            lasts_s=figure(form, "hours") * HOUR_S,
            why=form.get("why", ""),
        )
        found = await acting.override(here, actor, body)
        return f"{words.actuator(body.target)} is held: {receipts_in_words(found.receipts)}."

    return await answered(request, here, visitor, pages.overrides_page, "/overrides", act)


@router.post("/overrides/{override_id}/releases")
async def end_override(
    request: Request, here: Here, visitor: Visitor, actor: Operator, override_id: str
) -> Response:
    """End an override."""

    async def act(form: Mapping[str, str]) -> str:
        body = EndRequest(why=form.get("why", ""))
        found = await acting.end_override(here, actor, override_id, body)
        name = words.actuator(found.override.actuator)
        return f"The override of {name} has ended; plans go on from the value in force."

    return await answered(request, here, visitor, pages.overrides_page, "/overrides", act)


@router.post("/modes")
async def set_mode(request: Request, here: Here, visitor: Visitor, actor: Operator) -> Response:
    """Set how far Isotherm may go."""

    async def act(form: Mapping[str, str]) -> str:
        chosen = form.get("actuators", "")
        body = ModeRequest.model_validate(
            {
                "mode": form.get("mode", ""),
                "actuators": [chosen] if chosen else None,
                "why": form.get("why", ""),
            }
        )
        found = await acting.set_modes(here, actor, body, Response())
        if isinstance(found, RequestView):
            return f"It takes {found.needed} people here: the request waits for another one."
        about = words.actuator(chosen) if chosen else "every setpoint"
        return f"The mode of {about} is {body.mode.value}."

    return await answered(request, here, visitor, pages.overrides_page, "/overrides", act)


@router.post("/armings")
async def arm(request: Request, here: Here, visitor: Visitor, actor: Engineer) -> Response:
    """Lift the latches that a release left."""

    async def act(form: Mapping[str, str]) -> str:
        await acting.arm(here, actor, ArmingRequest(why=form.get("why", "")))
        return "The latches are lifted; the modes are as they were."

    return await answered(request, here, visitor, pages.overrides_page, "/overrides", act)


@router.post("/releases")
async def release(request: Request, here: Here, visitor: Visitor, actor: Operator) -> Response:
    """Give the plant back."""

    async def act(form: Mapping[str, str]) -> str:
        body = ReleaseRequest(actuators=None, why=form.get("why", ""))
        await acting.release(here, actor, body)
        return "The plant is given back: every device is in its own control, the mode is shadow."

    return await answered(request, here, visitor, pages.overrides_page, "/overrides", act)


@router.post("/alarms/{alarm_id}/acknowledgements")
async def acknowledge(
    request: Request, here: Here, visitor: Visitor, actor: Operator, alarm_id: str
) -> Response:
    """Say that somebody has seen it."""

    async def act(form: Mapping[str, str]) -> str:
        body = AcknowledgementRequest(note=form.get("note", ""))
        await acting.acknowledge(here, actor, alarm_id, body)
        return "Acknowledged; it stays on the list until its cause has gone."

    return await answered(request, here, visitor, pages.alarms_page, "/alarms", act)


@router.post("/alarms/{alarm_id}/shelvings")
async def shelve(
    request: Request, here: Here, visitor: Visitor, actor: Operator, alarm_id: str
) -> Response:
    """Put an alarm aside for a while."""

    async def act(form: Mapping[str, str]) -> str:
        lasts_s = figure(form, "hours") * HOUR_S
        body = ShelvingRequest(lasts_s=lasts_s, why=form.get("why", ""))
        await acting.shelve(here, actor, alarm_id, body)
        return f"Shelved for {words.duration(lasts_s)}; it comes back if its cause is still there."

    return await answered(request, here, visitor, pages.alarms_page, "/alarms", act)


@router.post("/alarms/{alarm_id}/unshelvings")
async def unshelve(
    request: Request, here: Here, visitor: Visitor, actor: Operator, alarm_id: str
) -> Response:
    """Bring a shelved alarm back."""

    async def act(form: Mapping[str, str]) -> str:
        await acting.unshelve(here, actor, alarm_id, EndRequest(why=form.get("why", "")))
        return "The alarm is back on the list."

    return await answered(request, here, visitor, pages.alarms_page, "/alarms", act)


@router.post("/users")
async def add_user(request: Request, here: Here, visitor: Visitor, actor: Admin) -> Response:
    """Make a user; the one-time password is shown on the page that answers, and only there."""
    made: dict[str, Any] = {}

    async def show(*args: Any, **values: Any) -> Response:
        return await pages.users_page(*args, **values)

    async def act(form: Mapping[str, str]) -> str:
        body = users.UserRequest.model_validate({k: form.get(k, "") for k in ("name", "scope")})
        made["one_time"] = await users.add(here, actor, body)
        return ""

    answer = await answered(request, here, visitor, show, "/users", act)
    return await _with_password(request, here, visitor, made, answer)


@router.post("/users/{name}/passwords")
async def reset(
    request: Request, here: Here, visitor: Visitor, actor: Admin, name: str
) -> Response:
    """A new one-time password."""
    made: dict[str, Any] = {}

    async def act(_: Mapping[str, str]) -> str:
        made["one_time"] = await users.reset(here, actor, name)
        return ""

    answer = await answered(request, here, visitor, pages.users_page, "/users", act)
    return await _with_password(request, here, visitor, made, answer)


async def _with_password(
    request: Request, here: Context, visitor: Session, made: Mapping[str, Any], answer: Response
) -> Response:
    """The page that shows a one-time password: no redirect, so that it is kept nowhere."""
    if not made:
        return answer
    return await pages.users_page(request, here, visitor, one_time=made["one_time"])


@router.post("/users/{name}")
async def change_user(
    request: Request, here: Here, visitor: Visitor, actor: Admin, name: str
) -> Response:
    """Give another role, disable or enable."""

    async def act(form: Mapping[str, str]) -> str:
        told: dict[str, Any] = {"why": form.get("why", "")}
        if form.get("scope"):
            told["scope"] = form["scope"]
        if form.get("disabled"):
            told["disabled"] = form["disabled"] == "yes"
        user = await users.change(here, actor, name, users.UserChange.model_validate(told))
        state = "disabled" if user.disabled else f"{user.scope.value}, enabled"
        return f"{user.name} is {state}."

    return await answered(request, here, visitor, pages.users_page, "/users", act)


@router.post("/tokens/{token_id}/revocations")
async def revoke(
    request: Request, here: Here, visitor: Visitor, actor: Admin, token_id: str
) -> Response:
    """End a token now."""

    async def act(_: Mapping[str, str]) -> str:
        token = await tokens.revoke(here, actor, token_id)
        return f"Token {token.name} is revoked."

    return await answered(request, here, visitor, pages.users_page, "/users", act)
