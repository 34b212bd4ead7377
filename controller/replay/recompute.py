"""A recorded control step computed again, from what it took in to what it asked of the gateway.

Recomputed are the plan (with its warm start, its rows, and the fallbacks that it went through),
the proposal made of it, and the commands of the decision. Taken from the record are the request
(state, forecast, limits), the decision, since authority is people's and the mode's, and what the
clock did: a planner that was killed for its time cannot be replayed, only the rule that stepped in.

A plan depends on nothing but its request, the site, the model and the settings. It is made in a
process of its own like the one that answered first, with as many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from controller.authority.worst_case import WorstCaseSeen
from controller.environment import environment
from controller.planning.proposal import propose
from controller.planning.ramp import ramp_plan
from controller.planning.settings import PlanningSettings
from controller.planning.words import PlanOutcome, PlanRequest
from controller.planning.worker import carry_on
from controller.records import TickRecord
from controller.replay.compare import Comparison, compare
from controller.tick import commands_of
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire

WORKER = "worker"
"""The link of the chain of fallbacks that says that the planner did not answer."""

Find = Callable[[int], TickRecord | None]
"""The recorded tick of a number."""


class ReplayError(Exception):
    """A step that cannot be computed again: what is missing, and the mend."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a step that was computed again."""

    tick: str
    comparison: Comparison
    exact_expected: bool
    """The same packages, code, Python and kind of processor: every bit must be equal."""
    differs_in: tuple[str, ...]
    """What is not as it was then."""
    along_record: str = ""
    """What could not be recomputed and was taken as recorded, in words."""

    @property
    def matches(self) -> bool:
        """Equal in every bit where that is to be expected, else within the tolerance."""
        return self.comparison.exact if self.exact_expected else self.comparison.within


@dataclass(frozen=True, slots=True)
class Step:
    """A recorded step with its id."""

    id: str
    tick: TickRecord


Ask = Callable[[PlanRequest], PlanOutcome]
OpenPlanner = Callable[[Site, TickRecord], AbstractContextManager[Ask]]
"""Makes a planner of a site like the one that a step's record names, and a way to ask it."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what recorded steps were made with is found."""

    find: Find
    site: Callable[[str], Site]
    """Of a content hash."""
    planner: OpenPlanner


def settings_of(tick: TickRecord) -> PlanningSettings:
    """The planner's settings of a step; before they were recorded there was one set."""
    return tick.settings or PlanningSettings()


def replay(steps: Iterable[Step], sources: Sources) -> Iterator[Replayed]:
    """Compute steps again, those together that one planner can answer.

    Raises
    ------
    ReplayError, InputsError
        A step cannot be computed again.
    """
    ordered = sorted(steps, key=lambda step: (_planner_key(step.tick), step.tick.number))
    for _, group in groupby(ordered, key=lambda step: _planner_key(step.tick)):
        yield from _replay_alike(list(group), sources)


def _planner_key(tick: TickRecord) -> tuple[str, str, str]:
    return tick.site_hash, tick.model_version, repr(tick.settings)


def _replay_alike(steps: list[Step], sources: Sources) -> Iterator[Replayed]:
    """Steps of one site, model and settings."""
    first = steps[0].tick
    site = sources.site(first.site_hash)
    worst_case = WorstCaseSeen(site)
    if not any(_asks_planner(step.tick) for step in steps):
        for step in steps:
            yield _compared(step, site, worst_case, _by_rule(step.tick, sources.find))
        return
    with sources.planner(site, first) as ask:
        for step in steps:
            if _asks_planner(step.tick) and step.tick.request is not None:
                outcome: PlanOutcome | None = ask(step.tick.request)
            else:
                outcome = _by_rule(step.tick, sources.find)
            yield _compared(step, site, worst_case, outcome)


def _asks_planner(tick: TickRecord) -> bool:
    return (
        tick.request is not None
        and tick.outcome is not None
        and not is_without_planner(tick.outcome)
    )


def is_without_planner(outcome: PlanOutcome) -> bool:
    """Whether the planner did not answer, and a rule stepped in."""
    return bool(outcome.attempts) and outcome.attempts[0].link == WORKER


def _by_rule(tick: TickRecord, find: Find) -> PlanOutcome | None:
    """What follows without the planner, where it is on record that it did not answer."""
    recorded = tick.outcome
    if recorded is None or tick.request is None:
        return recorded
    plan = None
    if recorded.carried_from is not None:
        before = find(recorded.carried_from)
        if before is None or before.outcome is None or before.outcome.plan is None:
            raise ReplayError(
                f"the record of tick {recorded.carried_from}, whose plan was carried on, is "
                "missing: take it from a backup"
            )
        plan = carry_on(before.outcome.plan, tick.request)
    return replace(recorded, plan=plan or ramp_plan(tick.request, settings_of(tick)))


def _compared(
    step: Step, site: Site, worst_case: WorstCaseSeen, outcome: PlanOutcome | None
) -> Replayed:
    tick = step.tick
    here = environment()
    differs = tick.environment.differences(here) if tick.environment else ("it is not on record",)
    recorded: dict[str, Any] = {"outcome": _plain(tick.outcome)}
    recomputed: dict[str, Any] = {"outcome": _plain(outcome)}
    if tick.format >= 2 and outcome is not None and tick.request is not None:
        recorded |= {"commands": to_wire(tick.commands)}
        recomputed |= {"commands": to_wire(_commands(tick, site, worst_case))}
        if tick.is_new:
            recorded["proposal"] = to_wire(tick.proposal)
            recomputed["proposal"] = to_wire(_proposal(tick, site, outcome))
    return Replayed(
        step.id,
        compare(recorded, recomputed, "tick"),
        not differs,
        differs,
        _taken_as_recorded(tick),
    )


def _taken_as_recorded(tick: TickRecord) -> str:
    if tick.request is None:
        return f"nothing was planned ({tick.note})"
    if tick.outcome is not None and is_without_planner(tick.outcome):
        return f"the planner did not answer then ({tick.outcome.attempts[0].why})"
    return ""


def _plain(outcome: PlanOutcome | None) -> Any:
    """An outcome without what the clock of the machine says."""
    if outcome is None:
        return None
    plain = to_wire(outcome)
    del plain["seconds"]
    for attempt in plain["attempts"]:
        del attempt["seconds"]
    return plain


def _proposal(tick: TickRecord, site: Site, outcome: PlanOutcome) -> Any:
    if outcome.plan is None or tick.request is None:
        return None
    in_force = {limit.group: limit.in_force for limit in tick.request.limits}
    settings = settings_of(tick)
    # The record holds the plan as it was read back; so must what it is compared with.
    plan = from_wire(type(outcome.plan), to_wire(outcome.plan))
    return propose(plan, site, _snapshot(tick), in_force, settings, tick.number)


def _commands(tick: TickRecord, site: Site, worst_case: WorstCaseSeen) -> Any:
    """The commands of the recorded decision; when they were issued is on record."""
    issued_s = tick.commands[0].issued_at_s if tick.commands else tick.time_s
    return commands_of(tick.decision, _snapshot(tick), worst_case, site, tick.number, issued_s)


def _snapshot(tick: TickRecord) -> Snapshot:
    return Snapshot(tick.time_s, tick.readings, tick.devices, tick.modes)
