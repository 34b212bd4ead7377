"""``isotherm points``: points lists from spreadsheets into a site, and out again."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli import points_scan
from controller.cli.base import CommandError, Commands, message, print_json

if TYPE_CHECKING:
    from controller.points.difference import Difference
    from facility.loading.points_csv import NumberedPoint, Row
    from facility.loading.problems import Problem, SiteError
    from facility.points import Point
    from facility.site import Site

MOST_SHOWN = 40
"""Lines of a difference; ``--json`` has them all."""


def register(commands: Commands) -> None:
    """Add the commands."""
    parser = commands.add_parser("points", help="points lists: import, check, compare, export")
    parts = parser.add_subparsers(title="points commands", metavar="COMMAND", required=True)
    what = "a workbook (.xlsx), a CSV file, or a folder of CSV files"

    check = parts.add_parser("check", help="check a points list, all problems at once")
    check.add_argument("list", type=Path, help=what)
    _site_option(check)
    check.set_defaults(run=run_check)

    bring = parts.add_parser("import", help="put a points list into a site, if all of it is right")
    bring.add_argument("list", type=Path, help=what)
    _site_option(bring)
    bring.add_argument(
        "--merge", action="store_true", help="keep the site's points that the list does not name"
    )
    bring.add_argument("--dry-run", action="store_true", help="show what would change, and stop")
    bring.set_defaults(run=run_import)

    diff = parts.add_parser("diff", help="compare two points lists; exit status 1 if they differ")
    diff.add_argument("before", type=Path, help=what)
    diff.add_argument("after", type=Path, help=what)
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=run_diff)

    points_scan.add(parts)

    export = parts.add_parser("export", help="write a site and its points as Brick (Turtle)")
    export.add_argument("--brick", type=Path, required=True, metavar="FILE", help="to be written")
    _site_option(export)
    export.set_defaults(run=run_export)


def _site_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--site", type=Path, default=Path(), help="the folder with site.toml (default: here)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_check(args: argparse.Namespace) -> int:
    """Check a list against its site; exit status 1 where something is wrong."""
    from facility.loading import SiteError

    try:
        _, site, _ = _candidate(args, merge=False)
    except SiteError as error:
        return _report(error, json=args.json)
    if args.json:
        print_json({"ok": True, "points": len(site.points), "actuators": len(site.actuators)})
    else:
        print(f"{args.list}: no problems. {_counts(site)}.")
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Put a list into a site; nothing is written where anything is wrong."""
    from controller.points.difference import difference
    from facility.loading import SiteError
    from facility.loading.points_csv import FILE, read_points, write_points

    try:
        site_toml, site, written = _candidate(args, merge=args.merge)
    except SiteError as error:
        return _report(error, json=args.json)
    ignored: list[Problem] = []
    before: dict[str, Point] = {}
    if (args.site / FILE).exists():
        text = _read(args.site / FILE)
        before = {item.point.tag: item.point for item in read_points(text, ignored)}
    found = difference(before, site.points)
    devices_change = site_toml != written
    if args.json:
        _print_difference_json(found, {"written": not args.dry_run, "points": len(site.points)})
    else:
        _print_difference(found)
    if args.dry_run:
        message("nothing was written (--dry-run)")
        return 0
    if devices_change:
        _replace(args.site / "site.toml", written)
    _replace(args.site / FILE, write_points(list(site.points.values())))
    message(f"wrote {args.site / FILE}: {_counts(site)}")
    if devices_change:
        message(f"wrote the devices of the list into {args.site / 'site.toml'}")
    message("next: `isotherm site check --live` against the gateway")
    return 0


def run_diff(args: argparse.Namespace) -> int:
    """Compare two lists."""
    from controller.points.difference import difference
    from facility.loading import SiteError

    problems: list[Problem] = []
    try:
        before, after = (
            {item.point.tag: item.point for item in _points(path, problems)}
            for path in (args.before, args.after)
        )
        if problems:
            raise SiteError(problems)
    except SiteError as error:
        _report(error, json=args.json)
        return 2
    found = difference(before, after)
    if args.json:
        _print_difference_json(found, {})
    else:
        _print_difference(found)
    return 1 if found else 0


def run_export(args: argparse.Namespace) -> int:
    """Write a site as Brick."""
    from controller.points.brick import turtle
    from facility.loading import SiteError, load_site

    try:
        site = load_site(args.site)
    except SiteError as error:
        return _report(error, json=args.json)
    text = turtle(site)
    _replace(args.brick, text)
    if args.json:
        print_json({"written": str(args.brick), "points": len(site.points)})
    else:
        print(f"wrote {args.brick}: {_counts(site)}")
    return 0


def _candidate(args: argparse.Namespace, *, merge: bool) -> tuple[str, Site, str]:
    """The text of ``site.toml`` as it is, the site as it would be, and the text for that."""
    from controller.points.site_file import with_devices
    from facility.loading import SiteError, build_site
    from facility.loading.points_csv import FILE, points_of, read_points

    problems: list[Problem] = []
    points, devices = _expanded(args.list, problems)
    numbered: list[NumberedPoint] = points_of(points, problems)
    site_toml = _read(args.site / "site.toml")
    written = with_devices(site_toml, devices) if devices else site_toml
    if merge and (args.site / FILE).exists():
        named = {item.point.tag for item in numbered}
        kept = read_points(_read(args.site / FILE), problems)
        numbered = [item for item in kept if item.point.tag not in named] + numbered
    if problems and not numbered:
        raise SiteError(problems)
    return site_toml, build_site(written, numbered, problems), written


def _expanded(path: Path, problems: list[Problem]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    from controller.points.reading import read_list
    from facility.loading.templates import expand

    folder = path if path.is_dir() else path.parent
    own = (folder / "site.toml").exists() and (path.is_dir() or path.name == "points.csv")
    expanded = expand(read_list(path), problems, ask_limit_unit=not own)
    return expanded.points, expanded.devices


def _points(path: Path, problems: list[Problem]) -> list[NumberedPoint]:
    from facility.loading.points_csv import points_of

    return points_of(_expanded(path, problems)[0], problems)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CommandError(
            f"{path}: {reason}; name the folder of the site with --site, or make one with "
            "`isotherm site new`"
        ) from error


def _replace(path: Path, text: str) -> None:
    from adapters.gateway.modes import write_atomically

    try:
        write_atomically(path, text)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", status=1) from error


def _counts(site: Site) -> str:
    return (
        f"{len(site.points)} points of {len(site.devices)} devices, {len(site.actuators)} of them "
        "setpoints"
    )


def _report(error: SiteError, *, json: bool) -> int:
    if json:
        print_json({"ok": False, "problems": [dataclasses.asdict(p) for p in error.problems]})
    else:
        message(str(error))
    return 1


def _print_difference(found: Difference) -> None:
    lines = [f"+ {tag}" for tag in found.added] + [f"- {tag}" for tag in found.removed]
    lines += [
        f"~ {change.tag}: {change.field} {change.before or '(empty)'} -> "
        f"{change.after or '(empty)'}"
        for change in found.changed
    ]
    for line in lines[:MOST_SHOWN]:
        print(line)
    if len(lines) > MOST_SHOWN:
        message(f"... and {len(lines) - MOST_SHOWN} more lines; --json prints all")
    tags = {change.tag for change in found.changed}
    message(f"{len(found.added)} added, {len(found.removed)} removed, {len(tags)} changed")


def _print_difference_json(found: Difference, more: dict[str, object]) -> None:
    print_json({**dataclasses.asdict(found), **more})
