"""The independent check of a solver's answer: its word for it is not enough.

OSQP has returned a finite x of 2e9 on an infeasible problem, others a near-zero x with a
status of success. Here the answer is held against the numbers themselves.
"""

from __future__ import annotations

import numpy as np

from controller.planning.layout import Layout
from controller.planning.problem import Answer, Numbers, Rows
from models.contract import Array

BOX_TOLERANCE = 1e-4
"""In scaled units (a twentieth of a range), thus about 0.0001 K."""

ENERGY_TOLERANCE = 1e-3
"""Objective recomputed from the setpoints alone against the solver's, relative."""


def fault_in(answer: Answer, numbers: Numbers, layout: Layout) -> str | None:
    """What is wrong with an answer, in words; None where nothing is."""
    if answer.status not in ("optimal", "optimal_inaccurate"):
        return f"the solver says {answer.status}"
    v = answer.v
    if v is None or answer.objective is None:
        return "there is no solution in the answer"
    if v.shape != numbers.nominal.shape:
        return f"the solution has shape {v.shape}, not {numbers.nominal.shape}"
    if not (np.all(np.isfinite(v)) and np.isfinite(answer.objective)):
        return "the solution is not finite"
    move = moves_of(v, numbers)
    sides = (
        ("below its lower end", numbers.lower - v),
        ("above its upper end", v - numbers.upper),
        ("rises faster than it may", move - numbers.rise),
        ("falls faster than it may", -move - numbers.fall),
    )
    for what, excess in sides:
        b, g = np.unravel_index(int(np.argmax(excess)), excess.shape)
        if excess[b, g] > BOX_TOLERANCE:
            return f"{layout.group_names[g]} {what} in block {b + 1} by {excess[b, g]:.2g} units"
    again = objective_of(v, numbers, layout)
    if abs(again - answer.objective) > ENERGY_TOLERANCE * max(1.0, abs(again)) + 0.01:
        return f"the objective is {again:.6g} when recomputed, not {answer.objective:.6g}"
    return None


def moves_of(v: Array, numbers: Numbers) -> Array:
    """(B, G) change of each setpoint from the block before, scaled."""
    return numbers.step + v - np.vstack([np.zeros((1, v.shape[1])), v[:-1]])


def objective_of(v: Array, numbers: Numbers, layout: Layout) -> float:
    """The least objective that setpoints can have, computed without the solver.

    Given ``v`` the best epigraph and slack values are known, so this is both a residual check
    (a slack or epigraph that cheats shows) and a check of the value that was claimed.
    """
    settings, cuts = layout.settings, numbers.cuts
    blocks = len(numbers.nominal)
    highest = np.full(blocks * cuts.components, -np.inf)
    np.maximum.at(highest, cuts.power, cuts.slope @ layout.columns(v) + cuts.at_nominal)
    power = highest.reshape(blocks, cuts.components)
    move = moves_of(v, numbers)
    total = (
        (power.sum(axis=1) * numbers.price).sum()
        + (numbers.leakage * v).sum()
        + settings.move_kwh * np.abs(move).sum()
        + settings.turn_kwh * (np.square(move).sum() + np.square(v - numbers.previous).sum())
        + sum(_penalty(soft, v) for soft in (numbers.temperature, numbers.worst))
    )
    if numbers.demand is not None:
        above_kw = (numbers.demand.level_kw + power.sum(axis=1)).max()
        total += numbers.demand.price_kwh * max(above_kw, 0.0)
    return float(total)


def _penalty(soft: Rows, v: Array) -> float:
    over = np.zeros(len(soft.weight))
    np.maximum.at(over, soft.slack, soft.gain @ v.ravel() - soft.room_k)
    return float(soft.weight @ (over + over**2))
