"""Grains and intervals: exact comparisons, one intersection, and values that fit the wire."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from facility.points import Access, DataType
from safety.arithmetic import (
    WIDEST,
    Interval,
    allowance,
    grains,
    is_number,
    meet,
    milliseconds,
    units,
)
from safety.encoding import can_be_written, nearest_on_wire, reach
from tests.safety_kit import FLOW, TEMPERATURE, point


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.1e9, -1.1e9, 1e308])
def test_what_is_no_plausible_number_is_none(value: float) -> None:
    assert not is_number(value)


@pytest.mark.parametrize("value", [0.0, -273.15, 1e9, -1e9, 5e-324])
def test_ordinary_numbers_are_numbers(value: float) -> None:
    assert is_number(value)


def test_grains_and_units_are_inverse_at_four_decimals() -> None:
    for count in (-350_001, -1, 0, 1, 273_000, 10**13):
        assert grains(units(count)) == count


def test_a_limit_and_the_register_that_carries_it_are_the_same_number_of_grains() -> None:
    assert 224 * 0.1 > 22.4  # the reason for grains
    assert grains(224 * 0.1) == grains(22.4) == 224_000


def test_milliseconds_survive_the_rounding_of_posix_times() -> None:
    start = 1_712_448_000.1
    assert milliseconds((start + 300.0) - start) == 300_000


@pytest.mark.parametrize(
    ("rate", "elapsed_s", "window_s", "expected"),
    [
        (0.1, 300.0, 300.0, 5_000),  # the default away from cooling: 0.5 °C in 5 min
        (2.0, 60.0, 60.0, 20_000),
        (0.1, 900.0, 300.0, 5_000),  # idle time beyond the window counts for nothing
        (0.1, 0.0, 300.0, 0),
        (0.1, -5.0, 300.0, 0),  # a clock that went back allows nothing
        (0.1, 0.059, 300.0, 0),  # rounded down, never up
        (0.1, 0.06, 300.0, 1),
    ],
)
def test_allowance(rate: float, elapsed_s: float, window_s: float, expected: int) -> None:
    assert allowance(rate, elapsed_s, window_s) == expected


def test_allowance_never_exceeds_the_exact_product() -> None:
    for elapsed_ms in range(0, 300_000, 777):
        exact = Fraction(1, 10) * 10_000 * Fraction(elapsed_ms, 60_000)
        got = allowance(0.1, elapsed_ms / 1000, 300.0)
        assert exact - 1 < got <= exact


def test_intervals_hold_their_ends() -> None:
    interval = Interval("x", 1, 3)
    assert [interval.holds(value) for value in range(5)] == [False, True, True, True, False]
    assert Interval("x").holds(WIDEST)
    assert Interval("x", lower=0).holds(1)
    assert not Interval("x", upper=0).holds(1)


def test_the_meeting_names_the_tightest_ends_and_of_equals_the_first() -> None:
    a, b, c = Interval("a", 0, 9), Interval("b", 2, 9), Interval("c", 2, 5)
    met = meet((a, b, c))
    assert (met.floor, met.ceiling, met.lower, met.upper) == (2, 5, b, c)
    assert met.conflict is None
    assert met.nearest(1) == (2, b)
    assert met.nearest(2) == (2, None)
    assert met.nearest(5) == (5, None)
    assert met.nearest(6) == (5, c)


def test_the_meeting_of_nothing_admits_everything() -> None:
    assert meet(()).nearest(WIDEST) == (WIDEST, None)
    assert meet(()).nearest(-WIDEST) == (-WIDEST, None)


def test_the_interval_that_has_nothing_in_common_is_the_conflict() -> None:
    a, b = Interval("a", 0, 5), Interval("b", 6, 9)
    met = meet((a, b, Interval("c", 1, 2)))
    assert met.conflict is b
    assert (met.floor, met.ceiling) == (0, 5)


def test_an_interval_that_is_empty_by_itself_is_a_conflict() -> None:
    empty = Interval("rate", 3, 2)
    assert meet((Interval("a", 0, 5), empty)).conflict is empty


def test_the_counterexample_to_clamping_in_turn_is_a_conflict() -> None:
    """Previous 0, range [-3/8, -3/8], rate 1/8: a clamp after the rate would step by 3/8."""
    span = grains(3 / 8)
    in_range = Interval("range", -span, -span)
    in_rate = Interval("rate", -grains(1 / 8), grains(1 / 8))
    assert meet((in_range, in_rate)).conflict is in_rate
    assert meet((in_rate, in_range)).conflict is in_range


TENTHS = point(TEMPERATURE, "cdu_1", DataType.INT16, scale=0.1)


@pytest.mark.parametrize(
    ("target", "lower", "upper", "expected"),
    [
        (30.0, 20.0, 42.0, 30.0),
        (30.04, 20.0, 42.0, 30.0),
        (30.06, 20.0, 42.0, 30.1),
        (30.05, 20.0, 42.0, 30.0),  # of two equally near the lower
        (30.04, 30.01, 42.0, 30.1),  # the nearest one is outside
        (30.06, 20.0, 30.09, 30.0),
        (30.05, 30.01, 30.09, None),
        (30.1, 30.1, 30.1, 30.1),
    ],
)
def test_the_nearest_register_within_the_bounds(
    target: float, lower: float, upper: float, expected: float | None
) -> None:
    found = nearest_on_wire(TENTHS, grains(target), grains(lower), grains(upper))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


def test_a_sentinel_is_never_written() -> None:
    odd = point(TEMPERATURE, "cdu_1", DataType.INT16, scale=0.1, sentinels=(300,))
    assert nearest_on_wire(odd, grains(30.0), grains(20.0), grains(42.0)) is None
    assert nearest_on_wire(odd, grains(30.04), grains(20.0), grains(42.0)) == pytest.approx(30.1)


def test_a_sentinel_given_as_a_register_pattern_is_never_written() -> None:
    minus_one = point(TEMPERATURE, "cdu_1", DataType.INT16, sentinels=(0xFFFF,))
    assert nearest_on_wire(minus_one, grains(-1.0), grains(-1.0), grains(-1.0)) is None


def test_a_register_does_not_wrap_around() -> None:
    tiny = point(FLOW, "cdu_1", DataType.UINT16, scale=1.0)
    assert nearest_on_wire(tiny, grains(65_536.0), grains(0.0), grains(70_000.0)) is None
    assert nearest_on_wire(tiny, grains(-1.0), grains(-5.0), grains(10.0)) is None
    assert nearest_on_wire(tiny, grains(65_535.0), grains(0.0), grains(70_000.0)) == 65_535.0
    assert nearest_on_wire(tiny, grains(0.0), grains(0.0), grains(70_000.0)) == 0.0


def test_a_32_bit_float_is_judged_as_the_device_decodes_it() -> None:
    single = point(TEMPERATURE, "cdu_1", DataType.FLOAT32)
    found = nearest_on_wire(single, grains(27.3), grains(18.0), grains(27.3))
    assert found is not None
    assert found != 27.3
    assert grains(found) == grains(27.3)


def test_a_64_bit_float_in_fahrenheit_comes_back_the_same() -> None:
    double = point(TEMPERATURE, "cdu_1", DataType.FLOAT64, unit="degF")
    found = nearest_on_wire(double, grains(27.3), grains(18.0), grains(27.3))
    assert found == pytest.approx(27.3, abs=1e-9)


def test_reach_of_a_register() -> None:
    low, high = reach(point(TEMPERATURE, "cdu_1", DataType.INT16, scale=-0.1, offset=5.0))
    assert low == pytest.approx(-3271.7)
    assert high == pytest.approx(3281.8)
    assert reach(point(TEMPERATURE, "cdu_1", DataType.FLOAT32)) == (-1e9, 1e9)


def test_only_numeric_points_with_write_access_can_be_written() -> None:
    assert can_be_written(TENTHS)
    assert can_be_written(point(TEMPERATURE, "cdu_1", access=Access.WRITE))
    assert not can_be_written(point(TEMPERATURE, "cdu_1", access=Access.READ))
    assert not can_be_written(point(TEMPERATURE, "cdu_1", DataType.BOOL))
