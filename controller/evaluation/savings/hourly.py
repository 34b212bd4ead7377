"""The table that every proof of savings starts from: one row an hour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from controller.evaluation.series import component_tags
from facility.site import Site

Array = NDArray[np.float64]

COLUMNS = ("cooling_kw", "it_kw", "wet_bulb_c")
UNITS = {"cooling_kw": "kW", "it_kw": "kW", "wet_bulb_c": "°C"}
PLAUSIBLE = {"cooling_kw": (0.0, 1e6), "it_kw": (0.0, 1e6), "wet_bulb_c": (-60.0, 45.0)}
"""Outside of these a value is a unit or a meter gone wrong, not weather or load."""
LEAST_COVERED = 0.9
"""Share of an hour's samples that must be there: an hour with less is left out, not guessed."""
HOUR_S = 3600.0


class HourlyError(Exception):
    """A table that savings cannot be counted on: what is wrong, in which row, and the mend."""


@dataclass(frozen=True)
class Hourly:
    """Whole hours, in order; hours without enough data are absent."""

    times_s: Array
    """(N,) start of each hour, POSIX seconds."""
    cooling_kw: Array
    """(N,) mean electric power of chillers, towers, pumps, fans and CDUs."""
    it_kw: Array
    """(N,) mean electric power of the IT equipment."""
    wet_bulb_c: Array
    """(N,) mean outdoor wet bulb."""
    absent: int = 0
    """Hours of the period without enough data."""

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, end_s: float) -> Hourly:
        """The hours that lie whole in the period."""
        return self.where((self.times_s >= start_s) & (self.times_s + HOUR_S <= end_s))

    def where(self, chosen: NDArray[np.bool_]) -> Hourly:
        """The hours for which ``chosen`` (N,) holds."""
        return Hourly(
            self.times_s[chosen],
            self.cooling_kw[chosen],
            self.it_kw[chosen],
            self.wet_bulb_c[chosen],
            self.absent,
        )

    @property
    def days(self) -> NDArray[np.int64]:
        """(N,) the day of each hour: whole days of UTC since 1970."""
        return np.asarray(self.times_s // 86_400.0, dtype=np.int64)


def from_frame(frame: pd.DataFrame, *, where: str = "the table") -> Hourly:
    """Hourly means of a table with a UTC index and the columns `COLUMNS`.

    Rows may come at any even interval up to an hour; NaN is a gap.

    Raises
    ------
    HourlyError
        All that is wrong with it at once.
    """
    wrong = [
        f"{where} has no column {name} ({UNITS[name]})" for name in COLUMNS if name not in frame
    ]
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None:
        wrong.append(f"{where} has no times with a time zone; write them as 2026-03-01T00:00:00Z")
    elif not index.is_monotonic_increasing or index.has_duplicates:
        first = int(np.argmax(np.diff(index.asi8) <= 0)) + 1
        wrong.append(
            f"{where}, row {first + 1}: {index[first]} does not come after {index[first - 1]}; "
            "sort by time and keep one row a moment (a clock change, perhaps: use UTC)"
        )
    if wrong:
        raise HourlyError("\n".join(wrong))
    table = frame.loc[:, list(COLUMNS)].apply(pd.to_numeric, errors="coerce")
    for name, (low, high) in PLAUSIBLE.items():
        bad = table.index[(table[name] < low) | (table[name] > high)]
        if len(bad):
            wrong.append(
                f"{where}, {bad[0]}: {name} is {table.loc[bad[0], name]:g}; in {UNITS[name]} it "
                f"lies between {low:g} and {high:g} ({len(bad)} such rows): check unit and meter"
            )
    if wrong:
        raise HourlyError("\n".join(wrong))
    return _hours(table.tz_convert("UTC"), where)


def read_hourly(path: Path) -> Hourly:
    """`from_frame` of a CSV (a column ``time``) or Parquet file.

    Raises
    ------
    HourlyError
        It cannot be read, or `from_frame` refuses it.
    """
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise HourlyError(f"{path}: {error}") from None
    if "time" in frame:
        try:
            frame = frame.set_index(pd.to_datetime(frame.pop("time"), utc=True))
        except ValueError as error:
            raise HourlyError(f"{path}, column time: {error}") from None
    return from_frame(frame, where=path.name)


def _hours(table: pd.DataFrame, where: str) -> Hourly:
    if len(table) < 2:
        raise HourlyError(f"{where} has {len(table)} rows; savings need weeks of hours")
    step_s = float(np.median(np.diff(_seconds(table.index))))
    if step_s > HOUR_S:
        raise HourlyError(
            f"{where} has a row each {step_s:g} s; an hour or less is needed, so that load and "
            "weather can be told apart"
        )
    grouped = table.resample("1h")
    counts = grouped.count().min(axis=1)
    means = grouped.mean()
    whole = (counts >= LEAST_COVERED * HOUR_S / step_s).to_numpy() & (means["it_kw"] > 0).to_numpy()
    means = means[whole]
    return Hourly(
        times_s=_seconds(means.index),
        cooling_kw=means["cooling_kw"].to_numpy(np.float64),
        it_kw=means["it_kw"].to_numpy(np.float64),
        wet_bulb_c=means["wet_bulb_c"].to_numpy(np.float64),
        absent=int(len(whole) - whole.sum()),
    )


def _seconds(index: pd.Index) -> Array:
    """POSIX seconds of a UTC index, whatever its resolution."""
    return np.asarray(pd.DatetimeIndex(index).as_unit("ns").asi8, dtype=np.float64) / 1e9


def of_site(site: Site, frame: pd.DataFrame) -> Hourly:
    """The hours of a table with the site's own tags as columns, such as stored telemetry.

    Raises
    ------
    HourlyError
        A power meter or the wet bulb is not among the columns, or `from_frame` refuses it.
    """
    meters = [tag for tags in component_tags(site).values() for tag in tags if tag is not None]
    it_meters, wet_bulb = list(site.tags("it_power")), site.tags("wet_bulb_temperature")[:1]
    missing = [tag for tag in (*meters, *it_meters, *wet_bulb) if tag not in frame]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise HourlyError(f"the data have no column {missing[0]}{more} of site {site.id}")
    table = pd.DataFrame(
        {
            "cooling_kw": frame[meters].sum(axis=1, skipna=False),
            "it_kw": frame[it_meters].sum(axis=1, skipna=False),
            "wet_bulb_c": frame[wet_bulb[0]],
        },
        index=frame.index,
    )
    return from_frame(table, where=f"the data of {site.id}")
