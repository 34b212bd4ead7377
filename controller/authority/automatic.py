"""The yes of the mode itself: what is in `AUTOMATIC` is taken as it is proposed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from facility.commands import Decision, Mode, Origin, Override, Proposal
from facility.telemetry import Snapshot


def yes_of_mode(
    proposal: Proposal, modes: Mapping[str, Mode], now_s: float, held: Collection[str] = ()
) -> Decision | None:
    """The decision on a proposal's actuators in `AUTOMATIC`; None where there are none.

    ``modes`` are by actuator; those in ``held`` are under an override and left alone.
    """
    moves = tuple(
        move
        for move in (*proposal.moves, *proposal.holds)
        if modes.get(move.actuator) is Mode.AUTOMATIC and move.actuator not in held
    )
    if not moves or proposal.expires_at_s <= now_s:
        return None
    return Decision(
        id=f"mode-{proposal.id}",
        proposal=proposal.id,
        plan_hash=proposal.plan_hash,
        origin=Origin.OPTIMISER,
        who="automatic mode",
        why="the mode of these actuators",
        moves=moves,
        decided_at_s=now_s,
        expires_at_s=proposal.expires_at_s,
    )


class ModeAlone:
    """Authority where nobody is asked and nobody overrides (`controller.authority.port`)."""

    def decide(self, proposal: Proposal, snapshot: Snapshot, now_s: float, /) -> Decision | None:
        """The mode's yes."""
        return yes_of_mode(proposal, snapshot.modes, now_s)

    def drop(self, _proposal_id: str, _why: str, _now_s: float, /) -> None:
        """Nobody waits for an answer."""

    def overrides(self, _now_s: float, /) -> tuple[Override, ...]:
        """None."""
        return ()
