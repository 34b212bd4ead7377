"""The commands that carry out what people decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from facility.commands import Command, Decision, Mode, Origin, Override


def commands_of(
    decision: Decision,
    origin: Origin,
    modes: Mapping[str, Mode],
    held: Collection[str],
    now_s: float,
    life_s: float,
) -> list[Command]:
    """One command for each move of an actuator that is in advisory and that nobody holds.

    Parameters
    ----------
    origin
        A person's, or the optimiser's where its budgets are to bind.
    held
        Actuators that are overridden.
    life_s
        How old a command may become.
    """
    return [
        Command(
            id=f"{decision.id}:{move.actuator}:{now_s:.0f}",
            actuator=move.actuator,
            value=move.proposed,
            origin=origin,
            authority=decision.id,
            plan_hash=decision.plan_hash,
            issued_at_s=now_s,
            expires_at_s=min(decision.expires_at_s, now_s + life_s),
        )
        for move in decision.moves
        if modes.get(move.actuator) is Mode.ADVISORY and move.actuator not in held
    ]


def command_of(override: Override, now_s: float, life_s: float) -> Command:
    """The command of a person's own setpoint."""
    return Command(
        id=f"{override.id}:{override.actuator}:{now_s:.0f}",
        actuator=override.actuator,
        value=override.value,
        origin=Origin.PERSON,
        authority=override.id,
        plan_hash="",
        issued_at_s=now_s,
        expires_at_s=min(override.expires_at_s, now_s + life_s),
    )
