"""Where setpoints may go over the blocks of a horizon: ranges, rates, dwell and overrides.

Arithmetic on a request alone; no model is asked, so the rule of last resort needs nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.planning.backup import BackupRule
from controller.planning.settings import PlanningSettings
from controller.planning.words import PlanRequest, Row
from models.contract import Array

PERSON_SPAN = 100.0
"""A person's move is exempt from rates: a change so far beyond the range is allowed."""


@dataclass(frozen=True)
class Corridor:
    """The limits of a request by block, (B, G), in canonical units."""

    request: PlanRequest
    settings: PlanningSettings
    rule: BackupRule | None = None
    """The envelope's worst case; None where all goes towards cooling anyway."""
    urgent: NDArray[np.bool_] | bool = True
    """Of all groups or (G,): something is too warm, or the worst case asks for the move; the site's
    rates towards cooling count, not the economical pace."""
    economical: NDArray[np.bool_] | bool = False
    """Of all groups or (G,): nothing is too warm, and the worst case does not ask for less, so
    that towers and CDUs keep their least approach."""
    schedule: Mapping[str, Row] = field(default_factory=dict)
    """(B,) by group that sets a storage tank's charge: where it is wanted. The others of
    `PlanRequest.charges` stand still."""
    keeps_discharge: bool = False
    """Tanks without a schedule that give cold go on with it, where it may be needed; the
    envelope's reserve ends that."""

    @property
    def blocks(self) -> int:
        """B."""
        return len(self.settings.blocks)

    @cached_property
    def block_of_step(self) -> NDArray[np.int64]:
        """(T,)."""
        return np.repeat(np.arange(self.blocks), self.settings.blocks)

    @cached_property
    def block_start(self) -> NDArray[np.int64]:
        """(B,) first step of each block."""
        lengths = np.array(self.settings.blocks)
        return np.asarray(np.cumsum(lengths) - lengths)

    @cached_property
    def starts_s(self) -> Array:
        """(B,) plant time at which each block starts."""
        return np.asarray(self.request.now_s + self.block_start * self.request.step_s)

    @cached_property
    def wet_bulb_c(self) -> Array:
        """(B,) highest that is expected from now to the end of each block."""
        highest = np.maximum.accumulate(np.array(self.request.wet_bulb_c))
        return np.asarray(highest[self.block_start + np.array(self.settings.blocks) - 1])

    @cached_property
    def by_hand(self) -> NDArray[np.bool_]:
        """(B, G) whether a person's or another's hand holds the setpoint in a block."""
        until = np.array([limit.fixed_until_s or -np.inf for limit in self.request.limits])
        return np.asarray(self.starts_s[:, None] < until[None, :])

    @cached_property
    def fixed(self) -> NDArray[np.bool_]:
        """(B, G) the same, or a storage tank's schedule."""
        fixed = self.by_hand.copy()
        fixed[:, list(self.charges)] = True
        return fixed

    @cached_property
    def fixed_at(self) -> Array:
        """(G,) where fixed setpoints are held at first; the setpoint in force of the others."""
        found = self._by_hand_at.copy()
        for g, values in self.charges.items():
            found[g] = values[0]
        return found

    @cached_property
    def _by_hand_at(self) -> Array:
        return np.array(
            [
                limit.in_force if limit.fixed_at is None else limit.fixed_at
                for limit in self.request.limits
            ]
        )

    @cached_property
    def charges(self) -> dict[int, Array]:
        """(B,) by column of a group that sets a storage tank's charge: where it goes.

        As scheduled, or to standing still, within range, rates and dwell; a person's hand first.
        """
        rise, fall = self.site_rates
        found = {}
        for g, limit in enumerate(self.request.limits):
            if limit.group not in self.request.charges:
                continue
            rest = min(limit.in_force, 0.0) if self.keeps_discharge else 0.0
            wanted = self.schedule.get(limit.group, (rest,) * self.blocks)
            at, before = np.empty(self.blocks), limit.in_force
            for b in range(self.blocks):
                if self.by_hand[b, g]:
                    before = self._by_hand_at[g]
                else:
                    inside = min(max(wanted[b], limit.lower), limit.upper)
                    before = min(max(inside, before - fall[b, g]), before + rise[b, g])
                at[b] = before
            found[g] = np.round(at, 6)
        return found

    @cached_property
    def rates(self) -> tuple[Array, Array]:
        """Largest rise and fall into each block: `site_rates`, from which people are exempt.

        So is the return from what a person held, and a schedule, which has kept them.
        """
        rise, fall = self.site_rates
        none = np.zeros((1, len(self.request.limits)), dtype=bool)
        exempt = self.fixed | np.vstack([none, self.fixed[:-1]])
        span = PERSON_SPAN + np.array([limit.upper - limit.lower for limit in self.request.limits])
        return np.where(exempt, span, rise), np.where(exempt, span, fall)

    @cached_property
    def site_rates(self) -> tuple[Array, Array]:
        """(B, G) largest rise and fall into each block, by the site's rates and ours.

        A change into a block may use the time since the block before it began, a write for
        each dwell. Nothing optimised moves before its dwell and its budget of writes let it.
        """
        request, settings = self.request, self.settings
        steps = np.concatenate([[1], settings.blocks[:-1]])
        steps_a_write = max(1, round(settings.dwell_s / request.step_s))
        writes = np.maximum(1, steps // steps_a_write).astype(float)[:, None]
        colder_is_lower = np.array([limit.colder_is_lower for limit in request.limits])
        rates = []
        paces = np.array([limit.pace_per_step for limit in request.limits])
        paces = np.where(self.urgent, math.inf, paces)
        for is_away, fastest in (
            (colder_is_lower, np.array([limit.rise_per_step for limit in request.limits])),
            (~colder_is_lower, np.array([limit.fall_per_step for limit in request.limits])),
        ):
            one = np.where(is_away, fastest, np.minimum(fastest, paces))
            waiting = np.where(is_away, self.waiting_away, self.waiting)
            # The first move after a wait is of one write, however long the wait was.
            before = np.vstack([np.ones((1, len(request.limits)), dtype=bool), waiting[:-1]])
            rates.append(np.where(waiting, 0.0, np.where(before, 1.0, writes) * one))
        return rates[0], rates[1]

    @cached_property
    def waiting(self) -> NDArray[np.bool_]:
        """Whether the site's dwell or the budget forbid any move into a block."""
        free_from = np.array([limit.free_from_s for limit in self.request.limits])
        return np.asarray(self.starts_s[:, None] + 0.5 < free_from[None, :])

    @cached_property
    def waiting_away(self) -> NDArray[np.bool_]:
        """Whether a move away from cooling into a block is forbidden."""
        away_from = [max(limit.free_from_s, limit.away_from_s) for limit in self.request.limits]
        return np.asarray(self.starts_s[:, None] + 0.5 < np.array(away_from)[None, :])

    @cached_property
    def ends(self) -> tuple[Array, Array]:
        """The range that can be reached from the setpoints in force at their rates.

        A setpoint that is out of its range now (the dew point rose) must come back as fast as
        it may, and the problem stays feasible meanwhile.
        """
        lower = np.tile([limit.lower for limit in self.request.limits], (self.blocks, 1))
        lower = np.maximum(lower, self._economy_lower)
        upper = np.tile([limit.upper for limit in self.request.limits], (self.blocks, 1))
        rise, fall = self.rates
        reach_up = self.request.in_force + np.cumsum(rise, axis=0)
        reach_down = self.request.in_force - np.cumsum(fall, axis=0)
        held = np.tile(self._by_hand_at, (self.blocks, 1))
        for g, values in self.charges.items():
            held[:, g] = values
        lower = np.where(self.fixed, held, np.minimum(lower, reach_up))
        upper = np.where(self.fixed, held, np.maximum(upper, reach_down))
        return lower, np.maximum(lower, upper)

    @cached_property
    def least_approach(self) -> Array:
        """(G,) lower ends for economy alone; minus infinity where there is none."""
        found = [limit.economy_lower for limit in self.request.limits]
        return np.array([-np.inf if value is None else value for value in found])

    @cached_property
    def _economy_lower(self) -> Array:
        """(G,) those that count."""
        return np.where(self.economical, self.least_approach, -np.inf)

    def lower_name(self, g: int) -> str:
        """What sets the lower end of group ``g``."""
        limit = self.request.limits[g]
        return "least approach" if self._economy_lower[g] > limit.lower else limit.lower_name

    def settle(self, wanted: Array) -> Array:
        """(B, G) the nearest setpoints to ``wanted`` within ranges, rates, overrides and backup.

        What the worst case asks for beyond a block's rate comes as fast as the rate allows.
        """
        lower, upper = self.ends
        rise, fall = self.rates
        before = self.request.in_force
        settled = np.empty_like(wanted)
        for b in range(self.blocks):
            ends = (
                np.clip(before - fall[b], lower[b], upper[b]),
                np.clip(before + rise[b], lower[b], upper[b]),
            )
            x = np.clip(wanted[b], *ends)
            if self.rule is not None:
                x = self.rule.admit(before, x, float(self.wet_bulb_c[b]), ends)
            settled[b] = before = np.round(x, 6)
        return settled

    def holding(self) -> Array:
        """(B, G) the setpoints in force, held as far as ranges and overrides let them."""
        return self.settle(np.tile(self.fixed_at, (self.blocks, 1)))

    def previous(self) -> Array | None:
        """(B, G) the last plan as far as it still fits; None where there is none."""
        if self.request.previous is None:
            return None
        return self.settle(np.array(self.request.previous)[self.block_start])

    def steps(self, blocks: Array) -> Array:
        """(B, G) to (T, G)."""
        return np.asarray(blocks[self.block_of_step])
