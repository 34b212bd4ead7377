"""A linear model of the racks in the place of the learned one: what most predictive control has.

ARX, one state a rack: ``y[k] = a y[k-1] + b . u[k] + c`` with steps of five minutes; ``u`` are the
setpoints of the rack's units and of the plant, its own load, its mates' and the wet bulb. Fitted by
ridge regression on the history that the learned model is trained on; how strongly is chosen on the
history's last quarter by free runs of an hour, and the margins come from free runs there too, by
the learned model's rule. A disturbance for each rack is estimated, so that control is offset-free.
Power, forecasts and everything else stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from controller.estimation.learned import LearnedEstimator, minutes_of
from controller.planning.predictor import LearnedPredictor
from facility.site import Site
from models.contract import Array, Inputs, Sensitivities, Trajectory
from models.dataset import History
from models.layout import Layout, layout_of, rack_groups
from models.registry import Bundle
from models.uncertainty import LEADS_S, ErrorModel, group_errors

STEP_S = 300.0
MINUTE_S = 60.0
ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Weights of the ridge against standardised columns."""
EARLY_SHARE = 0.75
CHOSEN_AT_STEPS = 12
"""Length of the free runs that choose."""
ORIGIN_EVERY = 4
MOST_KEPT = 0.98
"""Share of its temperature that a rack keeps in a step, at most: stable, whatever was fitted."""
CORRECTION, BIAS_GAIN = 0.3, 0.02
"""Of a minute's error: taken into the state, and into the disturbance."""


@dataclass(frozen=True)
class ArxState:
    """Of each rack its temperature and the disturbance where it would settle."""

    time_s: float
    racks_c: Array
    bias_k: Array


@dataclass(frozen=True)
class Arx:
    """What was fitted; R racks, G groups."""

    keep: Array
    """(R,) ``a``."""
    gain: Array
    """(R, G) K a step for a canonical unit of the setpoint."""
    per_load: Array
    """(R,) K a step for each kW of its own."""
    per_mate: Array
    """(R,) for each kW of the mean of the racks that share its unit or hall."""
    per_wet_bulb: Array
    constant: Array
    errors: ErrorModel

    def settled(self, inputs: Inputs, mates: Array) -> Array:
        """(T, R) where each rack would settle."""
        drive = (
            inputs.setpoints @ self.gain.T
            + inputs.it_power_kw * self.per_load
            + inputs.it_power_kw @ mates.T * self.per_mate
            + inputs.wet_bulb_c[:, None] * self.per_wet_bulb
            + self.constant
        )
        return np.asarray(drive / (1.0 - self.keep))

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        names = ("keep", "gain", "per_load", "per_mate", "per_wet_bulb", "constant")
        return {name: getattr(self, name).tolist() for name in names} | {
            "errors": self.errors.to_json()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arx:
        """What `to_json` told."""
        arrays = {name: np.array(values) for name, values in data.items() if name != "errors"}
        return cls(**arrays, errors=ErrorModel.from_json(data["errors"]))


def mates_of(site: Site) -> Array:
    """(R, R) means over the racks that share a rack's unit or, air-cooled, its hall."""
    mean = np.zeros((len(site.racks), len(site.racks)))
    for members in rack_groups(site).values():
        mean[np.ix_(members, members)] = 1.0 / len(members)
    return mean


def fit(site: Site, frame: pd.DataFrame) -> Arx:
    """Fit to a history as `models.dataset` describes."""
    layout = layout_of(site)
    samples = _Samples(site, History.of(site, frame, layout))
    cut = round(len(samples.racks_c) * EARLY_SHARE)
    fitted = [samples.fitted(alpha, cut) for alpha in ALPHAS]
    scores = [np.nanmean(samples.free_run(arx, cut, CHOSEN_AT_STEPS)[:, -1] ** 2) for arx in fitted]
    chosen = fitted[int(np.argmin(scores))]
    steps = round(LEADS_S[-1] / STEP_S)
    errors = samples.free_run(chosen, cut, steps)
    at = [max(round(lead_s / STEP_S), 1) - 1 for lead_s in LEADS_S]
    groups = {
        name: group_errors(errors[:, at], (errors[:, at], errors[:, at]), members)
        for name, members in rack_groups(site).items()
    }
    return replace(chosen, errors=ErrorModel(groups))


class _Samples:
    """A history in steps of five minutes."""

    def __init__(self, site: Site, history: History) -> None:
        self._site, self._mates = site, mates_of(site)
        rows = round(STEP_S / MINUTE_S)
        count = history.rows // rows
        self.inputs = history.inputs(0, count * rows, STEP_S)
        self.racks_c = history.limited_c[rows - 1 : count * rows : rows]
        whole = np.asarray(history.usable[: count * rows].reshape(count, rows).all(axis=1))
        self.racks_c = np.where(whole[:, None], self.racks_c, np.nan)

    def fitted(self, alpha: float, cut: int) -> Arx:
        """To the steps before ``cut``."""
        count, groups = len(self._site.racks), len(self._site.groups)
        found = {name: np.zeros(count) for name in ("keep", "load", "mate", "wet", "constant")}
        gain = np.zeros((count, groups))
        mate_kw = self.inputs.it_power_kw @ self._mates.T
        wet = self.inputs.wet_bulb_c
        for r, (own, power) in enumerate(
            zip(self._moved_by(), self.inputs.it_power_kw.T, strict=True)
        ):
            before, now = self.racks_c[: cut - 1, r], self.racks_c[1:cut, r]
            u = np.column_stack([self.inputs.setpoints[:, own], power, mate_kw[:, r], wet])[1:cut]
            known = np.isfinite(np.column_stack([before, now, u])).all(axis=1)
            a, b, c = _ridge(before[known], u[known], now[known], alpha)
            found["keep"][r], found["constant"][r] = a, c
            gain[r, own] = b[:-3]
            found["load"][r], found["mate"][r], found["wet"][r] = b[-3:]
        return Arx(
            keep=found["keep"],
            gain=gain,
            per_load=found["load"],
            per_mate=found["mate"],
            per_wet_bulb=found["wet"],
            constant=found["constant"],
            errors=ErrorModel({}),
        )

    def free_run(self, arx: Arx, first: int, steps: int) -> Array:
        """(origins, steps, R) measured minus predicted, all inputs known; NaN where unmeasured."""
        settled = arx.settled(self.inputs, self._mates)
        last = len(self.racks_c) - steps - 1
        origins = np.arange(first, max(last, first + 1), ORIGIN_EVERY)
        now = self.racks_c[origins]
        found = []
        for step in range(1, steps + 1):
            at = np.minimum(origins + step, len(self.racks_c) - 1)
            now = arx.keep * now + (1.0 - arx.keep) * settled[at]
            found.append(self.racks_c[at] - now)
        return np.stack(found, axis=1)

    def _moved_by(self) -> list[list[int]]:
        """By rack: the groups of its units and of the plant."""
        units = {*self._site.cdus, *self._site.crahs}
        owners = [members[0].equipment for members in self._site.groups.values()]
        return [
            [g for g, owner in enumerate(owners) if owner in rack.units or owner not in units]
            for rack in self._site.racks.values()
        ]


def _ridge(before: Array, u: Array, now: Array, alpha: float) -> tuple[float, Array, float]:
    """Keep, gains and constant; the keep is not pulled towards 0, and is stable."""
    x = np.column_stack([before, u])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    z, target = (x - mean) / spread, now - now.mean()
    held = alpha * np.eye(x.shape[1])
    held[0, 0] = 1e-6
    weight = np.linalg.solve(z.T @ z + held, z.T @ target) / spread
    keep = float(np.clip(weight[0], 0.0, MOST_KEPT))
    if keep != weight[0]:
        rest = z[:, 1:]
        target = target - keep * (before - mean[0])
        held = alpha * np.eye(rest.shape[1])
        weight[1:] = np.linalg.solve(rest.T @ rest + held, rest.T @ target) / spread[1:]
    gains = weight[1:]
    return keep, gains, float(now.mean() - keep * mean[0] - gains @ mean[1:])


class ArxPredictor(LearnedPredictor):
    """A `Predictor` whose temperatures are the linear model's."""

    def __init__(self, site: Site, bundle: Bundle, arx: Arx) -> None:
        super().__init__(site, replace(bundle, errors=arx.errors))
        self._arx, self._mates = arx, mates_of(site)
        self._pairs = np.nonzero(arx.gain)

    def state(self, record: str) -> Any:
        """The state of a request."""
        data = json.loads(record)
        return ArxState(data["time_s"], np.array(data["racks_c"]), np.array(data["bias_k"]))

    def roll_out(self, state: Any, inputs: Inputs) -> Trajectory:
        """Every rack over the inputs."""
        steps_s = np.full(inputs.steps, inputs.step_s)
        return Trajectory(limited_c=self.trace(state, inputs, steps_s), supply_c={})

    def trace(self, state: Any, inputs: Inputs, step_s: Array) -> Array:
        """Every rack at the ends of steps that fill the inputs."""
        settled = self._arx.settled(inputs, self._mates) + state.bias_k
        middle_s = np.cumsum(step_s) - 0.5 * step_s
        now, found = state.racks_c, np.empty((len(step_s), len(self._arx.keep)))
        for k, (length_s, at_s) in enumerate(zip(step_s, middle_s, strict=True)):
            keep = self._arx.keep ** (length_s / STEP_S)
            found[k] = now = keep * now + (1.0 - keep) * settled[int(at_s // inputs.step_s)]
        return found

    def linearise(
        self,
        state: Any,  # noqa: ARG002 - a linear model is the same everywhere
        inputs: Inputs,
        blocks: tuple[int, ...],
        racks: Sequence[int],
        weight: Array | None = None,
    ) -> tuple[Sensitivities, Array]:
        """For moves held over blocks."""
        arx, owner = self._arx, np.repeat(np.arange(len(blocks)), blocks)
        keep = arx.keep ** (inputs.step_s / STEP_S)
        lead = np.subtract.outer(np.arange(inputs.steps), np.arange(inputs.steps))
        lag = (1.0 - keep)[:, None, None] * keep[:, None, None] ** np.maximum(lead, 0)
        answer = np.where(lead >= 0, lag, 0.0) @ np.eye(len(blocks))[owner]
        static = arx.gain / (1.0 - arx.keep)[:, None]
        total = np.zeros((len(blocks), static.shape[1]))
        if weight is not None:
            total = np.einsum("tr,rtb,rg->bg", weight, answer, static, optimize=True)
        rack, group = self._pairs
        asked = np.isin(rack, racks)
        rack, group = rack[asked], group[asked]
        gain = answer[rack] * static[rack, group][:, None, None]
        return Sensitivities(rack.astype(np.int64), group.astype(np.int64), gain), total


class ArxEstimator(LearnedEstimator):
    """An `Estimator` of that model's state: a filter of fixed gains, minute by minute."""

    def __init__(self, site: Site, bundle: Bundle, arx: Arx) -> None:
        super().__init__(site, bundle)
        self._arx, self._mates = arx, mates_of(site)
        self._layout: Layout = bundle.thermal.layout

    def start(self, frame: pd.DataFrame) -> Any:
        """A state at the end of a frame: settled at its beginning, then followed."""
        history = minutes_of(self._site, frame, self._layout)
        settled = self._arx.settled(history.inputs(0, 1), self._mates)[0]
        return self._through(ArxState(float(history.time_s[0]), settled, 0.0 * settled), history)

    def follow(self, state: Any, frame: pd.DataFrame) -> Any:
        """Minute by minute through a frame."""
        return self._through(state, minutes_of(self._site, frame, self._layout))

    def _through(self, state: ArxState, history: History) -> ArxState:
        settled = self._arx.settled(history.inputs(0, history.rows), self._mates)
        keep = self._arx.keep ** (MINUTE_S / STEP_S)
        racks_c, bias_k = state.racks_c, state.bias_k
        for line, measured_c in zip(settled, history.limited_c, strict=True):
            expected_c = keep * racks_c + (1.0 - keep) * (line + bias_k)
            error_k = np.where(np.isfinite(measured_c), measured_c - expected_c, 0.0)
            racks_c = expected_c + CORRECTION * error_k
            bias_k = bias_k + BIAS_GAIN * error_k / (1.0 - keep)
        return ArxState(float(history.time_s[-1]) + MINUTE_S, racks_c, bias_k)

    def to_text(self, state: Any) -> str:
        """The state as text for a record."""
        return json.dumps(
            {
                "time_s": state.time_s,
                "racks_c": state.racks_c.tolist(),
                "bias_k": state.bias_k.tolist(),
            }
        )
