"""The control loop over a gateway in memory and a clock that is put forward by hand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from controller.authority.roles import Scope
from controller.gateway_link import GatewayUnavailableError
from controller.loop import ControlLoop, LoopParts
from controller.records import TickRecord
from controller.service.context import Context
from controller.storage.ports import Kind
from facility.clock import FixedClock, RunEnded
from facility.commands import Mode
from facility.telemetry import Quality, Reading, Snapshot
from tests.controller_fakes import (
    CASE,
    CDU_SETPOINT,
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
)


class RunClock(FixedClock):
    """Ends the run at a moment, and puts the gateway's time forward with its own."""

    def __init__(self, start_s: float, end_s: float, link: FakeLink) -> None:
        super().__init__(start_s)
        self._end_s, self._link = end_s, link

    async def sleep_until(self, time_s: float) -> float:
        now_s = await super().sleep_until(time_s)
        self._link.now_s = now_s
        if now_s >= self._end_s:
            raise RunEnded("the end")
        return now_s


class PlainTick:
    """Proposes one thing; what becomes of it is the desk's."""

    def __init__(self, here: Context, link: FakeLink) -> None:
        self._here, self._link = here, link
        self.times_s: list[float] = []
        self.observed = 0

    def observe(self, snapshot: Snapshot) -> None:
        self.observed += 1

    async def step(self, snapshot: Snapshot) -> TickRecord:
        self.times_s.append(snapshot.time_s)
        number = len(self.times_s)
        made = proposal(number, snapshot.time_s)
        decision = self._here.desk.decide(made, snapshot, snapshot.time_s)
        return TickRecord(
            number=number,
            time_s=snapshot.time_s,
            site_hash="s",
            model_version="m",
            modes=snapshot.modes,
            readings={},
            held={},
            overrides=self._here.desk.overrides(snapshot.time_s),
            request=None,
            outcome=None,
            proposal=made,
            is_new=True,
            decision=decision,
            commands=(),
            receipts=(),
        )

    async def close(self) -> None:
        pass


def world(
    directory: Path, seconds: float, mode: Mode
) -> tuple[Context, FakeLink, PlainTick, ControlLoop]:
    link = FakeLink(small_site(), mode)
    clock = RunClock(START_S, START_S + seconds, link)
    here = replace(context(directory, link, lambda: 0.0), clock=clock)
    here.live.snapshot = None
    tick = PlainTick(here, link)
    loop = ControlLoop(
        LoopParts(
            site=here.site,
            clock=clock,
            link=link,
            desk=here.desk,
            alarms=here.alarms,
            telemetry=here.telemetry,
            ticks=here.ticks,
            tick=tick,
            live=here.live,
            summary_file=directory / "summary.json",
        )
    )
    return here, link, tick, loop


async def test_it_beats_each_second_looks_each_five_and_ticks_each_three_hundred(
    tmp_path: Path,
) -> None:
    here, link, tick, loop = world(tmp_path, 900.0, Mode.AUTOMATIC)
    await loop.run()
    assert len(link.of("beat")) == 900
    assert len(link.of("snapshot")) == tick.observed == 180
    assert tick.times_s == [START_S, START_S + 300, START_S + 600]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["ticks"], summary["fallbacks"]) == (3, 3)
    assert summary["tick_seconds_p50"] <= summary["tick_seconds_p95"]
    assert summary["actuator_hours_held_share"] == 1.0
    assert summary["actuator_hours"]["automatic"] == pytest.approx(3 * 895 / 3600)
    assert len(here.records.find(Kind.TICK)) == 3
    stored = here.telemetry.frame([CASE], START_S, START_S + 840, every_s=60.0)
    assert stored[CASE].tolist() == [50.0] * 15


async def test_on_a_wall_clock_it_leaves_when_the_run_is_over(tmp_path: Path) -> None:
    _, link, _, loop = world(tmp_path, 900.0, Mode.SHADOW)
    loop._p = replace(loop._p, ends_at_s=START_S + 40.0)
    await loop.run()
    assert len(link.of("beat")) == 40
    assert (tmp_path / "summary.json").exists()


async def test_in_shadow_nothing_is_asked_of_the_gateway(tmp_path: Path) -> None:
    _, link, _, loop = world(tmp_path, 650.0, Mode.SHADOW)
    await loop.run()
    assert {op for op, _ in link.calls} == {"beat", "snapshot"}


async def test_the_first_tick_waits_for_a_complete_snapshot_but_not_for_ever(
    tmp_path: Path,
) -> None:
    _, link, tick, loop = world(tmp_path, 90.0, Mode.SHADOW)
    whole = link.snapshot

    async def partial() -> Snapshot:
        snapshot = await whole()
        absent = Reading(None, Quality.ABSENT, snapshot.time_s, "never answered")
        return replace(snapshot, readings={**snapshot.readings, CASE: absent})

    link.snapshot = partial  # type: ignore[method-assign]  # the one answer that differs
    await loop.run()
    assert tick.times_s == [START_S + 60]


async def test_an_override_in_force_is_held_by_the_loop(tmp_path: Path) -> None:
    here, link, _, loop = world(tmp_path, 120.0, Mode.ADVISORY)
    await here.desk.override(
        CDU_SETPOINT,
        25.0,
        90.0,
        here.tokens.authenticate(here.tokens.issue("Ada", Scope.OPERATOR)[1]),
        "check",
        snapshot=await link.snapshot(),
        now_s=START_S,
    )
    link.values.clear()  # the device forgets
    await loop.run()
    assert link.values == {CDU_SETPOINT: 25.0}
    assert [r.state for r in here.records.find(Kind.OVERRIDE)] == ["expired"]
    assert all(c.expires_at_s <= START_S + 90 for cs in link.of("command") for c in cs)


async def test_a_gateway_that_goes_away_is_an_alarm_and_found_again(tmp_path: Path) -> None:
    here, link, tick, loop = world(tmp_path, 900.0, Mode.SHADOW)
    answer = link.beat

    async def beat(plan_age_s: float | None) -> None:
        link.away = START_S + 100 <= link.now_s < START_S + 200
        if link.away:
            raise GatewayUnavailableError("no gateway answers")
        await answer(plan_age_s)

    link.beat = beat  # type: ignore[method-assign]  # the one answer that differs
    await loop.run()
    assert len(link.of("beat")) == 800
    gateway = [r for r in here.records.find(Kind.ALARM) if r.body["condition"] == "gateway"]
    assert [r.state for r in gateway] == ["returned"]
    assert len(tick.times_s) == 3


async def test_on_a_wall_clock_a_slow_tick_does_not_stop_the_heart(tmp_path: Path) -> None:
    here, link, tick, loop = world(tmp_path, 30.0, Mode.SHADOW)
    release = asyncio.Event()
    step = tick.step

    async def slow(snapshot: Snapshot) -> TickRecord:
        await release.wait()
        return await step(snapshot)

    tick.step = slow  # type: ignore[method-assign]  # the one step that differs
    here.clock.stands_still = False  # type: ignore[misc]  # a wall clock, without its waiting
    quick = here.clock.sleep_until

    async def sleep_until(time_s: float) -> float:
        await asyncio.sleep(0.002)  # lets what runs beside the loop go on
        return await quick(time_s)

    here.clock.sleep_until = sleep_until  # type: ignore[method-assign]  # see above
    await loop.run()
    assert len(link.of("beat")) == 30
    assert here.live.ticks == 0
    assert json.loads((tmp_path / "summary.json").read_text())["ticks"] == 0
