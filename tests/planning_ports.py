"""An authority that says yes, and a gateway that takes all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facility.commands import (
    Command,
    Decision,
    Mode,
    Move,
    Origin,
    Outcome,
    Override,
    Proposal,
    Receipt,
    Verdict,
    WriteResult,
)


class YesMode:
    """Authority of the automatic mode alone, with overrides that a test puts in."""

    def __init__(self, overrides: tuple[Override, ...] = ()) -> None:
        self.held = overrides
        self.offered: list[Proposal] = []

    def decide(self, proposal: Proposal, modes: Any, now_s: float) -> Decision | None:
        self.offered.append(proposal)
        moves: tuple[Move, ...] = tuple(
            m for m in (*proposal.moves, *proposal.holds) if modes.get(m.actuator) is Mode.AUTOMATIC
        )
        if not moves:
            return None
        return Decision(
            id=f"mode-{proposal.id}",
            proposal=proposal.id,
            plan_hash=proposal.plan_hash,
            origin=Origin.OPTIMISER,
            who="automatic mode",
            why="the mode",
            moves=moves,
            decided_at_s=now_s,
            expires_at_s=proposal.expires_at_s,
        )

    def overrides(self, now_s: float) -> tuple[Override, ...]:
        return tuple(o for o in self.held if o.starts_at_s <= now_s < o.expires_at_s)


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
