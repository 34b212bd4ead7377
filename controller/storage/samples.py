"""Readings as rows: which are worth keeping, and how they lie in the hot segment.

A reading gets a row when its value left the dead band about the last one kept, when its quality
changed, or when the last row is `HOLD_S` old and the device has answered since. In between, the
last row stands; a point that falls silent turns stale at the gateway, which is a change of
quality and so ends what the last row says at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facility.telemetry import Quality, Reading, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

HOLD_S = 60.0
"""The longest that a row stands for an unchanged point: the models' sample interval."""

QUALITIES: tuple[Quality, ...] = (
    Quality.GOOD,
    Quality.STALE,
    Quality.BAD,
    Quality.ABSENT,
    Quality.FROZEN,
)
"""Codes on disk are positions in this tuple: append only, never reorder."""

CODES = {quality: code for code, quality in enumerate(QUALITIES)}

ROW = np.dtype([("point", "<i4"), ("at_ms", "<i8"), ("value", "<f8"), ("quality", "u1")])
"""One reading in a batch; ``value`` is NaN where there is none (in these bytes alone).

``at_ms`` is the moment from which the row holds: the device's own time of a good value, the
snapshot's of any other, whose value may be old but whose quality is news.
"""

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class _Kept:
    value: float | None
    quality: Quality
    time_s: float
    kept_s: float


class Thinning:
    """Remembers the last row kept of each tag and picks what is worth a new one."""

    def __init__(self, dead_bands: Mapping[str, float], hold_s: float = HOLD_S) -> None:
        self._dead_bands, self._hold_s = dead_bands, hold_s
        self._kept: dict[str, _Kept] = {}

    def pick(self, snapshot: Snapshot) -> list[tuple[str, Reading]]:
        """The readings of ``snapshot`` that are worth a row; call `keep` once they are safe."""
        return [
            (tag, reading)
            for tag, reading in snapshot.readings.items()
            if self._is_news(tag, reading, snapshot.time_s)
        ]

    def keep(self, picked: list[tuple[str, Reading]], seen_s: float) -> None:
        """These are on disk now."""
        for tag, reading in picked:
            self._kept[tag] = _Kept(reading.value, reading.quality, reading.time_s, seen_s)

    def _is_news(self, tag: str, reading: Reading, seen_s: float) -> bool:
        kept = self._kept.get(tag)
        if kept is None or kept.quality is not reading.quality:
            return True
        if reading.quality is Quality.GOOD and reading.time_s <= kept.time_s:
            return False  # the device has not been asked again
        if seen_s - kept.kept_s >= self._hold_s:
            return True
        if reading.value is None or kept.value is None:
            return reading.value is not kept.value
        return abs(reading.value - kept.value) > self._dead_bands.get(tag, 0.0)


def encode(picked: list[tuple[str, Reading]], numbers: Mapping[str, int], seen_s: float) -> Rows:
    """Rows of one snapshot; ``numbers`` are the points' by tag."""
    seen_ms = to_ms(seen_s)
    rows = [
        (
            numbers[tag],
            to_ms(reading.time_s) if reading.quality is Quality.GOOD else seen_ms,
            np.nan if reading.value is None else reading.value,
            CODES[reading.quality],
        )
        for tag, reading in picked
    ]
    return np.array(rows, ROW)


def batches_of(table: pa.Table, numbers: Mapping[str, int]) -> list[tuple[int, Rows]]:
    """Rows of a table of readings by the moment when they were received, in order."""
    words = [quality.value for quality in QUALITIES]
    rows = np.empty(len(table), ROW)
    rows["point"] = [numbers[tag] for tag in table["tag"].to_pylist()]
    rows["at_ms"] = table["at_utc"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    rows["value"] = table["value"].to_numpy()
    rows["quality"] = [words.index(word) for word in table["quality"].to_pylist()]
    seen_ms = table["seen_utc"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    order = np.argsort(seen_ms, kind="stable")
    moments, starts = np.unique(seen_ms[order], return_index=True)
    parts = np.split(rows[order], starts[1:])
    return [(int(moment), part) for moment, part in zip(moments, parts, strict=True)]


def to_ms(time_s: float) -> int:
    """Plant time in whole milliseconds, as it lies on disk."""
    return round(time_s * 1000.0)
