"""A historian's table, checked against a site and turned into arrays.

The table: a pandas frame with an index of UTC moments, one column a tag of the points
list, canonical units, NaN where nothing was recorded. It may come at any spacing up to
a minute or two; it is resampled to 60 s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facility.clock import iso
from facility.quantities import CHARGE, CHARGE_RATE, CHILLER_STAGE, QUANTITIES
from facility.site import Site
from facility.units import Kind
from models.contract import Array, Inputs
from models.gaps import blank_frozen, bridged
from models.layout import Layout, layout_of
from models.storage import CHARGE_PCT, measured_tag

STEP_S = 60.0
"""Spacing of every table that models see."""
OUTDOOR = "outdoor"
METERED = ("power", "fan_power", "pump_power", CHILLER_STAGE)
"""Electric meters, and the chillers that they are the power of."""
# Outside these a value is a wrong unit or a sentinel, whatever the site.
PLAUSIBLE = {
    Kind.TEMPERATURE: (-60.0, 150.0),
    Kind.POWER: (-1.0, 1e6),
    Kind.FLOW: (-1.0, 1e6),
    Kind.PERCENT: (-1.0, 105.0),
}


class DatasetError(ValueError):
    """The table cannot be used; ``problems`` says what is wrong and how to mend it, each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the history cannot be used:\n- " + "\n- ".join(self.problems))


@dataclass(frozen=True)
class History:
    """Arrays of a checked table: N rows of 60 s. NaN marks what was not measured."""

    layout: Layout
    time_s: Array
    """(N,) plant time of each row."""
    setpoints: Array
    """(N, G) in force; NaN where unknown."""
    it_power_kw: Array
    """(N, R)."""
    wet_bulb_c: Array
    dry_bulb_c: Array
    limited_c: Array
    """(N, R) measured; frozen sensors are NaN."""
    supply_c: Array
    """(N, M) measured supply of each node of the layout."""
    meters: dict[str, Array]
    """(N,) of each electric meter that the table has, by tag; and how many chillers run."""
    usable: NDArray[np.bool_]
    """(N,): all that drives the hall is known."""
    notes: tuple[str, ...]
    """What was set aside, in words."""

    @classmethod
    def of(cls, site: Site, frame: pd.DataFrame, layout: Layout | None = None) -> History:
        """Check ``frame`` against ``site`` and turn it into arrays.

        ``layout`` is the site's, where the caller has it already.

        Raises
        ------
        DatasetError
            With every problem at once.
        """
        layout = layout_of(site) if layout is None else layout
        problems = _index_problems(frame)
        needed = _needed(site, layout)
        names = frame.columns.tolist()
        columns = set(names)
        missing = [tag for tag, there in needed.items() if columns.isdisjoint(there)]
        if missing:
            problems.append(
                f"{len(missing)} of {len(needed)} columns are missing: {_few(missing)}. Export "
                "these tags too, or correct the tags in points.csv."
            )
        problems += _value_problems(site, frame, names)
        if problems:
            raise DatasetError(problems)
        known = [tag for tag in names if tag in site.points]
        return _arrays(site, layout, _regular(frame[known]))

    @property
    def rows(self) -> int:
        """N."""
        return len(self.time_s)

    def inputs(self, start: int, stop: int, step_s: float = STEP_S) -> Inputs:
        """What drove the hall in rows ``start`` to ``stop``, averaged over steps of ``step_s``.

        Raises
        ------
        ValueError
            ``step_s`` is no multiple of 60 s, or there are not enough rows for a step.
        """
        width = round(step_s / STEP_S)
        steps = (stop - start) // max(width, 1)
        if width < 1 or abs(width * STEP_S - step_s) > 1e-6 or steps < 1:
            raise ValueError(f"rows {start} to {stop} hold no whole step of {step_s:g} s")

        def mean(values: Array) -> Array:
            part = values[start : start + steps * width]
            return np.asarray(part.reshape(steps, width, *part.shape[1:]).mean(axis=1))

        return Inputs(
            start_s=float(self.time_s[start]),
            step_s=step_s,
            setpoints=mean(self.setpoints),
            it_power_kw=mean(self.it_power_kw),
            wet_bulb_c=mean(self.wet_bulb_c),
            dry_bulb_c=mean(self.dry_bulb_c),
        )

    def part(self, start: int, stop: int) -> History:
        """Rows ``start`` to ``stop`` alone."""
        rows = slice(start, stop)
        return History(
            layout=self.layout,
            time_s=self.time_s[rows],
            setpoints=self.setpoints[rows],
            it_power_kw=self.it_power_kw[rows],
            wet_bulb_c=self.wet_bulb_c[rows],
            dry_bulb_c=self.dry_bulb_c[rows],
            limited_c=self.limited_c[rows],
            supply_c=self.supply_c[rows],
            meters={tag: values[rows] for tag, values in self.meters.items()},
            usable=self.usable[rows],
            notes=self.notes,
        )

    @classmethod
    def joined(cls, parts: Sequence[History]) -> History:
        """Several histories of one site, earliest first, as one; nothing is learned across a seam.

        Between two parts lies one minute that is not usable, however long they lie apart.

        Raises
        ------
        DatasetError
            They overlap in time, or are of other sites, or there is none.
        """
        parts = sorted(parts, key=lambda part: float(part.time_s[0]))
        if not parts:
            raise DatasetError(["there is no history to join"])
        for before, after in pairwise(parts):
            if before.layout.racks != after.layout.racks:
                raise DatasetError(["the histories to join are not of one site"])
            if after.time_s[0] <= before.time_s[-1]:
                raise DatasetError(
                    [f"histories to join overlap at {iso(float(after.time_s[0]))}: cut one off"]
                )
        pieces = [parts[0], *(p for part in parts[1:] for p in (part._seam(), part))]
        meters = [name for name in parts[0].meters if all(name in p.meters for p in parts)]

        def all_of(name: str) -> Array:
            return np.concatenate([getattr(piece, name) for piece in pieces])

        return cls(
            layout=parts[0].layout,
            time_s=all_of("time_s"),
            setpoints=all_of("setpoints"),
            it_power_kw=all_of("it_power_kw"),
            wet_bulb_c=all_of("wet_bulb_c"),
            dry_bulb_c=all_of("dry_bulb_c"),
            limited_c=all_of("limited_c"),
            supply_c=all_of("supply_c"),
            meters={name: np.concatenate([p.meters[name] for p in pieces]) for name in meters},
            usable=np.concatenate([piece.usable for piece in pieces]),
            notes=tuple(note for part in parts for note in part.notes),
        )

    def _seam(self) -> History:
        """The first minute, marked as one that nothing is known of."""
        first = self.part(0, 1)
        return replace(
            first,
            time_s=first.time_s - 1.0,
            limited_c=np.full_like(first.limited_c, np.nan),
            supply_c=np.full_like(first.supply_c, np.nan),
            meters={name: np.full_like(v, np.nan) for name, v in first.meters.items()},
            usable=np.zeros(1, dtype=bool),
        )

    def split(self, share: float) -> tuple[History, History]:
        """The first ``share`` of the time, and what came later: never shuffled."""
        cut = round(self.rows * share)
        return self.part(0, cut), self.part(cut, self.rows)

    @property
    def content_hash(self) -> str:
        """SHA-256 over every value."""
        digest = hashlib.sha256()
        arrays = {
            "time": self.time_s,
            "setpoints": self.setpoints,
            "it_power": self.it_power_kw,
            "wet_bulb": self.wet_bulb_c,
            "dry_bulb": self.dry_bulb_c,
            "limited": self.limited_c,
            "supply": self.supply_c,
            **self.meters,
        }
        for name, values in arrays.items():
            digest.update(f"{name} {values.shape}".encode())
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()


def _needed(site: Site, layout: Layout) -> dict[str, tuple[str, ...]]:
    """What a history must have: a name for the reader, and the tags that would do."""
    needed: dict[str, tuple[str, ...]] = {}
    for actuator in site.actuators.values():
        needed[actuator.read_back] = (actuator.read_back, actuator.id)
    for rack in site.racks:
        for quantity in ("it_power", site.racks[rack].limited_temperature):
            tag = site.tag(rack, quantity)
            needed[tag or f"{rack}.{quantity} (not in points.csv)"] = (tag,) if tag else ()
    for quantity in ("wet_bulb_temperature", "dry_bulb_temperature"):
        tag = site.tag(OUTDOOR, quantity)
        needed[tag or f"{OUTDOOR}.{quantity} (not in points.csv)"] = (tag,) if tag else ()
    for node in layout.nodes:
        if node.tag:
            needed[node.tag] = (node.tag,)
    return needed


def _index_problems(frame: pd.DataFrame) -> list[str]:
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        return ["the index holds no moments: give the frame a DatetimeIndex in UTC"]
    problems = []
    if index.tz is None or index.tz.utcoffset(None) != pd.Timedelta(0):
        problems.append(
            f"the index is in {index.tz or 'no time zone'}: convert it with tz_convert('UTC')"
        )
    if len(index) < 2:
        problems.append("it has fewer than two rows")
    elif not index.is_monotonic_increasing or not index.is_unique:
        spots = np.flatnonzero(np.diff(index.asi8) <= 0)
        problems.append(
            f"time stands still or goes back at {len(spots)} rows, first after "
            f"{index[spots[0]].isoformat()}: a clock was changed, or exports overlap; sort the "
            "rows and drop duplicates"
        )
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()].tolist()
        problems.append(f"columns are there twice: {_few(twice)}")
    return problems


def _value_problems(site: Site, frame: pd.DataFrame, names: Sequence[object]) -> list[str]:
    if frame.columns.has_duplicates:
        return []
    quantities = {tag: site.points[tag].quantity for tag in map(str, names) if tag in site.points}
    numbers = {kind for kind in set(frame.dtypes) if pd.api.types.is_numeric_dtype(kind)}
    counted = [kind in numbers for kind in frame.dtypes]
    told = list(zip(names, counted, strict=True))
    numeric = [tag for tag, is_number in told if is_number and str(tag) in quantities]
    problems = [
        f"{tag}: the column holds text, not numbers"
        for tag, is_number in told
        if not is_number and str(tag) in quantities
    ]
    values = frame[numeric].to_numpy(dtype=float, na_value=np.nan)
    bounds = np.array([_plausible(quantities[str(tag)]) for tag in numeric]).reshape(-1, 2)
    # A comparison with NaN is False: what is not there is not wrong.
    wrong = ((values < bounds[:, 0]) | (values > bounds[:, 1])).any(axis=0)
    for place in np.flatnonzero(wrong):
        column = values[:, place]
        unit = QUANTITIES[quantities[str(numeric[place])]].kind.unit
        problems.append(
            f"{numeric[place]}: values from {np.nanmin(column):g} to {np.nanmax(column):g} cannot "
            f"be in {unit}: convert the column, or blank the sentinels"
        )
    return problems


@cache
def _plausible(quantity: str) -> tuple[float, float]:
    """Within which values of a quantity can be."""
    if quantity in {CHARGE, f"{CHARGE}_in_force", CHARGE_RATE}:
        return CHARGE_PCT
    return PLAUSIBLE.get(QUANTITIES[quantity].kind, (-np.inf, np.inf))


def _regular(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a minute: the mean of what fell into it."""
    index = frame.index.as_unit("ns").asi8  # type: ignore[attr-defined]  # a DatetimeIndex
    step = round(STEP_S * 1e9)
    if index[0] % step == 0 and np.all(np.diff(index) == step):
        return frame.astype(float)
    return frame.astype(float).resample(f"{STEP_S:g}s").mean()


def _arrays(site: Site, layout: Layout, frame: pd.DataFrame) -> History:
    time_s = frame.index.as_unit("ns").asi8 / 1e9  # type: ignore[attr-defined]  # a DatetimeIndex
    notes: list[str] = []
    table = frame.to_numpy(dtype=float)

    def columns(tags: Sequence[str | None]) -> Array:
        """(N, tags); NaN where there is none."""
        found = np.full((len(frame), len(tags)), np.nan)
        place = frame.columns.get_indexer(pd.Index(["" if tag is None else tag for tag in tags]))
        there = np.flatnonzero(place >= 0)
        found[:, there] = table[:, place[there]]
        return found

    members = [(g, a) for g, group in enumerate(site.groups.values()) for a in group]
    place_of = {tag: i for i, tag in enumerate(frame.columns.tolist())}
    names = set(place_of)
    asked = [a.read_back if a.read_back in names else a.id for _, a in members]
    tags = [measured_tag(site, a, names) or tag for (_, a), tag in zip(members, asked, strict=True)]
    # A setpoint holds until it changes, so a gap carries the last value on.
    said = pd.DataFrame(columns(tags)).ffill()
    charges = [i for i, (_, a) in enumerate(members) if a.quantity == CHARGE]
    if said[charges].isna().to_numpy().any():
        # Racks and power can be told without a tank: what shows no rate does what it is asked for,
        # and of what nobody asks anything it is taken that it stands still.
        wanted = pd.DataFrame(columns([asked[i] for i in charges]), columns=charges).ffill()
        said[charges] = said[charges].fillna(wanted).fillna(0.0)
    held = said.T.groupby(np.array([g for g, _ in members])).mean().T.to_numpy(dtype=float)
    it_power = bridged(columns([site.tag(rack, "it_power") for rack in layout.racks]))
    limited = columns(layout.limited_tags)
    blank_frozen(limited, it_power / layout.rated_kw, layout, notes)
    outdoor = ("wet_bulb_temperature", "dry_bulb_temperature")
    wet_bulb, dry_bulb = bridged(columns([site.tag(OUTDOOR, quantity) for quantity in outdoor])).T
    known = np.concatenate([held, it_power, wet_bulb[:, None], dry_bulb[:, None]], axis=1)
    usable = ~np.isnan(known).any(axis=1)
    if not usable.all():
        first = iso(float(time_s[int(np.argmin(usable))]))
        notes.append(f"{int((~usable).sum())} of {len(usable)} minutes unused, first at {first}")
    meters = {
        point.tag: table[:, place_of[point.tag]].copy()
        for point in site.points.values()
        if point.quantity in METERED and point.tag in names
    }
    return History(
        layout=layout,
        time_s=np.asarray(time_s, dtype=float),
        setpoints=held,
        it_power_kw=it_power,
        wet_bulb_c=wet_bulb,
        dry_bulb_c=dry_bulb,
        limited_c=limited,
        supply_c=columns([node.tag for node in layout.nodes]),
        meters=meters,
        usable=usable,
        notes=tuple(notes),
    )


def _few(names: Iterable[object]) -> str:
    listed = [str(name) for name in names]
    tail = f" and {len(listed) - 6} more" if len(listed) > 6 else ""
    return ", ".join(listed[:6]) + tail
