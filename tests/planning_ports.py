"""A gateway that takes all."""

from __future__ import annotations

from collections.abc import Sequence

from facility.commands import Command, Decision, Outcome, Receipt, Verdict, WriteResult


class TakesAll:
    """A gateway that takes every command."""

    def __init__(self) -> None:
        self.sent: list[Command] = []

    async def send(self, decision: Decision, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        self.sent += commands
        return tuple(
            Receipt(
                command=c.id,
                actuator=c.actuator,
                verdict=Verdict(Outcome.ALLOW, c.value, "", ""),
                result=WriteResult.WRITTEN,
                written=c.value,
                read_back=c.value,
                time_s=c.issued_at_s,
            )
            for c in commands
        )
