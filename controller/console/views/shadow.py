"""What Isotherm would have done over some hours, and whether what it predicted came true."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controller.charts import Chart, Line
from controller.console import words
from controller.console.views.trends import power_tags, rack_tags
from controller.service.context import Context
from controller.storage.ports import Kind, Record

SPANS = ((6.0, "6 h"), (24.0, "24 h"), (168.0, "7 days"))
LEADS_S = (300.0, 1800.0, 3600.0, 7200.0)
"""How far ahead predictions are held against what came."""
MOST = 5000
"""Records that one report looks at: more than two weeks of ticks."""
TICK_S = 300.0
FEW = 10
"""Fewer comparisons than this prove nothing."""


@dataclass(frozen=True, slots=True)
class Score:
    """How predictions of one quantity did, so far ahead."""

    name: str
    unit: str
    lead_s: float
    count: int
    bias: float
    """Mean of measured less expected."""
    error: float
    """Mean absolute difference."""
    inside: float
    """Share of what came that lay in the 90 % band."""


@dataclass(frozen=True)
class Report:
    """The figures of the page."""

    since_s: float
    until_s: float
    ticks: int
    planned: int
    fallbacks: int
    notes: tuple[tuple[str, int], ...]
    saving_kw: float | None
    """Mean predicted saving of verified plans against holding still."""
    saving_kwh: float | None
    saving_cost: float | None
    currency: str
    proposals: tuple[tuple[str, int], ...]
    rejections: tuple[Record, ...]
    scores: tuple[Score, ...]
    charts: tuple[Chart, ...] = field(default=())


def report(here: Context, hours: float) -> Report:
    """The report of the last hours."""
    until_s = here.clock.now_s()
    since_s = until_s - hours * 3600.0
    ticks = here.records.find(Kind.TICK, since_s=since_s, until_s=until_s, limit=MOST)
    proposals = here.records.find(Kind.PROPOSAL, since_s=since_s, until_s=until_s, limit=MOST)
    verified = [r for r in ticks if r.body.get("verified") and r.body.get("saving_kw") is not None]
    saving = [float(r.body["saving_kw"]) for r in verified]
    mean_kw = sum(saving) / len(saving) if saving else None
    kwh = sum(saving) * TICK_S / 3600.0 if saving else None
    notes = Counter(str(r.body["note"]) for r in ticks if r.body.get("note"))
    states = Counter(r.state for r in proposals)
    return Report(
        since_s=since_s,
        until_s=until_s,
        ticks=len(ticks),
        planned=sum(r.state == "planned" for r in ticks),
        fallbacks=sum(r.state == "fallback" for r in ticks),
        notes=tuple(notes.most_common(5)),
        saving_kw=mean_kw,
        saving_kwh=kwh,
        saving_cost=None if kwh is None else kwh * here.site.tariff.energy_per_kwh,
        currency=here.site.tariff.currency,
        proposals=tuple(states.most_common()),
        rejections=tuple(r for r in proposals if r.state == "rejected")[:10],
        scores=tuple(_scores(here, proposals, since_s, until_s)),
        charts=tuple(_charts(verified)),
    )


def _charts(ticks: Sequence[Record]) -> Iterable[Chart]:
    if len(ticks) < 2:
        return
    rows = sorted((r.time_s, float(r.body["saving_kw"])) for r in ticks)
    times, values = (np.array(column) for column in zip(*rows, strict=True))
    yield Chart(
        title="What the plan of each step would save against holding still",
        unit="kW",
        times_s=times,
        lines=[Line("predicted", values, "isotherm")],
        from_zero=True,
        note="Mean over the hours that the plan looks ahead. Predicted, not measured.",
    )


def _scores(
    here: Context, proposals: Sequence[Record], since_s: float, until_s: float
) -> Iterable[Score]:
    """Each quantity and lead time: predictions against what was measured then.

    What was adopted or approved is held to its own prediction; what nobody carried out is held
    to that of holding still.
    """
    if not proposals:
        return
    measured = _measured(here, since_s, until_s)
    found: dict[tuple[str, str, float], list[tuple[float, float, float, float]]] = {}
    for record in proposals:
        carried = record.state in ("approved", "adopted")
        for band in record.body["proposal"]["bands" if carried else "bands_now"]:
            series = measured.get(band["name"])
            if series is None:
                continue
            for lead_s in LEADS_S:
                row = _at(band, record, lead_s)
                value = None if row is None else _value(series, row[0])
                if row is not None and value is not None:
                    key = (band["name"], words.unit(band["unit"]), lead_s)
                    found.setdefault(key, []).append((value, *row[1:]))
    for (name, unit, lead_s), rows in sorted(found.items()):
        if len(rows) >= FEW:
            yield _score(name, unit, lead_s, rows)


def _score(name: str, unit: str, lead_s: float, rows: Sequence[tuple[float, ...]]) -> Score:
    values = np.array(rows)
    off = values[:, 0] - values[:, 1]
    inside = (values[:, 0] >= values[:, 2]) & (values[:, 0] <= values[:, 3])
    return Score(
        name=name,
        unit="K" if unit == "°C" else unit,
        lead_s=lead_s,
        count=len(rows),
        bias=float(off.mean()),
        error=float(np.abs(off).mean()),
        inside=float(inside.mean()),
    )


def _at(
    band: Mapping[str, Any], record: Record, lead_s: float
) -> tuple[float, float, float, float] | None:
    """Time, expected, lower and upper, so far after the proposal was made."""
    wanted = float(record.body["proposal"]["created_at_s"]) + lead_s
    times = band["times_s"]
    if not times:
        return None
    index = min(range(len(times)), key=lambda k: abs(times[k] - wanted))
    if abs(times[index] - wanted) > TICK_S / 2:
        return None
    return times[index], band["expected"][index], band["lower"][index], band["upper"][index]


Series = tuple[float, float, np.ndarray[Any, Any]]
"""Start, interval and values."""


def _measured(here: Context, since_s: float, until_s: float) -> dict[str, Series]:
    """What the bands of a proposal are about, as it was measured, every minute."""
    site = here.site
    every_s = 60.0
    racks, power = rack_tags(site), [t for tags in power_tags(site).values() for t in tags]
    tags = [tag for rows in racks.values() for tag, _ in rows] + power
    frame = here.telemetry.frame(tags, since_s, until_s, every_s)
    start_s = frame.index[0].timestamp() if len(frame) else since_s
    found: dict[str, Series] = {}
    for kind, rows in racks.items():
        values = frame[[tag for tag, _ in rows]].to_numpy()
        limits = np.array([limit for _, limit in rows])
        room = np.where(np.isfinite(values), limits - values, np.inf)
        hottest = values[np.arange(len(values)), np.argmin(room, axis=1)]
        found[f"hottest {kind.replace('_', ' ')}"] = (start_s, every_s, hottest)
    if power:
        total = frame[power].to_numpy().sum(axis=1)
        found["electric power of cooling"] = (start_s, every_s, total)
    return found


def _value(series: Series, time_s: float) -> float | None:
    start_s, every_s, values = series
    index = round((time_s - start_s) / every_s)
    if not 0 <= index < len(values):
        return None
    value = float(values[index])
    return value if math.isfinite(value) else None
