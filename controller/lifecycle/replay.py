"""Days of telemetry that a refit must not forget: those in which the hall was moved most.

A model that is refitted on recent days alone unlearns what it knew of others: a day under the
optimiser hardly moves a setpoint. So the days that say most about how the hall answers are
kept beside the registry, and every refit is on them and on recent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facility.site import Site
from models.dataset import DatasetError, History

FOLDER = "replay"
DAYS = 14
LEAST_DAY_ROWS = 720
"""Half a day: less is not kept."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of telemetry and how much it moved."""

    name: str
    """As 2026-11-21, UTC."""
    excitation: float
    """Mean over the actuator groups of the setpoint's spread, share of its range."""


def excitation(site: Site, history: History) -> float:
    """Mean standard deviation of the setpoints as shares of their ranges, usable minutes only."""
    told = history.setpoints[history.usable]
    if len(told) < 2:
        return 0.0
    members = [group[0] for group in site.groups.values()]
    span = np.array([max(a.maximum - a.minimum, 1e-9) for a in members])
    return float((told.std(axis=0) / span).mean())


class Replay:
    """The days kept in a registry's folder, as Parquet files in canonical units."""

    def __init__(self, registry: Path, days: int = DAYS) -> None:
        self._folder, self._most = registry / FOLDER, days

    def offer(self, site: Site, frame: pd.DataFrame) -> tuple[Day, ...]:
        """Keep those days of ``frame`` that are among the most excited; answers all kept.

        Raises
        ------
        DatasetError
            A day cannot be used; nothing was kept of it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        known = {day.name: day for day in self.days()}
        for name, part in _by_day(frame):
            if len(part) < LEAST_DAY_ROWS:
                continue
            day = Day(name, excitation(site, History.of(site, part)))
            held = known.get(name)
            if held is not None and held.excitation >= day.excitation:
                continue
            partial = self._folder / f".{name}.part"
            part.to_parquet(partial)
            if held is not None:
                self._path(held).unlink()
            partial.replace(self._path(day))
            known[name] = day
        kept = sorted(known.values(), key=lambda day: (-day.excitation, day.name))
        for day in kept[self._most :]:
            self._path(day).unlink()
        return tuple(sorted(kept[: self._most], key=lambda day: day.name))

    def days(self) -> tuple[Day, ...]:
        """All that are kept, by date."""
        found = [path.stem.split("_") for path in self._folder.glob("*_*.parquet")]
        return tuple(sorted((Day(n, float(e)) for n, e in found), key=lambda day: day.name))

    def histories(self, site: Site, before_s: float) -> tuple[History, ...]:
        """Kept days that ended before ``before_s``; what no longer fits the site is left out."""
        found = []
        for day in self.days():
            frame = pd.read_parquet(self._path(day))
            try:
                history = History.of(site, frame)
            except DatasetError:
                continue  # of the site as it was before equipment was added or renamed
            if history.time_s[-1] < before_s:
                found.append(history)
        return tuple(found)

    def _path(self, day: Day) -> Path:
        return self._folder / f"{day.name}_{day.excitation:.6f}.parquet"


def _by_day(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for moment, part in frame.groupby(pd.DatetimeIndex(frame.index).floor("D")):
        yield f"{moment:%Y-%m-%d}", part
