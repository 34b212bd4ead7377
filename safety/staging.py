"""Starts and stops of machines: how often, how long, in which order, and with what left over.

Timers key on what was ordered or seen, whoever ordered it, and survive restarts and absent
devices: a heat pump was cycled to overheating because its shortest-cycle timer was reset whenever
it went unavailable (home-assistant/core#61050).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from safety.checks import Finding
from safety.guards import Guard, Limits, StageLimits
from safety.interlocks import HALF, Active, Conditions
from safety.state import EnvelopeState, UnitMemory

STARTS_WINDOW_S = 43_200.0


def why_not_staged(
    own: StageLimits, memory: UnitMemory, on: bool, moment: Conditions
) -> Finding | None:
    """Why ``own`` may not be started (``on``) or stopped now; None where it may.

    Nothing is asked of a request for what the machine does already.
    """
    if memory.on is on:
        return None
    order = own.before_start if on else own.before_stop
    for condition in _active(moment, (*own.always, *order)):
        return Finding(condition.name, condition.detail, condition.saw)
    return _starts(own, memory, moment.now_s) if on else _min_on(own, memory, moment.now_s)


def staged(memory: UnitMemory, on: bool, now_s: float) -> UnitMemory:
    """The memory after the machine was ordered, or seen, to run or to stand."""
    if memory.on is on:
        return memory
    # What was never seen before may have changed just now: the slowest way on.
    starts = _recent(memory, now_s)
    return UnitMemory(on, now_s, (*starts, now_s) if on else starts)


def seen(limits: Limits, state: EnvelopeState, moment: Conditions) -> dict[str, UnitMemory]:
    """The memories of machines that somebody started or stopped since; unread ones keep theirs."""
    changed = {}
    for own in limits.stages.values():
        shown = None if own.running is None else moment.usable((own.running,))[0]
        if shown is not None:
            before = state.unit(own.unit)
            after = staged(before, shown > HALF, moment.now_s)
            if after is not before:
                changed[own.unit] = after
    return changed


def _active(moment: Conditions, guards: Iterable[Guard]) -> Iterable[Active]:
    found = (moment.of(guard) for guard in guards)
    return (condition for condition in found if condition is not None)


def _starts(own: StageLimits, memory: UnitMemory, now_s: float) -> Finding | None:
    stopped_s = _since(memory.changed_at_s, now_s)
    if stopped_s < own.min_off_s:
        return _wait("min_off", "stopped", stopped_s, own.min_off_s)
    starts = _recent(memory, now_s)
    started_s = _since(starts[-1] if starts else None, now_s)
    if started_s < own.start_to_start_s:
        return _wait("start_to_start", "started", started_s, own.start_to_start_s)
    if len(starts) < own.starts_in_12_h:
        return None
    return Finding(
        "starts",
        f"started {len(starts)} times in 12 h; {own.starts_in_12_h} are allowed",
        {"starts": float(len(starts)), "starts_in_12_h": float(own.starts_in_12_h)},
    )


def _min_on(own: StageLimits, memory: UnitMemory, now_s: float) -> Finding | None:
    started_s = _since(memory.changed_at_s, now_s)
    if started_s < own.min_on_s:
        return _wait("min_on", "started", started_s, own.min_on_s)
    return None


def _wait(check: str, what: str, since_s: float, least_s: float) -> Finding:
    detail = f"it was {what} {since_s:.0f} s ago; {least_s:g} s must pass"
    return Finding(check, detail, {"since_s": since_s, "least_s": least_s})


def _since(moment_s: float | None, now_s: float) -> float:
    return math.inf if moment_s is None else now_s - moment_s


def _recent(memory: UnitMemory, now_s: float) -> tuple[float, ...]:
    return tuple(moment for moment in memory.starts_s if now_s - moment < STARTS_WINDOW_S)
