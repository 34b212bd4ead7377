"""Storage tanks in a plan: the numbers of their schedules, and what stored cold counts for.

A schedule takes from the models what a kilowatt more on the chillers draws in each block, with
that block's load and weather. Whether it is kept is for the same nonlinear roll-out to say that
judges every plan, with what the tank then holds counted at what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from controller.planning import storage
from controller.planning.corridor import Corridor
from controller.planning.layout import MOVE_UNIT_SHARE
from controller.planning.situation import Situation
from controller.planning.storage import StorageProblem
from controller.planning.verify import Prospect
from controller.planning.words import Row, StorageState
from models.contract import Array

LEAST_SHARE = 0.05
"""Of full flow: with less than that to spare a tank is not charged, or not discharged."""
READY_SHARE = 0.1
"""So much more than its cheapest refill a full tank is worth, for ride-through: one that an
emergency has used is filled again at a flat price, and none is used for a few percent of a price,
which is less than the models know."""
LATER_SHARE_PER_H = 0.005
"""A saving an hour further ahead counts for so much less: it hangs on forecasts. Of hours that are
as dear a tank is used in the first, and not put off from one step to the next."""
ASKED_SHARE = 0.5
"""Of the most that it can take or give, where the marginal power is asked at."""


@dataclass(frozen=True)
class Charges:
    """What comes of the schedules of all tanks."""

    schedule: Mapping[str, Row]
    """(B,) by group, percent."""
    worth: Mapping[str, float]
    """By group: what a kWh in the tank is worth at the end of the horizon, site's currency."""


def charges(situation: Situation, hold: Prospect) -> Charges:
    """A schedule for each tank that can have one, the others standing still.

    Parameters
    ----------
    hold
        Everything held, the tanks standing still.
    """
    request, found, worth = situation.request, {}, {}
    columns = {limit.group: g for g, limit in enumerate(request.limits)}
    for state in request.storage:
        g = columns[state.group]
        if situation.corridor.by_hand[0, g]:
            continue
        problem = problem_of(situation, hold, state, g)
        answer = storage.schedule(problem)
        if answer is None:
            continue
        blocks = situation.corridor.blocks
        worth[state.group] = storage.worth_after(problem, answer, blocks)
        percent = 100.0 * answer.charge[:blocks] / state.full_kw
        found[state.group] = tuple(float(round(value, 1)) for value in percent)
    return Charges(found, worth)


def with_charges(corridor: Corridor, found: Charges) -> Corridor:
    """A corridor whose tanks follow their schedules."""
    return replace(corridor, schedule=found.schedule)


def asked_again(corridor: Corridor) -> Corridor:
    """A corridor whose tanks go where the proposal that waits for a person would take them.

    For as long as such a proposal is looked at; then as scheduled, since somebody has been asked
    again by then.
    """
    settings, request = corridor.settings, corridor.request
    asked = {name: request.standing[name] for name in request.charges if name in request.standing}
    if not asked:
        return corridor
    soon = corridor.starts_s < request.now_s + settings.advisory_check_s
    none = (0.0,) * corridor.blocks
    changed = {
        name: tuple(np.where(soon, value, corridor.schedule.get(name, none)).tolist())
        for name, value in asked.items()
    }
    return replace(corridor, schedule={**corridor.schedule, **changed})


def problem_of(situation: Situation, hold: Prospect, state: StorageState, g: int) -> StorageProblem:
    """The numbers of one tank's schedule.

    Parameters
    ----------
    g
        Its column among the groups.
    """
    request, layout, corridor = situation.request, situation.layout, situation.corridor
    settings = layout.settings
    lengths = np.array(settings.blocks, dtype=float)
    later = len(request.price_later_per_kwh)
    hours = np.concatenate([lengths * request.step_s / 3600.0, np.ones(later)])
    mean = (layout.blocking / layout.blocking.sum(axis=0)).T
    price = np.concatenate(
        [mean @ np.array(request.price_per_kwh), np.array(request.price_later_per_kwh)]
    )
    it_kw = mean @ request.it_power.sum(axis=1)
    growth_kw = np.maximum(it_kw - it_kw[0], 0.0)
    limit, full = request.limits[g], state.full_kw
    # All growth of the load is taken for the chillers' of this loop: that is the safe side.
    spare_kw = settings.storage_part_load * state.running_kw - state.load_kw - growth_kw
    charge_most = np.clip(spare_kw, 0.0, limit.upper / 100.0 * full)
    discharge_most = np.clip(np.full_like(spare_kw, state.load_kw), 0.0, -limit.lower / 100 * full)
    charge_most[charge_most < LEAST_SHARE * full] = 0.0
    discharge_most[discharge_most < LEAST_SHARE * full] = 0.0
    cost, gain = _marginal(situation, hold, g, state, charge_most, discharge_most)

    def all_blocks(values: Array) -> Array:
        """The horizon's, and its last for the hours after it."""
        return np.concatenate([values, np.full(later, values[-1])])

    rise, fall = (rate[:, g] / 100.0 * full for rate in corridor.site_rates)
    power_kw = mean @ (request.it_power.sum(axis=1) + np.sum(list(hold.power_kw.values()), axis=0))
    prices, costs = np.maximum(price, 0.0), all_blocks(cost)
    ahead_h = np.cumsum(hours) - 0.5 * hours
    span = MOVE_UNIT_SHARE * (limit.upper - limit.lower) / 100.0 * full
    return StorageProblem(
        hours=hours,
        price=prices,
        charge_cost=costs,
        discharge_gain=all_blocks(gain) * (1.0 - LATER_SHARE_PER_H * ahead_h),
        charge_most=all_blocks(charge_most),
        discharge_most=all_blocks(discharge_most),
        loss=state.loss_pct_per_day / 100.0 * state.full_kwh / 24.0,
        level=state.level_pct / 100.0 * state.full_kwh,
        least=(state.reserve_pct + settings.storage_margin_pct) / 100.0 * state.full_kwh,
        full=state.full_kwh,
        # What is missing at the end must be put back, in the cheapest hour that is known.
        worth=(1.0 + READY_SHARE) * float((prices * costs).min()),
        now=limit.in_force / 100.0 * full,
        rise=rise,
        fall=fall,
        move=settings.move_kwh * situation.mean_price / max(span, 1e-9),
        power=power_kw,
        peak=power_kw.max() if request.peak_kw is None else request.peak_kw,
        demand=0.0 if request.peak_kw is None else request.demand_per_kw,
        still=all_blocks(corridor.charges[g] / 100.0 * full),
    )


def _marginal(
    situation: Situation,
    hold: Prospect,
    g: int,
    state: StorageState,
    charge_most: Array,
    discharge_most: Array,
) -> tuple[Array, Array]:
    """(B,) kW of electricity that a kW of charge takes, and that a kW of discharge saves.

    Secants of the power model. Where a plant takes less for a kW more than it saves for one less
    (its machines run better loaded), the mean stands for both: the statement is linear.
    """
    full = state.full_kw
    up = np.maximum(ASKED_SHARE * charge_most, LEAST_SHARE * full)
    down = np.maximum(ASKED_SHARE * discharge_most, LEAST_SHARE * full)

    def power_kw(charge_kw: Array) -> Array:
        blocks = hold.blocks.copy()
        blocks[:, g] = 100.0 * charge_kw / full
        found = situation.predictor.power(situation.block_inputs(blocks))
        return np.asarray(sum(situation.factor(name) * kw for name, kw in found.items()))

    none = power_kw(np.zeros_like(up))
    cost = np.maximum((power_kw(up) - none) / up, 0.0)
    gain = np.maximum((none - power_kw(-down)) / down, 0.0)
    mean = 0.5 * (cost + gain)
    return np.where(gain > cost, mean, cost), np.where(gain > cost, mean, gain)
