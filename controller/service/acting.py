"""What people set: overrides, modes, releases; and alarms they have seen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from controller.authority.failures import NotFoundError
from controller.authority.overrides import override_of
from controller.authority.panel import is_at_panel
from controller.authority.roles import Scope
from controller.service.auth import Engineer, Operator, Viewer
from controller.service.bodies import (
    AcknowledgementRequest,
    ArmingRequest,
    EndRequest,
    ModeRequest,
    OverrideRequest,
    ReleaseRequest,
    ShelvingRequest,
)
from controller.service.context import Here
from controller.service.history import entry_view
from controller.service.matching import IfMatch, check, check_record, tag_of, tag_of_modes
from controller.service.paging import Pages
from controller.service.problems import responses
from controller.service.schemas import (
    Entry,
    Modes,
    Outcome,
    Overrides,
    OverrideView,
    Placed,
    Released,
    RequestView,
)
from controller.service.standing import request_view
from controller.storage.ports import Kind, Record

router = APIRouter(responses=responses(401))


def _view(record: Record) -> OverrideView:
    outcome = record.body.get("outcome")
    return OverrideView(
        id=record.id,
        version=record.version,
        state=record.state,
        override=override_of(record),
        at_panel=is_at_panel(override_of(record)),
        outcome=Outcome(**outcome) if outcome else None,
    )


@router.get("/overrides", tags=["overrides"])
async def overrides(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None,
        Query(description="`active`, `released`, `expired` or `failed`; by default all."),
    ] = None,
) -> Overrides:
    """Overrides, newest first."""
    here.desk.book.expire(here.clock.now_s())
    records, next_before = pages.find(here.records, Kind.OVERRIDE, state or ())
    return Overrides(items=[_view(record) for record in records], next_before=next_before)


@router.get("/overrides/{override_id}", tags=["overrides"], responses=responses(404))
async def one_override(here: Here, _: Viewer, override_id: str, response: Response) -> OverrideView:
    """One override, and what became of it."""
    here.desk.book.expire(here.clock.now_s())
    record = here.records.get(Kind.OVERRIDE, override_id)
    if record is None:
        raise NotFoundError(f"there is no override {override_id}")
    response.headers["ETag"] = tag_of(record)
    return _view(record)


@router.post(
    "/overrides",
    tags=["overrides"],
    status_code=201,
    responses=responses(403, 404, 409, 422, 503),
)
async def override(here: Here, actor: Operator, request: OverrideRequest) -> Placed:
    """Hold a setpoint until the override ends; the optimiser plans around it.

    It outranks every decision. The envelope judges its write too, and may let the value move
    in steps only; it is asked for again until the device shows it.
    """
    placed, receipts = await here.desk.override(
        request.target,
        request.value,
        request.lasts_s,
        actor,
        request.why,
        snapshot=here.snapshot(),
        now_s=here.clock.now_s(),
    )
    here.live.count_receipts(receipts)
    return Placed(overrides=list(placed), receipts=list(receipts))


@router.post(
    "/overrides/{override_id}/releases",
    tags=["overrides"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def end_override(
    here: Here,
    actor: Operator,
    override_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> OverrideView:
    """End an override before its time; the optimiser goes on from the value in force."""
    check_record(here, Kind.OVERRIDE, override_id, if_match)
    await here.desk.end_override(override_id, actor, request.why, here.clock.now_s())
    record = here.records.get(Kind.OVERRIDE, override_id)
    assert record is not None  # noqa: S101 - it was just ended
    return _view(record)


@router.get("/modes", tags=["modes"], responses=responses(503))
async def modes(here: Here, _: Viewer, response: Response) -> Modes:
    """Modes by actuator, as the gateway keeps them; their `ETag` tells of any change."""
    found = here.snapshot().modes
    response.headers["ETag"] = tag_of_modes(found)
    return Modes(modes=found)


@router.put(
    "/modes",
    tags=["modes"],
    responses={
        202: {"model": RequestView, "description": "It takes another person too."},
        **responses(403, 404, 412, 422, 503),
    },
)
async def set_modes(
    here: Here,
    actor: Operator,
    request: ModeRequest,
    response: Response,
    if_match: IfMatch = None,
) -> Modes | RequestView:
    """Set how far Isotherm may go; towards writing it takes the role `engineer`.

    Where the site file wants two people for it, the answer is 202 with the request that waits for
    the other one (`POST /v1/requests/{id}/approvals`).
    """
    if request.mode.writes and not actor.scope.covers(Scope.ENGINEER):
        raise HTTPException(
            403,
            f"mode {request.mode.value} lets Isotherm write: it takes the role engineer, and "
            f"{actor.name!r} has {actor.scope.value}",
        )
    async with here.modes_turn:
        if if_match is not None:
            await here.look_again()
            check(if_match, tag_of_modes(here.snapshot().modes), "the mode of some setpoint")
        found = await here.asking.mode(
            request.actuators, request.mode, actor, request.why, here.clock.now_s()
        )
        if isinstance(found, Record):
            response.status_code = 202
            return request_view(found)
        await here.look_again()
    response.headers["ETag"] = tag_of_modes(found)
    return Modes(modes=found)


@router.post("/releases", tags=["modes"], status_code=201, responses=responses(403, 404, 422, 503))
async def release(here: Here, actor: Operator, request: ReleaseRequest) -> Released:
    """Give the plant back to its own control, now; modes fall to shadow and stay latched."""
    released = await here.desk.release(request.actuators, actor, request.why, here.clock.now_s())
    await here.look_again()
    return Released(released=released)


@router.post(
    "/armings",
    tags=["modes"],
    status_code=201,
    responses=responses(403, 422, 503),
)
async def arm(
    here: Here,
    actor: Engineer,
    request: ArmingRequest,
) -> Modes:
    """Lift the latches that a release left; the modes stay as they are."""
    await here.desk.arm(actor, request.why, here.clock.now_s())
    await here.look_again()
    return Modes(modes=here.snapshot().modes)


@router.post(
    "/alarms/{alarm_id}/acknowledgements",
    tags=["alarms"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def acknowledge(
    here: Here,
    actor: Operator,
    alarm_id: str,
    request: AcknowledgementRequest,
    if_match: IfMatch = None,
) -> Entry:
    """Say that somebody has seen an alarm; it stays on the list until its cause has gone."""
    check_record(here, Kind.ALARM, alarm_id, if_match)
    return entry_view(here.alarms.acknowledge(alarm_id, actor, request.note, here.clock.now_s()))


@router.post(
    "/alarms/{alarm_id}/shelvings",
    tags=["alarms"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def shelve(
    here: Here,
    actor: Operator,
    alarm_id: str,
    request: ShelvingRequest,
    if_match: IfMatch = None,
) -> Entry:
    """Put an alarm aside for a while; it comes back by itself if its cause is still there."""
    check_record(here, Kind.ALARM, alarm_id, if_match)
    now_s = here.clock.now_s()
    return entry_view(here.alarms.shelve(alarm_id, request.lasts_s, actor, request.why, now_s))


@router.post(
    "/alarms/{alarm_id}/unshelvings",
    tags=["alarms"],
    status_code=201,
    responses=responses(403, 404, 409, 412, 422),
)
async def unshelve(
    here: Here,
    actor: Operator,
    alarm_id: str,
    request: EndRequest,
    if_match: IfMatch = None,
) -> Entry:
    """Bring a shelved alarm back to the list before its time."""
    check_record(here, Kind.ALARM, alarm_id, if_match)
    return entry_view(here.alarms.unshelve(alarm_id, actor, request.why, here.clock.now_s()))
