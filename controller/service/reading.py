"""What the plant and Isotherm are and do: site, points, telemetry, status."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from controller.authority.failures import InvalidError, NotFoundError
from controller.gateway_link import GatewayRefusedError, GatewayUnavailableError
from controller.service.auth import Viewer
from controller.service.context import Context, Here
from controller.service.encoded import UNCHANGED, whole
from controller.service.moment import moment_of
from controller.service.paging import TIME, moment
from controller.service.problems import responses
from controller.service.schemas import (
    ActuatorView,
    Health,
    Latest,
    LeastRoom,
    PointView,
    RackView,
    SiteView,
    Status,
)
from facility.clock import iso
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.telemetry import Snapshot

open_router = APIRouter(tags=["service"])
router = APIRouter(responses=responses(401))

BUCKETS = 500
"""Intervals of a range for which none is asked."""
MOST_VALUES = 50_000


@open_router.get("/health")
async def health(here: Here) -> Health:
    """Whether this process lives."""
    return Health(status="degraded" if here.live.gateway_error else "ok")


@router.get("/site", tags=["site"], response_model=SiteView, responses=UNCHANGED)
async def site(request: Request, here: Here, _: Viewer) -> Response:
    """The site: halls, racks, units, and what Isotherm may set."""
    return whole(request, here, "site", None, lambda: _site_view(here.site))


def _site_view(s: Site) -> SiteView:
    racks = [
        RackView(
            id=r.id,
            hall=r.hall,
            kind=r.kind.value,
            rated_kw=r.rated_kw,
            units=list(r.units),
            limit_c=r.limit_c,
            recommended_c=r.recommended_c,
            row=r.row,
            position=r.position,
            temperature_tag=s.tag(r.id, r.limited_temperature),
        )
        for r in s.racks.values()
    ]
    actuators = [
        ActuatorView(
            id=a.id,
            equipment=a.equipment,
            quantity=a.quantity,
            group=a.group,
            device=a.device,
            unit=a.unit,
            minimum=a.minimum,
            maximum=a.maximum,
            more_cooling=a.cooling.value,
            read_back=a.read_back,
        )
        for a in s.actuators.values()
    ]
    return SiteView(
        id=s.id,
        name=s.name,
        content_hash=s.content_hash,
        halls=list(s.halls),
        racks=racks,
        cooling_units=[*s.cdus, *s.crahs],
        plant=[*s.chillers, *s.towers, *s.loops],
        actuators=actuators,
        currency=s.tariff.currency,
    )


@router.get("/points", tags=["site"], response_model=list[PointView], responses=UNCHANGED)
async def points(request: Request, here: Here, _: Viewer, equipment: str | None = None) -> Response:
    """The points list, in its order."""
    return whole(
        request, here, ("points", equipment), None, lambda: _point_views(here.site, equipment)
    )


def _point_views(site: Site, equipment: str | None) -> list[BaseModel]:
    return [
        PointView(
            tag=p.tag,
            equipment=p.equipment,
            quantity=p.quantity,
            meaning=QUANTITIES[p.quantity].meaning,
            unit=QUANTITIES[p.quantity].kind.unit,
            role=p.role.value,
            device=p.device,
            minimum=p.minimum,
            maximum=p.maximum,
        )
        for p in site.points.values()
        if equipment in (None, p.equipment)
    ]


@router.get(
    "/telemetry/latest",
    tags=["telemetry"],
    response_model=Latest,
    responses={**UNCHANGED, **responses(503)},
)
async def latest(request: Request, here: Here, _: Viewer) -> Response:
    """The latest snapshot, with the quality of each reading."""
    snapshot = here.snapshot()
    return whole(request, here, "latest", snapshot, lambda: _latest_view(snapshot))


def _latest_view(snapshot: Snapshot) -> Latest:
    return Latest(
        time_s=snapshot.time_s,
        time=iso(snapshot.time_s),
        readings=snapshot.readings,
        devices=snapshot.devices,
        modes=snapshot.modes,
    )


class Series(BaseModel):
    """One point over a range; null where nothing could be acted on."""

    unit: str
    mean: list[float | None]
    min: list[float | None]
    max: list[float | None]


class Range(BaseModel):
    """Intervals of `every_s` from `start_s` on."""

    start_s: float = Field(description="Start of the first interval.")
    every_s: float
    series: dict[str, Series]


@router.get("/telemetry", tags=["telemetry"], responses=responses(404, 422))
async def telemetry(
    here: Here,
    _: Viewer,
    tag: Annotated[list[str], Query(min_length=1, max_length=500)],
    start: Annotated[str, Query(description=TIME)],
    end: Annotated[str | None, Query(description=TIME + " By default now.")] = None,
    every_s: Annotated[float | None, Query(ge=1.0, le=31 * 86400.0)] = None,
) -> Range:
    """Mean, lowest and highest of points in each interval of a range."""
    if strangers := sorted(set(tag) - set(here.site.points)):
        raise NotFoundError(f"there is no point {', '.join(strangers)}; see /v1/points")
    start_s = moment(start, "start")
    end_s = here.clock.now_s() if end is None else moment(end, "end")
    if end_s <= start_s:
        raise InvalidError("end must be after start")
    chosen_s = every_s or max(5.0, math.ceil((end_s - start_s) / BUCKETS))
    if (end_s - start_s) / chosen_s * len(tag) > MOST_VALUES:
        raise InvalidError(
            f"this asks for more than {MOST_VALUES} values: take a longer every_s, or fewer tags"
        )
    tags = list(dict.fromkeys(tag))
    frame = await asyncio.to_thread(here.telemetry.trend, tags, start_s, end_s, chosen_s)
    series = {
        name: Series(
            unit=QUANTITIES[here.site.points[name].quantity].kind.unit,
            **{part: _values(frame[name, part]) for part in ("mean", "min", "max")},
        )
        for name in tags
    }
    return Range(start_s=frame.index[0].timestamp(), every_s=chosen_s, series=series)


def _values(column: Any) -> list[float | None]:
    return [None if math.isnan(value) else value for value in column.to_numpy().tolist()]


@router.get("/status", tags=["service"])
async def status(here: Here, _: Viewer) -> Status:
    """How Isotherm is doing: modes, ages, counts."""
    live, snapshot = here.live, here.live.snapshot
    now_s = here.clock.now_s()
    told = moment_of(here)
    least = told["least"]
    return Status(
        site=here.site.id,
        time_s=now_s,
        time=iso(now_s),
        modes=Counter(mode.value for mode in snapshot.modes.values()) if snapshot else {},
        word={k: v for k, v in told["word"].items() if k != "page"},
        gateway_error=live.gateway_error,
        gateway=await _gateway(here),
        snapshot_age_s=None if snapshot is None else now_s - snapshot.time_s,
        plan_age_s=live.plan_age_s(),
        least_room=None if least is None else LeastRoom(**least),
        pending_proposals=told["pending"],
        overrides=told["overrides"],
        alarms=told["alarms"]["open"] + told["alarms"]["shelved"],
        run={**live.summary(), "last_tick": live.last_tick},
    )


async def _gateway(here: Context) -> Any:
    try:
        return await here.link.status()
    except (GatewayUnavailableError, GatewayRefusedError):
        return None
