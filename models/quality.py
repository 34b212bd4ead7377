"""What a data scientist looks at before training: gaps, frozen sensors, units, excitation.

`History.of` refuses what cannot be used at all; here is what can be used and should be looked
at first, each finding with what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from facility.clock import iso
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.units import Kind
from models.contract import Array
from models.dataset import DatasetError, History
from models.gaps import BRIDGE_ROWS

COARSE_S = 120.0
HOUR_S = 3600.0
KELVIN_C = (250.0, 330.0)
"""Readings between these are kelvin, most likely."""
WATT_SHARE = 5.0
"""A rack's power this much above its rating is in W, most likely."""
COPIED_SHARE = 0.99
"""A supply that is its own setpoint so often is no measurement."""
STILL_ROWS = 360
LEAST_SPREAD = 0.05
"""Of a setpoint's range: moved less, nothing is learned about it."""
LEAST_MOVES = 4


@dataclass(frozen=True, slots=True)
class Excitation:
    """How far and how often a group of actuators was moved."""

    group: str
    covered: float
    """Between the 1 and 99 % quantiles, share of its range."""
    moves: int
    """Changes by more than its dead band."""


@dataclass(frozen=True)
class Report:
    """What a table is like, for training."""

    problems: tuple[str, ...]
    """It cannot be used before these are mended."""
    findings: tuple[str, ...]
    """It can be used; look at these first."""
    rows: int = 0
    usable_rows: int = 0
    first_s: float | None = None
    last_s: float | None = None
    content_hash: str | None = None
    """The version of the data set."""
    excitation: tuple[Excitation, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a model could be trained on it."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def check(site: Site, frame: pd.DataFrame) -> Report:
    """Look a table over; it is not changed."""
    units = tuple(_units(site, frame))
    try:
        history = History.of(site, frame)
    except DatasetError as error:
        return Report((*error.problems, *units), tuple(_clock(frame)))
    moved = tuple(_excitation(site, history))
    findings = [*_clock(frame), *_gaps(frame, history), *_copied(site, frame)]
    findings += [*_still(site, frame), *history.notes, *_little(moved)]
    return Report(
        problems=units,
        findings=tuple(findings),
        rows=history.rows,
        usable_rows=int(history.usable.sum()),
        first_s=float(history.time_s[0]),
        last_s=float(history.time_s[-1]),
        content_hash=history.content_hash,
        excitation=moved,
    )


def _units(site: Site, frame: pd.DataFrame) -> Iterator[str]:
    """Columns that look like another unit than the canonical one."""
    rated = {site.tag(r.id, "it_power"): r.rated_kw for r in site.racks.values()}
    for tag, values in _numbers(site, frame):
        kind = QUANTITIES[site.points[tag].quantity].kind
        middle = float(np.median(values))
        if kind is Kind.TEMPERATURE and KELVIN_C[0] < middle < KELVIN_C[1]:
            yield f"{tag}: about {middle:.0f}, which looks like kelvin: take 273.15 off"
        elif kind is Kind.TEMPERATURE and _is_fahrenheit(site, tag, values):
            yield f"{tag}: about {middle:.0f}, which looks like °F: convert with (x - 32) / 1.8"
        elif tag in rated and middle > WATT_SHARE * rated[tag]:
            yield (
                f"{tag}: about {middle:.0f} where the rack's rating is {rated[tag]:g} kW, which "
                "looks like W: divide by 1000"
            )


def _is_fahrenheit(site: Site, tag: str, values: Array) -> bool:
    """A setpoint that is never within its range, and always is once it is converted."""
    own = next((a for a in site.actuators.values() if tag in (a.id, a.read_back)), None)
    if own is None:
        return False
    slack = 0.1 * (own.maximum - own.minimum)
    low, high = own.minimum - slack, own.maximum + slack
    celsius = (values - 32.0) / 1.8
    as_given = ((values >= low) & (values <= high)).mean()
    converted = ((celsius >= low) & (celsius <= high)).mean()
    return bool(as_given < 0.05 and converted > 0.95)


def _clock(frame: pd.DataFrame) -> Iterator[str]:
    """An hour missing or told twice: local time was exported, not UTC."""
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or len(index) < 3:
        return
    step_s = np.diff(index.as_unit("ns").asi8) / 1e9
    usual_s = float(np.median(step_s))
    for at in np.flatnonzero(np.abs(np.abs(step_s - usual_s) - HOUR_S) < 1.0).tolist():
        what = "is missing" if step_s[at] > 0.0 else "is told twice"
        yield (
            f"exactly an hour {what} after {index[at].isoformat()}: if clocks changed there, the "
            "export is in local time; convert it with the time zone, not with an offset"
        )


def _gaps(frame: pd.DataFrame, history: History) -> Iterator[str]:
    step_s = np.diff(pd.DatetimeIndex(frame.index).as_unit("ns").asi8) / 1e9
    usual_s = float(np.median(step_s))
    if usual_s > COARSE_S:
        yield (
            f"a row every {usual_s:g} s: minutes between are unknown; export one a minute, as lags "
            "of a minute are learned"
        )
    edges = np.diff(np.concatenate([[0], (~history.usable).astype(int), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    long = [(e - s, s) for s, e in zip(starts, ends, strict=True) if e - s > BRIDGE_ROWS]
    if long:
        longest, at = max(long)
        yield (
            f"{len(long)} gaps of more than {BRIDGE_ROWS} min in setpoints, loads or weather, the "
            f"longest of {longest} min at {iso(float(history.time_s[at]))}: they part the history"
        )


def _copied(site: Site, frame: pd.DataFrame) -> Iterator[str]:
    """Measured supplies that are their own setpoints: only what was asked was exported."""
    for actuator in site.actuators.values():
        measured = site.tag(actuator.equipment, actuator.quantity.removesuffix("_setpoint"))
        asked = actuator.read_back if actuator.read_back in frame else actuator.id
        if measured is None or measured not in frame or asked not in frame or measured == asked:
            continue
        pair = frame[[measured, asked]].dropna().to_numpy(dtype=float)
        if len(pair) > 10 and float((pair[:, 0] == pair[:, 1]).mean()) > COPIED_SHARE:
            yield (
                f"{measured}: it is its setpoint in every row, so that the setpoint was exported "
                "in place of the measurement: export the sensor"
            )


def _still(site: Site, frame: pd.DataFrame) -> Iterator[str]:
    """Sensors that show one value for hours; `History.of` has its own eye on racks."""
    watched = {site.tag(rack.id, rack.limited_temperature) for rack in site.racks.values()}
    for tag, _ in _numbers(site, frame):
        kind = QUANTITIES[site.points[tag].quantity].kind
        if tag in watched or "setpoint" in site.points[tag].quantity:
            continue
        if kind not in (Kind.TEMPERATURE, Kind.POWER):
            continue
        values = frame[tag].to_numpy(dtype=float)
        changes = np.flatnonzero(np.diff(values, prepend=np.nan) != 0.0)
        runs = np.diff(np.append(changes, len(values)))
        at = int(np.argmax(runs))
        value = values[changes[at]]
        # A machine that is off draws nothing for hours, rightly.
        if runs[at] >= STILL_ROWS and np.isfinite(value) and abs(value) > 0.01:
            yield f"{tag}: {value:g} for {runs[at]} rows on end: look whether the sensor is frozen"


def _excitation(site: Site, history: History) -> Iterator[Excitation]:
    for column, (group, members) in enumerate(site.groups.items()):
        values = history.setpoints[:, column]
        values = values[np.isfinite(values)]
        own = members[0]
        span = max(own.maximum - own.minimum, 1e-9)
        low, high = np.quantile(values, (0.01, 0.99)) if len(values) else (0.0, 0.0)
        yield Excitation(group, float(high - low) / span, _moves(values, max(own.dead_band, 1e-6)))


def _moves(values: Array, dead_band: float) -> int:
    count, held = 0, values[0] if len(values) else 0.0
    for value in values:
        if abs(value - held) > dead_band:
            count, held = count + 1, value
    return count


def _little(moved: tuple[Excitation, ...]) -> Iterator[str]:
    idle = [m.group for m in moved if m.covered < LEAST_SPREAD or m.moves < LEAST_MOVES]
    if idle:
        listed = ", ".join(idle[:6]) + (f" and {len(idle) - 6} more" if len(idle) > 6 else "")
        yield (
            f"{len(idle)} of {len(moved)} groups hardly move ({listed}): how the hall answers to "
            "them cannot be learned; plan an experiment: isotherm model experiment"
        )


def _numbers(site: Site, frame: pd.DataFrame) -> Iterator[tuple[str, Array]]:
    """Numeric columns of the site's tags, without gaps; empty ones are left out."""
    for name in frame.columns:
        tag = str(name)
        if tag not in site.points or not pd.api.types.is_numeric_dtype(frame[name]):
            continue
        values = frame[name].to_numpy(dtype=float, na_value=np.nan)
        values = values[np.isfinite(values)]
        if len(values):
            yield tag, values
