"""Which stages of a loop's chillers may be asked for now: the neighbours of the one in force.

The envelope's own rules for starts, stops and the N+1 rule (`safety.stage_requests`), asked of what
was seen, so that no plan asks for what would be refused; and what the sequencer itself would not
honour. The answer lies in the plan's request, so that a plan depends on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.planning.settings import PlanningSettings
from facility.devices import Actuator
from facility.equipment import Chiller
from facility.quantities import CHARGE_RATE, CHILLER_STAGE, STAGE_REQUEST
from facility.site import Site
from facility.telemetry import Snapshot
from models.storage import full_kw
from safety.arithmetic import grains
from safety.conditions import stage_limits
from safety.guards import CLOCK_SLACK_S
from safety.interlocks import HALF, Conditions
from safety.sightings import Sightings
from safety.stage_requests import why_not
from safety.staging import staged
from safety.state import UNKNOWN_UNIT, EnvelopeState, UnitMemory

PART_LOAD = 0.8
"""Of the chillers that are left: a sequencer takes one off no sooner. Those of Guideline 36 add one
at 85 to 90 %, and what is stopped must not be needed again at once."""


@dataclass(frozen=True, slots=True)
class StageChoice:
    """What may be asked of one sequencer at this step."""

    group: str
    present: int
    """Chillers that are asked for now."""
    options: tuple[int, ...] = ()
    """Others that may be asked for, the nearest to each side; none where the stage stays."""
    kept_out: tuple[str, ...] = ()
    """Why the neighbours that are missing are missing, in words."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """The tags of one sequencer and its machines."""

    group: str
    stage: str | None
    running: tuple[tuple[str, str], ...]
    """Machine and the tag of its contact."""


@dataclass(frozen=True)
class StageMemory:
    """When machines and stages changed last, as the field showed it; empty without sequencers."""

    watched: tuple[_Watched, ...] = ()
    units: Mapping[str, UnitMemory] = field(default_factory=dict)
    stages: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By group: the chillers that its sequencer runs, and since when at the latest."""

    @classmethod
    def of(cls, site: Site) -> StageMemory:
        """Nothing seen yet of a site."""
        return cls(tuple(_watched(site, actuator) for actuator in staged_actuators(site)))

    def seen(self, snapshot: Snapshot) -> StageMemory:
        """With a snapshot. What is seen for the first time may have changed just now."""
        if not self.watched:
            return self
        now_s, units, stages = snapshot.time_s, dict(self.units), dict(self.stages)
        for each in self.watched:
            for machine, tag in each.running:
                shown = snapshot.good(tag)
                if shown is not None:
                    before = units.get(machine, UNKNOWN_UNIT)
                    units[machine] = staged(before, shown > HALF, now_s)
            run = None if each.stage is None else snapshot.good(each.stage)
            if run is None:
                known = [units[m].on for m, _ in each.running if m in units]
                run = float(sum(bool(on) for on in known)) if known else None
            if run is not None and (each.group not in stages or stages[each.group][0] != run):
                stages[each.group] = (run, now_s)
        return replace(self, units=units, stages=stages)


def staged_actuators(site: Site) -> tuple[Actuator, ...]:
    """The stage requests that a site takes; most take none."""
    return tuple(a for a in site.actuators.values() if a.quantity == STAGE_REQUEST)


def stage_choices(
    site: Site,
    snapshot: Snapshot,
    memory: StageMemory,
    setpoints: Mapping[str, float],
    settings: PlanningSettings,
    *,
    held: Mapping[str, str],
    free_from_s: Mapping[str, float],
) -> tuple[StageChoice, ...]:
    """What may be asked of each sequencer, in the order of the site's actuators.

    Parameters
    ----------
    setpoints
        Requests in force, by group.
    held
        By group: who else's hand holds it, a person's or nobody's of ours.
    free_from_s
        By group: plant time from which the optimiser may write it again.
    """
    if not settings.staging:
        return ()
    found = []
    for actuator in staged_actuators(site):
        group = actuator.group
        present = round(setpoints[group])
        ready_s = _ready_s(actuator, memory, free_from_s)
        if not _is_due(snapshot.time_s, ready_s, settings):
            found.append(StageChoice(group, present))
            continue
        why = held.get(group, "") or _why_stays(actuator, present, memory, snapshot, ready_s)
        if why:
            found.append(StageChoice(group, present, kept_out=(f"The stage stays: {why}.",)))
            continue
        options, kept_out = [], []
        for value in neighbours(actuator, present):
            reason = _why_not(site, actuator, present, value, memory, snapshot)
            if reason:
                kept_out.append(
                    f"Not {value} {_chillers(value)} of {actuator.equipment}: {reason}."
                )
            else:
                options.append(value)
        found.append(StageChoice(group, present, tuple(options), tuple(kept_out)))
    return tuple(found)


def neighbours(actuator: Actuator, present: int) -> Iterator[int]:
    """One less and one more, within the range."""
    for value in (present - 1, present + 1):
        if math.ceil(actuator.minimum) <= value <= math.floor(actuator.maximum):
            yield value


def _ready_s(actuator: Actuator, memory: StageMemory, free_from_s: Mapping[str, float]) -> float:
    """Plant time from which the dwell lets the stage be changed; infinite where nobody knows."""
    if actuator.group not in memory.stages:
        return math.inf
    _, since_s = memory.stages[actuator.group]
    return max(since_s + actuator.dwell_s, free_from_s.get(actuator.group, 0.0))


def _is_due(now_s: float, ready_s: float, settings: PlanningSettings) -> bool:
    """Whether stages are looked at in this step.

    Once in so many minutes of plant time, and as soon as the dwell is over.
    """
    every_s, before_s = settings.stage_every_s, now_s - settings.step_s
    ends_now = before_s + CLOCK_SLACK_S < ready_s <= now_s + CLOCK_SLACK_S
    return now_s // every_s != before_s // every_s or ends_now


def _why_stays(
    actuator: Actuator,
    present: int,
    memory: StageMemory,
    snapshot: Snapshot,
    ready_s: float,
) -> str:
    if actuator.group not in memory.stages:
        return "nobody can see which chillers run"
    run, _ = memory.stages[actuator.group]
    now_s = snapshot.time_s
    if round(run) != present:
        return f"the sequencer runs {run:g} by its own rules where {present} are asked for"
    if now_s + CLOCK_SLACK_S < ready_s:
        return f"its dwell runs for another {math.ceil((ready_s - now_s) / 60.0)} min"
    return ""


def _why_not(
    site: Site,
    actuator: Actuator,
    present: int,
    value: int,
    memory: StageMemory,
    snapshot: Snapshot,
) -> str:
    """Why ``value`` chillers may not be asked for now; empty where they may."""
    mine = [c for c in site.chillers.values() if c.loop == actuator.equipment]
    machines = {chiller.id: stage_limits(site, chiller.id) for chiller in mine}
    moment = Conditions(snapshot, snapshot.time_s, CLOCK_SLACK_S, Sightings())
    state = EnvelopeState(units=memory.units)
    finding = why_not(machines, state, grains(value), (grains(present),), moment)
    if finding is not None:
        return f"{finding.check.replace('_', ' ')} ({finding.detail})"
    if value >= present:
        return ""
    carried_kw = _carried_kw(site, mine, snapshot)
    if carried_kw is None:
        return "what its chillers carry is not known"
    given_kw = _given_kw(site, actuator.equipment, snapshot)
    if given_kw is None:
        return "what its storage tank gives is not known"
    load_kw = carried_kw + given_kw
    most_kw = PART_LOAD * sum(sorted(chiller.rated_kw for chiller in mine)[:value])
    if load_kw > most_kw:
        return f"they would have to carry {load_kw:.0f} kW, more than {most_kw:.0f} kW"
    return ""


def _carried_kw(site: Site, chillers: Sequence[Chiller], snapshot: Snapshot) -> float | None:
    """What chillers carry together now, kW; those that are seen to stand need show nothing.

    None where that is not known.
    """
    total_kw = 0.0
    for chiller in chillers:
        load_tag, running_tag = (site.tag(chiller.id, q) for q in ("cooling_load", "running"))
        load_kw = None if load_tag is None else snapshot.good(load_tag)
        running = None if running_tag is None else snapshot.good(running_tag)
        stands = running is not None and running <= HALF
        if load_kw is None and not stands:
            return None
        total_kw += load_kw or 0.0
    return total_kw


def _given_kw(site: Site, loop: str, snapshot: Snapshot) -> float | None:
    """What storage tanks give to a loop now, which chillers carry when they are empty, kW.

    None where that is not known.
    """
    total_kw = 0.0
    for tank in site.storage_tanks.values():
        if tank.loop != loop:
            continue
        tag = site.tag(tank.id, CHARGE_RATE)
        rate_pct = None if tag is None else snapshot.good(tag)
        if rate_pct is None:
            return None
        total_kw += max(-rate_pct, 0.0) / 100.0 * full_kw(site, tank)
    return total_kw


def _watched(site: Site, actuator: Actuator) -> _Watched:
    mine = [c.id for c in site.chillers.values() if c.loop == actuator.equipment]
    tags = [(machine, site.tag(machine, "running")) for machine in mine]
    return _Watched(
        actuator.group,
        site.tag(actuator.equipment, CHILLER_STAGE),
        tuple((machine, tag) for machine, tag in tags if tag is not None),
    )


def _chillers(count: int) -> str:
    return "chiller" if count == 1 else "chillers"
