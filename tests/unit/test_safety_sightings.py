"""What sensors showed lately: frozen ones, inlet air that changes too fast, and votes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from facility.points import Point
from facility.telemetry import Quality, Reading
from safety.envelope import Envelope
from safety.limits import limits_of
from safety.sightings import Sightings
from safety.state import EnvelopeState
from tests.safety_kit import AIR, DEW_POINTS, NOW_S, TEMPERATURE, reading
from tests.safety_plant import (
    GATE,
    QUIET_PLANT,
    move,
    plant_holding,
    plant_site,
    plant_telemetry,
)

RACKS = {"r1.case_temperature": 60.0, "r2.case_temperature": 62.0, "r3.inlet_temperature": 24.0}
POWER = {"r1": "r1.it_power", "r2": "r2.it_power", "r3": "r3.it_power"}


class Watched:
    """A gate that scans once a minute, with readings that the test chooses."""

    def __init__(self, gate: Envelope = GATE) -> None:
        self.gate, self.state, self.now_s = gate, plant_holding(GATE), NOW_S
        self.shown: dict[str, float | Reading | None] = {}
        self.wavers = 0.0

    def scan(self, after_s: float = 60.0, **quiet: Any) -> EnvelopeState:
        """Racks waver by a hundredth, but for those that the test set itself."""
        self.now_s += after_s
        self.wavers = 0.01 - self.wavers
        changes = {tag: value + self.wavers for tag, value in RACKS.items()} | self.shown
        self.seen = plant_telemetry(changes, now_s=self.now_s, **quiet)
        self.state, _ = self.gate.judge_in_force(self.state, self.seen, self.now_s)
        return self.state

    def away(self, on: str = TEMPERATURE) -> str:
        return move(self.seen, on, False, self.gate, self.state, self.now_s).check

    def towards(self, on: str = TEMPERATURE) -> str:
        return move(self.seen, on, True, self.gate, self.state, self.now_s).check


# -- frozen -------------------------------------------------------------------------------------


def stuck(minutes: int, power_kw: float, *, step_s: float = 60.0) -> Watched:
    """Rack 1 shows 60.0 for so long, while its power goes from 50 kW to ``power_kw``."""
    world = Watched()
    world.shown["r1.case_temperature"] = 60.0
    for _ in range(minutes):
        world.scan(step_s)
    world.shown[POWER["r1"]] = power_kw
    world.scan(step_s)
    return world


@pytest.mark.parametrize(
    ("minutes", "power_kw", "frozen"),
    [
        (14, 75.0, True),  # a quarter of its 100 kW, seen for 14 min
        (14, 25.0, True),
        (14, 74.9999, False),
        (13, 75.0, False),
        (30, 75.0, True),
    ],
)
def test_a_reading_that_stands_still_while_the_load_moves_is_frozen(
    minutes: int, power_kw: float, frozen: bool
) -> None:
    world = stuck(minutes, power_kw)
    assert (world.state.sightings.frozen == {"r1.case_temperature": 60.0}) is frozen
    shown = world.gate.honest(world.state, world.seen, world.now_s).reading("r1.case_temperature")
    assert (shown.quality is Quality.FROZEN) is frozen
    assert shown.value == 60.0
    assert world.away() == ""  # the other rack of the two can be read


def test_without_half_of_the_racks_nothing_is_taken_away() -> None:
    world = Watched()
    world.shown |= {"r1.case_temperature": 60.0, "r2.case_temperature": 62.0}
    for _ in range(15):
        world.scan()
    assert world.away() == ""
    world.shown |= {POWER["r1"]: 90.0, POWER["r2"]: 90.0}
    world.scan()
    assert world.away() == "hot_rack"
    assert world.towards() == ""


def test_frozen_it_stays_until_it_shows_another_number() -> None:
    world = stuck(14, 90.0)
    for _ in range(30):
        world.scan()
    assert "r1.case_temperature" in world.state.sightings.frozen
    world.shown["r1.case_temperature"] = None
    world.scan()
    assert world.state.sightings.frozen == {}
    world.shown["r1.case_temperature"] = 60.0
    world.scan()
    assert world.state.sightings.frozen == {}
    world = stuck(14, 90.0)
    seen = plant_telemetry({"r1.case_temperature": 60.1}, now_s=world.now_s)
    assert world.gate.honest(world.state, seen, world.now_s) is seen  # it moved since
    world.shown["r1.case_temperature"] = 60.1
    world.scan()
    assert world.state.sightings.frozen == {}


def test_a_reading_that_was_away_in_between_is_not_called_frozen() -> None:
    world = Watched()
    world.shown["r1.case_temperature"] = 60.0
    for minute in range(16):
        world.shown["r1.case_temperature"] = None if minute == 7 else 60.0
        world.shown[POWER["r1"]] = 50.0 + minute * 3.0
        world.scan()
    assert world.state.sightings.frozen == {}


def test_few_frames_say_nothing_of_freezing() -> None:
    world = stuck(8, 90.0, step_s=100.0)  # 9 frames of 800 s, then one more
    assert world.state.sightings.frozen == {}
    world.scan(100.0)
    assert world.state.sightings.frozen == {"r1.case_temperature": 60.0}
    world = stuck(7, 90.0, step_s=110.0)  # too few frames
    world.scan(110.0)
    assert world.state.sightings.frozen == {}


def test_a_rack_whose_power_is_not_measured_is_never_called_frozen() -> None:
    gate = Envelope(limits_of(plant_site(without=list(POWER.values()))))
    world = Watched(gate)
    world.shown["r1.case_temperature"] = 60.0
    for _ in range(20):
        world.scan()
    assert world.state.sightings.frozen == {}


def test_a_rack_that_is_not_measured_is_not_watched() -> None:
    limits = limits_of(plant_site(without=["r1.case_temperature"]))
    assert [each.sensor.tag for each in limits.sighted] == list(RACKS)[1:]
    assert {each.sensor.tag: each.calm_c for each in limits.sighted} == {
        "r2.case_temperature": None,
        "r3.inlet_temperature": 27.0,
    }


def test_a_power_that_cannot_be_read_moves_nothing() -> None:
    world = Watched()
    world.shown |= {"r1.case_temperature": 60.0, POWER["r1"]: None}
    for _ in range(20):
        world.scan()
    assert world.state.sightings.frozen == {}


# -- the rate of inlet air ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rise_k", "check"), [(5.0, ""), (5.0001, "inlet_rise"), (7.0, "inlet_rise")]
)
def test_inlet_air_that_rises_fast_leaves_more_cooling(rise_k: float, check: str) -> None:
    world = Watched()
    world.shown["r3.inlet_temperature"] = 20.0
    world.scan()
    assert world.away(AIR) == ""
    world.shown["r3.inlet_temperature"] = 20.0 + rise_k
    world.scan(840.0)
    assert world.away(AIR) == check
    assert world.towards(AIR) == ""
    assert world.away() == ""  # no air-cooled rack of this CDU
    world.scan(61.0)
    assert world.away(AIR) == ""  # the low one is more than 15 min ago


@pytest.mark.parametrize(
    ("start_c", "fall_k", "check"),
    [(25.0, 5.0, ""), (25.0, 5.0001, "inlet_fall"), (33.0, 6.0, ""), (33.0, 6.0001, "inlet_fall")],
)
def test_inlet_air_that_falls_fast_to_below_recommended_leaves_less_cooling(
    start_c: float, fall_k: float, check: str
) -> None:
    """Recommended is 27 °C here: above it a fast fall is a recovery."""
    world = Watched()
    world.shown["r3.inlet_temperature"] = start_c
    world.scan()
    world.shown["r3.inlet_temperature"] = start_c - fall_k
    world.scan(600.0)
    assert world.towards(AIR) == check
    assert world.away(AIR) == ""


def test_the_fastest_rack_is_told() -> None:
    world = Watched()
    world.shown["r3.inlet_temperature"] = 20.0
    world.scan()
    world.shown["r3.inlet_temperature"] = 26.0
    world.scan()
    verdict = move(world.seen, AIR, False, GATE, world.state, world.now_s)
    assert verdict.saw["r3.inlet_temperature"] == 6.0
    assert "rose by 6.0 K within 15 min" in verdict.detail


# -- memory -------------------------------------------------------------------------------------


def test_a_frame_a_minute_for_a_quarter_of_an_hour() -> None:
    world = Watched()
    world.scan(0.0)
    for _ in range(300):
        world.scan(10.0)
    frames = world.state.sightings.frames
    assert len(frames) == 16
    assert frames[-1].time_s - frames[0].time_s == 900.0
    assert {b.time_s - a.time_s for a, b in pairwise(frames)} == {60.0}
    world.scan(59.9)
    assert world.state.sightings.frames[-1].time_s != world.now_s


def test_sightings_are_not_kept_across_a_restart_and_no_text_holds_them() -> None:
    world = stuck(14, 90.0)
    text = world.state.to_json()
    assert EnvelopeState.from_json(text).sightings == Sightings()
    assert EnvelopeState.from_json(text) == world.state
    assert "r1.case_temperature" not in text


def test_after_a_clock_that_went_back_they_start_anew() -> None:
    world = stuck(14, 90.0)
    state = world.gate.restart_clock(world.state, NOW_S - 100.0)
    assert state.sightings == Sightings()
    ahead = replace(state, sightings=world.state.sightings)
    state = world.gate.observe(ahead, plant_telemetry(now_s=NOW_S - 100.0), NOW_S - 100.0)
    assert [frame.time_s for frame in state.sightings.frames] == [NOW_S - 100.0]


def test_a_site_without_measured_racks_remembers_nothing() -> None:
    gate = Envelope(replace(GATE.limits, sighted=()))
    state = gate.observe(EnvelopeState(), plant_telemetry(), NOW_S)
    assert state.sightings == Sightings()


# -- votes --------------------------------------------------------------------------------------

SPARES = ("hall.dew_2", "hall.dew_3")


def spare(name: str, **more: Any) -> Point:
    first = plant_site().points[DEW_POINTS[0]]
    return replace(first, tag=name, doubles=first.tag, **more)


def voting(count: int = 2) -> Envelope:
    points = [spare(name) for name in SPARES[:count]]
    return Envelope(limits_of(plant_site(points=points)))


def heard(
    gate: Envelope, first: float | None, *spares: float | None
) -> tuple[float | None, list[Quality]]:
    """What the first sensor may be believed to show, and the qualities of all."""
    values = dict(zip((DEW_POINTS[0], *SPARES), (first, *spares), strict=False))
    seen = gate.honest(EnvelopeState(), plant_telemetry(values), NOW_S)
    qualities = [seen.reading(tag).quality for tag in values]
    return seen.good(DEW_POINTS[0]), qualities


GOOD, BAD, ABSENT = Quality.GOOD, Quality.BAD, Quality.ABSENT


@pytest.mark.parametrize(
    ("shown", "believed", "qualities"),
    [
        ((12.0, 12.1, 11.9), 12.0, [GOOD, GOOD, GOOD]),
        ((12.0, 13.0, 12.0), 12.0, [GOOD, GOOD, GOOD]),  # within 1 K of the median
        ((12.0, 13.0001, 12.0), 12.0, [GOOD, BAD, GOOD]),
        ((12.0, 90.0, 11.9), 12.0, [GOOD, BAD, GOOD]),
        ((90.0, 12.1, 11.9), 12.1, [GOOD, GOOD, GOOD]),  # a spare stands in
        ((-20.0, 12.1, 11.9), 11.9, [GOOD, GOOD, GOOD]),
        ((None, 12.1, 11.9), 11.9, [GOOD, GOOD, GOOD]),
        ((5.0, 12.0, 20.0), None, [BAD, BAD, BAD]),  # no two agree
        ((12.0, 14.0, None), None, [BAD, BAD, ABSENT]),
        ((12.0, 12.5, None), 12.0, [GOOD, GOOD, ABSENT]),
        ((None, None, 12.5), 12.5, [GOOD, ABSENT, GOOD]),
        ((12.0, None, None), 12.0, [GOOD, ABSENT, ABSENT]),
        ((None, None, None), None, [ABSENT, ABSENT, ABSENT]),
    ],
)
def test_two_of_three(
    shown: tuple[float | None, ...], believed: float | None, qualities: list[Quality]
) -> None:
    assert heard(voting(), *shown) == (believed, qualities)


def test_of_two_that_disagree_nobody_can_say_which() -> None:
    gate = voting(1)
    assert heard(gate, 12.0, 12.9) == (12.0, [GOOD, GOOD])
    assert heard(gate, 12.0, 13.1) == (None, [BAD, BAD])


def test_a_sensor_that_is_outvoted_no_longer_blocks() -> None:
    gate, state = voting(), plant_holding(GATE)
    three = {DEW_POINTS[0]: 29.0, SPARES[0]: 12.0, SPARES[1]: 12.2}
    assert move(plant_telemetry(three), TEMPERATURE, True, gate, state).check == ""
    alone = plant_telemetry({DEW_POINTS[0]: 29.0})
    assert move(alone, TEMPERATURE, True, GATE, state).check == "dew_point"


def test_a_stand_in_says_so() -> None:
    gate = voting()
    seen = plant_telemetry({DEW_POINTS[0]: 90.0, SPARES[0]: 12.0, SPARES[1]: 12.2})
    shown = gate.honest(EnvelopeState(), seen, NOW_S).reading(DEW_POINTS[0])
    assert "hall.dew_2 stands in for it" in shown.note
    outvoted = plant_telemetry({DEW_POINTS[0]: 12.0, SPARES[0]: 12.1, SPARES[1]: 60.0})
    shown = gate.honest(EnvelopeState(), outvoted, NOW_S).reading(SPARES[1])
    assert shown.note == "outvoted: the others show about 12.1"
    assert shown.value == 60.0


def test_contacts_agree_exactly_and_flows_within_a_share() -> None:
    site = plant_site()
    flow, fire = site.points["cool.fws_flow"], site.points["site.fire_alarm"]
    points = [
        *(replace(flow, tag=f"flow_{i}", doubles=flow.tag) for i in (2, 3)),
        *(replace(fire, tag=f"fire_{i}", doubles=fire.tag) for i in (2, 3)),
    ]
    votes = {vote.sensors[0].tag: vote for vote in limits_of(plant_site(points=points)).votes}
    assert (votes[flow.tag].tolerance, votes[flow.tag].share) == (0.0, 0.05)
    assert (votes[fire.tag].tolerance, votes[fire.tag].share) == (0.0, 0.0)
    gate = Envelope(limits_of(plant_site(points=points)))
    three = {flow.tag: 30.0, "flow_2": 31.5, "flow_3": 31.5001}
    seen = gate.honest(EnvelopeState(), plant_telemetry(three), NOW_S)
    assert [seen.reading(tag).quality for tag in three] == [GOOD, GOOD, GOOD]  # of the median
    three = {flow.tag: 28.4, "flow_2": 30.0, "flow_3": 31.5}
    seen = gate.honest(EnvelopeState(), plant_telemetry(three), NOW_S)
    assert seen.good(flow.tag) == 30.0  # 28.5 is the least that agrees
    assert QUIET_PLANT[fire.tag] == 0.0
    burning = {fire.tag: 0.0, "fire_2": 1.0, "fire_3": 1.0}
    state = plant_holding(GATE)
    assert move(plant_telemetry(burning), AIR, True, gate, state).check == "fire_alarm"


def test_a_frozen_sensor_has_no_vote() -> None:
    gate = voting()
    first = DEW_POINTS[0]
    state = replace(EnvelopeState(), sightings=Sightings(frozen={first: 12.0}))
    seen = plant_telemetry({first: 12.0, SPARES[0]: 15.0, SPARES[1]: 15.2})
    shown = gate.honest(state, seen, NOW_S)
    assert shown.good(first) == 15.0


def test_an_honest_snapshot_of_honest_sensors_is_the_same_object() -> None:
    seen = plant_telemetry()
    assert GATE.honest(EnvelopeState(), seen, NOW_S) is seen
    assert reading(1.0).good == 1.0
