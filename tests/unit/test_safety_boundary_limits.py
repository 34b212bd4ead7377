"""From a site to limits: each in full, and each edge of what a limit may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.devices import Cooling, Release
from facility.equipment import CDU, CRAH, Hall
from facility.points import DataType
from facility.site import GatewayLimits
from safety.backup import Backup
from safety.guards import Bound, Effect, HandBack, Interlock, Limits, Sensor, Watch
from safety.limits import LimitsError, limits_of, racks_served, static_bounds
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
    rack,
    site,
)

OWN = limits_of(site()).actuators


def interlocks(actuator: str, of: Any = None) -> dict[str, Interlock]:
    own = OWN if of is None else limits_of(of).actuators
    return {each.name: each for each in own[actuator].interlocks if isinstance(each, Interlock)}


def test_the_interlocks_of_a_unit_in_full() -> None:
    racks = tuple(Watch(f"{name}.case_temperature", 16.0, 75.0) for name in ("r1", "r2"))
    towards = Effect.TOWARDS
    expected = {
        "leak": Interlock("leak", (Watch(LEAK, 16.0, 0.5),), True, Effect.ISOLATE, 1, Effect.HOLD),
        "low_flow": Interlock(
            "low_flow", (Watch(MEASURED_FLOW, 16.0, 9.5),), False, towards, 1, towards
        ),
        "hot_rack": Interlock("hot_rack", racks, True, towards, 1, towards),
    }
    found = interlocks(TEMPERATURE)
    assert {name: found[name] for name in expected} == expected
    assert {name: each for name, each in interlocks(FLOW).items() if name in expected} == expected
    everybody = (*racks, Watch("r3.inlet_temperature", 16.0, 32.0))
    hot = Interlock("hot_rack", everybody, True, towards, 2, towards)
    assert interlocks(CHILLED)["hot_rack"] == hot


@pytest.mark.parametrize(("count", "quorum"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_half_of_the_racks_have_to_be_seen(count: int, quorum: int) -> None:
    whole = site()
    kind = whole.racks["r1"].kind
    racks = {f"n{n}": rack(f"n{n}", kind, "cdu_1") for n in range(count)}
    seen = [point(f"n{n}.case_temperature", "crah_1") for n in range(count)]
    crahs = {**whole.crahs}
    hall = site(racks={**racks, "r3": whole.racks["r3"]}, points=seen, crahs=crahs)
    found = interlocks(TEMPERATURE, hall)["hot_rack"]
    assert (len(found.watches), found.quorum) == (count, quorum)


def test_interlocks_that_are_equal_are_one_object() -> None:
    found = limits_of(site()).actuators
    pairs = zip(found[TEMPERATURE].interlocks, found[FLOW].interlocks, strict=False)
    assert all(one is other for one, other in pairs if one.name == other.name)


def test_what_is_not_guarded_is_listed_in_full() -> None:
    whole = site()
    assert [gap for gap in limits_of(whole).unguarded if "insulated" in gap] == [
        f"{name}: declared insulated: the dew point stops no move" for name in (AIR, CHILLED)
    ]
    wanted = ("no leak sensor", "no flow meter", "only the setpoint is kept")
    assert not [gap for gap in limits_of(whole).unguarded if any(w in gap for w in wanted)]
    bare = {
        tag: each for tag, each in whole.points.items() if tag not in (LEAK, MEASURED_FLOW, SUPPLY)
    }
    found = [
        gap
        for gap in limits_of(replace(whole, points=bare)).unguarded
        if any(words in gap for words in wanted)
    ]
    assert found == [
        f"{TEMPERATURE}: no leak sensor: a leak isolates nothing",
        f"{TEMPERATURE}: no flow meter: low flow stops no move",
        f"{TEMPERATURE}: supply not measured: only the setpoint is kept above the dew point",
        f"{FLOW}: no leak sensor: a leak isolates nothing",
        f"{FLOW}: no flow meter: low flow stops no move",
    ]


def test_a_dew_guard_in_full() -> None:
    guard = OWN[TEMPERATURE].dew
    assert guard is not None
    assert guard.margin_k == 3.0
    assert guard.sensors == tuple(Sensor(tag, 16.0) for tag in DEW_POINTS)
    assert guard.supply == Sensor(SUPPLY, 16.0)
    assert OWN[AIR].dew is None


def test_dew_points_of_a_unit_and_of_a_rack_of_the_hall_count() -> None:
    more = [point(f"{name}.dew_point_temperature", "crah_1") for name in ("cdu_1", "r2")]
    guard = limits_of(site(points=more)).actuators[TEMPERATURE].dew
    assert guard is not None
    assert [each.tag for each in guard.sensors] == [*DEW_POINTS, *(each.tag for each in more)]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        *((name, 1e9, None) for name in ("fallback", "jump_towards", "dwell_s")),
        *((name, 1.0000001e9, "finite") for name in ("fallback", "jump_towards", "dwell_s")),
        *((name, 0.0, None) for name in ("dead_band", "dwell_s", "jump_towards", "tolerance")),
        ("writes_per_hour", 0, None),
        ("writes_per_hour", -1, "writes_per_hour must be 0 or more, not -1"),
        *((name, -1e-4, "0 or more") for name in ("dead_band", "dwell_s", "tolerance")),
        *((name, 1e-4, None) for name in ("rate_towards_per_min", "rate_away_per_min")),
        *((name, 4e-5, "above 0") for name in ("rate_towards_per_min", "rate_away_per_min")),
        ("dew_point_margin_k", 0.0, None),
        ("dew_point_margin_k", 1e9, None),
        ("dew_point_margin_k", -1e-5, "0 or more"),
        ("dew_point_margin_k", 1.0000001e9, "0 or more"),
    ],
)
def test_the_edges_of_what_a_limit_may_be(field: str, value: float, words: str | None) -> None:
    whole = site(actuators=[changed(ACTUATORS[0], **{field: value})])
    if words is None:
        assert limits_of(whole).actuators[TEMPERATURE] is not None
    else:
        with pytest.raises(LimitsError, match=words):
            limits_of(whole)


def test_all_that_is_wrong_with_numbers_is_told_in_order() -> None:
    nothing = float("nan")
    names = (
        *("minimum", "maximum", "fallback", "dead_band", "dwell_s", "writes_per_hour"),
        *("jump_towards", "tolerance", "rate_towards_per_min", "rate_away_per_min"),
    )
    whole = site(actuators=[changed(ACTUATORS[0], **dict.fromkeys(names, nothing))])
    with pytest.raises(LimitsError) as caught:
        limits_of(whole)
    mine = [each for each in caught.value.problems if "must be a finite number" in each]
    assert mine == [f"{TEMPERATURE}: {name} must be a finite number, not nan" for name in names]
    assert str(caught.value) == "\n".join(caught.value.problems)


def test_missing_points_are_told_in_order_and_one_that_is_there_is_not() -> None:
    whole = site(actuators=[changed(ACTUATORS[0], read_back="nothing")])
    left = {tag: each for tag, each in whole.points.items() if tag != TEMPERATURE}
    for points, words in ((left, [TEMPERATURE, "nothing"]), (whole.points, ["nothing"])):
        with pytest.raises(LimitsError) as caught:
            limits_of(replace(whole, points=points))
        assert list(caught.value.problems) == [
            f"{TEMPERATURE}: no point {word!r}" for word in words
        ]


@pytest.mark.parametrize(("stale_scans", "max_age_s"), [(1, 6.0), (2, 11.0), (3, 16.0)])
def test_scans_that_may_be_missed(stale_scans: int, max_age_s: float) -> None:
    gateway = GatewayLimits(stale_scans=stale_scans, command_max_age_s=0.5)
    limits = limits_of(site(gateway=gateway))
    assert limits.actuators[FLOW].read_back.max_age_s == max_age_s
    assert limits.command_max_age_s == 0.5


def test_a_command_may_be_old_by_any_time_above_nothing() -> None:
    gateway = GatewayLimits(command_max_age_s=5e-5)
    assert limits_of(site(gateway=gateway)).command_max_age_s == 5e-5


def test_the_defaults_of_the_limits() -> None:
    limits = limits_of(site())
    assert limits.version == 1
    assert (limits.towards_window_s, limits.away_window_s) == (60.0, 300.0)
    assert (limits.blind_hold_s, limits.correction_deadline_s) == (300.0, 300.0)
    assert limits.clock_slack_s == 1.0
    assert OWN[TEMPERATURE].settle_s == 2.0 * 5.0 + 1.0


def test_a_read_back_settles_with_its_own_device() -> None:
    own = limits_of(site(devices=[device("cdu_1", scan_s=2.0, timeout_s=0.5)])).actuators
    assert own[TEMPERATURE].settle_s == 4.5
    assert own[AIR].settle_s == 11.0


def test_supply_limits_are_for_supplies_and_flow_limits_for_flows() -> None:
    whole = site()
    name = "warm.flow_setpoint"
    odd = {"id": name, "equipment": "warm", "quantity": "flow_setpoint"}
    more = {**whole.points, name: point(name, "cdu_1")}
    assert "supply_maximum" not in {
        each.check
        for each in static_bounds(
            replace(whole, points=more),
            changed(ACTUATORS[1], **odd),
        )
    }  # fmt: skip
    air = {"id": AIR, "equipment": "crah_1"}
    for quantity in ("tcs_supply_temperature_setpoint", "tcs_flow_setpoint"):
        checks = [
            each.check
            for each in static_bounds(whole, changed(ACTUATORS[2], **air, quantity=quantity))
        ]
        assert checks == ["encodable", "range", "range"]
    other = changed(ACTUATORS[0], quantity="something_setpoint")
    assert [each.check for each in static_bounds(whole, other)] == ["encodable", "range", "range"]


def test_static_limits_in_full() -> None:
    assert OWN[TEMPERATURE].bounds == (
        Bound("encodable", -3276.8, 32_767 * 0.1),
        Bound("range", 20.0, 42.0),
        Bound("range", None, None),
        Bound("supply_maximum", None, 40.0),
    )
    assert OWN[FLOW].bounds[-1] == Bound("minimum_flow", 10.0, None)
    assert OWN[CHILLED].bounds[-1] == Bound("supply_maximum", 8.0, 22.0)


def test_a_device_that_jumps_is_bounded_by_its_direction_of_cooling() -> None:
    jumping = [device(name, release=Release.JUMP) for name in ("cdu_1", "crah_1")]
    own = limits_of(site(devices=jumping)).actuators
    assert own[FLOW].hand_back == HandBack(-5.0, 5.0)
    assert own[AIR].hand_back == HandBack(-0.5, 5.0)
    assert own[CHILLED].hand_back is None
    assert own[AIR].cooling is Cooling.LOWER


def test_a_range_of_one_value_is_a_range() -> None:
    narrow = changed(ACTUATORS[0], minimum=30.0, maximum=30.0)
    assert limits_of(site(actuators=[narrow])).actuators[TEMPERATURE] is not None
    exact = point(TEMPERATURE, "cdu_1", DataType.INT16, scale=0.1)
    between = changed(ACTUATORS[0], minimum=30.01, maximum=30.09)
    with pytest.raises(LimitsError, match=r"carry no value between 30\.01 and 30\.09"):
        limits_of(site(actuators=[between], points=[exact]))


def test_racks_of_units_in_their_order_and_of_a_chillers_loop() -> None:
    whole = site()
    assert [each.id for each in racks_served(whole, "ch_1")] == ["r1", "r2", "r3"]
    loops = {name: replace(loop, trim="") for name, loop in whole.loops.items()}
    assert [each.id for each in racks_served(site(loops=loops), "ch_1")] == ["r3"]


def test_one_rack_that_is_measured_is_enough() -> None:
    whole = site()
    left = {tag: each for tag, each in whole.points.items() if tag != "r1.case_temperature"}
    found = interlocks(TEMPERATURE, replace(whole, points=left))["hot_rack"]
    assert [watch.tag for watch in found.watches] == ["r2.case_temperature"]


def test_two_halls_have_their_own_dew_points() -> None:
    halls = {"hall": site().halls["hall"], "other": Hall("other", "Other", "A2")}
    cdus = {**site().cdus, "cdu_2": CDU("cdu_2", "other", "warm", 500.0, 25.0, 10.0, 40.0)}
    crahs = {**site().crahs, "crah_2": CRAH("crah_2", "other", "cool", 100.0, 8.0)}
    more = [point(f"{name}.dew_point_temperature", "crah_1") for name in ("cdu_2", "crah_2")]
    guard = limits_of(site(halls=halls, cdus=cdus, crahs=crahs, points=more)).actuators
    found = guard[TEMPERATURE].dew
    assert found is not None
    assert [each.tag for each in found.sensors] == list(DEW_POINTS)


def test_what_a_site_does_not_say_of_its_limits() -> None:
    assert Limits(1, "x", {}, 60.0) == Limits(
        version=1,
        site="x",
        actuators={},
        command_max_age_s=60.0,
        backup=Backup(),
        wet_bulb=None,
        unguarded=(),
        towards_window_s=60.0,
        away_window_s=300.0,
        blind_hold_s=300.0,
        correction_deadline_s=300.0,
        clock_slack_s=1.0,
        sighted=(),
        votes=(),
        stages={},
    )


def test_effects_are_kept_with_the_limits_by_these_words() -> None:
    assert [each.value for each in Effect] == ["towards", "away", "store", "hold", "isolate"]
