"""What a tick asks of authority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from facility.commands import Decision, Mode, Override, Proposal


class Authority(Protocol):
    """Says yes, or nothing, to a proposal, and names the overrides to plan around."""

    def decide(
        self, proposal: Proposal, modes: Mapping[str, Mode], now_s: float
    ) -> Decision | None:
        """The decision in force after this proposal: the mode's own, a person's, or none.

        In `AUTOMATIC` the mode says yes to the moves of its actuators at once. In `ADVISORY`
        the proposal goes to the inbox, and a person's unexpired decision on an earlier one
        is answered until it ends. ``modes`` are by actuator.
        """
        ...

    def overrides(self, now_s: float) -> tuple[Override, ...]:
        """The overrides in force, which outrank every decision."""
        ...
