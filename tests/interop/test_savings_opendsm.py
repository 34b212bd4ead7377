"""The baseline method beside OpenDSM's hourly model, which knows nothing of ours.

OpenDSM needs an older pandas, so that it runs in an environment of its own (`make opendsm`).
"""

from __future__ import annotations

import json
import math
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from controller.evaluation.savings import AdjustedSavings, Hourly, adjusted_savings
from tests.savings_hours import START_S, hours

PEER = Path(__file__).parents[1] / "peers" / "opendsm"
PYTHON = PEER / ".venv" / "bin" / "python"
BASELINE_DAYS, PERIOD_DAYS = 365, 28
"""OpenDSM asks for a year."""
ALIKE = 0.02
"""Savings, as shares of the baseline, that two sound methods may tell apart."""


@dataclass(frozen=True)
class Both:
    """What each method found on the same hours."""

    ours: AdjustedSavings
    theirs: dict[str, Any]


def write(hourly: Hourly, path: Path) -> Path:
    frame = pd.DataFrame(
        {
            "cooling_kw": hourly.cooling_kw,
            "it_kw": hourly.it_kw,
            "wet_bulb_c": hourly.wet_bulb_c,
        },
        index=pd.to_datetime(hourly.times_s, unit="s", utc=True).rename("time"),
    )
    frame.to_csv(path)
    return path


def both(folder: Path, saving: float) -> Both:
    if not PYTHON.exists():
        pytest.skip("needs OpenDSM in tests/peers/opendsm/.venv (make opendsm)")
    everything = hours(BASELINE_DAYS + PERIOD_DAYS)
    cut_s = START_S + BASELINE_DAYS * 86_400.0
    before, after = everything.between(START_S, cut_s), everything.between(cut_s, math.inf)
    after = Hourly(after.times_s, after.cooling_kw * (1.0 - saving), after.it_kw, after.wet_bulb_c)
    command = [PYTHON, PEER / "hourly.py"]
    command += [write(before, folder / "before.csv"), write(after, folder / "after.csv")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return Both(adjusted_savings(before, after), json.loads(answer.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("saving", [0.0, 0.08])
def test_both_methods_find_the_same_saving(tmp_path: Path, saving: float) -> None:
    found = both(tmp_path, saving)
    low, high = found.ours.interval_share
    assert low < found.theirs["saved_share"] < high
    assert found.theirs["saved_share"] == pytest.approx(found.ours.saved_share, abs=ALIKE)
    assert found.theirs["used_kwh"] == pytest.approx(found.ours.used_kwh, rel=1e-6)
    assert found.ours.claimed == (saving > 0.0)


@pytest.mark.slow
def test_both_baselines_pass_guideline_14_and_fit_alike(tmp_path: Path) -> None:
    found = both(tmp_path, 0.0)
    assert found.theirs["cv_rmse"] <= 0.30
    assert abs(found.theirs["nmbe"]) <= 0.10
    assert found.ours.model.fit.cv_rmse == pytest.approx(found.theirs["cv_rmse"], rel=0.5)
