"""`kill -9` of a writer at any instant: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.storage.ports import Kind
from controller.storage.records import LocalRecords
from controller.storage.telemetry import LocalTelemetry

ROOT = Path(__file__).resolve().parents[2]

# Says a number once everything up to it was acknowledged. Plant time goes a quarter of an hour a
# step, so that every fourth step finishes an hour and every ninety-sixth a day.
WRITER = """
import sys
from pathlib import Path
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords
from controller.storage.telemetry import LocalTelemetry
from facility.telemetry import Quality, Reading, Snapshot

directory, first = Path(sys.argv[1]), int(sys.argv[2])
telemetry = LocalTelemetry(directory / "telemetry")
records = LocalRecords(directory / "records.db")
for n in range(first, 100_000):
    time_s = n * 900.0
    reading = Reading(float(n), Quality.GOOD, time_s)
    telemetry.append(Snapshot(time_s, {f"t{k}": reading for k in range(50)}))
    if n % 4 == 0:
        telemetry.compact(time_s)
    records.write(add=[Record(Kind.AUDIT, str(n), time_s, {"n": n})])
    print(n, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    said = -1
    for _ in range(3):
        said = max(said, _run_and_kill(tmp_path, said + 1, draw.uniform(0.02, 0.5)))
        telemetry = LocalTelemetry(tmp_path / "telemetry")
        records = LocalRecords(tmp_path / "records.db")
        ids = {int(r.id) for r in records.find(Kind.AUDIT, limit=100_000)}
        assert ids >= set(range(said + 1))
        values = telemetry.frame(["t0", "t49"], 0.0, said * 900.0, every_s=900.0)
        assert values["t0"].tolist() == [float(n) for n in range(said + 1)]
        assert values["t49"].equals(values["t0"].rename("t49"))
        said = max(ids)  # what was written but not said is there, too: go on after it
        telemetry.close()
        records.close()


def _run_and_kill(directory: Path, first: int, after_s: float) -> int:
    """The last number that the writer said before it was killed."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(first)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]  # from its first word on it is at work
    time.sleep(after_s)  # any instant will do: that is what is tested
    os.kill(writer.pid, signal.SIGKILL)
    lines += writer.stdout.read().splitlines()
    writer.wait()
    writer.stdout.close()
    whole = [line.strip() for line in lines if line.strip()]
    return int(whole[-1])
