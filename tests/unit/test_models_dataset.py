"""A history is checked before anything is learned from it, and errors say how to mend it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.dataset import DatasetError, History
from tests.models_hall import small_history, small_site

SITE = small_site()


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return small_history(8.0)


def problems(frame: pd.DataFrame) -> str:
    with pytest.raises(DatasetError) as caught:
        History.of(SITE, frame)
    return str(caught.value)


def test_every_problem_is_told_at_once(frame: pd.DataFrame) -> None:
    broken = frame.drop(columns=["l10.case_temperature", "cdu1.tcs_flow_setpoint"])
    broken["a0.inlet_temperature"] = broken["a0.inlet_temperature"] * 1.8 + 320.0
    text = problems(broken)
    assert "l10.case_temperature" in text
    assert "cdu1.tcs_flow_setpoint" in text
    assert "a0.inlet_temperature: values from" in text
    assert "degC" in text


def test_a_clock_that_went_back_is_named(frame: pd.DataFrame) -> None:
    again = frame.iloc[200:]
    again = again.set_index(pd.DatetimeIndex(again.index) - pd.Timedelta(hours=1))
    assert "a clock was changed" in problems(pd.concat([frame.iloc[:200], again]))


def test_local_time_is_refused(frame: pd.DataFrame) -> None:
    assert "tz_convert('UTC')" in problems(frame.tz_convert("America/New_York"))
    assert "no time zone" in problems(frame.tz_localize(None))


def test_text_in_a_column_is_refused(frame: pd.DataFrame) -> None:
    assert "text, not numbers" in problems(frame.assign(**{"l10.it_power": "12 kW"}))


def test_short_gaps_are_bridged_and_long_ones_set_aside(frame: pd.DataFrame) -> None:
    gaps = frame.copy()
    gaps.loc[gaps.index[100:105], "l10.it_power"] = np.nan
    gaps.loc[gaps.index[200:260], "l11.it_power"] = np.nan
    history = History.of(SITE, gaps)
    assert history.usable[100:105].all()
    assert not history.usable[200:260].any()
    assert "minutes unused" in " ".join(history.notes)


def test_a_gap_is_bridged_whole_or_not_at_all(frame: pd.DataFrame) -> None:
    tag = "outdoor.wet_bulb_temperature"
    gaps = frame.copy()
    lost = {"ten": range(100, 110), "eleven": range(200, 211), "the end": range(470, 480)}
    for rows in lost.values():
        gaps.loc[gaps.index[list(rows)], tag] = np.nan
    found = History.of(SITE, gaps).wet_bulb_c
    line = np.linspace(frame[tag].iloc[99], frame[tag].iloc[110], 12)
    np.testing.assert_allclose(found[99:111], line)
    assert np.isnan(found[200:211]).all()
    assert np.isnan(found[470:]).all()
    assert np.isnan(found).sum() == 21


def test_a_frozen_sensor_is_not_learned_from(frame: pd.DataFrame) -> None:
    frozen = frame.copy()
    frozen.loc[frozen.index[100:400], "l12.case_temperature"] = 45.0
    history = History.of(SITE, frozen)
    rack = list(SITE.racks).index("l12")
    assert np.isnan(history.limited_c[100:400, rack]).all()
    assert np.isfinite(history.limited_c[:100, rack]).all()
    assert any("l12.case_temperature: frozen" in note for note in history.notes)


def test_a_finer_export_is_averaged_to_a_minute(frame: pd.DataFrame) -> None:
    fine = frame.loc[frame.index.repeat(4)]
    fine.index = pd.date_range(frame.index[0], periods=len(fine), freq="15s")
    np.testing.assert_allclose(
        History.of(SITE, fine).it_power_kw, History.of(SITE, frame).it_power_kw
    )


def test_the_hash_is_of_the_content(frame: pd.DataFrame) -> None:
    first = History.of(SITE, frame).content_hash
    assert History.of(SITE, frame.copy()).content_hash == first
    other = frame.copy()
    other.loc[other.index[7], "l10.it_power"] = 1.0
    assert History.of(SITE, other).content_hash != first


def test_setpoints_are_those_in_force_by_group(frame: pd.DataFrame) -> None:
    history = History.of(SITE, frame)
    column = history.layout.groups.index("cool.chw_supply_temperature_setpoint")
    np.testing.assert_allclose(
        history.setpoints[:, column], frame["chiller1.chw_supply_temperature_setpoint"]
    )
    inputs = history.inputs(10, 20, 300.0)
    assert inputs.steps == 2
    np.testing.assert_allclose(
        inputs.it_power_kw[1], history.it_power_kw[15:20].mean(axis=0), rtol=1e-12
    )
