"""A tick's numbers for the problem: the models linearised about a nominal plan."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from controller.planning.layout import Layout
from controller.planning.problem import Cuts, Demand, Numbers
from controller.planning.rows import (
    Box,
    Extra,
    choose,
    temperature_room,
    temperature_rows,
    within_reach,
    worst_rows,
)
from controller.planning.situation import Situation
from controller.planning.verify import Prospect
from models.contract import Array, PowerCuts, UnitCuts

FIXED = 1e-3
"""Half-width, in scaled units, of the box of a setpoint that must not move: an interior-point
method needs an interior. The answer is put back on the exact value."""


def linearise(
    situation: Situation,
    prospect: Prospect,
    visited: list[Array],
    tightening: dict[tuple[int, int], float],
    hot: Extra,
    trust: float,
) -> Numbers:
    """The numbers of the problem about a prospect.

    Parameters
    ----------
    visited
        Setpoints (B, G) of earlier rounds, at which the powers are cut as well.
    tightening
        By (rack, check): K to take from its room, where a roll-out broke what the rows allowed.
    hot
        By (unit, check): racks that must have a row besides the hottest.
    trust
        Largest change, as a share of a setpoint's range.
    """
    layout, request, predictor = situation.layout, situation.request, situation.predictor
    corridor, nominal, scale = situation.corridor, prospect.blocks, situation.layout.scale
    lower, upper = corridor.ends
    rise, fall = corridor.rates
    before = np.vstack([request.in_force, nominal[:-1]])
    span = np.array([limit.upper - limit.lower for limit in request.limits])
    reach = np.maximum(trust * span / scale, FIXED)
    active = np.logical_not(corridor.fixed)
    box = Box(
        lower=np.minimum(np.maximum((lower - nominal) / scale, -reach), 0.0) - FIXED,
        upper=np.maximum(np.minimum((upper - nominal) / scale, reach), 0.0) + FIXED,
        active=active.astype(float),
    )

    coarse = prospect.fine_c[situation.fine_ends]
    weight = situation.hours[:, None] * predictor.leakage(request.it_power, coarse)[1]
    room = temperature_room(situation, prospect, tightening)
    chosen = within_reach(situation, prospect, room, choose(layout, room, hot), box)
    racks = np.unique(chosen.rack).tolist()
    sensitivities, leakage = predictor.linearise(
        situation.state, situation.inputs(nominal), layout.settings.blocks, racks, weight
    )
    previous = nominal
    if request.previous is not None:
        previous = np.array(request.previous)[layout.block_start]
    return Numbers(
        nominal=nominal,
        price=layout.blocking.T @ situation.hours,
        leakage=np.where(active, leakage * scale, 0.0),
        previous=np.where(active, (previous - nominal) / scale, 0.0),
        step=(nominal - before) / scale,
        rise=np.maximum(rise / scale, FIXED),
        fall=np.maximum(fall / scale, FIXED),
        lower=box.lower,
        upper=box.upper,
        cuts=power_cuts(situation, nominal, visited),
        temperature=temperature_rows(situation, sensitivities, room, chosen, box),
        worst=worst_rows(situation, prospect, box),
        demand=_demand(situation, prospect),
    )


def power_cuts(situation: Situation, nominal: Array, visited: list[Array]) -> Cuts:
    """Every power's cuts at the nominal, near it, and at the setpoints visited."""
    layout, predictor = situation.layout, situation.predictor
    here = situation.block_inputs(nominal)
    there = [situation.block_inputs(point) for point in visited]
    plant = [predictor.cuts(here), *(predictor.cuts(inputs, n=1) for inputs in there)]
    units = [predictor.unit_cuts(here), *(predictor.unit_cuts(inputs, n=1) for inputs in there)]
    first, several = len(plant[0].components), [_of_plant(layout, part) for part in plant]
    single = [_of_units(layout, part) for part in units]
    stacked = sparse.csr_array(sparse.vstack([*several, *single]))
    component = np.concatenate(
        [*(part.component for part in plant), *(part.component + first for part in units)]
    )
    step = np.concatenate([*(part.step for part in plant), *(part.step for part in units)])
    names = (*plant[0].components, *units[0].components)
    factor = np.array([situation.factor(name) for name in names])[component]
    at_nominal = np.concatenate(
        [
            *(part.constant + np.sum(part.slope * nominal[part.step], axis=1) for part in plant),
            *(part.constant + part.slope * nominal[part.step, part.group] for part in units),
        ]
    )
    slope = sparse.csr_array(sparse.diags_array(factor) @ stacked)
    at_nominal = factor * at_nominal
    power = step * len(names) + component
    value = np.full(layout.blocks * len(names), -np.inf)
    np.maximum.at(value, power, at_nominal)
    return Cuts(slope, at_nominal - value[power], power, len(names))


def _of_plant(layout: Layout, cuts: PowerCuts) -> sparse.csr_array:
    """Slopes over the scaled setpoints, or over the features where there are any."""
    slope = cuts.slope * layout.scale
    first = 0
    if len(layout.features):
        slope, first = slope @ layout.per_feature, layout.groups
    row, column = np.nonzero(slope)
    place = (row, cuts.step[row] * layout.width + first + column)
    shape = (len(slope), layout.blocks * layout.width)
    return sparse.csr_array((slope[row, column], place), shape=shape)


def _of_units(layout: Layout, cuts: UnitCuts) -> sparse.csr_array:
    count = len(cuts.group)
    place = (np.arange(count), cuts.step * layout.width + cuts.group)
    shape = (count, layout.blocks * layout.width)
    return sparse.csr_array((cuts.slope * layout.scale[cuts.group], place), shape=shape)


def _demand(situation: Situation, prospect: Prospect) -> Demand | None:
    request = situation.request
    if request.peak_kw is None or request.demand_per_kw <= 0.0:
        return None
    layout = situation.layout
    total = request.it_power.sum(axis=1) + np.sum(list(prospect.power_kw.values()), axis=0)
    mean = (layout.blocking / layout.blocking.sum(axis=0)).T @ total
    return Demand(mean - request.peak_kw, request.demand_per_kw / situation.mean_price)
