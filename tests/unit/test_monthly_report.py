"""The monthly report: counted figures, declared ones, and absent ones that say what they need."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.cli import main
from controller.evaluation.indicators import (
    Declared,
    DeclaredError,
    indicators,
    read_declared,
)
from controller.evaluation.monthly import monthly_report, page
from tests.models_hall import small_history, small_site


def frame() -> pd.DataFrame:
    return small_history(6.0, seed=4)


def test_counted_figures_are_the_meters_and_the_rest_says_what_it_needs() -> None:
    found = {one.name: one for one in indicators(small_site(), frame())}
    it_kw = frame()[list(small_site().tags("it_power"))].sum(axis=1)
    assert found["E_IT"].value == pytest.approx(it_kw.sum() / 60.0)
    assert found["PUE"].value is None
    assert found["PUE"].source == "absent: declare total_kwh and pue_category"
    assert found["ERF"].source == "absent: declare heat_reused_kwh and total_kwh"
    assert found["CDD"].value == 0.0


def test_ratios_of_what_was_declared_worked_by_hand() -> None:
    given = {"total_kwh": 6000.0, "pue_category": 3.0, "water_m3": 2.0, "renewable_kwh": 1500.0}
    declared = Declared(given, dict.fromkeys(given, "a bill"))
    found = {one.name: one for one in indicators(small_site(), frame(), declared)}
    it_kwh = float(str(found["E_IT"].value))
    assert found["PUE3"].value == pytest.approx(6000.0 / it_kwh)
    assert found["WUE"].value == pytest.approx(2000.0 / it_kwh)
    assert found["REF"].value == pytest.approx(0.25)
    carbon = small_site().tariff.carbon_g_per_kwh
    assert found["CUE"].value == pytest.approx(6000.0 * carbon / 1000.0 / it_kwh)


def test_degree_days_are_eurostats() -> None:
    """Means of 30, 25 and 23 °C: 9 + 4, and nothing for a day at or below 24 °C."""
    data = pd.concat([frame()] * 3)
    data.index = pd.date_range("2026-07-01", periods=len(data), freq="4min", tz="UTC")
    day = (data.index.day - 1).to_numpy()
    data["outdoor.dry_bulb_temperature"] = np.select([day == 0, day == 1], [30.0, 25.0], 23.0)
    found = {one.name: one for one in indicators(small_site(), data)}
    assert found["CDD"].value == pytest.approx(13.0)


def test_minutes_above_a_limit_and_silent_points_are_told() -> None:
    site, data = small_site(), frame()
    tag = "l10.case_temperature"
    data.loc[data.index[10:15], tag] = site.racks["l10"].limit_c + 1.0
    data["cdu1.tcs_supply_temperature"] = np.nan
    report = monthly_report(site, data, indicators(site, data))
    assert sum(t["minutes_over"] for t in report["temperatures"]) == 5
    assert report["silent_points"] == ["cdu1.tcs_supply_temperature"]
    html = page(json.loads(json.dumps(report, allow_nan=False)), site, data)
    assert "5 rack minutes above a limit" in html
    assert "cdu1.tcs_supply_temperature" in html


@pytest.mark.parametrize("every_s", [20, 60, 300, 420])
def test_rows_count_for_as_long_as_they_stand(every_s: int) -> None:
    """A day at 100 kW, five hours of it above a limit, and a meter that is silent for an hour."""
    site = small_site()
    index = pd.date_range("2026-07-01", "2026-07-02", freq=f"{every_s}s", tz="UTC")[:-1]
    data = pd.concat([small_history(1.0).iloc[[0]]] * len(index)).set_index(index)
    day = (index - index[0]).total_seconds().to_numpy()
    data["tower1.fan_power"] = 100.0
    data["chiller1.power"] = np.where(day // 3600 == 3, np.nan, 100.0)
    hot_c = site.racks["l10"].limit_c + 1.0
    data["l10.case_temperature"] = np.where(day < 5 * 3600, hot_c, 20.0)
    report = monthly_report(site, data, ())
    kwh, two_rows_kwh = report["by_component_kwh"], 2.0 * every_s / 36.0
    assert kwh["towers"] == pytest.approx(2400.0, abs=two_rows_kwh)
    assert kwh["chillers"] == pytest.approx(2300.0, abs=two_rows_kwh)
    over = sum(t["minutes_over"] for t in report["temperatures"])
    assert over == pytest.approx(300, abs=every_s / 60.0)


def test_a_gap_in_the_record_counts_for_nothing() -> None:
    site = small_site()
    data = pd.concat([small_history(1.0).iloc[[0]]] * 288)
    data.index = pd.date_range("2026-07-01", periods=288, freq="5min", tz="UTC")
    data["tower1.fan_power"] = 100.0
    halved = pd.concat([data.iloc[:72], data.iloc[216:]])
    report = monthly_report(site, halved, ())
    assert report["by_component_kwh"]["towers"] == pytest.approx(1200.0)


def test_every_mistake_in_what_is_declared_is_told(tmp_path: Path) -> None:
    path = tmp_path / "declared.toml"
    path.write_text(
        'water_m3 = 3\nwater = { value = 1, source = "x" }\n'
        'pue_category = { value = 4, source = "x" }\nrenewable_kwh = { value = -1, source = "x" }\n'
        'total_kwh = { value = 5, source = " " }\n'
    )
    with pytest.raises(DeclaredError) as caught:
        read_declared(path)
    text = str(caught.value)
    assert "water_m3: write it as water_m3 = { value" in text
    assert "water: not known" in text
    assert "pue_category: its value has to be 1, 2 or 3" in text
    assert "renewable_kwh: its value has to be a number that is not negative" in text
    assert "total_kwh: its source is empty" in text


@pytest.mark.parametrize("month", ["2026-13", "October", "2026-10-01"])
def test_a_month_that_is_none_is_refused(
    month: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--site", "x", "--data", "y.csv", "--month", month, "--out", str(tmp_path / "o")]
    assert main(["report", "monthly", *asked]) == 2
    assert "neither a month" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
