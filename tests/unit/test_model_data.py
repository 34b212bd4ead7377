"""Before a model and inside one: a history checked, an experiment planned, a prediction told."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.cli import main
from controller.lifecycle.experiment import ExperimentError, plan
from facility.site import Site
from models.dataset import History
from models.explain import explain, hold
from models.quality import check
from models.state import OffsetNoise, ThermalState
from models.thermal import ThermalModel, ThermalNet
from safety.arithmetic import units
from safety.limits import limits_of
from tests import safety_kit
from tests.models_hall import small_history, small_site

SITE = small_site()
FRAME = small_history(26.0, seed=6)


def test_a_good_history_has_a_version_and_nothing_to_mend() -> None:
    report = check(SITE, FRAME)
    assert report.usable
    assert report.findings == ()
    assert report.content_hash == check(SITE, FRAME.copy()).content_hash
    assert {e.group for e in report.excitation} == set(SITE.groups)
    assert all(e.covered > 0.5 and e.moves > 10 for e in report.excitation)
    assert check(SITE, FRAME * 1.0001).content_hash != report.content_hash


def broken(name: str) -> pd.DataFrame:
    frame = FRAME.copy()
    water, asked = "cdu1.tcs_supply_temperature", "cdu1.tcs_supply_temperature_setpoint"
    if name == "kelvin":
        frame["l10.case_temperature"] += 273.15
    if name == "fahrenheit":
        frame["crah1.supply_air_temperature_setpoint"] *= 1.8
        frame["crah1.supply_air_temperature_setpoint"] += 32.0
    if name == "watt":
        frame["l10.it_power"] *= 1000.0
    if name == "copied":
        frame[water] = frame[asked]
    if name == "frozen":
        frame.loc[frame.index[300:900], water] = 31.0
    if name == "idle":
        frame[asked] = 30.0
    if name == "gap":
        frame.loc[frame.index[300:400], "outdoor.wet_bulb_temperature"] = np.nan
    if name == "clock":
        frame = frame.drop(frame.index[500:560])
    if name == "back":
        frame = pd.concat([frame.iloc[:560], frame.iloc[500:]])
    return frame


@pytest.mark.parametrize(
    ("name", "usable", "words"),
    [
        ("kelvin", False, "looks like kelvin"),
        ("fahrenheit", False, "looks like °F"),
        ("watt", False, "looks like W: divide by 1000"),
        ("back", False, "time stands still or goes back"),
        ("back", False, "is told twice"),
        ("copied", True, "the setpoint was exported in place of the measurement"),
        ("frozen", True, "look whether the sensor is frozen"),
        ("idle", True, "1 of 11 groups hardly move"),
        ("gap", True, "1 gaps of more than 10 min"),
        ("clock", True, "exactly an hour is missing"),
    ],
)
def test_each_fault_of_a_history_is_told_with_its_mend(name: str, usable: bool, words: str) -> None:
    report = check(SITE, broken(name))
    assert report.usable is usable
    told = report.findings if usable or name == "back" else report.problems
    assert any(words in text for text in (*told, *report.problems)), report


@pytest.fixture(scope="module")
def model() -> ThermalModel:
    history = History.of(SITE, FRAME)
    noise = OffsetNoise(1e-5, 0.05)
    return ThermalModel(history.layout, ThermalNet(history.layout, 1), noise, noise)


@pytest.fixture(scope="module")
def now(model: ThermalModel) -> tuple[ThermalState, History]:
    recent = History.of(SITE, FRAME).part(0, 1440)
    return model.start_from(recent.part(1380, 1440)), recent


@pytest.mark.parametrize("rack", ["l10", "a3"])
def test_contributions_add_up_and_have_the_right_sign(
    model: ThermalModel, now: tuple[ThermalState, History], rack: str
) -> None:
    state, recent = now
    coming = hold(recent, 60)
    found = explain(model, state, recent, coming, SITE.racks[rack])
    total = found.reference_c + sum(found.contributions_k.values())
    expected = model.roll_out(state, coming).limited_c[-1, list(SITE.racks).index(rack)]
    assert total == pytest.approx(expected, abs=1e-9)
    assert abs(found.contributions_k["rest"]) < 0.2
    load = found.now["load_kw"] - found.reference["load_kw"]
    assert found.contributions_k["own_load"] * load >= 0.0


def test_one_change_alone_is_told_alone(
    model: ThermalModel, now: tuple[ThermalState, History]
) -> None:
    """Against the model itself: two roll-outs that differ in one setpoint."""
    state, recent = now
    usual, warmer = hold(recent, 60), hold(recent, 60)
    group = list(SITE.groups).index("cdu1.tcs_supply_temperature_setpoint")
    warmer.setpoints[:, group] += 3.0
    before, after = (
        explain(model, state, recent, coming, SITE.racks["l10"]) for coming in (usual, warmer)
    )
    moved = {
        name: after.contributions_k[name] - before.contributions_k[name]
        for name in before.contributions_k
    }
    assert sum(moved.values()) == pytest.approx(after.predicted_c - before.predicted_c, abs=1e-9)
    largest = max(moved, key=lambda name: abs(moved[name]))
    assert largest == "supply_setpoint"


def test_a_plan_stays_within_what_the_envelope_allows() -> None:
    site: Site = safety_kit.site()
    limits = limits_of(site)
    found = plan(site, 24.0, seed=4, wet_bulb_c=12.0)
    assert found.writes
    held, wrote = dict(found.start), dict.fromkeys(found.start, 0.0)
    for write in found.writes:
        own = limits.actuators[write.actuator]
        for bound in own.static:
            assert bound.lower is None or write.value >= units(bound.lower) - 1e-9
            assert bound.upper is None or write.value <= units(bound.upper) + 1e-9
        since_s = write.at_s - wrote[write.actuator]
        assert since_s >= own.dwell_s
        away = (write.value - held[write.actuator]) * own.cooling.sign < 0
        rate = own.rate_away_per_min if away else own.rate_towards_per_min
        window = limits.away_window_s if away else limits.towards_window_s
        step = abs(write.value - held[write.actuator])
        assert step <= rate * min(since_s, window) / 60.0 + 1e-9
        held[write.actuator], wrote[write.actuator] = write.value, write.at_s
    for name in found.start:
        times = [w.at_s for w in found.writes if w.actuator == name]
        for begin in times:
            within = [t for t in times if begin <= t < begin + 3600.0]
            assert len(within) <= limits.actuators[name].writes_per_hour
    assert plan(site, 24.0, seed=4, wet_bulb_c=12.0).writes == found.writes
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(rows) == len(found.writes)
    assert "The rule to turn back" in found.to_text()
    with pytest.raises(ExperimentError, match="is no actuator"):
        plan(site, 24.0, start={"nothing": 1.0})


def test_the_commands_say_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "nowhere")
    assert main(["model", "list", "--registry", missing]) == 2
    assert "isotherm model train" in capsys.readouterr().err
    asked = ["model", "experiment", "--site", missing, "--hours", "8", "--out", "plan.csv"]
    assert main(asked) == 2
