"""The predictive control problem, stated once.

Over ``B`` blocks of a horizon and ``G`` actuator groups, about a nominal plan::

    x[b] = nominal[b] + scale * v[b]                               setpoints

    minimise    sum_b  price[b] . sum_c p[b,c] + leakage[b] . v[b]        energy, carbon, IT leakage
              + move * sum_b |x[b] - x[b-1]|_1 + turn * |x[b] - x[b-1]|^2   a move costs
              + turn * sum_b |x[b] - previous[b]|^2                        a plan is kept
              + sum slack * (s + s^2) + sum slack * (w + w^2)              exact penalties

    subject to  y[b] = features v[b]                 means that powers depend on   «features»
                p[b,c] >= cut_i(v[b], y[b])          for each cut of each power    «power»
                T_row + sum_j gain[j] v[j] <= limit - margin + s                   «temperature»
                T_rated + gain v[b]       <= limit - margin + w                    «worst step»
                lower[b] <= v[b] <= upper[b]         range, dew point, least flow, trust
                -fall[b] <= (x[b] - x[b-1]) / scale <= rise[b]                     «rate»

``|x|`` counts in units of ``scale``. ``price`` is relative to the mean price of the horizon,
so that the objective is an energy in kWh at that price. Every coefficient that changes from
tick to tick is a parameter on the right-hand side or one of the few of the sparse rows, and the
problem is DPP: CVXPY compiles it once.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from controller.planning.layout import Entries, Ints, Layout
from models.contract import Array

SOLVERS = ("PIQP", "CLARABEL")

BACKEND = "COO"
"""Of CVXPY's ways to compile, the quickest with thousands of coefficients as parameters: 4 s
for 75 racks on 53 groups, where the usual one takes 7."""


@dataclass(frozen=True)
class Numbers:
    """What a tick, linearised about a nominal plan, gives to the problem."""

    nominal: Array
    """(B, G) canonical units."""
    price: Array
    """(B,) hours times relative price of each block; the last with the terminal cost."""
    leakage: Array
    """(B, G) IT energy for each unit of v, in kWh at the mean price."""
    previous: Array
    """(B, G) the last plan, scaled, about the nominal."""
    step: Array
    """(B, G) change of the nominal from the block before (or in force), scaled."""
    rise: Array
    """(B, G) scaled."""
    fall: Array
    """(B, G) scaled."""
    lower: Array
    """(B, G) scaled."""
    upper: Array
    """(B, G) scaled."""
    cut: Array
    """Coefficients of `Layout.power`."""
    cut_at_nominal: Array
    """(rows,) value of each cut at the nominal less the nominal power of its component, kW."""
    gain: Array
    """Coefficients of `Layout.temperature`."""
    room_k: Array
    """(rows,) limit less margin less nominal temperature."""
    worst_gain: Array
    """Coefficients of `Layout.worst`."""
    worst_room_k: Array
    """(rows,) the same after the worst credible step."""
    rack_of_row: Ints
    """(rows,) rack of each temperature row; -1 where the row is not in use."""
    worst_rack_of_row: Ints
    """(rows,) the same after the worst credible step."""


@dataclass(frozen=True)
class Answer:
    """What a solver said, not yet believed."""

    status: str
    v: Array | None
    """(B, G) scaled."""
    objective: float | None
    duals: dict[str, Array]
    """By name of the constraint: kWh at the mean price for each scaled unit or kelvin."""


class Problem:
    """The statement above in CVXPY, for one layout."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        settings = layout.settings
        blocks, groups, components = layout.blocks, layout.groups, len(layout.components)
        shape = (blocks, groups)
        units, checks = len(layout.units), len(layout.checks)

        self.v = v = cp.Variable(shape, name="v")
        self.y = y = cp.Variable((blocks, len(layout.features)), name="features")
        z = cp.hstack([v, y]) if len(layout.features) else v
        self.p = p = cp.Variable((components, blocks), name="power")
        self.s = s = cp.Variable(units * checks, name="over temperature", nonneg=True)
        self.w = w = cp.Variable(units * blocks, name="over worst step", nonneg=True)

        self.price = cp.Parameter(blocks, name="price", nonneg=True)
        self.leakage = cp.Parameter(shape, name="leakage")
        self.previous = cp.Parameter(shape, name="previous")
        self.step = cp.Parameter(shape, name="step")
        self.rise = cp.Parameter(shape, name="rise")
        self.fall = cp.Parameter(shape, name="fall")
        self.lower = cp.Parameter(shape, name="lower")
        self.upper = cp.Parameter(shape, name="upper")
        self.cut = cp.Parameter(layout.power.size, name="cut")
        self.cut_at_nominal = cp.Parameter(layout.power.rows, name="cut at nominal")
        self.gain = cp.Parameter(layout.temperature.size, name="gain")
        self.room = cp.Parameter(layout.temperature.rows, name="room")
        self.worst_gain = cp.Parameter(layout.worst.size, name="worst gain")
        self.worst_room = cp.Parameter(layout.worst.rows, name="worst room")

        move = self.step + v - cp.vstack([np.zeros((1, groups)), v[:-1]])
        energy = cp.sum(p @ self.price) + cp.sum(cp.multiply(self.leakage, v))
        moving = settings.move_kwh * cp.norm1(move) + settings.turn_kwh * cp.sum_squares(move)
        keeping = settings.turn_kwh * cp.sum_squares(v - self.previous)
        hours = layout.check_hours
        over = cp.sum(cp.multiply(hours, s + cp.square(s))) + cp.sum(w + cp.square(w))
        objective = energy + moving + keeping + settings.slack_kw_per_k * over

        self.constraints: dict[str, cp.Constraint] = {
            "power": _rows(layout.power, self.cut, z) + self.cut_at_nominal
            <= _spread(p, layout.cuts),
            "temperature": _rows(layout.temperature, self.gain, z)
            <= self.room + _repeat(s, layout.slots),
            "worst step": _rows(layout.worst, self.worst_gain, z)
            <= self.worst_room + _tile(w, units, layout.slots, blocks),
            "lower": v >= self.lower,
            "upper": v <= self.upper,
            "rise": move <= self.rise,
            "fall": -move <= self.fall,
        }
        if len(layout.features):
            self.constraints["features"] = y == v @ layout.features.T
        # One statement, compiled once for each solver: CVXPY keeps a single compilation.
        self.problems = {
            solver: cp.Problem(cp.Minimize(objective), list(self.constraints.values()))
            for solver in SOLVERS
        }
        if not all(problem.is_dpp() for problem in self.problems.values()):
            raise AssertionError("the problem must be DPP, or every tick compiles it anew")

    def set(self, numbers: Numbers) -> None:
        """Put the numbers of a tick in place."""
        self.price.value = numbers.price
        self.leakage.value = numbers.leakage
        self.previous.value = numbers.previous
        self.step.value = numbers.step
        self.rise.value = numbers.rise
        self.fall.value = numbers.fall
        self.lower.value = numbers.lower
        self.upper.value = numbers.upper
        self.cut.value = numbers.cut
        self.cut_at_nominal.value = numbers.cut_at_nominal
        self.gain.value = numbers.gain
        self.room.value = numbers.room_k
        self.worst_gain.value = numbers.worst_gain
        self.worst_room.value = numbers.worst_room_k

    def solve(self, solver: str, **options: Any) -> Answer:
        """One solve by one of `SOLVERS`; one that fails is an answer too, never an exception.

        Always from cold: PIQP updated in place keeps the scaling of the numbers before, and
        failed to converge in one of ten steps where a cold start took 20 iterations; it saves
        nothing either. And an answer depends on its numbers alone, so that it can be replayed.
        """
        problem = self.problems[solver]
        try:
            with warnings.catch_warnings():
                # An inaccurate solution shows in the status, and again in the check.
                warnings.simplefilter("ignore", UserWarning)
                problem.solve(solver=solver, warm_start=False, canon_backend=BACKEND, **options)
        except (cp.error.SolverError, ValueError, ArithmeticError, RuntimeError) as error:
            return Answer(f"failed: {error}", None, None, {})
        value = self.v.value
        duals = {
            name: np.asarray(constraint.dual_value, dtype=float)
            for name, constraint in self.constraints.items()
            if constraint.dual_value is not None
        }
        objective = problem.value
        return Answer(
            str(problem.status),
            None if value is None else np.asarray(value, dtype=float),
            None if objective is None else float(objective),
            duals,
        )


def _rows(entries: Entries, coefficients: cp.Parameter, z: cp.Expression) -> cp.Expression:
    """The sparse rows: ``total @ (coefficients * gather @ z)``."""
    picked = entries.gather() @ cp.vec(z, order="C")
    rows: cp.Expression = entries.total() @ cp.multiply(coefficients, picked)
    return rows


def _spread(p: cp.Variable, cuts: int) -> cp.Expression:
    """(C, B) to one entry a cut."""
    return _repeat(cp.vec(p, order="C"), cuts)


def _repeat(x: cp.Expression, times: int) -> cp.Expression:
    """Each entry ``times`` times, one after the other."""
    index = np.repeat(np.arange(x.size), times)
    repeated: cp.Expression = x[index]
    return repeated


def _tile(w: cp.Variable, units: int, slots: int, blocks: int) -> cp.Expression:
    """(unit, block) to (unit, slot, block)."""
    index = np.arange(units * blocks).reshape(units, 1, blocks)
    return w[np.repeat(index, slots, axis=1).ravel()]
