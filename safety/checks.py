"""The checks, each on its own, in the order in which they are asked.

`STANDING` and `REFUSALS` answer why nothing may be written, or None; the standing ones are asked
of values in force as well. `LIMITERS` answer an interval of admissible values, and the envelope
takes what all of them admit at once. A new check is one function and its place in one of the
three tables; docs/safety.md gives the order in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from facility.commands import Command, Origin
from safety.arithmetic import Interval, allowance, grains, is_number, units
from safety.authority import covered, why_not
from safety.backup_held import WorstCase
from safety.guards import ActuatorLimits, Effect, Limits
from safety.interlocks import Situation, dew_point_interval, storing_interval
from safety.state import EnvelopeState


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that refuses, why, and the numbers it saw."""

    check: str
    detail: str
    saw: Mapping[str, float] = field(default_factory=dict)


def not_listed(actuator: str) -> Finding:
    """That an actuator is not on the whitelist."""
    return Finding("whitelist", f"there is no actuator {actuator!r} that may be written")


@dataclass(frozen=True, slots=True)
class Case:
    """A command before the envelope, with everything a check may look at."""

    limits: Limits
    own: ActuatorLimits
    state: EnvelopeState
    command: Command
    situation: Situation
    now_s: float
    worst: WorstCase


Standing = Callable[[ActuatorLimits, EnvelopeState, Situation], Finding | None]
Refusal = Callable[[Case], Finding | None]
Limiter = Callable[[Case], Interval]


# -- before anything is known of the actuator ---------------------------------------------------


def clock(state: EnvelopeState, now_s: float) -> Finding | None:
    """Time is a finite number and does not go back: every timer and expiry hangs on it."""
    if not math.isfinite(now_s):
        return Finding("clock", "the time is not a finite number")
    if state.seen_s is not None and now_s < state.seen_s:
        return Finding(
            "clock",
            f"the clock went back by {state.seen_s - now_s:g} s; a person must re-arm",
            {"now_s": now_s, "seen_s": state.seen_s},
        )
    return None


def finite(command: Command) -> Finding | None:
    """Every number of the command is finite and of a size that occurs."""
    if not is_number(command.value):
        return Finding("finite", f"the value {command.value!r} is not a finite number")
    if not (math.isfinite(command.issued_at_s) and math.isfinite(command.expires_at_s)):
        return Finding("finite", "the times of the command are not finite numbers")
    return None


# -- whatever is asked --------------------------------------------------------------------------


def mode(_: ActuatorLimits, __: EnvelopeState, situation: Situation) -> Finding | None:
    """The gateway's mode of the actuator is one that writes; without a mode it is off."""
    if situation.mode.writes:
        return None
    return Finding("mode", f"the actuator is in mode {situation.mode.value}")


def lock_out(own: ActuatorLimits, state: EnvelopeState, _: Situation) -> Finding | None:
    """Nobody has locked the actuator out."""
    why = state.locked_out.get(own.actuator)
    return None if why is None else Finding("lock_out", f"locked out: {why}")


def device(own: ActuatorLimits, _: EnvelopeState, situation: Situation) -> Finding | None:
    """The device answers: a write is never kept for later."""
    if situation.connected:
        return None
    return Finding("device", f"device {own.device} is not connected")


def isolation(_: ActuatorLimits, __: EnvelopeState, situation: Situation) -> Finding | None:
    """No condition is active that gives the device back: a leak, another hand, a local device."""
    for condition in situation.having(Effect.ISOLATE):
        return Finding(condition.name, condition.detail, condition.saw)
    return None


STANDING: tuple[Standing, ...] = (mode, lock_out, device, isolation)
"""What must be so for any value of ours: asked of commands, preloads and values in force."""


# -- refusals of a command ----------------------------------------------------------------------


def authority(case: Case) -> Finding | None:
    """A registered decision or override asks for this."""
    why = why_not(case.state, case.command, case.situation.mode, case.now_s)
    return Finding("authority", why) if why else None


def age(case: Case) -> Finding | None:
    """The command is young: neither from the future nor lying about since long."""
    age_s = case.now_s - case.command.issued_at_s
    if -case.limits.clock_slack_s <= age_s <= case.limits.command_max_age_s:
        return None
    return Finding(
        "age",
        f"issued {age_s:g} s ago; at most {case.limits.command_max_age_s:g} s are allowed",
        {"age_s": age_s, "command_max_age_s": case.limits.command_max_age_s},
    )


def expiry(case: Case) -> Finding | None:
    """The command has not expired."""
    left_s = case.command.expires_at_s - case.now_s
    if left_s > 0.0:
        return None
    return Finding("expiry", f"expired {-left_s:g} s ago", {"left_s": left_s})


def telemetry(case: Case) -> Finding | None:
    """It is known from where the move starts: by the read-back, or by what we set and hold."""
    return None if case.situation.starts else no_read_back(case.own)


def hold(case: Case) -> Finding | None:
    """No condition is active that forbids every move."""
    for condition in case.situation.having(Effect.HOLD):
        return Finding(condition.name, condition.detail, condition.saw)
    return None


REFUSALS: tuple[Refusal, ...] = (authority, age, expiry, telemetry, hold)


# -- limiters -----------------------------------------------------------------------------------


def hand_back(case: Case) -> Interval:
    """Of a device that jumps when it is released: near its own value."""
    return case.situation.hand_back


def dew_point(case: Case) -> Interval:
    """Far enough above the worst dew point."""
    return dew_point_interval(case.own, case.situation.dew_point_c)


def dew_point_unknown(case: Case) -> Interval:
    """Where the dew point is guarded and not known, nothing gets colder."""
    if case.own.dew is None or case.situation.dew_point_c is not None:
        return Interval("dew_point_unknown")
    return Interval(
        "dew_point_unknown",
        lower=max(case.situation.starts),
        detail="no dew-point sensor can be used, so nothing gets colder",
        saw={"sensors": float(len(case.own.dew.sensors))},
    )


def condensation(case: Case) -> Interval:
    """Where the measured supply is too near the dew point, nothing gets colder."""
    dew, situation = case.own.dew, case.situation
    if dew is None or situation.supply_c is None or situation.dew_point_c is None:
        return Interval("condensation")
    if grains(situation.supply_c) >= grains(situation.dew_point_c) + grains(dew.margin_k):
        return Interval("condensation")
    return Interval(
        "condensation",
        lower=max(situation.starts),
        detail=f"the supply is {situation.supply_c:g} °C at a dew point of "
        f"{situation.dew_point_c:g} °C, so nothing gets colder",
        saw={
            "supply_c": situation.supply_c,
            "dew_point_c": situation.dew_point_c,
            "margin_k": dew.margin_k,
        },
    )


def blind(case: Case) -> Interval:
    """Without a read-back only moves towards cooling are left, from what we set."""
    if case.situation.read_back is not None:
        return Interval("blind")
    detail = f"{case.own.read_back.tag} has no usable reading: only towards more cooling"
    return towards_only(case, "blind", detail, {})


def backup(case: Case) -> Interval:
    """What the racks survive if all goes wrong at the next instant and nobody helps.

    From a start that is outside, such as the plant's own value at take-over, as far towards it
    as the rate allows passes too: to refuse that would keep the plant where it is.
    """
    asked = case.worst.interval(case.own.actuator)
    within_rate = rate(case)
    lower, upper = asked.lower, asked.upper
    if lower is not None and within_rate.upper is not None:
        lower = min(lower, max(within_rate.upper, *case.situation.starts))
    if upper is not None and within_rate.lower is not None:
        upper = max(upper, min(within_rate.lower, *case.situation.starts))
    return replace(asked, lower=lower, upper=upper)


def interlocks(case: Case) -> Interval:
    """While a condition says so, only moves towards cooling are left."""
    for condition in case.situation.having(Effect.TOWARDS):
        return towards_only(case, condition.name, condition.detail, condition.saw)
    return Interval("interlocks")


def overcooled(case: Case) -> Interval:
    """While a condition says that more cooling does harm, only moves away from it are left."""
    for condition in case.situation.having(Effect.AWAY):
        starts, name = case.situation.starts, condition.name
        lower, upper = (None, min(starts)) if case.own.cooling.sign > 0 else (max(starts), None)
        return Interval(name, lower, upper, condition.detail, condition.saw)
    return Interval("overcooled")


def storage_reserve(case: Case) -> Interval:
    """What a tank keeps for ride-through is not taken out of it, nor anything from one unknown."""
    return storing_interval(case.situation)


def safety_direction(case: Case) -> Interval:
    """What calls itself a move to safety moves towards more cooling."""
    if case.command.origin is not Origin.SAFETY:
        return Interval("safety_direction")
    return towards_only(case, "safety_direction", "a move to safety cools more", {})


def authorised(case: Case) -> Interval:
    """What the decision or override covers."""
    return covered(case.state, case.own, case.command, case.situation.starts)


def rate(case: Case) -> Interval:
    """Slow away from cooling, faster towards it, from every value that may be in force."""
    moved_at_s = case.state.of(case.own.actuator).moved_at_s
    return rate_interval(case.limits, case.own, case.situation.starts, moved_at_s, case.now_s)


LIMITERS: tuple[Limiter, ...] = (
    hand_back,
    dew_point,
    dew_point_unknown,
    condensation,
    backup,
    interlocks,
    overcooled,
    storage_reserve,
    blind,
    safety_direction,
    authorised,
    rate,
)
"""After the static limits of the actuator (`ActuatorLimits.static`)."""


# -- shared with the judgement of values in force -----------------------------------------------


def why_nothing(own: ActuatorLimits, state: EnvelopeState, situation: Situation) -> Finding | None:
    """The first standing check that fails."""
    for check in STANDING:
        finding = check(own, state, situation)
        if finding is not None:
            return finding
    return None


def no_read_back(own: ActuatorLimits) -> Finding:
    """That nobody knows what is in force."""
    return Finding(
        "telemetry",
        f"{own.read_back.tag} has no good and fresh reading",
        {"max_age_s": own.read_back.max_age_s},
    )


def towards_only(case: Case, check: str, detail: str, saw: Mapping[str, float]) -> Interval:
    """The values that cool at least as much as every start."""
    starts = case.situation.starts
    if case.own.cooling.sign > 0:
        return Interval(check, lower=max(starts), detail=detail, saw=saw)
    return Interval(check, upper=min(starts), detail=detail, saw=saw)


def rate_interval(
    limits: Limits,
    own: ActuatorLimits,
    starts: tuple[int, ...],
    moved_at_s: float | None,
    now_s: float,
) -> Interval:
    """What the rates by direction allow from all of ``starts`` since the last move."""
    elapsed_s = math.inf if moved_at_s is None else now_s - moved_at_s
    counted_s = min(elapsed_s, max(limits.towards_window_s, limits.away_window_s))
    towards = allowance(own.rate_towards_per_min, counted_s, limits.towards_window_s)
    away = allowance(own.rate_away_per_min, counted_s, limits.away_window_s)
    down, up = (away, towards) if own.cooling.sign > 0 else (towards, away)
    return Interval(
        "rate",
        max(starts) - down,
        min(starts) + up,
        f"after {max(counted_s, 0.0):.0f} s at most {units(away):g} {own.unit} away from cooling "
        f"and {units(towards):g} towards it",
        {"elapsed_s": counted_s, "away": units(away), "towards": units(towards)},
    )
