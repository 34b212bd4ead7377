"""Proposals and the decisions on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Response

from controller.authority.failures import NotFoundError, StateError
from controller.authority.inbox import PENDING, decision_of, not_in_region, proposal_of
from controller.planning.standing import MoveNow, as_it_stands, is_open
from controller.service.auth import Operator, Viewer
from controller.service.bodies import ApprovalRequest, EndRequest, RejectionRequest
from controller.service.context import Context, Here
from controller.service.encoded import item, page_of
from controller.service.matching import IfMatch, check, check_record, tag_of
from controller.service.paging import Pages
from controller.service.problems import responses
from controller.service.schemas import (
    Approval,
    Decisions,
    DecisionView,
    MoveView,
    Outcome,
    Proposals,
    ProposalView,
)
from controller.storage.ports import Kind, Record
from facility.clock import iso
from facility.commands import Decision, Origin, Proposal, Receipt, Recheck
from facility.devices import Actuator
from facility.telemetry import Snapshot

router = APIRouter(tags=["proposals"], responses=responses(401))


def proposal_view(here: Context, record: Record) -> ProposalView:
    """A proposal as the API shows it."""
    outcome = record.body.get("outcome")
    found = proposal_of(record)
    snapshot = here.live.snapshot
    waits = record.state == PENDING and snapshot is not None
    return ProposalView(
        id=record.id,
        state=record.state,
        proposal=found,
        moves=[
            _move_view(
                here.site.actuators[line.move.actuator], line, record.body.get("covered", {})
            )
            for line in as_it_stands(found, here.site, snapshot if waits else None)
        ],
        currency=here.site.tariff.currency,
        checked=_checked(found),
        left_region=not_in_region(found, snapshot) if waits and snapshot is not None else [],
        outcome=Outcome(**outcome) if outcome else None,
    )


def _move_view(actuator: Actuator, line: MoveNow, covered: Mapping[str, str]) -> MoveView:
    move = line.move
    cools_more = actuator.is_more_cooling(move.proposed, move.now)
    rate = actuator.rate_towards_per_min if cools_more else actuator.rate_away_per_min
    return MoveView(
        actuator=move.actuator,
        unit=actuator.unit,
        now=move.now,
        proposed=move.proposed,
        minimum=actuator.minimum,
        maximum=actuator.maximum,
        rate_per_min=rate,
        minutes=abs(move.proposed - move.now) / rate,
        cools_more=cools_more,
        is_left=line.is_left,
        covered_by=covered.get(move.actuator),
    )


def _checked(proposal: Proposal) -> list[str]:
    done = (
        "rolled out rack by rack with the learned model: every temperature stays within its limit "
        "less the margin for error"
        if proposal.verified
        else "not rolled out: the rule that only ever cools more made it"
    )
    return [
        done,
        *_rechecked(proposal.recheck),
        f"holds while {len(proposal.region)} readings stay within their stated bounds; looked at "
        "again with the approval, and until the last write",
        "each write is judged anew by the safety envelope, on its own telemetry",
    ]


def _rechecked(found: Recheck | None) -> list[str]:
    if found is None:
        return []
    return [
        f"rolled out again at {iso(found.time_s)} from the plant as it was then, its setpoints "
        f"held: saves {found.saving_kw:.1f} kW; {found.worst_rack} has least room for an hour, "
        f"{found.room_k:.1f} K"
    ]


def decision_view(here: Context, record: Record) -> DecisionView:
    """A decision as the API shows it."""
    body, found = record.body, decision_of(record)
    outcome = body.get("outcome")
    until_s = found.decided_at_s + here.site.people.undo_window_s
    is_open = (
        found.origin is Origin.PERSON
        and "reversed_by" not in body
        and here.clock.now_s() <= until_s
    )
    return DecisionView(
        id=record.id,
        version=record.version,
        state=record.state,
        decision=found,
        standing=body.get("standing"),
        reverses=body.get("reverses"),
        reversed_by=body.get("reversed_by"),
        undo_until_s=until_s if is_open else None,
        outcome=Outcome(**outcome) if outcome else None,
    )


def _approval(
    here: Context, made: Decision, receipts: Sequence[Receipt], snapshot: Snapshot
) -> Approval:
    """A decision with its first receipts, and what waits for them."""
    asked = {receipt.actuator for receipt in receipts}
    waiting = [
        move.actuator
        for move in made.moves
        if receipts and move.actuator not in asked and is_open(move, here.site, snapshot)
    ]
    return Approval(decision=made, receipts=list(receipts), waiting=waiting)


@router.get("/proposals", response_model=Proposals)
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
) -> Response:
    """Proposals, newest first."""
    here.desk.inbox.expire(here.clock.now_s())
    records, next_before = pages.find(here.records, Kind.PROPOSAL, state or ())
    return page_of([_proposal_item(here, record) for record in records], next_before)


def _proposal_item(here: Context, record: Record) -> bytes:
    """A proposal, encoded; what waits is judged by the latest snapshot, what is closed stands."""
    token = (record.version, here.live.snapshot if record.state == PENDING else None)
    return here.kept.get(("proposal", record.id), token, lambda: item(proposal_view(here, record)))


@router.get("/proposals/{proposal_id}", responses=responses(404))
async def proposal(here: Here, _: Viewer, proposal_id: str, response: Response) -> ProposalView:
    """One proposal; its `ETag` is what an approval sends as `If-Match`."""
    here.desk.inbox.expire(here.clock.now_s())
    record = here.records.get(Kind.PROPOSAL, proposal_id)
    if record is None:
        raise NotFoundError(f"there is no proposal {proposal_id}")
    view = proposal_view(here, record)
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
    snapshot = here.snapshot()
    decision, receipts = await here.desk.approve(
        proposal_id,
        if_match.strip().removeprefix("W/").strip('"'),
        actor,
        request.why,
        snapshot=snapshot,
        now_s=here.clock.now_s(),
        actuators=request.actuators,
        share=request.share,
    )
    here.live.count_receipts(receipts)
    return _approval(here, decision, receipts, snapshot)


@router.post(
    "/proposals/{proposal_id}/rejections",
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def reject(
    here: Here,
    actor: Operator,
    proposal_id: str,
    request: RejectionRequest,
    if_match: IfMatch = None,
) -> ProposalView:
    """Reject a proposal; the reason is kept and shown to who tunes the plant."""
    if (record := here.records.get(Kind.PROPOSAL, proposal_id)) is not None:
        tag = f'"{proposal_of(record).plan_hash}"'
        check(if_match, tag, f"proposal {proposal_id}")
    return proposal_view(
        here, here.desk.reject(proposal_id, actor, request.why, here.clock.now_s())
    )


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
    items = [decision_view(here, record) for record in records]
    return Decisions(items=items, next_before=next_before)


@router.get("/decisions/{decision_id}", responses=responses(404))
async def decision(here: Here, _: Viewer, decision_id: str, response: Response) -> DecisionView:
    """One decision, and until when it can be undone."""
    record = _decision(here, decision_id)
    response.headers["ETag"] = tag_of(record)
    return decision_view(here, record)


@router.post(
    "/decisions/{decision_id}/reversals",
    status_code=201,
    responses=responses(403, 404, 409, 412, 422, 503),
)
async def undo(
    here: Here,
    actor: Operator,
    decision_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> Approval:
    """Undo a decision: a new one returns to the values from before it, through the envelope.

    Within the site's window (an hour unless its file says otherwise), for what is in advisory and
    not overridden.
    """
    check_record(here, Kind.DECISION, decision_id, if_match)
    snapshot = here.snapshot()
    back, receipts = await here.desk.undo(
        decision_id, actor, request.why, snapshot=snapshot, now_s=here.clock.now_s()
    )
    here.live.count_receipts(receipts)
    return _approval(here, back, receipts, snapshot)


@router.post(
    "/decisions/{decision_id}/withdrawals",
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def withdraw(
    here: Here,
    actor: Operator,
    decision_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> DecisionView:
    """Withdraw a person's decision: what it has not written yet is not written."""
    check_record(here, Kind.DECISION, decision_id, if_match)
    record = _decision(here, decision_id)
    if record.state != Origin.PERSON.value:
        raise StateError(f"decision {decision_id} is {record.state}: there is nothing to withdraw")
    found = decision_of(record)
    here.desk.inbox.withdraw(found, actor, request.why, here.clock.now_s())
    return decision_view(here, _decision(here, decision_id))


def _decision(here: Context, decision_id: str) -> Record:
    record = here.records.get(Kind.DECISION, decision_id)
    if record is None:
        raise NotFoundError(f"there is no decision {decision_id}")
    return record
