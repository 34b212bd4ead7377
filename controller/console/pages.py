"""What the console shows: one function a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from controller.authority.failures import NotFoundError
from controller.authority.sessions import Session
from controller.console.render import Note, drawn, fragment, page
from controller.console.views import hall, model, schematic, setpoints, shadow, trends
from controller.console.views import proposals as proposal_views
from controller.console.visit import Visitor
from controller.service import deciding, standing
from controller.service.auth import Viewer
from controller.service.context import Context, Here
from controller.service.matching import tag_of_modes
from controller.service.moment import NEAR_K, numbers_of
from controller.storage.ports import Kind
from facility.commands import Mode
from facility.telemetry import Snapshot

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Before = Annotated[int | None, Query(ge=0, le=2**62)]
Form = Mapping[str, str]
"""What was written into a form that could not be used: nothing of it is lost."""
PAST = 25
AUDIT = 60


@router.get("/")
async def overview(request: Request, here: Here, visitor: Visitor) -> HTMLResponse:
    """The hall, the plant and what waits."""
    here.desk.inbox.expire(here.clock.now_s())
    pending = here.desk.inbox.pending()
    snapshot = here.live.snapshot
    drawing = here.kept.get("plant", snapshot, lambda: _plant(here, snapshot))
    return page(
        request,
        "overview.html",
        here,
        visitor,
        plant=drawing,
        state_of=hall.state_of,
        waiting=proposal_views.waiting(here.site, pending[0] if pending else None),
    )


def _plant(here: Context, snapshot: Snapshot | None) -> Markup:
    """Racks and schematic with the readings of one snapshot; the same for everybody."""

    def reading(tag: str) -> float | None:
        return None if snapshot is None else snapshot.reading(tag).value

    return fragment(
        "plant.html",
        halls=hall.halls(here.site, snapshot),
        near_k=NEAR_K,
        plant=schematic.drawing(here.site),
        reading=reading,
        numbers=numbers_of(here.site, snapshot),
        devices=hall.device_words(snapshot),
    )


@router.get("/proposals")
async def proposals(
    request: Request, here: Here, visitor: Visitor, before: Before = None
) -> HTMLResponse:
    """The proposal that stands, and those before it."""
    return await proposals_page(request, here, visitor, before=before)


@router.get("/proposals/{proposal_id}")
async def proposal(
    request: Request, here: Here, visitor: Visitor, proposal_id: str
) -> HTMLResponse:
    """One proposal of the past."""
    if here.records.get(Kind.PROPOSAL, proposal_id) is None:
        raise NotFoundError(f"there is no proposal {proposal_id}")
    return await proposals_page(request, here, visitor, chosen=proposal_id)


async def proposals_page(
    request: Request,
    here: Context,
    visitor: Session,
    *,
    chosen: str | None = None,
    before: int | None = None,
    said: Note | None = None,
    status: int = 200,
    form: Form | None = None,
) -> HTMLResponse:
    """The page of proposals, with what an action on it had to say."""
    now_s = here.clock.now_s()
    here.desk.inbox.expire(now_s)
    here.desk.standing.expire(now_s)
    here.asking.requests.expire(now_s)
    made = here.records.find(Kind.DECISION, states=("person", "withdrawn"), limit=PAST)
    decisions = [deciding.decision_view(here, found) for found in made]
    past = here.records.find(Kind.PROPOSAL, before=before, limit=PAST + 1)
    record = here.records.get(Kind.PROPOSAL, chosen) if chosen else None
    if record is None and past and before is None:
        record = past[0]
    shown: proposal_views.ProposalPage | None = None
    charts: tuple[Markup, ...] = ()
    if record is not None:
        shown = proposal_views.proposal_page(here.site, record, here.live.snapshot)
        name, bands = ("charts", record.id), shown.charts
        charts = here.kept.get(name, shown.proposal.plan_hash, lambda: drawn(bands))
    return page(
        request,
        "proposals.html",
        here,
        visitor,
        status=status,
        said=said,
        shown=shown,
        charts=charts,
        chosen=chosen,
        decisions=[found for found in decisions if found.undo_until_s is not None],
        standings=[
            standing.standing_view(found)
            for found in here.records.find(Kind.STANDING, states=("active",))
        ],
        requests=[
            standing.request_view(found)
            for found in here.records.find(Kind.REQUEST, states=("pending",))
        ],
        targets=setpoints.targets(here.site, here.live.snapshot),
        past=past[:PAST],
        next_before=past[PAST - 1].sequence if len(past) > PAST else None,
        form=form or {},
        modes=Mode,
    )


@router.get("/overrides")
async def overrides(request: Request, here: Here, visitor: Visitor) -> HTMLResponse:
    """Setpoints, overrides and modes."""
    return await overrides_page(request, here, visitor)


async def overrides_page(
    request: Request,
    here: Context,
    visitor: Session,
    *,
    said: Note | None = None,
    status: int = 200,
    form: Form | None = None,
) -> HTMLResponse:
    """The page of overrides, with what an action on it had to say."""
    now_s = here.clock.now_s()
    here.desk.book.expire(now_s)
    active = here.records.find(Kind.OVERRIDE, states=("active",), limit=1000)
    past = here.records.find(Kind.OVERRIDE, states=("released", "expired", "failed"), limit=PAST)
    snapshot = here.live.snapshot
    return page(
        request,
        "overrides.html",
        here,
        visitor,
        status=status,
        said=said,
        lines=setpoints.setpoints(here.site, snapshot, here.desk.overrides(now_s)),
        targets=setpoints.targets(here.site, here.live.snapshot),
        active=setpoints.override_lines(here.site, active),
        past=setpoints.override_lines(here.site, past),
        seen_modes=tag_of_modes(snapshot.modes if snapshot else {}).strip('"'),
        form=form or {},
        modes=Mode,
    )


@router.get("/alarms")
async def alarms(request: Request, here: Here, visitor: Visitor) -> HTMLResponse:
    """What asks for somebody."""
    return await alarms_page(request, here, visitor)


async def alarms_page(
    request: Request,
    here: Context,
    visitor: Session,
    *,
    said: Note | None = None,
    status: int = 200,
    form: Form | None = None,
) -> HTMLResponse:
    """The page of alarms, with what an action on it had to say."""
    order = {"high": 0, "medium": 1, "low": 2}
    found = sorted(
        here.alarms.open(),
        key=lambda r: (r.state != "active", order.get(str(r.body["priority"]), 3), -r.time_s),
    )
    return page(
        request,
        "alarms.html",
        here,
        visitor,
        status=status,
        said=said,
        listed=[r for r in found if r.state != "shelved"],
        shelved=[r for r in found if r.state == "shelved"],
        cleared=here.records.find(Kind.ALARM, states=("cleared",), limit=PAST),
        form=form or {},
    )


@router.get("/trends")
async def trends_page(
    request: Request,
    here: Here,
    visitor: Visitor,
    hours: Annotated[float | None, Query(gt=0.0, le=24.0 * 31)] = None,
    equipment: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """What has been and what is expected."""
    if equipment and equipment not in trends.equipment(here.site):
        raise NotFoundError(f"there is no equipment {equipment} with points here")
    hours = hours or trends.usual_span(here)
    steps = (here.live.ticks, here.clock.now_s() // trends.redrawn_every_s(hours))
    charts = await here.kept.from_thread(
        ("trends", hours, equipment), steps, lambda: drawn(trends.charts(here, hours, equipment))
    )
    return page(
        request,
        "trends.html",
        here,
        visitor,
        charts=charts,
        hours=hours,
        spans=trends.SPANS,
        equipment=equipment,
        names=trends.equipment(here.site),
    )


@router.get("/shadow")
async def shadow_page(
    request: Request,
    here: Here,
    visitor: Visitor,
    hours: Annotated[float, Query(gt=0.0, le=24.0 * 31)] = 24.0,
) -> HTMLResponse:
    """What Isotherm would have done, and whether its predictions came true."""
    newest = here.records.find(Kind.AUDIT, limit=1)
    told = (here.live.ticks, newest[0].sequence if newest else 0)
    report, charts = await here.kept.from_thread(
        ("shadow", hours), told, lambda: _shadow(here, hours)
    )
    return page(
        request,
        "shadow.html",
        here,
        visitor,
        report=report,
        charts=charts,
        hours=hours,
        spans=shadow.SPANS,
    )


def _shadow(here: Context, hours: float) -> tuple[shadow.Report, tuple[Markup, ...]]:
    report = shadow.report(here, hours)
    return report, drawn(report.charts)


@router.get("/model")
async def model_page(request: Request, here: Here, visitor: Visitor) -> HTMLResponse:
    """The model that plans."""
    return page(request, "model.html", here, visitor, card=model.card(here.model))


@router.get("/audit")
async def audit(
    request: Request, here: Here, visitor: Visitor, before: Before = None
) -> HTMLResponse:
    """Who did what, when and why."""
    found = here.records.find(Kind.AUDIT, before=before, limit=AUDIT + 1)
    return page(
        request,
        "audit.html",
        here,
        visitor,
        entries=found[:AUDIT],
        next_before=found[AUDIT - 1].sequence if len(found) > AUDIT else None,
        first=before is None,
    )


async def users_page(
    request: Request,
    here: Context,
    visitor: Session,
    *,
    said: Note | None = None,
    status: int = 200,
    form: Form | None = None,
    one_time: Any = None,
) -> HTMLResponse:
    """Who may log in, and which tokens there are."""
    is_admin = visitor.actor.scope.value == "admin"
    return page(
        request,
        "users.html",
        here,
        visitor,
        status=status,
        said=said,
        is_admin=is_admin,
        users=here.users.all() if is_admin else [],
        tokens=here.tokens.all() if is_admin else [],
        form=form or {},
        one_time=one_time,
    )


@router.get("/users")
async def users(request: Request, here: Here, visitor: Visitor, _: Viewer) -> HTMLResponse:
    """Who may log in."""
    return await users_page(request, here, visitor)
