"""The record of a tick: everything that its decision depended on, and what became of it.

A tick recomputed from its record gives the same plan, whose hash is compared; wall-clock
seconds are kept for people and take no part in comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.environment import Environment
from controller.estimation.history import tags_used
from controller.planning.settings import PlanningSettings
from controller.planning.words import PlanOutcome, PlanRequest
from facility.commands import Command, Decision, Mode, Override, Proposal, Receipt
from facility.site import Site
from facility.telemetry import DeviceStatus, Reading, Snapshot

FORMAT = 2
"""Of the record: 1 had neither settings nor environment nor devices."""


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One control step, from snapshot to receipts."""

    number: int
    time_s: float
    site_hash: str
    model_version: str
    modes: Mapping[str, Mode]
    """By actuator, as the gateway reported them."""
    readings: Mapping[str, Reading]
    """The readings that the step looked at, by tag, with their quality."""
    held: Mapping[str, str]
    """Inputs that were not measured and held, by tag: why."""
    overrides: tuple[Override, ...]
    request: PlanRequest | None
    """None where the step could not be planned; ``note`` says why."""
    outcome: PlanOutcome | None
    proposal: Proposal | None
    """The one that stands after this step, new or not."""
    is_new: bool
    """Whether ``proposal`` was made in this step."""
    decision: Decision | None
    commands: tuple[Command, ...]
    receipts: tuple[Receipt, ...]
    note: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)
    """Wall-clock seconds by stage."""
    devices: Mapping[str, DeviceStatus] = field(default_factory=dict)
    """As the gateway saw them, by device."""
    settings: PlanningSettings | None = None
    """The planner's."""
    environment: Environment | None = None
    """Where it was computed."""
    format: int = 1

    @classmethod
    def empty(
        cls,
        number: int,
        snapshot: Snapshot,
        site: Site,
        model_version: str,
        overrides: tuple[Override, ...],
        *,
        settings: PlanningSettings | None = None,
        environment: Environment | None = None,
    ) -> TickRecord:
        """The record of a step that has only seen its snapshot yet."""
        tags = dict.fromkeys((*tags_used(site), *site.tags("cooling_load")))
        return cls(
            number=number,
            time_s=snapshot.time_s,
            site_hash=site.content_hash,
            model_version=model_version,
            modes=snapshot.modes,
            readings={tag: snapshot.readings[tag] for tag in tags if tag in snapshot.readings},
            held={},
            overrides=overrides,
            request=None,
            outcome=None,
            proposal=None,
            is_new=False,
            decision=None,
            commands=(),
            receipts=(),
            devices=snapshot.devices,
            settings=settings,
            environment=environment,
            format=FORMAT,
        )

    @property
    def fallback(self) -> bool:
        """Whether no verified answer of a solver was at hand."""
        return self.outcome is None or self.outcome.fallback

    @property
    def written(self) -> int:
        """Commands that the plant took."""
        return sum(1 for receipt in self.receipts if receipt.written is not None)
