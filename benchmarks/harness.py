"""What a benchmark is given and what it answers: measures, goals and kept steps."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

Relation = Literal["at_most", "at_least", "report"]
Value = float | int | bool | str

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("controller", "models", "adapters", "safety", "sim", "facility", "benchmarks")


class BenchmarkError(Exception):
    """A benchmark that cannot be run: what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with its goal and the way it was taken.

    ``relation`` says how ``value`` has to stand to ``goal``; ``report`` has no goal.
    """

    name: str
    value: Value
    unit: str
    goal: float | None = None
    relation: Relation = "report"
    how: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check what a reader would stumble over later."""
        if self.relation not in get_args(Relation):
            raise ValueError(f"{self.name}: relation is one of {get_args(Relation)}")
        if (self.goal is None) != (self.relation == "report"):
            raise ValueError(f"{self.name}: a goal and a relation to it belong together")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(f"{self.name}: {self.value!r} is not a figure")
        if self.goal is not None and not isinstance(self.value, (int, float)):
            raise ValueError(f"{self.name}: only a number can have a goal")
        if not self.how:
            raise ValueError(f"{self.name}: say how it was taken")

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None or isinstance(self.value, str):
            return None
        return self.value <= self.goal if self.relation == "at_most" else self.value >= self.goal

    def to_json(self) -> dict[str, Any]:
        """All of it, as later readers find it under these names."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": self.goal,
            "relation": self.relation,
            "met": self.met,
            "how": self.how,
        }


@dataclass(frozen=True)
class Bench:
    """What a benchmark is given.

    Parameters
    ----------
    name
        Its own.
    full
        Whether the study is wanted instead of the figures that fit into 20 minutes.
    ablations
        Whether what each part is worth is wanted besides.
    work
        Its own folder, kept from run to run.
    say
        Tells a person what is going on.
    """

    name: str
    full: bool
    work: Path
    say: Callable[[str], None]
    ablations: bool = False

    def step(
        self,
        key: str,
        inputs: Mapping[str, Any],
        compute: Callable[[], Any],
        *,
        of_the_machine: bool = True,
    ) -> Any:
        """The result of a long step of a study: computed once, then read from the work folder.

        It is computed anew when ``inputs`` or any of the project's source files differ, scenarios
        included, and, of figures of the machine, always where the study is not full: those must be
        of today's.

        Parameters
        ----------
        key
            Names the step; a file name.
        inputs
            JSON values that the result depends on.
        compute
            Answers JSON values.
        of_the_machine
            Whether another machine would answer otherwise: seconds and bytes, but no energies.
        """
        asked = {"inputs": dict(inputs), "source": self.source}
        path = self.work / f"{key}.json"
        keeps = self.full or not of_the_machine
        if keeps and (kept := _kept(path, asked)) is not None:
            self.say(f"{key}: kept from an earlier run")
            return kept["result"]
        self.say(key)
        began = time.monotonic()
        result = json.loads(json.dumps(compute(), allow_nan=False))
        if keeps:
            _keep(path, {**asked, "result": result, "seconds": time.monotonic() - began})
        return result

    @cached_property
    def source(self) -> str:
        """SHA-256 of the project's source files and of the tables beside them (scenarios)."""
        digest = hashlib.sha256()
        for path in _sources(ROOT / package for package in PACKAGES):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
        return digest.hexdigest()


def data_folder() -> Path | None:
    """The folder of field data beside the checkout (or ``ISOTHERM_DATA``), where there is one."""
    named = os.environ.get("ISOTHERM_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if named and not folder.is_dir():
        raise BenchmarkError(f"ISOTHERM_DATA names {folder}, which is no folder")
    return folder if folder.is_dir() else None


def _sources(folders: Iterable[Path]) -> list[Path]:
    kinds = ("*.py", "*.toml")
    return sorted(path for folder in folders for kind in kinds for path in folder.rglob(kind))


def _kept(path: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = all(kept.get(name) == json.loads(json.dumps(value)) for name, value in asked.items())
    return kept if same and "result" in kept else None


def _keep(path: Path, data: Mapping[str, Any]) -> None:
    """Write whole or not at all: a study may be interrupted at any instant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=1, sort_keys=True)
    Path(name).replace(path)
