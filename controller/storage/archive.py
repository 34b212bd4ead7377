"""Compaction: finished hours to Parquet, hours to days, five-minute trends, and what may go.

A file is written under a new name, flushed to the disk with its directory, and only then listed
by the hot segment, in the transaction that drops the rows; a file that is not listed is a
crash's leaving and is removed by the next process that compacts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from controller.storage import parquet
from controller.storage.hot import READINGS, TRENDS, File, HotSegment
from controller.storage.ports import Retention
from controller.storage.query import LATE_MS, TREND_MS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CHUNK_READINGS = 4_000_000

SumUp = Callable[[int, int], Any]
"""Trends (`parquet.TREND_SCHEMA`) from readings between two moments in ms."""


class Archive:
    """The Parquet files of a directory, listed by a hot segment."""

    def __init__(self, directory: Path, hot: HotSegment, sum_up: SumUp) -> None:
        self._directory, self._hot, self._sum_up = directory, hot, sum_up
        self._replaced: list[str] | None = None

    def compact(self, now_s: float) -> int:
        """Write finished hours out of the hot segment, join finished days, sum up trends."""
        now_ms = int(now_s * 1000.0)
        # Only who compacts may do this: to anybody else, a file that is about to be listed looks
        # like a crash's leaving. A reader may still hold what the last compaction replaced; by
        # now it is done.
        self._remove(self._unlisted() if self._replaced is None else self._replaced)
        self._replaced = []
        moved = sum(self._write_hour(start) for start in self._hot.hours_before(now_ms, HOUR_MS))
        self._roll(now_ms)
        for kind in (READINGS, TRENDS):
            for day in self._finished_days(now_ms, kind):
                self._join_day(day, kind)
        return moved

    def retain(self, policy: Retention, now_s: float) -> int:
        """Let go of whole days that are older than the policy says."""
        now_ms, went = int(now_s * 1000.0), 0
        if policy.readings_days is not None:
            before = min(now_ms - int(policy.readings_days * DAY_MS), self._hot.marks.rolled_to)
            before -= before % DAY_MS
            old = [file for file in self._hot.files(READINGS) if file.end_ms <= before]
            if old:
                self._swap([], old, readings_from=max(before, self._hot.marks.readings_from))
                went = sum(file.readings for file in old)
        if policy.trends_days is not None:
            before = now_ms - int(policy.trends_days * DAY_MS)
            self._swap([], [f for f in self._hot.files(TRENDS) if f.end_ms <= before])
        return went

    def _write_hour(self, start_ms: int) -> int:
        end_ms = start_ms + HOUR_MS
        seen = self._hot.read(start_ms, end_ms - 1)
        # Times may come twice: a simulated run that starts anew over the same state directory.
        files = [file for file in seen.files if file.kind == READINGS]
        old = parquet.read(self._directory, files, READINGS)
        table = pa.concat_tables([old, parquet.table_of(seen.hot, self._hot.tags)])
        first = min([start_ms, *(file.start_ms for file in files)])
        last = max([end_ms, *(file.end_ms for file in files)])
        new = parquet.write(self._directory, table, first, last, READINGS)
        self._swap([new], files, drop_batches=(start_ms, end_ms))
        return len(seen.hot.rows)

    def _roll(self, now_ms: int) -> None:
        """Sum up what will not change any more, as much at a time as memory holds with ease."""
        extent = self._hot.extent_ms()
        if extent is None:
            return
        marks = self._hot.marks
        first = max(marks.rolled_to, marks.readings_from, extent[0] - LATE_MS)
        start = first - first % TREND_MS
        end = now_ms - now_ms % HOUR_MS - LATE_MS
        end -= end % TREND_MS
        self._cut_trends(start)
        while start < end:
            until = self._chunk_end(start, end)
            table = self._sum_up(start, until)
            new = (
                [parquet.write(self._directory, table, start, until, TRENDS)] if len(table) else []
            )
            self._swap(new, [], rolled_to=until)
            start = until

    def _chunk_end(self, start: int, end: int) -> int:
        """An hour's end, or a later one of the same day while that is few readings."""
        files = [file for file in self._hot.files(READINGS) if file.end_ms > start]
        until = start - start % HOUR_MS + HOUR_MS
        last = start - start % DAY_MS + DAY_MS
        while until < last:
            rows = sum(
                f.readings for f in files if f.start_ms < until + HOUR_MS and f.end_ms > start
            )
            if rows > CHUNK_READINGS:
                break
            until += HOUR_MS
        return min(until, end)

    def _cut_trends(self, from_ms: int) -> None:
        """Drop trends that are out of date: all from a moment on."""
        for file in self._hot.files(TRENDS):
            if file.end_ms <= from_ms:
                continue
            new = []
            if file.start_ms < from_ms:
                table = parquet.read(self._directory, [file], TRENDS)
                moment = pa.scalar(from_ms, pa.timestamp("ms"))
                table = table.filter(pc.less(table["at_utc"], moment))
                new = [parquet.write(self._directory, table, file.start_ms, from_ms, TRENDS)]
            self._swap(new, [file])

    def _finished_days(self, now_ms: int, kind: str) -> list[int]:
        """Days of several files, or of one that does not cover the day's name yet."""
        done = self._hot.marks.rolled_to if kind == TRENDS else now_ms
        today = done - done % DAY_MS
        parts = [f for f in self._hot.files(kind) if f.end_ms - f.start_ms < DAY_MS]
        return sorted({f.start_ms - f.start_ms % DAY_MS for f in parts if f.end_ms <= today})

    def _join_day(self, start_ms: int, kind: str) -> None:
        end_ms = start_ms + DAY_MS
        seen = self._hot.read(start_ms, end_ms - 1)
        files = [file for file in seen.files if file.kind == kind]
        table = parquet.read(self._directory, files, kind)
        first = min([start_ms, *(file.start_ms for file in files)])
        last = max([end_ms, *(file.end_ms for file in files)])
        self._swap([parquet.write(self._directory, table, first, last, kind)], files)

    def _swap(self, new: Sequence[File], gone: Sequence[File], **more: Any) -> None:
        names = [file.name for file in gone]
        self._hot.swap(new, names, **more)
        self._replaced = [*(self._replaced or ()), *names]

    def _unlisted(self) -> list[str]:
        live = {file.name for file in self._hot.files()}
        return [p.name for p in self._directory.glob("*.parquet") if p.name not in live]

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._directory / name).unlink(missing_ok=True)
