"""A proposal that waits for a person, looked at again from the plant as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from controller.planning.situation import Situation
from controller.planning.verify import Prospect, rollout, worst_excess_k
from facility.commands import Recheck
from models.contract import Array

Objects = Callable[[Prospect], str]
"""The roll-out's objection in words; empty where there is none."""


def look_again(situation: Situation, hold: Prospect, objects: Objects) -> Recheck | None:
    """What is expected of the standing proposal, its setpoints held; None where none stands.

    Its racks are looked at for `PlanningSettings.advisory_check_s`; what it saves is told over
    the horizon, as for a plan.
    """
    request, layout = situation.request, situation.layout
    if not request.standing:
        return None
    wanted = situation.corridor.fixed_at.copy()
    for g, name in enumerate(layout.group_names):
        wanted[g] = request.standing.get(name, wanted[g])
    blocks = situation.corridor.settle(np.tile(wanted, (situation.corridor.blocks, 1)))
    prospect = rollout(situation, blocks)
    soon = situation.fine_lead_s <= layout.settings.advisory_check_s
    near = np.where(soon[:, None], prospect.excess_k, -np.inf)
    # Nobody plans on between a yes and the next: the load may rise where it has led to as well.
    worst = np.maximum(prospect.worst_excess_k, worst_excess_k(situation, blocks[-1]))
    objection = objects(replace(prospect, excess_k=near, worst_excess_k=worst))
    saved = _drawn_kw(hold) - _drawn_kw(prospect)
    # What keeps racks cooler may cost power: then it is worth it for that. Cold that is taken out
    # of storage saves power and may be worth more than that later.
    saves = saved.mean() > 0.0 and not request.storage
    if not objection and not saves and prospect.merit >= hold.merit:
        objection = "it would save nothing any more"
    room_k = -near.max(axis=0)
    hottest = int(np.argmin(room_k))
    per_h = float((saved * np.array(request.price_per_kwh)).mean())
    return Recheck(
        time_s=request.now_s,
        saving_kw=round(float(saved.mean()), 3),
        saving_per_day=round(24.0 * per_h, 3),
        room_k=round(float(room_k[hottest]), 3),
        worst_rack=layout.rack_names[hottest],
        objection=objection,
    )


def _drawn_kw(prospect: Prospect) -> Array:
    """(T,) electric power with the leakage of IT, against an arbitrary level."""
    return np.asarray(np.sum(list(prospect.power_kw.values()), axis=0) + prospect.leakage_kw)
