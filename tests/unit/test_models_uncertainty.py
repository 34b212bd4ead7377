"""Margins hold the maximum of a group; tracking widens them when they do not."""

from __future__ import annotations

import numpy as np
import pytest

from models.uncertainty import LEADS_S, ErrorModel, Tracking, group_errors, rack_groups
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


def test_tracking_restores_the_promise_where_errors_have_grown() -> None:
    errors = errors_of(1.0)
    model = ErrorModel({"g": group_errors(errors, (errors, errors), tuple(range(10)))})
    draw = np.random.default_rng(2)
    tracking, missed = Tracking(), []
    for _ in range(3000):
        worst = float(draw.normal(0.0, 2.0, 10).max())
        margin = model.margins(np.array([3600.0]), "g", tracking=tracking)[0]
        missed.append(worst > margin)
        tracking = model.track(tracking, "g", 3600.0, worst, forecast=False)
    assert np.mean(missed[:50]) > 0.1
    assert np.mean(missed[-1500:]) < 0.03
    assert tracking.of("g") > 1.5
    assert tracking.of("another") == 1.0


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(KeyError, match="cdu9"):
        small_bundle().errors.margins(ALL, "cdu9")
