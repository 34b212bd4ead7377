"""Proposals and the decisions on them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Response

from controller.authority.failures import NotFoundError
from controller.authority.inbox import decision_of, proposal_of
from controller.service.auth import Operator, Viewer
from controller.service.context import Here
from controller.service.paging import Pages
from controller.service.problems import responses
from controller.service.schemas import (
    Approval,
    ApprovalRequest,
    Decisions,
    DecisionView,
    Outcome,
    Proposals,
    ProposalView,
    RejectionRequest,
)
from controller.storage.ports import Kind, Record

router = APIRouter(tags=["proposals"], responses=responses(401))


def _view(record: Record) -> ProposalView:
    outcome = record.body.get("outcome")
    return ProposalView(
        id=record.id,
        state=record.state,
        proposal=proposal_of(record),
        outcome=Outcome(**outcome) if outcome else None,
    )


@router.get("/proposals")
async def proposals(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None,
        Query(
            description="`pending`, `approved`, `rejected`, `expired`, `superseded`, `adopted` "
            "or `recorded`; by default all."
        ),
    ] = None,
) -> Proposals:
    """Proposals, newest first."""
    here.desk.inbox.expire(here.clock.now_s())
    records, next_before = pages.find(here.records, Kind.PROPOSAL, state or ())
    return Proposals(items=[_view(record) for record in records], next_before=next_before)


@router.get("/proposals/{proposal_id}", responses=responses(404))
async def proposal(here: Here, _: Viewer, proposal_id: str, response: Response) -> ProposalView:
    """One proposal; its `ETag` is what an approval sends as `If-Match`."""
    here.desk.inbox.expire(here.clock.now_s())
    record = here.records.get(Kind.PROPOSAL, proposal_id)
    if record is None:
        raise NotFoundError(f"there is no proposal {proposal_id}")
    view = _view(record)
    response.headers["ETag"] = f'"{view.proposal.plan_hash}"'
    return view


@router.post(
    "/proposals/{proposal_id}/approvals",
    status_code=201,
    responses=responses(403, 404, 409, 412, 422, 428, 503),
)
async def approve(
    here: Here,
    actor: Operator,
    proposal_id: str,
    request: ApprovalRequest,
    if_match: Annotated[str | None, Header(description='`"PLAN_HASH"` as last seen.')] = None,
) -> Approval:
    """Approve a proposal as last seen: its plan's hash stands in `If-Match`.

    409: somebody decided before, it has expired, or the plant has left the region in which it
    holds. 412: its plan is another one. The envelope judges each write after that.
    """
    if if_match is None or if_match.strip() == "*":
        raise HTTPException(
            428,
            "an approval is bound to the plan that was looked at: send its hash, the ETag of the "
            "proposal, as If-Match",
        )
    decision, receipts = await here.desk.approve(
        proposal_id,
        if_match.strip().removeprefix("W/").strip('"'),
        actor,
        request.why,
        snapshot=here.snapshot(),
        now_s=here.clock.now_s(),
        actuators=request.actuators,
        share=request.share,
    )
    here.live.count_receipts(receipts)
    return Approval(decision=decision, receipts=list(receipts))


@router.post(
    "/proposals/{proposal_id}/rejections",
    status_code=201,
    responses=responses(403, 404, 409, 422),
)
async def reject(
    here: Here, actor: Operator, proposal_id: str, request: RejectionRequest
) -> ProposalView:
    """Reject a proposal; the reason is kept and shown to who tunes the plant."""
    return _view(here.desk.reject(proposal_id, actor, request.why, here.clock.now_s()))


@router.get("/decisions")
async def decisions(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None, Query(description="`person`, `optimiser` or `withdrawn`.")
    ] = None,
) -> Decisions:
    """Decisions of people and modes, newest first."""
    records, next_before = pages.find(here.records, Kind.DECISION, state or ())
    items = [
        DecisionView(id=record.id, state=record.state, decision=decision_of(record))
        for record in records
    ]
    return Decisions(items=items, next_before=next_before)
