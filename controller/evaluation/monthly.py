"""The monthly report: what the plant used, how warm it was, and the standard's indicators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from controller.charts import Chart, Line
from controller.evaluation.indicators import Indicator
from controller.evaluation.pieces import answers, charts, document, section, table, text
from controller.evaluation.savings.hourly import Array, of_site
from controller.evaluation.series import COMPONENTS, Truth, component_tags, rack_groups
from facility.site import Site

FORMAT = 1
MINUTE_S = 60.0
GAP = 1.5
"""Times as long between two rows as usual: there is a gap between them."""


@dataclass(frozen=True)
class _Rows:
    """The record row by row; means of minutes where it has more."""

    table: pd.DataFrame
    lasts_s: Array
    """(N,) how long a row stands: until the next, or before a gap and at the end as usual."""

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Rows:
        apart_s, usual_s = _apart_s(frame)
        if usual_s < MINUTE_S:
            frame = frame.resample(f"{MINUTE_S:g}s").mean()
            apart_s, usual_s = _apart_s(frame)
        known_s = np.where(apart_s > GAP * usual_s, usual_s, apart_s)
        return cls(frame, np.append(known_s, usual_s))


def monthly_report(site: Site, frame: pd.DataFrame, found: Sequence[Indicator]) -> dict[str, Any]:
    """Everything of the page, ready for JSON; absent figures are null.

    Raises
    ------
    HourlyError
        The table lacks the meters.
    """
    hours = of_site(site, frame)
    rows = _Rows.of(frame)
    parts = {
        name: _energy_kwh(rows, [tag for tag in tags if tag is not None])
        for name, tags in component_tags(site).items()
    }
    return {
        "format": FORMAT,
        "site": site.id,
        "site_name": site.name,
        "from": f"{_moment(float(hours.times_s[0]))}",
        "to": f"{_moment(float(hours.times_s[-1]) + 3600.0)}",
        "hours": len(hours),
        "hours_absent": hours.absent,
        "cooling_kwh": float(hours.cooling_kw.sum()),
        "it_kwh": float(hours.it_kw.sum()),
        "by_component_kwh": parts,
        "cost": float(hours.cooling_kw.sum()) * site.tariff.energy_per_kwh,
        "currency": site.tariff.currency,
        "temperatures": _temperatures(site, rows),
        "silent_points": _silent(site, frame),
        "indicators": [asdict(one) for one in found],
    }


def page(report: dict[str, Any], site: Site, frame: pd.DataFrame) -> str:
    """The report as a page."""
    title = f"{report['site_name']}: {report['from'][:10]} to {report['to'][:10]}"
    rows = [
        (i["name"], i["meaning"], _value(i["value"], i["unit"]), i["source"])
        for i in report["indicators"]
    ]
    hot = [
        (t["racks"], f"{t['limit_c']:.1f}", _degrees(t["highest_c"]), f"{t['minutes_over']:,}")
        for t in report["temperatures"]
    ]
    body = [
        f"<header><h1>{text(title)}</h1><p>{report['hours']:,} whole hours, "
        f"{report['hours_absent']:,} without whole data</p></header>",
        answers(_answers(report)),
        section("Day by day", charts(_charts(site, frame))),
        section("Energy of cooling", table(("", "kWh"), _components(report), "counts")),
        section(
            "Temperatures against limits",
            table(("racks", "limit, °C", "highest, °C", "minutes above"), hot, "counts"),
        ),
        section(
            "Indicators (ISO/IEC 30134) and the EU's yearly report",
            table(("", "meaning", "value", "source"), rows, "events"),
        ),
    ]
    if report["silent_points"]:
        named = ", ".join(report["silent_points"][:20])
        body.append(section("Points without a value", f"<p>{text(named)}</p>"))
    return document(title, "\n".join(body))


def _answers(report: dict[str, Any]) -> list[dict[str, Any]]:
    over = sum(t["minutes_over"] for t in report["temperatures"])
    share = report["hours"] / max(report["hours"] + report["hours_absent"], 1)
    used, it = report["cooling_kwh"], report["it_kwh"]
    return [
        {
            "question": "What did cooling use?",
            "text": f"{used:,.0f} kWh for {it:,.0f} kWh of IT: {1.0 + used / it:.3f} as partial "
            f"PUE; {report['cost']:,.0f} {report['currency']}.",
            "good": True,
        },
        {
            "question": "Was it warm?",
            "text": "No rack was above its limit for a minute."
            if over == 0
            else f"{over:,} rack minutes above a limit.",
            "good": over == 0,
        },
        {
            "question": "Are the data whole?",
            "text": f"{100.0 * share:.1f} % of the hours; {len(report['silent_points'])} points "
            "showed nothing.",
            "good": share >= 0.95 and not report["silent_points"],
        },
    ]


def _components(report: dict[str, Any]) -> list[tuple[str, str]]:
    parts = report["by_component_kwh"]
    rows = [(name, f"{parts[name]:,.0f}") for name in COMPONENTS if parts.get(name) is not None]
    return [*rows, ("all", f"{report['cooling_kwh']:,.0f}")]


def _charts(site: Site, frame: pd.DataFrame) -> list[Chart]:
    hours = of_site(site, frame)
    truth = Truth.of(frame.resample("1h").mean())
    groups = [
        Line(
            group.name,
            truth.highest(site.tag(r, site.racks[r].limited_temperature) for r in group.racks),
            "isotherm" if n == 0 else "tuned",
            keep="max",
        )
        for n, group in enumerate(rack_groups(site)[:2])
    ]
    return [
        Chart(
            "Cooling power",
            "kW",
            hours.times_s,
            [Line("hourly mean", hours.cooling_kw, "isotherm")],
            from_zero=True,
            digits=0,
        ),
        Chart(
            "IT power", "kW", hours.times_s, [Line("hourly mean", hours.it_kw, "tuned")], digits=0
        ),
        Chart("Hottest rack", "°C", truth.times_s, groups),
        Chart(
            "Outdoor wet bulb",
            "°C",
            hours.times_s,
            [Line("hourly mean", hours.wet_bulb_c, "fixed")],
        ),
    ]


def _apart_s(frame: pd.DataFrame) -> tuple[Array, float]:
    """(N - 1,) seconds from each row to the next, and as usual; a minute where there is one row."""
    apart_s = np.asarray(np.diff(pd.DatetimeIndex(frame.index).as_unit("ns").asi8) / 1e9)
    return apart_s, float(np.median(apart_s)) if len(apart_s) else MINUTE_S


def _energy_kwh(rows: _Rows, tags: list[str]) -> float | None:
    there = [tag for tag in tags if tag in rows.table]
    if not there or len(there) < len(tags):
        return None
    kws = rows.table[there].to_numpy(float) * rows.lasts_s[:, None]
    return float(np.nansum(kws)) / 3600.0


def _temperatures(site: Site, rows: _Rows) -> list[dict[str, Any]]:
    found = []
    for group in rack_groups(site):
        tags = [site.tag(r, site.racks[r].limited_temperature) for r in group.racks]
        limits = [site.racks[r].limit_c for r in group.racks]
        there = [
            (t, c) for t, c in zip(tags, limits, strict=True) if t is not None and t in rows.table
        ]
        values = rows.table[[t for t, _ in there]].to_numpy(float)
        over = values > np.array([c for _, c in there])
        found.append(
            {
                "racks": group.name,
                "limit_c": group.limit_c,
                "highest_c": float(np.nanmax(values)) if np.isfinite(values).any() else None,
                "minutes_over": round(float(rows.lasts_s @ over.sum(axis=1)) / MINUTE_S),
            }
        )
    return found


def _silent(site: Site, frame: pd.DataFrame) -> list[str]:
    return [str(t) for t in frame if t in site.points and not frame[t].notna().any()]


def _degrees(value_c: float | None) -> str:
    return "–" if value_c is None else f"{value_c:.1f}"


def _value(value: float | str | None, unit: str) -> str:
    if value is None:
        return "–"
    shown = value if isinstance(value, str) else f"{value:,.3f}" if value < 10 else f"{value:,.0f}"
    return f"{shown} {unit}".strip()


def _moment(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"
