"""Requests to a plant's sequencer for a number of machines: what they must leave and wait for.

A request is a whole number that the sequencer honours in its own time and order, so nobody knows
which machine it will start or stop. Every machine that it may choose must therefore be fit for it,
by the same rules as a machine that is asked for by name (`safety.staging`). Whatever the sequencer
does is counted from what machines show: it starts some without us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from facility.devices import Actuator
from facility.points import Point
from facility.quantities import STAGE_REQUEST
from facility.site import Site
from safety.arithmetic import GRAINS_PER_UNIT, grains
from safety.checks import Finding
from safety.encoding import RAW_RANGE
from safety.guards import ActuatorLimits, Limits, StageLimits
from safety.interlocks import Conditions
from safety.staging import why_not_staged
from safety.state import EnvelopeState


@dataclass(frozen=True)
class StageRequestLimits(ActuatorLimits):
    """The limits of a stage request, with the machines that its sequencer chooses among."""

    machines: tuple[str, ...] = ()


def of_request(site: Site, actuator: Actuator, own: ActuatorLimits) -> ActuatorLimits:
    """``own``; of a stage request, with its machines."""
    if actuator.quantity != STAGE_REQUEST:
        return own
    values = {each.name: getattr(own, each.name) for each in fields(own)}
    return StageRequestLimits(**values, machines=_machines(site, actuator))


def problems(site: Site, actuator: Actuator, point: Point) -> Iterator[str]:
    """Why an actuator cannot be a stage request; nothing where it is none, or can."""
    if actuator.quantity != STAGE_REQUEST:
        return
    machines = _machines(site, actuator)
    if point.data_type not in RAW_RANGE or (point.scale, point.offset) != (1.0, 0.0):
        yield "its point must be a whole number without scale or offset: machines have no fractions"
    if not 1.0 <= actuator.minimum <= actuator.maximum <= len(machines):
        yield (
            f"its range must lie between 1 and the {len(machines)} chillers of "
            f"{actuator.equipment!r}; none at all is the sequencer's own decision"
        )
    for machine in machines:
        if site.tag(machine, "running") is None:
            yield f"{machine} shows no 'running': its starts could not be counted; add the point"


def why_not_asked(
    limits: Limits,
    own: ActuatorLimits,
    state: EnvelopeState,
    value: float,
    starts: tuple[int, ...],
    moment: Conditions,
) -> Finding | None:
    """Why ``value`` machines may not be asked for now; None where they may.

    ``starts`` are the requests that may be in force, in grains.
    """
    if not isinstance(own, StageRequestLimits):
        return None
    asked = grains(value)
    if asked % GRAINS_PER_UNIT:
        return Finding("whole_number", f"{value:g} is no number of machines", {"asked": value})
    machines = {name: limits.stages[name] for name in own.machines}
    return why_not(machines, state, asked, starts, moment)


def why_not(
    machines: Mapping[str, StageLimits],
    state: EnvelopeState,
    asked: int,
    starts: tuple[int, ...],
    moment: Conditions,
) -> Finding | None:
    """Why ``machines`` may not be staged from each of ``starts`` to ``asked``, all in grains."""
    if any(asked > start for start in starts):
        finding = _why_not_more(machines, state, moment)
        if finding is not None:
            return finding
    if any(asked < start for start in starts):
        return _why_not_fewer(machines, state, moment)
    return None


def _why_not_more(
    machines: Mapping[str, StageLimits], state: EnvelopeState, moment: Conditions
) -> Finding | None:
    """Any machine that stands and can be had may be the one that starts."""
    standing = [
        (name, own)
        for name, own in machines.items()
        if state.unit(name).on is not True and not any(moment.of(each) for each in own.always)
    ]
    if not standing:
        return Finding("no_machine", "every machine runs, or is locked or out of service")
    for name, own in standing:
        finding = why_not_staged(own, state.unit(name), True, moment)
        if finding is not None:
            return _of(name, finding)
    return None


def _why_not_fewer(
    machines: Mapping[str, StageLimits], state: EnvelopeState, moment: Conditions
) -> Finding | None:
    """Any machine that runs may be the one that stops."""
    for name, own in machines.items():
        if state.unit(name).on is not False:
            finding = why_not_staged(own, state.unit(name), False, moment)
            if finding is not None:
                return _of(name, finding)
    return None


def _of(machine: str, finding: Finding) -> Finding:
    return Finding(finding.check, f"{machine}: {finding.detail}", finding.saw)


def _machines(site: Site, actuator: Actuator) -> tuple[str, ...]:
    return tuple(each.id for each in site.chillers.values() if each.loop == actuator.equipment)
