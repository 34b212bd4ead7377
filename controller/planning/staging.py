"""Plans with another stage of the chillers: each neighbour planned for itself, the cheapest taken.

A stage is a whole number and no variable of the quadratic problem. It stands in a request like an
override: a plan is made with the stage that is there, and one with each neighbour that may be asked
for (`controller.planning.stage_choice`), held over the horizon. Another stage is taken where its
verified plan is cheaper by more than a change costs, by a margin. Where something is too warm, or
there is no time for more plans, the stage stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from controller.planning.settings import PlanningSettings
from controller.planning.stage_choice import StageChoice, StageMemory, stage_choices
from controller.planning.words import STAGE, GroupLimits, PlanRequest, StorageState
from facility.quantities import STAGE_REQUEST
from facility.site import Site
from facility.telemetry import Snapshot


class Found(Protocol):
    """What a request with a stage held has come to."""

    @property
    def merit(self) -> float:
        """Of the plan, kWh at the mean price."""
        ...


FoundT = TypeVar("FoundT", bound=Found)


def choices_of(
    site: Site,
    snapshot: Snapshot,
    memory: StageMemory,
    limits: tuple[GroupLimits, ...],
    settings: PlanningSettings,
    plan_s: float = 0.0,
) -> tuple[StageChoice, ...]:
    """What may be asked of each sequencer, from the limits of a step.

    ``plan_s``: wall-clock time that a plan took lately. It is asked here, and not while plans are
    made, so that a plan depends on its request alone and can be made again.
    """
    if not memory.watched:
        return ()
    hands = {
        each.group: f"{each.fixed_by} holds it"
        for each in limits
        if each.fixed_until_s is not None and each.fixed_by != STAGE
    }
    found = stage_choices(
        site,
        snapshot,
        memory,
        {each.group: each.in_force for each in limits},
        settings,
        held=hands,
        free_from_s={each.group: each.free_from_s for each in limits},
    )
    plans = 1 + sum(len(each.options) for each in found)
    if settings.stage_time_s is None or plans * plan_s <= settings.stage_time_s:
        return found
    late = f"No time for other stages: a plan takes {plan_s:.1f} s."
    return tuple(replace(each, options=(), kept_out=(*each.kept_out, late)) for each in found)


def with_stages(request: PlanRequest, stages: Mapping[str, float]) -> PlanRequest:
    """A request whose plan holds these stages, by group; those of other hands stay."""
    return replace(
        request,
        limits=tuple(
            replace(each, fixed_at=stages[each.group])
            if each.fixed_by == STAGE and each.group in stages
            else each
            for each in request.limits
        ),
    )


def others(request: PlanRequest) -> Iterator[tuple[StageChoice, int]]:
    """The stages that may be tried in the place of those in force, one loop's at a time."""
    for choice in request.stages:
        for value in choice.options:
            yield choice, value


def best(
    site: Site,
    request: PlanRequest,
    held: FoundT,
    plan: Callable[[PlanRequest], FoundT | None],
    settings: PlanningSettings,
    *,
    hours: float,
) -> tuple[FoundT, tuple[str, ...]]:
    """The plan to take among that with the stages in force and those with others, and remarks.

    Parameters
    ----------
    held
        The plan with the stages in force.
    plan
        The plan of a request; None where none of it is verified.
    hours
        Of the horizon, with its terminal cost.
    """
    remarks = [said for choice in request.stages for said in choice.kept_out]
    must_save = settings.stage_change_kwh + settings.stage_gain_kw * hours
    taken, least = held, held.merit - must_save
    for choice, value in others(request):
        name = _named(site, choice, value)
        found = plan(_asking(site, request, choice, value))
        if found is None:
            remarks.append(f"{name}: no plan with it is verified.")
            continue
        saved_kw = (held.merit - found.merit) / hours
        remarks.append(
            f"{name}: {abs(saved_kw):.1f} kW {'less' if saved_kw >= 0.0 else 'more'} than with "
            f"{choice.present}; a change must save {must_save / hours:.1f} kW."
        )
        if found.merit < least:
            taken, least = found, found.merit
    return taken, tuple(remarks)


def _asking(site: Site, request: PlanRequest, choice: StageChoice, value: int) -> PlanRequest:
    """A request with another stage, and with what that leaves to charge tanks of its loop by."""
    asked = with_stages(request, {choice.group: float(value)})
    loop, share = site.groups[choice.group][0].equipment, value / max(choice.present, 1)

    def left(state: StorageState) -> StorageState:
        tank = site.storage_tanks[site.groups[state.group][0].equipment]
        return replace(state, running_kw=state.running_kw * share) if tank.loop == loop else state

    return replace(asked, storage=tuple(left(state) for state in asked.storage))


def in_words(site: Site, actuator: str, now: float, proposed: float) -> str:
    """A move of a stage request as an engineer would say it."""
    loop = site.actuators[actuator].equipment
    count = abs(round(proposed) - round(now))
    verb = "start" if proposed > now else "stop"
    machines = "a chiller" if count == 1 else f"{count} chillers"
    return (
        f"Ask the sequencer of {loop} to {verb} {machines}: {proposed:.0f} in place of {now:.0f}."
    )


def is_stage(site: Site, actuator: str) -> bool:
    """Whether an actuator is a stage request."""
    return site.actuators[actuator].quantity == STAGE_REQUEST


def _named(site: Site, choice: StageChoice, value: int) -> str:
    loop = site.groups[choice.group][0].equipment
    return f"{value} {'chiller' if value == 1 else 'chillers'} of {loop}"
