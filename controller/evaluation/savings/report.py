"""The report of savings: ``savings.json`` for programs, ``savings.html`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.charts import Chart, Line
from controller.evaluation.pieces import answers, charts, document, section, table, text
from controller.evaluation.savings.adjusted import CONFIDENCE, AdjustedSavings
from controller.evaluation.savings.adjustments import Adjustment
from controller.evaluation.savings.hourly import Hourly
from controller.evaluation.savings.regression import GOAL_CV_RMSE, GOAL_NMBE
from controller.evaluation.savings.switchback import Schedule, Switchback

FORMAT = 1
METHOD = {
    "baseline": (
        "IPMVP, retrofit isolation with all parameters measured (option B), or the whole facility "
        "(option C) where cooling power is that of the main meter. The baseline is a regression of "
        "hourly cooling power on IT power and wet bulb, fitted to the period before alone; its "
        "interval comes from a bootstrap of the whole procedure over blocks of days."
    ),
    "switchback": (
        "Days were drawn by lot between Isotherm and local control. What could be chance is asked "
        "of the lot itself (randomisation test), so the claim does not rest on the regression "
        "that takes load and weather off; a bad regression only makes the interval wider."
    ),
}

BESIDE = (
    "Meters of energy say nothing of temperatures or of failures: those of the same period against "
    "their limits are in the monthly report (isotherm report monthly), and what happens if "
    "Isotherm fails is in the shadow report, from the plant's own record."
)


def baseline_report(
    found: AdjustedSavings,
    before: Hourly,
    after: Hourly,
    adjustments: Sequence[Adjustment],
) -> dict[str, Any]:
    """What an adjusted baseline says, ready for JSON."""
    fit = found.model.fit
    low, high = found.interval_share
    return {
        "format": FORMAT,
        "method": "baseline",
        "claimed": found.claimed,
        "reasons_against": list(found.reasons_against),
        "saved_share": found.saved_share,
        "interval_share": [low, high],
        "confidence": CONFIDENCE,
        "guideline14_half_width": found.guideline14_half_width,
        "expected_kwh": found.expected_kwh,
        "used_kwh": found.used_kwh,
        "saved_kwh": found.saved_kwh,
        "adjustments_kwh": found.adjustments_kwh,
        "adjustments": [asdict(one) for one in adjustments],
        "outside_baseline_share": found.outside,
        "baseline": _period(before),
        "period": _period(after),
        "fit": asdict(fit) | {"passes_guideline14": fit.passes},
        "goals": {"cv_rmse": GOAL_CV_RMSE, "nmbe": GOAL_NMBE},
    }


def switchback_report(found: Switchback, plan: Schedule, hourly: Hourly) -> dict[str, Any]:
    """What switchback days say, ready for JSON."""
    return {
        "format": FORMAT,
        "method": "switchback",
        "claimed": found.claimed,
        "reasons_against": []
        if found.claimed
        else [
            f"the lot alone would show as much in {_share(found.p_value, 1)} of draws "
            "(at most 2.5 %)"
        ],
        "saved_share": found.saved_share,
        "interval_share": list(found.interval_share),
        "confidence": CONFIDENCE,
        "p_value": found.p_value,
        "days": found.days,
        "isotherm_days": found.isotherm_days,
        "days_left_out": found.left_out,
        "day_to_day_spread": found.spread,
        "isotherm_kwh": found.isotherm_kwh,
        "local_kwh": found.local_kwh,
        "seed": plan.seed,
        "period": _period(hourly),
    }


def page(report: dict[str, Any], title: str, plots: Sequence[Chart]) -> str:
    """The page of either report."""
    period = report["period"]
    head = (
        f"<header><h1>{text(title)}</h1><p>Savings of cooling energy, "
        f"{text(period['from'][:10])} to {text(period['to'][:10])}</p></header>"
    )
    parts = [
        head,
        answers(_answers(report)),
        section("Figures", table(("", "", "what it means"), _figures(report), "figures")),
        section("Hour by hour", charts(plots)),
        section(
            "How this was found",
            f"<p>{text(METHOD[report['method']])}</p><p>{text(BESIDE)}</p>" + _named(report),
        ),
    ]
    return document(title, "\n".join(parts))


def baseline_charts(found: AdjustedSavings, before: Hourly, after: Hourly) -> list[Chart]:
    """Measured and expected power of both periods, a point an hour."""
    return [
        _chart("The period before", before, found.model.predict(before), "baseline model"),
        _chart("The period proved", after, found.model.predict(after), "expected without Isotherm"),
    ]


def switchback_charts(hourly: Hourly, plan: Schedule) -> list[Chart]:
    """Measured power, Isotherm's days and local control's apart."""
    times_s, (kw,) = _with_gaps(hourly, hourly.cooling_kw)
    day = ((times_s - plan.start_s) // 86_400.0).astype(np.int64)
    own = np.array(plan.isotherm)[np.clip(day, 0, len(plan.isotherm) - 1)]
    return [
        Chart(
            "Cooling power by day",
            "kW",
            times_s,
            [
                Line("Isotherm", np.where(own, kw, np.nan), "isotherm"),
                Line("local control", np.where(own, np.nan, kw), "tuned"),
            ],
            from_zero=True,
            digits=0,
        )
    ]


def _chart(title: str, hourly: Hourly, model_kw: NDArray[np.float64], name: str) -> Chart:
    times_s, (measured, modelled) = _with_gaps(hourly, hourly.cooling_kw, model_kw)
    return Chart(
        title,
        "kW",
        times_s,
        [Line("measured", measured, "isotherm"), Line(name, modelled, "tuned")],
        from_zero=True,
        digits=0,
    )


def _with_gaps(
    hourly: Hourly, *series: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Every hour from the first to the last, NaN where there was none."""
    first = hourly.times_s[0]
    row = ((hourly.times_s - first) // 3600.0).astype(np.int64)
    filled = []
    for values in series:
        whole = np.full(int(row[-1]) + 1, np.nan)
        whole[row] = values
        filled.append(whole)
    return first + 3600.0 * np.arange(int(row[-1]) + 1), filled


def _answers(report: dict[str, Any]) -> list[dict[str, Any]]:
    low, high = report["interval_share"]
    saved = (
        f"{_percent(report['saved_share'])} of the cooling energy; between {_percent(low)} and "
        f"{_percent(high)} with {_share(report['confidence'], 0)} confidence."
    )
    against = "; ".join(report["reasons_against"])
    passes = ", and the baseline passes Guideline 14" if report["method"] == "baseline" else ""
    proved = f"Yes: zero lies outside that{passes}." if report["claimed"] else f"No: {against}."
    if report["method"] == "baseline":
        fit = report["fit"]
        believe = (
            "The baseline misses days that it was not fitted to by "
            f"{_share(fit['cv_rmse_unseen'], 1)} (CV(RMSE); Guideline 14 allows 30 %) with a bias "
            f"of {_percent(fit['nmbe'])} (allowed: 10 %)."
        )
        good = fit["passes_guideline14"]
    else:
        believe = (
            f"{report['isotherm_days']} of {report['days']} days were Isotherm's, drawn by lot "
            f"(seed {report['seed']}). Were nothing saved, the lot would show as much in "
            f"{_share(report['p_value'], 1)} of draws."
        )
        good = True
    return [
        {"question": "What did it save?", "text": saved, "good": report["saved_share"] > 0.0},
        {"question": "Is it proved?", "text": proved, "good": report["claimed"]},
        {"question": "Why should I believe it?", "text": believe, "good": good},
    ]


def _figures(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    if report["method"] == "switchback":
        return [
            ("Isotherm's days", f"{report['isotherm_kwh']:,.0f} kWh", "as metered, wash-out apart"),
            ("local control's days", f"{report['local_kwh']:,.0f} kWh", "as metered"),
            (
                "spread of days",
                f"{_share(report['day_to_day_spread'], 1)}",
                "what load and weather leave unexplained",
            ),
            ("days left out", f"{report['days_left_out']}", "too few whole hours"),
        ]
    fit = report["fit"]
    return [
        ("Expected", f"{report['expected_kwh']:,.0f} kWh", "of the plant as it ran before"),
        ("  adjustments", f"{report['adjustments_kwh']:+,.0f} kWh", "written down, see below"),
        ("Used", f"{report['used_kwh']:,.0f} kWh", "as metered"),
        ("Saved", f"{report['saved_kwh']:+,.0f} kWh", "expected less used"),
        (
            "Interval after Guideline 14",
            f"± {_share(report['guideline14_half_width'], 1)}",
            "closed formula; too narrow for hours, given for comparison",
        ),
        (
            "Fit, CV(RMSE)",
            f"{_share(fit['cv_rmse'], 1)}",
            "of the hours it was fitted to; goal 10 %",
        ),
        ("  on days unseen", f"{_share(fit['cv_rmse_unseen'], 1)}", "Guideline 14 allows 30 %"),
        ("Bias on days unseen", f"{_percent(fit['nmbe'])}", "allowed 10 %, goal 1 %"),
        ("Errors hour to hour", f"{fit['autocorrelation']:.2f}", "correlation"),
        (
            "Outside the baseline",
            f"{_share(report['outside_baseline_share'], 1)}",
            "of the hours had load or weather that the period before never saw",
        ),
    ]


def _named(report: dict[str, Any]) -> str:
    if not report.get("adjustments"):
        return ""
    rows = [
        (
            _moment(one["start_s"]),
            _moment(one["end_s"]),
            f"{one['kw']:+g} kW",
            one["why"],
            one["by"],
        )
        for one in report["adjustments"]
    ]
    return "<h3>Non-routine adjustments</h3>" + table(
        ("from", "to", "cooling power", "why", "by"), rows, "events"
    )


def _period(hourly: Hourly) -> dict[str, Any]:
    return {
        "from": _moment(float(hourly.times_s[0])),
        "to": _moment(float(hourly.times_s[-1]) + 3600.0),
        "hours": len(hourly),
        "hours_absent": hourly.absent,
        "mean_it_kw": float(hourly.it_kw.mean()),
        "mean_wet_bulb_c": float(hourly.wet_bulb_c.mean()),
    }


def _share(share: float, digits: int) -> str:
    return f"{100.0 * share:.{digits}f} %"


def _percent(share: float) -> str:
    return f"{100.0 * share:+.1f} %".replace("-", "−")


def _moment(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M}"
