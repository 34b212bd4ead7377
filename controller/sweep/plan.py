"""A sweep in a file: which scenarios, under which control, with which seeds, for how long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.sweep.engine import SweepError, Task
from facility.toml_file import read_toml

if TYPE_CHECKING:
    import pandas as pd

LOCAL = ("guideline36", "fixed")
ISOTHERM = "isotherm"
CONTROLS = (*LOCAL, ISOTHERM)
KEYS = {"scenarios", "controls", "seeds", "hours", "model"}
MOST = 10_000


@dataclass(frozen=True)
class SweepPlan:
    """Every combination is one run."""

    scenarios: tuple[str, ...]
    controls: tuple[str, ...] = ("guideline36", "fixed")
    seeds: tuple[int, ...] = (1,)
    hours: float | None = None
    """None: each scenario's own."""
    model: str = ""
    """Folder of models by site, for the control ``isotherm``: ``MODEL/SITE``."""

    def tasks(self) -> tuple[Task, ...]:
        """One a combination, in the order of the file."""
        return tuple(
            Task(
                re.sub(r"[^\w.-]+", "-", f"{Path(scenario).stem}_{control}_{seed}"),
                "controller.sweep.runs:isotherm"
                if control == ISOTHERM
                else "controller.sweep.runs:local",
                {
                    "scenario": scenario,
                    "seed": seed,
                    "hours": self.hours,
                    **({"model": self.model} if control == ISOTHERM else {"control": control}),
                },
            )
            for scenario, control, seed in product(self.scenarios, self.controls, self.seeds)
        )


def read_plan(path: Path) -> SweepPlan:
    """Read a sweep's TOML file.

    Raises
    ------
    SweepError
        Every mistake of the file at once.
    """
    from sim.scenarios import ScenarioError, find

    data = read_toml(path, SweepError)
    wrong = [
        f"{key} is not known; there are {', '.join(sorted(KEYS))}"
        for key in data
        if key not in KEYS
    ]
    wrong += _lists(data)
    if not wrong:
        for name in data["scenarios"]:
            try:
                find(name)
            except ScenarioError as error:
                wrong.append(str(error))
        for name in data.get("controls", ()):
            if name not in CONTROLS:
                wrong.append(f"there is no control {name!r}; there are {', '.join(CONTROLS)}")
        if ISOTHERM in data.get("controls", ()) and not data.get("model"):
            wrong.append("the control isotherm needs model = a folder with a model for each site")
    if wrong:
        raise SweepError("\n".join(f"{path.name}: {text}" for text in wrong))
    plan = SweepPlan(
        tuple(data["scenarios"]),
        tuple(data.get("controls", LOCAL)),
        tuple(data.get("seeds", (1,))),
        float(data["hours"]) if "hours" in data else None,
        str(data.get("model", "")),
    )
    if len(plan.tasks()) > MOST:
        raise SweepError(f"{path.name}: {len(plan.tasks())} runs; {MOST} are the most at once")
    return plan


def _lists(data: Mapping[str, Any]) -> list[str]:
    wrong = []
    for key, kind, word in (
        ("scenarios", str, "names"),
        ("controls", str, "names"),
        ("seeds", int, "integers"),
    ):
        if key not in data:
            continue
        values = data[key]
        if not isinstance(values, list) or not values or not all(type(v) is kind for v in values):
            wrong.append(f"{key} has to be a list of {word}")
    if "scenarios" not in data:
        wrong.append("scenarios is missing: a list of names of `isotherm sim list`")
    hours = data.get("hours", 1.0)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or not hours > 0.0:
        wrong.append("hours has to be a number above 0")
    return wrong


def table(results: Mapping[str, Any]) -> pd.DataFrame:
    """A row a run, in the order of the plan; accounts flattened."""
    import pandas as pd

    rows = []
    for key, result in results.items():
        flat = {"run": key}
        for name, value in result.items():
            if isinstance(value, Mapping):
                flat |= {f"{name}.{part}": number for part, number in value.items()}
            else:
                flat[name] = value
        rows.append(flat)
    return pd.DataFrame(rows).set_index("run")
