"""Whatever the plant shows: no accepted command moves the way that a condition forbids.

The conditions are stated here a second time, by hand and in plain floats, from docs/safety.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from facility.telemetry import Quality, Reading, Snapshot
from safety.envelope import Action, needs_write
from safety.state import EnvelopeState
from tests.safety_kit import AIR, CHILLED, FLOW, NOW_S, TEMPERATURE, read_back
from tests.safety_plant import GATE, QUIET_PLANT, TOWER, WARM, move, plant_holding, plant_telemetry

Seen = Callable[[str], float | None]
ALL = (TEMPERATURE, FLOW, AIR, CHILLED, WARM, TOWER)
CDU, LOOPS = (TEMPERATURE, FLOW), (CHILLED, WARM)
GIVES_BACK = ("site.fire_alarm", "site.emergency_power_off", "site.generator_running")
COOL_SIDE = {CHILLED: "cool", WARM: "warm"}
VALUES = (0.0, 0.4, 0.6, 1.0, 3.0, 4.3, 5.0, 7.5, 9.0, 11.0, 13.0, 20.0, 21.0, 31.0, 33.0, 80.0)


def runs(seen: Seen, machine: str) -> bool:
    shown = seen(f"{machine}.running")
    return shown is None or shown > 0.5


def below(seen: Seen, tag: str, limit: float) -> bool:
    """Below its limit, or nobody knows."""
    shown = seen(tag)
    return shown is None or shown < limit


def active(seen: Seen, tag: str) -> bool:
    """An alarm, or nobody knows."""
    shown = seen(tag)
    return shown is None or shown > 0.5


def stands(seen: Seen, on: str) -> bool:
    """Whether nothing may move."""
    if any(active(seen, tag) for tag in GIVES_BACK) or below(seen, "site.hardwired_enable", 0.5):
        return True
    if on in CDU:
        return (
            active(seen, "cdu_1.locked_out")
            or below(seen, "cdu_1.available", 0.5)
            or active(seen, "cdu_1.fault_alarm")
        )
    if on == AIR:
        return active(seen, "crah_1.fault_alarm")
    return on == CHILLED and below(seen, "ch_1.available", 0.5)


def only_towards(seen: Seen, on: str) -> bool:
    """Whether less cooling is forbidden."""
    if on in CDU:
        return active(seen, "cdu_1.overheating_alarm")
    if on == TOWER:
        return below(seen, "t_1.available", 0.5) or below(seen, "t_2.available", 0.5)
    if on == AIR:
        return False
    loop = COOL_SIDE[on]
    spares = below(seen, "ch_1.available", 0.5) or below(seen, "ch_2.available", 0.5)
    pressure = runs(seen, loop) and below(seen, f"{loop}.fws_differential_pressure", 0.9 * 34.5)
    return spares or pressure or (on == CHILLED and low_lift(seen, "ch_1"))


def only_away(seen: Seen, on: str) -> bool:
    """Whether more cooling is forbidden."""
    if active(seen, "hall.condensation_alarm"):
        return True
    if on == TOWER:
        cold = below(seen, "tower_water.cw_supply_temperature", 4.4)
        running = [name for name in ("ch_1", "ch_2") if runs(seen, name)]
        harsh = running and below(seen, "tower_water.cw_supply_temperature", 12.0)
        return cold or bool(harsh) or any(low_lift(seen, name) for name in running)
    if on in LOOPS and below(seen, f"{COOL_SIDE[on]}.fws_supply_temperature", 4.4):
        return True
    if on != CHILLED:
        return False
    return (
        below(seen, "ch_1.chw_supply_temperature", 4.4)
        or (runs(seen, "cool") and below(seen, "cool.fws_flow", 0.95 * 8.0))
        or (runs(seen, "ch_1") and below(seen, "ch_1.chw_flow", 9.5))
    )


def low_lift(seen: Seen, chiller: str) -> bool:
    condenser = seen("tower_water.cw_return_temperature")
    leaving = seen(f"{chiller}.chw_supply_temperature")
    if not runs(seen, chiller):
        return False
    return condenser is None or leaving is None or condenser - leaving < 4.0


@pytest.mark.parametrize("seed", range(8))
def test_no_condition_of_the_plant_is_moved_against(seed: int) -> None:
    dice, state = random.Random(seed), plant_holding()
    tags = [tag for tag in QUIET_PLANT if tag not in (read_back(WARM), read_back(TOWER))]
    allowed = refused = released = 0
    for _ in range(150):
        changes = {tag: _shown(dice, tag) for tag in dice.sample(tags, dice.choice((0, 1, 2, 3)))}
        telemetry = plant_telemetry(changes)
        seen: Seen = telemetry.good
        for on in ALL:
            for towards in (True, False):
                verdict = move(telemetry, on, towards, state=state)
                if needs_write(verdict):
                    allowed += 1
                    assert not stands(seen, on), (on, changes, verdict)
                    assert towards or not only_towards(seen, on), (on, changes, verdict)
                    assert not (towards and only_away(seen, on)), (on, changes, verdict)
                else:
                    refused += 1
                    known = stands(seen, on) or (
                        only_away(seen, on) if towards else only_towards(seen, on)
                    )
                    assert known, (on, changes, verdict)
        released += _given_back(state, telemetry, seen)
    assert min(allowed, refused, released) > 20


def _shown(dice: random.Random, tag: str) -> float | Reading | None:
    kind = dice.random()
    if kind < 0.1:
        return None
    if kind < 0.2:
        return Reading(QUIET_PLANT[tag], dice.choice(list(Quality)[1:]), NOW_S)
    return dice.choice(VALUES)


def _given_back(state: EnvelopeState, telemetry: Snapshot, seen: Seen) -> int:
    """What is given back at once: everything for the building, one unit for its own."""
    _, found = GATE.judge_in_force(state, telemetry, NOW_S)
    gone = {each.actuator for each in found if each.action is Action.RELEASE}
    building = any((seen(tag) or 0.0) > 0.5 for tag in GIVES_BACK)
    enable = seen("site.hardwired_enable")
    if building or (enable is not None and enable < 0.5):
        assert gone == set(ALL)
    else:
        locked, fault = seen("cdu_1.locked_out"), seen("crah_1.fault_alarm")
        expected = set(CDU) if locked is not None and locked > 0.5 else set()
        expected |= {AIR} if fault is not None and fault > 0.5 else set()
        assert gone == expected
    return len(gone)
