"""From a site to limits: every limit is there, or the site is refused with every reason."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from facility.devices import Release
from facility.equipment import CDU, CRAH, CoolingLoop, Hall
from facility.points import Access, DataType, Role
from facility.site import GatewayLimits
from safety.guards import Bound, Effect, HandBack, Interlock, Sensor
from safety.limits import LimitsError, limits_of, racks_served
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    DEW_POINTS,
    FLOW,
    LEAK,
    MEASURED_FLOW,
    SUPPLY,
    TEMPERATURE,
    changed,
    device,
    point,
    points,
    read_back,
    site,
)

TEMPERATURE_ACTUATOR, FLOW_ACTUATOR = ACTUATORS[0], ACTUATORS[1]


def problems(**changes: Any) -> str:
    with pytest.raises(LimitsError) as caught:
        limits_of(site(**changes))
    assert str(caught.value) == "\n".join(caught.value.problems)
    return str(caught.value)


def without(*tags: str) -> dict[str, Any]:
    """A site without some points; the mapping replaces the builder's own."""
    whole = site()
    left = {tag: each for tag, each in whole.points.items() if tag not in tags}
    return {"site": replace(whole, points=left)}


def test_every_actuator_has_limits_and_they_have_a_version() -> None:
    limits = limits_of(site(), version=7)
    assert limits.version == 7
    assert set(limits.actuators) == {TEMPERATURE, FLOW, AIR, CHILLED}


def test_equal_limits_have_equal_hashes_and_any_change_shows() -> None:
    base = limits_of(site())
    assert limits_of(site()).hash == base.hash
    for name, value in (("maximum", 41.0), ("rate_away_per_min", 0.2), ("dwell_s", 301.0)):
        other = limits_of(site(actuators=[changed(TEMPERATURE_ACTUATOR, **{name: value})]))
        assert other.hash != base.hash
    assert limits_of(site(), version=2).hash != base.hash


def test_static_bounds_come_from_the_site_the_point_the_unit_and_the_loop() -> None:
    limits = limits_of(site(points=[point(FLOW, "cdu_1", DataType.UINT16, scale=0.01, minimum=9)]))
    bounds = {bound.check: bound for bound in limits.actuators[TEMPERATURE].bounds}
    assert bounds["supply_maximum"] == Bound("supply_maximum", None, 40.0)
    ranges = [b for b in limits.actuators[FLOW].bounds if b.check == "range"]
    assert ranges == [Bound("range", 8.0, 40.0), Bound("range", 9, None)]
    flow = {bound.check: bound for bound in limits.actuators[FLOW].bounds}
    assert flow["minimum_flow"] == Bound("minimum_flow", 10.0, None)
    chilled = {bound.check: bound for bound in limits.actuators[CHILLED].bounds}
    assert chilled["supply_maximum"] == Bound("supply_maximum", 8.0, 22.0)
    assert [b.check for b in limits.actuators[AIR].bounds] == ["encodable", "range", "range"]


def test_the_loop_of_a_loop_setpoint_bounds_it() -> None:
    loop = changed(
        TEMPERATURE_ACTUATOR, id="warm.fws_supply_temperature_setpoint", equipment="warm"
    )
    loop = changed(loop, quantity="fws_supply_temperature_setpoint")
    limits = limits_of(site(actuators=[loop], points=[point(loop.id, "cdu_1")]))
    assert Bound("supply_maximum", 20.0, 40.0) in limits.actuators[loop.id].bounds


def test_a_device_that_jumps_bounds_how_far_the_plant_is_let_go() -> None:
    limits = limits_of(site(devices=[device("cdu_1", release=Release.JUMP)]))
    # Lower cools more: at most 5 K above its own value (a jump towards), 0.5 K below it (away).
    assert limits.actuators[TEMPERATURE].hand_back == HandBack(-0.5, 5.0)
    # Higher cools more: at most 5 L/s below its own value, 5 L/s above it (1 L/s a minute).
    assert limits.actuators[FLOW].hand_back == HandBack(-5.0, 5.0)
    assert limits.actuators[CHILLED].hand_back is None  # its device ramps


def test_sensors_go_stale_after_three_missed_scans() -> None:
    limits = limits_of(site(devices=[device("cdu_1", scan_s=2.0, timeout_s=0.5)]))
    own = limits.actuators[TEMPERATURE]
    assert own.read_back == Sensor(read_back(TEMPERATURE), 6.5)
    assert own.settle_s == 4.5


def test_the_dew_guard_takes_every_sensor_of_the_halls_it_passes() -> None:
    own = limits_of(site()).actuators[TEMPERATURE]
    assert own.dew is not None
    assert tuple(sensor.tag for sensor in own.dew.sensors) == DEW_POINTS
    assert own.dew.supply is not None
    assert own.dew.supply.tag == SUPPLY


def test_a_supply_that_is_not_measured_is_listed_as_unguarded() -> None:
    limits = limits_of(without(SUPPLY)["site"])
    guard = limits.actuators[TEMPERATURE].dew
    assert guard is not None
    assert guard.supply is None
    assert any("supply not measured" in gap for gap in limits.unguarded)


def test_a_setpoint_named_like_no_measurement_has_none() -> None:
    odd = changed(TEMPERATURE_ACTUATOR, id="cdu_1.odd", quantity="odd")
    limits = limits_of(
        site(
            actuators=[odd],
            points=[point("cdu_1.odd", "cdu_1", role=Role.SETPOINT, access=Access.READ_WRITE)],
        )
    )
    guard = limits.actuators["cdu_1.odd"].dew
    assert guard is not None
    assert guard.supply is None


def test_interlocks_of_a_cdu() -> None:
    own = limits_of(site()).actuators[TEMPERATURE]
    found = {each.name: each for each in own.interlocks if isinstance(each, Interlock)}
    assert set(found) == {"leak", "low_flow", "hot_rack"}
    assert (found["leak"].effect, found["leak"].unknown) == (Effect.ISOLATE, Effect.HOLD)
    assert found["low_flow"].watches[0].threshold == 9.5
    assert [watch.threshold for watch in found["hot_rack"].watches] == [75.0, 75.0]
    assert found["hot_rack"].quorum == 1


def test_what_is_not_instrumented_is_listed() -> None:
    limits = limits_of(without(LEAK, MEASURED_FLOW)["site"])
    assert {each.name for each in limits.actuators[FLOW].interlocks} == {"hot_rack"}
    assert any("no leak sensor" in gap for gap in limits.unguarded)
    assert any("no flow meter" in gap for gap in limits.unguarded)
    assert f"{AIR}: declared insulated: the dew point stops no move" in limits.unguarded
    assert not any(gap.startswith(f"{FLOW}: declared") for gap in limits.unguarded)


def test_racks_served() -> None:
    whole = site()
    served = {
        name: [rack.id for rack in racks_served(whole, name)]
        for name in ("cdu_1", "crah_1", "warm", "cool", "ch_1", "tower_water")
    }
    assert served == {
        "cdu_1": ["r1", "r2"],
        "crah_1": ["r3"],
        "warm": ["r1", "r2"],
        "cool": ["r1", "r2", "r3"],  # it trims the warm loop
        "ch_1": ["r1", "r2", "r3"],
        "tower_water": ["r1", "r2", "r3"],  # serves nobody directly: everybody
    }


@pytest.mark.parametrize("name", ["minimum", "maximum", "fallback"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -2e9])
def test_limits_are_finite_numbers(name: str, value: float) -> None:
    assert f"{name} must be a finite number" in problems(
        actuators=[changed(TEMPERATURE_ACTUATOR, **{name: value})]
    )


@pytest.mark.parametrize("name", ["dead_band", "dwell_s", "jump_towards", "tolerance"])
def test_no_limit_is_negative(name: str) -> None:
    for value in (-1.0, math.nan):
        assert name in problems(actuators=[changed(TEMPERATURE_ACTUATOR, **{name: value})])


@pytest.mark.parametrize("name", ["rate_towards_per_min", "rate_away_per_min"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, 1e-9])
def test_no_rate_is_absent(name: str, value: float) -> None:
    assert name in problems(actuators=[changed(TEMPERATURE_ACTUATOR, **{name: value})])


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_dew_point_margin_is_a_number(value: float) -> None:
    found = problems(actuators=[changed(TEMPERATURE_ACTUATOR, dew_point_margin_k=value)])
    assert "dew_point_margin_k must be 0 or more" in found


def test_a_dew_point_margin_is_for_temperatures() -> None:
    found = problems(actuators=[changed(FLOW_ACTUATOR, dew_point_margin_k=3.0)])
    assert "for a temperature, not for L/s" in found


def test_a_guarded_supply_needs_a_dew_point_in_its_hall() -> None:
    with pytest.raises(LimitsError, match="no dew_point_temperature point in hall 'hall'"):
        limits_of(without(*DEW_POINTS)["site"])


def test_a_range_upside_down_or_out_of_reach_is_refused() -> None:
    above = problems(actuators=[changed(TEMPERATURE_ACTUATOR, minimum=43.0)])
    assert "minimum 43 is above maximum 42" in above
    cold = CDU("cdu_1", "hall", "warm", 500.0, 25.0, 10.0, 15.0)
    assert "supply_maximum is kept" in problems(cdus={"cdu_1": cold})


def test_a_range_that_the_register_cannot_meet_is_refused() -> None:
    coarse = point(TEMPERATURE, "cdu_1", DataType.INT16, scale=5.0)
    found = problems(
        points=[coarse],
        actuators=[changed(TEMPERATURE_ACTUATOR, minimum=31.0, maximum=34.0)],
    )
    assert "can carry no value between 31 and 34" in found


@pytest.mark.parametrize(
    "bad",
    [
        point(TEMPERATURE, "cdu_1", access=Access.READ),
        point(TEMPERATURE, "cdu_1", DataType.BOOL),
        point(TEMPERATURE, "cdu_1", role=Role.SENSOR),
    ],
)
def test_only_a_writable_numeric_setpoint_is_whitelisted(bad: Any) -> None:
    assert "must be a numeric setpoint" in problems(points=[bad])


def test_missing_devices_and_points_are_all_named_at_once() -> None:
    found = problems(
        actuators=[
            changed(TEMPERATURE_ACTUATOR, device="cdu_9", read_back="nothing"),
            changed(FLOW_ACTUATOR, rate_away_per_min=0.0),
        ]
    )
    assert "no device 'cdu_9'" in found
    assert "no point 'nothing'" in found
    assert f"{FLOW}: rate_away_per_min" in found


def test_an_actuator_whose_racks_nobody_measures_is_refused() -> None:
    tags = [each.tag for each in points() if each.tag.startswith("r")]
    with pytest.raises(LimitsError, match="no rack that it serves is measured"):
        limits_of(without(*tags)["site"])


@pytest.mark.parametrize(
    ("gateway", "words"),
    [
        (GatewayLimits(command_max_age_s=0.0), "command_max_age_s"),
        (GatewayLimits(command_max_age_s=math.inf), "command_max_age_s"),
        (GatewayLimits(command_max_age_s=math.nan), "command_max_age_s"),
        (GatewayLimits(stale_scans=0), "stale_scans"),
    ],
)
def test_the_gateways_limits_are_given(gateway: GatewayLimits, words: str) -> None:
    assert words in problems(gateway=gateway)


def test_the_longer_of_dwell_and_the_points_write_interval_counts() -> None:
    slow = point(TEMPERATURE, "cdu_1", min_write_interval_s=900.0)
    assert limits_of(site(points=[slow])).actuators[TEMPERATURE].dwell_s == 900.0
    assert limits_of(site()).actuators[TEMPERATURE].dwell_s == 300.0


def test_a_loop_that_trims_another_is_found() -> None:
    loops = {
        "cool": CoolingLoop("cool", 22.0, 8.0, 1000.0, 40.0),
        "warm": CoolingLoop("warm", 40.0, 20.0, 1000.0, 40.0),
    }
    assert [rack.id for rack in racks_served(site(loops=loops), "cool")] == ["r3"]


def test_the_sensors_of_another_hall_are_not_asked() -> None:
    halls = {"hall": site().halls["hall"], "other": Hall("other", "Other hall", "A2")}
    crahs = {**site().crahs, "crah_2": CRAH("crah_2", "other", "cool", 100.0, 8.0)}
    there = point("crah_2.dew_point_temperature", "crah_1")
    own = limits_of(site(halls=halls, crahs=crahs, points=[there])).actuators[TEMPERATURE]
    assert own.dew is not None
    assert tuple(sensor.tag for sensor in own.dew.sensors) == DEW_POINTS
