"""Predictions from many past moments at once, and how far they were from what came.

Each origin sees only what was measured up to it. «Known» inputs are those that came;
«forecast» ones come from the load and weather models on the data before the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.contract import Array
from models.dataset import STEP_S, History
from models.forecast import LoadModel, running_mean
from models.layout import Ints
from models.state import ThermalState
from models.thermal import ThermalModel


@dataclass(frozen=True)
class Origins:
    """States at moments of a history: the last row that each has seen."""

    rows: tuple[int, ...]
    states: tuple[ThermalState, ...]


def states_along(
    model: ThermalModel, history: History, first: int, last: int, every: int, warm_rows: int = 120
) -> Origins:
    """Run the model along the history and keep its state after rows ``first``, +``every``..."""
    begin = max(first - warm_rows, 0)
    rows, states = [], []
    state: ThermalState | None = None
    fresh = begin
    for row in range(begin, last):
        if not history.usable[row]:
            state = None
            continue
        inputs = history.inputs(row, row + 1)
        if state is None:
            state = model.settled(inputs)
            fresh = row
        state = model.correct(state, inputs, history.supply_c[row], history.limited_c[row])
        if row >= first and (row - first) % every == 0 and row - fresh >= min(warm_rows, 30):
            rows.append(row)
            states.append(state)
    return Origins(tuple(rows), tuple(states))


def predict(
    model: ThermalModel,
    history: History,
    origins: Origins,
    steps: int,
    it_power_kw: Array | None = None,
) -> Array:
    """(B, steps, R) limited temperatures from each origin, offsets held.

    ``it_power_kw`` (B, steps, R) replaces the loads that came.
    """
    found = np.empty((len(origins.rows), steps, len(history.layout.racks)))
    for i, (row, state) in enumerate(zip(origins.rows, origins.states, strict=True)):
        inputs = history.inputs(row + 1, row + 1 + steps)
        if it_power_kw is not None:
            inputs = replace(inputs, it_power_kw=it_power_kw[i])
        found[i] = model.roll_out(state, inputs).limited_c
    return found


def errors_at(
    history: History, origins: Origins, predicted: Array, leads_s: Sequence[float]
) -> Array:
    """(B, leads, R) measured minus predicted; NaN where nothing was measured."""
    rows = np.array(origins.rows)
    return np.stack(
        [
            history.limited_c[rows + round(lead / STEP_S)] - predicted[:, round(lead / STEP_S) - 1]
            for lead in leads_s
        ],
        axis=1,
    )


def excess_at(
    history: History, origins: Origins, predicted: Array, leads_s: Sequence[float]
) -> Array:
    """As `errors_at`, but measured minus the highest prediction within a minute of then.

    For margins: a load that steps between two samples is measured with the temperature from
    before and the power from after. That is a matter of timing, not a rack hotter than planned.
    """
    before = np.concatenate([predicted[:, :1], predicted[:, :-1]], axis=1)
    after = np.concatenate([predicted[:, 1:], predicted[:, -1:]], axis=1)
    return errors_at(history, origins, np.maximum(predicted, np.maximum(before, after)), leads_s)


def persistence_at(history: History, origins: Origins, leads_s: Sequence[float]) -> Array:
    """(B, leads, R) measured minus the last five minutes' mean: the error of no model at all."""
    now = running_mean(history.limited_c, 5)
    rows = np.array(origins.rows)
    return np.stack(
        [history.limited_c[rows + round(lead / STEP_S)] - now[rows] for lead in leads_s], axis=1
    )


def expected_loads(load: LoadModel, history: History, origins: Origins, steps: int) -> Array:
    """(B, steps, R) loads as they would have been forecast at each origin, kW."""
    share = history.it_power_kw / history.layout.rated_kw
    lead_s = np.asarray((np.arange(steps) + 0.5) * STEP_S, dtype=np.float64)
    expected = load.expect(share, np.array(origins.rows), lead_s)
    return np.asarray(np.clip(expected, 0.0, None) * history.layout.rated_kw)


def rmse(errors: Array, racks: Ints) -> Array:
    """(leads,) root mean square over origins and these racks; NaN where there is nothing."""
    own = errors[..., racks]
    known = np.isfinite(own)
    total = np.where(known, own, 0.0) ** 2
    count = known.sum(axis=(0, 2))
    return np.sqrt(np.where(count > 0, total.sum(axis=(0, 2)) / np.maximum(count, 1), np.nan))
