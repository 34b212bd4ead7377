"""Standing approvals, and what takes two people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from controller.authority.failures import NotFoundError
from controller.authority.standing import Wish, standing_of
from controller.service.auth import Engineer, Operator, Viewer
from controller.service.bodies import AgreementRequest, EndRequest, StandingRequest
from controller.service.context import Here
from controller.service.matching import IfMatch, check_record, tag_of
from controller.service.paging import Pages, moment
from controller.service.problems import responses
from controller.service.schemas import Outcome, Requests, RequestView, Standings, StandingView
from controller.storage.ports import Kind, Record

router = APIRouter(responses=responses(401))


def standing_view(record: Record) -> StandingView:
    """A standing approval as the API shows it."""
    outcome = record.body.get("outcome")
    return StandingView(
        id=record.id,
        version=record.version,
        state=record.state,
        standing=standing_of(record),
        outcome=Outcome(**outcome) if outcome else None,
    )


def request_view(record: Record) -> RequestView:
    """A request as the API shows it."""
    return RequestView.model_validate(
        {
            "outcome": None,
            **record.body,
            "id": record.id,
            "version": record.version,
            "state": record.state,
        }
    )


@router.get("/standing-approvals", tags=["standing approvals"], responses=responses(422))
async def standings(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None, Query(description="`active`, `withdrawn` or `expired`; by default all.")
    ] = None,
) -> Standings:
    """Standing approvals, newest first."""
    here.desk.standing.expire(here.clock.now_s())
    records, next_before = pages.find(here.records, Kind.STANDING, state or ())
    return Standings(items=[standing_view(record) for record in records], next_before=next_before)


@router.get(
    "/standing-approvals/{approval_id}", tags=["standing approvals"], responses=responses(404)
)
async def standing(here: Here, _: Viewer, approval_id: str, response: Response) -> StandingView:
    """One standing approval."""
    here.desk.standing.expire(here.clock.now_s())
    record = here.records.get(Kind.STANDING, approval_id)
    if record is None:
        raise NotFoundError(f"there is no standing approval {approval_id}")
    response.headers["ETag"] = tag_of(record)
    return standing_view(record)


@router.post(
    "/standing-approvals",
    tags=["standing approvals"],
    status_code=201,
    responses={
        202: {"model": RequestView, "description": "It takes another person too."},
        **responses(403, 404, 409, 422, 503),
    },
)
async def grant(
    here: Here, actor: Engineer, request: StandingRequest, response: Response
) -> StandingView | RequestView:
    """Say yes in advance: up to this step, these actuators, these hours, until then.

    A move is covered if its step is no larger, and the value stays within `reach` of the one in
    force now. What is not covered waits for a person as always. Its writes keep the optimiser's
    budgets, and the envelope judges each of them.
    """
    wish = Wish(
        targets=tuple(request.targets),
        largest_step=request.largest_step,
        expires_at_s=moment(request.expires, "body.expires"),
        why=request.why,
        reach=request.reach,
        from_hour=request.from_hour,
        to_hour=request.to_hour,
        time_zone=request.time_zone,
    )
    now_s = here.clock.now_s()
    record = here.asking.standing(wish, actor, snapshot=here.snapshot(), now_s=now_s)
    if record.kind is Kind.REQUEST:
        response.status_code = 202
        return request_view(record)
    return standing_view(record)


@router.post(
    "/standing-approvals/{approval_id}/withdrawals",
    tags=["standing approvals"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def withdraw(
    here: Here,
    actor: Operator,
    approval_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> StandingView:
    """End a standing approval before its time; what it decided before stands."""
    check_record(here, Kind.STANDING, approval_id, if_match)
    now_s = here.clock.now_s()
    return standing_view(here.desk.standing.withdraw(approval_id, actor, request.why, now_s))


@router.get("/requests", tags=["two people"], responses=responses(422))
async def requests(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None,
        Query(description="`pending`, `agreed`, `refused`, `expired`, `failed`; by default all."),
    ] = None,
) -> Requests:
    """What one person asked for and others have to agree to, newest first."""
    here.asking.requests.expire(here.clock.now_s())
    records, next_before = pages.find(here.records, Kind.REQUEST, state or ())
    return Requests(items=[request_view(record) for record in records], next_before=next_before)


@router.get("/requests/{request_id}", tags=["two people"], responses=responses(404))
async def one_request(here: Here, _: Viewer, request_id: str, response: Response) -> RequestView:
    """One request, and who has said yes."""
    here.asking.requests.expire(here.clock.now_s())
    record = here.records.get(Kind.REQUEST, request_id)
    if record is None:
        raise NotFoundError(f"there is no request {request_id}")
    response.headers["ETag"] = tag_of(record)
    return request_view(record)


@router.post(
    "/requests/{request_id}/approvals",
    tags=["two people"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422, 503),
)
async def agree(
    here: Here,
    actor: Engineer,
    request_id: str,
    request: AgreementRequest,
    if_match: IfMatch = None,
) -> RequestView:
    """Agree to a request; with the last person that it needs it is carried out at once."""
    check_record(here, Kind.REQUEST, request_id, if_match)
    now_s = here.clock.now_s()
    return request_view(await here.asking.agree(request_id, actor, request.why, now_s))


@router.post(
    "/requests/{request_id}/rejections",
    tags=["two people"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def refuse(
    here: Here,
    actor: Operator,
    request_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> RequestView:
    """Refuse a request, or take one's own back."""
    check_record(here, Kind.REQUEST, request_id, if_match)
    now_s = here.clock.now_s()
    return request_view(here.asking.requests.refuse(request_id, actor, request.why, now_s))
