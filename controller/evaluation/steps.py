"""The controller's steps of a run: how many, how long, and which fell back and why.

The controller's own summary is written at its end; a controller that was killed leaves its
archive of ticks alone, which tells the same.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from controller.evaluation.files import EvaluationError, read_object

FALLBACK_LINKS = ("previous", "ramp")
"""Links of the planner's chain that are no answer of a solver."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A step without a verified answer of a solver."""

    number: int
    time_s: float
    link: str | None
    """Whose plan was taken; None where nothing was planned."""
    why: str


@dataclass(frozen=True)
class Steps:
    """The steps of a run."""

    ticks: int
    fallbacks: int
    seconds_p50: float | None
    """Wall time of a step; None where there was none."""
    seconds_p95: float | None
    plans_of: Mapping[str, int]
    """Steps by the link of the chain whose plan was taken."""
    fallback_steps: tuple[Fallback, ...]
    complete: bool
    """Whether the controller came to its own end and wrote its summary."""


def read_steps(summary: Path, archive: Path) -> Steps:
    """The steps of a run from the controller's files.

    Raises
    ------
    EvaluationError
        A file is damaged, or there is neither summary nor archive.
    """
    if not summary.exists() and not archive.is_dir():
        raise EvaluationError(f"there is neither {summary} nor {archive}: no controller ran")
    links: Counter[str] = Counter()
    fallbacks: list[Fallback] = []
    seconds: list[float] = []
    for tick in _ticks(archive):
        outcome = tick["outcome"]
        plan = outcome["plan"] if outcome else None
        link = plan["link"] if plan else None
        links[link or "none"] += 1
        seconds.append(sum(tick["seconds"].values()))
        if plan is None or link in FALLBACK_LINKS or outcome["timed_out"]:
            fallbacks.append(Fallback(tick["number"], tick["time_s"], link, _why(tick)))
    counted = read_object(summary) if summary.exists() else None
    own = np.array(seconds)
    try:
        return Steps(
            ticks=int(counted["ticks"]) if counted else len(seconds),
            fallbacks=int(counted["fallbacks"]) if counted else len(fallbacks),
            seconds_p50=_p(counted, "tick_seconds_p50", own, 50.0),
            seconds_p95=_p(counted, "tick_seconds_p95", own, 95.0),
            plans_of=dict(sorted(links.items())),
            fallback_steps=tuple(fallbacks),
            complete=counted is not None,
        )
    except KeyError as error:
        raise EvaluationError(f"{summary} has no {error}") from None


def _p(
    counted: Mapping[str, Any] | None, name: str, own: np.ndarray[Any, Any], percent: float
) -> float | None:
    if counted is not None:
        value = counted[name]
        return None if value is None else float(value)
    return float(np.percentile(own, percent)) if own.size else None


def _ticks(archive: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(archive.rglob("*.json.gz")):
        try:
            yield json.loads(gzip.decompress(path.read_bytes()))
        except (OSError, EOFError, ValueError) as error:
            raise EvaluationError(f"{path} cannot be read: {error}") from None


def _why(tick: Mapping[str, Any]) -> str:
    """The tick's own note, or what each refused attempt of the solvers said."""
    if tick["note"]:
        return str(tick["note"])
    outcome = tick["outcome"]
    if outcome is None:
        return "nothing was planned"
    refused = [
        f"{a['link']}: {a['status']}{', ' + a['why'] if a['why'] else ''}"
        for a in outcome["attempts"]
        if not a["accepted"]
    ]
    late = ["the solver was too slow"] if outcome["timed_out"] else []
    return "; ".join(late + refused) or "no verified answer"
