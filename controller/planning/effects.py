"""What each kind of move is for: the plan as it is, against the plan without it.

The setpoints of one quantity (all chilled water, all fans) are put back to where they are now and
the rest of the plan is kept; the nonlinear models say what that would draw and how warm it
would be. What stopped the moves is read off the shadow prices: the constraint that pulls hardest
against their direction.
"""

from __future__ import annotations

import numpy as np

from controller.planning.explain import NEGLIGIBLE_PER_H, Named
from controller.planning.situation import Situation
from controller.planning.stored import why_moved
from controller.planning.verify import Prospect
from facility.commands import Effect
from models.contract import Array

LEAST_MOVE = 0.05
"""Of a scaled unit (a twentieth of the range): smaller moves are told of nobody."""


def effects_of(
    situation: Situation, prospect: Prospect, hold: Prospect, named: tuple[Named, ...]
) -> tuple[Effect, ...]:
    """One effect for each quantity that the plan moves, the largest saving first."""
    layout = situation.layout
    kinds: dict[str, list[int]] = {}
    for g, members in enumerate(situation.site.groups.values()):
        kinds.setdefault(members[0].quantity, []).append(g)
    away = (prospect.blocks - hold.blocks) / layout.scale
    drawn_kw = _drawn_kw(prospect)
    room_k = -float(prospect.excess_k.max())
    felt = [each for each in named if each.price > NEGLIGIBLE_PER_H]
    pulls = np.array([each.pull for each in felt]).reshape(len(felt), layout.groups)
    found = []
    for quantity, groups in kinds.items():
        if np.abs(away[:, groups]).max(initial=0.0) < LEAST_MOVE:
            continue
        blocks = prospect.blocks.copy()
        blocks[:, groups] = hold.blocks[:, groups]
        without_kw, without_k = _what_if(situation, blocks)
        direction = np.zeros(layout.groups)
        direction[groups] = np.sign(away[:, groups].sum(axis=0))
        pull = pulls @ direction
        stop = felt[int(np.argmax(pull))] if pull.max(initial=0.0) > 0.0 else None
        stored = [g for g in groups if g in situation.corridor.charges]
        if stored:
            # A schedule of its own; what stops it is told in its own words.
            found.append(_of_storage(situation, prospect, stored, without_kw - drawn_kw, quantity))
            continue
        found.append(
            Effect(
                quantity=quantity,
                groups=tuple(layout.group_names[g] for g in groups if direction[g] != 0.0),
                saving_kw=round(without_kw - drawn_kw, 3),
                room_k=round(room_k, 3),
                room_without_k=round(without_k, 3),
                stopped_by="" if stop is None else stop.name,
                shadow_price=0.0 if stop is None else round(stop.price, 4),
                unit="" if stop is None else stop.unit,
            )
        )
    return tuple(sorted(found, key=lambda effect: (-effect.saving_kw, effect.quantity)))


def _of_storage(
    situation: Situation, prospect: Prospect, groups: list[int], saving_kw: float, quantity: str
) -> Effect:
    """What tanks do to the power of the horizon; what stored cold is worth stands as its price."""
    names = [situation.layout.group_names[g] for g in groups]
    reasons = [why_moved(situation, g, prospect.blocks) for g in groups]
    currency = situation.site.tariff.currency
    room_k = -float(prospect.excess_k.max())
    return Effect(
        quantity=quantity,
        groups=tuple(names),
        saving_kw=round(saving_kw, 3),
        room_k=round(room_k, 3),
        room_without_k=round(room_k, 3),
        stopped_by="; ".join(reason for reason in reasons if reason),
        shadow_price=round(max((situation.worth.get(n, 0.0) for n in names), default=0.0), 4),
        unit=f"{currency} per kWh of cold stored",
    )


def _what_if(situation: Situation, blocks: Array) -> tuple[float, float]:
    """Mean electric power with the leakage of IT, and the least room of any rack."""
    inputs = situation.inputs(blocks)
    limited_c = situation.predictor.roll_out(situation.state, inputs).limited_c
    power = situation.predictor.power(inputs)
    total = sum(situation.factor(name) * values for name, values in power.items())
    leakage = situation.predictor.leakage(inputs.it_power_kw, limited_c)[0].sum(axis=1)
    room_k = situation.allowed_c[situation.fine_ends] - limited_c
    return float(np.mean(total + leakage)), float(room_k.min())


def _drawn_kw(prospect: Prospect) -> float:
    total = np.sum(list(prospect.power_kw.values()), axis=0) + prospect.leakage_kw
    return float(np.mean(total))
