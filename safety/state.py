"""What the envelope remembers: an immutable value, kept as JSON across restarts.

Timers key on what was accepted, not on what a device says, so that neither a restart of ours nor
a device that goes away and comes back resets them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from facility.commands import Decision, Override
from facility.wire import WireError, dumps, from_wire
from safety.sightings import Sightings

FORMAT = 1


class StateError(ValueError):
    """A stored state that cannot be read back."""


@dataclass(frozen=True, slots=True)
class ActuatorState:
    """What was accepted for one actuator. Times are plant time."""

    in_force: float | None = None
    """The value accepted last, while it is ours to keep; None in local control or if unknown."""
    accepted_at_s: float | None = None
    moved_at_s: float | None = None
    """The last change by anybody; the rate counts from here, whatever was released since."""
    optimised_at_s: float | None = None
    """The optimiser's last write; its dwell counts from here."""
    optimiser_writes_s: tuple[float, ...] = ()
    """The optimiser's writes of the last hour, oldest first."""
    optimiser_direction: int = 0
    """Of its last move: 1 towards cooling, -1 away, 0 none yet."""
    reversals_s: tuple[float, ...] = ()
    """Its turns from towards cooling to away from it, in the last hour."""
    short_since_s: float | None = None
    """Since when the value in force has been outside what is admissible now."""
    blind_since_s: float | None = None
    """Since when what guards the value in force cannot be known."""


NEVER = ActuatorState()


@dataclass(frozen=True, slots=True)
class UnitMemory:
    """The starts and stops of one machine, whoever ordered them."""

    on: bool | None = None
    """As it was ordered or seen last; None before anybody knew."""
    changed_at_s: float | None = None
    """When it was started or stopped last."""
    starts_s: tuple[float, ...] = ()
    """Its starts of the last 12 hours, oldest first."""


UNKNOWN_UNIT = UnitMemory()


@dataclass(frozen=True, slots=True)
class EnvelopeState:
    """Everything that a verdict depends on besides limits, command, telemetry and time."""

    format: int = FORMAT
    seen_s: float | None = None
    """The latest moment seen: time before it is a clock that went back."""
    actuators: Mapping[str, ActuatorState] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    locked_out: Mapping[str, str] = field(default_factory=dict)
    """By actuator: why nothing may be written to it."""
    units: Mapping[str, UnitMemory] = field(default_factory=dict)
    """By machine that can be started and stopped."""
    sightings: Sightings = field(default=Sightings(), compare=False)
    """What sensors showed lately; not kept across restarts, as nothing counts from it."""

    def of(self, actuator: str) -> ActuatorState:
        """The memory of ``actuator``."""
        return self.actuators.get(actuator, NEVER)

    def unit(self, unit: str) -> UnitMemory:
        """The memory of a machine."""
        return self.units.get(unit, UNKNOWN_UNIT)

    def with_actuator(self, actuator: str, memory: ActuatorState) -> EnvelopeState:
        """The state with another memory of ``actuator``."""
        return replace(self, actuators={**self.actuators, actuator: memory})

    def at(self, now_s: float) -> EnvelopeState:
        """The state with ``now_s`` as the latest moment seen."""
        return replace(self, seen_s=now_s)

    def to_json(self) -> str:
        """One line of JSON, without the sightings; equal states give equal text."""
        return dumps(replace(self, sightings=Sightings()))

    @staticmethod
    def from_json(text: str) -> EnvelopeState:
        """The state that `to_json` wrote.

        Raises
        ------
        StateError
            The text is damaged, or of another format.
        """
        try:
            state = from_wire(EnvelopeState, json.loads(text))
        except (WireError, ValueError, RecursionError) as error:
            raise StateError(f"the envelope's state cannot be read: {error}") from None
        if state.format != FORMAT:
            raise StateError(f"the envelope's state has format {state.format}, not {FORMAT}")
        return state


EMPTY = EnvelopeState()
"""The memory of nothing."""


def forget_in_force(state: EnvelopeState, actuators: Iterable[str]) -> EnvelopeState:
    """Nothing of ours is in force on ``actuators`` any more; timers and budgets go on."""
    memories = {
        actuator: replace(
            state.of(actuator),
            in_force=None,
            accepted_at_s=None,
            short_since_s=None,
            blind_since_s=None,
        )
        for actuator in actuators
    }
    return replace(state, actuators={**state.actuators, **memories})


def restart_clock(state: EnvelopeState, now_s: float) -> EnvelopeState:
    """The state for a clock that went back to ``now_s``: what lies in the future happened now.

    That is the slowest way on: no timer runs out sooner than it would have.
    """

    def no_later(moment_s: float | None) -> float | None:
        return None if moment_s is None else min(moment_s, now_s)

    memories = {
        actuator: replace(
            memory,
            accepted_at_s=no_later(memory.accepted_at_s),
            moved_at_s=no_later(memory.moved_at_s),
            optimised_at_s=no_later(memory.optimised_at_s),
            optimiser_writes_s=tuple(min(moment, now_s) for moment in memory.optimiser_writes_s),
            reversals_s=tuple(min(moment, now_s) for moment in memory.reversals_s),
            short_since_s=no_later(memory.short_since_s),
            blind_since_s=no_later(memory.blind_since_s),
        )
        for actuator, memory in state.actuators.items()
    }
    units = {
        unit: replace(
            memory,
            changed_at_s=no_later(memory.changed_at_s),
            starts_s=tuple(min(moment, now_s) for moment in memory.starts_s),
        )
        for unit, memory in state.units.items()
    }
    return replace(state, seen_s=now_s, actuators=memories, units=units, sightings=Sightings())
