"""The record of a backtest: readings in the order in which they were received.

A day's file holds the readings of that day, of the hours before it that a control step looks back
on, and of the hours after it that predictions are held against. `KnownThen` shows of it, at each
minute, what had been received by then, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facility.clock import from_iso, iso
from facility.commands import Mode
from facility.points import Access
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from models.contract import Array
from safety.hand_back import own_readings

if TYPE_CHECKING:
    import pyarrow as pa

DAY_S = 86_400.0
ROW_S = 60.0
BEFORE_S = 6.0 * 3600.0
"""A day's file begins so long before it: what the history of a control step holds."""
AFTER_S = 2.0 * 3600.0
"""And ends so long after it, for what was predicted at the end of the day."""
STANDS_S = 75.0
"""A reading stands so long without a newer one, as in storage."""
SPACINGS = 1.25
"""Of a table with a coarser grid a value stands for so many of its steps."""
COARSEST_S = 300.0


class BacktestError(Exception):
    """A backtest that cannot be run: what is wrong and how to mend it."""


@dataclass(frozen=True)
class Rows:
    """A record: readings as storage keeps them, and how long each stands."""

    table: pa.Table
    stands_s: float


@dataclass(frozen=True)
class DayFile:
    """One day of a record."""

    path: Path
    sha256: str
    start_s: float
    end_s: float


def read_rows(
    site: Site,
    *,
    data: Path | None = None,
    state: Path | None = None,
    database: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Rows:
    """The record from a file or from stored telemetry, of the site's points alone.

    A file is what `isotherm storage export` writes, or a table with ``time`` and the site's tags
    as columns, whose values count as received at the end of their row's time.

    Raises
    ------
    BacktestError
        It cannot be read, or nothing is left of it between ``start`` and ``end``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    bounds: list[float | None] = []
    for name, text in (("--from", start), ("--to", end)):
        try:
            bounds.append(None if text is None else from_iso(text))
        except ValueError as error:
            raise BacktestError(f"{name}: {error}") from None
    if data is not None:
        rows = _of_file(site, data)
    else:
        rows = Rows(_of_store(site, state, database, bounds), STANDS_S)
    seen = rows.table["seen_utc"]
    kept = pc.is_in(rows.table["tag"], pa.array(_tags(site), pa.string()))
    first, last = bounds
    if first is not None:
        kept = pc.and_(kept, pc.greater_equal(seen, _moment(first - BEFORE_S)))
    if last is not None:
        kept = pc.and_(kept, pc.less(seen, _moment(last + AFTER_S)))
    table = rows.table.filter(kept)
    if not len(table):
        raise BacktestError("the record holds nothing of this site's points in that period")
    return Rows(table, rows.stands_s)


def keep_days(
    rows: Rows, folder: Path, *, start: str | None = None, end: str | None = None
) -> tuple[DayFile, ...]:
    """Write a record's days (UTC) below a folder; the first and the last may be cut.

    What lies there already with the same content is left as it is.
    """
    import pyarrow.compute as pc

    folder.mkdir(parents=True, exist_ok=True)
    seen = rows.table["seen_utc"]
    ends = pc.min_max(seen)
    first_s, last_s = (ends[name].value / 1000.0 for name in ("min", "max"))
    first_s = max(first_s, -np.inf if start is None else from_iso(start))
    last_s = min(last_s + ROW_S, np.inf if end is None else from_iso(end))
    found = []
    day_s = first_s - first_s % DAY_S
    while day_s < last_s:
        since_s, until_s = max(day_s, first_s), min(day_s + DAY_S, last_s)
        wanted = pc.and_(
            pc.greater_equal(seen, _moment(since_s - BEFORE_S)),
            pc.less(seen, _moment(until_s + AFTER_S)),
        )
        found.append(_keep(rows.table.filter(wanted), folder, since_s, until_s))
        day_s += DAY_S
    return tuple(found)


def _keep(table: Any, folder: Path, since_s: float, until_s: float) -> DayFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = table.sort_by([(name, "ascending") for name in ("seen_utc", "tag", "at_utc")])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / f"{iso(since_s)[:10]}.{sha256[:12]}.parquet"
    if not path.exists():
        partial = path.with_suffix(".new")
        partial.write_bytes(content)
        partial.replace(path)
    return DayFile(path, sha256, since_s, until_s)


class KnownThen:
    """A day of a record, minute by minute, as it was known at each minute.

    Parameters
    ----------
    table
        Readings (`controller.storage.parquet.SCHEMA`), in any order.
    start_s, end_s
        Plant time: the first minute that is shown, and the one before which it ends.
    stands_s
        How long a reading stands without a newer one.
    """

    def __init__(
        self, site: Site, table: pa.Table, start_s: float, end_s: float, stands_s: float = STANDS_S
    ) -> None:
        self._site, self._stands_s = site, stands_s
        self.times_s: Array = np.arange(
            np.ceil(start_s / ROW_S) * ROW_S, end_s - 1e-6, ROW_S, dtype=np.float64
        )
        frame = table.to_pandas()
        for name in ("at_utc", "seen_utc"):
            frame[name] = frame[name].to_numpy().astype("datetime64[ms]").astype(np.int64) / 1000.0
        self._tags: dict[str, _Received] = {
            str(tag): _Received.of(part, self.times_s) for tag, part in frame.groupby("tag")
        }

    def snapshots(self) -> Iterator[Snapshot]:
        """One a minute: the readings that had been received by then."""
        modes = dict.fromkeys(self._site.actuators, Mode.AUTOMATIC)
        for row, now_s in enumerate(self.times_s.tolist()):
            readings = {
                tag: reading
                for tag, received in self._tags.items()
                if (reading := received.reading(row, now_s, self._stands_s)) is not None
            }
            devices = {
                name: DeviceStatus(
                    name,
                    connected=True,
                    authority=Authority.LOCAL,
                    armed=False,
                    last_reply_s=now_s,
                    round_trip_ms=None,
                    own=own_readings(self._site, name, readings),
                )
                for name in self._site.devices
            }
            yield Snapshot(now_s, readings, devices, modes)

    def frame(self) -> pd.DataFrame:
        """Good values in force at each minute, a column a tag: what came, for the comparison."""
        columns = {
            tag: received.in_force(self.times_s, self._stands_s)
            for tag, received in self._tags.items()
        }
        index = pd.to_datetime(self.times_s * 1e9, utc=True)
        return pd.DataFrame(columns, index=index)


@dataclass(frozen=True)
class _Received:
    """One tag: its readings, and by minute which of them was the newest that had come."""

    at_s: Array
    value: Array
    good: NDArray[np.bool_]
    quality: tuple[Quality, ...]
    newest: NDArray[np.int64]
    """(minutes,) index of a reading; -1 where none had come."""

    @classmethod
    def of(cls, part: pd.DataFrame, times_s: Array) -> _Received:
        """From a tag's rows."""
        part = part.sort_values(["seen_utc", "at_utc"], kind="stable")
        at_s, seen_s = (part[name].to_numpy(np.float64) for name in ("at_utc", "seen_utc"))
        # A late reading may be older than one that came before it; the newest one counts.
        best = np.maximum.accumulate(
            np.where(at_s >= np.maximum.accumulate(at_s), np.arange(len(at_s)), 0)
        )
        place = np.searchsorted(seen_s, times_s, side="right") - 1
        newest = np.where(place >= 0, best[np.maximum(place, 0)], -1)
        quality = tuple(map(Quality, part["quality"]))
        good = np.array([one is Quality.GOOD for one in quality])
        return cls(at_s, part["value"].to_numpy(np.float64), good, quality, newest)

    def reading(self, row: int, now_s: float, stands_s: float) -> Reading | None:
        """What was known of the tag in a minute; None before anything had come."""
        place = int(self.newest[row])
        if place < 0:
            return None
        at_s, value = float(self.at_s[place]), float(self.value[place])
        quality, note = self.quality[place], ""
        if quality is Quality.GOOD:
            if now_s - at_s <= stands_s:
                return Reading(value, quality, now_s)  # no row means no change: it was looked at
            quality, note = Quality.STALE, "nothing newer is on record"
        return Reading(None if np.isnan(value) else value, quality, at_s, note)

    def in_force(self, times_s: Array, stands_s: float) -> Array:
        """(minutes,) good values, NaN elsewhere."""
        place = np.maximum(self.newest, 0)
        there = (self.newest >= 0) & self.good[place] & (times_s - self.at_s[place] <= stands_s)
        return np.where(there, self.value[place], np.nan)


def _tags(site: Site) -> list[str]:
    return [p.tag for p in site.points.values() if p.access is not Access.WRITE]


def _moment(time_s: float) -> Any:
    import pyarrow as pa

    return pa.scalar(round(time_s * 1000.0), pa.timestamp("ms"))


def _of_store(
    site: Site, state: Path | None, database: str | None, bounds: list[float | None]
) -> Any:
    from controller.storage.opening import Place, open_present
    from controller.storage.ports import StorageError

    if state is None:
        raise BacktestError("give the record: --data FILE, or --state of `isotherm serve`")
    try:
        stores = open_present(Place(state, database))
        try:
            extent = stores.telemetry.extent()
            if extent is None:
                raise BacktestError(f"{database or state} holds no telemetry yet")
            start_s = extent[0] if bounds[0] is None else bounds[0] - BEFORE_S
            end_s = extent[1] + 0.001 if bounds[1] is None else bounds[1] + AFTER_S
            return stores.telemetry.rows(_tags(site), start_s, end_s)
        finally:
            stores.close()
    except StorageError as error:
        raise BacktestError(str(error)) from None


def _of_file(site: Site, path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    from controller.storage import transfer

    try:
        if path.suffix == ".parquet":
            names = pq.read_schema(path).names
        else:
            names = pa_csv.open_csv(path).schema.names
        if "tag" in names:
            return Rows(transfer.read_rows(path), STANDS_S)
    except (OSError, pa.ArrowException) as error:
        raise BacktestError(f"{path} cannot be read: {error}") from None
    except transfer.TransferError as error:
        raise BacktestError(str(error)) from None
    return _of_wide(site, path)


def _of_wide(site: Site, path: Path) -> Rows:
    """A table with a column a tag: each value is received at the end of its row's time."""
    import pyarrow as pa

    from controller.evaluation.shadow.inputs import read_record
    from controller.evaluation.shadow.replica import ShadowError
    from controller.storage.parquet import SCHEMA

    try:
        frame = read_record(site, data=path)
    except ShadowError as error:
        raise BacktestError(str(error)) from None
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or len(frame) < 2:
        raise BacktestError(
            f"{path}: it needs a column time (UTC) and at least two rows, or the columns of "
            "`isotherm storage export`"
        )
    frame = frame[[tag for tag in _tags(site) if tag in frame]]
    moments_s = index.as_unit("ns").asi8 / 1e9
    if not (np.diff(moments_s) > 0.0).all():
        raise BacktestError(f"{path}: time stands still or goes back; sort the rows")
    step_s = float(np.median(np.diff(moments_s)))
    if step_s > COARSEST_S:
        raise BacktestError(
            f"{path}: a row every {step_s:g} s is too coarse to plan from; export one a minute"
        )
    values = frame.to_numpy(np.float64)
    row, column = np.nonzero(np.isfinite(values))
    at = np.round((moments_s[row] + step_s) * 1000.0).astype(np.int64).astype("datetime64[ms]")
    names = np.array(frame.columns, dtype=object)
    columns = [names[column], at, at, values[row, column], np.full(len(row), "good")]
    return Rows(pa.table(columns, schema=SCHEMA), max(STANDS_S, SPACINGS * step_s))
