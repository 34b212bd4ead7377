"""What was predicted at each step, held against what came: only here is the future looked at.

Given what came of load, weather and setpoints, the model's own error; and besides it the error of
the forecasts of load and wet bulb. Sums are answered, so that days add up exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controller.evaluation.series import component_tags
from controller.records import TickRecord
from facility.site import Site
from models.contract import Array
from models.dataset import STEP_S, DatasetError, History
from models.registry import Bundle
from models.state import ThermalState
from models.uncertainty import rack_groups

LEADS_S = (300.0, 900.0, 3600.0, 7200.0)
QUANTITIES = ("temperature_k", "power_kw", "it_power_kw", "wet_bulb_k")


def score(
    site: Site, bundle: Bundle, frame: pd.DataFrame, ticks: Sequence[TickRecord]
) -> dict[str, Any]:
    """Sums over a day's steps, by quantity and lead in seconds.

    Each has the ``count``, the sums of the errors (predicted less recorded), of their squares, of
    what was recorded; temperatures also how many were ``inside`` the model's 90 % band.
    """
    sums = {name: {f"{lead:g}": _Sums() for lead in LEADS_S} for name in QUANTITIES}
    try:
        history = History.of(site, frame)
    except DatasetError:
        return {name: {lead: s.plain() for lead, s in part.items()} for name, part in sums.items()}
    tags = [tag for tags in component_tags(site).values() for tag in tags if tag is not None]
    silent = np.full(history.rows, np.nan)
    measured_kw = np.sum([history.meters.get(tag, silent) for tag in tags], axis=0)
    bands = _bands(site, bundle)
    for tick in ticks:
        if tick.request is None:
            continue
        state = ThermalState.from_json(json.loads(tick.request.state))
        first = round((state.time_s - float(history.time_s[0])) / STEP_S)
        ahead = _whole_rows(history, first)
        if ahead:
            _plant(bundle, history, (first, ahead), state, tick, measured_kw, bands, sums)
        _forecasts(history, tick, sums)
    return {name: {lead: s.plain() for lead, s in part.items()} for name, part in sums.items()}


class _Sums:
    """Sums of errors."""

    def __init__(self) -> None:
        self.count, self.error, self.square, self.recorded, self.inside = 0, 0.0, 0.0, 0.0, 0

    def add(
        self, predicted: Array, recorded: Array, inside: NDArray[np.bool_] | None = None
    ) -> None:
        """Errors of what was recorded."""
        known = np.isfinite(recorded) & np.isfinite(predicted)
        error = (predicted - recorded)[known]
        self.count += int(known.sum())
        self.error += float(error.sum())
        self.square += float((error**2).sum())
        self.recorded += float(recorded[known].sum())
        if inside is not None:
            self.inside += int((inside & known).sum())

    def plain(self) -> dict[str, float]:
        """JSON values."""
        return {
            "count": self.count,
            "error": self.error,
            "square": self.square,
            "recorded": self.recorded,
            "inside": self.inside,
        }


def _whole_rows(history: History, first: int) -> int:
    """Rows on end from ``first`` in which all that drives the hall is known, at most two hours."""
    if not 0 <= first < history.rows:
        return 0
    part = history.usable[first : first + round(LEADS_S[-1] / STEP_S)]
    return len(part) if part.all() else int(np.argmin(part))


def _plant(  # noqa: PLR0917 - one step's parts, all of them of use
    bundle: Bundle,
    history: History,
    rows: tuple[int, int],
    state: ThermalState,
    tick: TickRecord,
    measured_kw: Array,
    bands: tuple[Array, Array],
    sums: dict[str, dict[str, _Sums]],
) -> None:
    first, ahead = rows
    inputs = history.inputs(first, first + ahead)
    expected = bundle.thermal.roll_out(state, inputs).limited_c
    factors = tick.request.power_factors if tick.request else {}
    power = bundle.power.predict(inputs)
    power_kw = np.sum([kw * factors.get(name, 1.0) for name, kw in power.items()], axis=0)
    for i, lead in enumerate(LEADS_S):
        steps = round(lead / STEP_S)
        if steps > ahead:
            break
        came = history.limited_c[first + steps - 1]
        error = came - expected[steps - 1]
        inside = (error >= bands[0][i]) & (error <= bands[1][i])
        sums["temperature_k"][f"{lead:g}"].add(expected[steps - 1], came, inside)
        found = measured_kw[first : first + steps]
        sums["power_kw"][f"{lead:g}"].add(
            np.array([power_kw[:steps].mean()]), np.array([found.mean()])
        )


def _forecasts(history: History, tick: TickRecord, sums: dict[str, dict[str, _Sums]]) -> None:
    """Load and weather expected at each lead, against what came."""
    request = tick.request
    if request is None:
        return
    load_kw = request.it_power.sum(axis=1)
    for lead in LEADS_S:
        row = round((request.now_s + lead - float(history.time_s[0])) / STEP_S)
        step = round(lead / request.step_s) - 1
        if not (0 <= row < history.rows and 0 <= step < request.steps):
            continue
        name = f"{lead:g}"
        sums["it_power_kw"][name].add(
            np.array([load_kw[step]]), history.it_power_kw[row].sum(keepdims=True)
        )
        sums["wet_bulb_k"][name].add(
            np.array([request.wet_bulb_c[step]]), history.wet_bulb_c[row : row + 1]
        )


def _bands(site: Site, bundle: Bundle) -> tuple[Array, Array]:
    """(leads, R) lower and upper distance of the model's 90 % band."""
    leads = np.array(LEADS_S)
    lower, upper = np.zeros((2, len(leads), len(site.racks)))
    for name, racks in rack_groups(site).items():
        below, above = bundle.errors.band(leads, name)
        lower[:, list(racks)], upper[:, list(racks)] = below[:, None], above[:, None]
    return lower, upper
