"""Training: accurate on later data, repeatable, and refused where there is nothing to learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.dataset import DatasetError, History
from models.forecast import forecast_load
from models.registry import MODEL, Bundle, RegistryError
from models.training import train
from tests.models_hall import small_bundle, small_history, small_inputs, small_site

SITE = small_site()


def test_an_hour_ahead_the_model_is_far_better_than_persistence() -> None:
    metrics = small_bundle().card.metrics
    assert metrics["air_60min_over_persistence"] < 0.3
    assert metrics["liquid_60min_over_persistence"] < 0.1


def test_it_predicts_another_week_as_well() -> None:
    bundle = small_bundle()
    other = small_history(8.0, seed=77)
    state = bundle.thermal.start(SITE, other.iloc[:240])
    history = History.of(SITE, other)
    path = bundle.thermal.roll_out(state, history.inputs(240, 360)).limited_c
    error = path - history.limited_c[240:360]
    assert float(np.sqrt(np.mean(error[:, :6] ** 2))) < 0.8
    assert float(np.sqrt(np.mean(error[:, 6:] ** 2))) < 0.5


def test_training_is_repeatable_bit_for_bit() -> None:
    frame = small_history(20.0, seed=4)
    first, again = (train(SITE, frame, seed=9, effort=0.07) for _ in range(2))
    assert first.version == again.version


def test_progress_runs_from_nothing_to_done() -> None:
    told: list[float] = []
    train(SITE, small_history(20.0), effort=0.07, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_short_history_is_refused() -> None:
    with pytest.raises(DatasetError, match="too few to learn from"):
        train(SITE, small_history(4.0))


def test_a_stored_model_answers_bit_for_bit_the_same(tmp_path: Path) -> None:
    bundle = small_bundle()
    bundle.save(tmp_path / "model")
    again = Bundle.load(tmp_path / "model", SITE)
    assert again.version == bundle.version
    assert again.card == bundle.card
    inputs, recent = small_inputs(24, 300.0, 1), small_history(3.0)
    for model in (bundle, again):
        assert model.thermal.start(SITE, recent).time_s == recent.index[-1].timestamp() + 60.0
    paths = [b.thermal.roll_out(b.thermal.start(SITE, recent), inputs) for b in (bundle, again)]
    np.testing.assert_array_equal(paths[0].limited_c, paths[1].limited_c)
    power = [b.power.predict(inputs, paths[0].limited_c) for b in (bundle, again)]
    for name, values in power[0].items():
        np.testing.assert_array_equal(values, power[1][name], err_msg=name)
    loads = [
        forecast_load(b.load_model, SITE, recent, start_s=inputs.start_s + 9e3, step_s=300, steps=4)
        for b in (bundle, again)
    ]
    np.testing.assert_array_equal(loads[0].values, loads[1].values)


def test_an_altered_model_is_refused(tmp_path: Path) -> None:
    small_bundle().save(tmp_path)
    data = json.loads((tmp_path / MODEL).read_text())
    data["power_units"][0]["factor_kw"] *= 0.5
    (tmp_path / MODEL).write_text(json.dumps(data))
    with pytest.raises(RegistryError, match="altered"):
        Bundle.load(tmp_path, SITE)


def test_a_missing_or_damaged_model_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no model there"):
        Bundle.load(tmp_path / "nowhere", SITE)
    small_bundle().save(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"not tensors")
    with pytest.raises(RegistryError, match="damaged"):
        Bundle.load(tmp_path, SITE)
