"""The same seed gives the same bits: in processes that share nothing but the code."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import hashlib
from benchmarks.scaled import reference_site
from facility.clock import from_iso
from sim.faults.fault import Fault
from sim.parameters import PlantParameters
from sim.plant.jobs import GeneratedLoad
from sim.plant.weather import generated_weather
from sim.run import warmed_up

site = reference_site("campus")
start_s = from_iso("2024-07-15")
simulation = warmed_up(
    site,
    PlantParameters.for_site(site, 3),
    load=GeneratedLoad(site, 3),
    weather=generated_weather(3),
    local_control="guideline36",
    start_s=start_s,
    seed=3,
    faults=(Fault("fouling", "cdu1", start_s + 600.0, severity=0.3, grows_s=900.0),),
)
digest = hashlib.sha256()
for minute in range(1, 61):
    simulation.advance(start_s + 60.0 * minute)
    digest.update(simulation._memory.block.tobytes())
    digest.update(repr([simulation.read(tag) for tag in site.points]).encode())
digest.update(repr(simulation.accounts()).encode())
print(digest.hexdigest())
"""


def digest(hash_seed: str, threads: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": hash_seed,
            "OMP_NUM_THREADS": threads,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_two_fresh_processes_give_the_same_hour_to_the_last_bit() -> None:
    # Neither the order of sets (another hash seed) nor the number of threads may matter.
    one, two = digest("1", "1"), digest("2", "2")
    assert len(one) == hashlib.sha256().digest_size * 2
    assert one == two
