"""Telemetry out and in as CSV and Parquet: written a day at a time, taken in an hour at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.storage.parquet import SCHEMA
from controller.storage.ports import StorageError, TelemetryStore
from controller.storage.query import LATE_MS
from controller.storage.samples import QUALITIES

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".parquet", ".csv")
DAY_S = 86_400.0
HOUR_S = 3600.0
WORDS = tuple(quality.value for quality in QUALITIES)


class TransferError(Exception):
    """A file that cannot be written or taken in: where, what is wrong, how to mend it."""


def format_of(path: Path) -> str:
    """``.parquet`` or ``.csv``.

    Raises
    ------
    TransferError
        The file's name ends otherwise.
    """
    if path.suffix not in FORMATS:
        raise TransferError(f"{path}: the name must end in {' or '.join(FORMATS)}")
    return path.suffix


def export_rows(
    store: TelemetryStore, path: Path, tags: Sequence[str], start_s: float, end_s: float
) -> int:
    """Write readings as they are kept; answer how many. The file appears whole or not at all."""
    parts = (
        store.rows(tags, since, min(since + DAY_S, end_s))
        for since in _steps(start_s, end_s, DAY_S)
    )
    return _write(path, SCHEMA, parts)


def export_frame(
    store: TelemetryStore,
    path: Path,
    tags: Sequence[str],
    between_s: tuple[float, float],
    every_s: float,
) -> int:
    """Write values in force on a grid, a column a tag after ``time_utc``; answer how many rows."""
    import pandas as pd
    import pyarrow as pa

    start_s, end_s = between_s
    schema = pa.schema([("time_utc", pa.timestamp("ms")), *((tag, pa.float64()) for tag in tags)])

    def parts() -> Iterator[Any]:
        step = max(DAY_S, every_s)
        for since in _steps(start_s, end_s, step):
            until = min(since + step, end_s)
            frame = store.frame(tags, since, until, every_s)
            # The end of a part is the beginning of the next one.
            frame = (
                frame
                if until >= end_s
                else frame[frame.index < frame.index[0] + pd.Timedelta(seconds=step)]
            )
            columns = [frame[tag].to_numpy() for tag in tags]
            moments = pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy()
            gaps = [pa.array(column, mask=_gaps(column)) for column in columns]
            yield pa.table([pa.array(moments.astype("datetime64[ms]")), *gaps], schema=schema)

    return _write(path, schema, parts())


def import_rows(store: TelemetryStore, path: Path) -> tuple[int, int]:
    """Take readings in, hour by hour; answer how many there were and how many were new.

    The whole file is checked before anything is kept, and rows that are there already are left
    out, so that an import that was interrupted is simply done again.

    Raises
    ------
    TransferError
        The file does not hold readings; the message names column and row.
    """
    table = read_rows(path)
    new = 0
    for part in _by_hour(table):
        new += store.put(part)
    return len(table), new


def read_rows(path: Path) -> Any:
    """The readings of a file (`parquet.SCHEMA`), each of which can be kept.

    Raises
    ------
    TransferError
        The file does not hold readings; the message names column and row.
    """
    return _checked(_read(path), path)


def _by_hour(table: pa.Table) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.compute as pc

    hours = pc.floor_temporal(table["seen_utc"], unit="hour")
    for hour in sorted(pc.unique(hours).to_pylist()):
        yield table.filter(pc.equal(hours, pa.scalar(hour, hours.type)))


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    try:
        if format_of(path) == ".parquet":
            return pq.read_table(path)
        types = {"tag": pa.string(), "quality": pa.string(), "value": pa.float64()}
        options = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
        return pa_csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise TransferError(f"{path} cannot be read: {error}") from error


def _checked(table: Any, path: Path) -> Any:
    """A table with the columns of readings, each row of which can be kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name for name in SCHEMA.names if name != "seen_utc"]
    if missing := [name for name in names if name not in table.column_names]:
        raise TransferError(
            f"{path} has no column {missing[0]!r}: an import needs {', '.join(names)}, and "
            "seen_utc where readings were received later than they hold from; "
            "`isotherm storage export` writes such files"
        )
    if "seen_utc" not in table.column_names:
        table = table.append_column("seen_utc", table["at_utc"])
    for name in ("at_utc", "seen_utc"):
        index = table.column_names.index(name)
        kind = table.schema.field(name).type
        if not pa.types.is_timestamp(kind):
            raise TransferError(f"{path}, column {name}: times are ISO 8601 in UTC, not {kind}")
        moments = table[name].cast(pa.timestamp("ms", tz=kind.tz), safe=False)
        moments = moments.cast(pa.timestamp("ms"))
        table = table.set_column(index, name, moments)
    try:
        table = table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise TransferError(f"{path}: {error}") from error
    for name in ("tag", "at_utc", "seen_utc", "quality"):
        _refuse(path, name, pc.is_null(table[name]), "is empty")
    known = pc.is_in(table["quality"], pa.array(WORDS))
    _refuse(path, "quality", pc.invert(known), f"is none of {', '.join(WORDS)}")
    no_value = pc.or_(pc.is_null(table["value"]), pc.invert(_finite(table["value"])))
    good = pc.equal(table["quality"], "good")
    _refuse(path, "value", pc.and_(good, no_value), "has no finite value, though it is good")
    late = pc.subtract(table["seen_utc"].cast(pa.int64()), table["at_utc"].cast(pa.int64()))
    wrong = pc.or_(pc.less(late, 0), pc.greater(late, LATE_MS))
    _refuse(path, "seen_utc", wrong, f"is not within {LATE_MS // 1000} s after at_utc")
    value = pc.if_else(_finite(table["value"]), table["value"], None)
    return table.set_column(table.column_names.index("value"), "value", value)


def _finite(column: Any) -> Any:
    import pyarrow.compute as pc

    return pc.fill_null(pc.is_finite(column), False)


def _refuse(path: Path, column: str, wrong: Any, what: str) -> None:
    import pyarrow.compute as pc

    row = pc.index(wrong.combine_chunks() if hasattr(wrong, "combine_chunks") else wrong, True)
    if row.as_py() >= 0:
        raise TransferError(f"{path}, data row {row.as_py() + 1}, column {column}: it {what}")


def _write(path: Path, schema: Any, parts: Iterator[Any]) -> int:
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    partial = path.with_name(f".{path.name}.part")
    kind, count = format_of(path), 0
    try:
        opened = pq.ParquetWriter if kind == ".parquet" else pa_csv.CSVWriter
        with opened(partial, schema) as writer:
            for part in parts:
                writer.write_table(part)
                count += len(part)
        partial.replace(path)
    except (OSError, pa.ArrowException) as error:
        raise TransferError(f"{path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _steps(start_s: float, end_s: float, step_s: float) -> Iterator[float]:
    for k in range(max(1, math.ceil((end_s - start_s) / step_s))):
        yield start_s + k * step_s


def _gaps(column: Any) -> Any:
    import numpy as np

    return np.isnan(column)


def span_of(
    store: TelemetryStore, start_s: float | None, end_s: float | None
) -> tuple[float, float]:
    """The times that were asked for, by default all that there is.

    Raises
    ------
    StorageError
        The store is empty, or the end is not after the start.
    """
    extent = store.extent()
    if extent is None:
        raise StorageError("nothing has been kept there yet")
    start = extent[0] if start_s is None else start_s
    # What was received in the last moment belongs to it, too.
    end = extent[1] + 0.001 if end_s is None else end_s
    if end <= start:
        raise StorageError("the end must be after the start")
    return start, end
