"""The conditions of a whole plant, listed: each with its sensors, thresholds and effects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.equipment import CDU, CRAH, Chiller, CoolingLoop, Hall, Rack, RackKind, Tower
from facility.points import SafeDirection
from facility.site import Site
from safety.conditions import guards_of, sighted_of, site_gaps, stage_limits, votes_of
from safety.guards import Effect, Guard, Interlock, Redundancy, Swing
from safety.scope import racks_served
from tests.safety_kit import actuator, device, point, site

T, A, H, R = Effect.TOWARDS, Effect.AWAY, Effect.HOLD, Effect.ISOLATE
STAGED: dict[str, Any] = {"min_flow_ls": 20.0, "min_lift_k": 8.0, "min_condenser_c": 13.0}
ALARMS = {
    "h1.overheating_alarm": SafeDirection.TOWARDS,
    "h2.overheating_alarm": SafeDirection.AWAY,
    "r3.condensation_alarm": SafeDirection.RELEASE,
}
MACHINES = ("k1", "k2", "k3", "k4", "k5", "a1", "a2", "a3", "a4", "t1", "t2")
TAGS = (
    *("c1.fire_alarm", "plc.fire_alarm", "site.fire_alarm", "k1.fire_alarm", "k1.locked_out"),
    *("site.emergency_power_off", "site.generator_running", "site.hardwired_enable"),
    *(f"{machine}.available" for machine in MACHINES),
    *("a1.tcs_flow", "c1.tcs_flow", "r1.case_temperature", "r2.inlet_temperature"),
    *("cool.fws_differential_pressure", "cool.fws_flow", "cool.fws_supply_temperature"),
    *("cool.running", "k1.running", "k2.running", "tower_water.running", "tower_water.cw_flow"),
    *("k1.chw_supply_temperature", "k1.chw_flow", "k2.chw_flow"),
    *("tower_water.cw_supply_temperature", "tower_water.cw_return_temperature"),
)


def rack(name: str, hall: str, kind: RackKind, kw: float, unit: str, **more: Any) -> Rack:
    limit_c = 32.0 if kind is RackKind.AIR else 75.0
    return replace(Rack(name, hall, kind, kw, (unit,), limit_c, 27.0, 1, 1), **more)


def plant(**changes: Any) -> Site:
    points = {tag: point(tag, "plc") for tag in TAGS}
    points |= {
        tag: replace(point(tag, "plc"), safe_direction=direction)
        for tag, direction in ALARMS.items()
    }
    racks = (
        rack("r1", "h1", RackKind.DIRECT_TO_CHIP, 100.0, "c1", to_air_share=0.25),
        rack("r2", "h1", RackKind.AIR, 50.0, "a1"),
        rack("r3", "h2", RackKind.AIR, 20.0, "a3"),
    )
    chillers = (
        Chiller("k1", "cool", 60.0, 6.0, **STAGED),
        Chiller("k2", "cool", 90.0, 6.0, **STAGED),
        Chiller("k3", "other", 40.0, 6.0),
        Chiller("k4", "tiny", 0.0001, 6.0),
        Chiller("k5", "tiny", 0.0001, 6.0),
        Chiller("k9", "gone", 50.0, 6.0),
    )
    values: dict[str, Any] = {
        "halls": {name: Hall(name, name, "A2") for name in ("h1", "h2")},
        "racks": {each.id: each for each in racks},
        "loops": {
            "cool": CoolingLoop("cool", 20.0, 7.0, 900.0, 30.0, min_flow_ls=10.0),
            "warm": CoolingLoop("warm", 40.0, 15.0, 500.0, 25.0, trim="cool", freeze_c=2.0),
            "other": CoolingLoop("other", 20.0, 7.0, 900.0, 30.0),
            "tiny": CoolingLoop("tiny", 20.0, 7.0, 900.0, 30.0),
        },
        "cdus": {"c1": CDU("c1", "h1", "warm", 200.0, 24.0, 5.0, 41.0)},
        "crahs": {
            name: CRAH(name, hall, "cool", kw, 9.0)
            for name, hall, kw in (
                ("a1", "h1", 80.0), ("a2", "h1", 100.0), ("a3", "h2", 50.0), ("a4", "h2", 30.0)
            )
        },
        "chillers": {each.id: each for each in chillers},
        "towers": {"t1": Tower("t1", 200.0, 5.0), "t2": Tower("t2", 150.0, 5.0)},
    }  # fmt: skip
    found = site(**values)
    more: dict[str, Any] = {"devices": {"plc": device("plc")}, "points": points, "actuators": {}}
    return replace(found, **(more | changes))


def guards(on: str, where: Site | None = None) -> list[Guard]:
    """The conditions of a setpoint of a piece of equipment."""
    where = where or plant()
    own = actuator(f"{on}.any_setpoint", "plc")
    return list(guards_of(where, own, racks_served(where, on)))


def told(found: list[Guard]) -> list[tuple[Any, ...]]:
    """Name, sensors with thresholds, and what follows."""
    out: list[tuple[Any, ...]] = []
    for each in found:
        if isinstance(each, Interlock):
            seen = {watch.tag: watch.threshold for watch in each.watches}
            out.append((each.name, seen, each.effect, each.unknown))
        elif isinstance(each, Redundancy):
            out.append((each.name, [s.tag for s in each.available], each.rated_kw, each.needed_kw))
        else:
            assert isinstance(each, Swing)
            out.append((each.name, each.tags, each.effect))
    return out


SITE_WIDE = [
    ("fire_alarm", {"site.fire_alarm": 0.5}, R, H),
    ("emergency_power_off", {"site.emergency_power_off": 0.5}, R, H),
    ("generator_running", {"site.generator_running": 0.5}, R, H),
    ("hardwired_enable", {"site.hardwired_enable": 0.5}, R, H),
]
FIRE_OF_THE_DEVICE = ("fire_alarm", {"plc.fire_alarm": 0.5}, R, H)
OVERHEATING = ("overheating_alarm", {"h1.overheating_alarm": 0.5}, T, T)
FROST = ("freeze", {"cool.fws_supply_temperature": 4.4}, A, A)
COOL = [
    ("low_pressure", {"cool.fws_differential_pressure": pytest.approx(0.9 * 34.5)}, T, T),
    ("pump_flow", {"cool.fws_flow": 9.5}, A, A),
    FROST,
]
CHILLERS = ("redundancy_chillers_of_cool", ["k1.available", "k2.available"], (60.0, 90.0))
ALL_RACKS = {"r1.case_temperature": 75.0, "r2.inlet_temperature": 32.0}
SWINGS = [
    ("inlet_rise", ("r2.inlet_temperature",), T),
    ("inlet_fall", ("r2.inlet_temperature",), A),
]
COLDER = ("overheating_alarm", {"h2.overheating_alarm": 0.5}, A, A)
WET = ("condensation_alarm", {"r3.condensation_alarm": 0.5}, R, H)


def test_a_cdu_hangs_on_its_own_its_device_its_hall_and_the_site_in_this_order() -> None:
    assert told(guards("c1")) == [
        ("fire_alarm", {"c1.fire_alarm": 0.5}, R, H),
        FIRE_OF_THE_DEVICE,
        *SITE_WIDE,
        OVERHEATING,
        ("low_flow", {"c1.tcs_flow": pytest.approx(4.75)}, T, T),
        ("hot_rack", {"r1.case_temperature": 75.0}, T, T),
    ]


def test_a_crah_hangs_on_its_halls_racks_and_spares_and_on_no_flow() -> None:
    spares = ("redundancy_crahs_of_h1", ["a1.available", "a2.available"], (80.0, 100.0), 75.0)
    assert told(guards("a1")) == [
        FIRE_OF_THE_DEVICE,
        *SITE_WIDE,
        ("out_of_service", {"a1.available": 0.5}, H, H),
        OVERHEATING,
        ("hot_rack", {"r2.inlet_temperature": 32.0}, T, T),
        *SWINGS,
        spares,
    ]
    in_h2 = ("redundancy_crahs_of_h2", ["a3.available", "a4.available"], (50.0, 30.0), 20.0)
    assert told(guards("a3"))[-1] == in_h2


def test_a_loop_hangs_on_its_chillers_and_on_those_that_trim_it() -> None:
    found = told(guards("warm"))
    assert found[-1] == (*CHILLERS, 60.0)
    assert [each for each in found if each[0].startswith("redundancy")] == [(*CHILLERS, 60.0)]
    found = told(guards("cool"))
    # Every rack is on the loop or on one that it trims: 170 kW, and 60 are left.
    assert found[-4:] == [(*CHILLERS, 60.0), *COOL]


def test_a_chiller_hangs_on_its_loop_and_its_own_water() -> None:
    found = guards("k1")
    assert told(found)[-6:] == [
        *COOL,
        ("freeze", {"k1.chw_supply_temperature": 4.4}, A, A),
        ("evaporator_flow", {"k1.chw_flow": 19.0}, A, A),
        ("low_lift", {"tower_water.cw_return_temperature": 8.0}, T, T),
    ]
    lift = found[-1]
    assert isinstance(lift, Interlock)
    assert [each.tag for each in lift.less] == ["k1.chw_supply_temperature"]
    assert [each.tag for each in lift.running] == ["k1.running"]
    # Of the other one the leaving water is not measured.
    assert told(guards("k2"))[-4:] == [*COOL, ("evaporator_flow", {"k2.chw_flow": 19.0}, A, A)]
    assert [each[0] for each in told(guards("k9")) if each[0] in {"freeze", "low_lift"}] == []


def test_the_tower_water_hangs_on_every_machine() -> None:
    towers = ("redundancy_towers", ["t1.available", "t2.available"], (200.0, 150.0), 150.0)
    assert told(guards("tower_water")) == [
        FIRE_OF_THE_DEVICE,
        *SITE_WIDE,
        OVERHEATING,
        COLDER,
        WET,
        ("hot_rack", ALL_RACKS, T, T),
        *SWINGS,
        towers,
        ("freeze", {"tower_water.cw_supply_temperature": 4.4}, A, A),
        ("low_lift", {"tower_water.cw_return_temperature": 8.0}, A, A),
        ("cold_condenser", {"tower_water.cw_supply_temperature": 13.0}, A, A),
        ("cold_condenser", {"tower_water.cw_supply_temperature": 13.0}, A, A),
    ]
    (frost,) = [
        each for each in told(guards("tower_water", plant(loops={}))) if each[0] == "freeze"
    ]
    assert frost[1] == {"tower_water.cw_supply_temperature": 0.0}


def test_one_alone_has_no_spare_and_the_smallest_spare_is_one() -> None:
    assert [each for each in told(guards("k3")) if each[0].startswith("redundancy")] == []
    tiny = ("redundancy_chillers_of_tiny", ["k4.available", "k5.available"])
    assert [each for each in told(guards("k4")) if each[0].startswith("redundancy")] == [
        (*tiny, (0.0001, 0.0001), 0.0001)
    ]


def test_starts_hang_on_the_machines_own_contacts_before_the_sites() -> None:
    found = stage_limits(plant(), "k1")
    assert told(list(found.always)) == [
        ("fire_alarm", {"k1.fire_alarm": 0.5}, R, H),
        *SITE_WIDE,
        ("locked_out", {"k1.locked_out": 0.5}, R, H),
        ("out_of_service", {"k1.available": 0.5}, H, H),
    ]
    assert told(list(found.before_stop)) == [(*CHILLERS, 60.0)]
    assert [each[1] for each in told(list(found.before_start))] == [
        {"cool.running": 0.5},
        {"tower_water.running": 0.5},
        {"tower_water.cw_flow": 0.5},
        {"k1.chw_supply_temperature": 4.4},
    ]


def test_what_a_plant_leaves_open_is_listed_whole() -> None:
    no_pressure = "no differential pressure: too little of it stops no move"
    no_flow = "no min_flow_ls or no fws_flow: its pumps' least flow is not kept"
    no_supply = "supply not measured: freezing stops no move"
    kept = {
        "min_flow_ls": "{0}: no min_flow_ls or no {0}.chw_flow: it is not kept",
        "min_lift_k": "{0}: no min_lift_k or no tower_water.cw_return_temperature: it is not kept",
        "min_condenser_c": (
            "{0}: no min_condenser_c or no tower_water.cw_supply_temperature: it is not kept"
        ),
    }
    alone = "one alone, or not all availability known: lost spares stop no move"
    assert list(site_gaps(plant())) == [
        *(
            f"{loop}: {gap}"
            for loop in ("warm", "other", "tiny")
            for gap in (no_pressure, no_flow, no_supply)
        ),
        *(text.format(name) for name in ("k3", "k4", "k5", "k9") for text in kept.values()),
        f"chillers_of_other: {alone}",
    ]


@pytest.mark.parametrize("quantity", ["fire_alarm", "generator_running", "hardwired_enable"])
def test_a_contact_that_no_point_shows_is_listed(quantity: str) -> None:
    points = {tag: each for tag, each in plant().points.items() if each.quantity != quantity}
    gaps = list(site_gaps(plant(points=points)))
    assert gaps[0] == f"site: no {quantity} point: it gives nothing back"


def test_a_plant_without_alarms_says_so() -> None:
    points = {tag: each for tag, each in plant().points.items() if tag not in ALARMS}
    assert next(site_gaps(plant(points=points))).startswith("site: no alarm point")


def test_a_measured_flow_without_its_least_is_listed() -> None:
    whole = plant()
    loops = {**whole.loops, "cool": replace(whole.loops["cool"], min_flow_ls=None)}
    gap = "cool: no min_flow_ls or no fws_flow: its pumps' least flow is not kept"
    assert gap in site_gaps(replace(whole, loops=loops))
    assert gap not in site_gaps(whole)


@pytest.mark.parametrize(
    ("quantity", "agree"),
    [
        ("fws_supply_temperature", (1.0, 0.0)),
        ("fws_differential_pressure", (2.0, 0.05)),
        ("fws_flow", (0.0, 0.05)),
        ("power", (1.0, 0.05)),
        ("fan_speed", (5.0, 0.0)),
        ("running", (0.0, 0.0)),
    ],
)
def test_sensors_of_a_quantity_agree_within_so_much_and_such_a_share(
    quantity: str, agree: tuple[float, float]
) -> None:
    first = replace(plant().points["cool.fws_flow"], tag="first", quantity=quantity)
    spare = replace(first, tag="spare", doubles="first")
    (vote,) = votes_of(plant(points={"first": first, "spare": spare}))
    assert [each.tag for each in vote.sensors] == ["first", "spare"]
    assert (vote.tolerance, vote.share) == agree


def test_a_rack_must_move_by_a_quarter_of_its_rating_before_a_still_sensor_is_frozen() -> None:
    whole = plant()
    found = {each.sensor.tag: each.driver_span for each in sighted_of(whole)}
    rated = {whole.racks[tag.split(".")[0]].rated_kw: span for tag, span in found.items()}
    assert rated
    assert rated == {kw: 0.25 * kw for kw in rated}


def test_contacts_are_asked_in_the_order_of_the_specification() -> None:
    names = ("hardwired_enable", "generator_running", "emergency_power_off", "fire_alarm")
    contacts = {
        f"site.{name}": replace(
            plant().points["cool.fws_flow"],
            tag=f"site.{name}",
            equipment="site",
            quantity=name,
        )
        for name in names
    }
    found = [each.name for each in stage_limits(plant(points=contacts), "k1").always]
    assert found == list(reversed(names))
