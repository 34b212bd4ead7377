"""The roll-out that decides whether a plan is believed: every rack, at a fine step, nonlinear.

The peak inside each step counts, not its end: at 10 s for the first quarter of an hour and 60 s
after. Loads that come and go between two forecasts are the worst credible step's part, in which
every rack runs at its rating from now on: no checkpoint can do more.

A plan is *verified* when no rack goes above its limit less its margin, over the horizon and
after the worst credible step under the setpoints about to be in force, apart from heat that
even the ramp to more cooling cannot take away in time (a rack that is too hot already).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from controller.planning.situation import Situation, fine_steps
from controller.planning.stored import stored_kwh
from models.contract import Array

UNAVOIDABLE_K = 0.2
"""A plan may be this much warmer than the ramp to more cooling where that is too hot too."""


@dataclass(frozen=True)
class Prospect:
    """What the nonlinear models expect of setpoints (B, G)."""

    blocks: Array
    """(B, G)."""
    fine_c: Array
    """(fine steps, R) limited temperatures."""
    excess_k: Array
    """(fine steps, R) above the limit less its margin; negative is room."""
    worst_excess_k: Array
    """(R,) the same after the worst credible step."""
    power_kw: dict[str, Array]
    """(T,) by component."""
    leakage_kw: Array
    """(T,) IT power from the racks' temperatures, against an arbitrary level."""
    energy: float
    """kWh at the mean price, with the terminal cost and the leakage."""
    merit: float
    """``energy``, what the moves cost, and the exact penalty on what is above the limits or the
    recommended temperatures, less what storage tanks then hold."""

    @property
    def peak_k(self) -> float:
        """Highest excess of any rack at any time."""
        return float(self.excess_k.max())


def rollout(situation: Situation, blocks: Array) -> Prospect:
    """Expect the consequences of setpoints (B, G)."""
    settings, predictor = situation.layout.settings, situation.predictor
    inputs = situation.inputs(blocks)
    fine_c = predictor.trace(situation.state, inputs, situation.fine_step_s)
    require_finite("temperatures", fine_c)
    excess = fine_c - situation.allowed_c

    worst = worst_excess_k(situation, blocks[0])

    power = {
        name: situation.factor(name) * values for name, values in predictor.power(inputs).items()
    }
    coarse = fine_c[situation.fine_ends]
    leakage = predictor.leakage(inputs.it_power_kw, coarse)[0].sum(axis=1)
    total = np.sum(list(power.values()), axis=0) + leakage
    require_finite("electric power", total)
    require_finite("prices", situation.hours)
    energy = float(situation.hours @ total)
    move = np.diff(blocks, axis=0, prepend=request_in_force(situation)) / situation.layout.scale
    moving = settings.move_kwh * np.abs(move).sum() + settings.turn_kwh * np.square(move).sum()
    over_k = np.maximum(fine_c - situation.wished_c, 0.0).sum(axis=1)
    over_h = float(over_k @ situation.fine_step_s) / 3600.0
    penalty = settings.slack_kw_per_k * (over_h + np.maximum(worst, 0.0).sum())
    return Prospect(
        blocks=blocks,
        fine_c=fine_c,
        excess_k=excess,
        worst_excess_k=worst,
        power_kw=power,
        leakage_kw=leakage,
        energy=energy,
        merit=energy
        + float(moving + penalty + peak_cost(situation, power))
        - stored_kwh(situation, blocks),
    )


def worst_excess_k(situation: Situation, setpoints: Array) -> Array:
    """(R,) excess after the worst credible step from now on, with ``setpoints`` (G,) held."""
    held = situation.worst_inputs(setpoints)
    steps_s = fine_steps(situation.layout.settings, held.steps * held.step_s)
    after = situation.predictor.trace(situation.state, held, steps_s).max(axis=0)
    require_finite("temperatures after the worst credible step", after)
    return np.asarray(after - situation.allowed_worst_c)


def peak_cost(situation: Situation, power_kw: Mapping[str, Array]) -> float:
    """What power above the month's peak costs, in kWh at the mean price; means over the blocks."""
    request, layout = situation.request, situation.layout
    if request.peak_kw is None:
        return 0.0
    total = request.it_power.sum(axis=1) + np.sum(list(power_kw.values()), axis=0)
    mean = (layout.blocking / layout.blocking.sum(axis=0)).T @ total
    above_kw = max(float(mean.max()) - request.peak_kw, 0.0)
    return above_kw * request.demand_per_kw / situation.mean_price


def request_in_force(situation: Situation) -> Array:
    """(1, G) setpoints in force; a person's hold counts as no move of ours."""
    corridor = situation.corridor
    return np.where(corridor.fixed[0], corridor.fixed_at, situation.request.in_force)[None, :]


def require_finite(what: str, values: Array) -> None:
    """A comparison with NaN is False, and would pass for «within the limit».

    Raises
    ------
    ArithmeticError
        A value is not finite.
    """
    if not np.all(np.isfinite(values)):
        raise ArithmeticError(f"the {what} are not all finite")


def objections(prospect: Prospect, ramp: Prospect, tolerance_k: float) -> dict[str, Array]:
    """What stands against a plan: excess that the ramp to more cooling would not have.

    Answers ``"temperature"`` (fine steps, R) and ``"worst step"`` (R,), in K above what is
    tolerated, 0 where nothing is.
    """
    allowed = np.where(ramp.excess_k > 0.0, ramp.excess_k + UNAVOIDABLE_K, 0.0) + tolerance_k
    allowed_worst = (
        np.where(ramp.worst_excess_k > 0.0, ramp.worst_excess_k + UNAVOIDABLE_K, 0.0) + tolerance_k
    )
    return {
        "temperature": np.maximum(prospect.excess_k - allowed, 0.0),
        "worst step": np.maximum(prospect.worst_excess_k - allowed_worst, 0.0),
    }


def said_against(situation: Situation, against: dict[str, Array]) -> str:
    """The roll-out's objection in words; empty where there is none."""
    names = situation.layout.rack_names
    over = against["temperature"]
    if over.any():
        k, r = np.unravel_index(int(np.argmax(over)), over.shape)
        minutes = situation.fine_lead_s[k] / 60.0
        return f"rack {names[r]} is {over[k, r]:.2f} K too warm after {minutes:.0f} min"
    worst = against["worst step"]
    if worst.any():
        hottest = int(np.argmax(worst))
        over_k = worst[hottest]
        return f"rack {names[hottest]} is {over_k:.2f} K too warm after the worst credible step"
    return ""
