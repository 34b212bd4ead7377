"""Why limits cannot be kept: which ones, by how much and how long, and what stands in the way.

Temperatures are soft in the problem, so it always has an answer; where even full cooling is too
warm, the racks are named, and for each the limits of the setpoints that could have helped.
"""

from __future__ import annotations

import numpy as np

from controller.planning.corridor import Corridor
from controller.planning.situation import Situation
from controller.planning.verify import Prospect
from facility.commands import Shortfall
from models.contract import Array

SHOWN = 5
"""Racks named, the warmest first."""
AT_END = 1e-3
"""Of a setpoint's range: nearer to its cooling end than this it is there."""


def shortfalls_of(situation: Situation, prospect: Prospect) -> tuple[Shortfall, ...]:
    """The limits less margins that a plan does not keep, the most exceeded first."""
    over = prospect.excess_k.max(axis=0)
    tolerance_k = situation.layout.settings.tolerance_k
    racks = [int(r) for r in np.argsort(-over, kind="stable")[:SHOWN] if over[r] > tolerance_k]
    if not racks:
        return ()
    blocks = situation.layout.settings.blocks
    found, _ = situation.predictor.linearise(
        situation.state, situation.inputs(prospect.blocks), blocks, racks
    )
    answers = []
    for r in racks:
        warm = np.flatnonzero(prospect.excess_k[:, r] > tolerance_k)
        block = int(situation.layout.block_of_step[situation.step_of_fine[warm[0]]])
        moves = {
            int(g) for g, gain in zip(found.group, found.gain, strict=True) if np.any(gain != 0.0)
        } & {int(g) for g in found.group[found.rack == r]}
        rack = situation.site.racks[situation.layout.rack_names[r]]
        answers.append(
            Shortfall(
                constraint=f"{rack.limited_temperature.replace('_', ' ')} of {rack.id}",
                excess=round(float(over[r]), 3),
                unit="K",
                from_s=float(situation.request.now_s + situation.fine_lead_s[warm[0]]),
                until_s=float(situation.request.now_s + situation.fine_lead_s[warm[-1]]),
                held_by=_held_by(situation.corridor, prospect.blocks, sorted(moves), block),
            )
        )
    return tuple(answers)


def _held_by(corridor: Corridor, planned: Array, groups: list[int], block: int) -> tuple[str, ...]:
    """What keeps these setpoints from cooling more in a block, each once."""
    names = []
    for g in groups:
        limit = corridor.request.limits[g]
        lower = limit.colder_is_lower
        end = limit.lower if lower else limit.upper
        span = max(limit.upper - limit.lower, 1e-9)
        if corridor.fixed[block, g]:
            names.append(f"override of {limit.group}")
        elif abs(planned[block, g] - end) <= AT_END * span:
            names.append(f"{limit.lower_name if lower else limit.upper_name} of {limit.group}")
        elif corridor.waiting[block, g]:
            names.append(f"dwell of {limit.group}")
        else:
            names.append(f"rate of {limit.group}")
    return tuple(dict.fromkeys(names))
