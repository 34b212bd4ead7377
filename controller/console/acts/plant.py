"""Overrides, modes, and the plant given back."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from controller.authority.roles import Scope
from controller.console import pages, words
from controller.console.acts.deed import HOUR_S, Deed, form
from controller.service import acting
from controller.service.bodies import (
    ArmingRequest,
    EndRequest,
    ModeRequest,
    OverrideRequest,
    ReleaseRequest,
)
from controller.service.schemas import RequestView

router = APIRouter(include_in_schema=False)
on_overrides = partial(form, router, page=pages.overrides_page, back="/overrides")


@on_overrides("/overrides", Scope.OPERATOR)
async def override(deed: Deed) -> str:
    """Hold a setpoint."""
    body = OverrideRequest(
        target=deed.form.get("target", ""),
        value=deed.figure("value"),
        lasts_s=deed.figure("hours") * HOUR_S,
        why=deed.why,
    )
    found = await acting.override(deed.here, deed.actor, body)
    return f"{words.actuator(body.target)} is held: {words.receipts(found.receipts)}."


@on_overrides("/overrides/{override_id}/releases", Scope.OPERATOR)
async def end_override(deed: Deed) -> str:
    """End an override."""
    body = EndRequest(why=deed.why)
    found = await acting.end_override(deed.here, deed.actor, deed.id, body, deed.seen)
    name = words.actuator(found.override.actuator)
    return f"The override of {name} has ended; plans go on from the value in force."


@on_overrides("/modes", Scope.OPERATOR)
async def set_mode(deed: Deed) -> str:
    """Set how far Isotherm may go."""
    chosen = deed.form.get("actuators", "")
    told = {
        "mode": deed.form.get("mode", ""),
        "actuators": [chosen] if chosen else None,
        "why": deed.why,
    }
    body = ModeRequest.model_validate(told)
    # Towards less, nobody has to have seen what others did meanwhile.
    seen = deed.seen if body.mode.writes else None
    found = await acting.set_modes(deed.here, deed.actor, body, Response(), seen)
    if isinstance(found, RequestView):
        return f"It takes {found.needed} people here: the request waits for another one."
    about = words.actuator(chosen) if chosen else "every setpoint"
    return f"The mode of {about} is {body.mode.value}."


@on_overrides("/armings", Scope.ENGINEER)
async def arm(deed: Deed) -> str:
    """Lift the latches that a release left."""
    await acting.arm(deed.here, deed.actor, ArmingRequest(why=deed.why))
    return "The latches are lifted; the modes are as they were."


@on_overrides("/releases", Scope.OPERATOR)
async def release(deed: Deed) -> str:
    """Give the plant back."""
    await acting.release(deed.here, deed.actor, ReleaseRequest(actuators=None, why=deed.why))
    return "The plant is given back: every device is in its own control, the mode is shadow."
