"""Whatever the hours cost: a schedule keeps a tank between its reserve and full."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from controller.planning.storage import hold, price_of, schedule
from tests.unit.test_planning_storage import problem

KWH = 0.5
"""Of 2,000: what an interior-point method leaves over."""


@given(
    seed=st.integers(0, 10_000),
    level=st.floats(0.0, 2000.0),
    worth=st.floats(0.0, 0.2),
    prices=st.lists(st.floats(0.0, 2.0), min_size=18, max_size=18),
)
def test_a_schedule_keeps_reserve_full_and_flows_and_is_no_worse_than_standing_still(
    seed: int, level: float, worth: float, prices: list[float]
) -> None:
    p = problem(seed, level=level, worth=worth, price=np.array(prices))
    answer = schedule(p)
    assert answer is not None
    assert np.all(answer.level >= np.minimum(p.least, hold(p, p.still)) - KWH)
    assert np.all(answer.level <= p.full + 1e-9)
    assert np.all(answer.charge <= p.charge_most + KWH)
    assert np.all(-answer.charge <= p.discharge_most + KWH)
    first = np.diff(answer.charge[: len(p.rise)], prepend=p.now)
    assert np.all(first <= p.rise + KWH)
    assert np.all(-first <= p.fall + KWH)
    assert price_of(p, answer.charge) <= price_of(p, p.still) + 0.02
