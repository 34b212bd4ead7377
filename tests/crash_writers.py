"""Programs that are killed at any instant, and what must be true of what they leave."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from controller.storage.opening import Place, open_stores
from controller.storage.ports import Kind

ROOT = Path(__file__).resolve().parents[1]

# Says a number once everything up to it was acknowledged. Plant time goes a quarter of an hour a
# step, so that every fourth step finishes an hour and every ninety-sixth a day.
WRITER = """
import sys
from pathlib import Path
from controller.storage.opening import Place, open_stores
from controller.storage.ports import Kind, Record
from facility.telemetry import Quality, Reading, Snapshot

place, first = Place(Path(sys.argv[1]), sys.argv[3] or None), int(sys.argv[2])
place.state.mkdir(exist_ok=True)
stores = open_stores(place)
print(-1, flush=True)
for n in range(first, 100_000):
    time_s = n * 900.0
    reading = Reading(float(n), Quality.GOOD, time_s)
    stores.telemetry.append(Snapshot(time_s, {f"t{k}": reading for k in range(50)}))
    if n % 4 == 0:
        stores.telemetry.compact(time_s)
    stores.records.write(add=[Record(Kind.AUDIT, str(n), time_s, {"n": n})])
    print(n, flush=True)
"""

# Takes the store back and forward again, over and over.
MIGRATOR = """
import sys
from pathlib import Path
from controller.storage.opening import Place
from controller.storage.upgrading import move, to_heads

place = Place(Path(sys.argv[1]), sys.argv[3] or None)
back = [("fleet", "f0001")] if sys.argv[3] else [("hot", "h0001")]
print(-1, flush=True)
while True:
    move(place, back)
    move(place, to_heads(place))
"""


def run_and_kill(program: str, place: Place, first: int, after_s: float) -> int:
    """The last number that the program said before it was killed; -1 before the first."""
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(place.state), str(first), place.database or ""],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    lines = [writer.stdout.readline()]  # from its first word on it is at work
    time.sleep(after_s)  # any instant will do: that is what is tested
    writer.kill()
    lines += writer.stdout.read().splitlines()
    writer.wait()
    writer.stdout.close()
    whole = [line.strip() for line in lines if line.strip()]
    assert whole, "the program never began"
    return int(whole[-1])


def holds_everything(place: Place, said: int) -> int:
    """Check that all up to ``said`` is there; answer the last that is."""
    stores = open_stores(place)
    ids = {int(r.id) for r in stores.records.find(Kind.AUDIT, limit=100_000)}
    assert ids >= set(range(said + 1))
    if said >= 0:
        values = stores.telemetry.frame(["t0", "t49"], 0.0, said * 900.0, every_s=900.0)
        assert values["t0"].tolist() == [float(n) for n in range(said + 1)]
        assert values["t49"].equals(values["t0"].rename("t49"))
        kept = stores.telemetry.trend(["t7"], 0.0, (said + 1) * 900.0, every_s=900.0)["t7"]
        assert kept["mean"].tolist() == [float(n) for n in range(said + 1)]
    stores.close()
    return max(ids, default=said)
