"""The life of a model: interrupted and resumed, judged, promoted through gates, rolled back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from controller.lifecycle.gates import Gates, GatesError, judge, read_gates
from controller.lifecycle.replay import Replay
from controller.lifecycle.work import By, Settings, hourly_errors, promote, train_version
from models import fit_thermal
from models.checkpoint import CheckpointError
from models.dataset import DatasetError, History
from models.drift import KEPT_SHARE, bound, run_length, watch
from models.evaluation import Evaluation
from models.registry import Bundle, RegistryError
from models.training import train
from models.versions import Action, Versions, VersionsError
from tests.models_hall import small_history, small_site

SITE = small_site()
BY = By("Ada", "a reason", 1000.0)
GOOD = {
    "air_60min_over_persistence": 0.2,
    "air_60min_rmse_k": 0.3,
    "band_90_coverage": 0.9,
    "margin_99_coverage": 0.99,
    "wrong_signs": 0.0,
    "power_cv_rmse": 0.1,
    "power_nmbe": -0.01,
}


EFFORT = 0.12
"""Stopped and resumed within each part: a check after 25 steps, and some steps after it."""


class Interrupted(Exception):
    pass


def test_an_interrupted_training_goes_on_and_ends_with_the_same_model(tmp_path: Path) -> None:
    frame = small_history(16.2, seed=4)
    whole = train(SITE, frame, seed=9, effort=EFFORT)
    path = tmp_path / "run.pt"
    # within the supplies, within the racks, and within the power
    for stop in (0.1, 0.4, 0.78):

        def stop_there(share: float, stop: float = stop) -> None:
            if share >= stop:
                raise Interrupted

        with pytest.raises(Interrupted):
            train(SITE, frame, seed=9, effort=EFFORT, checkpoint=path, progress=stop_there)
        assert path.exists()
    with pytest.raises(CheckpointError, match="of another run"):
        train(SITE, frame, seed=10, effort=EFFORT, checkpoint=path)
    resumed = train(SITE, frame, seed=9, effort=EFFORT, checkpoint=path)
    assert resumed.version == whole.version
    assert not path.exists()


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="delete it to begin anew"):
        train(SITE, small_history(16.2, seed=4), checkpoint=path)


@lru_cache(maxsize=1)
def tiny_bundle() -> Bundle:
    """Hardly trained: good enough to be kept and loaded."""
    return train(SITE, small_history(16.2, seed=4), effort=0.05)


def kept(folder: Path, *names: str) -> Versions:
    """A registry with versions of these names, all of one bundle."""
    registry = Versions(folder)
    for name in names:
        registry.add("small", name, tiny_bundle().save, BY.action("added"))
    return registry


def evaluation(version: str, **metrics: float) -> Evaluation:
    return Evaluation(
        version, "d" * 64, 0.0, 86400.0, 288, True, {**GOOD, **metrics}, {"hall1": 0.4}
    )


def test_promotion_goes_through_the_gates_and_is_on_record(tmp_path: Path) -> None:
    registry = kept(tmp_path / "models", "a" * 16, "b" * 16)
    with pytest.raises(VersionsError, match="was never judged"):
        promote(registry, "aaaa", Gates(), BY)
    registry.keep_evaluation("aaaa", evaluation("a", wrong_signs=1.0).to_json())
    passed, verdicts = promote(registry, "aaaa", Gates(), BY)
    assert not passed
    assert [v.gate for v in verdicts if not v.passed] == ["wrong_signs"]
    assert registry.state.current is None
    registry.keep_evaluation("aaaa", evaluation("a").to_json())
    assert promote(registry, "aaaa", Gates(), BY)[0]
    # the next has to stand up to it, on the same history
    registry.keep_evaluation("bbbb", evaluation("b", air_60min_rmse_k=0.5).to_json())
    passed, verdicts = promote(registry, "bbbb", Gates(), BY)
    assert [v.gate for v in verdicts if not v.passed] == ["air_over_champion"]
    registry.keep_evaluation("bbbb", evaluation("b", air_60min_rmse_k=0.28).to_json())
    assert promote(registry, "bbbb", Gates(), BY)[0]
    now = registry.state
    assert [now.current, now.previous] == ["b" * 16, "a" * 16]
    assert registry.roll_back(BY.action("rolled back")).current == "a" * 16
    record = [(a.what, a.who, a.why) for a in registry.state.actions]
    whats = [what for what, _, _ in record]
    assert whats == ["added", "added", "refused", "promoted", "refused", "promoted", "rolled back"]
    assert {(who, why) for _, who, why in record} == {("Ada", "a reason")}


def test_a_champion_that_was_not_judged_on_the_same_history_stops_a_promotion(
    tmp_path: Path,
) -> None:
    registry = kept(tmp_path / "models", "a" * 16, "b" * 16)
    registry.keep_evaluation("aaaa", evaluation("a").to_json())
    promote(registry, "aaaa", Gates(), BY)
    other = replace(evaluation("b"), data_hash="e" * 64)
    registry.keep_evaluation("bbbb", other.to_json())
    passed, verdicts = promote(registry, "bbbb", Gates(), BY)
    assert not passed
    assert "isotherm model compare" in verdicts[-1].text


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"held_out": False}, "held_out"),
        ({"last_s": 3600.0}, "hours"),
        ({"metrics": {**GOOD, "air_60min_over_persistence": 0.51}}, "air_60min_over_persistence"),
        ({"metrics": {**GOOD, "band_90_coverage": 0.79}}, "band_90_coverage"),
        ({"metrics": {**GOOD, "margin_99_coverage": 0.94}}, "margin_99_coverage"),
        ({"metrics": {**GOOD, "power_nmbe": -0.11}}, "power_nmbe"),
        ({"metrics": {"wrong_signs": 0.0}}, "over_persistence"),
    ],
)
def test_each_gate_stops_a_model(changes: dict[str, object], gate: str) -> None:
    good = evaluation("a")
    assert all(v.passed for v in judge(Gates(), good, None))
    bad = Evaluation.from_json({**good.to_json(), **changes})
    assert gate in [v.gate for v in judge(Gates(), bad, None) if not v.passed]


def test_a_file_of_gates_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text("[gates]\nwrong_signs = 0\npower_nmbe = 0.2\n")
    assert read_gates(path).power_nmbe == 0.2
    path.write_text("[gates]\nwrong_sign = 3\npower_nmbe = 'a'\n")
    with pytest.raises(GatesError) as caught:
        read_gates(path)
    assert "wrong_sign is no gate" in str(caught.value)
    assert "power_nmbe has to be a number" in str(caught.value)


def test_a_registry_is_a_model_folder_of_what_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    registry = kept(folder, tiny_bundle().version)
    with pytest.raises(RegistryError, match="no model is in use"):
        Bundle.load(folder, SITE)
    registry.promote(tiny_bundle().version, BY.action("promoted"))
    assert Bundle.load(folder, SITE).version == tiny_bundle().version
    with pytest.raises(VersionsError, match="no version to go back to"):
        registry.roll_back(BY.action("rolled back"))


def test_a_killed_addition_leaves_the_registry_as_it_was(tmp_path: Path) -> None:
    registry = kept(tmp_path / "models", "a" * 16)
    before = (tmp_path / "models" / "registry.json").read_bytes()

    def dies(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights.pt").write_bytes(b"half")
        raise Interrupted

    with pytest.raises(Interrupted):
        registry.add("small", "b" * 16, dies, Action(0.0, "added", "", "Ada", ""))
    assert (tmp_path / "models" / "registry.json").read_bytes() == before
    assert registry.add("small", "b" * 16, tiny_bundle().save, BY.action("added"))[1]
    assert not registry.add("small", "b" * 16, tiny_bundle().save, BY.action("added"))[1]


def test_training_into_a_registry_keeps_a_card_and_a_held_out_evaluation(tmp_path: Path) -> None:
    registry = Versions(tmp_path / "models")
    frame = small_history(23.5, seed=3)
    trained = train_version(
        SITE, frame, registry, BY, settings=Settings(seed=2, effort=0.05, hold_out=0.3)
    )
    assert trained.evaluation.held_out
    assert trained.evaluation.metrics["wrong_signs"] == 0.0
    folder = registry.folder_of(trained.name)
    assert "Not for** protection" in (folder / "card.md").read_text()
    (kept_one,) = registry.evaluations(trained.name)
    assert Evaluation.from_json(json.loads(json.dumps(kept_one))) == trained.evaluation
    assert not list((registry.folder / ".training").glob("*.pt"))


def test_the_chart_keeps_its_stated_rate_of_false_alarms() -> None:
    """Against a simulation of the chart, which knows nothing of its Markov chain."""
    limit = bound(400.0)
    draw = np.random.default_rng(1)
    rise, fall = np.log(0.33 / 0.1), np.log(0.67 / 0.9)
    lengths = []
    for _ in range(300):
        total, count = 0.0, 0
        while total < limit:
            total = max(total + (rise if draw.random() < KEPT_SHARE else fall), 0.0)
            count += 1
        lengths.append(count)
    assert 400.0 < float(np.mean(lengths)) < 1000.0
    assert run_length(limit, 0.33) < 60.0


def test_drift_is_found_where_the_plant_changed_and_nowhere_else() -> None:
    draw = np.random.default_rng(2)
    quiet = [(3600.0 * k, float(draw.uniform(0.0, 0.52))) for k in range(480)]
    drifted = [(t, e + (0.4 if t > 400 * 3600.0 else 0.0)) for t, e in quiet]
    found = watch({"cdu1": 0.5, "cdu2": 0.5}, {"cdu1": quiet, "cdu2": drifted})
    assert [drift.group for drift in found] == ["cdu2"]
    assert 380 * 3600.0 <= found[0].since_s <= found[0].alarmed_s < 420 * 3600.0
    assert "isotherm model refit" in found[0].condition("abc").action


def test_the_hours_that_drift_is_counted_on_are_real_predictions() -> None:
    bundle = tiny_bundle()
    history = History.of(SITE, small_history(9.0, seed=77))
    errors = hourly_errors(SITE, bundle, history)
    assert set(errors) == {"cdu1", "cdu2", "hall1"}
    times = [t for t, _ in errors["cdu1"]]
    assert np.diff(times).tolist() == [3600.0] * (len(times) - 1)
    assert max(e for _, e in errors["cdu1"]) < 10.0


def test_the_most_excited_days_are_kept(tmp_path: Path) -> None:
    replay = Replay(tmp_path, days=2)
    frame = small_history(72.0, seed=8)
    calm = frame.copy()
    middle = slice(1440, 2880)
    for tag in SITE.actuators:
        calm.loc[calm.index[middle], tag] = calm[tag].iloc[1440]
    days = replay.offer(SITE, calm)
    assert [day.name for day in days] == ["2024-04-07", "2024-04-09"]
    later = History.joined(replay.histories(SITE, 1e12))
    assert later.rows == 2 * 1440 + 1
    assert not later.usable[1440]
    assert fit_thermal.stretches(later).count == 13  # of 14: none crosses the seam
    with pytest.raises(DatasetError, match="overlap"):
        History.joined([later, later])
