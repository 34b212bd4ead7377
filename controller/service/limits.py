"""The limits that the gateway keeps, and the two people that wider ones need."""

from __future__ import annotations

from fastapi import APIRouter, Response

from controller.authority.failures import GatewayError
from controller.gateway_link import GatewayRefusedError, GatewayUnavailableError
from controller.service.auth import Engineer, Viewer
from controller.service.bodies import LimitsApprovalRequest
from controller.service.context import Here
from controller.service.matching import IfMatch, check
from controller.service.problems import responses
from controller.service.schemas import LimitsView

router = APIRouter(tags=["limits"], responses=responses(401))


@router.get("/limits", responses=responses(503))
async def limits(here: Here, _: Viewer, response: Response) -> LimitsView:
    """The limits' version, how the site file differs from it, and who has approved that.

    Limits that only became tighter hold at once. While any became wider, nothing is written.
    """
    found = await _told(here)
    response.headers["ETag"] = _tag(found)
    return found


async def _told(here: Here) -> LimitsView:
    try:
        status = await here.link.status()
    except (GatewayUnavailableError, GatewayRefusedError) as error:
        raise GatewayError(str(error)) from error
    return LimitsView.model_validate(status["limits"])


def _tag(limits: LimitsView) -> str:
    return f'"{limits.hash[:16]}-{len(limits.approvals)}"'


@router.post("/limits/approvals", status_code=201, responses=responses(403, 409, 412, 422, 503))
async def approve_limits(
    here: Here,
    actor: Engineer,
    request: LimitsApprovalRequest,
    if_match: IfMatch = None,
) -> LimitsView:
    """Approve limits that are wider than those agreed to; two different people must.

    It is bound to the limits that were read by their `hash`; with `If-Match`, to who had approved
    them by then too.
    """
    if if_match is not None:
        check(if_match, _tag(await _told(here)), "the limits or their approvals")
    told = await here.desk.approve_limits(request.hash, actor, request.why, here.clock.now_s())
    return LimitsView.model_validate(told)
