"""One control step, top to bottom.

    snapshot -> estimate -> forecast -> plan -> proposal -> decision -> commands -> receipts

Each arrow is a function of frozen values in `controller.estimation` and `controller.planning`;
the ports (planner, authority, gateway) are the only things that wait or reach outside. A step
never raises for what the field, a model, a solver or the gateway did: it moves nothing, and its
record says why.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from controller.authority.port import Authority
from controller.authority.worst_case import WorstCaseSeen
from controller.environment import environment
from controller.estimation import estimate as estimation
from controller.estimation import forecasts, history
from controller.estimation.peak import Peak, followed
from controller.gateway_link import GatewayLink, GatewayRefusedError, GatewayUnavailableError
from controller.planning import limits, proposal, request, staging, standing, storage_state
from controller.planning.settings import PlanningSettings
from controller.planning.stage_choice import StageMemory
from controller.planning.words import Plan, Planner, PlanOutcome, PlanRequest
from controller.records import TickRecord
from facility.clock import Clock
from facility.commands import Command, Decision, Mode, Override, Proposal, Receipt
from facility.site import Site
from facility.telemetry import Snapshot


class Gateway(Protocol):
    """Where commands go, under the decision that allows them."""

    async def send(self, decision: Decision, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Register the decision, then write; one receipt each, in order."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a tick is wired to; see `controller.assembly`."""

    site: Site
    model_version: str
    estimator: estimation.Estimator
    forecaster: forecasts.Forecaster
    planner: Planner
    authority: Authority
    gateway: Gateway
    prices: forecasts.Prices | None = None
    settings: PlanningSettings = field(default_factory=PlanningSettings)
    clock: Clock | None = None
    """Stamps commands when they are sent: a plan takes a while where time does not stand still.
    Without one the snapshot's time stands."""

    @cached_property
    def worst_case(self) -> WorstCaseSeen:
        """The envelope's worst case of the site: what may be written now, and what waits."""
        return WorstCaseSeen(self.site)


@dataclass(frozen=True)
class TickState:
    """What a tick hands to the next."""

    history: history.History
    number: int = 0
    estimate: estimation.Estimate | None = None
    setpoints: Mapping[str, float] = field(default_factory=dict)
    """Last seen in force, by group."""
    plan: Plan | None = None
    """The last verified plan."""
    proposal: Proposal | None = None
    """The one that stands."""
    writes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By actuator: the optimiser's writes of the last hour."""
    peak: Peak | None = None
    """The month's, where the site pays for it."""
    stages: StageMemory = field(default_factory=StageMemory)
    """When chillers changed, where stages may be asked for."""
    plan_s: float = 0.0
    """Wall-clock time that the last plan took, without others of other stages."""

    @classmethod
    def start(cls, site: Site) -> TickState:
        """Before the first snapshot."""
        return cls(history.start(site), stages=StageMemory.of(site))

    def seen(self, snapshot: Snapshot) -> TickState:
        """With a snapshot between ticks: history goes on a row a minute."""
        return replace(self, history=self.history.seen(snapshot), stages=self.stages.seen(snapshot))


async def tick(state: TickState, snapshot: Snapshot, parts: Parts) -> tuple[TickState, TickRecord]:
    """One control step at the moment of ``snapshot``."""
    now_s, site, settings = snapshot.time_s, parts.site, parts.settings
    watch = Stopwatch()
    state = replace(state.seen(snapshot), number=state.number + 1)
    if site.tariff.demand_per_kw_month > 0.0:
        state = replace(state, peak=followed(state.peak, state.history, site))
    setpoints = limits.in_force(site, snapshot, state.setpoints)
    overrides = parts.authority.overrides(now_s)
    record = TickRecord.empty(
        state.number,
        snapshot,
        site,
        parts.model_version,
        overrides,
        settings=settings,
        environment=environment(),
    )
    try:
        found = estimation.estimate(state.estimate, state.history, site, parts.estimator)
        state = replace(state, estimate=found, setpoints=setpoints)
        watch.lap("estimate")
        ahead = forecasts.outlook(
            found.frame,
            site,
            parts.forecaster,
            start_s=now_s,
            step_s=settings.step_s,
            steps=settings.steps,
        )
        watch.lap("forecast")
        asked = _request(state, snapshot, ahead, overrides, parts)
    except (estimation.EstimateError, ValueError) as error:
        return state, replace(record, note=f"not planned: {error}", seconds=watch.laps)
    record = replace(record, held=found.held, request=asked)

    outcome = await parts.planner.plan(asked)
    watch.lap("plan")
    if not any(choice.options for choice in asked.stages):
        state = replace(state, plan_s=outcome.seconds)
    if outcome.plan is not None and outcome.plan.verified:
        state = replace(state, plan=outcome.plan)
    fresh = (
        None
        if outcome.plan is None
        else proposal.propose(outcome.plan, site, snapshot, setpoints, settings, state.number)
    )
    kept = _kept(state.proposal, outcome, fresh, snapshot, parts)
    stands = fresh if kept is None else kept
    state = replace(state, proposal=stands)
    record = replace(record, outcome=outcome, proposal=stands, is_new=kept is None)
    if stands is None:
        return state, replace(record, seconds=watch.laps)

    sent_s = now_s if parts.clock is None else parts.clock.now_s()
    decision = parts.authority.decide(stands, snapshot, sent_s)
    commands = commands_of(decision, snapshot, parts.worst_case, site, state.number, sent_s)
    record = replace(record, decision=decision, commands=commands)
    if decision is not None and commands:
        try:
            receipts = await parts.gateway.send(decision, commands)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            return state, replace(record, note=f"not written: {error}", seconds=watch.laps)
        written = {receipt.actuator for receipt in receipts if receipt.written is not None}
        state = replace(state, writes=limits.recent(state.writes, written, now_s))
        record = replace(record, receipts=receipts)
    watch.lap("write")
    return state, replace(record, seconds=watch.laps)


def _kept(
    before: Proposal | None,
    outcome: PlanOutcome,
    fresh: Proposal | None,
    snapshot: Snapshot,
    parts: Parts,
) -> Proposal | None:
    """The proposal that stood before this step, looked at again, where it stands on."""
    if before is None:
        return None
    if outcome.standing is not None:
        before = replace(before, recheck=outcome.standing)
    why = standing.why_it_falls(before, fresh, parts.site, snapshot, parts.settings)
    if not why:
        return before
    parts.authority.drop(before.id, why, snapshot.time_s)
    return None


def _request(
    state: TickState,
    snapshot: Snapshot,
    ahead: forecasts.Outlook,
    overrides: Sequence[Override],
    parts: Parts,
) -> PlanRequest:
    """Everything that the plan of this step depends on; ValueError where it is not known."""
    site, settings, now_s = parts.site, parts.settings, snapshot.time_s
    if (unknown := request.unknown_setpoints(site, state.setpoints)) is not None:
        raise ValueError(unknown)
    if state.estimate is None:
        raise ValueError("the hall's state has not been estimated")
    times = [now_s + (k + 0.5) * settings.step_s for k in range(settings.steps)]
    found = limits.group_limits(site, snapshot, state.setpoints, overrides, state.writes, settings)
    later = storage_state.hours_later(site, now_s, settings)
    return request.request_of(
        state.number,
        now_s,
        settings.step_s,
        found,
        ahead,
        forecasts.prices_of(site, parts.prices, times),
        parts.estimator.to_text(state.estimate.state),
        parts.estimator.power_factors(state.estimate.frame),
        parts.model_version,
        state.plan,
        None if state.peak is None else state.peak.kw,
        site.tariff.demand_per_kw_month,
        _asked_again(state.proposal, snapshot, site),
        staging.choices_of(site, snapshot, state.stages, found, settings, state.plan_s),
        storage_state.charges_of(site),
        storage_state.states_of(site, snapshot),
        forecasts.prices_of(site, parts.prices, later) if later else (),
    )


def _asked_again(stands: Proposal | None, snapshot: Snapshot, site: Site) -> Mapping[str, float]:
    """By actuator group: where the proposal that waits for a person would still go."""
    if stands is None or not standing.is_asked(snapshot.modes):
        return {}
    return standing.targets(standing.left_to_do(stands, site, snapshot), site)


def commands_of(
    decision: Decision | None,
    snapshot: Snapshot,
    worst_case: WorstCaseSeen,
    site: Site,
    number: int,
    now_s: float,
) -> tuple[Command, ...]:
    """The commands of the mode's own decision, for the actuators that are in automatic.

    A supply that the envelope would take further than was planned, since the flow of the same
    decision has yet to come up, waits for the next step. What a person decided is carried out by
    the desk that took the decision, at once and until it is in force, so that an approval does
    not wait for the next step.
    """
    if decision is None:
        return ()
    wanted = tuple(
        Command(
            id=f"c{number:06d}-{move.actuator}",
            actuator=move.actuator,
            value=move.proposed,
            origin=decision.origin,
            authority=decision.id,
            plan_hash=decision.plan_hash,
            issued_at_s=now_s,
            expires_at_s=min(decision.expires_at_s, now_s + site.gateway.command_max_age_s),
        )
        for move in decision.moves
        if snapshot.modes.get(move.actuator) is Mode.AUTOMATIC
    )
    return worst_case.ready(wanted, snapshot)


@dataclass(frozen=True)
class Through:
    """The gateway's link as the tick's port."""

    link: GatewayLink

    async def send(self, decision: Decision, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Register the decision, then write."""
        await self.link.decide(decision)
        return await self.link.command(commands)


class Stopwatch:
    """Wall-clock seconds by stage; for people, and no part of any decision."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Count the time since the last lap to ``stage``."""
        now = time.perf_counter()
        self.laps = {**self.laps, stage: now - self._last}
        self._last = now
