"""What the field said lately, thinned to a row a minute, for the state and the forecasts.

A row is the mean of the minute's good readings, as in the histories that models learn from: a load
that steps within the minute shows when. A gap in the data is a gap in the history.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facility.quantities import CHARGE_RATE, CHILLER_STAGE, LIMITED_TEMPERATURE
from facility.site import Site
from facility.telemetry import Snapshot
from models.contract import Array

ROW_S = 60.0

METERS = ("power", "fan_power", "pump_power")


@dataclass(frozen=True)
class History:
    """Rows of good readings, oldest first, one a minute at most.

    Each row is stamped with the end of its minute's first snapshot, rounded down to the minute.
    """

    tags: tuple[str, ...]
    times_s: tuple[float, ...] = ()
    rows: tuple[Array, ...] = ()
    """(tags,) each; NaN where nothing good was read."""
    keep_s: float = 6.0 * 3600.0
    counts: Array | None = None
    """(tags,) readings that the last row is the mean of; None: one at most."""

    def seen(self, snapshot: Snapshot) -> History:
        """With a snapshot; those of a minute are averaged."""
        time_s = float(np.floor(snapshot.time_s / ROW_S) * ROW_S)
        if self.times_s and time_s < self.times_s[-1]:
            return self
        row = np.array(
            [math.nan if (value := snapshot.good(tag)) is None else value for tag in self.tags]
        )
        told = np.isfinite(row)
        counts = told.astype(np.float64)
        same = bool(self.times_s) and self.times_s[-1] == time_s
        if same:
            before = self.rows[-1]
            known = np.isfinite(before)
            earlier = known * (1.0 if self.counts is None else self.counts)
            counts = counts + earlier
            both = told & known
            new, row = row, np.where(known, before, row)
            row[both] += (new[both] - row[both]) / counts[both]
        times = (*(self.times_s[:-1] if same else self.times_s), time_s)
        rows = (*(self.rows[:-1] if same else self.rows), row)
        first = next(i for i, t in enumerate(times) if t > time_s - self.keep_s)
        return History(self.tags, times[first:], rows[first:], self.keep_s, counts)

    def frame(self) -> pd.DataFrame:
        """UTC index at 60 s without holes, one column a tag, NaN where nothing good was read."""
        index = pd.to_datetime(np.array(self.times_s) * 1e9, utc=True)
        table = np.array(self.rows).reshape(-1, len(self.tags))
        return pd.DataFrame(table, index=index, columns=list(self.tags)).asfreq(f"{ROW_S:g}s")

    def last(self, tag: str) -> tuple[float, float] | None:
        """The last good value of a tag and its time, or None where there has been none."""
        column = self.tags.index(tag)
        for time_s, row in zip(reversed(self.times_s), reversed(self.rows), strict=True):
            if np.isfinite(row[column]):
                return time_s, float(row[column])
        return None


def tags_used(site: Site) -> tuple[str, ...]:
    """The tags that estimation and forecasts look at."""
    quantities: Collection[str] = {
        *LIMITED_TEMPERATURE.values(),
        *("it_power", "wet_bulb_temperature", "dry_bulb_temperature", "dew_point_temperature"),
        *("cw_supply_temperature", "fws_supply_temperature"),
        *("tcs_supply_temperature", "supply_air_temperature", CHARGE_RATE),
        *METERS,
        CHILLER_STAGE,
    }
    setpoints = {actuator.read_back for actuator in site.actuators.values()}
    return tuple(
        point.tag
        for point in site.points.values()
        if point.quantity in quantities or point.tag in setpoints
    )


def start(site: Site) -> History:
    """An empty history of a site."""
    return History(tags_used(site))
