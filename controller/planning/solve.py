"""From a request to a plan: sequential quadratic programming inside a chain of fallbacks.

1. PIQP on the problem linearised about the last plan, checked, rolled out, and once more about
   what came out; the step is halved where the nonlinear merit got worse. While the roll-out
   objects, the racks that broke their limit get rows of their own and less room.
2. Where PIQP fails the check: Clarabel. Every solve is from cold.
3. Where nothing is verified: the previous verified plan, shifted and rolled out again.
4. Else the ramp to more cooling by rule.

Among the verified plans the cheapest by the nonlinear models wins, and holding still is one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from controller.planning.backup import BackupRule
from controller.planning.check import fault_in
from controller.planning.corridor import Corridor
from controller.planning.explain import binding_of
from controller.planning.layout import VISITED, Layout, lay_out
from controller.planning.linearise import PatternError, Predictor, Situation, linearise
from controller.planning.problem import Answer, Numbers, Problem
from controller.planning.ramp import GENTLE_SHARE, ramp_plan, ramp_to_cooling
from controller.planning.report import plan_of
from controller.planning.settings import PlanningSettings
from controller.planning.verify import Prospect, objections, rollout
from controller.planning.words import Attempt, PlanOutcome, PlanRequest
from facility.commands import Binding
from facility.site import Site
from models.contract import Array, Inputs, PowerCuts, Sensitivities

PIQP_OPTIONS = {"eps_abs": 1e-6, "eps_rel": 1e-7, "max_iter": 150}
CLARABEL_OPTIONS = {"max_iter": 200}

STEPS = (1.0, 0.5, 0.2)
"""Shares of a step that are tried where the whole of it makes things worse."""


@dataclass
class _Search:
    """What a request has come to so far."""

    attempts: list[Attempt] = field(default_factory=list)
    verified: list[tuple[Prospect, str, tuple[Binding, ...]]] = field(default_factory=list)

    def note(self, link: str, round_: int, status: str, why: str, since: float) -> None:
        """Remember an attempt; it was accepted where nothing is said against it."""
        seconds = time.perf_counter() - since
        self.attempts.append(Attempt(link, round_, status, not why, why, seconds))


class PlanMaker:
    """Plans for one site and one set of models; keeps the compiled problem between requests."""

    def __init__(self, site: Site, predictor: Predictor, settings: PlanningSettings) -> None:
        self.site, self.predictor, self.settings = site, predictor, settings
        self._rule = BackupRule(site)
        self._layout: Layout | None = None
        self._problem: Problem | None = None
        self._seen: list[tuple[Sensitivities, PowerCuts]] = []

    def make(self, request: PlanRequest) -> PlanOutcome:
        """A plan for a request, always; see the module for how."""
        started = time.perf_counter()
        try:
            try:
                return self._make(request, started)
            except PatternError as error:
                self._seen.append(error.seen)
                self._layout = None
                return self._make(request, started)
        except Exception as error:  # noqa: BLE001 - whatever it is, the step must have an answer
            attempts = (
                Attempt("planner", 0, "failed", False, f"{type(error).__name__}: {error}"),
                Attempt("ramp", 0, "by rule", True),
            )
            plan = ramp_plan(request, self.settings)
            return PlanOutcome(plan, attempts, seconds=time.perf_counter() - started)

    def _make(self, request: PlanRequest, started: float) -> PlanOutcome:
        state = self.predictor.state(request.state)
        layout = self._laid_out(request, state)
        urgent = Corridor(request, self.settings, self._rule)
        situation = Situation(self.site, request, state, layout, urgent)
        hold = rollout(situation, self.predictor, urgent.holding())
        ramp = rollout(situation, self.predictor, ramp_to_cooling(urgent))
        too_warm = bool(_against(hold, ramp, self.settings).any())
        if not too_warm:
            calm = Corridor(request, self.settings, self._rule, urgent=False)
            # Where holding itself must move, for the worst case, economy's pace would forbid it.
            if np.array_equal(calm.holding(), hold.blocks):
                situation = replace(situation, corridor=calm)
        search = _Search()
        self._solve(situation, hold, ramp, search)
        if not search.verified:
            self._previous(situation, ramp, search)
        if search.verified:
            prospect, link, binding = min(search.verified, key=lambda item: item[0].merit)
            if (
                not too_warm
                and self._saving_kw(situation, hold, prospect) < self.settings.hold_below_kw
            ):
                prospect = hold
            plan = plan_of(situation, self.predictor, prospect, hold, link, True, binding)
        else:
            since = time.perf_counter()
            if not too_warm:
                ramp = rollout(situation, self.predictor, ramp_to_cooling(urgent, GENTLE_SHARE))
            plan = plan_of(situation, self.predictor, ramp, hold, "ramp", True, ())
            search.note("ramp", 0, "by rule", "", since)
        return PlanOutcome(plan, tuple(search.attempts), seconds=time.perf_counter() - started)

    def _saving_kw(self, situation: Situation, hold: Prospect, other: Prospect) -> float:
        return (hold.merit - other.merit) / float(situation.hours.sum())

    def _laid_out(self, request: PlanRequest, state: object) -> Layout:
        """The layout and the compiled problem; made anew only where the pattern has grown."""
        if self._layout is None:
            probe = probe_inputs(self.site, request)
            now = request.inputs(np.tile(request.in_force, (request.steps, 1)))
            for inputs in (now, probe):
                sensitivities = self.predictor.sensitivities(state, inputs, self.settings.blocks)
                self._seen.append((sensitivities, self.predictor.cuts(inputs)))
            self._layout = lay_out(self.site, self.settings, self._seen, self.predictor.power_basis)
            self._problem = Problem(self._layout)
        return self._layout

    def _solve(self, situation: Situation, hold: Prospect, ramp: Prospect, search: _Search) -> None:
        """Rounds of linearisation, solution, check and roll-out."""
        settings, layout = self.settings, situation.layout
        tightening: dict[tuple[int, int], float] = {}
        hot: dict[tuple[int, int], tuple[int, ...]] = {}
        best = self._starting_point(situation, hold, ramp)
        trust, goes_on = settings.trust_range_share, True
        power_kw = float(sum(values.mean() for values in hold.power_kw.values()))
        enough_kw = max(settings.hold_below_kw, settings.round_gain * power_kw)
        enough = enough_kw * float(situation.hours.sum())
        visited: list[Array] = []
        for round_ in range(1, settings.rounds + settings.extra_rounds + 1):
            if search.verified and (round_ > settings.rounds or not goes_on):
                return
            since = time.perf_counter()
            numbers = linearise(
                situation, self.predictor, best.blocks, visited, tightening, hot, trust
            )
            answer, link = self._ask(numbers, layout, round_, search, since)
            if answer is None or answer.v is None:
                return
            wanted = situation.corridor.settle(numbers.nominal + layout.scale * answer.v)
            prospect, share = self._line_search(situation, best, wanted)
            against = objections(prospect, ramp, settings.tolerance_k)
            why = _words(situation, against)
            search.note(link, round_, answer.status, why, since)
            if not why:
                binding = binding_of(situation, answer, numbers)
                search.verified.append((prospect, link, binding))
                if not _words(situation, objections(best, ramp, settings.tolerance_k)):
                    search.verified.append((best, link, binding))
            else:
                _demand(situation, against["temperature"], tightening, hot)
            # Another round only pays while rounds gain, or where this one reached too far: one a
            # step is the rule once the plan follows the last one (real-time iteration).
            goes_on = share < 1.0 or best.merit - prospect.merit > enough
            trust *= max(share, 0.25)
            # What the power was thought to be there was too low: cut that off.
            visited = [*visited, wanted][-VISITED:]
            if prospect.merit < best.merit or why:
                best = prospect

    def _starting_point(self, situation: Situation, hold: Prospect, ramp: Prospect) -> Prospect:
        """The best of holding, the last plan and, where holding is too warm, the ramp."""
        found = [hold]
        previous = situation.corridor.previous()
        if previous is not None:
            found.append(rollout(situation, self.predictor, previous))
        if _against(hold, ramp, self.settings).any():
            # Start from the safe side, and take back what is not needed.
            found.append(ramp)
        return min(found, key=lambda prospect: prospect.merit)

    def _line_search(
        self, situation: Situation, start: Prospect, wanted: Array
    ) -> tuple[Prospect, float]:
        """The first of ever shorter steps towards ``wanted`` that is no worse; else the last.

        Points between two that keep ranges and rates keep them too.
        """
        prospect, share = start, 1.0
        for share in STEPS:
            blocks = situation.corridor.settle(start.blocks + share * (wanted - start.blocks))
            prospect = rollout(situation, self.predictor, blocks)
            if prospect.merit <= start.merit:
                break
        return prospect, share

    def _ask(
        self, numbers: Numbers, layout: Layout, round_: int, search: _Search, since: float
    ) -> tuple[Answer | None, str]:
        """PIQP's answer, or Clarabel's where PIQP's does not stand up to the check."""
        problem = self._problem
        assert problem is not None  # noqa: S101 - `_laid_out` has made it
        problem.set(numbers)
        answer = problem.solve("PIQP", **PIQP_OPTIONS)
        fault = fault_in(answer, numbers, layout)
        if fault is None:
            return answer, "piqp"
        search.note("piqp", round_, answer.status, fault, since)
        since = time.perf_counter()
        answer = problem.solve("CLARABEL", **CLARABEL_OPTIONS)
        fault = fault_in(answer, numbers, layout)
        if fault is None:
            return answer, "clarabel"
        search.note("clarabel", round_, answer.status, fault, since)
        return None, ""

    def _previous(self, situation: Situation, ramp: Prospect, search: _Search) -> None:
        """The previous verified plan once more, where it still stands the roll-out."""
        blocks = situation.corridor.previous()
        if blocks is None:
            return
        since = time.perf_counter()
        prospect = rollout(situation, self.predictor, blocks)
        why = _words(situation, objections(prospect, ramp, self.settings.tolerance_k))
        search.note("previous", 0, "rolled out again", why, since)
        if not why:
            search.verified.append((prospect, "previous", ()))


def probe_inputs(site: Site, request: PlanRequest) -> Inputs:
    """Inputs all over the plant's range, so that the pattern has a place for what may come."""
    steps = request.steps
    share = np.linspace(0.0, 1.0, steps)
    # Each group walks its range at its own pace, so that they do not all lie at one end together.
    walk = (share[:, None] * (1 + np.arange(len(request.limits)) % 3) + 0.37) % 1.0
    lower = np.array([min(a.minimum for a in members) for members in site.groups.values()])
    upper = np.array([max(a.maximum for a in members) for members in site.groups.values()])
    rated = np.array([rack.rated_kw for rack in site.racks.values()])
    wet_bulb = 30.0 * share[::-1] - 5.0
    return Inputs(
        start_s=request.now_s,
        step_s=request.step_s,
        setpoints=lower + walk * (upper - lower),
        it_power_kw=np.outer(0.3 + 0.7 * np.abs(np.sin(7.0 * share)), rated),
        wet_bulb_c=wet_bulb,
        dry_bulb_c=wet_bulb + 4.0,
    )


def _against(hold: Prospect, ramp: Prospect, settings: PlanningSettings) -> Array:
    """(..., R) every objection to holding still."""
    found = objections(hold, ramp, settings.tolerance_k)
    return np.vstack([found["temperature"], found["worst step"][None, :]])


def _words(situation: Situation, against: dict[str, Array]) -> str:
    """The roll-out's objection in words; empty where there is none."""
    names = situation.layout.rack_names
    over = against["temperature"]
    if over.any():
        k, r = np.unravel_index(int(np.argmax(over)), over.shape)
        minutes = (int(k) + 1) * situation.layout.settings.verify_step_s / 60.0
        return f"rack {names[r]} is {over[k, r]:.2f} K too warm after {minutes:.0f} min"
    worst = against["worst step"]
    if worst.any():
        hottest = int(np.argmax(worst))
        over_k = worst[hottest]
        return f"rack {names[hottest]} is {over_k:.2f} K too warm after the worst credible step"
    return ""


def _demand(
    situation: Situation,
    over: Array,
    tightening: dict[tuple[int, int], float],
    hot: dict[tuple[int, int], tuple[int, ...]],
) -> None:
    """Give rows and less room to the racks that broke their limit in the roll-out."""
    layout = situation.layout
    ratio = round(situation.request.step_s / layout.settings.verify_step_s)
    check_of_fine = np.searchsorted(layout.checks, np.arange(len(over)) // ratio)
    check_of_fine = np.minimum(check_of_fine, len(layout.checks) - 1)
    for c in range(len(layout.checks)):
        part = over[check_of_fine == c]
        if not part.any():
            continue
        peak = part.max(axis=0)
        for r in (int(i) for i in np.argsort(-peak, kind="stable") if peak[i] > 0.0):
            key = (int(layout.unit_of_rack[r]), c)
            tightening[r, c] = tightening.get((r, c), 0.0) + float(peak[r])
            if r not in hot.get(key, ()):
                hot[key] = (*hot.get(key, ()), r)
