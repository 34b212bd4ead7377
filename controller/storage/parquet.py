"""The cold side: finished hours, then finished days, as Parquet files that anyone can open.

Columns: ``tag``, ``at_utc`` (from when the reading holds), ``seen_utc`` (when it was received),
``value`` in the canonical unit (null where there is none) and ``quality`` in words. Rows are
ordered by tag and time, so that a query of few tags reads few row groups.

A file is written under a new name, flushed to the disk with its directory, and only then listed
by the hot segment, in the transaction that drops the rows; a file that is not listed is a
crash's leaving and is removed on opening.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from controller.storage.hot import File, Hot, HotSegment
from controller.storage.samples import QUALITIES

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SCHEMA = pa.schema(
    [
        ("tag", pa.string()),
        ("at_utc", pa.timestamp("ms")),
        ("seen_utc", pa.timestamp("ms")),
        ("value", pa.float64()),
        ("quality", pa.string()),
    ]
)
ROW_GROUP = 65_536


def table_of(hot: Hot, tags: dict[int, str]) -> Any:
    """Rows of the hot segment with a tag among ``tags`` (by number), as an Arrow table."""
    numbers = np.array(sorted(tags), np.int32)
    chosen = np.isin(hot.rows["point"], numbers)
    rows, seen_ms = hot.rows[chosen], hot.seen_ms[chosen]
    positions = np.searchsorted(numbers, rows["point"]).astype(np.int32)
    value = rows["value"]
    return pa.table(
        [
            _words(positions, [tags[int(number)] for number in numbers]),
            pa.array(rows["at_ms"].astype("datetime64[ms]")),
            pa.array(seen_ms.astype("datetime64[ms]")),
            pa.array(value, mask=np.isnan(value)),
            _words(rows["quality"].astype(np.int32), [quality.value for quality in QUALITIES]),
        ],
        schema=SCHEMA,
    )


def _words(positions: np.ndarray[Any, np.dtype[np.int32]], words: list[str]) -> Any:
    coded = pa.DictionaryArray.from_arrays(pa.array(positions), pa.array(words, pa.string()))
    return coded.dictionary_decode()


class Archive:
    """The Parquet files of a directory, listed by a hot segment."""

    def __init__(self, directory: Path, hot: HotSegment) -> None:
        self._directory, self._hot = directory, hot
        self._replaced: list[str] = []
        self._remove(self._unlisted())

    def paths(self, files: Sequence[File]) -> list[str]:
        """Where these files lie."""
        return [str(self._directory / file.name) for file in files]

    def compact(self, now_s: float) -> int:
        """Write finished hours out of the hot segment, and join the hours of finished days."""
        now_ms = int(now_s * 1000.0)
        # A reader may still hold what the last compaction replaced; by now it is done.
        self._remove(self._replaced)
        self._replaced = []
        moved = sum(self._write_hour(start) for start in self._hot.hours_before(now_ms, HOUR_MS))
        for day in self._finished_days(now_ms):
            self._join_day(day)
        return moved

    def _write_hour(self, start_ms: int) -> int:
        end_ms = start_ms + HOUR_MS
        files, hot = self._hot.read(start_ms, end_ms - 1)
        # Times may come twice: a simulated run that starts anew over the same state directory.
        parts = [pq.read_table(path, schema=SCHEMA) for path in self.paths(files)]
        table = pa.concat_tables([*parts, table_of(hot, self._hot.tags)])
        start_ms = min([start_ms, *(file.start_ms for file in files)])
        end_ms = max([end_ms, *(file.end_ms for file in files)])
        self._put(table, start_ms, end_ms, files, drop_batches=True)
        return len(hot.rows)

    def _finished_days(self, now_ms: int) -> list[int]:
        today = now_ms - now_ms % DAY_MS
        hours = [f for f in self._hot.files() if f.end_ms - f.start_ms < DAY_MS]
        days = {f.start_ms - f.start_ms % DAY_MS for f in hours if f.end_ms <= today}
        return sorted(days)

    def _join_day(self, start_ms: int) -> None:
        end_ms = start_ms + DAY_MS
        files, _ = self._hot.read(start_ms, end_ms - 1)
        tables = [pq.read_table(path, schema=SCHEMA) for path in self.paths(files)]
        self._put(
            pa.concat_tables(tables),
            start_ms,
            end_ms,
            files,
            drop_batches=False,
        )

    def _put(
        self, table: Any, start_ms: int, end_ms: int, gone: Sequence[File], *, drop_batches: bool
    ) -> None:
        day = datetime.fromtimestamp(start_ms / 1000.0, UTC)
        whole_day = end_ms - start_ms >= DAY_MS
        stem = day.strftime("%Y-%m-%d" if whole_day else "%Y-%m-%dT%H")
        name = f"{stem}.{uuid.uuid4().hex[:8]}.parquet"
        path = self._directory / name
        order = [("tag", "ascending"), ("at_utc", "ascending"), ("seen_utc", "ascending")]
        with path.open("wb") as file:
            pq.write_table(table.sort_by(order), file, compression="zstd", row_group_size=ROW_GROUP)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(self._directory)
        names = [file.name for file in gone]
        self._hot.swap(
            File(name, start_ms, end_ms, table.num_rows), names, drop_batches=drop_batches
        )
        self._replaced += names

    def _unlisted(self) -> list[str]:
        live = {file.name for file in self._hot.files()}
        return [p.name for p in self._directory.glob("*.parquet") if p.name not in live]

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
