"""The files of the cold side, which anyone can open.

Readings: ``tag``, ``at_utc`` (from when the reading holds), ``seen_utc`` (when it was received),
``value`` in the canonical unit (null where there is none) and ``quality`` in words. Trends:
``tag``, ``at_utc`` (start of the five minutes), ``good_ms`` (how long a value could be acted on),
``mean`` over that time, ``lowest`` and ``highest``. Rows are ordered by tag and time, so that a
query of few tags reads few row groups.
"""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from controller.storage.hot import READINGS, TRENDS, File, Hot
from controller.storage.samples import QUALITIES

SCHEMA = pa.schema(
    [
        ("tag", pa.string()),
        ("at_utc", pa.timestamp("ms")),
        ("seen_utc", pa.timestamp("ms")),
        ("value", pa.float64()),
        ("quality", pa.string()),
    ]
)
TREND_SCHEMA = pa.schema(
    [
        ("tag", pa.string()),
        ("at_utc", pa.timestamp("ms")),
        ("good_ms", pa.int64()),
        ("mean", pa.float64()),
        ("lowest", pa.float64()),
        ("highest", pa.float64()),
    ]
)
SCHEMAS = {READINGS: SCHEMA, TRENDS: TREND_SCHEMA}
ORDER = [("tag", "ascending"), ("at_utc", "ascending")]
ROW_GROUP = 16_384


def table_of(hot: Hot, tags: dict[int, str]) -> Any:
    """Rows of the hot segment with a tag among ``tags`` (by number), as an Arrow table."""
    numbers = np.array(sorted(tags), np.int32)
    chosen = np.isin(hot.rows["point"], numbers)
    rows, seen_ms = hot.rows[chosen], hot.seen_ms[chosen]
    positions = np.searchsorted(numbers, rows["point"]).astype(np.int32)
    value = rows["value"]
    return pa.table(
        [
            words(positions, [tags[int(number)] for number in numbers]),
            pa.array(rows["at_ms"].astype("datetime64[ms]")),
            pa.array(seen_ms.astype("datetime64[ms]")),
            pa.array(value, mask=np.isnan(value)),
            words(rows["quality"].astype(np.int32), [quality.value for quality in QUALITIES]),
        ],
        schema=SCHEMA,
    )


def words(positions: np.ndarray[Any, np.dtype[np.int32]], known: list[str]) -> Any:
    """A column of words from their positions in a list."""
    coded = pa.DictionaryArray.from_arrays(pa.array(positions), pa.array(known, pa.string()))
    return coded.dictionary_decode()


def ordered(table: Any) -> Any:
    """A table of readings or trends in the order of its files."""
    more = [("seen_utc", "ascending")] if "seen_utc" in table.column_names else []
    return table.sort_by([*ORDER, *more])


def read(directory: Path, files: list[File], kind: str) -> Any:
    """The files' rows, one after the other."""
    schema = SCHEMAS[kind]
    parts = [pq.read_table(directory / file.name, schema=schema) for file in files]
    return pa.concat_tables([schema.empty_table(), *parts])


def write(directory: Path, table: Any, start_ms: int, end_ms: int, kind: str) -> File:
    """Write a table under a new name, and flush it to the disk with its directory."""
    moment = datetime.fromtimestamp(start_ms / 1000.0, UTC)
    whole_days = end_ms - start_ms >= 86_400_000
    stem = moment.strftime("%Y-%m-%d" if whole_days else "%Y-%m-%dT%H")
    name = f"{stem}.{'' if kind == READINGS else f'{kind}.'}{uuid.uuid4().hex[:8]}.parquet"
    with (directory / name).open("wb") as file:
        pq.write_table(
            ordered(table),
            file,
            compression="zstd",
            row_group_size=ROW_GROUP,
            use_dictionary=["tag", "quality"],
            column_encoding={"at_utc": "DELTA_BINARY_PACKED"}
            | ({"seen_utc": "DELTA_BINARY_PACKED"} if kind == READINGS else {}),
        )
        file.flush()
        os.fsync(file.fileno())
    sync_directory(directory)
    return File(name, start_ms, end_ms, table.num_rows, kind)


def sync_directory(directory: Path) -> None:
    """Flush a directory's names to the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
