"""The control benchmark's arithmetic: its days, its rows and its measures."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from benchmarks.control_days import days
from benchmarks.control_table import Table, ablated, measures, share_of_best
from facility.outside import Tariff

TARIFF = Tariff(
    currency="USD",
    energy_per_kwh=0.1,
    carbon_g_per_kwh=400.0,
    carbon_price_per_t=0.0,
    demand_per_kw_month=0.0,
)


def account(cooling_kwh: float, it_kwh: float = 1000.0, **changes: float) -> dict[str, Any]:
    """Of a run that ends as warm as it began."""
    found = {
        "energy_kwh": {"chillers": cooling_kwh},
        "it_energy_kwh": it_kwh,
        "heat_kwh": it_kwh + cooling_kwh,
        "stored_at_start_kwh": 50.0,
        "stored_at_end_kwh": 50.0,
        "throttled_kwh": 0.0,
        "limit_violation_degree_minutes": 0.0,
        "peak_excess_k": 0.0,
        "over_recommended_degree_minutes": 0.0,
        "peak_cooling_kw": 10.0,
        "water_m3": 2.0,
    }
    return {**found, **changes}


def controlled(cooling_kwh: float, **changes: float) -> dict[str, Any]:
    counted = {"moves_per_point_hour": 1.5, "ticks": 36, "fallbacks": 1}
    return {"account": account(cooling_kwh, **changes), **counted}


def filled() -> tuple[Table, list[str]]:
    """Two days: 20 and 10 % less than Guideline 36, one ablation on the second."""
    said: list[str] = []
    table = Table(days(3.0), said.append)
    for day, ours in ((0, controlled(80.0)), (3, controlled(90.0, it_kwh=1000.0))):
        table.add(day, "guideline36", {"account": account(100.0)})
        table.add(day, "isotherm", ours)
        table.add(day, "fixed", {"account": account(200.0)})
    worse = controlled(99.0, limit_violation_degree_minutes=4.0, peak_excess_k=0.5)
    table.add(3, "no_margins", worse)
    return table, said


def test_each_load_comes_once_in_a_climate_and_three_times_in_all() -> None:
    square = days(24.0)
    assert Counter((day.site, day.mix) for day in square) == {
        ("frontier", "supercomputer"): 3,
        ("campus", "training"): 3,
        ("campus", "inference"): 3,
        ("campus", "mixed"): 3,
    }
    assert len({(day.climate, day.mix) for day in square}) == 12
    assert len({day.season for day in square}) == 4


def test_no_day_of_another_week_has_the_seed_or_the_date_of_one_of_this() -> None:
    first, second, before = days(24.0), days(24.0, 1), days(24.0, -2)
    every = [*first, *second, *before]
    assert len({day.seed for day in every}) == len({day.name for day in every}) == 36
    assert second[0].start == "2025-02-04T00:00:00Z"


def test_windows_go_round_the_clock() -> None:
    assert len({day.start[11:13] for day in days(3.0)}) == 6


def test_a_row_is_shown_as_soon_as_it_can_be_compared() -> None:
    table, said = filled()
    assert table.ran("isotherm") == [0, 3]
    assert len(said) == 1 + 3 + 3 + 1  # the head, then a row for each agent and day
    assert "20.0%" in said[2]
    assert "60.0%" in said[2]
    assert said[-1].split()[3] == "no_margins"
    assert "4.00" in said[-1]


def test_measures_are_the_sums_over_days() -> None:
    found = {m.name: m for m in measures(filled()[0], {"frontier": TARIFF, "campus": TARIFF})}
    assert found["saving_vs_guideline36"].value == pytest.approx(0.15)
    assert found["saving_vs_fixed"].value == pytest.approx(1.0 - 170.0 / 400.0)
    assert found["fallback_share"].value == pytest.approx(2 / 72, abs=1e-4)
    assert found["fallback_share"].met is False
    assert found["cooling_cost"].value == pytest.approx(17.0)
    assert found["cooling_carbon_kg"].value == pytest.approx(68.0)
    assert found["water_m3"].value == pytest.approx(4.0)
    assert found["pue"].value == pytest.approx(1.085)
    assert "guideline36 1.1" in found["pue"].how


def test_it_energy_and_heat_left_behind_count_as_in_every_account() -> None:
    table = Table(days(3.0), lambda _row: None)
    table.add(0, "guideline36", {"account": account(100.0)})
    table.add(0, "fixed", {"account": account(200.0)})
    # 5 kWh more of IT, and 10 kWh of heat left that its own effort removes at 80/1085 each.
    ours = controlled(80.0, it_kwh=1005.0, stored_at_end_kwh=60.0)
    table.add(0, "isotherm", ours)
    expected = 80.0 + 5.0 + 10.0 * 80.0 / 1085.0
    assert table.energy_kwh("isotherm", [0])[0] == pytest.approx(expected)
    unstored = table.unstored_saving("isotherm", "guideline36", [0])
    assert unstored == pytest.approx(1.0 - 85.0 / 100.0)


def test_an_ablation_is_told_beside_the_whole_on_the_same_days() -> None:
    (found,) = ablated(filled()[0])
    assert found.name == "saving_vs_guideline36.no_margins"
    assert found.value == pytest.approx(0.01)
    assert "4.00 K min" in found.how
    assert "whole of ours 10.0%" in found.how


def test_the_share_of_the_best_found_counts_only_what_was_searched() -> None:
    table, _ = filled()
    found = share_of_best(table, {0: {"energy_kwh": 60.0, "tried": 80, "levels": {}}})
    assert found.value == pytest.approx(0.5)
    weak = share_of_best(table, {3: {"energy_kwh": 95.0, "tried": 80, "levels": {}}})
    assert weak.value == 1.0  # ours is the best that was found
