"""How often the optimiser may write: dead band, dwell, budget and anti-hunting.

People, moves to safety, release, heartbeats and the envelope's own corrections are exempt and use
up nothing. All of it counts from what was accepted (`safety.state`), so that a restart or a
device that was away resets nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from facility.commands import Origin
from safety.arithmetic import grains
from safety.guards import ActuatorLimits, Limits
from safety.state import ActuatorState

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the optimiser has to wait."""

    check: str
    detail: str
    saw: Mapping[str, float] = field(default_factory=dict)


def direction(own: ActuatorLimits, value: int, start: int) -> int:
    """1 if ``value`` cools more than ``start`` (both in grains), -1 if less, 0 if equal."""
    return own.cooling.sign * ((value > start) - (value < start))


def in_dead_band(own: ActuatorLimits, value: int, start: int) -> bool:
    """Whether a move is too small to be worth a write."""
    return abs(value - start) < grains(own.dead_band)


def why_wait(
    limits: Limits, own: ActuatorLimits, memory: ActuatorState, way: int, now_s: float
) -> Wait | None:
    """What keeps the optimiser from moving ``own`` the given ``way`` (1 towards, -1 away) now."""
    return (
        _dwell(limits, own, memory, now_s)
        or _budget(own, memory, now_s)
        or _hunting(own, memory, way, now_s)
    )


def _dwell(limits: Limits, own: ActuatorLimits, memory: ActuatorState, now_s: float) -> Wait | None:
    if memory.optimised_at_s is None:
        return None
    since_s = now_s - memory.optimised_at_s
    # One beat of slack: a tick every 300 s must fit a dwell of 300 s.
    if since_s + limits.clock_slack_s >= own.dwell_s:
        return None
    return Wait(
        "dwell",
        f"the optimiser wrote {since_s:.0f} s ago; {own.dwell_s:g} s must pass",
        {"since_s": since_s, "dwell_s": own.dwell_s},
    )


def _budget(own: ActuatorLimits, memory: ActuatorState, now_s: float) -> Wait | None:
    used = len(_last_hour(memory.optimiser_writes_s, now_s))
    if used < own.writes_per_hour:
        return None
    return Wait(
        "budget",
        f"{used} optimiser writes in the last hour, {own.writes_per_hour} are allowed",
        {"used": float(used), "writes_per_hour": float(own.writes_per_hour)},
    )


def _hunting(own: ActuatorLimits, memory: ActuatorState, way: int, now_s: float) -> Wait | None:
    turns = len(_last_hour(memory.reversals_s, now_s))
    if not _turns_away(memory, way) or turns < own.reversals_per_hour:
        return None
    return Wait(
        "hunting",
        f"turned from more cooling to less {turns} times in the last hour; it stays where it is",
        {"turns": float(turns), "reversals_per_hour": float(own.reversals_per_hour)},
    )


def accepted(
    memory: ActuatorState, value: float, origin: Origin, way: int, now_s: float
) -> ActuatorState:
    """The memory after ``value`` was accepted as a move the given ``way`` (0: it moves nothing)."""
    memory = replace(memory, in_force=value, accepted_at_s=now_s)
    if way:
        memory = replace(memory, moved_at_s=now_s)
    if origin is not Origin.OPTIMISER:
        return memory
    reversals = _last_hour(memory.reversals_s, now_s)
    if _turns_away(memory, way):
        reversals = (*reversals, now_s)
    return replace(
        memory,
        optimised_at_s=now_s,
        optimiser_writes_s=(*_last_hour(memory.optimiser_writes_s, now_s), now_s),
        optimiser_direction=way or memory.optimiser_direction,
        reversals_s=reversals,
    )


def _turns_away(memory: ActuatorState, way: int) -> bool:
    return way < 0 and memory.optimiser_direction > 0


def _last_hour(moments_s: tuple[float, ...], now_s: float) -> tuple[float, ...]:
    return tuple(moment for moment in moments_s if now_s - moment < HOUR_S)
