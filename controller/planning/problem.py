"""The predictive control problem, stated once.

Over ``B`` blocks of a horizon and ``G`` actuator groups, about a nominal plan::

    x[b] = nominal[b] + scale * v[b]                               setpoints

    minimise    sum_b  price[b] . sum_c p[b,c] + leakage[b] . v[b]        energy, carbon, IT leakage
              + demand * d                                                 the month's peak
              + move * sum_b |x[b] - x[b-1]|_1 + turn * |x[b] - x[b-1]|^2   a move costs
              + turn * sum_b |x[b] - previous[b]|^2                        a plan is kept
              + sum slack * (s + s^2) + sum slack * (w + w^2)              exact penalties

    subject to  y[b] = features v[b]                 means that powers depend on   «features»
                p[b,c] >= cut_i(v[b], y[b])          for each cut of each power    «power»
                level[b] + sum_c p[b,c] <= d         power above the month's peak  «demand»
                T_row + sum_j gain[j] v[j] <= limit - margin + s                   «temperature»
                T_rated + gain v[b]       <= limit - margin + w                    «worst step»
                lower[b] <= v[b] <= upper[b]         range, dew point, least flow, trust
                -fall[b] <= (x[b] - x[b-1]) / scale <= rise[b]                     «rate»

``|x|`` counts in units of ``scale``. ``price`` is relative to the mean price of the horizon,
so that the objective is an energy in kWh at that price. `controller.planning.assemble` writes the
same problem as matrices in a hundredth of the time, and the tests hold the two together; here it
is the second opinion that is asked where the first fails.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from scipy import sparse

from controller.planning.layout import Ints, Layout
from models.contract import Array

CLARABEL_OPTIONS = {"max_iter": 200}


@dataclass(frozen=True)
class Rows:
    """Softly limited temperatures, ``gain @ v.ravel() <= room_k + slack``."""

    gain: sparse.csr_array
    """(n, B*G) K for each unit of v."""
    room_k: Array
    """(n,) limit less margin less nominal temperature."""
    slack: Ints
    """(n,) the slack of each row."""
    rack: Ints
    """(n,)."""
    weight: Array
    """(slacks,) kWh at the mean price for each K, and for each K²."""


@dataclass(frozen=True)
class Cuts:
    """Lower bounds of powers, ``slope @ [v, y].ravel() + at_nominal <= p``."""

    slope: sparse.csr_array
    """(n, B*(G+F))."""
    at_nominal: Array
    """(n,) value at the nominal less the nominal power of its component, kW."""
    power: Ints
    """(n,) ``block * components + component``."""
    components: int


@dataclass(frozen=True)
class Demand:
    """What power above the month's peak costs."""

    level_kw: Array
    """(B,) electric power of the site at the nominal, above the peak so far."""
    price_kwh: float
    """kWh at the mean price that a kW above costs."""


@dataclass(frozen=True)
class Numbers:
    """What a tick, linearised about a nominal plan, gives to the problem; scaled but nominal."""

    nominal: Array
    """(B, G) canonical units."""
    price: Array
    """(B,) hours times relative price of each block; the last with the terminal cost."""
    leakage: Array
    """(B, G) IT energy for each unit of v, in kWh at the mean price."""
    previous: Array
    """(B, G) the last plan, about the nominal."""
    step: Array
    """(B, G) change of the nominal from the block before (or in force)."""
    rise: Array
    """(B, G)."""
    fall: Array
    """(B, G)."""
    lower: Array
    """(B, G)."""
    upper: Array
    """(B, G)."""
    cuts: Cuts
    temperature: Rows
    worst: Rows
    demand: Demand | None = None


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
    """The statement above in CVXPY, for the numbers of a tick."""

    def __init__(self, numbers: Numbers, layout: Layout) -> None:
        n, settings = numbers, layout.settings
        blocks, groups = shape = n.nominal.shape
        components = n.cuts.components

        self.v = v = cp.Variable(shape, name="v")
        y = cp.Variable((blocks, len(layout.features)), name="features")
        z = cp.hstack([v, y]) if len(layout.features) else v
        p = cp.Variable((blocks, components), name="power")
        s = cp.Variable(len(n.temperature.weight), name="over temperature", nonneg=True)
        w = cp.Variable(len(n.worst.weight), name="over worst step", nonneg=True)
        d = cp.Variable(name="over the month's peak", nonneg=True)

        move = n.step + v - cp.vstack([np.zeros((1, groups)), v[:-1]])
        energy = cp.sum(p.T @ n.price) + cp.sum(cp.multiply(n.leakage, v))
        moving = settings.move_kwh * cp.norm1(move) + settings.turn_kwh * cp.sum_squares(move)
        keeping = settings.turn_kwh * cp.sum_squares(v - n.previous)
        over = n.temperature.weight @ (s + cp.square(s)) + n.worst.weight @ (w + cp.square(w))
        demand = 0.0 if n.demand is None else n.demand.price_kwh * d
        objective = energy + demand + moving + keeping + over

        self.constraints: dict[str, cp.Constraint] = {
            "power": n.cuts.slope @ cp.vec(z, order="C") + n.cuts.at_nominal
            <= cp.vec(p, order="C")[n.cuts.power],
            "lower": v >= n.lower,
            "upper": v <= n.upper,
            "rise": move <= n.rise,
            "fall": -move <= n.fall,
        }
        flat = cp.vec(v, order="C")
        if len(n.temperature.room_k):
            soft = n.temperature
            self.constraints["temperature"] = soft.gain @ flat <= soft.room_k + s[soft.slack]
        if len(n.worst.room_k):
            soft = n.worst
            self.constraints["worst step"] = soft.gain @ flat <= soft.room_k + w[soft.slack]
        if len(layout.features):
            self.constraints["features"] = y == v @ layout.features.T
        if n.demand is not None:
            self.constraints["demand"] = n.demand.level_kw + cp.sum(p, axis=1) <= d
        self.problem = cp.Problem(cp.Minimize(objective), list(self.constraints.values()))

    def solve(self, solver: str = "CLARABEL", **options: float) -> Answer:
        """One solve from cold; one that fails is an answer too, never an exception."""
        given = options or (CLARABEL_OPTIONS if solver == "CLARABEL" else {})
        try:
            with warnings.catch_warnings():
                # An inaccurate solution shows in the status, and again in the check.
                warnings.simplefilter("ignore", UserWarning)
                self.problem.solve(solver=solver, warm_start=False, **given)
        except (cp.error.SolverError, ValueError, ArithmeticError, RuntimeError) as error:
            return Answer(f"failed: {error}", None, None, {})
        value, objective = self.v.value, self.problem.value
        return Answer(
            str(self.problem.status),
            None if value is None else np.asarray(value, dtype=float),
            None if objective is None else float(objective),
            {
                name: np.asarray(constraint.dual_value, dtype=float)
                for name, constraint in self.constraints.items()
                if constraint.dual_value is not None
            },
        )
