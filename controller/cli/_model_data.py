"""``isotherm model check | experiment | explain``: before a model, and inside one."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli._model_shared import mistakes, read, site_data
from controller.cli.base import CommandError, Commands, message, print_json, print_table


def add(parts: Commands) -> None:
    """Add the three."""
    check = parts.add_parser("check", help="whether a history can be trained on, and what to mend")
    site_data(check)
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run_check)

    experiment = parts.add_parser(
        "experiment", help="plan a commissioning experiment within the envelope"
    )
    experiment.add_argument("--site", type=Path, required=True, help="folder of the site")
    experiment.add_argument("--hours", type=float, required=True)
    experiment.add_argument("--out", type=Path, required=True, help="plan.csv; rules beside it")
    experiment.add_argument("--seed", type=int, default=0)
    experiment.add_argument("--wet-bulb", type=float, metavar="C", help="expected, °C")
    experiment.add_argument(
        "--start",
        action="append",
        default=[],
        metavar="ACTUATOR=VALUE",
        help="in force at the beginning (default: the fallback); may be given often",
    )
    experiment.set_defaults(run=run_experiment)

    explain = parts.add_parser("explain", help="why a rack is expected to be as warm as it is")
    site_data(explain)
    explain.add_argument(
        "--model", type=Path, required=True, help="folder of a trained model, or of a registry"
    )
    explain.add_argument("--rack", required=True)
    explain.add_argument("--ahead", type=int, default=60, metavar="MINUTES")
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.set_defaults(run=run_explain)


def run_check(args: argparse.Namespace) -> int:
    """Exit 0 where it can be trained on, 1 where it cannot."""
    from facility.clock import iso
    from models.quality import check

    with mistakes():
        site, frame = read(args)
        report = check(site, frame)
    if args.json:
        print_json(report.to_json())
        return 0 if report.usable else 1
    for problem in report.problems:
        print(f"cannot be used: {problem}")
    for finding in report.findings:
        print(f"look at: {finding}")
    if report.first_s is not None and report.last_s is not None:
        print(
            f"{report.usable_rows} of {report.rows} minutes usable, {iso(report.first_s)} to "
            f"{iso(report.last_s)}, version {report.content_hash}"
        )
        print_table(
            ("group", "of its range", "moves"),
            [(e.group, f"{e.covered:.0%}", e.moves) for e in report.excitation],
        )
    return 0 if report.usable else 1


def run_experiment(args: argparse.Namespace) -> int:
    """Write the plan and its rules; exit 0."""
    from controller.lifecycle.experiment import plan
    from facility.loading import load_site
    from models.versions import replace_text

    start = {}
    for text in args.start:
        name, _, value = text.partition("=")
        try:
            start[name] = float(value)
        except ValueError:
            raise CommandError(f"--start {text}: give it as ACTUATOR=NUMBER") from None
    with mistakes():
        found = plan(
            load_site(args.site),
            args.hours,
            seed=args.seed,
            wet_bulb_c=args.wet_bulb,
            start=start,
        )
        rules = args.out.with_suffix(".md")
        if rules == args.out:
            raise CommandError("--out names the plan, as plan.csv; its rules go beside it as .md")
        replace_text(args.out, found.to_csv())
        replace_text(rules, found.to_text())
    covered = sorted(found.covered().values())
    print(
        f"{len(found.writes)} writes; half of the actuators cover {covered[len(covered) // 2]:.0%} "
        f"of their range or more, the least {covered[0]:.0%}"
    )
    message(f"written: {args.out}, and {rules}: read the rule to turn back before you begin")
    return 0


def run_explain(args: argparse.Namespace) -> int:
    """Print what makes up the prediction; exit 0."""
    from controller.lifecycle.explaining import MOST_AHEAD_MIN, explain_rack
    from facility.clock import iso
    from models.dataset import History
    from models.registry import Bundle

    if not 1 <= args.ahead <= MOST_AHEAD_MIN:
        raise CommandError(f"--ahead is 1 to {MOST_AHEAD_MIN} minutes")
    with mistakes():
        site, frame = read(args)
        if args.rack not in site.racks:
            raise CommandError(f"there is no rack {args.rack!r} at {site.id}")
        bundle = Bundle.load(args.model, site)
        found = explain_rack(site, bundle, History.of(site, frame), args.rack, args.ahead)
    if args.json:
        print_json(found.to_json())
        return 0
    print(
        f"rack {found.rack} at {iso(found.at_s)}: {found.predicted_c:.1f} °C expected, with "
        "setpoints, load and weather as they are now"
    )
    rows = [("the last day's usual conditions", f"{found.reference_c:.1f}")]
    rows += [(words, f"{k:+.2f}") for words, k in found.ranked()]
    print_table(("because of", "°C, K"), rows)
    print_table(
        ("", "then", "usually"),
        [(name, f"{found.now[name]:.1f}", f"{found.reference[name]:.1f}") for name in found.now],
    )
    return 0
