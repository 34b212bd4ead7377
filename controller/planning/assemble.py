"""The problem of `controller.planning.problem` as matrices, for PIQP.

Variables, one after the other: scaled setpoints ``v`` (B, G), features ``y`` (B, F), powers ``p``
(B, C), moves up and down (B, G) each, the slacks of temperatures and of the worst step, and the
power above the month's peak. A move is the difference of two variables that are not negative, so
that rates and the cost of moves are bounds and a linear term, and the quadratic form is diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import piqp
from scipy import sparse

from controller.planning.layout import Layout
from controller.planning.problem import Answer, Numbers, Rows
from models.contract import Array

MAX_ITERATIONS = 150
EPS_ABS, EPS_REL = 1e-6, 1e-7
STATUS = {
    piqp.PIQP_SOLVED: "optimal",
    piqp.PIQP_MAX_ITER_REACHED: "out of iterations",
    piqp.PIQP_PRIMAL_INFEASIBLE: "infeasible",
    piqp.PIQP_DUAL_INFEASIBLE: "unbounded",
    piqp.PIQP_NUMERICS: "in numerical trouble",
}


@dataclass(frozen=True)
class Program:
    """``minimise x' diag(square) x / 2 + cost x + constant`` within rows and bounds."""

    square: Array
    cost: Array
    constant: float
    equal: sparse.csc_matrix
    equal_to: Array
    below: sparse.csc_matrix
    below_at: Array
    lower: Array
    upper: Array
    parts: dict[str, slice]
    """Where each kind of variable lies."""
    rows: dict[str, slice]
    """Where each kind of inequality lies."""


def assemble(numbers: Numbers, layout: Layout) -> Program:
    """The matrices of a tick's numbers."""
    n, settings = numbers, layout.settings
    blocks, groups = n.nominal.shape
    size, features = blocks * groups, len(layout.features)
    parts = _slices(
        {
            "v": size,
            "y": blocks * features,
            "p": blocks * n.cuts.components,
            "up": size,
            "down": size,
            "s": len(n.temperature.weight),
            "w": len(n.worst.weight),
            "d": 0 if n.demand is None else 1,
        }
    )
    width = parts["d"].stop
    square, cost = np.zeros(width), np.zeros(width)
    lower, upper = np.full(width, -np.inf), np.full(width, np.inf)

    turn = 2.0 * settings.turn_kwh
    previous = n.previous.ravel()
    square[parts["v"]] = turn
    cost[parts["v"]] = n.leakage.ravel() - turn * previous
    lower[parts["v"]], upper[parts["v"]] = n.lower.ravel(), n.upper.ravel()
    cost[parts["p"]] = np.repeat(n.price, n.cuts.components)
    for name, rate in (("up", n.rise), ("down", n.fall)):
        square[parts[name]], cost[parts[name]] = turn, settings.move_kwh
        lower[parts[name]], upper[parts[name]] = 0.0, rate.ravel()
    for name, soft in (("s", n.temperature), ("w", n.worst)):
        square[parts[name]], cost[parts[name]] = 2.0 * soft.weight, soft.weight
        lower[parts[name]] = 0.0
    if n.demand is not None:
        cost[parts["d"]], lower[parts["d"]] = n.demand.price_kwh, 0.0

    eye = sparse.eye_array(size, format="csr")
    moves = {"v": eye - sparse.eye_array(size, k=-groups, format="csr"), "up": -eye, "down": eye}
    equal, equal_to = [_row(moves, parts)], [-n.step.ravel()]
    if features:
        mean = sparse.kron(sparse.eye_array(blocks), sparse.csr_array(layout.features))
        tie = {"v": mean, "y": -sparse.eye_array(blocks * features)}
        equal.append(_row(tie, parts))
        equal_to.append(np.zeros(blocks * features))

    told, said = {"power": _cuts(numbers, layout, parts)}, {"power": -n.cuts.at_nominal}
    for name, part, soft in (("temperature", "s", n.temperature), ("worst step", "w", n.worst)):
        told[name] = _row({"v": soft.gain, part: -_picks(soft)}, parts)
        said[name] = soft.room_k
    if n.demand is not None:
        sums = sparse.kron(sparse.eye_array(blocks), np.ones((1, n.cuts.components)))
        told["demand"] = _row({"p": sums, "d": -np.ones((blocks, 1))}, parts)
        said["demand"] = -n.demand.level_kw
    return Program(
        square=square,
        cost=cost,
        constant=0.5 * turn * float(previous @ previous),
        equal=sparse.csc_matrix(sparse.vstack(equal)),
        equal_to=np.concatenate(equal_to),
        below=sparse.csc_matrix(sparse.vstack(list(told.values()))),
        below_at=np.concatenate(list(said.values())),
        lower=lower,
        upper=upper,
        parts=parts,
        rows=_slices({name: len(values) for name, values in said.items()}),
    )


def solve(numbers: Numbers, layout: Layout) -> Answer:
    """PIQP's answer; one that fails is an answer too, never an exception.

    Always from cold: PIQP updated in place keeps the scaling of the numbers before, and
    failed to converge in one of ten steps where a cold start took 20 iterations; it saves
    nothing either. And an answer depends on its numbers alone, so that it can be replayed.
    """
    try:
        program = assemble(numbers, layout)
        solver = piqp.SparseSolver()
        solver.settings.max_iter = MAX_ITERATIONS
        solver.settings.eps_abs = solver.settings.eps_duality_gap_abs = EPS_ABS
        solver.settings.eps_rel = solver.settings.eps_duality_gap_rel = EPS_REL
        solver.setup(
            sparse.diags_array(program.square, format="csc"),
            program.cost,
            program.equal,
            program.equal_to,
            program.below,
            np.full(len(program.below_at), -np.inf),
            program.below_at,
            program.lower,
            program.upper,
        )
        status = solver.solve()
    except (ValueError, ArithmeticError, RuntimeError, TypeError) as error:
        return Answer(f"failed: {error}", None, None, {})
    result = solver.result
    x = np.array(result.x)
    shape = numbers.nominal.shape
    value = 0.5 * x @ (program.square * x) + program.cost @ x + program.constant
    at_most, at_least = np.array(result.z_bu), np.array(result.z_bl)
    duals = {name: np.array(result.z_u)[rows] for name, rows in program.rows.items()}
    duals |= {
        "lower": at_least[program.parts["v"]].reshape(shape),
        "upper": at_most[program.parts["v"]].reshape(shape),
        "rise": at_most[program.parts["up"]].reshape(shape),
        "fall": at_most[program.parts["down"]].reshape(shape),
    }
    said = STATUS.get(status, "unsolved")
    return Answer(said, x[program.parts["v"]].reshape(shape), float(value), duals)


def _slices(sizes: dict[str, int]) -> dict[str, slice]:
    ends = np.cumsum([0, *sizes.values()])
    return {name: slice(int(ends[i]), int(ends[i + 1])) for i, name in enumerate(sizes)}


def _row(by_part: Mapping[str, Any], parts: dict[str, slice]) -> sparse.csr_array:
    """Matrices side by side, each over its variables; nothing over the others."""
    columns, rows, values = [], [], []
    count = next(iter(by_part.values())).shape[0]
    for part, matrix in by_part.items():
        entries = sparse.coo_array(matrix)
        rows.append(entries.coords[0])
        columns.append(entries.coords[1] + parts[part].start)
        values.append(entries.data)
    place = (np.concatenate(rows), np.concatenate(columns))
    shape = (count, parts["d"].stop)
    return sparse.csr_array((np.concatenate(values), place), shape=shape)


def _cuts(n: Numbers, layout: Layout, parts: dict[str, slice]) -> sparse.csr_array:
    """The rows of the powers, whose columns count features after each block's setpoints."""
    entries = sparse.coo_array(n.cuts.slope)
    row, column = entries.coords
    block, place = column // layout.width, column % layout.width
    of_v = block * layout.groups + place
    of_y = parts["y"].start + block * len(layout.features) + place - layout.groups
    count = len(n.cuts.at_nominal)
    rows = np.concatenate([row, np.arange(count)])
    columns = np.concatenate(
        [np.where(place < layout.groups, of_v, of_y), parts["p"].start + n.cuts.power]
    )
    values = np.concatenate([entries.data, np.full(count, -1.0)])
    return sparse.csr_array((values, (rows, columns)), shape=(count, parts["d"].stop))


def _picks(soft: Rows) -> sparse.csr_array:
    """(rows, slacks): each row's slack."""
    count = len(soft.room_k)
    place = (np.arange(count), soft.slack)
    return sparse.csr_array((np.ones(count), place), shape=(count, len(soft.weight)))
