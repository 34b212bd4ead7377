"""The report of a shadow run: the answer first, then why, then what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from controller.charts import Chart, Line
from controller.evaluation.pieces import answers, charts, document, section, table, text
from controller.evaluation.shadow.estimate import CONFIDENCE, Estimate
from controller.evaluation.shadow.failure import failure, failure_words, is_good
from controller.evaluation.shadow.study import ShadowStudy
from controller.evaluation.shadow.verdict import Reason

FORMAT = 1
MOST_CHARTS = 8


def shadow_report(
    study: ShadowStudy,
    found: Estimate,
    reasons: Sequence[Reason],
    model_version: str,
) -> dict[str, Any]:
    """Everything of the page, ready for JSON."""
    would = study.would_be
    return {
        "format": FORMAT,
        "site": study.site.id,
        "site_name": study.site.name,
        "from": _moment(float(study.times_s[0])),
        "to": _moment(float(study.times_s[-1]) + 60.0),
        "model": model_version,
        "go": all(reason.holds for reason in reasons),
        "reasons": [asdict(reason) for reason in reasons],
        "criteria": asdict(study.site.go_no_go),
        "confidence": CONFIDENCE,
        "energy": asdict(found),
        "minutes": len(study.times_s),
        "minutes_absent": study.absent,
        "held_share": study.held_share,
        "ticks": study.ticks,
        "fallbacks": study.fallbacks,
        "would_be_writes": {
            "judged": would.judged,
            "allowed": would.allowed,
            "limited": would.limited,
            "refused": would.refused,
            "unchanged": would.unchanged,
            "corrections": would.corrections,
            "releases": would.releases,
            "by_check": dict(would.by_check.most_common()),
        },
        "failure": failure(study),
        "least_room_k": {
            "plant": _least(study.room_plant_k),
            "isotherm": _least(study.room_ours_k),
        },
        "worst_hours": [
            {"hour": _moment(start_s), "rack": rack, "room_k": room}
            for start_s, rack, room in study.hottest
        ],
    }


def page(report: dict[str, Any], study: ShadowStudy) -> str:
    """The report as a page."""
    go = report["go"]
    title = f"Shadow report: {report['site_name']}"
    word = "GO" if go else "NO-GO: do not switch it on yet"
    head = (
        f"<header><h1>{text(title)}</h1><p>{text(report['from'])} to {text(report['to'])} UTC · "
        f"Isotherm wrote nothing · <b>{text(word)}</b></p></header>"
    )
    body = [
        head,
        answers(_answers(report)),
        section("The criteria, written down before", table(_HEAD, _criteria(report), "examples")),
        section("Energy", table(("", "", "what it means"), _energy(report), "figures")),
        section("Power, temperatures, setpoints", charts(_charts(study))),
        section("What Isotherm would have written", _writes(report)),
        section("What letting go would have met", _letting_go(report["failure"])),
        section("The hours with least room", table(_HOURS, _hours(report), "examples")),
        section("How this was found, and what stays open", _method(report)),
    ]
    return document(title, "\n".join(body))


_HEAD = ("", "asked", "found", "")
_HOURS = ("hour from", "rack", "room below its limit, K")


def _answers(report: dict[str, Any]) -> list[dict[str, Any]]:
    energy, would = report["energy"], report["would_be_writes"]
    interval = energy["interval_share"]
    against = [
        f"{r['name']}: {r['found']} ({r['asked']})" for r in report["reasons"] if not r["holds"]
    ]
    room = report["least_room_k"]
    safe = [r for r in report["reasons"] if r["name"] in ("temperatures", "envelope")]
    believe = (
        f"Over these days the model missed the plant's hourly power by "
        f"{_percent(energy['model_error_share'])} of its mean; it had claimed "
        f"{_percent(energy['claimed_error_share'])}. "
    )
    believe += (
        "The plant moved its own setpoints too little to test the model's slopes."
        if energy["slope"] is None
        else "Where the plant itself moved its setpoints, "
        f"{energy['slope']:.2f} times the expected change came."
    )
    return [
        {
            "question": "Switch it on?",
            "text": f"No. {'; '.join(against)}." if against else "Yes: every criterion holds.",
            "good": report["go"],
        },
        {
            "question": "What would it have saved?",
            "text": f"{_percent(energy['saved_share'])} of the cooling energy "
            f"({energy['measured_kwh'] - energy['ours_kwh']:,.0f} of "
            f"{energy['measured_kwh']:,.0f} kWh); {_interval_words(report)}.",
            "good": interval is not None and interval[0] > 0.0,
        },
        {
            "question": "Is it safe?",
            "text": f"Least room of any rack: {_kelvin(room['isotherm'])} expected under Isotherm, "
            f"{_kelvin(room['plant'])} measured under the plant's own control. The envelope would "
            f"have refused {would['refused']} of {would['judged']} commands.",
            "good": all(r["holds"] for r in safe),
        },
        {
            "question": "Why should I believe it?",
            "text": believe,
            "good": all(r["holds"] for r in report["reasons"] if r["name"].startswith("model")),
        },
        {
            "question": "What happens if it fails?",
            "text": failure_words(report["failure"]),
            "good": is_good(report["failure"]),
        },
    ]


def _criteria(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (r["name"], r["asked"], r["found"], "holds" if r["holds"] else "✗ does not hold")
        for r in report["reasons"]
    ]


def _energy(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    energy = report["energy"]
    return [
        ("As it was", f"{energy['measured_kwh']:,.0f} kWh", "cooling, by the plant's own meters"),
        ("Under Isotherm", f"{energy['ours_kwh']:,.0f} kWh", "expected, leakage counted"),
        (
            "  of it IT leakage",
            f"{energy['leakage_kwh']:+,.0f} kWh",
            "warmer racks draw more; it is counted against us"
            if energy["leakage_kwh"] > 0.0
            else "cooler racks draw less; it is part of the saving",
        ),
        ("IT energy", f"{energy['it_kwh']:,.0f} kWh", "the same work in both"),
        _blocks(energy["blocks"]),
        (
            "Uncertain by the model",
            f"± {_percent(1.64 * energy['spread_model'])}",
            "its error, more of it the further our setpoints are from the plant's",
        ),
        (
            "Uncertain by leakage",
            f"± {_percent(1.64 * energy['spread_leakage'])}",
            "how much more racks draw for each kelvin, as the model knows it",
        ),
        (
            "Actuators ours",
            _percent(report["held_share"]),
            "of the time; the others could not be taken over",
        ),
    ]


def _interval_words(report: dict[str, Any]) -> str:
    interval = report["energy"]["interval_share"]
    if interval is None:
        return "the record is too short to say how sure that is"
    low, high = map(_percent, interval)
    return f"{low} to {high} with {100 * report['confidence']:.0f} % confidence"


def _blocks(blocks: dict[str, Any] | None) -> tuple[str, str, str]:
    if blocks is None:
        return ("Uncertain by the time", "unknown", "the record is too short to tell")
    spread = f"± {_percent(1.64 * blocks['spread'])}"
    if blocks["hours"] == 24.0:
        return ("Uncertain by the days", spread, f"bootstrap of {blocks['count']} days")
    return (
        "Uncertain by the time",
        spread,
        f"bootstrap of {blocks['count']} stretches of {blocks['hours']:g} hours; how other days "
        "would have been is not in it",
    )


def _writes(report: dict[str, Any]) -> str:
    would = report["would_be_writes"]
    counts = (
        f"<p>{would['judged']:,} commands: {would['allowed']:,} allowed, {would['limited']:,} "
        f"limited, {would['refused']:,} refused, {would['unchanged']:,} without a change. "
        f"Values in force that the envelope would have moved: {would['corrections']:,}; devices "
        f"that it would have given back: {would['releases']:,}. {report['fallbacks']} of "
        f"{report['ticks']} control steps fell back to the rule.</p>"
    )
    if not would["by_check"]:
        return counts
    rows = [(name, f"{count:,}") for name, count in would["by_check"].items()]
    return counts + table(("check that bound", "times"), rows, "counts")


def _letting_go(failure: dict[str, Any]) -> str:
    if not failure["unsafe"]:
        return "<p>At no step would a device's own value have been outside a limit.</p>"
    rows = [(u["actuator"], f"{u['moments']:,}", u["why"]) for u in failure["unsafe"]]
    return table(("actuator", "steps", "the envelope's words, last"), rows, "figures")


def _hours(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(h["hour"], h["rack"], f"{h['room_k']:.1f}") for h in report["worst_hours"]]


def _method(report: dict[str, Any]) -> str:
    return (
        "<p>The record was lived through minute by minute. A second hall ran beside it on the "
        "learned model, under the same load and weather and with each sensor's offset as the "
        "recorded plant taught it; its setpoints were Isotherm's, from the same control step and "
        "the same envelope that would run live, which saw nothing later than its own moment. "
        "Energy is what was measured less the model's difference between the two, scaled by "
        "measured over expected power.</p>"
        f"<p>Model {text(report['model'][:12])}. {report['minutes_absent']:,} of "
        f"{report['minutes'] + report['minutes_absent']:,} minutes lacked data and are left out. "
        "Open: what the model has never seen it cannot know; the first weeks of advisory operation "
        "and switchback days are the proof.</p>"
    )


def _charts(study: ShadowStudy) -> list[Chart]:
    found = [
        _chart(
            study,
            "Cooling power",
            "kW",
            study.measured_kw,
            study.measured_kw - study.plant_kw + study.ours_kw,
            from_zero=True,
            digits=0,
        ),
        _chart(study, "Least room of any rack", "K", study.room_plant_k, study.room_ours_k),
    ]
    for g, (name, members) in enumerate(study.site.groups.items()):
        if len(found) >= MOST_CHARTS:
            break
        found.append(
            _chart(
                study,
                name,
                members[0].unit,
                study.setpoints_plant[:, g],
                study.setpoints_ours[:, g],
            )
        )
    return found


def _chart(
    study: ShadowStudy,
    title: str,
    unit: str,
    plant: Any,
    ours: Any,
    *,
    from_zero: bool = False,
    digits: int = 1,
) -> Chart:
    return Chart(
        title,
        unit,
        study.times_s,
        [Line("Isotherm, expected", ours, "isotherm"), Line("the plant", plant, "tuned")],
        from_zero=from_zero,
        digits=digits,
    )


def _least(values: Any) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else None


def _kelvin(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} K".replace("-", "−")


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %".replace("-", "−")


def _moment(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"
