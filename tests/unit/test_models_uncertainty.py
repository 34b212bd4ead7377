"""Margins hold the maximum of a group; the upper band is tracked where errors have grown."""

from __future__ import annotations

import numpy as np
import pytest

from models.uncertainty import (
    LEADS_S,
    ErrorModel,
    group_errors,
    rack_groups,
    tracked_upper,
)
from tests.models_hall import small_bundle, small_site

ALL = np.array(LEADS_S)


def errors_of(spread_k: float, origins: int = 4000, racks: int = 10) -> np.ndarray:
    return np.random.default_rng(1).normal(0.0, spread_k, (origins, len(LEADS_S), racks))


def test_groups_are_a_cdus_racks_and_a_halls_air_cooled_ones() -> None:
    groups = rack_groups(small_site())
    assert set(groups) == {"cdu1", "cdu2", "hall1"}
    assert groups["hall1"] == (6, 7, 8, 9)


def test_a_margin_covers_the_maximum_of_the_group_not_a_single_rack() -> None:
    errors = errors_of(1.0)
    model = ErrorModel({"g": group_errors(errors, (errors, 2.0 * errors), tuple(range(10)))})
    # 99 % of the maximum of ten standard normals: Phi^-1(0.99^(1/10)) = 3.089
    assert model.margins(ALL, "g")[0] == pytest.approx(3.09, abs=0.25)
    assert model.margins(ALL, "g", forecast=True)[0] == pytest.approx(6.18, abs=0.5)
    lower, upper = model.band(ALL, "g")
    assert lower[0] == pytest.approx(-1.645, abs=0.1)
    assert upper[0] == pytest.approx(1.645, abs=0.1)


def test_few_origins_do_not_make_a_margin_small() -> None:
    errors = errors_of(1.0, origins=15)
    model = ErrorModel({"g": group_errors(errors, (errors, errors), tuple(range(10)))})
    assert model.margins(ALL, "g").min() > 2.0


def test_a_sensor_that_says_nothing_counts_for_nothing() -> None:
    errors = errors_of(1.0)
    errors[:, :, 3] = np.nan
    errors[::2] = np.nan
    model = ErrorModel({"g": group_errors(errors, (errors, errors), (0, 3))})
    assert np.isfinite(model.margins(ALL, "g")).all()


def test_the_tracked_upper_band_keeps_its_promise_where_errors_have_grown() -> None:
    draw = np.random.default_rng(2)
    start_k = np.full(8, 1.28)
    usual = draw.normal(0.0, 1.0, (432, 8))
    assert (usual <= tracked_upper(usual, start_k, 12))[144:].mean() == pytest.approx(0.9, abs=0.03)
    # Elsewhere: three times the spread, and hotter than thought by as much.
    moved = draw.normal(3.0, 3.0, (432, 8))
    upper = tracked_upper(moved, start_k, 12)
    assert (moved <= upper)[:12].mean() < 0.4
    assert (moved <= upper)[144:].mean() > 0.85
    assert (moved <= upper)[144:].mean(axis=0).min() > 0.75


def test_tracking_sees_no_outcome_before_its_time() -> None:
    errors = np.zeros((40, 2))
    later = errors.copy()
    later[20:] = 9.0
    start_k = np.ones(2)
    before, after = (tracked_upper(each, start_k, 12) for each in (errors, later))
    np.testing.assert_array_equal(before[:32], after[:32])
    assert (after[32:] > before[32:]).all()


def test_a_silent_sensor_leaves_its_band_where_it_is() -> None:
    upper = tracked_upper(np.full((30, 1), np.nan), np.ones(1), 12)
    np.testing.assert_array_equal(upper, 1.0)


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(KeyError, match="cdu9"):
        small_bundle().errors.margins(ALL, "cdu9")
