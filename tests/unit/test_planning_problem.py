"""The problem's statement: compiled once, named, and solved to what another method finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from controller.planning.check import fault_in, moves_of, objective_of
from controller.planning.corridor import Corridor
from controller.planning.layout import Layout
from controller.planning.linearise import Situation, linearise
from controller.planning.problem import Answer, Numbers, Problem
from controller.planning.settings import PlanningSettings
from controller.planning.solve import CLARABEL_OPTIONS, PIQP_OPTIONS, PlanMaker
from models.contract import Inputs
from tests.planning_plant import AnalyticPlant, reference_site, request_for


@pytest.fixture(scope="module")
def maker() -> PlanMaker:
    plant = AnalyticPlant(reference_site("campus"))
    made = PlanMaker(plant.site, plant, PlanningSettings())
    made.make(request_for(plant))
    return made


def situation_of(maker: PlanMaker, **changes: Any) -> Situation:
    plant = maker.predictor
    assert isinstance(plant, AnalyticPlant)
    request = request_for(plant, **changes)
    corridor = Corridor(request, maker.settings)
    return Situation(maker.site, request, plant.state(request.state), layout(maker), corridor)


def layout(maker: PlanMaker) -> Layout:
    assert maker._layout is not None
    return maker._layout


def problem(maker: PlanMaker) -> Problem:
    assert maker._problem is not None
    return maker._problem


def numbers_of(maker: PlanMaker, **changes: Any) -> Numbers:
    situation = situation_of(maker, **changes)
    holding = situation.corridor.holding()
    return linearise(situation, maker.predictor, holding, [], {}, {}, 0.15)


def test_it_is_dpp_and_every_constraint_has_a_name(maker: PlanMaker) -> None:
    stated = problem(maker)
    named = {id(c) for c in stated.constraints.values()}
    for compiled in stated.problems.values():
        assert compiled.is_dpp()
        assert {id(c) for c in compiled.constraints} == named
    assert set(stated.constraints) == {
        "features",
        "power",
        "temperature",
        "worst step",
        "lower",
        "upper",
        "rise",
        "fall",
    }


def test_two_solvers_and_the_recomputed_objective_agree(maker: PlanMaker) -> None:
    stated = problem(maker)
    for load in (0.3, 0.7, 1.0):
        numbers = numbers_of(maker, load=load)
        stated.set(numbers)
        piqp = stated.solve("PIQP", **PIQP_OPTIONS)
        clarabel = stated.solve("CLARABEL", **CLARABEL_OPTIONS)
        assert piqp.objective == pytest.approx(clarabel.objective, rel=1e-4, abs=1e-3)
        assert piqp.v is not None
        again = objective_of(piqp.v, numbers, layout(maker))
        assert again == pytest.approx(piqp.objective, rel=1e-4, abs=1e-3)
        assert fault_in(piqp, numbers, layout(maker)) is None


def test_without_its_quadratic_terms_it_is_the_linear_programme_that_scipy_solves() -> None:
    # An independent statement of the same problem, dense, by another modeller's hand: HiGHS.
    settings = PlanningSettings(turn_kwh=0.0, slack_kw_per_k=0.0, blocks=(6, 6, 12))
    plant = AnalyticPlant(reference_site("campus"), margin_k=-100.0)
    made = PlanMaker(plant.site, plant, settings)
    request = request_for(plant, settings=settings)
    made.make(request)
    corridor = Corridor(request, settings)
    lay = layout(made)
    situation = Situation(plant.site, request, plant.state(request.state), lay, corridor)
    n = linearise(situation, plant, corridor.holding(), [], {}, {}, 0.15)

    b, g, c = lay.blocks, lay.groups, len(lay.components)
    size = b * g
    # Variables: v, power epigraph, |move|.
    cost = np.concatenate(
        [n.leakage.ravel(), np.tile(n.price, c), np.full(size, settings.move_kwh)]
    )
    difference = np.eye(size) - np.eye(size, k=-g)
    # Features put in terms of the setpoints.
    f = len(lay.features)
    spread = np.kron(np.eye(b), np.vstack([np.eye(g), lay.features]))
    assert spread.shape == (b * (g + f), size)
    cuts = lay.power.matrix(n.cut).toarray() @ spread
    owner = np.zeros((lay.power.rows, c * b))
    owner[np.arange(lay.power.rows), np.arange(lay.power.rows) // lay.cuts] = -1.0
    none = np.zeros((lay.power.rows, size))
    zero = np.zeros((size, c * b))
    eye = np.eye(size)
    rows = np.block(
        [
            [cuts, owner, none],
            [difference, zero, -eye],
            [-difference, zero, -eye],
            [difference, zero, 0 * eye],
            [-difference, zero, 0 * eye],
        ]
    )
    step = n.step.ravel()
    ends = np.concatenate(
        [-n.cut_at_nominal, -step, step, n.rise.ravel() - step, n.fall.ravel() + step]
    )
    box = zip(n.lower.ravel(), n.upper.ravel(), strict=True)
    bounds: list[tuple[float | None, float | None]] = [(float(lo), float(hi)) for lo, hi in box]
    bounds += [(None, None)] * (c * b) + [(0.0, None)] * size
    found = linprog(cost, A_ub=rows, b_ub=ends, bounds=bounds, method="highs")
    assert found.status == 0

    stated = problem(made)
    stated.set(n)
    answer = stated.solve("CLARABEL", **CLARABEL_OPTIONS)
    assert answer.objective == pytest.approx(found.fun, rel=1e-5, abs=1e-4)


def test_a_gain_is_the_change_that_a_roll_out_shows(maker: PlanMaker) -> None:
    situation = situation_of(maker)
    plant, lay = maker.predictor, layout(maker)
    nominal = situation.corridor.holding()
    numbers = numbers_of(maker)
    rng = np.random.default_rng(3)
    v = 0.01 * rng.standard_normal(nominal.shape)

    def temperature(blocks: np.ndarray) -> np.ndarray:
        return plant.roll_out(situation.state, situation.inputs(blocks)).limited_c[lay.checks]

    change = temperature(nominal + lay.scale * v) - temperature(nominal)
    told = lay.temperature.matrix(numbers.gain) @ lay.columns(v)
    used = np.flatnonzero(numbers.rack_of_row >= 0)
    check = np.tile(np.repeat(np.arange(len(lay.checks)), lay.slots), len(lay.units))
    shown = change[check[used], numbers.rack_of_row[used]]
    assert np.max(np.abs(told[used] - shown)) < 2e-3 * np.max(np.abs(shown)) + 1e-4


def test_a_group_without_freedom_has_no_coefficient_and_does_not_move(maker: PlanMaker) -> None:
    name = "cdu1.tcs_supply_temperature_setpoint"
    far = {"fixed_at": 31.0, "fixed_until_s": 1e12, "fixed_by": "somebody"}
    numbers = numbers_of(maker, limits={name: far})
    g = list(maker.site.groups).index(name)
    lay = layout(maker)
    assert np.all(numbers.nominal[:, g] == 31.0)
    for entries, values in (
        (lay.temperature, numbers.gain),
        (lay.worst, numbers.worst_gain),
    ):
        assert np.all(values[entries.column == g] == 0.0)
    assert np.all(numbers.upper[:, g] - numbers.lower[:, g] < 0.01)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda a: replace(a, status="infeasible"), "infeasible"),
        (lambda a: replace(a, v=None), "no solution"),
        (lambda a: replace(a, v=a.v * np.nan), "not finite"),
        (lambda a: replace(a, v=a.v * 0 + 2e9), "upper end"),
        (lambda a: replace(a, v=a.v[:1]), "shape"),
        (lambda a: replace(a, objective=a.objective - 5.0), "recomputed"),
        (
            lambda a: replace(a, v=a.v + 0.3 * (-1.0) ** np.arange(a.v.size).reshape(a.v.shape)),
            "units",
        ),
    ],
)
def test_an_answer_that_only_looks_right_is_found_out(
    maker: PlanMaker, spoil: Any, word: str
) -> None:
    numbers = numbers_of(maker)
    stated = problem(maker)
    stated.set(numbers)
    answer = stated.solve("PIQP", **PIQP_OPTIONS)
    assert isinstance(answer, Answer)
    assert word in str(fault_in(spoil(answer), numbers, layout(maker)))


def test_moves_are_counted_from_the_setpoint_in_force(maker: PlanMaker) -> None:
    numbers = numbers_of(maker)
    v = np.zeros_like(numbers.nominal)
    v[2:] = 1.0
    moves = moves_of(v, numbers)
    assert np.all(moves[2] == pytest.approx(1.0))
    assert np.allclose(np.delete(moves, 2, axis=0), 0.0)


def test_a_second_solve_compiles_nothing(maker: PlanMaker) -> None:
    stated = problem(maker)
    stated.set(numbers_of(maker, load=0.5))
    stated.solve("PIQP", **PIQP_OPTIONS)
    program = stated.problems["PIQP"]._cache.param_prog
    stated.set(numbers_of(maker, load=0.9))
    stated.solve("PIQP", **PIQP_OPTIONS)
    assert stated.problems["PIQP"]._cache.param_prog is program


def test_the_horizon_is_two_hours_at_least() -> None:
    with pytest.raises(ValueError, match="two hours"):
        PlanningSettings(blocks=(1, 1, 2))
    assert PlanningSettings().steps * PlanningSettings().step_s >= 7200.0


def test_inputs_by_block_hold_the_mean_load(maker: PlanMaker) -> None:
    situation = situation_of(maker, load=0.4)
    inputs = situation.block_inputs(situation.corridor.holding())
    assert isinstance(inputs, Inputs)
    assert inputs.it_power_kw.sum(axis=1) == pytest.approx(
        0.4 * sum(r.rated_kw for r in maker.site.racks.values())
    )
