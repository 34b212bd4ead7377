"""The best that a search on the plant itself found: a mark for how much there was to save.

It knows the load and the weather that come, the plant's own equations and its state, and tries
setpoints until nothing better is found: one level for each quantity, reached at the site's rates
from where the plant stood under Guideline 36 and held to the end, admitted by the envelope's worst
case and no hotter than the fixed run. No controller can know all that, and a search that ends is no
bound: who beats it shows that it was weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from controller.planning.backup import BackupRule
from facility.devices import Actuator
from models.contract import Array
from sim.accounts import Accounts, compared_energy_kwh
from sim.scenarios.build import Prepared
from sim.simulation import Simulation

MOVE_S = 60.0
STARTS = (0.0, 0.25)
"""Where a search begins: shares of the way from the plant's own setpoints to least flow."""
FIRST_STEP = 0.12
"""Of a range."""
KWH_PER_K_MIN = 2.0
"""Price of heat above the named limits, and of heat above the recommended temperatures beyond
what the plant's own control lets come: more than any setpoint saves."""
ASKED = 3
"""The worst case of one setpoint depends on the others: it is asked so often in turn."""


@dataclass(frozen=True)
class Found:
    """What a search came to."""

    energy_kwh: float
    """On the terms of the fixed run, as accounts have it."""
    tried: int
    levels: dict[str, float]
    """By quantity: canonical unit, flows as a share of their range."""


class Search:
    """A day to be searched.

    Parameters
    ----------
    prepared
        The day; all its inputs are known to the search.
    evaluations
        Runs of the plant that it may take.
    """

    def __init__(self, prepared: Prepared, evaluations: int) -> None:
        self._prepared, self._evaluations = prepared, evaluations
        self._site = prepared.site
        self._start = prepared.warmed_up("guideline36")
        self._rule = BackupRule(self._site)
        times_s = np.arange(prepared.start_s, prepared.ends_s, 600.0)
        self._wet_bulb_c = float(prepared.weather.at_times(times_s)[:, 1].max())
        self._quantities = tuple(dict.fromkeys(a.quantity for a in self._actuators))
        self._fixed = self._baseline("fixed")
        self._guideline = self._baseline("guideline36")
        self._tried: list[tuple[float, float, Array]] = []

    @property
    def _actuators(self) -> tuple[Actuator, ...]:
        return tuple(self._site.actuators.values())

    def _baseline(self, control: str) -> Accounts:
        simulation = self._start.copy()
        if simulation.local_control != control:  # a control that is switched to starts anew
            simulation.switch_local_control(control)
        simulation.advance(self._prepared.ends_s)
        return simulation.accounts()

    def found(self) -> Found:
        """Search from each start, and answer the best of all that kept the limits."""
        own = self._own_levels()
        for share in STARTS:
            first = own.copy()
            for index, quantity in enumerate(self._quantities):
                if quantity == "tcs_flow_setpoint":
                    first[index] *= 1.0 - share
            simplex = np.vstack([first, *(first + FIRST_STEP * row for row in np.eye(len(first)))])
            simplex = np.where(simplex > 1.0, simplex - 2.0 * FIRST_STEP, simplex)
            minimize(
                self._try,
                first,
                method="Nelder-Mead",
                options={
                    "maxfev": self._evaluations // len(STARTS),
                    "initial_simplex": simplex,
                    "adaptive": True,
                },
            )
        _, energy_kwh, levels = min(self._tried, key=lambda one: one[0])
        named = dict(zip(self._quantities, np.round(levels, 3).tolist(), strict=True))
        return Found(energy_kwh, len(self._tried), named)

    def _own_levels(self) -> Array:
        """Where the plant's own control has each quantity, as shares of the ranges."""
        truth = self._start.truth()
        shares: dict[str, list[float]] = {quantity: [] for quantity in self._quantities}
        for a in self._actuators:
            span = max(a.maximum - a.minimum, 1e-9)
            shares[a.quantity].append((truth[a.read_back] - a.minimum) / span)
        means = [float(np.mean(values)) for values in shares.values()]
        return np.asarray(np.clip(means, 0.0, 1.0), dtype=np.float64)

    def _try(self, levels: Array) -> float:
        targets = self._targets(np.clip(levels, 0.0, 1.0))
        run = self._run(targets)
        energy_kwh = compared_energy_kwh(run, self._fixed)
        over = max(
            run.limit_violation_degree_minutes - self._fixed.limit_violation_degree_minutes, 0.0
        )
        most = max(self._fixed.over_recommended_degree_minutes, 0.0)
        most = max(most, self._guideline.over_recommended_degree_minutes)
        over += max(run.over_recommended_degree_minutes - most, 0.0)
        worth = (
            energy_kwh + KWH_PER_K_MIN * over + float(np.abs(levels - np.clip(levels, 0, 1)).sum())
        )
        self._tried.append((worth, energy_kwh, np.clip(levels, 0.0, 1.0)))
        return worth

    def _targets(self, levels: Array) -> dict[str, float]:
        """The setpoint of each actuator, as far as the worst case admits."""
        share = dict(zip(self._quantities, levels, strict=True))
        wanted = np.array(
            [
                members[0].minimum
                + share[members[0].quantity] * (members[0].maximum - members[0].minimum)
                for members in self._site.groups.values()
            ]
        )
        members = [m[0] for m in self._site.groups.values()]
        reach = np.array([m.minimum for m in members]), np.array([m.maximum for m in members])
        for _ in range(ASKED):
            wanted = self._rule.admit(wanted, wanted, self._wet_bulb_c, reach)
        return {
            member.id: float(value)
            for value, members in zip(wanted, self._site.groups.values(), strict=True)
            for member in members
        }

    def _run(self, targets: dict[str, float]) -> Accounts:
        simulation = self._start.copy()
        truth = simulation.truth()
        held = {a.id: truth[a.read_back] for a in self._actuators}
        while simulation.now_s < self._prepared.ends_s - 1e-6:
            moved = {a.id: _towards(a, held[a.id], targets[a.id]) for a in self._actuators}
            until_s = simulation.now_s + MOVE_S if moved != held else self._prepared.ends_s
            held = moved
            self._advance(simulation, held, min(until_s, self._prepared.ends_s))
        return simulation.accounts()

    @staticmethod
    def _advance(simulation: Simulation, held: dict[str, float], until_s: float) -> None:
        simulation.set_at_panel(held)
        simulation.advance(until_s)


def _towards(actuator: Actuator, held: float, target: float) -> float:
    """One minute's move at most, at the site's rates by direction."""
    towards = actuator.is_more_cooling(target, held)
    rate = actuator.rate_towards_per_min if towards else actuator.rate_away_per_min
    step = rate * MOVE_S / 60.0
    return held + float(np.clip(target - held, -step, step))


def search_day(prepared: Prepared, evaluations: int) -> dict[str, Any]:
    """The search as values of JSON."""
    found = Search(prepared, evaluations).found()
    return {"energy_kwh": found.energy_kwh, "tried": found.tried, "levels": found.levels}
