"""What has been: ticks, alarms, audit."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from controller.authority.failures import NotFoundError
from controller.service.auth import Viewer
from controller.service.context import Here
from controller.service.matching import tag_of
from controller.service.paging import Pages
from controller.service.problems import responses
from controller.service.schemas import Entries, Entry
from controller.storage.ports import Kind, Record
from facility.clock import iso

router = APIRouter(responses=responses(401))


def entry_view(record: Record) -> Entry:
    """A record as the API shows it."""
    return Entry(
        id=record.id,
        version=record.version,
        time_s=record.time_s,
        time=iso(record.time_s),
        state=record.state,
        body=record.body,
    )


def _page(here: Here, kind: Kind, pages: Pages, states: list[str] | None = None) -> Entries:
    records, next_before = pages.find(here.records, kind, states or ())
    return Entries(items=[entry_view(record) for record in records], next_before=next_before)


@router.get("/ticks", tags=["history"])
async def ticks(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[list[str] | None, Query(description="`planned` or `fallback`.")] = None,
) -> Entries:
    """Control steps, newest first, in short."""
    return _page(here, Kind.TICK, pages, state)


@router.get(
    "/ticks/{tick_id}",
    tags=["history"],
    responses={200: {"description": "The whole record as JSON"}, **responses(404)},
)
async def tick(here: Here, _: Viewer, tick_id: str) -> Response:
    """One control step whole: everything that its decision depended on."""
    text = await asyncio.to_thread(here.ticks.read, tick_id)
    if text is None:
        raise NotFoundError(f"there is no tick {tick_id}; see /v1/ticks")
    return Response(text, media_type="application/json")


@router.get("/alarms", tags=["alarms"])
async def alarms(
    here: Here,
    _: Viewer,
    pages: Pages,
    state: Annotated[
        list[str] | None,
        Query(
            description="`active`, `acknowledged`, `returned` (gone, and nobody has seen it), "
            "`shelved` or `cleared`; by default all."
        ),
    ] = None,
) -> Entries:
    """Alarms, newest first."""
    return _page(here, Kind.ALARM, pages, state)


@router.get("/alarms/{alarm_id}", tags=["alarms"], responses=responses(404))
async def alarm(here: Here, _: Viewer, alarm_id: str, response: Response) -> Entry:
    """One alarm."""
    record = here.records.get(Kind.ALARM, alarm_id)
    if record is None:
        raise NotFoundError(f"there is no alarm {alarm_id}")
    response.headers["ETag"] = tag_of(record)
    return entry_view(record)


@router.get("/audit", tags=["history"])
async def audit(here: Here, _: Viewer, pages: Pages) -> Entries:
    """Who did what, when, in which role, from where and why; newest first."""
    return _page(here, Kind.AUDIT, pages)
