"""From a request to a plan: sequential quadratic programming inside a chain of fallbacks.

1. PIQP on the problem linearised about the last plan, checked and rolled out; once more about
   what came out where that pays. The step is halved where the nonlinear merit got worse. While the
   roll-out objects, the racks that broke their limit get rows of their own and less room.
2. Where PIQP fails the check: Clarabel, on the statement in CVXPY. Every solve is from cold.
3. Where nothing is verified: the previous verified plan, shifted and rolled out again.
4. Else the ramp to more cooling by rule.

Among the verified plans the cheapest by the nonlinear models wins, and holding still is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from controller.planning import assemble, staging
from controller.planning.backup import BackupRule
from controller.planning.charging import asked_again, charges, with_charges
from controller.planning.check import fault_in
from controller.planning.corridor import Corridor
from controller.planning.explain import named_of
from controller.planning.layout import Layout, lay_out
from controller.planning.linearise import linearise
from controller.planning.problem import Answer, Numbers, Problem
from controller.planning.ramp import GENTLE_SHARE, ramp_plan, ramp_to_cooling
from controller.planning.recheck import look_again
from controller.planning.report import plan_of
from controller.planning.rows import Extra
from controller.planning.search import Found, Search, Yardstick, nothing_binds
from controller.planning.settings import PlanningSettings
from controller.planning.situation import Predictor, Situation
from controller.planning.verify import Prospect, rollout, said_against
from controller.planning.words import Attempt, PlanOutcome, PlanRequest
from facility.site import Site
from models.contract import Array

Solver = Callable[[Numbers, Layout], Answer]

SOLVERS: dict[str, Solver] = {
    "piqp": assemble.solve,
    "clarabel": lambda numbers, layout: Problem(numbers, layout).solve("CLARABEL"),
}
"""In the order in which they are asked."""

VISITED = 2
"""Points of earlier rounds at which each power has a cut too."""

STEPS = (1.0, 0.5, 0.2)
"""Shares of a step that are tried where the whole of it makes things worse."""


class PlanMaker:
    """Plans for one site and one set of models; a plan depends on nothing but its request."""

    def __init__(self, site: Site, predictor: Predictor, settings: PlanningSettings) -> None:
        self.site, self.predictor, self.settings = site, predictor, settings
        self.layout = lay_out(site, settings, predictor.power_basis)
        self.solvers = dict(SOLVERS)
        self._rule = BackupRule(site)

    def make(self, request: PlanRequest) -> PlanOutcome:
        """A plan for a request, always; see the module for how."""
        started = time.perf_counter()
        try:
            return self._make(request, started)
        except Exception as error:  # noqa: BLE001 - whatever it is, the step must have an answer
            attempts = (
                Attempt("planner", 0, "failed", False, f"{type(error).__name__}: {error}"),
                Attempt("ramp", 0, "by rule", True),
            )
            plan = ramp_plan(request, self.settings)
            return PlanOutcome(plan, attempts, seconds=time.perf_counter() - started)

    def _make(self, request: PlanRequest, started: float) -> PlanOutcome:
        search = Search()
        held = self._found(request, search)
        taken: Found = held
        remarks: tuple[str, ...] = ()
        if request.stages and not held.too_warm and not held.by_rule:
            taken, remarks = self._staged(request, held)
        plan = plan_of(
            taken.situation,
            taken.prospect,
            held.hold,
            taken.link,
            True,
            taken.named(),
            remarks=remarks,
        )
        return PlanOutcome(
            plan,
            tuple(search.attempts),
            seconds=time.perf_counter() - started,
            standing=held.standing,
        )

    def _staged(self, request: PlanRequest, held: Found) -> tuple[Found, tuple[str, ...]]:
        """The best of the stages that may be asked for."""

        def plan(asked: PlanRequest) -> Found | None:
            worth = held.situation.worth
            found = self._found(replace(asked, standing={}), Search(), worth)
            return None if found.by_rule or found.too_warm else found

        return staging.best(
            self.site,
            request,
            held,
            plan,
            self.settings,
            hours=float(held.situation.hours.sum()),
        )

    def _found(
        self,
        request: PlanRequest,
        search: Search,
        worth: Mapping[str, float] | None = None,
    ) -> Found:
        """What a request comes to, its stages held.

        ``worth`` of what tanks hold: of the plan that this one is compared with, if of any.
        """
        state = self.predictor.state(request.state)
        urgent = Corridor(request, self.settings, self._rule)
        situation = Situation(self.site, request, state, self.layout, urgent, self.predictor)
        hold = rollout(situation, urgent.holding())
        yardstick = Yardstick(situation, hold)
        if not yardstick.too_warm:
            situation, hold, urgent = self._with_storage(situation, hold, worth)
            yardstick = Yardstick(situation, hold)
            situation = replace(situation, corridor=unhurried(urgent, urgent.holding()))
        elif request.charges:
            # Cold that a tank gives is not taken away from racks that are too warm.
            urgent = replace(urgent, keeps_discharge=True)
            situation = replace(situation, corridor=urgent)
            hold = rollout(situation, urgent.holding())
            yardstick = Yardstick(situation, hold)
        standing = look_again(
            self._as_asked(situation),
            hold,
            lambda each: said_against(situation, yardstick.against(each)),
        )
        self._solve(situation, yardstick, search)
        if not search.verified:
            self._previous(situation, yardstick, search)
        if search.verified:
            prospect, link, named = min(search.verified, key=lambda item: item[0].merit)
            if (
                not yardstick.too_warm
                and self._saving_kw(situation, hold, prospect) < self.settings.hold_below_kw
            ):
                prospect = hold
        else:
            since = time.perf_counter()
            prospect, link, named = yardstick.ramp, "ramp", nothing_binds
            if not yardstick.too_warm:
                still = replace(urgent, schedule={}, keeps_discharge=True)
                prospect = rollout(situation, ramp_to_cooling(still, GENTLE_SHARE))
            search.note("ramp", 0, "by rule", "", since)
        return Found(situation, hold, prospect, link, named, yardstick.too_warm, standing)

    def _as_asked(self, situation: Situation) -> Situation:
        """The situation with what the proposal that waits asks of sequencers and tanks."""
        request = situation.request
        asked = staging.with_stages(request, request.standing)
        corridor = asked_again(replace(situation.corridor, request=asked))
        return replace(situation, request=asked, corridor=corridor)

    def _with_storage(
        self, situation: Situation, hold: Prospect, worth: Mapping[str, float] | None
    ) -> tuple[Situation, Prospect, Corridor]:
        """Tanks on their schedules, where those pay with all else held; ``hold`` stays as it is.

        All else held is enough to tell: what a schedule is worth hangs on prices, weather and
        load, and hardly on the setpoints beside it.
        """
        plain = situation.corridor
        if not situation.request.storage:
            return situation, hold, plain
        found = charges(situation, hold)
        situation = replace(situation, worth=found.worth if worth is None else worth)
        hold = rollout(situation, hold.blocks)
        follows = with_charges(plain, found)
        trial = rollout(replace(situation, corridor=follows), follows.holding())
        pays = self._saving_kw(situation, hold, trial) > 0.0
        corridor = follows if pays and found.schedule else plain
        return replace(situation, corridor=corridor), hold, corridor

    def _saving_kw(self, situation: Situation, hold: Prospect, other: Prospect) -> float:
        return (hold.merit - other.merit) / float(situation.hours.sum())

    def _solve(self, situation: Situation, yardstick: Yardstick, search: Search) -> None:
        """Rounds of linearisation, solution, check and roll-out."""
        settings, hold = self.settings, yardstick.hold
        tightening: dict[tuple[int, int], float] = {}
        hot: Extra = {}
        best = self._starting_point(situation, yardstick)
        trust, goes_on = settings.trust_range_share, True
        power_kw = float(sum(values.mean() for values in hold.power_kw.values()))
        enough_kw = max(settings.hold_below_kw, settings.round_gain * power_kw)
        enough = enough_kw * float(situation.hours.sum())
        visited: list[Array] = []
        for round_ in range(1, settings.rounds + settings.extra_rounds + 1):
            if search.verified and (round_ > settings.rounds or not goes_on):
                return
            since = time.perf_counter()
            numbers = linearise(situation, best, visited, tightening, hot, trust)
            answer, link = self._ask(numbers, round_, search, since)
            if answer is None or answer.v is None:
                return
            wanted = situation.corridor.settle(numbers.nominal + self.layout.scale * answer.v)
            prospect, share = self._line_search(situation, best, wanted)
            against = yardstick.against(prospect)
            why = said_against(situation, against)
            search.note(link, round_, answer.status, why, since)
            if not why:
                named = partial(named_of, situation, answer, numbers)
                search.verified.append((prospect, link, named))
                if not said_against(situation, yardstick.against(best)):
                    search.verified.append((best, link, named))
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

    def _starting_point(self, situation: Situation, yardstick: Yardstick) -> Prospect:
        """The best of holding, the last plan and, where holding is too warm, the ramp."""
        found = [yardstick.hold]
        if situation.corridor.schedule:
            # Where tanks follow a schedule, every point that is started from follows it.
            found = [rollout(situation, situation.corridor.holding())]
        previous = situation.corridor.previous()
        if previous is not None:
            found.append(rollout(situation, previous))
        if yardstick.too_warm:
            # Start from the safe side, and take back what is not needed.
            found.append(yardstick.ramp)
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
            prospect = rollout(situation, blocks)
            if prospect.merit <= start.merit:
                break
        return prospect, share

    def _ask(
        self, numbers: Numbers, round_: int, search: Search, since: float
    ) -> tuple[Answer | None, str]:
        """The first solver's answer that stands up to the check."""
        for link, solver in self.solvers.items():
            answer = solver(numbers, self.layout)
            fault = fault_in(answer, numbers, self.layout)
            if fault is None:
                return answer, link
            search.note(link, round_, answer.status, fault, since)
            since = time.perf_counter()
        return None, ""

    def _previous(self, situation: Situation, yardstick: Yardstick, search: Search) -> None:
        """The previous verified plan once more, where it still stands the roll-out."""
        blocks = situation.corridor.previous()
        if blocks is None:
            return
        since = time.perf_counter()
        prospect = rollout(situation, blocks)
        why = said_against(situation, yardstick.against(prospect))
        search.note("previous", 0, "rolled out again", why, since)
        if not why:
            search.verified.append((prospect, "previous", nothing_binds))


def unhurried(urgent: Corridor, holding: Array) -> Corridor:
    """For economy alone: what moves even to hold, for the worst case, may hurry; no other group.

    ``holding`` is (B, G), as ``urgent`` has it. Where it goes below a least approach, the worst
    case asks for that, and the approach does not count.
    """
    quick = replace(urgent, economical=holding.min(axis=0) >= urgent.least_approach)
    calm = replace(quick, urgent=False)
    moving = np.any(holding != urgent.request.in_force, axis=0)
    hurried = moving & np.any(calm.holding() != holding, axis=0)
    if not hurried.any():
        return calm
    partly = replace(quick, urgent=hurried)
    return partly if np.array_equal(partly.holding(), holding) else quick


def _demand(
    situation: Situation,
    over: Array,
    tightening: dict[tuple[int, int], float],
    hot: Extra,
) -> None:
    """Give rows and less room to the racks that broke their limit in the roll-out."""
    layout = situation.layout
    check_of_fine = np.searchsorted(layout.checks, situation.step_of_fine)
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
