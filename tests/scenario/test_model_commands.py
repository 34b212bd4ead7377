"""``isotherm model`` as commands: from a record to a model in use, watched, refitted, asked why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from controller.cli import main
from sim.sites.writer import texts
from tests.halls_site import laboratory_design, laboratory_history

LOOSE = """[gates]
over_persistence_5min = 9
over_persistence_30min = 9
over_persistence_60min = 9
band_90_coverage = 0
margin_99_coverage = 0
wrong_signs = 0
power_cv_rmse = 9
power_nmbe = 9
over_champion = 9
hours = 6
"""
QUICK = ("--effort", "0.02")


@pytest.mark.slow
def test_the_whole_life_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, registry = tmp_path / "site", tmp_path / "models"
    site.mkdir()
    for name, text in dict(texts(laboratory_design(), 15_000)).items():
        (site / name).write_text(text, encoding="utf-8")
    history = laboratory_history(24.0)
    data, later = tmp_path / "record.parquet", tmp_path / "later.parquet"
    history.to_parquet(data)
    newer = laboratory_history(31.0, seed=5)
    newer.index = newer.index + pd.Timedelta(hours=24.0)
    newer.to_parquet(later)
    gates = tmp_path / "gates.toml"
    gates.write_text(LOOSE, encoding="utf-8")
    of_site, kept = ("--site", str(site)), ("--registry", str(registry))

    def run(*words: str, status: int = 0) -> str:
        assert main(["model", *words]) == status, capsys.readouterr()
        return capsys.readouterr().out

    def told(*words: str) -> Any:
        return json.loads(run(*words, "--json"))

    run("check", *of_site, "--data", str(data))
    plan = tmp_path / "plan.csv"
    run("experiment", *of_site, "--hours", "24", "--out", str(plan))
    assert plan.with_suffix(".md").read_text(encoding="utf-8").startswith("# Commissioning")

    train = ("train", *of_site, *kept, "--data", str(data), "--hold-out", "0.3", *QUICK)
    run(*train)
    run(*train, "--seed", "2")
    first, second = (action["version"] for action in told("list", *kept)["actions"])
    run("promote", first, *kept, "--why", "too few hours for the defaults", status=1)
    promoted = ("--gates", str(gates), "--why", "commissioned")
    run("promote", first, *kept, *promoted)
    judged = told("compare", first, second, *of_site, *kept, "--data", str(later))
    assert [each["version"][:16] for each in judged] == [first, second]
    assert all(each["held_out"] for each in judged)
    assert told("evaluate", second, *of_site, *kept, "--data", str(later)) == judged[1]
    run("promote", second, *kept, *promoted)
    assert told("list", *kept)["current"] == second
    run("rollback", *kept, "--why", "the night shift asked for it")
    state = told("list", *kept)
    assert (state["current"], state["previous"]) == (first, second)

    card = run("show", *kept)
    assert "rolled back" in card or "rolled back" in json.dumps(state["actions"])
    drifted = main(["model", "drift", *of_site, *kept, "--data", str(later), "--json"])
    assert (drifted == 1) == bool(json.loads(capsys.readouterr().out))
    why = told(
        *("explain", *of_site, "--model", str(registry), "--data", str(later)),
        *("--rack", "t0", "--ahead", "30"),
    )
    parts = why["reference_c"] + sum(why["contributions_k"].values())
    assert parts == pytest.approx(why["predicted_c"], abs=1e-6)
    refit = run("refit", *of_site, *kept, "--data", str(later), *QUICK)
    assert "in use" in refit
    assert len(told("list", *kept)["evaluations"]) == 3
    assert told("list", *kept)["current"] == first
