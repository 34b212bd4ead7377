"""Decisions of days of the simulated campus, drawn at random and computed again."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from controller.cli import main

DECISIONS = int(os.environ.get("REPLAYS", "1000"))
EVERY_MIN = 5
WORKERS = "2"
START = "2024-07-15"


@pytest.mark.study
def test_random_decisions_come_out_equal_and_a_changed_byte_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from controller.demo.model import ensure_model
    from controller.evaluation.in_process import lay_site
    from sim.scenarios import find, prepare, run_scenario

    # Two hours before the first step, and two after the last for what was predicted then.
    hours = 4.0 + DECISIONS * EVERY_MIN / 60.0
    prepared = prepare(find("campus-summer"), seed=11, hours=hours)
    lay_site(prepared, tmp_path)
    model, _new = ensure_model(tmp_path / "site", seed=1, progress=lambda *_: None)
    record = tmp_path / "record.parquet"
    run_scenario(prepared).measured.rename_axis("time").reset_index().to_parquet(record)
    out = tmp_path / "out"
    asked = ["backtest", "--site", str(tmp_path / "site"), "--model", str(model), "--keep-steps"]
    asked += ["--data", str(record), "--from", f"{START}T02:00:00Z", "--every", str(EVERY_MIN)]
    assert main([*asked, "--workers", WORKERS, "--out", str(out)]) == 0
    states = sorted((out / "steps").iterdir())
    counts = [len(list((state / "ticks").rglob("*.json.gz"))) for state in states]
    drawn = random.Random(7).sample(
        [place for place, count in enumerate(counts) for _ in range(count)], DECISIONS
    )
    equal = 0
    for place, state in enumerate(states):
        wanted = drawn.count(place)
        if not wanted:
            continue
        capsys.readouterr()
        asked = ["replay", "--state", str(state), "--sample", str(wanted), "--workers", WORKERS]
        assert main([*asked, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["replayed"] == answer["equal_in_every_bit"] == wanted
        assert answer["damage"] == []
        equal += wanted
    assert equal == DECISIONS
    with capsys.disabled():
        print(f"\n{equal} of {DECISIONS} decisions equal in every bit")

    damaged = random.Random(8).choice(sorted((states[0] / "ticks").rglob("*.json.gz")))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    name = damaged.name.removesuffix(".json.gz")
    assert main(["replay", "--state", str(states[0]), name]) == 1
    assert "SHA-256 is another one" in capsys.readouterr().err
