"""The hall of `tests.safety_kit` with the plant above it: pumps, chillers, towers, contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from facility.commands import Move, Origin, Verdict
from facility.devices import Actuator
from facility.equipment import Chiller, CoolingLoop, Tower
from facility.points import Point, SafeDirection
from facility.site import Site
from facility.telemetry import Reading, Snapshot
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.state import EnvelopeState
from tests.safety_kit import (
    ACTUATORS,
    NOW_S,
    actuator,
    command_at,
    decision,
    point,
    read_back,
    site,
    telemetry,
)

WARM = "warm.fws_supply_temperature_setpoint"
TOWER = "tower_water.cw_supply_temperature_setpoint"
PLANT_ACTUATORS = (
    actuator(WARM, "ch_1", minimum=20.0, maximum=36.0, fallback=22.0),
    actuator(TOWER, "ch_1", minimum=5.0, maximum=32.0, fallback=24.0),
)
CHILLERS = {
    name: Chiller(name, "cool", 400.0, 6.0, min_flow_ls=10.0, min_lift_k=4.0, min_condenser_c=12.0)
    for name in ("ch_1", "ch_2")
}
LOOPS = {
    "cool": CoolingLoop("cool", 22.0, 4.0, 1000.0, 40.0, min_flow_ls=8.0),
    "warm": CoolingLoop("warm", 40.0, 20.0, 1000.0, 40.0, trim="cool"),
}
QUIET_PLANT: dict[str, float] = {
    read_back(WARM): 24.0,
    read_back(TOWER): 20.0,
    **dict.fromkeys(("site.fire_alarm", "site.emergency_power_off", "site.generator_running"), 0.0),
    "site.hardwired_enable": 1.0,
    "hall.condensation_alarm": 0.0,
    "cdu_1.overheating_alarm": 0.0,
    "cdu_1.fault_alarm": 0.0,
    "crah_1.fault_alarm": 0.0,
    **{f"{unit}.available": 1.0 for unit in ("ch_1", "ch_2", "t_1", "t_2", "cdu_1")},
    "cdu_1.locked_out": 0.0,
    **{f"{unit}.running": 1.0 for unit in ("ch_1", "ch_2", "cool", "warm")},
    **{f"{unit}.chw_supply_temperature": 18.0 for unit in ("ch_1", "ch_2")},
    **{f"{unit}.chw_flow": 20.0 for unit in ("ch_1", "ch_2")},
    **{f"{loop}.fws_differential_pressure": 80.0 for loop in LOOPS},
    **{f"{loop}.fws_flow": 30.0 for loop in LOOPS},
    "cool.fws_supply_temperature": 18.0,
    "warm.fws_supply_temperature": 24.0,
    "tower_water.cw_supply_temperature": 20.0,
    "tower_water.cw_return_temperature": 26.0,
    "tower_water.cw_flow": 40.0,
    **{f"{rack}.it_power": 50.0 for rack in ("r1", "r2", "r3")},
}
"""A good day of the plant: everything runs, nothing near a limit."""
UNITS = {"power": "kW", "pressure": "kPa", "flow": "L/s", "temperature": "degC"}
ALARMS = {
    "hall.condensation_alarm": SafeDirection.AWAY,
    "cdu_1.overheating_alarm": SafeDirection.TOWARDS,
    "cdu_1.fault_alarm": SafeDirection.HOLD,
    "crah_1.fault_alarm": SafeDirection.RELEASE,
}


def plant_points() -> tuple[Point, ...]:
    return (
        *(point(each.id, "ch_1") for each in PLANT_ACTUATORS),
        *(_point(tag) for tag in QUIET_PLANT),
    )


def _point(tag: str) -> Point:
    unit = next((unit for word, unit in UNITS.items() if word in tag), "state")
    return replace(
        point(tag, "ch_1"), unit=unit, safe_direction=ALARMS.get(tag), quantity=tag.split(".")[1]
    )


def plant_site(**changes: Any) -> Site:
    """The hall with its plant; ``without`` names tags that are not measured."""
    without = set(changes.pop("without", ()))
    values: dict[str, Any] = {
        "points": [*plant_points(), *changes.pop("points", ())],
        "actuators": [*PLANT_ACTUATORS, *changes.pop("actuators", ())],
        "chillers": CHILLERS,
        "loops": LOOPS,
        "towers": {name: Tower(name, 300.0, 10.0) for name in ("t_1", "t_2")},
    }
    whole = site(**(values | changes))
    return replace(whole, points={t: p for t, p in whole.points.items() if t not in without})


GATE = Envelope(limits_of(plant_site()))


def plant_telemetry(
    changes: Mapping[str, float | Reading | None] | None = None, **more: Any
) -> Snapshot:
    """A quiet snapshot of hall and plant with some readings replaced; None takes one out."""
    shown = {**QUIET_PLANT, **(changes or {})}
    gone = [tag for tag, value in shown.items() if value is None]
    shown = {tag: 0.0 if value is None else value for tag, value in shown.items()}
    seen = _with_modes(telemetry(shown, **more))
    return replace(seen, readings={t: r for t, r in seen.readings.items() if t not in gone})


def _with_modes(seen: Snapshot) -> Snapshot:
    mode = next(iter(seen.modes.values()))
    return replace(seen, modes={**seen.modes, **{each.id: mode for each in PLANT_ACTUATORS}})


def plant_holding(gate: Envelope = GATE) -> EnvelopeState:
    """A state that holds every actuator of hall and plant, with a person's wide decision."""
    moves = tuple(Move(name, -1000.0, 1000.0) for name in gate.limits.actuators)
    made = decision(*moves, id="wide-person", origin=Origin.PERSON)
    state = gate.register(EnvelopeState(), made, NOW_S)
    for name in gate.limits.actuators:
        state, verdict = gate.judge_preload(state, name, plant_telemetry(armed=False), NOW_S)
        assert verdict.value is not None, verdict
    return state


STARTS = {
    "cdu_1.tcs_supply_temperature_setpoint": 30.0,
    "cdu_1.tcs_flow_setpoint": 20.0,
    "crah_1.supply_air_temperature_setpoint": 22.0,
    "ch_1.chw_supply_temperature_setpoint": 18.0,
    WARM: 24.0,
    TOWER: 20.0,
}
"""Where each actuator stands on a good day."""


def move(
    seen: Snapshot,
    on: str,
    towards: bool,
    gate: Envelope = GATE,
    state: EnvelopeState | None = None,
    now_s: float = NOW_S,
) -> Verdict:
    """A person's step of 0.3 towards or away from cooling, judged."""
    state = plant_holding(gate) if state is None else state
    own: Actuator = next(a for a in (*ACTUATORS, *PLANT_ACTUATORS) if a.id == on)
    step = 0.3 * own.cooling.sign * (1 if towards else -1)
    person: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}
    asked = command_at(now_s, STARTS[on] + step, on, **person)
    return gate.judge(state, asked, seen, now_s)[1]
