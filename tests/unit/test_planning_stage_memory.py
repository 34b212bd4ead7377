"""When machines and stages changed last, as a controller sees it, and experiments with stages."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from controller.lifecycle import experiment
from controller.planning.limits import FOR_GOOD_S, group_limits, in_force
from controller.planning.settings import PlanningSettings
from controller.planning.stage_choice import StageMemory
from controller.planning.staging import choices_of
from controller.planning.words import STAGE, GroupLimits
from facility.commands import Mode, Override
from facility.excitation import Targets
from facility.telemetry import Quality, Reading, Snapshot
from sim.history import _towards
from tests.planning_plant import reference_site
from tests.planning_requests import snapshot_for, usual_setpoints

SITE = reference_site("campus-stages")
GROUP = "cool.chiller_stage_setpoint"
NAMES = tuple(SITE.chillers)
NOW_S = 1_720_008_000.0


def snapshot(now_s: float, running: int, stage: float | None = None) -> Snapshot:
    values = {f"{name}.running": float(i < running) for i, name in enumerate(NAMES)}
    values["cool.chiller_stage"] = float(running) if stage is None else stage
    return Snapshot(now_s, {t: Reading(v, Quality.GOOD, now_s) for t, v in values.items()})


def test_a_site_without_requests_remembers_nothing() -> None:
    memory = StageMemory.of(reference_site("campus"))
    assert memory.seen(snapshot(NOW_S, 2)) is memory
    assert choices_of(reference_site("campus"), snapshot(NOW_S, 2), memory, (), settings()) == ()


def settings() -> PlanningSettings:
    return PlanningSettings()


def test_what_is_seen_first_may_have_changed_just_now_and_then_time_runs() -> None:
    memory = StageMemory.of(SITE).seen(snapshot(NOW_S, 2))
    assert memory.stages == {GROUP: (2.0, NOW_S)}
    assert memory.units["chiller1"].starts_s == (NOW_S,)
    assert memory.units["chiller3"].starts_s == ()
    later = memory.seen(snapshot(NOW_S + 1200.0, 2))
    assert later.stages == memory.stages
    assert later.units == memory.units
    more = later.seen(snapshot(NOW_S + 1300.0, 3))
    assert more.stages == {GROUP: (3.0, NOW_S + 1300.0)}
    assert more.units["chiller3"].changed_at_s == NOW_S + 1300.0


def test_without_a_reading_of_the_stage_the_contacts_are_counted_and_silence_changes_nothing() -> (
    None
):
    seen = snapshot(NOW_S, 2)
    without = {t: r for t, r in seen.readings.items() if t != "cool.chiller_stage"}
    memory = StageMemory.of(SITE).seen(Snapshot(NOW_S, without))
    assert memory.stages == {GROUP: (2.0, NOW_S)}
    silent = memory.seen(Snapshot(NOW_S + 60.0, {}))
    assert silent.stages == memory.stages
    assert silent.units == memory.units


def limits_at(mode: Mode = Mode.AUTOMATIC, overrides: tuple[Override, ...] = ()) -> GroupLimits:
    x = usual_setpoints(SITE)
    g = list(SITE.groups).index(GROUP)
    x[g] = 2.0
    seen = snapshot_for(SITE, x, x[:1].repeat(len(SITE.racks)), mode=mode)
    held = group_limits(SITE, seen, in_force(SITE, seen, {}), overrides, {}, settings())
    return held[g]


@pytest.mark.parametrize(
    ("mode", "by"), [(Mode.AUTOMATIC, STAGE), (Mode.ADVISORY, STAGE), (Mode.OFF, "mode off")]
)
def test_every_plan_holds_the_stage_in_force(mode: Mode, by: str) -> None:
    limit = limits_at(mode)
    assert (limit.fixed_at, limit.fixed_until_s, limit.fixed_by) == (2.0, FOR_GOOD_S, by)


def test_a_persons_override_stands_for_the_stage() -> None:
    ada = Override("o1", GROUP, 4.0, "ada", "to see", NOW_S - 10.0, NOW_S + 3600.0)
    limit = limits_at(overrides=(ada,))
    assert (limit.fixed_at, limit.fixed_by) == (4.0, "ada")


def test_an_experiment_asks_for_whole_machines_within_the_dwell() -> None:
    plan = experiment.plan(SITE, 24.0, seed=3, wet_bulb_c=15.0)
    asked = [write for write in plan.writes if write.actuator == GROUP]
    assert len(asked) >= 5
    assert all(write.value in (1.0, 2.0, 3.0, 4.0, 5.0) for write in asked)
    times = [write.at_s for write in asked]
    assert all(b - a >= 900.0 for a, b in pairwise(times))


def test_people_at_the_panel_ask_for_whole_machines() -> None:
    actuator = SITE.actuators[GROUP]
    targets = Targets(SITE, random.Random(1).uniform, 0.0)
    held, seen = 5.0, set()
    for minute in range(3000):
        targets.at(60.0 * minute, 12.0)
        held = _towards(actuator, held, targets.of(actuator))
        seen.add(held)
    assert seen == {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize(("plan_s", "tried"), [(0.0, True), (2.6, True), (2.7, False)])
def test_other_stages_are_tried_where_there_is_time_for_their_plans(
    plan_s: float, tried: bool
) -> None:
    now_s = NOW_S + 7200.0
    contacts = {"site.hardwired_enable": 1.0, "cool.running": 1.0, "tower_water.cw_flow": 50.0}
    contacts |= dict.fromkeys(
        ("site.fire_alarm", "site.emergency_power_off", "site.generator_running"), 0.0
    )
    for name in NAMES:
        contacts |= {f"{name}.available": 1.0, f"{name}.locked_out": 0.0}
        contacts |= {f"{name}.chw_supply_temperature": 12.0, f"{name}.cooling_load": 200.0}
    seen = snapshot(now_s, 2)
    shown = {t: Reading(v, Quality.GOOD, now_s) for t, v in contacts.items()}
    seen = Snapshot(now_s, {**seen.readings, **shown})
    memory = StageMemory.of(SITE).seen(snapshot(NOW_S, 2))
    (choice,) = choices_of(SITE, seen, memory, (limits_at(),), settings(), plan_s)
    assert choice.options == ((1, 3) if tried else ())
    assert any("No time for other stages" in said for said in choice.kept_out) != tried
    unhurried = PlanningSettings(stage_time_s=None)
    (choice,) = choices_of(SITE, seen, memory, (limits_at(),), unhurried, plan_s)
    assert choice.options == (1, 3)
