"""Proposals, decisions, standing approvals, and what takes two people."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from controller.authority.roles import Scope
from controller.console import pages, words
from controller.console.acts.deed import HOUR_S, Deed, form
from controller.service import deciding, standing
from controller.service.bodies import (
    AgreementRequest,
    ApprovalRequest,
    EndRequest,
    RejectionRequest,
    StandingRequest,
)
from controller.service.schemas import RequestView

router = APIRouter(include_in_schema=False)
on_proposals = partial(form, router, page=pages.proposals_page, back="/proposals")


@on_proposals("/proposals/{proposal_id}/approvals", Scope.OPERATOR)
async def approve(deed: Deed) -> str:
    """Approve what was looked at, whole or with a smaller step."""
    body = ApprovalRequest(why=deed.why, share=deed.figure("share") / 100.0)
    etag = f'"{deed.form.get("plan_hash", "")}"'
    found = await deciding.approve(deed.here, deed.actor, deed.id, body, etag)
    return f"Approved: {words.receipts(found.receipts, len(found.waiting))}."


@on_proposals("/proposals/{proposal_id}/rejections", Scope.OPERATOR)
async def reject(deed: Deed) -> str:
    """Reject, with the reason."""
    await deciding.reject(deed.here, deed.actor, deed.id, RejectionRequest(why=deed.why))
    return "Rejected; the reason is kept for who tunes the plant."


@on_proposals("/decisions/{decision_id}/reversals", Scope.OPERATOR)
async def undo(deed: Deed) -> str:
    """Undo a decision."""
    body = EndRequest(why=deed.why)
    found = await deciding.undo(deed.here, deed.actor, deed.id, body, deed.seen)
    told = words.receipts(found.receipts, len(found.waiting))
    return f"Undone, back to the values from before: {told}."


@on_proposals("/standing-approvals", Scope.ENGINEER)
async def grant(deed: Deed) -> str:
    """Say yes in advance."""
    body = StandingRequest(
        targets=deed.lists.get("targets", []),
        largest_step=deed.figure("largest_step"),
        from_hour=deed.form.get("from_hour", ""),
        to_hour=deed.form.get("to_hour", ""),
        expires=str(deed.here.clock.now_s() + deed.figure("hours") * HOUR_S),
        why=deed.why,
    )
    found = await standing.grant(deed.here, deed.actor, body, Response())
    if isinstance(found, RequestView):
        return f"It takes {found.needed} people here: the request waits for another one."
    return "The standing approval is in force."


@on_proposals("/standing-approvals/{approval_id}/withdrawals", Scope.OPERATOR)
async def withdraw(deed: Deed) -> str:
    """End a standing approval."""
    await standing.withdraw(deed.here, deed.actor, deed.id, EndRequest(why=deed.why), deed.seen)
    return "The standing approval has ended; what it decided before stands."


@on_proposals("/requests/{request_id}/approvals", Scope.ENGINEER)
async def agree(deed: Deed) -> str:
    """Agree to what somebody else asked for."""
    body = AgreementRequest(why=deed.why)
    found = await standing.agree(deed.here, deed.actor, deed.id, body, deed.seen)
    return "Agreed: it is in force." if found.state == "agreed" else "Agreed; one more is needed."


@on_proposals("/requests/{request_id}/rejections", Scope.OPERATOR)
async def refuse(deed: Deed) -> str:
    """Refuse it, or take one's own back."""
    await standing.refuse(deed.here, deed.actor, deed.id, EndRequest(why=deed.why), deed.seen)
    return "Refused; nothing was changed."
