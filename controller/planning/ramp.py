"""The rule that needs no solver and no model: everything towards more cooling.

The end of the chain of fallbacks, and, at full rate, the yardstick of verification: heat that
this rule cannot take away in time is nobody's fault.
"""

from __future__ import annotations

import numpy as np

from controller.planning.corridor import Corridor
from controller.planning.settings import PlanningSettings
from controller.planning.words import Plan, PlanRequest, table
from models.contract import Array

GENTLE_SHARE = 0.1
"""Of its range, how far a setpoint goes each step where nothing is known to be too warm: one
failure costs little, and a lasting one still ends at full cooling."""


def ramp_to_cooling(corridor: Corridor, share: float = 1.0) -> Array:
    """(B, G) setpoints that go to the cooling end of their range.

    Ranges, dew point, rates, dwell and overrides hold; the tower and the chilled water go
    along, so that the units have colder water to reach their own setpoints with.

    Parameters
    ----------
    share
        Of each range, the furthest that a setpoint may go in a step.
    """
    limits = corridor.request.limits
    ends = np.array([limit.lower if limit.colder_is_lower else limit.upper for limit in limits])
    span = np.array([limit.upper - limit.lower for limit in limits])
    begun = corridor.block_start + 1.0
    far = share * begun[:, None] * span
    wanted = np.clip(ends, corridor.fixed_at - far, corridor.fixed_at + far)
    return corridor.settle(wanted)


def ramp_plan(request: PlanRequest, settings: PlanningSettings) -> Plan:
    """The gentle ramp as a plan, where not even the models can be asked.

    It is not verified and says so; what is expected of it is unknown, so it claims nothing.
    """
    corridor = Corridor(request, settings, keeps_discharge=True)
    nothing = tuple(() for _ in range(request.steps))
    return Plan(
        start_s=request.now_s,
        step_s=request.step_s,
        groups=tuple(limit.group for limit in request.limits),
        setpoints=table(corridor.steps(ramp_to_cooling(corridor, GENTLE_SHARE))),
        link="ramp",
        verified=False,
        worst_excess_k=0.0,
        worst_rack="",
        components=(),
        power_kw=nothing,
        power_now_kw=nothing,
        leakage_kw=(0.0,) * request.steps,
        saving_kw=0.0,
        saving_per_h=0.0,
        model_version=request.model_version,
    )
