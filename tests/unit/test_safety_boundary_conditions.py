"""The conditions of the plant, each at its edge: below, at, above, in its last digit, unread.

One table for all of them, by actuator; a test holds it complete, so that a new condition has to be
given its row before it can be merged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest

from facility.commands import Mode, Move, Origin, Outcome
from facility.equipment import Chiller
from facility.points import DataType, SafeDirection
from facility.site import Site
from facility.telemetry import Quality, Reading, Snapshot
from safety.arithmetic import grains
from safety.conditions import stage_limits
from safety.envelope import Action, Envelope
from safety.guards import Effect, Interlock, Redundancy, Swing
from safety.limits import limits_of
from safety.state import EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    QUIET,
    TEMPERATURE,
    actuator,
    command_at,
    decision,
    moment,
    point,
    read_back,
    reading,
    site,
    telemetry,
)

TOWER = "tower_water.cw_supply_temperature_setpoint"
T, A, H, R = Effect.TOWARDS, Effect.AWAY, Effect.HOLD, Effect.ISOLATE

SHOWN: dict[str, float] = {
    "site.fire_alarm": 0.0,
    "site.emergency_power_off": 0.0,
    "site.generator_running": 0.0,
    "site.hardwired_enable": 1.0,
    "cdu_1.locked_out": 0.0,
    "cdu_1.available": 1.0,
    "ch_1.locked_out": 0.0,
    "ch_1.available": 1.0,
    "ch_2.available": 1.0,
    "ch_1.running": 1.0,
    "ch_2.running": 0.0,
    "cool.running": 1.0,
    "tower_water.running": 1.0,
    "cool.fws_differential_pressure": 60.0,
    "cool.fws_flow": 30.0,
    "cool.fws_supply_temperature": 10.0,
    "ch_1.chw_supply_temperature": 10.0,
    "ch_1.chw_flow": 20.0,
    "tower_water.cw_supply_temperature": 24.0,
    "tower_water.cw_return_temperature": 29.0,
    "tower_water.cw_flow": 40.0,
    "hall.overheating_alarm": 0.0,
    "hall.condensation_alarm": 0.0,
    "cdu_1.fault_alarm": 0.0,
    "crah_1.fault_alarm": 0.0,
}
DIRECTIONS = {
    "hall.overheating_alarm": SafeDirection.TOWARDS,
    "hall.condensation_alarm": SafeDirection.AWAY,
    "cdu_1.fault_alarm": SafeDirection.HOLD,
    "crah_1.fault_alarm": SafeDirection.RELEASE,
}


def plant() -> Site:
    """The small hall with every condition measured, and a second chiller."""
    more = [
        point(tag, "ch_1", DataType.FLOAT64, unit=_unit(tag), safe_direction=DIRECTIONS.get(tag))
        for tag in SHOWN
    ]
    tower = actuator(TOWER, "ch_1", minimum=16.0, maximum=30.0, fallback=24.0)
    whole = site(
        points=[*more, point(TOWER, "ch_1"), point(read_back(TOWER), "ch_1")],
        actuators=[tower],
        chillers={
            "ch_1": Chiller("ch_1", "cool", 400.0, 6.0, 10.0, 8.0, 16.0),
            "ch_2": Chiller("ch_2", "cool", 300.0, 6.0),
        },
    )
    cool = replace(whole.loops["cool"], min_flow_ls=20.0)
    return replace(whole, loops={**whole.loops, "cool": cool})


def _unit(tag: str) -> str:
    if "temperature" in tag:
        return "degC"
    return "L/s" if "flow" in tag else "kPa" if "pressure" in tag else "state"


SITE = plant()
LIMITS = limits_of(SITE)
GATE = Envelope(LIMITS)
CALM = {**QUIET, **SHOWN, read_back(TOWER): 24.0}


@dataclass(frozen=True)
class Row:
    """A condition of an actuator: the reading that makes it active, and what it leaves open."""

    on: str
    name: str
    tag: str
    edge: float
    """The last value at which it is not active."""
    above: bool
    opens: Effect
    unread: Effect | None
    """None where it is not active if the reading cannot be used."""
    needs: tuple[tuple[str, float | None], ...] = ()


EVERYWHERE = [
    Row(on, name, f"site.{name}", 0.5, above, R, H)
    for on in (TEMPERATURE, FLOW, AIR, CHILLED, TOWER)
    for name, above in (
        ("fire_alarm", True),
        ("emergency_power_off", True),
        ("generator_running", True),
        ("hardwired_enable", False),
    )
]
OF_THE_UNIT = [
    row
    for on in (TEMPERATURE, FLOW)
    for row in (
        Row(on, "leak", LEAK, 0.5, True, R, H),
        Row(on, "locked_out", "cdu_1.locked_out", 0.5, True, R, H),
        Row(on, "out_of_service", "cdu_1.available", 0.5, False, H, H),
        Row(on, "fault_alarm", "cdu_1.fault_alarm", 0.5, True, H, H),
        Row(on, "low_flow", MEASURED_FLOW, 9.5, False, T, T),
        Row(on, "hot_rack", "r1.case_temperature", 75.0, True, T, None),
        Row(on, "hot_rack", "r2.case_temperature", 75.0, True, T, None),
        Row(on, "hot_rack", "r1.case_temperature", 75.0, True, T, T,
            (("r2.case_temperature", None),)),
        Row(on, "overheating_alarm", "hall.overheating_alarm", 0.5, True, T, T),
        Row(on, "condensation_alarm", "hall.condensation_alarm", 0.5, True, A, A),
    )
]  # fmt: skip
OF_THE_AIR = [
    Row(AIR, "fault_alarm", "crah_1.fault_alarm", 0.5, True, R, H),
    Row(AIR, "hot_rack", "r3.inlet_temperature", 32.0, True, T, T),
    Row(AIR, "overheating_alarm", "hall.overheating_alarm", 0.5, True, T, T),
    Row(AIR, "condensation_alarm", "hall.condensation_alarm", 0.5, True, A, A),
]
ONE_CHILLER = ("ch_2.available", 0.0)
OF_THE_PLANT = [
    Row(CHILLED, "locked_out", "ch_1.locked_out", 0.5, True, R, H),
    Row(CHILLED, "out_of_service", "ch_1.available", 0.5, False, H, H),
    Row(CHILLED, "low_pressure", "cool.fws_differential_pressure", 31.05, False, T, T),
    Row(CHILLED, "pump_flow", "cool.fws_flow", 19.0, False, A, A),
    Row(CHILLED, "freeze", "cool.fws_supply_temperature", 4.4, False, A, A),
    Row(CHILLED, "freeze", "ch_1.chw_supply_temperature", 4.4, False, A, A),
    Row(CHILLED, "evaporator_flow", "ch_1.chw_flow", 9.5, False, A, A),
    Row(CHILLED, "low_lift", "tower_water.cw_return_temperature", 18.0, False, T, T),
    Row(CHILLED, "low_lift", "ch_1.chw_supply_temperature", 21.0, True, T, T),
    Row(CHILLED, "redundancy_chillers_of_cool", "ch_2.available", 0.5001, False, T, T),
    Row(CHILLED, "redundancy_chillers_of_cool", "ch_1.available", 0.5001, False, T, T),
    Row(CHILLED, "overheating_alarm", "hall.overheating_alarm", 0.5, True, T, T),
    Row(TOWER, "freeze", "tower_water.cw_supply_temperature", 4.4, False, A, A),
    Row(TOWER, "low_lift", "tower_water.cw_return_temperature", 18.0, False, A, A),
    Row(TOWER, "cold_condenser", "tower_water.cw_supply_temperature", 16.0, False, A, A),
]
TABLE = [*EVERYWHERE, *OF_THE_UNIT, *OF_THE_AIR, *OF_THE_PLANT]


def shown(changes: dict[str, Any]) -> Snapshot:
    """A calm day with some readings changed; None is one that cannot be had."""
    absent = reading(None, quality=Quality.ABSENT)
    values = {tag: absent if value is None else value for tag, value in changes.items()}
    seen = telemetry({**CALM, **values})
    return replace(seen, modes={**seen.modes, TOWER: Mode.AUTOMATIC})


def active(on: str, changes: dict[str, Any]) -> list[tuple[str, Effect, bool]]:
    now = moment(shown(changes))
    found = (now.of(guard) for guard in LIMITS.actuators[on].interlocks)
    return [(each.name, each.effect, each.known) for each in found if each is not None]


def test_on_a_calm_day_nothing_is_active() -> None:
    assert {on: active(on, {}) for on in LIMITS.actuators} == {on: [] for on in LIMITS.actuators}


def test_every_condition_has_its_row() -> None:
    found = {
        (on, guard.name)
        for on, own in LIMITS.actuators.items()
        for guard in own.interlocks
        if not isinstance(guard, Swing)
    }
    inherited = {(CHILLED, "condensation_alarm"), (CHILLED, "fault_alarm"), (CHILLED, "hot_rack")}
    inherited |= {(TOWER, name) for _, name in found}
    assert found - {(row.on, row.name) for row in TABLE} <= inherited


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.on}-{row.name}-{row.tag}")
def test_a_condition_at_its_edge(row: Row) -> None:
    side = 1.0 if row.above else -1.0
    needs = dict(row.needs)

    def found(value: float | Reading | None) -> list[tuple[Effect, bool]]:
        told = active(row.on, needs | {row.tag: value})
        return [(effect, known) for name, effect, known in told if name == row.name]

    for inside in (row.edge, row.edge - side * 1e-4, row.edge - side * 0.4):
        assert found(inside) == []
    for outside in (row.edge + side * 1e-4, row.edge + side * 0.5):
        assert found(outside) == [(row.opens, True)]
    counted = row.name.startswith("redundancy")
    for lost in (None, math.nan, Reading(row.edge, Quality.BAD, NOW_S), reading(1e10)):
        wanted = [] if row.unread is None else [(row.unread, counted)]
        assert found(lost) == wanted


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.on}-{row.name}-{row.tag}")
def test_what_a_condition_leaves_open(row: Row) -> None:
    """One step each way, as a person: only what the table says may pass."""
    side = 1.0 if row.above else -1.0
    seen = shown(dict(row.needs) | {row.tag: row.edge + side * 0.5})
    held, cooling = CALM[read_back(row.on)], LIMITS.actuators[row.on].cooling.sign

    def passes(way: int) -> bool:
        value = held + way * cooling * (0.4 if way > 0 else 0.1)
        asked = command_at(NOW_S, value, row.on, origin=Origin.PERSON, authority="all")
        return GATE.judge(HELD, asked, seen, NOW_S)[1].outcome is not Outcome.REFUSE

    own_machine_too = row.tag == "ch_1.available"  # out of service as well: nothing moves
    opens = H if own_machine_too else row.opens
    expected = {T: (True, False), A: (False, True)}.get(opens, (False, False))
    assert (passes(1), passes(-1)) == expected
    _, found = GATE.judge_in_force(HELD, seen, NOW_S)
    back = {each.actuator for each in found if each.action is Action.RELEASE}
    assert (row.on in back) is (row.opens is R)


def hold() -> EnvelopeState:
    """Every actuator held where it stands on a calm day."""
    moves = tuple(Move(name, -1000.0, 1000.0) for name in LIMITS.actuators)
    made = decision(*moves, id="all", origin=Origin.PERSON)
    state = GATE.register(EnvelopeState(), made, NOW_S)
    local = replace(shown({}), devices=telemetry(armed=False).devices)
    for name in LIMITS.actuators:
        state, verdict = GATE.judge_preload(state, name, local, NOW_S)
        assert verdict.value is not None, verdict
    return state


HELD = hold()


@pytest.mark.parametrize(
    ("on", "name", "machine", "tag", "value"),
    [
        (CHILLED, "low_pressure", "cool.running", "cool.fws_differential_pressure", 0.0),
        (CHILLED, "pump_flow", "cool.running", "cool.fws_flow", 0.0),
        (CHILLED, "evaporator_flow", "ch_1.running", "ch_1.chw_flow", 0.0),
        (CHILLED, "low_lift", "ch_1.running", "tower_water.cw_return_temperature", 12.0),
        (TOWER, "low_lift", "ch_1.running", "tower_water.cw_return_temperature", 12.0),
        (TOWER, "cold_condenser", "ch_1.running", "tower_water.cw_supply_temperature", 8.0),
    ],
)
@pytest.mark.parametrize(
    ("running", "counts"), [(0.0, False), (0.5, False), (0.5001, True), (1.0, True), (None, True)]
)
def test_a_machine_that_stands_needs_no_water(
    on: str, name: str, machine: str, tag: str, value: float, running: float | None, counts: bool
) -> None:
    told = [each for each, _, _ in active(on, {tag: value, machine: running})]
    assert (name in told) is counts


def test_the_loop_of_a_chiller_and_the_racks_of_the_hall_concern_it() -> None:
    names = [guard.name for guard in LIMITS.actuators[CHILLED].interlocks]
    assert names[:4] == [
        *("fire_alarm", "emergency_power_off", "generator_running", "hardwired_enable")
    ]
    assert names.index("locked_out") < names.index("out_of_service") < names.index("hot_rack")


@pytest.mark.parametrize(
    ("age_s", "believed"), [(-1.0, True), (-1.001, False), (16.0, True), (16.001, False)]
)
def test_a_reading_of_the_future_or_of_long_ago_is_no_reading(age_s: float, believed: bool) -> None:
    told = active(FLOW, {LEAK: Reading(0.0, Quality.GOOD, NOW_S - age_s)})
    assert told == ([] if believed else [("leak", H, False)])


def test_redundancy_in_full() -> None:
    """400 and 300 kW for 300 kW of racks: with the larger one lost 300 kW are left, no more."""
    (guard,) = [g for g in LIMITS.actuators[CHILLED].interlocks if isinstance(g, Redundancy)]
    assert guard.rated_kw == (400.0, 300.0)
    assert guard.needed_kw == 300.0
    assert [each.tag for each in guard.available] == ["ch_1.available", "ch_2.available"]
    lost = moment(shown({"ch_1.available": 0.0})).of(guard)
    assert lost is not None
    assert lost.saw == {"left_kw": 0.0, "needed_kw": 300.0, "available": 1.0}
    assert {type(number) for number in lost.saw.values()} == {float}


def test_inlet_air_is_watched_for_its_swing() -> None:
    found = [g for g in LIMITS.actuators[AIR].interlocks if isinstance(g, Swing)]
    assert found == [
        Swing("inlet_rise", ("r3.inlet_temperature",), True, T),
        Swing("inlet_fall", ("r3.inlet_temperature",), False, A),
    ]
    assert not [g for g in LIMITS.actuators[FLOW].interlocks if isinstance(g, Swing)]


def test_starts_and_stops_of_a_chiller_in_full() -> None:
    own = stage_limits(SITE, "ch_1")
    assert (own.start_to_start_s, own.starts_in_12_h) == (900.0, 8)
    assert (own.min_on_s, own.min_off_s) == (300.0, 600.0)
    assert own.running is not None
    assert own.running.tag == "ch_1.running"
    names = [[g.name for g in each] for each in (own.always, own.before_start, own.before_stop)]
    assert names[0] == [
        *("fire_alarm", "emergency_power_off", "generator_running", "hardwired_enable"),
        *("locked_out", "out_of_service"),
    ]
    assert names[1] == ["pump_first", "pump_first", "pump_first", "freeze"]
    assert names[2] == ["redundancy_chillers_of_cool"]
    firsts = [g for g in own.before_start if isinstance(g, Interlock) and g.name == "pump_first"]
    assert [(g.watches[0].tag, g.watches[0].threshold) for g in firsts] == [
        ("cool.running", 0.5),
        ("tower_water.running", 0.5),
        ("tower_water.cw_flow", 0.5),
    ]
    assert {(g.above, g.effect, g.unknown, g.quorum) for g in firsts} == {(False, H, H, 1)}


def test_a_threshold_is_a_whole_number_of_grains_away_from_its_neighbour() -> None:
    for row in TABLE:
        assert grains(row.edge) != grains(row.edge + 1e-4)


def test_the_batteries_cover_every_actuator() -> None:
    assert {row.on for row in TABLE} == set(LIMITS.actuators)
    assert {each.id for each in ACTUATORS} < set(LIMITS.actuators)
