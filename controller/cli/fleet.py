"""``isotherm fleet``: several sites side by side."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from controller.cli.base import CommandError, Commands, message, print_json, print_table


def register(commands: Commands) -> None:
    """Add ``fleet``."""
    parser = commands.add_parser(
        "fleet",
        help="several sites side by side, from their stores",
        description="FILE.toml: [[sites]] with name, and state (the folder of `isotherm serve`) or "
        "database (postgresql://...; its password in the file that PGPASSFILE names).",
    )
    parser.add_argument("file", type=Path, help="the list of sites")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page besides")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the table; answer 1 where a site's store cannot be read."""
    from controller.fleet import FleetError, read_sites, view_of
    from controller.fleet.page import HEAD, page, rows_of

    try:
        entries = read_sites(args.file)
    except FleetError as error:
        raise CommandError(str(error)) from None
    views = [view_of(entry) for entry in entries]
    if args.html is not None:
        try:
            args.html.write_text(page(views, time.time()), encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{args.html} cannot be written: {error}") from None
        message(f"written: {args.html}")
    if args.json:
        print_json([view.plain() for view in views])
    else:
        print_table(HEAD, rows_of([view for view in views if not view.error]))
    for view in views:
        if view.error:
            message(f"{view.name}: {view.error}")
    return 1 if any(view.error for view in views) else 0
