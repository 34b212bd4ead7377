"""What a search for a plan has come to, and what its plans are held against."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from controller.planning.explain import Named
from controller.planning.ramp import ramp_to_cooling
from controller.planning.situation import Situation
from controller.planning.verify import Prospect, objections, rollout
from controller.planning.words import Attempt
from facility.commands import Recheck
from models.contract import Array


@dataclass
class Search:
    """What a request has come to so far."""

    attempts: list[Attempt] = field(default_factory=list)
    verified: list[tuple[Prospect, str, Callable[[], tuple[Named, ...]]]] = field(
        default_factory=list
    )
    """Plans that may be believed, by whom, and what binds them, told of the chosen one alone."""

    def note(self, link: str, round_: int, status: str, why: str, since: float) -> None:
        """Remember an attempt; it was accepted where nothing is said against it."""
        seconds = time.perf_counter() - since
        self.attempts.append(Attempt(link, round_, status, not why, why, seconds))


@dataclass(frozen=True)
class Found:
    """What a request with its stages held has come to."""

    situation: Situation
    hold: Prospect
    prospect: Prospect
    link: str
    named: Callable[[], tuple[Named, ...]]
    """What binds it."""
    too_warm: bool
    """Whether holding still is no answer."""
    standing: Recheck | None
    """Of the proposal that waits."""

    @property
    def merit(self) -> float:
        """Of the plan."""
        return self.prospect.merit

    @property
    def by_rule(self) -> bool:
        """Whether no solver's answer stood."""
        return self.link == "ramp"


@dataclass
class Yardstick:
    """Holding still, and the ramp to more cooling, which is asked only where something is warm."""

    situation: Situation
    hold: Prospect
    _ramp: Prospect | None = None

    def against(self, prospect: Prospect) -> dict[str, Array]:
        """What stands against a plan; zeros where nothing does."""
        if prospect.peak_k <= 0.0 and prospect.worst_excess_k.max() <= 0.0:
            nothing = {"temperature": prospect.excess_k, "worst step": prospect.worst_excess_k}
            return {name: np.zeros_like(values) for name, values in nothing.items()}
        settings = self.situation.layout.settings
        return objections(prospect, self.ramp, settings.tolerance_k)

    @property
    def ramp(self) -> Prospect:
        """The rule's full ramp, at the site's rates."""
        if self._ramp is None:
            self._ramp = rollout(self.situation, ramp_to_cooling(self.situation.corridor))
        return self._ramp

    @cached_property
    def too_warm(self) -> bool:
        """Whether holding still is no answer."""
        return any(found.any() for found in self.against(self.hold).values())


def nothing_binds() -> tuple[Named, ...]:
    """Of a plan that no solver made."""
    return ()
