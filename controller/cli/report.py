"""``isotherm report``: reports for people, with the same as JSON for programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.cli.base import CommandError, Commands, message

if TYPE_CHECKING:
    from controller.evaluation.savings import Hourly

FORMS = ("html", "pdf")


def register(commands: Commands) -> None:
    """Add ``report savings``, ``report shadow`` and ``report monthly``."""
    parser = commands.add_parser("report", help="reports as HTML, PDF and JSON")
    parts = parser.add_subparsers(title="reports", metavar="REPORT", required=True)

    savings = parts.add_parser(
        "savings",
        help="what was saved, how sure that is, and whether it may be claimed",
        description="Either --schedule (switchback days), or --before and --period (a baseline).",
    )
    savings.add_argument(
        "--data",
        type=Path,
        required=True,
        help="CSV or Parquet with time, cooling_kw, it_kw, wet_bulb_c; a row an hour or oftener",
    )
    savings.add_argument("--schedule", type=Path, help="of `isotherm savings plan`")
    savings.add_argument(
        "--before", nargs=2, metavar=("FROM", "TO"), help="the plant as it ran before"
    )
    savings.add_argument("--period", nargs=2, metavar=("FROM", "TO"), help="the period to prove")
    savings.add_argument("--adjustments", type=Path, help="TOML of non-routine adjustments")
    savings.add_argument("--title", default="Savings of cooling energy")
    _output(savings)
    savings.set_defaults(run=run_savings)

    shadow = parts.add_parser(
        "shadow",
        help="what Isotherm would have done over a record, what it is worth, and go or no-go",
    )
    shadow.add_argument("--site", type=Path, required=True, help="folder of the site")
    shadow.add_argument("--model", type=Path, required=True, help="folder of a trained model")
    record = shadow.add_mutually_exclusive_group(required=True)
    record.add_argument("--data", type=Path, help="CSV or Parquet: time, and the site's tags")
    record.add_argument("--state", type=Path, help="of `isotherm serve`: its stored telemetry")
    shadow.add_argument("--from", dest="start", help="use the record from this moment on")
    shadow.add_argument("--to", dest="end", help="and until this one")
    _output(shadow)
    shadow.set_defaults(run=run_shadow)

    monthly = parts.add_parser(
        "monthly",
        help="energy, temperatures, ISO/IEC 30134 indicators, fields of the EU's yearly report",
    )
    monthly.add_argument("--site", type=Path, required=True, help="folder of the site")
    data = monthly.add_mutually_exclusive_group(required=True)
    data.add_argument("--data", type=Path, help="CSV or Parquet: time, and the site's tags")
    data.add_argument("--state", type=Path, help="of `isotherm serve`: its stored telemetry")
    monthly.add_argument("--month", required=True, help="as 2026-10, or a year as 2026")
    monthly.add_argument("--declared", type=Path, help="TOML of what no meter tells")
    _output(monthly)
    monthly.set_defaults(run=run_monthly)


def _output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--form",
        choices=FORMS,
        action="append",
        help="of the page; may be given twice (default: html)",
    )


def run_savings(args: argparse.Namespace) -> int:
    """Write ``savings.json`` and the page; exit 0 whether or not a saving is proved."""
    from controller.evaluation.savings import HourlyError, read_hourly

    if (args.schedule is None) == (args.before is None or args.period is None):
        raise CommandError("give either --schedule, or both --before and --period")
    if args.schedule is not None and args.adjustments is not None:
        raise CommandError("--adjustments belong to a baseline; switchback days need none")
    try:
        hourly = read_hourly(args.data)
        report, plots = _switchback(args, hourly) if args.schedule else _baseline(args, hourly)
    except HourlyError as error:
        raise CommandError(str(error)) from None
    from controller.evaluation.savings.report import page

    write(args.out, "savings", report, page(report, args.title, plots), args.form or ["html"])
    low, high = report["interval_share"]
    print(
        f"saved {report['saved_share']:+.1%} ({low:+.1%} to {high:+.1%}): "
        + ("proved" if report["claimed"] else f"not proved: {'; '.join(report['reasons_against'])}")
    )
    return 0


def _switchback(args: argparse.Namespace, hourly: Hourly) -> tuple[dict[str, Any], Any]:
    from controller.evaluation.savings import analyse, read_schedule
    from controller.evaluation.savings.report import switchback_charts, switchback_report
    from controller.evaluation.savings.switchback import DAY_S

    plan = read_schedule(args.schedule)
    within = hourly.between(plan.start_s, plan.start_s + DAY_S * len(plan.isotherm))
    found = analyse(within, plan)
    return switchback_report(found, plan, within), switchback_charts(within, plan)


def _baseline(args: argparse.Namespace, hourly: Hourly) -> tuple[dict[str, Any], Any]:
    from controller.evaluation.savings import adjusted_savings, read_adjustments
    from controller.evaluation.savings.report import baseline_charts, baseline_report
    from facility.clock import from_iso

    try:
        spans = [(from_iso(begin), from_iso(end)) for begin, end in (args.before, args.period)]
    except ValueError as error:
        raise CommandError(f"--before, --period: {error}") from None
    before, after = (hourly.between(*span) for span in spans)
    changes = read_adjustments(args.adjustments) if args.adjustments else ()
    found = adjusted_savings(before, after, changes)
    return baseline_report(found, before, after, changes), baseline_charts(found, before, after)


def run_shadow(args: argparse.Namespace) -> int:
    """Write ``shadow.json`` and the page; exit 0 for go, 1 for no-go."""
    import asyncio

    from controller.cli.demo import ProgressLine
    from controller.evaluation.shadow import ShadowError, estimate, reasons
    from controller.evaluation.shadow import run_shadow as run
    from controller.evaluation.shadow.inputs import learned_parts, read_record
    from controller.evaluation.shadow.report import page, shadow_report
    from controller.evaluation.shadow.verdict import share_words
    from facility.loading import SiteError, load_site

    try:
        site = load_site(args.site)
        frame = read_record(site, data=args.data, state=args.state, start=args.start, end=args.end)
        parts = learned_parts(site, args.model)
        line = ProgressLine()
        study = asyncio.run(
            run(
                site,
                parts.bundle,
                frame,
                parts.planner,
                parts.settings,
                progress=lambda share: line("shadow run", share),
            )
        )
        found = estimate(study, parts.bundle)
    except (SiteError, ShadowError, ValueError) as error:
        raise CommandError(str(error)) from None
    weighed = reasons(study, found)
    report = shadow_report(study, found, weighed, parts.bundle.version)
    write(args.out, "shadow", report, page(report, study), args.form or ["html"])
    print(f"{'GO' if report['go'] else 'NO-GO'}: would have saved {share_words(found)}")
    for reason in weighed:
        print(f"  {'holds' if reason.holds else 'FAILS'}  {reason.name}: {reason.found}")
    return 0 if report["go"] else 1


def run_monthly(args: argparse.Namespace) -> int:
    """Write ``monthly.json`` and the page."""
    from controller.evaluation.indicators import DeclaredError, indicators, read_declared
    from controller.evaluation.monthly import monthly_report, page
    from controller.evaluation.savings import HourlyError
    from controller.evaluation.shadow import ShadowError
    from controller.evaluation.shadow.inputs import read_record
    from facility.loading import SiteError, load_site

    start, end = _span(args.month)
    try:
        site, declared = load_site(args.site), read_declared(args.declared)
        frame = read_record(site, data=args.data, state=args.state, start=start, end=end)
        found = indicators(site, frame, declared)
        report = monthly_report(site, frame, found)
    except (SiteError, ShadowError, HourlyError, DeclaredError) as error:
        raise CommandError(str(error)) from None
    write(args.out, "monthly", report, page(report, site, frame), args.form or ["html"])
    absent = [one.name for one in found if one.value is None]
    if absent:
        message(f"absent, see the report for what would give them: {', '.join(absent)}")
    return 0


def _span(text: str) -> tuple[str, str]:
    """First moments of a month or a year, and of the one after it."""
    try:
        numbers = [int(part) for part in text.split("-")]
        if len(numbers) == 1:
            return f"{numbers[0]:04d}-01-01", f"{numbers[0] + 1:04d}-01-01"
        year, month = numbers
        if not 1 <= month <= 12:
            raise ValueError
    except ValueError:
        raise CommandError(f"--month: {text!r} is neither a month as 2026-10 nor a year") from None
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return f"{year:04d}-{month:02d}-01", f"{after[0]:04d}-{after[1]:02d}-01"


def write(out: Path, name: str, report: dict[str, Any], html: str, forms: list[str]) -> None:
    """Write a report's JSON and its page in each form; the names of the files go to stderr."""
    from controller.evaluation.printed import PrintError, write_pdf

    try:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        _replace(out / f"{name}.json", text)
        if "html" in forms:
            _replace(out / f"{name}.html", html)
        if "pdf" in forms:
            write_pdf(html, out / f"{name}.pdf")
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error}") from None
    except PrintError as error:
        raise CommandError(str(error), status=1) from None
    message(f"written: {', '.join(str(out / f'{name}.{form}') for form in ('json', *forms))}")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
