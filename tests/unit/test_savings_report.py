"""Commands and pages that prove savings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controller.charts import Chart, Line
from controller.cli import main
from controller.evaluation.pieces import charts, document
from controller.evaluation.printed import PrintError, on_paper, write_pdf

DAYS = 56


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Eight weeks of hours; the last two weeks use a fifth less."""
    rng = np.random.default_rng(2)
    times = pd.date_range("2026-03-02", periods=24 * DAYS, freq="1h", tz="UTC")
    wet_bulb = (
        10.0 + 4.0 * np.sin(np.arange(24 * DAYS) / 24 * 2 * np.pi) + rng.normal(0, 1, 24 * DAYS)
    )
    it = 4000.0 + 300.0 * np.sin(np.arange(24 * DAYS) / 90.0)
    cooling = (100.0 + 0.05 * it + 5.0 * wet_bulb) * rng.normal(1.0, 0.02, 24 * DAYS)
    cooling[24 * 42 :] *= 0.8
    frame = pd.DataFrame(
        {"time": times, "cooling_kw": cooling, "it_kw": it, "wet_bulb_c": wet_bulb}
    )
    path = tmp_path / "hours.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_baseline_report_says_what_was_saved(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = tmp_path / "changes.toml"
    changes.write_text(
        '[[adjustment]]\nstart = "2026-04-15"\nend = "2026-04-16"\nkw = 10\n'
        'why = "two <racks> moved in"\nby = "lee"\n'
    )
    asked = ["--before", "2026-03-02", "2026-04-13", "--period", "2026-04-13", "2026-04-27"]
    out = tmp_path / "out"
    arguments = ["--data", str(table), *asked, "--adjustments", str(changes), "--out", str(out)]
    assert main(["report", "savings", *arguments]) == 0
    report = json.loads((out / "savings.json").read_text())
    low, high = report["interval_share"]
    assert low < 0.2 < high
    assert report["claimed"]
    assert report["adjustments_kwh"] == pytest.approx(240.0)
    page = (out / "savings.html").read_text()
    assert "two &lt;racks&gt; moved in" in page
    assert "<script src" not in page
    assert "proved" in capsys.readouterr().out


def test_a_plan_is_drawn_once_and_its_days_are_judged(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, out = tmp_path / "plan.json", tmp_path / "out"
    drawn = ["savings", "plan", "--start", "2026-03-02", "--seed", "5", "--out", str(plan)]
    assert main(drawn) == 0
    assert main(drawn) == 2
    assert "drawn once" in capsys.readouterr().err
    asked = ["--data", str(table), "--schedule", str(plan), "--out", str(out)]
    assert main(["report", "savings", *asked]) == 0
    assert not json.loads((out / "savings.json").read_text())["claimed"]
    assert "not proved" in capsys.readouterr().out


def test_what_is_missing_is_asked_for(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "savings", "--data", str(table), "--out", "nowhere"]) == 2
    assert "--schedule" in capsys.readouterr().err
    assert not Path("nowhere").exists()


def test_a_page_prints_on_paper(tmp_path: Path) -> None:
    """Needs Pango, which `.ci/run` installs."""
    path = tmp_path / "page.pdf"
    try:
        write_pdf("<!doctype html><title>a</title><p>b", path)
    except PrintError as error:
        pytest.skip(str(error))
    assert path.read_bytes().startswith(b"%PDF-")


def test_on_paper_charts_carry_their_own_rules_and_the_paper_has_the_last_word() -> None:
    chart = Chart("Power", "kW", np.arange(3.0), [Line("plant", np.arange(3.0), "tuned")])
    page = on_paper(document("Proof", charts([chart])))
    assert page.index("@page") > page.index(".answers p { margin")
    (rules,) = re.findall(r"<svg viewBox[^>]*><style>(.*?)</style>", page, re.DOTALL)
    assert ".line { fill: none;" in rules
    assert "var(" not in rules
