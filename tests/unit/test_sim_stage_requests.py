"""Stage requests: what the sequencer honours, what it refuses, and what it does when given back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from facility.loading import parse_site
from facility.points import DataType
from sim.simulation import Simulation
from sim.sites import DESIGNS
from sim.sites.writer import texts
from tests.plants import standing

NAME = "campus-stages"
ASKED = "cool.chiller_stage_setpoint"
IN_FORCE = "cool.chiller_stage_setpoint_in_force"
STAGE = "cool.chiller_stage"
DWELL_S = 900.0


def with_three() -> Simulation:
    """A hall that one chiller could carry, with three that somebody has asked for."""
    simulation = standing(NAME, share=0.5, wet_bulb_c=18.0)
    simulation.set_at_panel({ASKED: 3.0})
    simulation.advance(simulation.now_s + 4.0 * DWELL_S)
    assert value(simulation, STAGE) == value(simulation, IN_FORCE) == 3.0
    return simulation


def value(simulation: Simulation, tag: str) -> float:
    shown = simulation.read(tag).value
    assert shown is not None
    return shown


def ask(simulation: Simulation, stage: float) -> None:
    """As a remote that holds the sequencer."""
    assert simulation.write(ASKED, stage)
    assert simulation.write("sequencer.remote_enable", 1.0)


def beat(simulation: Simulation, seconds: float, watch: list[float] | None = None) -> None:
    ends_s, count = simulation.now_s + seconds, int(simulation.now_s) % 60_000
    while simulation.now_s < ends_s:
        count += 1
        assert simulation.write("sequencer.heartbeat", float(count % 65_000))
        simulation.advance(simulation.now_s + 10.0)
        if watch is not None:
            watch.append(value(simulation, STAGE))


def test_the_reference_sites_have_no_such_setpoint_and_this_one_whole_numbers() -> None:
    for name in DESIGNS:
        files = dict(texts(DESIGNS[name](), 15_000))
        site = parse_site(files["site.toml"], files["points.csv"])
        assert (ASKED in site.actuators) == (name == NAME)
        if name == NAME:
            own = site.actuators[ASKED]
            assert (own.minimum, own.maximum, own.dwell_s) == (1.0, 5.0, DWELL_S)
            assert site.points[ASKED].data_type is DataType.UINT16
            assert own.device == "sequencer"


def test_without_a_request_its_own_stage_is_shown_and_nothing_is_asked() -> None:
    simulation = standing(NAME, share=0.5, wet_bulb_c=18.0)
    assert value(simulation, STAGE) == value(simulation, IN_FORCE) == 1.0
    assert simulation._local.sequencer.asked == {}


def test_a_request_for_fewer_stops_one_at_a_time_within_the_dwell() -> None:
    simulation = with_three()
    simulation.set_at_panel({})
    ask(simulation, 1.0)
    seen: list[float] = []
    beat(simulation, 600.0, seen)
    assert seen[-1] == 2.0
    beat(simulation, 2.0 * DWELL_S, seen)
    assert seen[-1] == 1.0
    beat(simulation, 300.0)  # the isolation valve and the least running time
    assert value(simulation, "chiller3.running") == pytest.approx(0.0, abs=0.1)


def test_a_request_for_more_starts_one_at_a_time_within_the_dwell() -> None:
    simulation = standing(NAME, share=0.5, wet_bulb_c=18.0)
    ask(simulation, 3.0)
    seen: list[float] = []
    beat(simulation, 2.0 * DWELL_S + 300.0, seen)
    assert seen[-1] == 3.0
    changes = [i for i in range(1, len(seen)) if seen[i] != seen[i - 1]]
    assert [seen[i] - seen[i - 1] for i in changes] == [1.0] * len(changes)
    assert all(b - a >= DWELL_S / 10.0 for a, b in pairwise(changes))


def test_what_the_machines_that_are_left_could_not_carry_is_not_stopped() -> None:
    simulation = standing(NAME, share=1.0, wet_bulb_c=28.0)
    simulation.set_at_panel({"chiller1.chw_supply_temperature_setpoint": 7.0})
    simulation.advance(simulation.now_s + 5400.0)
    before = value(simulation, STAGE)
    assert before >= 2.0
    load = sum(value(simulation, f"chiller{i}.cooling_load") for i in range(1, 6))
    assert load > 0.8 * 1800.0 * (before - 1.0)
    ask(simulation, 1.0)
    beat(simulation, 3.0 * DWELL_S)
    assert value(simulation, STAGE) > 1.0


def test_a_hot_loop_is_staged_up_in_spite_of_the_request() -> None:
    simulation = standing(NAME, share=0.5, wet_bulb_c=24.0)
    simulation.advance(simulation.now_s + 3600.0)
    assert value(simulation, STAGE) == 1.0
    ask(simulation, 1.0)
    cold = {f"chiller{i}.chw_supply_temperature_setpoint": 7.0 for i in range(1, 6)}
    cold |= {f"crah{i}.supply_air_temperature_setpoint": 15.0 for i in range(1, 7)}
    cold |= {f"crah{i}.fan_speed_setpoint": 100.0 for i in range(1, 7)}
    simulation.set_at_panel(cold | {"warm.fws_supply_temperature_setpoint": 15.0})
    seen: list[float] = []
    beat(simulation, 4.0 * DWELL_S, seen)
    assert max(seen) > 1.0


def test_given_back_it_carries_on_by_itself_from_where_it_stands() -> None:
    simulation = with_three()
    simulation.set_at_panel({})
    ask(simulation, 3.0)
    beat(simulation, 2.0 * DWELL_S)
    assert value(simulation, STAGE) == 3.0
    assert simulation.write("sequencer.remote_enable", 0.0)
    simulation.advance(simulation.now_s + 60.0)
    assert value(simulation, STAGE) == value(simulation, IN_FORCE) == 3.0
    assert simulation._local.sequencer.asked == {}
    simulation.advance(simulation.now_s + 4.0 * DWELL_S)
    assert value(simulation, STAGE) == 1.0  # its own idea of what is needed


def test_alone_it_needs_no_chiller_and_shows_one_for_whoever_takes_it_over() -> None:
    simulation = standing(NAME, share=0.35, wet_bulb_c=8.0)
    simulation.advance(simulation.now_s + 3600.0)
    assert (value(simulation, STAGE), value(simulation, IN_FORCE)) == (0.0, 1.0)
    ask(simulation, 3.0)
    beat(simulation, 2.0 * DWELL_S)
    assert value(simulation, STAGE) == 0.0  # the economiser alone stays its own decision
