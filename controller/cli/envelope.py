"""``isotherm envelope``: try out what a site's envelope says, without a gateway or a plant."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json

if TYPE_CHECKING:
    from controller.playground.play import Event, Play


def register(commands: Commands) -> None:
    """Add ``envelope try``."""
    parser = commands.add_parser("envelope", help="try out the limits of a site")
    parts = parser.add_subparsers(metavar="ACTION", required=True)
    trial = parts.add_parser(
        "try",
        help="feed commands and readings from a file to a site's envelope",
        description="Feeds commands and readings from a file to a site's envelope, and prints "
        "each verdict with the check that bound and the numbers it saw. The format of the file "
        "is in docs/playground.md; docs/examples holds one to start from.",
    )
    trial.add_argument("--site", type=Path, required=True, help="the site's folder")
    trial.add_argument("--script", type=Path, required=True, help="a .toml or .jsonl file")
    trial.add_argument("--json", action="store_true", help="print JSON")
    trial.set_defaults(run=run_try)


def run_try(args: argparse.Namespace) -> int:
    """Play the script; exit status 1 where something that it expects does not come true."""
    from controller.playground.play import Play
    from controller.playground.script import ScriptError, read_script
    from facility.loading import SiteError, load_site
    from safety.limits import LimitsError

    try:
        script = read_script(args.script)
        play = Play(load_site(args.site), script.start_s)
        events = list(play.run(script))
    except (ScriptError, SiteError, LimitsError) as error:
        raise CommandError(str(error)) from error
    if args.json:
        print_json(_as_json(play, events))
    else:
        for event in events:
            print("\n".join(_lines(event)))
    for each in play.surprises:
        message(f"step {each.step}: {each.text}")
    return 1 if play.surprises else 0


def _as_json(play: Play, events: list[Event]) -> dict[str, object]:
    return {
        "site": play.site.id,
        "limits": play.envelope.limits.hash,
        "events": [dataclasses.asdict(event) for event in events],
        "surprises": [dataclasses.asdict(each) for each in play.surprises],
    }


def _lines(event: Event) -> list[str]:
    asked = "" if event.asked is None else f" {event.asked:g}"
    value = "" if event.value is None else f" {event.value:g}"
    answer = event.outcome if event.outcome != "done" else ""
    head = f"{event.after_s:8g} s  {event.what} {event.subject}{asked}"
    arrow = f"  ->  {answer}{value}" if answer or value else ""
    lines = [f"{head}{arrow}"]
    if event.check or event.detail:
        lines.append(" " * 12 + ": ".join(part for part in (event.check, event.detail) if part))
    if event.saw:
        numbers = "  ".join(f"{name}={number:.10g}" for name, number in event.saw.items())
        lines.append(" " * 12 + numbers)
    return lines
