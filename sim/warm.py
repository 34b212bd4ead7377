"""``python -m sim.warm``: compile the plant's kernels once, before anybody waits for them.

Numba keeps what it compiled beside the code; a fresh installation has nothing yet, and every
process that simulates would compile for itself for half a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from facility.clock import from_iso
from facility.loading import load_site
from sim.inputs import inputs
from sim.parameters import PlantParameters
from sim.simulation import Simulation
from sim.sites import write


def main() -> int:
    """Run a minute of a reference plant; what it needs is compiled and kept by then."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write("campus", folder, base_port=15000)
        site = load_site(folder)
        load, weather = inputs(site, None, None, seed=1, hours=1.0)
        simulation = Simulation(
            site,
            PlantParameters.load(folder / "plant.toml", site),
            load=load,
            weather=weather,
            local_control="guideline36",
            start_s=from_iso("2024-01-01"),
            seed=1,
        )
        simulation.advance(simulation.now_s + 60.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
