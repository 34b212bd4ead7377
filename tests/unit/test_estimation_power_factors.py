"""Measured over expected power: at the supplies as they are, from minutes at rest, by size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from controller.estimation.learned import (
    FACTOR_PRIOR_SHARE,
    FACTOR_RANGE,
    FACTOR_ROWS,
    LearnedEstimator,
    minutes_of,
)
from models.contract import Array
from models.fit_power import plant_meters, unit_meters
from tests.models_hall import small_bundle, small_history, small_site

SITE = small_site()
BUNDLE = small_bundle()
METERS: Mapping[str, tuple[str, ...]] = {
    name: tuple(tags) for name, tags in {**plant_meters(SITE), **unit_meters(SITE)}.items()
}
FANS = "tower_fans"
SETPOINT = "tower_water.cw_supply_temperature_setpoint"
SUPPLY = "tower_water.cw_supply_temperature"


def still(rows: int = FACTOR_ROWS) -> pd.DataFrame:
    """A hall at rest: one minute of a history, over and over, with every supply where it is set."""
    last = small_history(1.0).iloc[[-1]]
    frame = pd.concat([last] * rows)
    frame.index = pd.date_range("2024-04-09T00:00:00Z", periods=rows, freq="60s")
    return frame.assign(**{SUPPLY: frame[SETPOINT]})


def expected(frame: pd.DataFrame) -> Mapping[str, Array]:
    """(N,) by component, at the supplies as they are."""
    history = minutes_of(SITE, frame, BUNDLE.thermal.layout)
    inputs = history.inputs(0, history.rows)
    return BUNDLE.power.predict(replace(inputs, setpoints=BUNDLE.power.layout.reached(history)))


def metered(frame: pd.DataFrame, times: float | Array = 1.0, of: str = "") -> pd.DataFrame:
    """The frame with meters that read what is expected; ``times`` that for ``of``, or for all."""
    columns = {}
    for name, kw in expected(frame).items():
        for tag in METERS[name]:
            factor = times if of in ("", name) else 1.0
            columns[tag] = factor * kw / len(METERS[name])
    return frame.assign(**columns)


def factors(frame: pd.DataFrame) -> Mapping[str, float]:
    return LearnedEstimator(SITE, BUNDLE).power_factors(frame)


def test_a_meter_that_agrees_gives_one() -> None:
    found = factors(metered(still()))
    assert set(found) == set(expected(still()))
    assert found == pytest.approx(dict.fromkeys(found, 1.0), abs=1e-3)


def test_a_component_is_believed_by_its_size() -> None:
    frame = still()
    usual = {name: float(kw.mean()) for name, kw in expected(frame).items()}
    prior_kw = FACTOR_PRIOR_SHARE * sum(usual.values())
    found = factors(metered(frame, 1.3))
    for name, kw in usual.items():
        assert found[name] == pytest.approx((1.3 * kw + prior_kw) / (kw + prior_kw), abs=1e-3)


def test_a_ratio_keeps_within_its_range() -> None:
    low, high = FACTOR_RANGE
    largest = max(expected(still()).items(), key=lambda item: float(item[1].mean()))[0]
    assert factors(metered(still(), 50.0))[largest] == high
    assert factors(metered(still(), 0.0))[largest] == low


def test_expected_is_the_power_of_what_is_reached_not_of_what_is_set() -> None:
    """Towers that cannot reach a setpoint would otherwise always seem to save."""
    frame = metered(still())
    wished = frame.assign(**{SETPOINT: SITE.actuators[SETPOINT].minimum})
    assert frame[SETPOINT].iloc[0] > SITE.actuators[SETPOINT].minimum + 1.0
    assert factors(wished) == factors(frame)


def test_fans_that_pull_water_down_say_little_of_fans_that_hold_it() -> None:
    rows = FACTOR_ROWS
    drop_k = np.linspace(6.0, 0.0, rows // 2)
    moving = np.append(drop_k, np.zeros(rows - len(drop_k)))
    held = metered(still())
    pulled = metered(held.assign(**{SUPPLY: held[SUPPLY] + moving}))
    tag = METERS[FANS][0]
    hurried = pulled.assign(**{tag: held[tag] * np.where(moving > 0.0, 3.0, 1.0)})
    of_all_minutes = float((hurried[tag] / pulled[tag]).mean())
    found = factors(hurried)
    assert of_all_minutes > 2.5
    assert 1.0 <= found[FANS] < 1.05
    others = {name: factor for name, factor in found.items() if name != FANS}
    assert others == pytest.approx(dict.fromkeys(others, 1.0), abs=1e-3)


def test_what_no_meter_tells_has_no_factor() -> None:
    frame = metered(still())
    tag = METERS[FANS][0]
    assert FANS not in factors(frame.assign(**{tag: np.nan}))
    assert set(factors(frame.assign(**{tag: np.nan}))) == set(factors(frame)) - {FANS}
    assert not factors(frame.iloc[:1])
    assert set(factors(frame.iloc[:7])) == set(factors(frame))  # one block and a rest


def test_minutes_of_unknown_load_or_weather_are_left_out() -> None:
    frame = metered(still(), 1.3)
    whole = factors(frame)
    gaps = frame.copy()
    gaps.loc[gaps.index[:4], "l10.it_power"] = np.nan
    gaps.loc[gaps.index[-3:], "outdoor.wet_bulb_temperature"] = np.nan
    gaps.loc[gaps.index[-5], METERS[FANS][0]] = np.nan
    assert factors(gaps) == pytest.approx(whole, abs=1e-3)
    blind = factors(frame.assign(**{"outdoor.wet_bulb_temperature": np.nan}))
    assert set(blind) == {"cdu_pumps", "crah_fans"}  # what no weather moves
