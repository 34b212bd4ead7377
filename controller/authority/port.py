"""What a tick asks of authority."""

from __future__ import annotations

from typing import Protocol

from facility.commands import Decision, Override, Proposal
from facility.telemetry import Snapshot


class Authority(Protocol):
    """Says yes, or nothing, to a proposal, and names the overrides to plan around."""

    def decide(self, proposal: Proposal, snapshot: Snapshot, now_s: float) -> Decision | None:
        """The decision in force after this proposal: the mode's own, a person's, or none.

        In `AUTOMATIC` the mode says yes to the moves of its actuators at once. In `ADVISORY`
        the proposal goes to the inbox, and a person's unexpired decision on an earlier one
        is answered until it ends. ``snapshot`` has the modes and the setpoints in force.
        """
        ...

    def drop(self, proposal_id: str, why: str, now_s: float) -> None:
        """A proposal stands no more, and why: nobody may say yes to it any longer."""
        ...

    def overrides(self, now_s: float) -> tuple[Override, ...]:
        """The overrides in force, which outrank every decision."""
        ...
