"""Forecasts see only the past, start where things are, and know how unsure they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.dataset import History
from models.forecast import LoadModel, WeatherModel, forecast_load, forecast_weather
from tests.models_hall import small_history, small_site

SITE = small_site()
FRAME = small_history(72.0, seed=11)
LOAD = LoadModel.fit(History.of(SITE, FRAME))
WEATHER = WeatherModel.fit(History.of(SITE, FRAME))
START_S = float(FRAME.index[2000].timestamp())


def load_of(frame: pd.DataFrame, steps: int = 48) -> np.ndarray:
    forecast = forecast_load(LOAD, SITE, frame, start_s=START_S, step_s=300.0, steps=steps)
    return forecast.values


def test_the_future_is_never_looked_at() -> None:
    spoilt = FRAME.copy()
    spoilt.iloc[2000:] = 1e3
    np.testing.assert_array_equal(load_of(spoilt), load_of(FRAME))
    asked = {"start_s": START_S, "step_s": 300.0, "steps": 12}
    honest = forecast_weather(WEATHER, SITE, FRAME, **asked)  # type: ignore[arg-type]
    tempted = forecast_weather(WEATHER, SITE, spoilt, **asked)  # type: ignore[arg-type]
    for name in ("wet_bulb_c", "dry_bulb_c"):
        np.testing.assert_array_equal(honest[name].values, tempted[name].values)


def test_a_load_forecast_starts_at_the_present_and_goes_back_to_the_mean() -> None:
    forecast = forecast_load(LOAD, SITE, FRAME, start_s=START_S, step_s=60.0, steps=240)
    now = np.array([FRAME[f"{rack}.it_power"].iloc[1997:2000].mean() for rack in SITE.racks])
    mean = np.array([FRAME[f"{rack}.it_power"].iloc[560:2000].mean() for rack in SITE.racks])
    median = forecast.at(0.5)
    far = np.abs(now - mean) > 0.2 * mean
    assert (np.abs(median[0] - now) < 0.25 * np.abs(now - mean))[far].all()
    assert (np.abs(median[-1] - mean) < np.abs(now - mean))[far].all()


def test_quantiles_rise_and_stay_between_nothing_and_the_rating() -> None:
    values = load_of(FRAME)
    rated = np.array([rack.rated_kw for rack in SITE.racks.values()])
    assert (np.diff(values, axis=0) >= 0.0).all()
    assert values.min() >= 0.0
    assert (values <= rated + 1e-9).all()


def test_ninety_per_cent_bands_of_the_load_hold_on_other_days() -> None:
    other = small_history(48.0, seed=12)
    inside, seen = 0, 0
    for row in range(1500, 2700, 60):
        start_s = float(other.index[row].timestamp())
        forecast = forecast_load(LOAD, SITE, other, start_s=start_s, step_s=60.0, steps=60)
        came = np.stack([other[f"{rack}.it_power"].to_numpy()[row + 59] for rack in SITE.racks])
        inside += int(((came >= forecast.at(0.05)[59]) & (came <= forecast.at(0.95)[59])).sum())
        seen += len(came)
    assert 0.8 < inside / seen <= 1.0


def test_a_rack_nobody_measures_is_taken_at_its_rating() -> None:
    blind = FRAME.drop(columns=["l10.it_power"])
    index = list(SITE.racks).index("l10")
    assert load_of(blind)[2, :, index] == pytest.approx(SITE.racks["l10"].rated_kw)


def test_the_weather_forecast_beats_persistence_over_half_a_day() -> None:
    wet = FRAME["outdoor.wet_bulb_temperature"].to_numpy()
    ours, held = [], []
    for row in range(2900, 3600, 60):
        start_s = float(FRAME.index[row].timestamp())
        found = forecast_weather(WEATHER, SITE, FRAME, start_s=start_s, step_s=300.0, steps=144)
        came = wet[row : row + 720 : 5]
        ours.append(found["wet_bulb_c"].at(0.5)[: len(came)] - came)
        held.append(wet[row - 1] - came)
    error = [float(np.sqrt(np.mean(np.concatenate(e) ** 2))) for e in (ours, held)]
    assert error[0] < 0.7 * error[1]


def test_without_a_weather_station_the_message_says_so() -> None:
    with pytest.raises(ValueError, match="check the weather station"):
        forecast_weather(
            WEATHER,
            SITE,
            FRAME.drop(columns=["outdoor.wet_bulb_temperature"]),
            start_s=START_S,
            step_s=300.0,
            steps=4,
        )
