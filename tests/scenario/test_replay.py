"""Recorded decisions computed again: equal in every bit, and what was changed is found."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.environment import environment
from controller.planning.ramp import ramp_plan
from controller.planning.words import Attempt, PlanOutcome, PlanRequest
from controller.planning.worker import carry_on
from controller.records import TickRecord
from controller.replay.lookup import Ticks
from controller.replay.recompute import Ask, Replayed, ReplayError, Sources, replay
from controller.storage.opening import RECORDS, Place, Stores, open_stores
from controller.storage.ports import Kind, StorageError
from facility.site import Site
from tests.models_hall import small_site
from tests.scenario.test_tick_learned import lately, maker, parts, run, shot


@contextmanager
def planner(_site: Site, _tick: TickRecord) -> Iterator[Ask]:
    yield maker().make


def replayed(stores: Stores) -> list[Replayed]:
    ticks = Ticks(stores.records, stores.ticks)
    steps, damage = ticks.drawn(1000, 0)
    assert damage == []
    return list(replay(steps, Sources(ticks.of_number, lambda _: small_site(), planner)))


@pytest.fixture
async def stores(tmp_path: Path) -> Any:
    (tmp_path / "state").mkdir()
    stores = open_stores(Place(tmp_path / "state"))
    for tick in await run(lately().iloc[:142]):
        stores.ticks.keep(tick)
    yield stores
    stores.close()


async def test_every_decision_comes_out_equal_in_every_bit(stores: Stores) -> None:
    found = replayed(stores)
    assert len(found) == 5
    for one in found:
        assert one.comparison.exact, one.comparison.where
        assert one.matches
        assert one.exact_expected
        assert one.along_record == ""
    ticks = Ticks(stores.records, stores.ticks)
    step = ticks.named("3")
    assert step.tick.decision is not None
    assert step.tick.proposal is not None
    assert step.tick.commands
    assert ticks.named(step.id).id == step.id
    assert ticks.named(step.tick.proposal.id).tick.number <= 3
    assert ticks.named(step.tick.decision.id).tick.number <= 3
    with pytest.raises(ReplayError, match="--list"):
        ticks.named("p000099-1")


async def test_a_changed_byte_of_a_record_is_found(stores: Stores, tmp_path: Path) -> None:
    entry = stores.records.find(Kind.TICK)[2].body
    path = tmp_path / "state" / "ticks" / entry["file"]
    body = path.read_bytes()
    for position in (12, len(body) // 2, len(body) - 1):
        path.write_bytes(body[:position] + bytes([body[position] ^ 4]) + body[position + 1 :])
        with pytest.raises(StorageError, match="SHA-256 is another one"):
            stores.ticks.tick(entry["id"])
    path.unlink()
    with pytest.raises(StorageError, match="is missing"):
        stores.ticks.tick(entry["id"])
    _, damage = Ticks(stores.records, stores.ticks).drawn(1000, 0)
    assert len(damage) == 1


async def test_a_record_that_was_forged_whole_is_found(stores: Stores, tmp_path: Path) -> None:
    import sqlite3

    record = stores.records.find(Kind.TICK)[2]
    path = tmp_path / "state" / "ticks" / record.body["file"]
    tick = json.loads(gzip.decompress(path.read_bytes()))
    tick["request"]["limits"][0]["in_force"] += 1.0
    forged = gzip.compress(json.dumps(tick).encode())
    path.write_bytes(forged)
    body = {**record.body, "sha256": hashlib.sha256(forged).hexdigest()}
    stores.records.write(change=[replace(record, body=body)])
    wrong = [one for one in replayed(stores) if not one.matches]
    assert [one.tick for one in wrong] == [record.id]
    assert wrong[0].comparison.where
    assert any(record.id in words for words in stores.ticks.breaks())
    with sqlite3.connect(tmp_path / "state" / RECORDS) as db:
        db.execute("DELETE FROM records WHERE id = ?", (record.id,))
    db.close()
    assert any("missing" in words for words in stores.ticks.breaks())


class Silent:
    """A planner whose process did not answer in time from the second request on."""

    def __init__(self) -> None:
        self.last: tuple[PlanRequest, PlanOutcome] | None = None

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        if self.last is None:
            self.last = request, maker().make(request)
            return self.last[1]
        before = self.last[1].plan
        assert before is not None
        carried = carry_on(before, request)
        attempts = [Attempt("worker", 0, "timed out", False, "no answer within 20 s")]
        attempts.append(Attempt("previous", 0, "shifted", carried is not None))
        plan = carried or ramp_plan(request, parts().settings)
        return PlanOutcome(plan, tuple(attempts), True, 20.0, carried_from=self.last[0].number)

    async def close(self) -> None: ...


async def test_a_time_out_is_replayed_along_its_record_and_says_so(stores: Stores) -> None:
    from controller.tick import TickState, tick

    state, wired = TickState.start(small_site()), replace(parts(), planner=Silent())
    for number, (moment, row) in enumerate(lately().iloc[:131].iterrows()):
        snapshot = shot(moment, row)  # type: ignore[arg-type]  # the index is of timestamps
        if number >= 120 and number % 5 == 0:
            state, record = await tick(replace(state, number=state.number + 10), snapshot, wired)
            stores.ticks.keep(record)
        else:
            state = state.seen(snapshot)
    found = replayed(stores)
    told = [one for one in found if one.along_record]
    assert len(told) == 2
    for one in found:
        assert one.matches, (one.tick, one.comparison.where)
    assert all("no answer within 20 s" in one.along_record for one in told)


async def test_another_processor_is_told_and_held_to_the_tolerance(stores: Stores) -> None:
    ticks = Ticks(stores.records, stores.ticks)
    step = ticks.named("2")
    elsewhere = replace(environment(), processor="another one x64")
    moved = replace(step, tick=replace(step.tick, environment=elsewhere))
    sources = Sources(ticks.of_number, lambda _: small_site(), planner)
    (one,) = replay([moved], sources)
    assert not one.exact_expected
    assert one.matches
    assert "another one x64" in one.differs_in[0]
