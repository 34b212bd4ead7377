"""The simulated plant beside measured and published figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.validation import components, cooling_loss, frontier_day


# Opengate Data Systems for Active Power (2007): servers shut down 3 min 9 s after cooling at 5 kW
# a cabinet, within a minute from 10 kW on. Shutdown lies at or above the allowable 35 to 40 °C.
def test_racks_of_5_kw_last_minutes_without_air_and_of_10_kw_about_one() -> None:
    calm, dense = cooling_loss.all_crahs_trip(0.35), cooling_loss.all_crahs_trip(0.75)
    assert 2.0 < calm.minutes_to(35.0) < 5.0
    assert calm.minutes_to(40.0) < 10.0
    assert 0.4 < dense.minutes_to(35.0) < 1.5
    assert dense.minutes_to(40.0) < 3.0


# «Failure of the cooling system ... can lead to data center shutdown in less than a minute»
# (InterPACK2017, V001T02A008: measured on a direct liquid-cooled rack).
def test_liquid_cooled_racks_reach_their_limit_within_a_minute_of_a_pump_trip() -> None:
    trip = cooling_loss.cdu_pump_trip(last_s=90.0)
    assert 0.2 < trip.minutes_to(trip.limit_c) < 1.0


@pytest.mark.parametrize(
    ("hot_ls", "cold_ls", "ua_kw_k", "hot_c", "cold_c"),
    [(30.0, 28.0, 240.0, 37.0, 21.0), (20.0, 30.0, 150.0, 45.0, 30.0), (30.0, 15.0, 240.0, 37, 17)],
)
def test_an_exchanger_with_constant_properties_carries_what_real_fluids_carry(
    hot_ls: float, cold_ls: float, ua_kw_k: float, hot_c: float, cold_c: float
) -> None:
    assert abs(components.exchanger_error(hot_ls, cold_ls, ua_kw_k, hot_c, cold_c)) < 0.01


def test_wet_bulbs_agree_with_the_reference_equations_of_humid_air() -> None:
    assert np.abs(components.wet_bulb_errors_k().to_numpy()).max() < 0.05


# Sun et al., Scientific Data 11:1077 (2024): waste heat of Frontier at 30 to 38 °C.
def test_the_frontier_day_leaves_with_the_heat_and_near_the_temperatures_that_were_measured(
    shared_data: Path,
) -> None:
    day = frontier_day.simulate(shared_data / frontier_day.TRACE, hours=8.0)
    settled = day.frame[day.frame.index > 0.5]
    # The racks give what the trace says, and all of it, with the pumps', reaches the water.
    assert settled["it_kw"].to_numpy() == pytest.approx(settled["measured_kw"].to_numpy(), rel=1e-6)
    assert abs(day.accounts.balance_error) < 1e-3
    assert settled["cdu_kw"].mean() == pytest.approx(settled["measured_kw"].mean(), rel=0.03)
    low, high = settled["fws_return_c"].quantile([0.05, 0.95])
    assert 30.0 < low < high < 39.0
    assert 45.0 < frontier_day.delay_s(day) < 300.0
    assert day.accounts.throttled_kwh == 0.0
