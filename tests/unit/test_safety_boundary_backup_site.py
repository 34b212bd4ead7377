"""From a site to its worst case, whole: every lever, path, lift and rise, worked out by hand."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from facility.equipment import CDU, Chiller, CoolingLoop, Tower
from safety.backup import AirIntake, Backup, Circuit, Coldplate, Flow, Lever, Path
from safety.backup_site import backup_of
from tests.backup_plant import (
    ANSWERED,
    APPROACH,
    BASIN_LIFT,
    C1_LIFT,
    FIGURES,
    SETPOINTS,
    WARM_LIFT,
    air,
    liquid,
    plant,
    plate,
    restart_k,
    setpoint,
)


def test_a_site_whole() -> None:
    found = backup_of(plant())
    names = [
        *("c1.tcs_supply_temperature_setpoint", "c1.tcs_flow_setpoint"),
        *("warm.fws_supply_temperature_setpoint", "k1.chw_supply_temperature_setpoint"),
        *("k3.chw_supply_temperature_setpoint", "tower_water.cw_supply_temperature_setpoint"),
        *("a1.supply_air_temperature_setpoint", "a1.fan_speed_setpoint"),
        *("a2.fan_speed_setpoint", "a4.supply_air_temperature_setpoint"),
    ]
    h1, h2 = restart_k(127.5, 0.0, 150.0), restart_k(20.0, 0.0, 150.0)
    towers = Path("tower_water.cw_supply_temperature_setpoint", BASIN_LIFT)
    loop = Path("warm.fws_supply_temperature_setpoint", WARM_LIFT)
    expected = Backup(
        levers={
            name: Lever(
                name,
                SETPOINTS[name].cooling,
                SETPOINTS[name].minimum,
                SETPOINTS[name].maximum,
                SETPOINTS[name].fallback,
            )
            for name in names
        },
        circuits=(
            Circuit(
                "c1",
                (plate(80.0, 75.0, 3.0, 31.0), plate(78.0, 45.0, 24.0 * 45.0 / 120.0, 31.0)),
                (Path("c1.tcs_supply_temperature_setpoint", C1_LIFT, 0.5), loop, towers),
                (Flow("c1.tcs_flow_setpoint", 1.0 / 24.0, 30.0),),
                given=0.0,
                loses_one=False,
                weather=APPROACH,
            ),
            Circuit(
                "c2",
                (plate(80.0, 40.0, 16.0 * 40.0 / 62.5, 30.0),),
                (loop, towers),
                (),
                given=1.0,
                loses_one=False,
                weather=APPROACH,
            ),
            Circuit(
                "h1",
                tuple(
                    AirIntake(limit_c, 80.0 / (1.18 * 12.0) * 1.3, 12.0, 0.12, 0.3)
                    for limit_c in (32.0, 35.0)
                ),
                (
                    Path(
                        "a1.supply_air_temperature_setpoint",
                        127.5 / (1.18 * 21.0) * ANSWERED / 80.0,
                        1.0,
                    ),
                    Path("k1.chw_supply_temperature_setpoint", h1 + 5.5),
                    Path("k3.chw_supply_temperature_setpoint", h1 + 5.5),
                ),
                (
                    Flow("a1.fan_speed_setpoint", 0.09, 100.0),
                    Flow("a2.fan_speed_setpoint", 0.07, 90.0),
                ),
                given=5.0,
                loses_one=True,
                rest_c=19.0 + h1 + 5.5,
            ),
            Circuit(
                "h2",
                (AirIntake(32.0, 20.0 / (1.18 * 12.0) * 1.3, 12.0, 0.12, 0.3),),
                (
                    Path(
                        "a4.supply_air_temperature_setpoint",
                        20.0 / (1.18 * 4.0) * ANSWERED / 80.0,
                        0.5,
                    ),
                    Path("k1.chw_supply_temperature_setpoint", h2 + 5.5),
                    Path("k3.chw_supply_temperature_setpoint", h2 + 5.5),
                ),
                (),
                given=4.0,
                loses_one=False,
                rest_c=19.0 + h2 + 5.5,
            ),
        ),
        wet_bulb_c=24.5,
        wet_bulb_rise_k=1.5,
        unguarded=(
            "r4: the worst case knows no rear door",
            "h2: one CRAH alone; its loss is borne by no setpoint",
        ),
    )
    same(found, expected)


def same(found: Any, expected: Any, where: str = "") -> None:
    """Equal, numbers to a part in 10¹²."""
    if is_dataclass(expected):
        assert type(found) is type(expected), where
        for each in fields(expected):
            same(getattr(found, each.name), getattr(expected, each.name), f"{where}.{each.name}")
    elif isinstance(expected, tuple):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}[{number}]")
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            same(found[key], value, f"{where}[{key}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12), where
    else:
        assert found == expected, where


def named(found: Backup, name: str) -> Circuit:
    return next(each for each in found.circuits if each.name == name)


def lift(found: Backup, circuit: str, actuator_: str) -> float:
    return next(p.lift_k for p in named(found, circuit).paths if p.actuator == actuator_)


@pytest.mark.parametrize(
    ("which", "locked_s", "largest_kw"), [("k1 k2", 900.0, 150.0), ("k1 k3", 700.0, 90.0)]
)
def test_of_two_chillers_the_one_that_waits_longest_counts(
    which: str, locked_s: float, largest_kw: float
) -> None:
    chillers = {name: plant().chillers[name] for name in which.split()}
    found = backup_of(plant(chillers=chillers))
    expected = restart_k(127.5, locked_s, largest_kw) + 5.5
    assert lift(found, "h1", "k1.chw_supply_temperature_setpoint") == pytest.approx(
        expected, rel=1e-12
    )


def test_one_chiller_alone_is_as_slow_as_a_valve_and_is_named() -> None:
    found = backup_of(plant(chillers={"k1": plant().chillers["k1"]}))
    expected = 127.5 / (4.17 * 30.0) * ANSWERED / 110.0 + 5.5
    assert lift(found, "h1", "k1.chw_supply_temperature_setpoint") == pytest.approx(
        expected, rel=1e-12
    )
    assert named(found, "h1").rest_c is None
    assert found.unguarded[-1] == "cool: one chiller alone; its loss is borne by no setpoint"


def test_a_valve_that_is_quicker_than_the_load_leaves_no_excursion() -> None:
    found = backup_of(plant(worst_case=replace(FIGURES, answer_s=19.0)))
    assert lift(found, "c1", "c1.tcs_supply_temperature_setpoint") == 0.0
    assert lift(found, "c1", "warm.fws_supply_temperature_setpoint") == 4.0


def test_a_restart_quicker_than_a_valve_leaves_the_valves_excursion() -> None:
    quick = replace(FIGURES, restart_s=0.0, loading_per_min=1e6)
    found = backup_of(plant(worst_case=quick))
    expected = 127.5 / (4.17 * 30.0) * ANSWERED / 110.0 + 5.5
    assert lift(found, "h1", "k1.chw_supply_temperature_setpoint") == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize(
    ("cells", "share"),
    [((500.0,), 1.0), ((330.0, 331.0), 1.0), ((300.0, 40.0, 500.0), 1.0), ((165.0,), 2.0)],
)
def test_cells_with_room_to_spare_approach_as_rated(cells: tuple[float, ...], share: float) -> None:
    towers = {f"t{number}": Tower(f"t{number}", kw, 5.0) for number, kw in enumerate(cells)}
    slope, lift_k = named(backup_of(plant(towers=towers)), "c1").weather or (0.0, 0.0)
    assert (slope, lift_k) == pytest.approx((0.75, 3.7 * share + 0.25 * 25.6 + 2.25 + 4.0))


def test_without_towers_the_weather_says_nothing() -> None:
    assert named(backup_of(plant(towers={})), "c1").weather is None


def test_a_unit_on_a_loop_with_chillers_hangs_on_them_and_not_on_the_towers() -> None:
    cdus = {name: replace(each, loop="cool") for name, each in plant().cdus.items()}
    unit = named(backup_of(plant(cdus=cdus)), "c1")
    assert unit.weather is None
    assert [path.actuator.split(".")[0] for path in unit.paths] == ["c1", "k1", "k3"]
    assert unit.paths[1].lift_k == pytest.approx(restart_k(182.5, 0.0, 150.0) + 4.0)


def test_crahs_on_two_loops_get_both_and_one_on_none_gets_nothing() -> None:
    crahs = dict(plant().crahs)
    crahs["a2"] = replace(crahs["a2"], loop="warm")
    crahs["a3"] = replace(crahs["a3"], loop="")
    found = named(backup_of(plant(crahs=crahs)), "h1")
    assert [path.actuator.split(".")[0] for path in found.paths] == [
        *("a1", "k1", "k3", "warm", "tower_water"),
    ]
    nothing = {name: replace(each, loop="other") for name, each in crahs.items()}
    assert [p.actuator for p in named(backup_of(plant(crahs=nothing)), "h1").paths] == [
        "a1.supply_air_temperature_setpoint"
    ]


def test_the_worse_of_two_chilled_loops_at_rest_counts() -> None:
    loops = {**plant().loops, "also": CoolingLoop("also", 20.0, 7.0, 900.0, 15.0)}
    crahs = dict(plant().crahs)
    crahs["a2"] = replace(crahs["a2"], loop="also")
    chillers = dict(plant().chillers)
    chillers |= {name: Chiller(name, "also", 150.0, 6.0) for name in ("k4", "k5", "k6")}
    found = named(backup_of(plant(loops=loops, crahs=crahs, chillers=chillers)), "h1")
    slower = 2.0 * restart_k(127.5, 0.0, 150.0)
    assert found.rest_c == pytest.approx(19.0 + slower + 5.5)


@pytest.mark.parametrize(
    ("stated", "recommended_c", "expected"),
    [
        (None, 72.0, 31.0),
        (None, 41.0, 0.0),
        (None, 30.0, 0.0),
        (18.0, 72.0, 18.0),
        (0.0, 72.0, 0.0),
    ],
)
def test_a_cases_rise_is_stated_or_what_its_design_leaves(
    stated: float | None, recommended_c: float, expected: float
) -> None:
    racks = {**plant().racks, "r1": replace(plant().racks["r1"], recommended_c=recommended_c)}
    site_ = plant(racks=racks, worst_case=replace(FIGURES, case_rise_k=stated))
    assert named(backup_of(site_), "c1").curves[0] == plate(80.0, 75.0, 3.0, expected)


def test_equal_racks_are_one_curve_and_a_rack_without_liquid_none() -> None:
    racks = dict(plant().racks)
    racks["r8"] = replace(racks["r2"], id="r8")
    racks["r9"] = liquid("r9", "c2", 25.0, to_air_share=1.0)
    found = backup_of(plant(racks=racks))
    assert len(named(found, "c1").curves) == 2
    assert len(named(found, "c2").curves) == 1
    assert found.unguarded[0] == "r4: the worst case knows no rear door"


def test_a_hall_needs_racks_on_air_and_crahs() -> None:
    racks = {name: each for name, each in plant().racks.items() if name != "r7"}
    assert [each.name for each in backup_of(plant(racks=racks)).circuits] == ["c1", "c2", "h1"]
    none = backup_of(plant(crahs={}))
    assert [each.name for each in none.circuits] == ["c1", "c2"]


def test_a_fan_on_another_device_is_handed_back_apart() -> None:
    name = "a1.supply_air_temperature_setpoint"
    apart = {**SETPOINTS, name: replace(SETPOINTS[name], device="ch_1")}
    assert named(backup_of(plant(actuators=apart)), "h1").paths[0].drift_k is None


def test_a_loop_that_the_site_does_not_describe_brings_no_water() -> None:
    found = named(backup_of(plant(loops={})), "h1")
    assert [path.actuator for path in found.paths] == ["a1.supply_air_temperature_setpoint"]
    assert found.rest_c is None


def test_a_single_fan_is_not_the_one_that_is_lost() -> None:
    fan = setpoint("a4.fan_speed_setpoint", "crah_1", 30.0, 100.0, 85.0)
    found = named(backup_of(plant(actuators={**SETPOINTS, fan.id: fan})), "h2")
    assert (len(found.flows), found.loses_one, found.given) == (1, False, 0.0)


def test_without_an_excursion_chilled_water_comes_as_it_is_set() -> None:
    one = {"k1": plant().chillers["k1"]}
    found = backup_of(plant(chillers=one, worst_case=replace(FIGURES, answer_s=20.0)))
    assert lift(found, "h1", "k1.chw_supply_temperature_setpoint") == 5.5


def test_only_the_heat_on_a_loop_warms_it() -> None:
    loops = {**plant().loops, "other": CoolingLoop("other", 40.0, 15.0, 500.0, 25.0)}
    cdus = {**plant().cdus, "c4": CDU("c4", "h3", "other", 200.0, 16.0, 5.0, 42.0)}
    both = liquid("r10", "c1", 20.0, to_air_share=0.0, units=("c1", "a1"))
    racks = {**plant().racks, "r9": liquid("r9", "c4", 500.0), "r10": both}
    found = backup_of(plant(loops=loops, cdus=cdus, racks=racks))
    expected = 202.5 / (4.17 * 25.0) * ANSWERED / 110.0 + 4.0
    assert lift(found, "c1", "warm.fws_supply_temperature_setpoint") == pytest.approx(expected)


def test_a_rack_on_air_gives_a_cdu_nothing_and_the_smallest_heat_counts() -> None:
    odd = replace(air("r11", "h3", 40.0, 32.0, "c2"), to_air_share=0.5)
    found = backup_of(plant(racks={**plant().racks, "r11": odd}))
    plain = backup_of(plant())
    assert found.unguarded == plain.unguarded
    assert named(found, "c2").curves == named(plain, "c2").curves
    assert named(found, "c2").paths == named(plain, "c2").paths
    alone = liquid("r12", "empty", 0.0001, to_air_share=0.0)
    assert named(backup_of(plant(racks={"r12": alone})), "empty").curves != ()


@pytest.mark.parametrize(
    ("coolant_k", "stated_k", "expected"),
    [
        (2.0, 0.0, (2.0, 0.5)),  # half of the coolant's rise is the least of the plate's
        (2.0002, 0.0, (2.05, 0.55)),
        (2.000005, 4.00001, (2.05, 1.05)),  # what is over a step goes to the next one
        (2.0, 4.0, (2.0, 1.0)),
    ],
)
def test_rises_are_rounded_up(
    coolant_k: float, stated_k: float, expected: tuple[float, float]
) -> None:
    exact = replace(FIGURES, case_tolerance=0.0, case_rise_k=stated_k)
    rack = liquid("r1", "c1", 40.0 * coolant_k, to_air_share=0.0, design_flow_ls=10.0)
    (found,) = named(backup_of(plant(racks={"r1": rack}, worst_case=exact)), "c1").curves
    assert isinstance(found, Coldplate)
    assert (found.coolant_k, found.fixed_k, found.film_k) == (expected[0], expected[1], expected[1])


def test_a_design_that_leaves_nothing_leaves_half_of_the_coolants_rise() -> None:
    rack = liquid("r1", "c1", 12.0, to_air_share=0.0, design_flow_ls=10.0, recommended_c=30.0)
    exact = replace(FIGURES, case_tolerance=0.0)
    (found,) = named(backup_of(plant(racks={"r1": rack}, worst_case=exact)), "c1").curves
    assert found == Coldplate(80.0, 0.3, 0.1, 0.1)
