"""When a storage tank charges and discharges: the statement, in CVXPY, and its answer.

A tank carries cold from one hour to another; no other part of a plan does. So its schedule is a
small problem of its own, a linear one over blocks of the horizon and the hours after it, solved
before the plan; the plan then takes it as given, as it takes a person's override.

Heat is in thermal kW and kWh, money in the site's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cvxpy as cp
import numpy as np

from models.contract import Array

SOLVED = ("optimal", "optimal_inaccurate")
LEAST_APART = 0.05
"""Of full: levels that are nearer than this say little of what lies between them."""
IDLE_PER_KWH = 1e-6
"""Price of moving a kWh either way, so that nothing is charged and discharged at once for nothing.
"""


@dataclass(frozen=True)
class StorageProblem:
    """One tank's schedule over ``B`` blocks, the first ``H`` of them those of the horizon."""

    hours: Array
    """(B,) length of each block."""
    price: Array
    """(B,) of a kWh of electricity, carbon counted."""
    charge_cost: Array
    """(B,) kW of electricity that a kW of charge takes."""
    discharge_gain: Array
    """(B,) kW of electricity that a kW of discharge saves; no more than ``charge_cost``."""
    charge_most: Array
    """(B,) kW: what chillers have to spare, and the tank's full flow."""
    discharge_most: Array
    """(B,) kW: what the loop's units take, and the tank's full flow."""
    loss: float
    """KW that it loses, however full it is. In truth a full tank loses more; but what that would
    save is small, and no reason to stand empty: ride-through wants it full."""
    level: float
    """KWh that it holds now."""
    least: float
    """KWh that it keeps: the reserve with a margin."""
    full: float
    """KWh."""
    worth: float
    """Of a kWh that it holds at the end of all blocks."""
    now: float
    """KW of charge in force, discharge negative."""
    rise: Array
    """(H,) kW: largest rise of the charge into each block of the horizon; free after it."""
    fall: Array
    """(H,) the same of its fall."""
    move: float
    """Price of a change of the charge by 1 kW."""
    power: Array
    """(H,) kW of electricity of the whole site while the tank stands still."""
    peak: float
    """KW of the month's peak so far."""
    demand: float
    """Price of a kW above it; 0 where none is charged."""
    still: Array
    """(B,) kW: the way from the charge in force to standing still, which keeps all rates."""

    @property
    def blocks(self) -> int:
        """B."""
        return len(self.hours)

    @cached_property
    def standing(self) -> Array:
        """(B,) kWh that it would hold on the way to standing still, and after."""
        level, found = self.level, np.empty(self.blocks)
        for b in range(self.blocks):
            found[b] = level = level + self.hours[b] * (float(self.still[b]) - self.loss)
        return found


@dataclass(frozen=True)
class Schedule:
    """The answer: charges less discharges, what the tank then holds, and what that is worth."""

    charge: Array
    """(B,) kW, discharge negative."""
    level: Array
    """(B,) kWh after each block."""
    cost: float
    """Against standing still, what it holds at the end counted."""


def schedule(problem: StorageProblem) -> Schedule | None:
    """The cheapest schedule; None where the solver finds none that keeps all constraints."""
    p = problem
    charge = cp.Variable(p.blocks, nonneg=True)
    discharge = cp.Variable(p.blocks, nonneg=True)
    level = cp.Variable(p.blocks + 1)
    above = cp.Variable(nonneg=True)
    net = charge - discharge
    first = len(p.rise)
    drawn = cp.multiply(p.charge_cost, charge) - cp.multiply(p.discharge_gain, discharge)
    constraints = {
        "start": level[0] == p.level,
        "balance": cp.diff(level) == cp.multiply(p.hours, net - p.loss),
        # Where not even standing still keeps an end, no more is asked than that does.
        "reserve": level[1:] >= np.minimum(p.least, p.standing),
        "full": level[1:] <= np.maximum(p.full, p.standing),
        "charge": charge <= np.maximum(p.charge_most, p.still),
        "discharge": discharge <= np.maximum(p.discharge_most, -p.still),
    }
    if first:
        step = cp.diff(cp.hstack([p.now, net[:first]]))
        constraints["rise"], constraints["fall"] = step <= p.rise, -step <= p.fall
        constraints["demand"] = p.power + drawn[:first] - p.peak <= above
    moved = cp.norm1(cp.diff(cp.hstack([p.now, net])))
    cost = (
        cp.multiply(p.price, p.hours) @ drawn
        + p.demand * above
        + p.move * moved
        + IDLE_PER_KWH * (p.hours @ (charge + discharge))
        - p.worth * level[p.blocks]
    )
    statement = cp.Problem(cp.Minimize(cost), list(constraints.values()))
    try:
        statement.solve(solver=cp.CLARABEL)
    except cp.error.SolverError:
        return None
    if statement.status not in SOLVED or net.value is None:
        return None
    found = np.asarray(net.value, dtype=float)
    if not np.all(np.isfinite(found)):
        return None
    return Schedule(found, hold(p, found), price_of(p, found) - price_of(p, p.still))


def hold(problem: StorageProblem, charge: Array) -> Array:
    """(B,) kWh that a tank holds after each block of a charge; it takes no more than it can."""
    found, level = np.empty(problem.blocks), problem.level
    for b in range(problem.blocks):
        level += problem.hours[b] * (float(charge[b]) - problem.loss)
        level = min(max(level, 0.0), problem.full)
        found[b] = level
    return found


def price_of(problem: StorageProblem, charge: Array) -> float:
    """What a charge (B,) costs by the problem's own account, of its moves and at its end too."""
    p = problem
    up, down = np.maximum(charge, 0.0), np.maximum(-charge, 0.0)
    drawn = p.charge_cost * up - p.discharge_gain * down
    above = max(float((p.power + drawn[: len(p.power)]).max(initial=-np.inf)) - p.peak, 0.0)
    moved = float(np.abs(np.diff(charge, prepend=p.now)).sum())
    energy = float((p.price * p.hours) @ drawn)
    return energy + p.demand * above + p.move * moved - p.worth * float(hold(p, charge)[-1])


def worth_after(problem: StorageProblem, found: Schedule, block: int) -> float:
    """What a kWh is worth in the tank after ``block`` blocks, by the rest planned anew.

    The mean between what the schedule leaves there and what standing still would: only those two
    are compared, and the last kWh of a full tank is worth less than the first. Where the two are
    about the same, of a twentieth more and less. At the end, what the problem says.
    """
    p = problem
    if block >= p.blocks:
        return p.worth
    step = LEAST_APART * p.full
    low, high = sorted((float(found.level[block - 1]), float(hold(p, p.still)[block - 1])))
    if high - low < step:
        low, high = max(low - step, min(p.least, low)), min(high + step, p.full)
    if high - low < 1e-6:
        return p.worth
    costs = [_rest(p, found, block, level) for level in (low, high)]
    if costs[0] is None or costs[1] is None:
        return p.worth
    return max((costs[0] - costs[1]) / (high - low), 0.0)


def _rest(problem: StorageProblem, found: Schedule, block: int, level: float) -> float | None:
    """The least cost of the blocks after ``block`` from a level."""
    p = problem
    none = np.zeros(0)
    rest = StorageProblem(
        hours=p.hours[block:],
        price=p.price[block:],
        charge_cost=p.charge_cost[block:],
        discharge_gain=p.discharge_gain[block:],
        charge_most=p.charge_most[block:],
        discharge_most=p.discharge_most[block:],
        loss=p.loss,
        level=level,
        least=p.least,
        full=p.full,
        worth=p.worth,
        now=float(found.charge[block - 1]),
        rise=none,
        fall=none,
        move=p.move,
        power=none,
        peak=p.peak,
        demand=0.0,
        still=0.0 * p.hours[block:],
    )
    answer = schedule(rest)
    return None if answer is None else price_of(rest, answer.charge)
