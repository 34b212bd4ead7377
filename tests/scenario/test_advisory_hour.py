"""More than an hour of the campus in advisory: what people are asked, and what becomes of a yes.

The plant with its Guideline 36 resets, the gateway's core, the envelope, the desk and the tick, in
one process; analytic models in the place of the learned ones, since what is at stake is not skill.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from controller.assembly import LearnedTick
from controller.authority.desk import Desk
from controller.authority.inbox import SUPERSEDED, proposal_of
from controller.authority.roles import Actor, Scope
from controller.evaluation.in_process import controlled, lay_site
from controller.gateway_link import GatewayLink
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.worker import InProcessPlanner
from controller.records import TickRecord
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords
from controller.tick import Parts, Through, TickState
from facility.clock import Clock
from facility.commands import Mode
from facility.site import Site
from facility.telemetry import Snapshot
from sim.scenarios import find, prepare
from tests.planning_plant import AnalyticPlant

HOURS = 1.15
SETTINGS = PlanningSettings(rounds=1, extra_rounds=1)
OPERATOR = Actor("anna", Scope.OPERATOR, "test")
ANSWERS = {8: 0.5, 14: 1.0}
"""By number of the step: the share that is approved of what waits then."""


@dataclass
class Shift:
    """What a person saw and did."""

    asked: list[tuple[float, str]] = field(default_factory=list)
    """When a proposal was new, and its id."""
    drifted: Counter[str] = field(default_factory=Counter)
    """By proposal: setpoints that the plant's own control moved by more than a dead band."""
    results: list[tuple[float, str, str]] = field(default_factory=list)
    """Of each approval: share, result of a write and the check that bound."""


class Attended:
    """A step with a person beside it, who approves at times."""

    def __init__(self, site: Site, clock: Clock, desk: Desk, link: GatewayLink) -> None:
        plant = AnalyticPlant(site)
        parts = Parts(
            site=site,
            model_version=plant.version,
            estimator=plant,
            forecaster=plant,
            planner=InProcessPlanner(PlanMaker(site, plant, SETTINGS)),
            authority=desk,
            gateway=Through(link),
            settings=SETTINGS,
            clock=clock,
        )
        self._inner = LearnedTick(parts, TickState.start(site))
        self._site, self._desk, self.shift = site, desk, Shift()

    def observe(self, snapshot: Snapshot) -> None:
        self._inner.observe(snapshot)

    async def close(self) -> None:
        await self._inner.close()

    async def step(self, snapshot: Snapshot) -> TickRecord:
        record = await self._inner.step(snapshot)
        shift, made = self.shift, record.proposal
        if made is not None and record.is_new:
            shift.asked.append((snapshot.time_s, made.id))
        for move in () if made is None else made.moves:
            actuator = self._site.actuators[move.actuator]
            now = snapshot.good(actuator.read_back)
            if made is not None and now is not None and abs(now - move.now) > actuator.dead_band:
                shift.drifted[made.id] += 1
        if (share := ANSWERS.get(record.number)) is not None:
            (waiting,) = self._desk.inbox.pending()
            seen = proposal_of(waiting)
            _, receipts = await self._desk.approve(
                seen.id,
                seen.plan_hash,
                OPERATOR,
                "a test",
                snapshot=snapshot,
                now_s=snapshot.time_s,
                share=share,
            )
            shift.results += [(share, r.result.value, r.verdict.check) for r in receipts]
        return record


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shift, tuple[Record, ...], list[str]]:
    """The shift, the proposals, newest first, and what every write of it came to."""
    out = tmp_path_factory.mktemp("advisory")
    ready = prepare(find("campus-spring"), hours=HOURS, seed=1)
    site = lay_site(ready, out)
    kept: list[Attended] = []

    def attended(site: Site, clock: Clock, desk: Desk, link: GatewayLink) -> Attended:
        kept.append(Attended(site, clock, desk, link))
        return kept[0]

    controlled(ready, site, attended, out, Mode.ADVISORY, lambda _stage, _share: None)
    records = LocalRecords(Path(out) / "controller" / "records.db")
    proposals = records.find(Kind.PROPOSAL, limit=1000)
    writes = [record.state for record in records.find(Kind.RECEIPT, limit=1000)]
    records.close()
    return kept[0].shift, proposals, writes


Lived = tuple[Shift, tuple[Record, ...], list[str]]


def test_proposals_stand_twenty_minutes_though_the_plant_resets_its_setpoints(
    lived: Lived,
) -> None:
    shift, proposals, _ = lived
    times = [time_s for time_s, _ in shift.asked]
    assert len(times) >= 3
    assert min(b - a for a, b in pairwise(times)) >= SETTINGS.advisory_stand_s
    first = shift.asked[0][1]
    assert shift.drifted[first] > 0, "the plant moved nothing: this run shows nothing"
    for record in proposals:
        if record.state == SUPERSEDED:
            said = record.body["outcome"]
            assert said["time_s"] - record.time_s >= SETTINGS.advisory_stand_s
            assert said["why"].startswith("a new plan ")


def test_what_waits_is_looked_at_again_at_each_step(lived: Lived) -> None:
    _, proposals, _ = lived
    for record in proposals:
        seen = proposal_of(record)
        assert seen.recheck is not None
        assert seen.recheck.objection == ""
        assert seen.recheck.time_s > seen.created_at_s


@pytest.mark.parametrize("share", ANSWERS.values())
def test_a_yes_is_carried_out_and_nothing_of_it_refused(lived: Lived, share: float) -> None:
    shift, _, _ = lived
    results = [result for of, result, _ in shift.results if of == share]
    assert len(results) >= 5
    assert set(results) <= {"written", "unchanged"}, shift.results


def test_no_write_of_the_whole_shift_was_refused(lived: Lived) -> None:
    _, _, writes = lived
    assert set(writes) <= {"written", "unchanged"}, Counter(writes)
