"""The sites as a page."""

from __future__ import annotations

from collections.abc import Sequence

from controller.evaluation.pieces import answers, document, section, table, text
from controller.fleet.view import SiteView
from facility.clock import iso

HEAD = (
    *("site", "actuators", "last data", "last step", "saving expected", "fallbacks"),
    *("alarms", "proposals"),
)


def rows_of(views: Sequence[SiteView]) -> list[tuple[str, ...]]:
    """A row a site."""
    return [
        (view.name, view.error, *[""] * 6)
        if view.error
        else (
            view.name,
            view.mode or "-",
            _moment(view.last_data_s),
            _moment(view.last_step_s),
            "-" if view.saving_kw is None else f"{view.saving_kw:.1f} kW",
            f"{view.fallbacks} of {view.steps}",
            _alarms(view),
            str(view.waiting),
        )
        for view in views
    ]


def page(views: Sequence[SiteView], now_s: float) -> str:
    """Everything on one page that needs nothing else."""
    silent = [view for view in views if view.error]
    alarmed = [view for view in views if view.unacknowledged]
    saving = [view.saving_kw for view in views if view.saving_kw is not None]
    moment = iso(now_s)[:16].replace("T", " ")
    head = (
        f"<header><h1>Sites</h1><p>{len(views)} sites at {text(moment)} UTC; savings are what "
        "each planner expected over its last day</p></header>"
    )
    cards = answers(
        [
            {
                "question": "Does every site answer?",
                "text": f"{len(views) - len(silent)} of {len(views)} stores can be read"
                + (f"; not {', '.join(view.name for view in silent)}." if silent else "."),
                "good": not silent,
            },
            {
                "question": "Does anything need somebody?",
                "text": "; ".join(f"{v.name}: {_alarms(v)}" for v in alarmed)
                or "No alarm waits to be acknowledged.",
                "good": not alarmed,
            },
            {
                "question": "What is it worth?",
                "text": f"{sum(saving):,.1f} kW expected over {len(saving)} sites, as each "
                "planner sees it; what is proved stands in each site's report of savings.",
                "good": bool(saving),
            },
        ]
    )
    body = [head, cards, section("Site by site", table(HEAD, rows_of(views), "examples"))]
    return document("Sites", "\n".join(body))


def _alarms(view: SiteView) -> str:
    if not view.alarms:
        return "none"
    said = ", ".join(f"{count} {priority}" for priority, count in view.alarms.items())
    return f"{said} ({view.unacknowledged} not acknowledged)" if view.unacknowledged else said


def _moment(time_s: float | None) -> str:
    return "-" if time_s is None else iso(time_s)[:16].replace("T", " ")
