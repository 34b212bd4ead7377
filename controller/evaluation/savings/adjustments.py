"""Non-routine adjustments: what changed that neither load nor weather tells.

Racks moved in, a chiller rebuilt, a meter replaced: written down by a person with a reason, kW and
a period, and counted in the open. IPMVP asks for each to be named in the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.evaluation.savings.hourly import HOUR_S, Hourly, HourlyError
from facility.clock import from_iso
from facility.toml_file import read_toml

KEYS = {"start", "end", "kw", "why", "by"}


@dataclass(frozen=True)
class Adjustment:
    """``kw`` of cooling power that the baseline lacks over a period, signed."""

    start_s: float
    end_s: float
    kw: float
    why: str
    by: str


def adjustment_kw(adjustments: Sequence[Adjustment], hourly: Hourly) -> NDArray[np.float64]:
    """(N,) the sum over each hour, hours in part by their part."""
    total = np.zeros(len(hourly))
    for one in adjustments:
        begins = np.maximum(hourly.times_s, one.start_s)
        ends = np.minimum(hourly.times_s + HOUR_S, one.end_s)
        total += one.kw * np.clip(ends - begins, 0.0, None) / HOUR_S
    return total


def read_adjustments(path: Path) -> tuple[Adjustment, ...]:
    """Read ``[[adjustment]]`` tables with start, end, kw, why and by.

    Raises
    ------
    HourlyError
        All that is wrong in the file at once.
    """
    data = read_toml(path, HourlyError)
    entries = data.get("adjustment", [])
    if not isinstance(entries, list):
        raise HourlyError(f"{path}: write each adjustment as a table [[adjustment]]")
    found, wrong = [], []
    for number, entry in enumerate(entries, 1):
        place = f"{path.name}, adjustment {number}"
        problems = _problems(entry)
        wrong += [f"{place}: {problem}" for problem in problems]
        if not problems:
            found.append(_adjustment(entry))
    if wrong:
        raise HourlyError("\n".join(wrong))
    return tuple(found)


def _problems(entry: object) -> list[str]:
    if not isinstance(entry, dict):
        return ["it is not a table"]
    wrong = [f"{key} is missing" for key in sorted(KEYS - entry.keys())]
    wrong += [
        f"{key} is not one of {', '.join(sorted(KEYS))}" for key in sorted(entry.keys() - KEYS)
    ]
    if wrong:
        return wrong
    if not isinstance(entry["kw"], int | float) or isinstance(entry["kw"], bool):
        wrong.append("kw is not a number")
    wrong += [f"{key} is empty" for key in ("why", "by") if not str(entry[key]).strip()]
    try:
        start_s, end_s = from_iso(str(entry["start"])), from_iso(str(entry["end"]))
    except ValueError as error:
        return [*wrong, f"start or end: {error}"]
    if end_s <= start_s:
        wrong.append("it ends before it starts")
    return wrong


def _adjustment(entry: dict[str, object]) -> Adjustment:
    return Adjustment(
        from_iso(str(entry["start"])),
        from_iso(str(entry["end"])),
        float(str(entry["kw"])),
        str(entry["why"]),
        str(entry["by"]),
    )
