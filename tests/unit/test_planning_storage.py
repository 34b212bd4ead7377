"""The schedule of a storage tank, against an independent answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from controller.planning import storage
from controller.planning.storage import StorageProblem, price_of, schedule


def problem(seed: int, **changes: Any) -> StorageProblem:
    """A tank of 2 MWh over ten blocks of the horizon and eight hours after it."""
    rng = np.random.default_rng(seed)
    hours = np.concatenate([np.array([1, 1, 1, 2, 3, 4, 6, 6, 12, 12]) / 12.0, np.ones(8)])
    cost = rng.uniform(0.1, 0.3, 18)
    values: dict[str, Any] = {
        "hours": hours,
        "price": rng.uniform(0.05, 0.5, 18),
        "charge_cost": cost,
        "discharge_gain": cost * rng.uniform(0.7, 1.0, 18),
        "charge_most": rng.uniform(0.0, 800.0, 18),
        "discharge_most": rng.uniform(200.0, 800.0, 18),
        "loss": 2.0,
        "level": float(rng.uniform(600.0, 1800.0)),
        "least": 500.0,
        "full": 2000.0,
        "worth": 0.02,
        "now": 0.0,
        "rise": np.full(10, 400.0),
        "fall": np.full(10, 800.0),
        "move": 1e-4,
        "power": rng.uniform(900.0, 1000.0, 10),
        "peak": 1000.0,
        "demand": float(rng.choice([0.0, 5.0])),
        "still": np.zeros(18),
    }
    return StorageProblem(**(values | changes))


def by_simplex(p: StorageProblem) -> float:
    """The least cost of the same problem, written down apart, as a linear programme for HiGHS.

    Columns: charges, discharges, levels, sizes of moves, power above the peak.
    """
    n, first = p.blocks, len(p.rise)
    c, d, lev, mv = (slice(k * n, (k + 1) * n) for k in range(4))
    top = 4 * n
    width = 4 * n + 1
    cost = np.zeros(width)
    cost[c] = p.price * p.hours * p.charge_cost + storage.IDLE_PER_KWH * p.hours
    cost[d] = -p.price * p.hours * p.discharge_gain + storage.IDLE_PER_KWH * p.hours
    cost[lev][-1] = -p.worth
    cost[mv] = p.move
    cost[top] = p.demand
    equal, right = [], []
    for b in range(n):
        line = np.zeros(width)
        line[lev][b] = 1.0
        line[c][b], line[d][b] = -p.hours[b], p.hours[b]
        if b:
            line[lev][b - 1] = -1.0
        equal.append(line)
        right.append((p.level if b == 0 else 0.0) - p.loss * p.hours[b])
    less, most = [], []
    for b in range(n):
        for sign in (1.0, -1.0):
            step = np.zeros(width)
            step[c][b], step[d][b] = sign, -sign
            if b:
                step[c][b - 1], step[d][b - 1] = -sign, sign
            before = sign * p.now if b == 0 else 0.0
            if b < first:
                less.append(step.copy())
                most.append((p.rise if sign > 0 else p.fall)[b] + before)
            step[mv][b] = -1.0
            less.append(step)
            most.append(before)
    for b in range(first):
        line = np.zeros(width)
        line[c][b], line[d][b], line[top] = p.charge_cost[b], -p.discharge_gain[b], -1.0
        less.append(line)
        most.append(p.peak - p.power[b])
    bounds = (
        [(0.0, m) for m in p.charge_most]
        + [(0.0, m) for m in p.discharge_most]
        + [(min(p.least, float(s)), p.full) for s in p.standing]
        + [(0.0, np.inf)] * (n + 1)
    )
    found = linprog(cost, np.array(less), np.array(most), np.array(equal), np.array(right), bounds)
    assert found.success, found.message
    least = found.fun
    assert least is not None
    return float(least)


@pytest.mark.parametrize("seed", range(12))
def test_the_schedule_costs_what_the_simplex_method_finds(seed: int) -> None:
    p = problem(seed)
    answer = schedule(p)
    assert answer is not None
    assert price_of(p, answer.charge) == pytest.approx(by_simplex(p), abs=0.02)


@pytest.mark.parametrize("seed", range(12))
def test_a_schedule_keeps_the_reserve_and_overfills_nothing(seed: int) -> None:
    p = problem(seed)
    answer = schedule(p)
    assert answer is not None
    assert answer.level.min() >= p.least - 0.5
    assert answer.level.max() <= p.full + 0.5
    assert np.all(answer.charge <= p.charge_most + 0.1)
    assert np.all(-answer.charge <= p.discharge_most + 0.1)


def test_at_one_price_a_tank_stands_still() -> None:
    answer = schedule(
        problem(1, price=np.full(18, 0.1), charge_cost=np.full(18, 0.2),
                discharge_gain=np.full(18, 0.2), demand=0.0)
    )  # fmt: skip
    assert answer is not None
    assert np.abs(answer.charge).max() < 1.0


def test_a_tank_under_its_reserve_is_never_discharged() -> None:
    p = problem(2, level=200.0)
    answer = schedule(p)
    assert answer is not None
    assert np.all(answer.level >= np.minimum(p.least, p.standing) - 0.5)
    assert answer.charge[0] >= -0.1


def test_what_a_kilowatt_hour_is_worth_later_is_what_the_dear_hour_pays_for_it() -> None:
    price = np.full(18, 0.1)
    price[14] = 0.5
    p = problem(
        3, price=price, charge_cost=np.full(18, 0.2), discharge_gain=np.full(18, 0.2),
        charge_most=np.zeros(18), discharge_most=np.full(18, 800.0), loss=0.0,
        level=700.0, worth=0.02, demand=0.0, move=0.0,
    )  # fmt: skip
    answer = schedule(p)
    assert answer is not None
    assert storage.worth_after(p, answer, 10) == pytest.approx(0.5 * 0.2, rel=0.02)
    # The dear hour can use 800 kWh; what standing still would have besides waits for the end.
    dear = replace(p, level=2000.0, price=np.where(np.arange(18) < 10, 0.45, price))
    used = schedule(dear)
    assert used is not None
    assert used.level[9] == pytest.approx(500.0 + 800.0, abs=5.0)
    assert storage.worth_after(dear, used, 10) == pytest.approx(p.worth, rel=0.1)
    assert storage.worth_after(p, answer, 18) == p.worth
