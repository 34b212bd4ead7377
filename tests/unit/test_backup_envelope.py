"""The worst case in the envelope: commands, sets of commands, values in force, and plans."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from facility.commands import Command, Decision, Mode, Move, Origin, Outcome
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.worst_case import WorstCase
from safety.backup_site import backup_of
from safety.envelope import Action, Envelope, needs_write
from safety.limits import limits_of
from safety.state import ActuatorState, EnvelopeState
from tests.planning_plant import AnalyticPlant, reference_site, request_for, usual_setpoints

NOW_S = 1_712_448_000.0
SUPPLY, FLOW = "cdu1.tcs_supply_temperature_setpoint", "cdu1.tcs_flow_setpoint"
ON = {"hardwired_enable", "available"}


@cache
def gate(name: str = "campus") -> Envelope:
    return Envelope(limits_of(reference_site(name)))


def snapshot(held: dict[str, float], wet_bulb_c: float = 10.0, name: str = "campus") -> Snapshot:
    site = reference_site(name)
    usual = {"dew_point_temperature": 8.0, "wet_bulb_temperature": wet_bulb_c, "tcs_flow": 40.0}
    usual |= {"case_temperature": 55.0, "inlet_temperature": 23.0, "remote_active": 1.0}
    usual |= {"fws_supply_temperature": 20.0, "fws_differential_pressure": 120.0}
    usual |= {"tcs_supply_temperature": 25.0, "fws_flow": 150.0, "running": 1.0}
    safe = {"state": 0.0, "count": 0.0}
    values = {
        tag: usual.get(point.quantity, safe.get(point.unit, 20.0))
        for tag, point in site.points.items()
    }
    values |= {tag: 1.0 for tag, p in site.points.items() if p.quantity in ON}
    values |= {a.read_back: held[a.id] for a in site.actuators.values()}
    return Snapshot(
        NOW_S,
        {tag: Reading(value, Quality.GOOD, NOW_S) for tag, value in values.items()},
        {d: DeviceStatus(d, True, Authority.REMOTE, True, NOW_S, 2.0) for d in site.devices},
        dict.fromkeys(site.actuators, Mode.AUTOMATIC),
    )


def usual(name: str = "campus") -> dict[str, float]:
    return {a.id: a.fallback for a in reference_site(name).actuators.values()}


def state(held: dict[str, float], name: str = "campus") -> EnvelopeState:
    moves = tuple(Move(a, -1000.0, 1000.0) for a in held)
    decision = Decision(
        *("d", "p", "plan", Origin.OPTIMISER, "automatic", ""), moves, NOW_S - 1.0, NOW_S + 1e6
    )
    fresh = gate(name).register(EnvelopeState(), decision, NOW_S)
    memory = {a: ActuatorState(in_force=v, accepted_at_s=NOW_S - 7200.0) for a, v in held.items()}
    return replace(fresh, actuators=memory)


def command(actuator: str, value: float) -> Command:
    return Command("c", actuator, value, Origin.OPTIMISER, "d", "plan", NOW_S, NOW_S + 60.0)


def test_a_command_that_would_not_survive_the_worst_case_is_limited() -> None:
    held = usual() | {SUPPLY: 27.0, FLOW: 16.0}
    _, verdict = gate().judge(state(held), command(FLOW, 14.0), snapshot(held), NOW_S)
    assert verdict.check in {"backup", "rate"}
    bound = verdict.value
    assert bound is not None
    held[FLOW] = bound
    _, verdict = gate().judge(state(held), command(SUPPLY, 40.0), snapshot(held), NOW_S)
    assert verdict.outcome is not Outcome.ALLOW


def test_of_a_set_each_command_is_judged_with_the_others_at_their_worst() -> None:
    # Warmer and faster at once: either alone may be in force for a moment.
    held = usual() | {SUPPLY: 25.0, FLOW: 17.0}
    asked = (command(SUPPLY, 40.0), command(FLOW, 22.0))
    _, together = gate().judge_all(state(held), asked, snapshot(held), NOW_S)
    _, alone = gate().judge(state(held), asked[0], snapshot(held), NOW_S)
    assert together[0] == alone


def test_a_value_in_force_is_taken_towards_cooling_when_the_wet_bulb_rises() -> None:
    held = usual() | {SUPPLY: 21.0, FLOW: 14.9}
    dry = gate().judge_in_force(state(held), snapshot(held), NOW_S)[1]
    humid = gate().judge_in_force(state(held), snapshot(held, 26.0), NOW_S)[1]
    found = {each.actuator: each for each in humid if each.check == "backup"}
    assert FLOW not in {each.actuator for each in dry}
    assert found[FLOW].action is Action.CORRECT
    assert (found[FLOW].value or 0.0) > 14.9


@pytest.mark.parametrize("name", ["campus", "frontier"])
def test_the_plants_own_values_survive_on_the_reference_sites(name: str) -> None:
    held = usual(name)
    _, corrections = gate(name).judge_in_force(state(held, name), snapshot(held, 24.0, name), NOW_S)
    assert [each for each in corrections if each.check == "backup"] == []


@pytest.mark.parametrize("name", ["campus", "frontier"])
@pytest.mark.parametrize("load", [0.2, 0.9])
def test_what_is_planned_passes_the_worst_case(name: str, load: float) -> None:
    plant = AnalyticPlant(reference_site(name))
    asked = request_for(plant, load=load, setpoints=usual_setpoints(plant.site))
    plan = PlanMaker(plant.site, plant, PlanningSettings()).make(asked).plan
    assert plan is not None
    held = {
        a.id: float(asked.in_force[g]) for g, m in enumerate(plant.site.groups.values()) for a in m
    }
    first = dict(zip(plan.groups, plan.setpoints[0], strict=True))
    commands = [command(a.id, first[a.group]) for a in plant.site.actuators.values()]
    before = state(held, name)
    telemetry = snapshot(held, asked.wet_bulb_c[0], name)
    _, verdicts = gate(name).judge_all(before, commands, telemetry, NOW_S)
    assert [v for v in verdicts if v.check == "backup"] == []
    assert any(needs_write(v) for v in verdicts)
    assert np.isfinite(plan.saving_kw)


def test_a_plant_that_answers_sooner_admits_more() -> None:
    site = reference_site("frontier")
    quick = replace(site, worst_case=WorstCase(answer_s=40.0))
    slow, fast = backup_of(site).circuits[0], backup_of(quick).circuits[0]
    assert all(b.lift_k < a.lift_k for a, b in zip(slow.paths, fast.paths, strict=True))
    assert backup_of(site).unguarded == ()


def test_from_outside_a_command_goes_towards_it_as_far_as_the_rate_allows() -> None:
    # The plant's own control may stand outside: to refuse the way in would keep it there.
    held = usual() | {SUPPLY: 36.0, FLOW: 16.0}
    _, verdict = gate().judge(state(held), command(SUPPLY, 20.0), snapshot(held), NOW_S)
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.LIMIT, 34.0, "rate")
    _, short = gate().judge(state(held), command(SUPPLY, 35.0), snapshot(held), NOW_S)
    assert (short.outcome, short.value, short.check) == (Outcome.LIMIT, 34.0, "backup")
    _, flow = gate().judge(state(held), command(FLOW, 17.0), snapshot(held), NOW_S)
    assert flow.value is None or flow.value >= 17.0
