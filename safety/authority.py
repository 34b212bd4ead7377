"""Who may ask for what: does a registered decision or override cover a command, here and now?

An override outranks every decision: while one is in force nothing else moves its actuator. In
`advisory` a person must have decided; in `automatic` the mode itself may have. A decision covers
the values between now and proposed of the moves that it names; an override covers the way to
exactly its value.
"""

from __future__ import annotations

from dataclasses import replace

from facility.commands import Command, Decision, Mode, Origin, Override
from safety.arithmetic import Interval, grains, is_number, units
from safety.guards import ActuatorLimits, Limits
from safety.state import EnvelopeState

MOST_DECISIONS = 1000
MOST_OVERRIDES = 1000


class AuthorityError(ValueError):
    """A decision or override that cannot be registered or ended; the message says why."""


def register(
    limits: Limits, state: EnvelopeState, authority: Decision | Override, now_s: float
) -> EnvelopeState:
    """The state with ``authority`` registered; what has expired is dropped on the way.

    Registering the same again changes nothing.

    Raises
    ------
    AuthorityError
        It names an unknown actuator, holds no finite number, has expired, conflicts with another
        override, or takes an id that means something else.
    """
    state = drop_expired(state, now_s)
    known = state.decisions.get(authority.id) or state.overrides.get(authority.id)
    if known is not None:
        if known == authority:
            return state
        raise AuthorityError(f"{authority.id!r} is registered with another content")
    if isinstance(authority, Decision):
        _check_decision(limits, authority, now_s)
        if len(state.decisions) >= MOST_DECISIONS:
            raise AuthorityError(f"{MOST_DECISIONS} decisions are in force; let some expire")
        return replace(state, decisions={**state.decisions, authority.id: authority})
    _check_override(limits, state, authority, now_s)
    if len(state.overrides) >= MOST_OVERRIDES:
        raise AuthorityError(f"{MOST_OVERRIDES} overrides are in force or to come; end some")
    return replace(state, overrides={**state.overrides, authority.id: authority})


def end_override(state: EnvelopeState, override_id: str) -> EnvelopeState:
    """The state without an override.

    Raises
    ------
    AuthorityError
        There is none of that id: it has ended, expired, or never was.
    """
    if override_id not in state.overrides:
        raise AuthorityError(f"there is no override {override_id!r} in force")
    left = {name: other for name, other in state.overrides.items() if name != override_id}
    return replace(state, overrides=left)


def drop_expired(state: EnvelopeState, now_s: float) -> EnvelopeState:
    """The state without the decisions and overrides that expired by ``now_s``."""
    return replace(
        state,
        decisions={k: d for k, d in state.decisions.items() if d.expires_at_s > now_s},
        overrides={k: o for k, o in state.overrides.items() if o.expires_at_s > now_s},
    )


def override_of(state: EnvelopeState, actuator: str, now_s: float) -> Override | None:
    """The override in force on ``actuator``, if there is one."""
    for override in state.overrides.values():
        if override.actuator == actuator and override.starts_at_s <= now_s < override.expires_at_s:
            return override
    return None


def why_not(state: EnvelopeState, command: Command, mode: Mode, now_s: float) -> str:
    """Why nobody who may has asked for ``command``; empty where somebody has."""
    override = override_of(state, command.actuator, now_s)
    if override is not None:
        return _why_not_override(override, command)
    if command.authority in state.overrides:
        return f"override {command.authority!r} is not in force on this actuator now"
    decision = state.decisions.get(command.authority)
    if decision is None:
        return f"no decision or override {command.authority!r} is registered"
    return _why_not_decision(decision, command, mode, now_s)


def covered(
    state: EnvelopeState, own: ActuatorLimits, command: Command, starts: tuple[int, ...]
) -> Interval:
    """The values that the authority of ``command`` covers; call after `why_not` was empty."""
    override = state.overrides.get(command.authority)
    if override is not None:
        ends = (*starts, grains(override.value))
        detail = f"override {override.id} asks for {override.value:g} {own.unit}"
        return Interval("authority", min(ends), max(ends), detail)
    decision = state.decisions[command.authority]
    ends = tuple(
        grains(value)
        for move in decision.moves
        if move.actuator == command.actuator
        for value in (move.now, move.proposed)
    )
    detail = (
        f"decision {decision.id} covers {units(min(ends)):g} to {units(max(ends)):g} {own.unit}"
    )
    return Interval("authority", min(ends), max(ends), detail)


def _why_not_override(override: Override, command: Command) -> str:
    if command.authority != override.id:
        return f"{override.who} holds this actuator by override {override.id!r}"
    if command.origin is not Origin.PERSON:
        return "an override is carried out as a person's command"
    if command.value != override.value:
        return f"override {override.id!r} is for {override.value!r}, not {command.value!r}"
    return ""


def _why_not_decision(decision: Decision, command: Command, mode: Mode, now_s: float) -> str:
    if not decision.decided_at_s <= now_s < decision.expires_at_s:
        return f"decision {decision.id!r} has expired or not begun"
    if not command.plan_hash or decision.plan_hash != command.plan_hash:
        return f"decision {decision.id!r} is about another plan"
    if mode is Mode.ADVISORY and decision.origin is not Origin.PERSON:
        return f"in advisory a person decides, not {decision.origin.value}"
    if command.origin not in (decision.origin, Origin.OPTIMISER):
        return f"decision {decision.id!r} was not made by a {command.origin.value}"
    if all(move.actuator != command.actuator for move in decision.moves):
        return f"decision {decision.id!r} does not move this actuator"
    return ""


def _check_decision(limits: Limits, decision: Decision, now_s: float) -> None:
    _check_times(decision.id, decision.decided_at_s, decision.expires_at_s, now_s)
    if decision.decided_at_s > now_s + limits.clock_slack_s:
        raise AuthorityError(f"decision {decision.id!r} was made in the future")
    if not decision.plan_hash or not decision.moves:
        raise AuthorityError(f"decision {decision.id!r} names no plan or moves nothing")
    for move in decision.moves:
        _check_known(limits, decision.id, move.actuator)
        if not (is_number(move.now) and is_number(move.proposed)):
            raise AuthorityError(f"decision {decision.id!r}: {move.actuator} has no finite value")


def _check_override(limits: Limits, state: EnvelopeState, override: Override, now_s: float) -> None:
    _check_times(override.id, override.starts_at_s, override.expires_at_s, now_s)
    _check_known(limits, override.id, override.actuator)
    if not is_number(override.value):
        raise AuthorityError(f"override {override.id!r} has no finite value")
    own = limits.actuators[override.actuator]
    for bound in own.bounds:
        low = bound.lower is None or override.value >= bound.lower
        if not (low and (bound.upper is None or override.value <= bound.upper)):
            raise AuthorityError(
                f"override {override.id!r}: {override.value:g} {own.unit} is outside {bound.check}"
            )
    for other in state.overrides.values():
        apart = (
            other.actuator != override.actuator
            or other.expires_at_s <= override.starts_at_s
            or override.expires_at_s <= other.starts_at_s
        )
        if not apart:
            raise AuthorityError(
                f"override {override.id!r} conflicts with {other.id!r} of {other.who}; end that one"
            )


def _check_times(name: str, start_s: float, end_s: float, now_s: float) -> None:
    if not (start_s < end_s < float("inf") and start_s > float("-inf")):
        raise AuthorityError(f"{name!r} must end after it starts")
    if not now_s < end_s:
        raise AuthorityError(f"{name!r} has expired")


def _check_known(limits: Limits, name: str, actuator: str) -> None:
    if actuator not in limits.actuators:
        raise AuthorityError(f"{name!r}: there is no actuator {actuator!r}")
