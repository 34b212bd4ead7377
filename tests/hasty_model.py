"""A hastily trained model of the campus, made once for all workers of a run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from facility.loading import load_site
from models.training import train
from sim.history import record_history
from sim.parameters import PlantParameters
from sim.sites import write


def hasty_campus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; for tests about processes and pages, not about skill."""
    # Workers of one run have neighbouring folders: the first that comes trains for all.
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "hasty-campus"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = shared / "model"
        if not (kept / "card.json").exists():
            write("campus", shared, 15000)
            site = load_site(shared)
            parameters = PlantParameters.load(shared / "plant.toml", site)
            history = record_history(site, parameters, hours=16.1, seed=5)
            train(site, history, seed=1, effort=0.05).save(kept)
    return kept
