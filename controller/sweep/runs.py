"""What one run of a sweep is; both answer the plant's accounts, JSON values only."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def local(scenario: str, control: str, seed: int, hours: float | None) -> dict[str, Any]:
    """A scenario under the plant's own control."""
    from sim.scenarios import find, run_scenario

    return run_scenario(find(scenario), local_control=control, seed=seed, hours=hours).summary()


def isotherm(scenario: str, model: str, seed: int, hours: float | None) -> dict[str, Any]:
    """The same under the whole controller, in the worker's process."""
    from controller.evaluation.in_process import run_in_process
    from sim.scenarios import find, prepare

    prepared = prepare(find(scenario), seed=seed, hours=hours)
    with tempfile.TemporaryDirectory(prefix="isotherm-sweep-") as folder:
        done = run_in_process(
            prepared, Path(model) / prepared.site.id, Path(folder) / "out", baselines=()
        )
    accounts = {k: v for k, v in done.accounts["isotherm"].items() if k != "writes"}
    return {
        "scenario": prepared.scenario.name,
        "site": prepared.site.id,
        "local_control": "isotherm",
        "seed": prepared.seed,
        **accounts,
        "ticks": done.summary["ticks"],
        "fallbacks": done.summary["fallbacks"],
    }
