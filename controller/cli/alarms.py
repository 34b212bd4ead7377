"""``isotherm alarms``: what asks for somebody; seen, put aside, brought back."""

from __future__ import annotations

import argparse
from typing import Any

from controller.cli.base import Commands
from controller.cli.override import duration
from controller.cli.remote import act, add_options, show_list
from facility.clock import iso

OPEN = ("active", "acknowledged", "returned", "shelved")


def register(commands: Commands) -> None:
    """Add the command."""
    alarms = commands.add_parser("alarms", help="what asks for somebody")
    add_options(alarms)
    alarms.set_defaults(run=run_list, all=False)
    actions = alarms.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="the alarms on the list, newest first")
    listing.add_argument("--all", action="store_true", help="those that have cleared too")
    add_options(listing)
    listing.set_defaults(run=run_list)
    seen = actions.add_parser("ack", help="say that you have seen an alarm")
    seen.add_argument("id")
    seen.add_argument("--note", default="", help="what you do about it")
    add_options(seen)
    seen.set_defaults(run=run_seen)
    shelve = actions.add_parser("shelve", help="put an alarm aside for a while")
    shelve.add_argument("id")
    shelve.add_argument(
        "--for", dest="lasts_s", type=duration, required=True, metavar="TIME", help="at most 12h"
    )
    shelve.add_argument("--why", required=True, help="the reason")
    add_options(shelve)
    shelve.set_defaults(run=run_shelve)
    back = actions.add_parser("unshelve", help="bring a shelved alarm back before its time")
    back.add_argument("id")
    back.add_argument("--why", required=True, help="the reason")
    add_options(back)
    back.set_defaults(run=run_unshelve)


def run_list(args: argparse.Namespace) -> int:
    """Print alarms; exit status 1 while one is active."""
    found = show_list(
        args,
        "/alarms",
        ("id", "since", "state", "priority", "what", "what to do"),
        _row,
        none="no alarms: nothing asks for you",
        state=[] if args.all else list(OPEN),
    )
    return 1 if any(item["state"] == "active" for item in found) else 0


def run_seen(args: argparse.Namespace) -> int:
    """Acknowledge an alarm."""
    return _act(args, "acknowledgements", {"note": args.note})


def run_shelve(args: argparse.Namespace) -> int:
    """Shelve an alarm."""
    return _act(args, "shelvings", {"lasts_s": args.lasts_s, "why": args.why})


def run_unshelve(args: argparse.Namespace) -> int:
    """Bring an alarm back."""
    return _act(args, "unshelvings", {"why": args.why})


def _act(args: argparse.Namespace, action: str, body: dict[str, Any]) -> int:
    path = f"/alarms/{args.id}/{action}"
    return act(args, path, body, lambda told: f"alarm {args.id} is {told['state']}")


def _row(alarm: dict[str, Any]) -> tuple[str, ...]:
    body = alarm["body"]
    mark = " (first)" if body.get("first_out") else ""
    return (
        alarm["id"],
        iso(alarm["time_s"]),
        alarm["state"],
        body["priority"] + mark,
        body["text"],
        body["action"],
    )
