"""The page of a backtest: which variant, by what it would have proposed and how well it foresaw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from controller.backtest.score import LEADS_S
from controller.backtest.summary import Summary
from controller.evaluation.pieces import answers, document, section, table, text
from facility.site import Site

FORMAT = 1
MOST_LISTED = 10


def backtest_report(
    site: Site, totals: Sequence[Summary], days: Sequence[Summary], asked: dict[str, Any]
) -> dict[str, Any]:
    """Everything of the page, ready for JSON."""
    return {
        "format": FORMAT,
        "site": site.id,
        "site_name": site.name,
        **asked,
        "variants": [asdict(one) for one in totals],
        "days": [asdict(one) for one in days],
    }


def page(report: dict[str, Any], totals: Sequence[Summary]) -> str:
    """The report as a page."""
    title = f"Backtest: {report['site_name']}"
    head = (
        f"<header><h1>{text(title)}</h1><p>{text(report['from'])} to {text(report['to'])} · a step "
        f"every {report['every_s'] / 60.0:g} min · nothing was known before it had been "
        "received</p></header>"
    )
    body = [
        head,
        answers([_answer(one) for one in totals]),
        section("What would have been proposed", table(_HEAD, map(_proposed, totals), "counts")),
        section("How well it was foreseen", table(_ERRORS, _errors(totals), "counts")),
        section("What the envelope would have refused or limited", _checks(totals)),
        section("Steps without a plan", _notes(totals)),
        section("How this was found", _METHOD),
    ]
    return document(title, "\n".join(body))


_HEAD = ("variant", "steps planned", "fallbacks", "expected saving", "steps that move", "refused")
_ERRORS = (
    "variant",
    *("ahead", "temperature", "bias", "in its band", "power", "load forecast", "wet bulb forecast"),
)
_METHOD = (
    "<p>Each step saw the readings that had been received by its moment, with their quality, and "
    "forecast load and weather itself. The plant was as it was recorded: what a variant would have "
    "done at one step changes nothing for the next, so expected savings are of each step by "
    "itself and do not add up to an energy (a shadow report lives on with the consequences). "
    "Temperatures and power are predicted for the setpoints, load and weather that came, so their "
    "errors are the model's own; the forecasts' errors stand beside them. Errors are RMS; the band "
    "is the model's 90 %; power is the mean up to the lead. Prices are the site's tariff.</p>"
)


def _answer(one: Summary) -> dict[str, Any]:
    rms, share = one.rms("temperature_k", LEADS_S[2]), one.rms_share("power_kw", LEADS_S[2])
    said = (
        f"{one.planned} of {one.steps} steps planned, {one.fallbacks} fell back; "
        f"{_kw(one.saving_kw)} ({_percent(one.saving_share)}) expected to be saved at each. An "
        f"hour ahead, temperatures missed by {_kelvin(rms)} and power by {_percent(share)}. The "
        f"envelope would have refused {one.answers['refused']} of {one.judged} commands."
    )
    return {"question": one.variant, "text": said, "good": not one.fallbacks and one.planned > 0}


def _proposed(one: Summary) -> tuple[str, ...]:
    return (
        one.variant,
        f"{one.planned} of {one.steps}",
        str(one.fallbacks),
        f"{_kw(one.saving_kw)}, {_percent(one.saving_share)}",
        _percent(one.moved_share),
        f"{_percent(one.refused_share)} of {one.judged}",
    )


def _errors(totals: Sequence[Summary]) -> list[tuple[str, ...]]:
    return [
        (
            one.variant,
            f"{lead / 60.0:g} min",
            _kelvin(one.rms("temperature_k", lead)),
            _kelvin(one.bias("temperature_k", lead)),
            _percent(one.inside(lead)),
            _percent(one.rms_share("power_kw", lead)),
            _percent(one.rms_share("it_power_kw", lead)),
            _kelvin(one.rms("wet_bulb_k", lead)),
        )
        for one in totals
        for lead in LEADS_S
    ]


def _checks(totals: Sequence[Summary]) -> str:
    rows = [
        (one.variant, check, f"{count:,}")
        for one in totals
        for check, count in one.by_check.items()
    ]
    if not rows:
        return "<p>Nothing.</p>"
    return table(("variant", "check that bound", "times"), rows, "counts")


def _notes(totals: Sequence[Summary]) -> str:
    rows = [
        (one.variant, note, f"{count:,}")
        for one in totals
        for note, count in list(one.notes.items())[:MOST_LISTED]
    ]
    return table(("variant", "why", "steps"), rows, "counts") if rows else "<p>None.</p>"


def _kw(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} kW".replace("-", "−")


def _kelvin(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} K".replace("-", "−")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100.0 * share:.1f} %".replace("-", "−")
