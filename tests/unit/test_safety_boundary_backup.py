"""The worst case digit by digit: what circuits bear, what is asked of setpoints, and the words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.devices import Cooling
from safety.arithmetic import Interval
from safety.backup import (
    MOST_ROOMS,
    AirIntake,
    Backup,
    Circuit,
    Coldplate,
    Flow,
    Lever,
    Path,
    least_flow,
)
from safety.backup_held import WorstCase

EASY = Coldplate(limit_c=100.0, coolant_k=10.0, fixed_k=10.0, film_k=0.0)
"""Bears 80 °C at design flow, 90 less 10 over the share."""
HARD = Coldplate(limit_c=100.0, coolant_k=20.0, fixed_k=10.0, film_k=0.0)
SUPPLY, WATER, FLOW, ALSO = "supply", "water", "flow", "also"
LEVERS = {
    SUPPLY: Lever(SUPPLY, Cooling.LOWER, 10.0, 90.0, 50.0),
    WATER: Lever(WATER, Cooling.LOWER, 10.0, 90.0, 40.0),
    FLOW: Lever(FLOW, Cooling.HIGHER, 1.0, 10.0, 8.0),
    ALSO: Lever(ALSO, Cooling.HIGHER, 1.0, 10.0, 8.0),
}
UNIT = Circuit(
    "unit",
    (EASY,),
    (Path(SUPPLY, 5.0, 2.0), Path(WATER, 20.0)),
    (Flow(FLOW, 0.1, 10.0),),
    given=0.0,
    loses_one=False,
)


def asked(
    *circuits: Circuit,
    values: dict[str, tuple[float, ...]] | None = None,
    wet_bulb_c: float | None = None,
    rise_k: float = 0.0,
) -> WorstCase:
    found = values or {}
    backup = Backup(LEVERS, circuits, 20.0, rise_k)
    return WorstCase(backup, lambda name: found.get(name, ()), wet_bulb_c)


# -- what a circuit bears ----------------------------------------------------------------------


def test_the_coolants_rise_goes_with_the_share_exactly() -> None:
    assert EASY.room_c(0.7) == pytest.approx(90.0 - 10.0 / 0.7, rel=1e-12)
    assert Coldplate(100.0, 1.0, 0.0, 2.0).room_c(0.7) == pytest.approx(
        100.0 - 1.0 / 0.7 - 2.0 * 0.7**-0.75, rel=1e-12
    )


def test_shares_end_at_a_fiftieth_and_at_one() -> None:
    assert EASY.room_c(0.02) == EASY.room_c(0.0) == EASY.room_c(0.0199)
    assert EASY.room_c(0.02) == 90.0 - 500.0
    assert EASY.room_c(0.0201) > EASY.room_c(0.02)
    assert EASY.room_c(1.0) == EASY.room_c(1.5) == 80.0


def test_an_intake_without_air_counts_a_fiftieth_of_the_servers() -> None:
    intake = AirIntake(35.0, 10.0, 1.0, 0.1, 0.0)
    assert intake.room_c(0.0) == intake.room_c(0.2) == pytest.approx(35.0 - 49.0)
    assert intake.room_c(0.25) == pytest.approx(35.0 - 39.0)


def test_all_that_comes_back_is_borne_by_nobody() -> None:
    assert AirIntake(35.0, 10.0, 1.0, 0.9999, 0.0).room_c(20.0) == pytest.approx(35.0 - 9999.0)
    assert AirIntake(35.0, 10.0, 1.0, 1.0, 0.0).room_c(20.0) == -float("inf")


def test_the_hottest_curve_counts_whatever_was_asked_before() -> None:
    circuit = replace(UNIT, curves=(EASY, HARD))
    assert [circuit.room_c(share) for share in (1.0, 0.5, 1.0)] == [70.0, 50.0, 70.0]


def test_what_is_remembered_of_a_circuit_is_bounded_and_used() -> None:
    circuit = replace(UNIT, curves=(EASY,))
    for step in range(MOST_ROOMS):
        circuit.room_c(1.0 + step)
    assert len(circuit._rooms_c) == MOST_ROOMS == 256
    circuit._rooms_c[1.0] = 7.0
    assert circuit.room_c(1.0) == 7.0
    circuit.room_c(0.5)
    assert circuit._rooms_c == {0.5: 70.0}


def test_the_warmest_of_weather_and_rest_is_given() -> None:
    both = replace(UNIT, weather=(0.5, 10.0), rest_c=21.0)
    assert [both.given_c(bulb) for bulb in (20.0, 22.0, 24.0)] == [21.0, 21.0, 22.0]
    assert replace(both, weather=None).given_c(30.0) == 21.0
    assert UNIT.given_c(30.0) == -float("inf")


def test_the_largest_flow_is_lost_and_of_none_nothing() -> None:
    fans = replace(UNIT, given=2.0, loses_one=True)
    assert fans.flow_left([3.0, 4.0, 1.0]) == 6.0
    assert fans.flow_left([]) == 2.0
    assert replace(fans, loses_one=False).flow_left([3.0, 4.0]) == 9.0
    assert fans.most == 2.0


def test_a_circuit_hangs_on_its_paths_and_then_on_its_flows() -> None:
    assert UNIT.setpoints == (SUPPLY, WATER, FLOW)


@pytest.mark.parametrize(
    ("supply_c", "share"), [(70.0, 0.5), (70.001, 0.5001), (80.0, 1.0), (80.1, 1.0), (-500.0, 1e-4)]
)
def test_the_least_flow_to_a_step(supply_c: float, share: float) -> None:
    assert least_flow((EASY,), supply_c, 1.0) == pytest.approx(share, abs=1e-9)
    assert least_flow((EASY,), 70.0, 2.0) == pytest.approx(0.5)
    assert least_flow((EASY, HARD), 50.0, 1.0) == pytest.approx(0.5)
    assert least_flow((EASY,), 40.0, 0.25) == pytest.approx(0.2)


# -- what is asked of a setpoint -----------------------------------------------------------------


def test_a_supply_whole_with_its_words() -> None:
    found = asked(UNIT, values={FLOW: (5.0,), SUPPLY: (30.0,), WATER: (20.0,)}).interval(SUPPLY)
    assert found == Interval(
        "backup",
        None,
        650_000,
        "with every rack of unit at its rated power, a unit lost and no help from us, at most 65 "
        "keeps them within their limits",
        {"supply_worst_c": 60.0, "supply_bearable_c": 70.0, "wet_bulb_c": 20.0},
    )


def test_a_flow_whole_with_its_words() -> None:
    found = asked(UNIT, values={SUPPLY: (60.0,)}, wet_bulb_c=17.0).interval(FLOW)
    assert found == Interval(
        "backup",
        40_000,
        None,
        "with every rack of unit at its rated power, a unit lost and no help from us, at least 4 "
        "keeps them within their limits",
        {
            "supply_worst_c": 65.0,
            "supply_bearable_c": 77.5,
            "wet_bulb_c": 17.0,
        },
    )


def test_nothing_is_asked_of_a_setpoint_without_a_part() -> None:
    assert asked(UNIT).interval("another") == Interval("backup")


@pytest.mark.parametrize(
    ("bulb_c", "rise_k", "expected"),
    [
        (None, 0.0, 20.0),
        (None, 1.2, 21.5),
        (17.1, 0.0, 17.5),
        (17.5, 0.0, 17.5),
        (17.5001, 0.0, 18.0),
        (17.4, 0.2, 18.0),
    ],
)
def test_the_wet_bulb_rises_and_is_rounded_up_to_half_a_kelvin(
    bulb_c: float | None, rise_k: float, expected: float
) -> None:
    assert asked(UNIT, wet_bulb_c=bulb_c, rise_k=rise_k).wet_bulb_c == expected


def test_the_worst_circuit_binds() -> None:
    other = replace(UNIT, name="other", curves=(HARD,))
    both = asked(UNIT, other, values={FLOW: (5.0,), SUPPLY: (43.0,), WATER: (20.0,)})
    assert both.interval(SUPPLY).upper == 430_000  # 100 - 40 - 10 - 5, and 2 below the plant's own
    assert both.interval(FLOW).lower == 66_670
    assert "other" in both.interval(SUPPLY).detail
    assert "other" in both.interval(FLOW).detail


def test_a_bound_at_the_plants_own_value_needs_no_drift_and_below_it_does() -> None:
    """Room less lift is 50 at a flow of 2.8571, and 49.99 just under it."""
    at = asked(replace(UNIT, curves=(Coldplate(65.0, 0.0, 10.0, 0.0),)))
    assert at.interval(SUPPLY).upper == 500_000
    under = asked(replace(UNIT, curves=(Coldplate(64.9, 0.0, 10.0, 0.0),)))
    assert under.interval(SUPPLY).upper == 479_000
    # What may be handed back apart does not drift.
    apart = asked(replace(UNIT, curves=(Coldplate(60.0, 0.0, 10.0, 0.0),)))
    assert apart.interval(WATER).upper == 300_000


def test_a_bound_outside_the_range_is_its_end() -> None:
    hot = asked(replace(UNIT, curves=(Coldplate(20.0, 0.0, 10.0, 0.0),)))
    assert hot.interval(SUPPLY).upper == 100_000
    assert hot.interval(FLOW).lower == 100_000
    assert asked(UNIT, values={SUPPLY: (95.0,)}).interval(FLOW).lower == 100_000


@pytest.mark.parametrize(
    ("held", "expected"),
    [((), 55.0), ((30.0,), 37.0), ((49.0,), 55.0), ((60.0,), 65.0), ((30.0, 44.0), 51.0)],
)
def test_a_supply_counts_on_its_way_to_the_plants_own(
    held: tuple[float, ...], expected: float
) -> None:
    """Own 50: it drifts at most by 2 K there, and the lift is 5 K."""
    only = replace(UNIT, paths=UNIT.paths[:1])
    assert asked(only, values={SUPPLY: held}).excess_k(0) == pytest.approx(
        expected - (90.0 - 10.0 / 0.8)
    )


@pytest.mark.parametrize(("held", "expected"), [((), 40.0), ((30.0,), 40.0), ((45.0, 41.0), 45.0)])
def test_a_supply_on_another_device_counts_at_the_plants_own(
    held: tuple[float, ...], expected: float
) -> None:
    only = replace(UNIT, paths=UNIT.paths[1:])
    assert asked(only, values={WATER: held}).excess_k(0) == pytest.approx(
        expected + 20.0 - (90.0 - 10.0 / 0.8)
    )


@pytest.mark.parametrize(
    ("held", "lowest"), [((), 8.0), ((9.0,), 8.0), ((5.0, 9.0), 5.0), ((9.0, 4.0), 4.0)]
)
def test_a_flow_counts_at_its_least(held: tuple[float, ...], lowest: float) -> None:
    found = asked(UNIT, values={FLOW: held, SUPPLY: (10.0,)})
    assert found.interval(SUPPLY).upper == int((90.0 - 100.0 / lowest - 5.0) * 10_000)


def test_what_is_accepted_counts_beside_what_was_there() -> None:
    worst = asked(UNIT, values={SUPPLY: (60.0,), FLOW: (9.0,)})
    assert worst.interval(FLOW).lower == 40_000
    assert worst.interval(SUPPLY).upper == int((90.0 - 12.5 - 5.0) * 10_000)
    worst.accepted(SUPPLY, 65.0)
    worst.accepted(FLOW, 5.0)
    assert worst.interval(FLOW).lower == 50_000
    assert worst.interval(SUPPLY).upper == 650_000
    worst.accepted(SUPPLY, 20.0)
    worst.accepted(FLOW, 10.0)
    assert worst.interval(FLOW).lower == 50_000
    assert worst.interval(SUPPLY).upper == 650_000


def test_what_is_needed_is_rounded_up_to_a_hundredth() -> None:
    """64.991 counts as 65: 4 L/s; 65.001 as 65.01, a step of flow more."""
    low = asked(replace(UNIT, paths=(Path(SUPPLY, 4.991, 2.0),)), values={SUPPLY: (60.0,)})
    assert low.interval(FLOW).lower == 40_000
    over = asked(replace(UNIT, paths=(Path(SUPPLY, 5.001, 2.0),)), values={SUPPLY: (60.0,)})
    assert over.interval(FLOW).lower == 40_020
    least = asked(replace(UNIT, paths=(Path(SUPPLY, 5.00001, 2.0),)), values={SUPPLY: (60.0,)})
    assert least.interval(FLOW).lower == 40_020
    # At a share of 0.4001 it bears 65.00997 °C: less than 65.01.
    curve = replace(EASY, limit_c=100.00372)
    close = replace(UNIT, curves=(curve,), paths=(Path(SUPPLY, 5.001, 2.0),))
    assert asked(close, values={SUPPLY: (60.0,)}).interval(FLOW).lower == 40_020


def test_what_no_supply_puts_right_asks_for_the_coldest_to_the_grain() -> None:
    nothing = replace(UNIT, curves=(AirIntake(35.0, 10.0, 12.0, 1.0, 0.0),))
    assert asked(nothing).interval(SUPPLY).upper == 100_000
    odd = {**LEVERS, SUPPLY: replace(LEVERS[SUPPLY], minimum=1.001)}  # 10009.999999999998 grains
    worst = WorstCase(Backup(odd, (nothing,), 20.0, 0.0), lambda _: (), None)
    assert worst.interval(SUPPLY).upper == 10_010


# -- several fans --------------------------------------------------------------------------------


def fans(given: float, *, loses_one: bool, amounts: tuple[float, float] = (0.1, 0.1)) -> Circuit:
    return Circuit(
        "hall",
        (EASY,),
        (Path(SUPPLY, 5.0, 2.0),),
        (Flow(FLOW, amounts[0], 10.0), Flow(ALSO, amounts[1], 10.0)),
        given=given,
        loses_one=loses_one,
    )


@pytest.mark.parametrize("others", [5.0, 4.0, 3.9, 1.0])
def test_of_two_fans_each_must_bring_it_alone(others: float) -> None:
    worst = asked(fans(0.0, loses_one=True), values={SUPPLY: (60.0,), ALSO: (others,)})
    assert worst.interval(FLOW).lower == 40_000


def test_with_what_is_given_each_brings_the_rest() -> None:
    worst = asked(fans(0.1, loses_one=True), values={SUPPLY: (60.0,), ALSO: (1.0,)})
    assert worst.interval(FLOW).lower == pytest.approx(30_000, abs=20)


@pytest.mark.parametrize(
    ("others", "least"), [(1.0, 2.0), (2.0, 2.0), (2.5, 1.5), (3.0, 1.0), (4.0, 0.0), (5.0, -1.0)]
)
def test_where_nothing_is_lost_the_others_count_whole(others: float, least: float) -> None:
    """0.4 is needed: 2 L/s each of both, or less where the other brings more."""
    worst = asked(fans(0.0, loses_one=False), values={SUPPLY: (60.0,), ALSO: (others,)})
    assert worst.interval(FLOW).lower == pytest.approx(least * 10_000, abs=25)


@pytest.mark.parametrize(("third", "least"), [(2.0, 2.0), (3.0, 1.0), (3.999, 0.001), (4.0, 0.0)])
def test_with_one_lost_a_fan_may_stay_behind_as_far_as_the_others_bring_more(
    third: float, least: float
) -> None:
    """0.4 of three, one lost: 2 L/s each; with 4 beside it the other two bear it alone."""
    three = replace(
        fans(0.0, loses_one=True),
        flows=(Flow(FLOW, 0.1, 10.0), Flow(ALSO, 0.1, 10.0), Flow("third", 0.1, 10.0)),
    )
    levers = {**LEVERS, "third": Lever("third", Cooling.HIGHER, 1.0, 10.0, 8.0)}
    values = {SUPPLY: (60.0,), ALSO: (third,), "third": (third,)}
    worst = WorstCase(Backup(levers, (three,), 20.0, 0.0), lambda n: values.get(n, ()), None)
    found = worst.interval(FLOW).lower
    assert found is not None
    rest = 2 * 0.1 * third
    expected = 2.0 if rest < 0.4 else min(2.0, (0.4 - rest + 0.1 * third) / 0.1)
    assert found == pytest.approx(expected * 10_000, abs=25)
    assert expected == pytest.approx(least)


def test_a_smaller_fan_is_asked_for_no_more_than_all_of_it() -> None:
    both = replace(fans(0.0, loses_one=False), flows=(Flow(FLOW, 0.1, 10.0), Flow(ALSO, 0.1, 4.0)))
    levers, values = {**LEVERS, ALSO: replace(LEVERS[ALSO], maximum=4.0)}, {SUPPLY: (85.0,)}
    worst = WorstCase(Backup(levers, (both,), 20.0, 0.0), lambda n: values.get(n, ()), None)
    assert worst.interval(ALSO).lower == 40_000
    assert worst.interval(FLOW).lower == 60_000  # the plant's own 8 of the other counts


def test_what_is_given_counts_beside_the_others() -> None:
    worst = asked(fans(0.1, loses_one=False), values={SUPPLY: (60.0,), ALSO: (2.5,)})
    assert worst.interval(FLOW).lower == pytest.approx(5_000, abs=25)


@pytest.mark.parametrize(("others", "least"), [(1.0, 40_000), (3.999, 40_000), (4.0, 20_000)])
def test_the_larger_of_two_fans_is_the_one_that_is_lost(others: float, least: int) -> None:
    """What the smaller one brings alone must do; from there on the larger one is free to fall."""
    pair = fans(0.0, loses_one=True, amounts=(0.2, 0.1))
    worst = asked(pair, values={SUPPLY: (60.0,), ALSO: (others,)})
    assert worst.interval(FLOW).lower == least


def test_no_fan_is_asked_for_more_than_all_alike_since_one_of_them_may_do_more() -> None:
    three = replace(
        fans(0.0, loses_one=True),
        flows=(Flow(FLOW, 0.1, 10.0), Flow(ALSO, 0.1, 10.0), Flow("third", 0.1, 10.0)),
    )
    levers = {**LEVERS, "third": Lever("third", Cooling.HIGHER, 1.0, 10.0, 8.0)}
    values = {SUPPLY: (60.0,), ALSO: (8.0,), "third": (0.1,)}
    worst = WorstCase(Backup(levers, (three,), 20.0, 0.0), lambda n: values.get(n, ()), None)
    assert worst.interval(FLOW).lower == 20_000
