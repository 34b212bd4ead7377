"""Proof of savings: what it finds where the truth is known, and what it refuses to claim."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.evaluation.savings import (
    Adjustment,
    Hourly,
    HourlyError,
    adjusted_savings,
    analyse,
    fit_energy,
    from_frame,
    read_adjustments,
    read_hourly,
    read_schedule,
    schedule,
)
from controller.evaluation.savings.adjusted import guideline14
from controller.evaluation.savings.regression import lag_one
from controller.evaluation.savings.switchback import apply_saving
from tests.savings_hours import START, START_S, hours


def changed(hourly: Hourly, factor: float) -> Hourly:
    return Hourly(
        hourly.times_s, hourly.cooling_kw * factor, hourly.it_kw, hourly.wet_bulb_c, hourly.absent
    )


class TestBaseline:
    def test_a_plant_that_follows_its_drivers_passes_guideline_14(self) -> None:
        model = fit_energy(hours(42))
        assert model.fit.passes
        assert model.fit.cv_rmse_unseen < 0.10
        assert abs(model.fit.nmbe) < 0.01
        assert model.fit.autocorrelation == pytest.approx(0.8, abs=0.1)

    def test_one_whose_energy_has_nothing_to_do_with_them_fails(self) -> None:
        good = hours(42)
        rng = np.random.default_rng(5)
        kw = rng.choice([50.0, 600.0], len(good))
        model = fit_energy(Hourly(good.times_s, kw, good.it_kw, good.wet_bulb_c))
        assert not model.fit.passes

    def test_a_saving_of_a_tenth_is_found_within_its_interval(self) -> None:
        both = hours(70)
        cut_s = START_S + 42 * 86_400.0
        before, after = both.between(START_S, cut_s), both.between(cut_s, math.inf)
        found = adjusted_savings(before, changed(after, 0.9), draws=200)
        low, high = found.interval_share
        assert low < 0.1 < high
        assert found.claimed
        assert found.saved_kwh == pytest.approx(found.expected_kwh - found.used_kwh)

    def test_where_nothing_was_changed_nothing_is_claimed(self) -> None:
        claims = 0
        for seed in range(10):
            both = hours(56, seed)
            cut_s = START_S + 42 * 86_400.0
            claims += adjusted_savings(
                both.between(START_S, cut_s), both.between(cut_s, math.inf), draws=100
            ).claimed
        assert claims <= 2  # 5 % each

    def test_weather_that_the_baseline_never_saw_is_no_ground_for_a_claim(self) -> None:
        before, after = hours(42), hours(14, 4, START_S + 42 * 86_400.0)
        hot = Hourly(after.times_s, after.cooling_kw * 0.5, after.it_kw, after.wet_bulb_c + 15.0)
        found = adjusted_savings(before, hot, draws=50)
        assert not found.claimed
        assert any("outside" in reason for reason in found.reasons_against)

    def test_an_adjustment_counts_its_hours_and_is_named(self) -> None:
        before, after = hours(42), hours(14, 4, START_S + 42 * 86_400.0)
        begin_s = float(after.times_s[0])
        extra = Adjustment(begin_s, begin_s + 1.5 * 3600.0, 100.0, "two racks moved in", "lee")
        plain = adjusted_savings(before, after, draws=50)
        found = adjusted_savings(before, after, [extra], draws=50)
        assert found.adjustments_kwh == pytest.approx(150.0)
        assert found.saved_kwh - plain.saved_kwh == pytest.approx(150.0)

    def test_periods_that_overlap_are_refused(self) -> None:
        with pytest.raises(HourlyError, match="overlap"):
            adjusted_savings(hours(42), hours(14))

    def test_guideline_14_worked_by_hand(self) -> None:
        """1.26 t CV sqrt(n/n' (1 + 2/n') / m) with n = 1008, rho = 0.8: n' = 112."""
        model = fit_energy(hours(42))
        rho = model.fit.autocorrelation
        independent = 1008 * (1 - rho) / (1 + rho)
        by_hand = (
            1.26
            * 1.66
            * model.fit.cv_rmse
            * math.sqrt(1008 / independent * (1 + 2 / independent) / 336)
        )
        assert guideline14(model, 336) == pytest.approx(by_hand, rel=0.01)

    def test_autocorrelation_leaves_gaps_out(self) -> None:
        values = np.array([1.0, -1.0, 1.0, -1.0])
        together = 3600.0 * np.arange(4, dtype=np.float64)
        assert lag_one(values, together) == pytest.approx(-1.0)
        apart = together + np.array([0.0, 0.0, 7200.0, 7200.0])
        assert lag_one(values, apart) == pytest.approx(-1.0)
        assert lag_one(np.zeros(4), together) == 0.0


class TestSwitchback:
    def test_the_lot_is_even_in_each_block_and_repeats(self) -> None:
        plan = schedule(START, 28, 7)
        assert plan == schedule(START, 28, 7)
        assert plan.isotherm != schedule(START, 28, 8).isotherm
        blocks = np.array(plan.isotherm).reshape(-1, 4)
        assert (blocks.sum(axis=1) == 2).all()

    def test_a_saving_is_found_within_its_interval(self) -> None:
        plan = schedule(START, 28, 7)
        found = analyse(apply_saving(hours(28), plan, 0.12), plan)
        assert found.interval_share[0] < 0.12 < found.interval_share[1]
        assert found.claimed
        assert found.days == 28
        assert found.isotherm_days == 14

    def test_chance_is_claimed_no_oftener_than_it_may_be(self) -> None:
        claimed = 0
        for seed in range(60):
            plan = schedule(START, 28, 100 + seed)
            claimed += analyse(hours(28, seed), plan, draws=300).claimed
        assert claimed <= 7  # 3 expected of 60; more than 7 comes once in 100

    def test_a_loss_is_not_claimed_and_shows_as_one(self) -> None:
        plan = schedule(START, 28, 7)
        found = analyse(apply_saving(hours(28), plan, -0.10), plan)
        assert not found.claimed
        assert found.interval_share[1] < 0.0

    def test_a_day_without_data_is_left_out_and_counted(self) -> None:
        plan = schedule(START, 28, 7)
        data = hours(28)
        lost = data.where(data.days != data.days[0] + 3)
        found = analyse(apply_saving(lost, plan, 0.12), plan)
        assert (found.days, found.left_out) == (27, 1)

    def test_a_schedule_that_was_changed_by_hand_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "plan.json"
        plan = schedule(START, 28, 7)
        path.write_text(plan.to_json())
        assert read_schedule(path) == plan
        data = json.loads(path.read_text())
        first = next(iter(data["days"]))
        data["days"][first] = "local" if data["days"][first] == "isotherm" else "isotherm"
        path.write_text(json.dumps(data))
        with pytest.raises(HourlyError, match="changed by hand"):
            read_schedule(path)

    @pytest.mark.parametrize("days", [4, 13, 30])
    def test_a_number_of_days_that_proves_nothing_is_refused(self, days: int) -> None:
        with pytest.raises(HourlyError, match="multiple of 4"):
            schedule(START, days, 1)


class TestTable:
    def frame(self, minutes: int = 180) -> pd.DataFrame:
        index = pd.date_range(START, periods=minutes, freq="1min", tz="UTC")
        return pd.DataFrame({"cooling_kw": 300.0, "it_kw": 4000.0, "wet_bulb_c": 9.0}, index=index)

    def test_hours_are_means_and_an_hour_with_gaps_is_left_out(self) -> None:
        frame = self.frame()
        frame.iloc[60:90, 0] = np.nan
        found = from_frame(frame)
        assert list(found.times_s - START_S) == [0.0, 7200.0]
        assert found.absent == 1

    def test_all_that_is_wrong_is_told_at_once(self) -> None:
        frame = self.frame().drop(columns=["it_kw", "wet_bulb_c"]).tz_localize(None)
        with pytest.raises(HourlyError) as caught:
            from_frame(frame, where="meter.csv")
        text = str(caught.value)
        assert "meter.csv has no column it_kw (kW)" in text
        assert "meter.csv has no column wet_bulb_c" in text
        assert "time zone" in text

    def test_a_clock_change_is_named_with_its_row(self) -> None:
        frame = self.frame()
        twice = pd.concat([frame.iloc[:60], frame.iloc[30:]])
        with pytest.raises(HourlyError, match=r"row 61: .* does not come after"):
            from_frame(twice)

    def test_a_wrong_unit_is_named(self) -> None:
        frame = self.frame()
        frame["wet_bulb_c"] = 48.2
        with pytest.raises(HourlyError, match=r"wet_bulb_c is 48\.2; in °C"):
            from_frame(frame)

    def test_csv_and_parquet_read_alike(self, tmp_path: Path) -> None:
        frame = self.frame()
        frame.index.name = "time"
        frame.to_csv(tmp_path / "a.csv")
        frame.to_parquet(tmp_path / "a.parquet")
        one, other = read_hourly(tmp_path / "a.csv"), read_hourly(tmp_path / "a.parquet")
        assert np.array_equal(one.times_s, other.times_s)
        assert np.array_equal(one.cooling_kw, other.cooling_kw)

    def test_adjustments_tell_all_mistakes_with_their_place(self, tmp_path: Path) -> None:
        path = tmp_path / "changes.toml"
        path.write_text(
            '[[adjustment]]\nstart = "2026-03-01"\nend = "2026-02-01"\nkw = 3\n'
            'why = "x"\nby = "y"\n'
            '[[adjustment]]\nstart = "2026-03-01"\nkw = "three"\n'
        )
        with pytest.raises(HourlyError) as caught:
            read_adjustments(path)
        assert "changes.toml, adjustment 1: it ends before it starts" in str(caught.value)
        assert "changes.toml, adjustment 2: by is missing" in str(caught.value)
