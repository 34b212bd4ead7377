"""The problem's statement: compiled once, named, and solved to what another method finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from controller.planning import assemble, rows
from controller.planning.check import fault_in, moves_of, objective_of
from controller.planning.corridor import Corridor
from controller.planning.linearise import linearise
from controller.planning.problem import Answer, Numbers, Problem
from controller.planning.settings import PlanningSettings
from controller.planning.situation import Situation
from controller.planning.solve import PlanMaker
from controller.planning.verify import rollout
from models.contract import Array, Inputs
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_requests import request_for

LEFT_OUT_K = 0.01
"""docs/optimiser.md: what is left out of a row, together."""


@pytest.fixture(scope="module")
def maker() -> PlanMaker:
    plant = AnalyticPlant(reference_site("campus"))
    return PlanMaker(plant.site, plant, PlanningSettings())


def situation_of(maker: PlanMaker, **changes: Any) -> Situation:
    plant = maker.predictor
    assert isinstance(plant, AnalyticPlant)
    changes.setdefault("settings", maker.settings)
    charged = changes.pop("charged", {})
    request = replace(request_for(plant, **changes), **charged)
    corridor = Corridor(request, maker.settings)
    state = plant.state(request.state)
    return Situation(maker.site, request, state, maker.layout, corridor, plant)


def numbers_about(situation: Situation, blocks: Array) -> Numbers:
    return linearise(situation, rollout(situation, blocks), [], {}, {}, 0.15)


def numbers_of(maker: PlanMaker, **changes: Any) -> Numbers:
    situation = situation_of(maker, **changes)
    return numbers_about(situation, situation.corridor.holding())


def test_every_constraint_has_a_name(maker: PlanMaker) -> None:
    charged = {"peak_kw": 100.0, "demand_per_kw": 10.0}
    plant = maker.predictor
    assert isinstance(plant, AnalyticPlant)
    ends = [(limit.lower, limit.upper) for limit in request_for(plant).limits]
    warmest = [m[0].cooling.sign < 0 for m in maker.site.groups.values()]
    setpoints = np.array([e[int(w)] for e, w in zip(ends, warmest, strict=True)])
    numbers = numbers_of(maker, load=1.0, setpoints=setpoints, charged=charged)
    stated = Problem(numbers, maker.layout)
    named = {id(c) for c in stated.constraints.values()}
    assert {id(c) for c in stated.problem.constraints} == named
    assert set(stated.constraints) == {
        "features",
        "power",
        "temperature",
        "worst step",
        "demand",
        "lower",
        "upper",
        "rise",
        "fall",
    }


WARM = {
    "supply_air_temperature_setpoint": 25.5,
    "tcs_supply_temperature_setpoint": 31.0,
}
"""Setpoints at which temperature rows bind."""


def warm_setpoints(maker: PlanMaker) -> Array:
    plant = maker.predictor
    assert isinstance(plant, AnalyticPlant)
    found = [limit.in_force for limit in request_for(plant).limits]
    for g, members in enumerate(maker.site.groups.values()):
        found[g] = WARM.get(members[0].quantity, found[g])
    return np.array(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"load": 0.3},
        {"load": 0.9},
        {"load": 1.0, "price": [0.02] * 20 + [0.4] * (PlanningSettings().steps - 20)},
        {"load": 0.8, "charged": {"peak_kw": 5.0, "demand_per_kw": 12.0}},
    ],
)
def test_the_matrices_are_the_statement(maker: PlanMaker, changes: dict[str, Any]) -> None:
    # The statement in CVXPY by another solver: same value, same plan, same shadow prices.
    setpoints = warm_setpoints(maker) if changes["load"] > 0.5 else None
    numbers = numbers_of(maker, setpoints=setpoints, **changes)
    answer = assemble.solve(numbers, maker.layout)
    stated = Problem(numbers, maker.layout).solve("CLARABEL")
    assert answer.objective == pytest.approx(stated.objective, rel=1e-4, abs=1e-3)
    assert answer.v is not None
    assert stated.v is not None
    again = objective_of(answer.v, numbers, maker.layout)
    assert again == pytest.approx(answer.objective, rel=1e-4, abs=1e-3)
    assert fault_in(answer, numbers, maker.layout) is None
    assert np.max(np.abs(answer.v - stated.v)) < 0.05
    for name, dual in stated.duals.items():
        if name not in ("features", "power"):
            largest = max(float(np.abs(dual).max(initial=0.0)), 1.0)
            assert np.abs(answer.duals[name] - dual).max(initial=0.0) < 0.02 * largest, name


def test_rows_that_cannot_bind_are_left_out_and_change_nothing(maker: PlanMaker) -> None:
    numbers = numbers_of(maker, load=0.9, setpoints=warm_setpoints(maker))
    held = len(maker.layout.checks) * len(maker.layout.units) * maker.settings.hottest
    assert 0 < len(numbers.temperature.room_k) < held
    answer = assemble.solve(numbers, maker.layout)
    assert answer.v is not None
    # Of the racks at their limits none has been left out: a roll-out of the answer shows none.
    situation = situation_of(maker, load=0.9, setpoints=warm_setpoints(maker))
    blocks = situation.corridor.settle(numbers.nominal + maker.layout.scale * answer.v)
    assert rollout(situation, blocks).peak_k < maker.settings.tolerance_k


def test_what_is_left_out_of_a_row_moves_it_no_further_than_is_said(
    maker: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"load": 0.9, "setpoints": warm_setpoints(maker)}
    thin = numbers_of(maker, **asked)
    monkeypatch.setattr(rows, "NEGLIGIBLE_K", -1.0)
    whole = numbers_of(maker, **asked)
    reach = np.maximum(np.abs(thin.lower), np.abs(thin.upper)).ravel()
    for ours, all_of_it in ((thin.temperature, whole.temperature), (thin.worst, whole.worst)):
        assert np.array_equal(ours.room_k, all_of_it.room_k)
        missing = np.abs((all_of_it.gain - ours.gain).toarray())
        assert (missing @ reach).max(initial=0.0) <= LEFT_OUT_K
        kept = ours.gain.toarray() != 0.0
        assert np.all(missing[kept] == 0.0)
    assert 2 * thin.temperature.gain.nnz < whole.temperature.gain.nnz
    answers = [assemble.solve(numbers, maker.layout) for numbers in (thin, whole)]
    cost = [objective_of(np.asarray(a.v), whole, maker.layout) for a in answers]
    assert cost[0] == pytest.approx(cost[1], rel=1e-3, abs=0.01)


def test_without_its_quadratic_terms_it_is_the_linear_programme_that_scipy_solves() -> None:
    # An independent statement of the same problem, dense, by another modeller's hand: HiGHS.
    settings = PlanningSettings(turn_kwh=0.0, slack_kw_per_k=0.0, blocks=(6, 6, 12, 24))
    plant = AnalyticPlant(reference_site("campus"), margin_k=-100.0)
    made = PlanMaker(plant.site, plant, settings)
    lay = made.layout
    n = numbers_of(made)

    b, g, c = lay.blocks, lay.groups, n.cuts.components
    size = b * g
    # Variables: v, power epigraph, |move|.
    cost = np.concatenate(
        [n.leakage.ravel(), np.repeat(n.price, c), np.full(size, settings.move_kwh)]
    )
    difference = np.eye(size) - np.eye(size, k=-g)
    # Features put in terms of the setpoints.
    f = len(lay.features)
    spread = np.kron(np.eye(b), np.vstack([np.eye(g), lay.features]))
    assert spread.shape == (b * (g + f), size)
    cuts = n.cuts.slope.toarray() @ spread
    count = len(n.cuts.power)
    owner = np.zeros((count, c * b))
    owner[np.arange(count), n.cuts.power] = -1.0
    none = np.zeros((count, size))
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
        [-n.cuts.at_nominal, -step, step, n.rise.ravel() - step, n.fall.ravel() + step]
    )
    box = zip(n.lower.ravel(), n.upper.ravel(), strict=True)
    bounds: list[tuple[float | None, float | None]] = [(float(lo), float(hi)) for lo, hi in box]
    bounds += [(None, None)] * (c * b) + [(0.0, None)] * size
    found = linprog(cost, A_ub=rows, b_ub=ends, bounds=bounds, method="highs")
    assert found.status == 0

    for answer in (Problem(n, lay).solve("CLARABEL"), assemble.solve(n, lay)):
        assert answer.objective == pytest.approx(found.fun, rel=1e-5, abs=1e-4)


def test_a_gain_is_the_change_that_a_roll_out_shows(maker: PlanMaker) -> None:
    situation = situation_of(maker, load=0.9, setpoints=warm_setpoints(maker))
    nominal, lay = situation.corridor.holding(), maker.layout
    soft = numbers_about(situation, nominal).temperature
    # Alike units move alike, so that the hottest racks stay the hottest.
    quantities = [members[0].quantity for members in maker.site.groups.values()]
    kinds = {quantity: i for i, quantity in enumerate(dict.fromkeys(quantities))}
    draw = 0.01 * np.random.default_rng(3).standard_normal((lay.blocks, len(kinds)))
    v = draw[:, [kinds[quantity] for quantity in quantities]]

    def room(blocks: Array) -> Array:
        return numbers_about(situation, blocks).temperature.room_k

    told = soft.gain @ v.ravel()
    shown = soft.room_k - room(nominal + lay.scale * v)
    assert np.max(np.abs(told - shown)) < 2e-3 * np.max(np.abs(shown)) + 1e-4


def test_a_group_without_freedom_has_no_coefficient_and_does_not_move(maker: PlanMaker) -> None:
    name = "cdu1.tcs_supply_temperature_setpoint"
    far = {"fixed_at": 31.0, "fixed_until_s": 1e12, "fixed_by": "somebody"}
    numbers = numbers_of(maker, load=1.0, limits={name: far})
    g = list(maker.site.groups).index(name)
    assert np.all(numbers.nominal[:, g] == 31.0)
    for soft in (numbers.temperature, numbers.worst):
        assert np.all(soft.gain.toarray()[:, g :: maker.layout.groups] == 0.0)
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
    answer = assemble.solve(numbers, maker.layout)
    assert isinstance(answer, Answer)
    assert word in str(fault_in(spoil(answer), numbers, maker.layout))


def test_moves_are_counted_from_the_setpoint_in_force(maker: PlanMaker) -> None:
    numbers = numbers_of(maker)
    v = np.zeros_like(numbers.nominal)
    v[2:] = 1.0
    moves = moves_of(v, numbers)
    assert np.all(moves[2] == pytest.approx(1.0))
    assert np.allclose(np.delete(moves, 2, axis=0), 0.0)


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
