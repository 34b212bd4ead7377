"""The limits that the gateway keeps, and the two people that wider ones need."""

from __future__ import annotations

from fastapi import APIRouter

from controller.authority.failures import GatewayError
from controller.gateway_link import GatewayRefusedError, GatewayUnavailableError
from controller.service.auth import Engineer, Viewer
from controller.service.context import Here
from controller.service.problems import responses
from controller.service.schemas import LimitsApprovalRequest, LimitsView

router = APIRouter(tags=["limits"], responses=responses(401))


@router.get("/limits", responses=responses(503))
async def limits(here: Here, _: Viewer) -> LimitsView:
    """The limits' version, how the site file differs from it, and who has approved that.

    Limits that only became tighter hold at once. While any became wider, nothing is written.
    """
    try:
        status = await here.link.status()
    except (GatewayUnavailableError, GatewayRefusedError) as error:
        raise GatewayError(str(error)) from error
    return LimitsView.model_validate(status["limits"])


@router.post("/limits/approvals", status_code=201, responses=responses(403, 409, 422, 503))
async def approve_limits(
    here: Here,
    actor: Engineer,
    request: LimitsApprovalRequest,
) -> LimitsView:
    """Approve limits that are wider than those agreed to; two different people must."""
    told = await here.desk.approve_limits(request.hash, actor, request.why, here.clock.now_s())
    return LimitsView.model_validate(told)
