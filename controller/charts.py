"""Line charts as SVG text: no library, no internet, colours from the page's style sheet.

A chart takes its colours from CSS variables, so that it is readable in the light and in the dark,
and carries its values as JSON, so that the page can show them under the pointer.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTH, HEIGHT = 600, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 24
MOST_POINTS = 480
"""Points of a line: more than pixels nobody sees."""
HOURS_APART = (1 / 12, 1 / 6, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168)


@dataclass(frozen=True)
class Line:
    """One line of a chart. ``style`` is a class of the style sheet."""

    name: str
    values: Array
    """(T,) NaN where there is none: a gap is drawn as a gap."""
    style: str
    keep: str = "mean"
    """What stands for many points: ``mean``, or ``max`` where the peak matters."""


@dataclass(frozen=True)
class Band:
    """The lowest and highest of several things."""

    lower: Array
    upper: Array
    style: str


@dataclass(frozen=True)
class Chart:
    """A chart over plant time."""

    title: str
    unit: str
    times_s: Array
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    limits: Sequence[tuple[str, float]] = ()
    """Named horizontal lines."""
    quiet: Sequence[Line] = ()
    """Drawn thin behind the others, without a name."""
    from_zero: bool = False
    note: str = ""
    digits: int = 1
    now_s: float | None = None
    """Where the past ends and what is expected begins, if the chart shows both."""


def thin(times_s: Array, values: Array, keep: str) -> tuple[Array, Array]:
    """At most `MOST_POINTS` points: the mean or the highest of each bucket."""
    count = len(values)
    size = math.ceil(count / MOST_POINTS)
    if size <= 1:
        return times_s, values
    whole = math.ceil(count / size) * size
    padded = np.full(whole, np.nan)
    padded[:count] = values
    buckets = padded.reshape(-1, size)
    known = ~np.isnan(buckets)
    counts = known.sum(axis=1)
    if keep == "max":
        found = np.where(known, buckets, -np.inf).max(axis=1)
    else:
        found = np.where(known, buckets, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return times_s[::size], np.where(counts > 0, found, np.nan)


def steps(lower: float, upper: float, count: int = 5) -> list[float]:
    """Round numbers that cover ``lower`` to ``upper``: multiples of 1, 2 or 5."""
    span = max(upper - lower, 1e-9)
    size = 10.0 ** math.floor(math.log10(span / count))
    size *= next(m for m in (1.0, 2.0, 5.0, 10.0) if span / (size * m) <= count)
    first, last = math.floor(lower / size + 1e-9), math.ceil(upper / size - 1e-9)
    return [round(k * size, 12) for k in range(first, last + 1)]


def draw(chart: Chart) -> str:
    """The chart as one ``<figure>``."""
    ticks = steps(*_range(chart))
    frame = _Frame(float(chart.times_s[0]), float(chart.times_s[-1]), ticks[0], ticks[-1])
    parts = [*_grid(frame, ticks)]
    parts += [_band(frame, chart.times_s, band) for band in chart.bands]
    parts += [_path(frame, chart.times_s, line, "quiet") for line in chart.quiet]
    for name, value in chart.limits:
        y = frame.y(value)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="limit-name" x="{WIDTH - RIGHT - 4}" y="{y + 12:.1f}" '
            f'text-anchor="end">{_text(name)}</text>'
        )
    parts += [_path(frame, chart.times_s, line, line.style) for line in chart.lines]
    if chart.now_s is not None and chart.now_s < frame.stop_s - 1.0:
        x = frame.x(chart.now_s)
        parts.append(
            f'<line class="now-line" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="now-name" x="{x - 4:.1f}" y="{TOP + 10}" text-anchor="end">now</text>'
        )
    parts.append(f'<line class="cross" x1="0" x2="0" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    label = f"{chart.title}, {chart.unit}: {', '.join(line.name for line in chart.lines)}"
    return (
        f'<figure class="chart"><figcaption><b>{_text(chart.title)}</b> '
        f'<span class="unit">{_text(chart.unit)}</span>{_legend(chart)}'
        f'<span class="reading" aria-hidden="true"></span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(label)}" '
        f"data-chart='{_data(chart)}'>{''.join(parts)}</svg>"
        + (f'<p class="note">{_text(chart.note)}</p>' if chart.note else "")
        + "</figure>"
    )


class _Frame:
    """Where values lie on the paper."""

    def __init__(self, start_s: float, stop_s: float, low: float, high: float) -> None:
        self.start_s, self.stop_s = start_s, max(stop_s, start_s + 1.0)
        self.low, self.high = low, high if high > low else low + 1.0

    def x(self, time_s: float) -> float:
        share = (time_s - self.start_s) / (self.stop_s - self.start_s)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _range(chart: Chart) -> tuple[float, float]:
    arrays = [line.values for line in (*chart.lines, *chart.quiet)]
    arrays += [array for band in chart.bands for array in (band.lower, band.upper)]
    arrays.append(np.array([value for _, value in chart.limits]))
    known = np.concatenate(arrays) if arrays else np.array([])
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if chart.from_zero:
        low = min(low, 0.0)
    # A line that hardly moves must not look as if it did.
    least = max(0.02 * max(abs(low), abs(high)), 1e-6)
    if high - low < least:
        low, high = low - least / 2, high + least / 2
    return low, high


def _grid(frame: _Frame, ticks: Sequence[float]) -> list[str]:
    parts = []
    digits = max(0, -math.floor(math.log10(max(ticks[1] - ticks[0], 1e-9)) + 1e-9))
    for value in ticks:
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{value:,.{digits}f}</text>"
        )
    for time_s, label in _hours(frame.start_s, frame.stop_s):
        x = frame.x(time_s)
        anchor = "end" if x > WIDTH - RIGHT - 16 else "middle"
        parts.append(
            f'<line class="grid faint" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">'
            f"{label}</text>"
        )
    return parts


def _hours(start_s: float, stop_s: float) -> list[tuple[float, str]]:
    span_h = (stop_s - start_s) / 3600.0
    apart_s = 3600.0 * next((h for h in HOURS_APART if span_h / h <= 9), 24.0 * 7)
    first = math.ceil(start_s / apart_s - 1e-9)
    last = math.floor(stop_s / apart_s + 1e-9)
    pattern = "%H:%M" if apart_s < 86400.0 else "%d %b"
    return [
        (k * apart_s, datetime.fromtimestamp(k * apart_s, UTC).strftime(pattern))
        for k in range(first, last + 1)
    ]


def _path(frame: _Frame, times_s: Array, line: Line, style: str) -> str:
    times, values = thin(times_s, line.values, line.keep)
    pieces, pen = [], "M"
    for time_s, value in zip(times, values, strict=True):
        if not math.isfinite(value):
            pen = "M"
            continue
        pieces.append(f"{pen}{frame.x(float(time_s))} {frame.y(float(value))}")
        pen = "L"
    return f'<path class="line {style}" d="{"".join(pieces)}"/>' if pieces else ""


def _band(frame: _Frame, times_s: Array, band: Band) -> str:
    known = np.isfinite(band.lower) & np.isfinite(band.upper)
    if not known.any():
        return ""
    size = math.ceil(known.sum() / MOST_POINTS)
    times = times_s[known][::size]
    upper, lower = band.upper[known][::size], band.lower[known][::size]
    there = [f"{frame.x(float(t))} {frame.y(float(v))}" for t, v in zip(times, upper, strict=True)]
    back = [f"{frame.x(float(t))} {frame.y(float(v))}" for t, v in zip(times, lower, strict=True)]
    return f'<path class="band {band.style}" d="M{"L".join(there + back[::-1])}Z"/>'


def _legend(chart: Chart) -> str:
    marks = "".join(
        f'<span class="key"><svg width="22" height="8" aria-hidden="true">'
        f'<line class="line {line.style}" x1="1" x2="21" y1="4" y2="4"/></svg>'
        f"{_text(line.name)}</span>"
        for line in chart.lines
    )
    return f'<span class="legend">{marks}</span>'


def _data(chart: Chart) -> str:
    """What the page's script reads: thinned times and values, and where the axis lies."""
    lines = [(line.name, *thin(chart.times_s, line.values, line.keep)) for line in chart.lines]
    times = lines[0][1] if lines else chart.times_s[:0]
    data = {
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "width": WIDTH,
        "unit": chart.unit,
        "times": [int(t) for t in times],
        "lines": [
            {
                "name": name,
                "values": [
                    round(float(v), chart.digits) if math.isfinite(v) else None for v in values
                ],
            }
            for name, _, values in lines
        ],
    }
    return html.escape(json.dumps(data, separators=(",", ":")), quote=True)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
