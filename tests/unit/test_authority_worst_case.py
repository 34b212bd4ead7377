"""The worst case asked before anything is written: smaller steps, and what waits for the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.authority.worst_case import WorstCaseSeen
from facility.commands import Command, Move, Origin
from facility.telemetry import Quality, Reading, Snapshot
from safety.arithmetic import units
from safety.backup_held import WorstCase
from safety.backup_site import backup_of
from tests.planning_plant import reference_site
from tests.planning_requests import NOON_S, snapshot_for, usual_setpoints

SITE = reference_site("campus")
USUAL = usual_setpoints(SITE)
RACKS = np.array([40.0 if r.limit_c > 50 else 23.0 for r in SITE.racks.values()])
SEEN = WorstCaseSeen(SITE)
FANS = [a for a in SITE.actuators if a.endswith("fan_speed_setpoint")]
AIR = [a for a in SITE.actuators if a.endswith("supply_air_temperature_setpoint")]
WATER = [a for a in SITE.actuators if a.endswith("chw_supply_temperature_setpoint")]
CDU = "cdu1.tcs_supply_temperature_setpoint"
LOCAL = {**dict.fromkeys(FANS, 30.0), **dict.fromkeys(AIR, 24.1), **dict.fromkeys(WATER, 18.0)}
"""As the plant's own control may hold them on a cool day: less than the worst case asks for."""
WANTED = {**dict.fromkeys(FANS, 50.0), **dict.fromkeys(AIR, 20.0), **dict.fromkeys(WATER, 14.0)}


def shot(values: dict[str, float]) -> Snapshot:
    found = snapshot_for(SITE, USUAL, RACKS, wet_bulb_c=5.0)
    readings = {
        SITE.actuators[name].read_back: Reading(value, Quality.GOOD, NOON_S)
        for name, value in values.items()
    }
    return replace(found, readings={**found.readings, **readings})


def moves(wanted: dict[str, float], held: dict[str, float]) -> tuple[Move, ...]:
    return tuple(Move(name, held[name], value) for name, value in wanted.items())


def excess_k(values: dict[str, float]) -> float:
    """By the envelope's own function: how far the hall's air would be above its limit."""
    backup = backup_of(SITE)
    hall = next(i for i, c in enumerate(backup.circuits) if c.name == "hall1")
    worst = WorstCase(backup, lambda name: (values[name],) if name in values else (), 5.0)
    return worst.excess_k(hall)


def test_a_smaller_step_goes_as_far_as_the_worst_case_asks_and_no_further() -> None:
    held = shot(LOCAL)
    assert excess_k(LOCAL) > 0.0
    assert excess_k(WANTED) <= 0.0
    half = {name: (LOCAL[name] + WANTED[name]) / 2.0 for name in WANTED}
    assert excess_k(half) > 0.0, "half of it would do: this test shows nothing"
    made = SEEN.smaller(moves(WANTED, LOCAL), 0.5, held)
    ends = {move.actuator: move.proposed for move in made}
    assert excess_k(ends) <= 0.0
    shares = {m.actuator: (m.proposed - m.now) / (WANTED[m.actuator] - m.now) for m in made}
    assert min(shares.values()) > 0.5
    assert max(shares.values()) <= 1.0
    less = {
        name: LOCAL[name] + (shares[name] - 0.05) * (WANTED[name] - LOCAL[name]) for name in ends
    }
    assert excess_k(less) > 0.0


def test_moves_away_from_cooling_keep_the_share() -> None:
    held = shot(WANTED)
    warmer = Move(CDU, 25.0, 27.0)
    back = tuple(Move(name, WANTED[name], 45.0) for name in FANS)
    made = SEEN.smaller((warmer, *back), 0.5, held)
    assert [move.proposed for move in made] == [26.0, *[47.5] * len(FANS)]


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_where_nothing_stands_in_the_way_a_share_is_a_share(share: float) -> None:
    made = SEEN.smaller((Move(CDU, 25.0, 23.0),), share, shot(WANTED))
    assert made == (Move(CDU, 25.0, 25.0 - 2.0 * share),)


def command(name: str, value: float) -> Command:
    return Command(name, name, value, Origin.PERSON, "d1", "h", NOON_S, NOON_S + 60.0)


def test_water_waits_until_the_fans_have_come_up() -> None:
    asked = [command(name, value) for name, value in WANTED.items()]
    held = {**LOCAL, **dict.fromkeys(WATER, 16.0)}
    gentle = [command(name, 15.5) for name in WATER]
    first = SEEN.ready([*asked[: len(FANS) + len(AIR)], *gentle], shot(held))
    names = {each.actuator for each in first}
    assert set(FANS) <= names
    assert not names & set(WATER)
    later = SEEN.ready(gentle, shot({**WANTED, **dict.fromkeys(WATER, 16.0)}))
    assert {each.actuator for each in later} == set(WATER)


def test_what_nothing_else_can_help_is_left_to_the_envelope() -> None:
    alone = [command(WATER[0], 17.9)]
    assert SEEN.ready(alone, shot(LOCAL)) == tuple(alone)


FLOW = "cdu1.tcs_flow_setpoint"


def test_a_warmer_supply_waits_for_the_flow_that_makes_it_bearable() -> None:
    slow, fast = SITE.actuators[FLOW].maximum - 3.0, SITE.actuators[FLOW].maximum
    held = {FLOW: slow, CDU: most_c(slow)}
    both = [command(FLOW, fast), command(CDU, most_c(fast))]
    assert most_c(fast) - most_c(slow) > SITE.actuators[CDU].dead_band
    assert [each.actuator for each in SEEN.ready(both, shot(held))] == [FLOW]
    later = SEEN.ready(both[1:], shot({**held, FLOW: fast}))
    assert [each.actuator for each in later] == [CDU]


def test_a_warmer_supply_goes_where_the_envelope_would_take_it_a_part_of_the_way() -> None:
    slow, fast = SITE.actuators[FLOW].maximum - 3.0, SITE.actuators[FLOW].maximum
    both = [command(FLOW, fast), command(CDU, most_c(fast))]
    held = {FLOW: slow, CDU: most_c(slow) - 1.0}
    assert [each.actuator for each in SEEN.ready(both, shot(held))] == [FLOW, CDU]


def most_c(flow: float) -> float:
    """The warmest supply of the CDU that the worst case bears at a flow setpoint."""
    worst = WorstCase(backup_of(SITE), lambda name: (flow,) if name == FLOW else (), 5.0)
    bound = worst.interval(CDU).upper
    assert bound is not None
    return units(bound)
