"""The report of a finished run: ``report.json`` for programs, ``report.html`` for people.

``report.json`` follows from the run's files alone. Only `TIMINGS` depend on the machine and its
load; two runs of the same inputs in stepped time agree on all else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from controller.evaluation import page, series
from controller.evaluation.accounts import Account, device_requests, read_accounts
from controller.evaluation.agreement import Journal, compare_books, read_journal
from controller.evaluation.files import (
    ISOTHERM,
    VARIANTS,
    EvaluationError,
    RunFiles,
    read_frame,
    read_json,
    read_lines,
    read_object,
)
from controller.evaluation.recorded import Recorded, held_share, recorded
from controller.evaluation.sections import accounts_section, gateway_events, verdicts
from controller.evaluation.series import Truth
from controller.evaluation.steps import Steps, read_steps
from facility.loading import SiteError, load_site
from facility.site import Site

Report = dict[str, Any]

FORMAT = 1
TIMINGS = ("tick_seconds_p50", "tick_seconds_p95", "timings")
"""Keys of a report that depend on the machine."""
STEPPED_TOLERANCE_S = 1e-6
WALL_TOLERANCE_S = 5.0
"""Journal and devices read the time one after the other while it runs on, at up to ten times."""
DIGITS = 6


@dataclass(frozen=True)
class _Run:
    """All that a report is made of, read and checked."""

    files: RunFiles
    site: Site
    arguments: Mapping[str, Any]
    accounts: Mapping[str, Account]
    truths: Mapping[str, Truth]
    recorded: Recorded
    journal: Journal
    damage: str
    """What is wrong with the journal's chain, or nothing."""
    steps: Steps
    events: tuple[str, ...]
    start_s: float
    end_s: float


def build_report(out: Path) -> Report:
    """The report of the run in the folder ``out``.

    Raises
    ------
    EvaluationError
        It is not the folder of a finished run; the message names the file and the mend.
    """
    return _build(_read(out))


def write_report(out: Path) -> Report:
    """Write ``report.json`` and ``report.html`` into ``out`` and answer the report."""
    run = _read(out)
    report = _build(run)
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    html = page.render(report, run.site, run.truths)
    _replace(out / "report.json", text)
    _replace(out / "report.html", html)
    return report


def headline(report: Report) -> str:
    """What the run saved, whether it was safe, who held the plant: three sentences."""
    return str(report["headline"])


def _read(out: Path) -> _Run:
    files = RunFiles(out)
    arguments = read_object(files.arguments)
    try:
        site = load_site(files.site)
    except SiteError as error:
        raise EvaluationError(str(error)) from None
    accounts = read_accounts({variant: files.accounts(variant) for variant in VARIANTS})
    truths = {variant: Truth.of(read_frame(files.truth(variant))) for variant in VARIANTS}
    own = truths[ISOTHERM].times_s
    start_s, end_s = float(own[0]), float(own[-1])
    journal, damage = _journal(site, files.journal)
    return _Run(
        files=files,
        site=site,
        arguments=arguments,
        accounts=accounts,
        truths=truths,
        recorded=recorded(site, read_lines(files.recorder), end_s),
        journal=journal,
        damage=damage,
        steps=read_steps(files.summary, files.ticks),
        events=tuple(map(str, read_json(files.events))) if files.events.exists() else (),
        start_s=start_s,
        end_s=end_s,
    )


def _journal(site: Site, path: Path) -> tuple[Journal, str]:
    """The journal as far as it is whole, and what is wrong with it."""
    from safety.journal import JournalError, Record, read, verify

    records: list[Record] = []
    try:
        damage = verify(path)
        reason = f"record {damage.number}: {damage.reason}" if damage else ""
        records.extend(read(path))
    except JournalError as error:
        if not path.exists():
            raise EvaluationError(f"there is no {path}: the gateway did not run") from None
        reason = str(error)
    return read_journal(site, records), reason


def _build(run: _Run) -> Report:
    agreement = compare_books(
        run.journal.writes,
        run.recorded.writes,
        STEPPED_TOLERANCE_S if run.arguments.get("rate") is None else WALL_TOLERANCE_S,
    )
    held = held_share(run.site, run.recorded, run.start_s, run.end_s)
    report: Report = {
        "format": FORMAT,
        "site": run.site.id,
        "site_name": run.site.name,
        "start_s": run.start_s,
        "hours": (run.end_s - run.start_s) / 3600.0,
        "mode": run.arguments.get("mode"),
        **accounts_section(run.site, run.accounts),
        "hottest": {variant: _hottest(run.site, truth) for variant, truth in run.truths.items()},
        "writes": _writes(run),
        "actuator_hours_held_share": held,
        "held_share_by_device": _held_by_device(run),
        "ticks": run.steps.ticks,
        "fallbacks": run.steps.fallbacks,
        "fallback_ticks": [asdict(step) for step in run.steps.fallback_steps],
        "plans_of": dict(run.steps.plans_of),
        "controller_came_to_its_end": run.steps.complete,
        "journal_valid": not run.damage,
        "journal_damage": run.damage,
        "journal_agrees_with_recorder": agreement.agrees and not run.damage,
        "journal_comparison": {
            "compared": agreement.compared,
            "differences": agreement.differences,
            "first": list(agreement.first),
        },
        "events": list(run.events),
        "gateway_events": gateway_events(run.journal.others),
        "provenance": {k: v for k, v in run.arguments.items() if k != "seconds"},
    }
    report = _rounded(report)
    report["tick_seconds_p50"] = run.steps.seconds_p50
    report["tick_seconds_p95"] = run.steps.seconds_p95
    report["timings"] = run.arguments.get("seconds", {})
    report["verdicts"] = [asdict(verdict) for verdict in verdicts(report)]
    report["headline"] = " ".join(verdict["text"] for verdict in report["verdicts"])
    return report


def _hottest(site: Site, truth: Truth) -> dict[str, Any] | None:
    found = series.hottest(site, truth)
    if found is None:
        return None
    rack, peak_c, limit_c = found
    return {"rack": rack, "peak_c": peak_c, "limit_c": limit_c, "room_k": limit_c - peak_c}


def _writes(run: _Run) -> dict[str, Any]:
    journal = run.journal
    requests = device_requests(run.files.accounts(ISOTHERM))
    return {
        "count": journal.sent.get("setpoint", 0),
        "refused": sum(journal.refused.values()),
        "limited": sum(journal.limited.values()),
        "failed": journal.failed,
        "device_recorded": max(requests, run.recorded.requests),
        "by_kind": dict(journal.sent),
        "device_recorded_by_kind": dict(run.recorded.by_kind),
        "device_rejected": run.recorded.rejected,
        "refused_by_check": dict(journal.refused),
        "limited_by_check": dict(journal.limited),
        "examples": list(journal.examples),
    }


def _held_by_device(run: _Run) -> dict[str, float]:
    length_s = max(run.end_s - run.start_s, 1.0)
    return {
        device: sum(stop - start for start, stop in spans) / length_s
        for device, spans in run.recorded.remote.items()
        if run.site.device_actuators(device)
    }


def _rounded(value: Any) -> Any:
    """Figures to `DIGITS` decimals: sums in another order of threads must not show."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
