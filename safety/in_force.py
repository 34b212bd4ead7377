"""Values in force: at every scan, may what we hold stay, must it be corrected, or given back?

Limits are judged anew since the dew point, the equipment and other hands change under a held
setpoint. A correction keeps the static limits and the rates without exception; only the dew point
it may miss, when the rate alone stands between, and then each step is nearer. What cannot be put
right by a deadline is given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from facility.commands import Origin
from safety import dwell
from safety.arithmetic import Interval, Meeting, grains, meet, units
from safety.backup_held import WorstCase
from safety.checks import Finding, no_read_back, rate_interval, why_nothing
from safety.encoding import nearest_on_wire
from safety.guards import ActuatorLimits, Effect, Limits
from safety.interlocks import (
    Conditions,
    Situation,
    dew_point_interval,
    storing_interval,
    survey,
)
from safety.state import ActuatorState, EnvelopeState


class Action(Enum):
    """What to do about a value in force."""

    CORRECT = "correct"
    """Write ``value``."""
    RELEASE = "release"
    """Give the whole device back to its own control."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What the envelope asks of the gateway about a value in force, and which check asks."""

    actuator: str
    device: str
    action: Action
    value: float | None
    """Exactly what the device will decode; None for a release."""
    check: str
    detail: str
    saw: Mapping[str, float] = field(default_factory=dict)


def judge_value_in_force(
    limits: Limits,
    own: ActuatorLimits,
    state: EnvelopeState,
    moment: Conditions,
    worst: WorstCase,
) -> tuple[ActuatorState, Correction | None]:
    """What becomes of the value that we hold on ``own``; None where it may stay as it is."""
    memory = state.of(own.actuator)
    situation = survey(own, memory, moment)
    finding = why_nothing(own, state, situation)
    if finding is None and situation.read_back is None:
        finding = no_read_back(own)
    if finding is not None:
        return memory, release(own, finding)
    memory, finding = _blind(limits, own, memory, situation, moment.now_s)
    if finding is not None:
        return memory, release(own, finding)
    backup = worst.interval(own.actuator)
    comes_s = flow_comes_s(limits, own, state, moment.now_s)
    return _keep_within(limits, own, memory, situation, backup, moment.now_s, comes_s=comes_s)


def flow_comes_s(limits: Limits, own: ActuatorLimits, state: EnvelopeState, now_s: float) -> float:
    """How long flow beside this supply takes to show, where some was set so short a time ago.

    0 where none was.
    """
    found = [0.0]
    for index, _ in limits.backup.paths.get(own.actuator, ()):
        for flow in limits.backup.circuits[index].flows:
            set_s = state.of(flow.actuator).accepted_at_s
            settle_s = limits.actuators[flow.actuator].settle_s
            if set_s is not None and now_s - set_s < settle_s:
                found.append(settle_s)
    return max(found)


def release(own: ActuatorLimits, finding: Finding) -> Correction:
    """The release of the device of ``own``, for a reason."""
    return Correction(
        own.actuator,
        own.device,
        Action.RELEASE,
        None,
        finding.check,
        finding.detail,
        finding.saw,
    )


def _blind(
    limits: Limits,
    own: ActuatorLimits,
    memory: ActuatorState,
    situation: Situation,
    now_s: float,
) -> tuple[ActuatorState, Finding | None]:
    """Hold for a while what cannot be judged for want of readings, then give it back."""
    unknown = [condition.name for condition in situation.active if not condition.known]
    if own.dew is not None and situation.dew_point_c is None:
        unknown.insert(0, "dew_point_unknown")
    if not unknown:
        return replace(memory, blind_since_s=None), None
    since_s = now_s if memory.blind_since_s is None else memory.blind_since_s
    memory = replace(memory, blind_since_s=since_s)
    if now_s - since_s <= limits.blind_hold_s:
        return memory, None
    return memory, Finding(
        unknown[0],
        f"no usable readings for {', '.join(unknown)} for {now_s - since_s:.0f} s",
        {"blind_s": now_s - since_s, "blind_hold_s": limits.blind_hold_s},
    )


def _keep_within(
    limits: Limits,
    own: ActuatorLimits,
    memory: ActuatorState,
    situation: Situation,
    backup: Interval,
    now_s: float,
    *,
    comes_s: float,
) -> tuple[ActuatorState, Correction | None]:
    """Correct the value in force where it is outside what is admissible now, or release."""
    start = situation.starts[0]
    static = (*own.static, situation.hand_back)
    plain = (
        *static,
        dew_point_interval(own, situation.dew_point_c),
        storing_interval(situation),
    )
    admissible = meet((*plain, backup))
    if admissible.conflict is not None:
        return memory, release(own, _finding(admissible.conflict, "no value is within every limit"))
    target, bound = admissible.nearest(start)
    if bound is None:
        return replace(memory, short_since_s=None), None
    since_s = now_s if memory.short_since_s is None else memory.short_since_s
    memory = replace(memory, short_since_s=since_s)
    if now_s - since_s > limits.correction_deadline_s:
        return memory, release(own, _finding(bound, f"not put right in {now_s - since_s:.0f} s"))
    way = dwell.direction(own, target, start)
    against = situation.having(Effect.TOWARDS if way < 0 else Effect.AWAY)
    if against:
        return memory, release(own, _finding(bound, f"but {against[0].detail}"))
    rate = rate_interval(limits, own, (start,), memory.moved_at_s, now_s)
    kept = bound.check == "storage_reserve"
    # What a tank keeps is kept at once: its pumps stop at their own pace.
    within_rate = meet(static) if kept else meet((*static, rate))
    if within_rate.conflict is not None:
        return memory, release(own, _finding(bound, f"out of reach: {rate.detail}"))
    if now_s - since_s < comes_s and all(interval.holds(start) for interval in plain):
        # Only the worst case asks for it, and flow that was set a moment ago may do: no water is
        # made colder for fans that stood low until then.
        return memory, None
    inward = 0 if kept else grains(own.dead_band)
    value = _step(own, start, target, admissible, within_rate, inward)
    if value is None:
        return memory, None
    memory = dwell.accepted(memory, value, Origin.SAFETY, way, now_s)
    saw = {"in_force": units(start), "target": units(target), **bound.saw}
    return memory, Correction(
        own.actuator, own.device, Action.CORRECT, value, bound.check, bound.detail, saw
    )


def _step(
    own: ActuatorLimits,
    start: int,
    target: int,
    admissible: Meeting,
    within_rate: Meeting,
    inward: int,
) -> float | None:
    """The next value on the way from ``start`` to ``target``; None where the rate allows none yet.

    It goes in by ``inward``, so that a reading that wavers about a limit moves it once.
    """
    aim, _ = admissible.nearest(target + (inward if target > start else -inward))
    aim, _ = within_rate.nearest(aim)
    floor = max(admissible.floor, within_rate.floor)
    ceiling = min(admissible.ceiling, within_rate.ceiling)
    if floor <= aim <= ceiling:
        value = nearest_on_wire(own.point, aim, floor, ceiling)
        if value is not None:
            return value
    # Not within reach at once: as near as the rate allows, and never back.
    low = max(min(start, aim), within_rate.floor)
    high = min(max(start, aim), within_rate.ceiling)
    value = nearest_on_wire(own.point, aim, low, high)
    return None if value is None or grains(value) == start else value


def _finding(interval: Interval, why: str) -> Finding:
    return Finding(interval.check, f"{interval.detail}; {why}", interval.saw)
