"""Alarms that somebody has seen, or put aside."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from controller.authority.roles import Scope
from controller.console import pages, words
from controller.console.acts.deed import HOUR_S, Deed, form
from controller.service import acting
from controller.service.bodies import AcknowledgementRequest, EndRequest, ShelvingRequest

router = APIRouter(include_in_schema=False)
on_alarms = partial(form, router, page=pages.alarms_page, back="/alarms")


@on_alarms("/alarms/{alarm_id}/acknowledgements", Scope.OPERATOR)
async def acknowledge(deed: Deed) -> str:
    """Say that somebody has seen it."""
    body = AcknowledgementRequest(note=deed.form.get("note", ""))
    await acting.acknowledge(deed.here, deed.actor, deed.id, body, deed.seen)
    return "Acknowledged; it stays on the list until its cause has gone."


@on_alarms("/alarms/{alarm_id}/shelvings", Scope.OPERATOR)
async def shelve(deed: Deed) -> str:
    """Put an alarm aside for a while."""
    lasts_s = deed.figure("hours") * HOUR_S
    body = ShelvingRequest(lasts_s=lasts_s, why=deed.why)
    await acting.shelve(deed.here, deed.actor, deed.id, body, deed.seen)
    return f"Shelved for {words.duration(lasts_s)}; it comes back if its cause is still there."


@on_alarms("/alarms/{alarm_id}/unshelvings", Scope.OPERATOR)
async def unshelve(deed: Deed) -> str:
    """Bring a shelved alarm back."""
    await acting.unshelve(deed.here, deed.actor, deed.id, EndRequest(why=deed.why), deed.seen)
    return "The alarm is back on the list."
