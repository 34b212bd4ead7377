"""A cost that no plan can be below: the planning problem without its hardest constraints.

What is dropped: every rack's limit, the worst credible step and the envelope's worst case. What
stays: ranges, rates, dwell, the cost of moves and every power, each cut from below by tangents
until new ones add nothing (Kelley's method; the powers are convex in the setpoints, so that every
round's optimum is a bound). IT leaks as at the coldest setpoints that can be reached, since
the models are monotone. So it bounds the horizon's cost by the learned models, not the plant's own:
what lies between it and a plan is what the racks' limits may be worth at most.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from controller.planning.linearise import power_cuts
from controller.planning.problem import CLARABEL_OPTIONS, Cuts
from controller.planning.ramp import ramp_to_cooling
from controller.planning.situation import Situation
from controller.planning.verify import rollout
from models.contract import Array

ROUNDS = 25
ENOUGH = 1e-4
"""Share of the cost by which a round must raise the bound for another to follow."""


@dataclass(frozen=True)
class Bound:
    """What no plan's `rollout` has less merit than, and whose it would be."""

    cost: float
    """kWh at the mean price."""
    blocks: Array
    """(B, G) setpoints of the relaxation."""


def lower_bound(situation: Situation) -> Bound:
    """The bound of a situation.

    The situation's blocks are single steps, so that the powers of blocks are those of steps.

    Raises
    ------
    ValueError
        A block is longer than a step.
    """
    if any(length != 1 for length in situation.layout.settings.blocks):
        raise ValueError("a bound takes blocks of one step each")
    hold = rollout(situation, situation.corridor.holding())
    held_kw = np.sum(list(hold.power_kw.values()), axis=0)
    # The rule's ramp has every setpoint as cold as it may be at every moment.
    coldest = rollout(situation, ramp_to_cooling(situation.corridor))
    fixed = float(situation.hours @ (held_kw + coldest.leakage_kw))
    best, visited = -np.inf, [coldest.blocks]
    blocks = hold.blocks
    for _ in range(ROUNDS):
        cuts = power_cuts(situation, hold.blocks, visited)
        least, blocks = _relaxed(situation, hold.blocks, cuts)
        gained = least + fixed - best
        best = max(best, least + fixed)
        if gained < ENOUGH * abs(best):
            break
        visited.append(blocks)
    return Bound(best, blocks)


def _relaxed(situation: Situation, nominal: Array, cuts: Cuts) -> tuple[float, Array]:
    """The least cost beyond the nominal's powers, and the setpoints (B, G) that have it."""
    layout, corridor, settings = situation.layout, situation.corridor, situation.layout.settings
    lower, upper = corridor.ends
    rise, fall = corridor.rates
    shape = nominal.shape
    v, y = cp.Variable(shape), cp.Variable((shape[0], len(layout.features)))
    p = cp.Variable((shape[0], cuts.components))
    step = np.diff(nominal, axis=0, prepend=situation.request.in_force[None, :]) / layout.scale
    move = step + v - cp.vstack([np.zeros((1, shape[1])), v[:-1]])
    z = cp.hstack([v, y]) if len(layout.features) else v
    constraints = [
        cuts.slope @ cp.vec(z, order="C") + cuts.at_nominal <= cp.vec(p, order="C")[cuts.power],
        v >= (lower - nominal) / layout.scale,
        v <= (upper - nominal) / layout.scale,
        move <= rise / layout.scale,
        -move <= fall / layout.scale,
    ]
    if len(layout.features):
        constraints.append(y == v @ layout.features.T)
    moving = settings.move_kwh * cp.norm1(move) + settings.turn_kwh * cp.sum_squares(move)
    problem = cp.Problem(cp.Minimize(cp.sum(p.T @ situation.hours) + moving), constraints)
    with warnings.catch_warnings():
        # An inaccurate solution shows in the status.
        warnings.simplefilter("ignore", UserWarning)
        problem.solve(solver="CLARABEL", warm_start=False, **CLARABEL_OPTIONS)
    if problem.status != "optimal" or v.value is None or problem.value is None:
        raise RuntimeError(f"the relaxation has no bound: {problem.status}")
    return float(problem.value), nominal + layout.scale * np.asarray(v.value)
