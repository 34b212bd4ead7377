"""The conditions of the plant: below, at and above each threshold, and what is left open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Outcome
from facility.equipment import Chiller
from facility.telemetry import Quality, Reading
from safety.envelope import Action, Envelope
from safety.limits import limits_of
from tests.safety_kit import AIR, CHILLED, FLOW, NOW_S, TEMPERATURE, reading
from tests.safety_plant import (
    CHILLERS,
    GATE,
    LOOPS,
    QUIET_PLANT,
    TOWER,
    WARM,
    move,
    plant_holding,
    plant_site,
    plant_telemetry,
)

STATE = plant_holding()
ALL = (TEMPERATURE, FLOW, AIR, CHILLED, WARM, TOWER)


def ways(changes: dict[str, Any], on: str, gate: Envelope = GATE) -> tuple[str, str]:
    """The checks that refuse a step towards cooling and one away from it; empty where allowed."""
    state = STATE if gate is GATE else plant_holding(gate)
    out = []
    for towards in (True, False):
        verdict = move(plant_telemetry(changes), on, towards, gate, state)
        assert (verdict.value is None) == (verdict.outcome is Outcome.REFUSE)
        out.append(verdict.check)
    return out[0], out[1]


@pytest.mark.parametrize("on", ALL)
def test_on_a_good_day_both_directions_are_open(on: str) -> None:
    assert ways({}, on) == ("", "")


# -- the building: back to local ----------------------------------------------------------------


@pytest.mark.parametrize("on", ALL)
@pytest.mark.parametrize("contact", ["fire_alarm", "emergency_power_off", "generator_running"])
def test_fire_emergency_off_and_generator_refuse_and_give_everything_back(
    contact: str, on: str
) -> None:
    tag = f"site.{contact}"
    assert ways({tag: 0.5}, on) == ("", "")
    assert ways({tag: 0.5001}, on) == (contact, contact)
    _, found = GATE.judge_in_force(STATE, plant_telemetry({tag: 1.0}), NOW_S)
    assert {each.actuator for each in found} == set(ALL)
    assert {(each.action, each.check) for each in found} == {(Action.RELEASE, contact)}


def test_an_open_hardwired_enable_gives_everything_back() -> None:
    tag = "site.hardwired_enable"
    assert ways({tag: 0.5}, AIR) == ("", "")
    assert ways({tag: 0.4999}, AIR) == ("hardwired_enable", "hardwired_enable")
    _, found = GATE.judge_in_force(STATE, plant_telemetry({tag: 0.0}), NOW_S)
    assert {each.check for each in found} == {"hardwired_enable"}


@pytest.mark.parametrize(
    "tag", ["site.fire_alarm", "site.emergency_power_off", "site.hardwired_enable"]
)
def test_a_contact_that_cannot_be_read_holds_and_then_gives_back(tag: str) -> None:
    check = tag.split(".")[1]
    gone: dict[str, Any] = {tag: None}
    assert ways(gone, WARM) == (check, check)
    state, found = GATE.judge_in_force(STATE, plant_telemetry(gone), NOW_S)
    assert found == ()
    later = plant_telemetry(gone, now_s=NOW_S + 300.001)
    _, found = GATE.judge_in_force(state, later, NOW_S + 300.001)
    assert {(each.action, each.check) for each in found} == {(Action.RELEASE, check)}
    assert {each.actuator for each in found} == set(ALL)


# -- machines -----------------------------------------------------------------------------------


def test_a_machine_that_a_person_locked_goes_back_and_no_other() -> None:
    tag = "cdu_1.locked_out"
    assert ways({tag: 0.5}, FLOW) == ("", "")
    assert ways({tag: 0.5001}, FLOW) == ("locked_out", "locked_out")
    assert ways({tag: 1.0}, AIR) == ("", "")
    _, found = GATE.judge_in_force(STATE, plant_telemetry({tag: 1.0}), NOW_S)
    assert {each.actuator for each in found} == {TEMPERATURE, FLOW}


def test_nothing_is_moved_on_a_machine_out_of_service_and_its_device_stays() -> None:
    tag = "cdu_1.available"
    assert ways({tag: 0.5}, TEMPERATURE) == ("", "")
    assert ways({tag: 0.4999}, TEMPERATURE) == ("out_of_service", "out_of_service")
    _, found = GATE.judge_in_force(STATE, plant_telemetry({tag: 0.0}), NOW_S)
    assert found == ()


# -- alarms -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "on", "left"),
    [
        # Away alone: a step towards is refused.
        ("hall.condensation_alarm", TEMPERATURE, ("condensation_alarm", "")),
        ("hall.condensation_alarm", FLOW, ("condensation_alarm", "")),
        ("hall.condensation_alarm", WARM, ("condensation_alarm", "")),
        ("cdu_1.overheating_alarm", TEMPERATURE, ("", "overheating_alarm")),
        ("cdu_1.overheating_alarm", FLOW, ("", "overheating_alarm")),
        ("cdu_1.overheating_alarm", AIR, ("", "")),
        ("cdu_1.fault_alarm", TEMPERATURE, ("fault_alarm", "fault_alarm")),
        ("crah_1.fault_alarm", AIR, ("fault_alarm", "fault_alarm")),
        ("crah_1.fault_alarm", FLOW, ("", "")),
    ],
)
def test_an_alarm_leaves_its_safe_direction_open(tag: str, on: str, left: tuple[str, str]) -> None:
    assert ways({tag: 0.5}, on) == ("", "")
    assert ways({tag: 0.5001}, on) == left
    assert ways({tag: None}, on) == left  # unread: as if it were active
    assert ways({tag: reading(0.0, quality=Quality.BAD)}, on) == left


def test_only_an_alarm_that_says_release_gives_back() -> None:
    active = {"crah_1.fault_alarm": 1.0, "cdu_1.fault_alarm": 1.0, "hall.condensation_alarm": 1.0}
    _, found = GATE.judge_in_force(STATE, plant_telemetry(active), NOW_S)
    assert [(each.actuator, each.action, each.check) for each in found] == [
        (AIR, Action.RELEASE, "fault_alarm")
    ]


def test_alarms_that_contradict_leave_no_move() -> None:
    both = {"hall.condensation_alarm": 1.0, "cdu_1.overheating_alarm": 1.0}
    assert ways(both, TEMPERATURE) == ("condensation_alarm", "overheating_alarm")


def test_a_correction_towards_cooling_against_an_alarm_gives_back() -> None:
    own = GATE.limits.actuators[CHILLED]
    narrow = replace(own, bounds=(replace(own.bounds[1], upper=17.5),))
    limits = replace(GATE.limits, actuators={**GATE.limits.actuators, CHILLED: narrow})
    gate = Envelope(limits)
    _, found = gate.judge_in_force(STATE, plant_telemetry(), NOW_S)
    assert [(each.actuator, each.action) for each in found] == [(CHILLED, Action.CORRECT)]
    cold = plant_telemetry({"hall.condensation_alarm": 1.0})
    _, found = gate.judge_in_force(STATE, cold, NOW_S)
    assert [(each.actuator, each.action) for each in found] == [(CHILLED, Action.RELEASE)]


# -- redundancy ---------------------------------------------------------------------------------

# Chillers of 400 kW, racks of 300 kW in all: as built 400 are left with one lost, and 300 needed.


@pytest.mark.parametrize("on", [CHILLED, WARM])
@pytest.mark.parametrize("lost", [0.5, 0.0, None, Reading(1.0, Quality.STALE, NOW_S)])
def test_without_a_spare_chiller_nothing_moves_away_from_cooling(on: str, lost: Any) -> None:
    assert ways({"ch_2.available": 0.5001}, on) == ("", "")
    assert ways({"ch_2.available": lost}, on) == ("", "redundancy_chillers_of_cool")
    assert ways({"ch_2.available": lost}, TEMPERATURE) == ("", "")
    _, found = GATE.judge_in_force(STATE, plant_telemetry({"ch_2.available": lost}), NOW_S)
    assert found == ()


def test_without_a_spare_tower_the_tower_water_does_not_get_warmer() -> None:
    assert ways({"t_1.available": 0.0}, TOWER) == ("", "redundancy_towers")
    verdict = move(plant_telemetry({"t_1.available": 0.0}), TOWER, False, state=STATE)
    assert verdict.saw["left_kw"] == 0.0
    assert verdict.saw["needed_kw"] == 300.0
    assert verdict.saw["available"] == 1.0
    assert ways({"t_1.available": 0.0, "t_2.available": 0.0}, TOWER) == ("", "redundancy_towers")


@pytest.mark.parametrize(
    ("largest_kw", "check"), [(300.0, ""), (299.9999, "redundancy_chillers_of_cool")]
)
def test_what_is_left_with_one_more_lost_is_compared_with_what_is_needed(
    largest_kw: float, check: str
) -> None:
    """Three machines, one of them away: of the other two the smaller must carry 300 kW."""
    rated = {"ch_1": 1000.0, "ch_2": largest_kw, "ch_3": 500.0}
    chillers = {
        name: Chiller(name, "cool", kw, 6.0, min_flow_ls=10.0) for name, kw in rated.items()
    }
    third = replace(plant_site().points["ch_2.available"], tag="ch_3.available", equipment="ch_3")
    gate = Envelope(limits_of(plant_site(chillers=chillers, points=[third])))
    whole: dict[str, Any] = {"ch_3.available": 1.0}
    seen = plant_telemetry(whole)
    state = plant_holding(GATE)
    assert move(seen, CHILLED, False, gate, state).check == ""
    lost = plant_telemetry({"ch_3.available": 0.0})
    assert move(lost, CHILLED, False, gate, state).check == check


def test_crahs_of_a_hall_are_spares_of_one_another() -> None:
    crah = plant_site().crahs["crah_1"]
    crahs = {f"crah_{i}": replace(crah, id=f"crah_{i}") for i in (1, 2)}
    base = plant_site().points["ch_2.available"]
    points = [
        replace(base, tag=f"{name}.available", equipment=name, device="crah_1") for name in crahs
    ]
    gate = Envelope(limits_of(plant_site(crahs=crahs, points=points)))
    own = {each.name for each in gate.limits.actuators[AIR].interlocks}
    assert "redundancy_crahs_of_hall" in own
    both = {"crah_1.available": 1.0, "crah_2.available": 1.0}
    state = plant_holding(GATE)
    assert move(plant_telemetry(both), AIR, False, gate, state).check == ""
    lost = plant_telemetry({**both, "crah_2.available": 0.0})
    assert move(lost, AIR, False, gate, state).check == "redundancy_crahs_of_hall"


# -- water --------------------------------------------------------------------------------------


def test_low_differential_pressure_leaves_more_cooling_while_the_pumps_run() -> None:
    tag = "cool.fws_differential_pressure"
    assert ways({tag: 31.05}, CHILLED) == ("", "")  # 90 % of 34.5 kPa
    assert ways({tag: 31.0499}, CHILLED) == ("", "low_pressure")
    assert ways({tag: 0.0, "cool.running": 0.5}, CHILLED) == ("", "")
    assert ways({tag: 0.0, "cool.running": 0.5001}, CHILLED) == ("", "low_pressure")
    assert ways({tag: 0.0, "cool.running": None}, CHILLED) == ("", "low_pressure")
    assert ways({tag: None}, CHILLED) == ("", "low_pressure")
    assert ways({tag: 0.0}, WARM) == ("", "")  # another loop's
    gate = Envelope(limits_of(plant_site(without=["cool.running"])))
    assert move(plant_telemetry({tag: 0.0}), CHILLED, False, gate, STATE).check == "low_pressure"


def test_the_least_flow_of_pumps_leaves_less_cooling() -> None:
    tag = "cool.fws_flow"
    assert ways({tag: 7.6}, CHILLED) == ("", "")  # 95 % of 8 L/s
    assert ways({tag: 7.5999}, CHILLED) == ("pump_flow", "")
    assert ways({tag: 0.0, "cool.running": 0.0}, CHILLED) == ("", "")


@pytest.mark.parametrize(
    ("tag", "on"),
    [
        ("tower_water.cw_supply_temperature", TOWER),
        ("cool.fws_supply_temperature", CHILLED),
        ("ch_1.chw_supply_temperature", CHILLED),
        ("warm.fws_supply_temperature", WARM),
    ],
)
def test_near_freezing_nothing_gets_colder(tag: str, on: str) -> None:
    # Chillers and pumps stand, so that lift and the least condenser temperature do not count.
    still = {"ch_1.running": 0.0, "ch_2.running": 0.0}
    assert ways({**still, tag: 4.4}, on) == ("", "")
    assert ways({**still, tag: 4.3999}, on) == ("freeze", "")
    assert ways({**still, tag: None}, on) == ("freeze", "")


def test_the_least_flow_of_an_evaporator_leaves_less_cooling_while_it_runs() -> None:
    tag = "ch_1.chw_flow"
    assert ways({tag: 9.5}, CHILLED) == ("", "")  # 95 % of 10 L/s
    assert ways({tag: 9.4999}, CHILLED) == ("evaporator_flow", "")
    assert ways({tag: 0.0, "ch_1.running": 0.0}, CHILLED) == ("", "")
    assert ways({"ch_2.chw_flow": 0.0}, CHILLED) == ("", "")


def test_low_lift_leaves_colder_chilled_and_warmer_tower_water() -> None:
    tag = "tower_water.cw_return_temperature"
    assert ways({tag: 22.0}, CHILLED) == ("", "")  # 18 + 4 K
    assert ways({tag: 21.9999}, CHILLED) == ("", "low_lift")
    assert ways({tag: 22.0}, TOWER) == ("", "")
    assert ways({tag: 21.9999}, TOWER) == ("low_lift", "")
    assert ways({tag: None}, TOWER) == ("low_lift", "")
    assert ways({"ch_2.chw_supply_temperature": None}, TOWER) == ("low_lift", "")
    standing = {"ch_1.running": 0.0, "ch_2.running": 0.0}
    assert ways({tag: 10.0, **standing}, TOWER) == ("", "")
    verdict = move(plant_telemetry({tag: 20.0}), CHILLED, False, state=STATE)
    assert verdict.saw == {
        "asked": pytest.approx(18.3),
        "start": 18.0,
        "lower": 16.0,
        "upper": 18.0,
        "tower_water.cw_return_temperature less ch_1.chw_supply_temperature": 2.0,
        "threshold": 4.0,
    }


def test_the_worst_of_several_lifts_is_told() -> None:
    own = GATE.limits.actuators[TOWER]
    lifts = [each for each in own.interlocks if each.name == "low_lift"]
    assert len(lifts) == len(CHILLERS)
    decimal = {"tower_water.cw_return_temperature": 12.3, "ch_1.chw_supply_temperature": 8.3}
    assert ways({**decimal, "ch_2.running": 0.0, "tower_water.cw_supply_temperature": 20.0}, TOWER)[
        0
    ] == ("")  # 12.3 - 8.3 is 4, whatever floats make of it


def test_the_coldest_water_for_a_condenser_while_its_chiller_runs() -> None:
    tag = "tower_water.cw_supply_temperature"
    assert ways({tag: 12.0}, TOWER) == ("", "")
    assert ways({tag: 11.9999}, TOWER) == ("cold_condenser", "")
    assert ways({tag: 11.0, "ch_1.running": 0.0, "ch_2.running": 0.0}, TOWER) == ("", "")


# -- what a site leaves out ---------------------------------------------------------------------


def test_a_site_that_measures_everything_lists_only_what_it_declares() -> None:
    gaps = [gap for gap in GATE.limits.unguarded if not gap.split(":")[0].endswith("_setpoint")]
    assert gaps == [
        "warm: no min_flow_ls or no fws_flow: its pumps' least flow is not kept",
        "crahs_of_hall: one alone, or not all availability known: lost spares stop no move",
        "hall: one CRAH alone; its loss is borne by no setpoint",
    ]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("site.fire_alarm", "site: no fire_alarm point"),
        ("site.hardwired_enable", "site: no hardwired_enable point"),
        ("cool.fws_differential_pressure", "cool: no differential pressure"),
        ("cool.fws_flow", "cool: no min_flow_ls or no fws_flow"),
        ("cool.fws_supply_temperature", "cool: supply not measured: freezing"),
        ("ch_1.chw_flow", "ch_1: no min_flow_ls or no ch_1.chw_flow"),
        ("tower_water.cw_return_temperature", "ch_1: no min_lift_k or no tower_water.cw_return"),
        ("tower_water.cw_supply_temperature", "ch_2: no min_condenser_c or no tower_water.cw_sup"),
        ("t_2.available", "towers: one alone, or not all availability known"),
    ],
)
def test_what_is_not_measured_is_listed_and_is_no_condition(gone: str, said: str) -> None:
    gate = Envelope(limits_of(plant_site(without=[gone])))
    assert any(gap.startswith(said) for gap in gate.limits.unguarded)
    seen = plant_telemetry({gone: None})
    for on in ALL:
        assert move(seen, on, True, gate, STATE).value is not None
        assert move(seen, on, False, gate, STATE).value is not None


def test_a_site_without_any_alarm_says_so() -> None:
    alarms = [tag for tag in QUIET_PLANT if tag.endswith("_alarm")]
    limits = limits_of(plant_site(without=alarms))
    assert any("no alarm point" in gap for gap in limits.unguarded)


@pytest.mark.parametrize("field", ["min_flow_ls", "min_lift_k", "min_condenser_c"])
def test_a_chillers_limit_that_is_not_given_is_listed(field: str) -> None:
    nothing: dict[str, Any] = {field: None}
    bare = {name: replace(each, **nothing) for name, each in CHILLERS.items()}
    limits = limits_of(plant_site(chillers=bare))
    assert any(gap.startswith(f"ch_1: no {field}") for gap in limits.unguarded)
    lost = {"min_flow_ls": "evaporator_flow", "min_lift_k": "low_lift"}.get(field, "cold_condenser")
    names = {each.name for own in limits.actuators.values() for each in own.interlocks}
    assert lost not in names


def test_a_site_without_loops_freezes_at_zero() -> None:
    limits = limits_of(
        plant_site(
            loops={}, chillers={}, actuators=[], without=["ch_1.available", "ch_2.available"]
        )
    )
    found = [each for each in limits.actuators[TOWER].interlocks if each.name == "freeze"]
    assert found
    assert LOOPS["cool"].freeze_c == 4.4


# -- the plant's own setpoints ------------------------------------------------------------------


def test_the_plants_own_setpoints_are_judged_all_at_once() -> None:
    assert GATE.judge_fallbacks(plant_telemetry(), NOW_S) == {}
    found = GATE.judge_fallbacks(plant_telemetry({"hall.dew_point_temperature": 27.1}), NOW_S)
    assert set(found) == {TEMPERATURE}
    assert found[TEMPERATURE].check == "dew_point"
    assert found[TEMPERATURE].saw["fallback"] == 30.0
