"""A sample of broken envelopes: the tool that breaks them all works, and the tests notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE_IN = 400
LEAST_NOTICED = 0.9
"""`make mutation` wants all of them; here a sample shows that nothing has come loose."""


@pytest.mark.timeout(300)
def test_a_sample_of_broken_envelopes_is_noticed(tmp_path: Path) -> None:
    report = tmp_path / "mutation.json"
    outcome = subprocess.run(
        [
            *(sys.executable, "-m", "tests.mutation", f"--sample={ONE_IN}"),
            *("--workers=1", f"--report={report}"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode in (0, 1), outcome.stdout + outcome.stderr
    counts = json.loads(report.read_text())["counts"]
    total = sum(counts.values())
    assert total >= 10
    assert counts.get("killed", 0) >= LEAST_NOTICED * total, outcome.stdout
    assert counts.get("crashed", 0) == 0, outcome.stdout
