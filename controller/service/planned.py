"""What is expected: plans with their horizons, room for more load, the model, and reports."""

from __future__ import annotations

import asyncio
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from controller.authority.failures import NotFoundError, StateError
from controller.estimation.history import tags_used
from controller.lifecycle.explaining import MOST_AHEAD_MIN, USUAL_ROWS, explain_rack
from controller.planning.headroom import Headroom, Room, headroom
from controller.records import TickRecord
from controller.service.auth import Viewer
from controller.service.context import Context, Here
from controller.service.problems import responses
from controller.storage.ports import Kind
from controller.storage.ticks import TickArchive
from facility.clock import iso
from facility.commands import Band, Binding
from facility.wire import from_wire
from models.dataset import STEP_S, DatasetError, History
from models.explain import TERMS, Explanation

router = APIRouter(responses=responses(401))

KEPT_TICKS = 4
"""Records of ticks that stay parsed: everybody looks at the last one."""


class PlanView(BaseModel):
    """A plan: setpoints over its horizon, and what is expected of them and of holding still."""

    tick: str = Field(description="The control step that made it; see `/v1/ticks/{tick_id}`.")
    start: str
    start_s: float
    step_s: float
    solver: str = Field(description="The link of the fallback chain that made it.")
    verified: bool = Field(description="Rolled out rack by rack, and within every limit.")
    groups: list[str]
    units: list[str] = Field(description="Of the setpoints, by group.")
    setpoints: list[list[float]] = Field(description="A row a step, a column a group.")
    components: list[str]
    power_kw: list[list[float]] = Field(description="A row a step, a column a component.")
    power_now_kw: list[list[float]] = Field(description="The same if everything is held.")
    it_power_kw: list[float] = Field(description="Expected load of all racks together.")
    wet_bulb_c: list[float]
    price_per_kwh: list[float]
    saving_kw: float
    bands: list[Band]
    bands_now: list[Band]
    binding: list[Binding]
    warmest_rack: str
    model_version: str


class RoomView(BaseModel):
    """Room for more load, kW, at each moment."""

    id: str
    now_kw: float = Field(description="`lower_kw` at the first moment: what can be taken now.")
    lower_kw: list[float] = Field(
        description="With the margin that covers 99 % of the model's errors: what to count on."
    )
    expected_kw: list[float]
    upper_kw: list[float]
    binds: list[str] = Field(
        description="What sets the lower figure: `temperature`, `rating`, `unit ID`, `loop ID`, or "
        "`racks` where a unit's or loop's racks bind before it does."
    )


class HeadroomView(BaseModel):
    """How much more load each loop, unit and rack can take, now and over the plan's horizon.

    Figures of racks hold for one rack alone as to ratings, and for all of them rising together as
    to temperatures; figures of a unit or loop hold for its racks together.
    """

    made_at: str
    times_s: list[float]
    loops: list[RoomView]
    units: list[RoomView] = Field(description="CDUs, and halls for all of their air handlers.")
    racks: list[RoomView]
    model_version: str


class ModelView(BaseModel):
    """A learned model and what it was trained on."""

    version: str = Field(description="SHA-256 over every number of it.")
    in_use: bool
    card: dict[str, Any]


class ExplanationView(BaseModel):
    """A predicted temperature as a sum: `reference_c` and all of `contributions_k`."""

    rack: str
    at: str
    predicted_c: float = Field(description="With setpoints, load and weather held as they are.")
    reference_c: float = Field(description="Under the last day's usual conditions.")
    contributions_k: dict[str, float] = Field(description="By key of `terms`.")
    terms: dict[str, str] = Field(description="Each term in words.")
    now: dict[str, float] = Field(description="What the rack's terms are at that time.")
    reference: dict[str, float] = Field(description="And usually.")
    model_version: str


class ReportView(BaseModel):
    """A report that lies in the state directory."""

    name: str
    made_at: str
    parts: list[str] = Field(description="Its files; `report.json` is what is answered here.")


@router.get("/plans/current", tags=["plans"], responses=responses(404))
async def current(here: Here, _: Viewer) -> PlanView:
    """The last plan that was made."""
    return _plan_view(here, *await _record(here, _latest(here)))


@router.get("/plans/{tick_id}", tags=["plans"], responses=responses(404))
async def plan(here: Here, _: Viewer, tick_id: str) -> PlanView:
    """The plan of a control step."""
    return _plan_view(here, *await _record(here, tick_id))


@router.get("/headroom", tags=["plans"], responses=responses(404, 409, 422))
async def room(
    here: Here,
    _: Viewer,
    rack: Annotated[
        list[str] | None, Query(max_length=5000, description="Only these racks; by default all.")
    ] = None,
) -> HeadroomView:
    """How much more load each loop, unit and rack can take: for job schedulers.

    Read-only, and a forecast: it promises nothing, and the plan is made anew every five minutes.
    """
    if strangers := sorted(set(rack or ()) - set(here.site.racks)):
        raise NotFoundError(f"there is no rack {', '.join(strangers)}; see /v1/site")
    tick_id, record = await _record(here, _latest(here))
    if record.model_version != here.model.version:
        raise StateError("the last plan was made by another model: wait for the next one")
    found = await asyncio.to_thread(_headroom, here, tick_id)
    chosen = set(rack or here.site.racks)
    return HeadroomView(
        made_at=iso(found.made_at_s),
        times_s=list(found.times_s),
        loops=[_room_view(each) for each in found.loops],
        units=[_room_view(each) for each in found.units],
        racks=[_room_view(each) for each in found.racks if each.id in chosen],
        model_version=found.model_version,
    )


@router.get("/models", tags=["models"])
async def models(here: Here, _: Viewer) -> list[ModelView]:
    """The learned model that plans here."""
    return [ModelView(version=here.model.version, in_use=True, card=dict(here.model.card))]


@router.get("/models/explain", tags=["models"], responses=responses(404, 409))
async def explain(
    here: Here,
    _: Viewer,
    rack: Annotated[str, Query(description="Id of the rack.")],
    ahead_min: Annotated[int, Query(ge=1, le=MOST_AHEAD_MIN)] = 60,
) -> ExplanationView:
    """Why a rack is expected to be as warm as it is, in the engineer's terms.

    The terms add up to the difference from the last day's usual conditions.
    """
    if rack not in here.site.racks:
        raise NotFoundError(f"there is no rack {rack}; see /v1/site")
    try:
        found = await asyncio.to_thread(_explained, here, rack, ahead_min)
    except DatasetError as error:
        raise StateError(f"it cannot be explained yet: {'; '.join(error.problems)}") from None
    return ExplanationView(
        rack=found.rack,
        at=iso(found.at_s),
        predicted_c=found.predicted_c,
        reference_c=found.reference_c,
        contributions_k=dict(found.contributions_k),
        terms=TERMS,
        now=dict(found.now),
        reference=dict(found.reference),
        model_version=here.model.version,
    )


@router.get("/reports", tags=["history"])
async def reports(here: Here, _: Viewer) -> list[ReportView]:
    """Reports in the state directory, newest first."""
    return await asyncio.to_thread(_reports, here.reports)


@router.get(
    "/reports/{name}",
    tags=["history"],
    responses={200: {"description": "The report as JSON"}, **responses(404)},
)
async def report(here: Here, _: Viewer, name: str) -> Response:
    """One report, as `isotherm report` wrote it."""
    known = {each.name for each in await asyncio.to_thread(_reports, here.reports)}
    if name not in known:  # only what was listed is opened
        raise NotFoundError(f"there is no report {name}; see /v1/reports")
    text = await asyncio.to_thread((here.reports / name / "report.json").read_text, "utf-8")
    return Response(text, media_type="application/json")


def _explained(here: Context, rack: str, ahead_min: int) -> Explanation:
    if here.model.bundle is None:
        raise StateError("the model in use was not learned: there is nothing to explain it by")
    end_s = math.floor(here.clock.now_s() / STEP_S) * STEP_S
    frame = here.telemetry.frame(tags_used(here.site), end_s - USUAL_ROWS * STEP_S, end_s)
    first = frame.notna().any(axis=1).to_numpy().argmax()
    history = History.of(here.site, frame.iloc[first:])
    return explain_rack(here.site, here.model.bundle, history, rack, ahead_min)


def _latest(here: Context) -> str:
    found = here.records.find(Kind.TICK, states=("planned",), limit=1)
    found = found or here.records.find(Kind.TICK, states=("fallback",), limit=1)
    if not found:
        raise NotFoundError("no plan has been made yet")
    return found[0].id


async def _record(here: Context, tick_id: str) -> tuple[str, TickRecord]:
    record = await asyncio.to_thread(_parsed, here.ticks, tick_id)
    if record is None:
        raise NotFoundError(f"there is no tick {tick_id}; see /v1/ticks")
    if record.request is None or record.outcome is None or record.outcome.plan is None:
        raise NotFoundError(f"tick {tick_id} made no plan: {record.note or 'every solver failed'}")
    return tick_id, record


@lru_cache(KEPT_TICKS)
def _parsed(ticks: TickArchive, tick_id: str) -> TickRecord | None:
    text = ticks.read(tick_id)
    return None if text is None else from_wire(TickRecord, json.loads(text))


@lru_cache(1)
def _headroom(here: Context, tick_id: str) -> Headroom:
    record = _parsed(here.ticks, tick_id)
    assert record is not None and record.request is not None  # noqa: S101, PT018 - of `_record`
    assert record.outcome is not None and record.outcome.plan is not None  # noqa: S101, PT018
    return headroom(here.site, here.model.predictor, record.request, record.outcome.plan)


def _plan_view(here: Context, tick_id: str, record: TickRecord) -> PlanView:
    request, outcome = record.request, record.outcome
    assert request is not None and outcome is not None  # noqa: S101, PT018 - of `_record`
    made = outcome.plan
    assert made is not None  # noqa: S101
    return PlanView(
        tick=tick_id,
        start=iso(made.start_s),
        start_s=made.start_s,
        step_s=made.step_s,
        solver=made.link,
        verified=made.verified,
        groups=list(made.groups),
        units=[here.site.groups[name][0].unit for name in made.groups],
        setpoints=[list(line) for line in made.setpoints],
        components=list(made.components),
        power_kw=[list(line) for line in made.power_kw],
        power_now_kw=[list(line) for line in made.power_now_kw],
        it_power_kw=[round(sum(line), 3) for line in request.it_power_kw],
        wet_bulb_c=list(request.wet_bulb_c),
        price_per_kwh=list(request.price_per_kwh),
        saving_kw=made.saving_kw,
        bands=list(made.bands),
        bands_now=list(made.bands_now),
        binding=list(made.binding),
        warmest_rack=made.worst_rack,
        model_version=made.model_version,
    )


def _room_view(found: Room) -> RoomView:
    return RoomView(
        id=found.id,
        now_kw=found.lower_kw[0],
        lower_kw=list(found.lower_kw),
        expected_kw=list(found.expected_kw),
        upper_kw=list(found.upper_kw),
        binds=list(found.binds),
    )


def _reports(folder: Path) -> list[ReportView]:
    found = [
        (path.stat().st_mtime, path.parent)
        for path in folder.glob("*/report.json")
        if path.is_file()
    ]
    return [
        ReportView(
            name=place.name, made_at=iso(time_s), parts=sorted(p.name for p in place.iterdir())
        )
        for time_s, place in sorted(found, reverse=True)
    ]
