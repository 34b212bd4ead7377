"""``report.html``: one file that needs nothing else, for a facility engineer.

The answers first, then what they rest on: accounts, plots, writes, events, provenance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from controller.evaluation import plots
from controller.evaluation.files import FIXED, GUIDELINE_36, ISOTHERM, VARIANTS
from controller.evaluation.pieces import Row, answers, charts, document, section, table, text
from controller.evaluation.series import COMPONENTS, Truth, component_tags
from facility.site import Site

MOST_EXAMPLES = 30
MODE_WORDS = {
    "off": "off: Isotherm only read",
    "shadow": "shadow: Isotherm planned and wrote nothing",
    "advisory": "advisory: Isotherm wrote what a person approved",
    "automatic": "automatic: Isotherm held the plant within the envelope",
}


def render(report: Mapping[str, Any], site: Site, truths: Mapping[str, Truth]) -> str:
    """The page of a report, with plots of the truths."""
    title = f"Isotherm: {report['site_name']}, {_day(report['start_s'])}"
    body = "\n".join(
        [
            _head(report),
            answers(report["verdicts"]),
            section("Accounts", _accounts(report, site)),
            section("Temperatures against limits", charts(plots.temperatures(site, truths))),
            section("Electric power and PUE", charts(plots.power(site, truths))),
            section("Setpoints", charts(plots.setpoints(site, truths))),
            section("What the plant had to cope with", charts(plots.drivers(site, truths))),
            section("Writes", _writes(report)),
            section("Fallbacks and events", _events(report)),
            section("Where this comes from", _provenance(report)),
        ]
    )
    return document(title, body)


def _head(report: Mapping[str, Any]) -> str:
    mode = str(report["mode"])
    start = datetime.fromtimestamp(report["start_s"], UTC)
    return (
        f"<header><h1>{text(report['site_name'])}</h1>"
        f"<p>{report['hours']:g} h from {start:%A, %d %B %Y, %H:%M} UTC · simulated plant · "
        f'<span class="mode {text(mode)}">{text(MODE_WORDS.get(mode, mode))}</span></p></header>'
    )


def _accounts(report: Mapping[str, Any], site: Site) -> str:
    parts, components = report["energy_parts_kwh"], report["energy_by_component_kwh"]
    metered = component_tags(site)
    names = [c for c in COMPONENTS if metered[c] or any(components[v].get(c) for v in VARIANTS)]
    currency = report["currency"]
    rows: list[Row] = [
        _row("Cooling energy as accounted", "kWh", report["energy_kwh"], 0, "total"),
        *(
            _row(
                f"  {plots.TITLES.get(name, name)}",
                "kWh",
                {v: components[v].get(name, 0.0) for v in VARIANTS},
                0,
            )
            for name in names
        ),
        _row("  IT energy beyond fixed setpoints", "kWh", _of(parts, "it_difference"), 1),
        _row("  heat left in the plant", "kWh", _of(parts, "stored_heat"), 1),
        _row("IT energy", "kWh", report["it_energy_kwh"], 0),
        _row("PUE (cooling only)", "", report["pue"], 4),
        _row("Highest cooling power", "kW", report["peak_cooling_kw"], 0),
        _row("Cost of cooling", currency, report["cost"], 0),
        _row("Carbon of cooling", "kg", report["carbon_kg"], 0),
        _row("Water evaporated", "m³", report["water_m3"], 1),
        _row("Above the limits", "K·min", report["limit_violation_degree_minutes"], 1, "no"),
        _row("Highest excess over a limit", "K", report["peak_excess_k"], 2, "no"),
        _row(
            "Above the recommended",
            "K·min",
            report["over_recommended_degree_minutes"],
            0,
            "no",
        ),
        _row("IT work throttled", "kWh", report["throttled_kwh"], 1, "no"),
    ]
    head = ("", "unit", *(plots.NAMES[v] for v in VARIANTS), "to Guideline 36", "to fixed")
    note = (
        "Cooling energy: electricity of chillers, towers, pumps, fans and CDUs, plus the IT energy "
        "beyond that of the fixed-setpoint run (leakage and server fans answer to temperature), "
        "plus the electricity for heat left in the plant beyond that run. All three start from the "
        "same state. Guideline 36, tuned, is the reference; fixed setpoints flatter. Temperatures "
        "and violations are the simulator's noise-free truth."
    )
    return table(head, rows, "accounts") + f'<p class="note">{text(note)}</p>'


def _of(parts: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    return {variant: parts[variant][name] for variant in VARIANTS}


def _row(
    name: str,
    unit: str,
    values: Mapping[str, float],
    digits: int,
    kind: str = "",
) -> Row:
    """A figure of the three variants, with Isotherm's difference to both baselines."""
    own = values[ISOTHERM]
    changes = []
    for variant in (GUIDELINE_36, FIXED):
        other = values[variant]
        if kind == "no" or abs(other) < 10.0 or unit == "":
            changes.append("" if kind == "no" else f"{own - other:+,.{digits}f}")
        else:
            changes.append(f"{100.0 * (own / other - 1.0):+.1f} %")
    cells = [f"{values[variant]:,.{digits}f}" for variant in VARIANTS]
    return [name, unit, *cells, *(change.replace("-", "−") for change in changes)]


def _writes(report: Mapping[str, Any]) -> str:
    writes = report["writes"]
    sent, received = writes["by_kind"], writes["device_recorded_by_kind"]
    kinds = [k for k in ("setpoint", "enable", "heartbeat", "release") if k in {**sent, **received}]
    kinds += sorted(set(received) - set(kinds))
    counts = table(
        ("kind", "sent by the gateway", "received by the devices"),
        [[kind, f"{sent.get(kind, 0):,}", f"{received.get(kind, 0):,}"] for kind in kinds],
        "counts",
    )
    comparison = report["journal_comparison"]
    parts = [
        f"<p>Setpoints written: {writes['count']:,}. Commands that the envelope limited: "
        f"{writes['limited']:,}, refused: {writes['refused']:,}. Writes that failed: "
        f"{writes['failed']:,}. Requests to write that the devices received: "
        f"{writes['device_recorded']:,}, of which they rejected {writes['device_rejected']:,}.</p>",
        counts if kinds else "",
    ]
    if comparison["first"]:
        items = "".join(f"<li>{text(line)}</li>" for line in comparison["first"])
        parts.append(
            f"<p>The first of {comparison['differences']:,} differences between journal and "
            f"devices:</p><ul>{items}</ul>"
        )
    examples = writes["examples"]
    if examples:
        rows = [
            [
                {"refuse": "refused", "limit": "limited"}.get(e["outcome"], e["outcome"]),
                e["check"],
                e["actuator"],
                f"{e['count']:,}",
                _figure(e["asked"]),
                _figure(e["allowed"]),
                f"{_moment(e['time_s'])}: {e['detail']}",
            ]
            for e in examples[:MOST_EXAMPLES]
        ]
        head = ("", "check", "actuator", "times", "asked", "allowed", "the first time")
        parts.append("<h3>What the envelope limited or refused, and why</h3>")
        parts.append(table(head, rows, "examples"))
        if len(examples) > MOST_EXAMPLES:
            parts.append(f'<p class="note">and {len(examples) - MOST_EXAMPLES} more kinds.</p>')
    return "".join(parts)


def _events(report: Mapping[str, Any]) -> str:
    parts = [
        f"<p>{report['fallbacks']} of {report['ticks']} control steps fell back to a plan that no "
        f"solver has verified; a step took "
        f"{_seconds(report['tick_seconds_p50'])} in the median, "
        f"{_seconds(report['tick_seconds_p95'])} in 95 of 100.</p>"
    ]
    if report["fallback_ticks"]:
        rows = [
            [_moment(t["time_s"]), str(t["number"]), t["link"] or "–", t["why"]]
            for t in report["fallback_ticks"]
        ]
        parts.append(table(("time", "step", "plan of", "why"), rows, "fallbacks"))
    if report["events"]:
        items = "".join(f"<li>{text(event)}</li>" for event in report["events"])
        parts.append(f"<ul>{items}</ul>")
    if report["gateway_events"]:
        rows = [
            [_moment(e["time_s"]), e["kind"], f"{e['count']:,}", e["text"]]
            for e in report["gateway_events"]
        ]
        parts.append("<h3>What else the gateway wrote into its journal</h3>")
        parts.append(table(("first", "record", "times", "the first"), rows, "events"))
    return "".join(parts)


def _provenance(report: Mapping[str, Any]) -> str:
    rows: list[Row] = []
    for name, value in sorted(report["provenance"].items()):
        if isinstance(value, Mapping):
            text = ", ".join(f"{k} {v}" for k, v in sorted(value.items()))
        else:
            text = "–" if value is None else str(value)
        rows.append([name, text])
    seconds = report["timings"]
    if seconds:
        text = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        rows.append(["wall time", text])
    return table(("", ""), rows, "provenance")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _seconds(value: float | None) -> str:
    return "an unknown time" if value is None else f"{value:.2f} s"


def _day(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d}"


def _moment(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%d %b %H:%M:%S}"
