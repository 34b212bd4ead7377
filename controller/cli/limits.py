"""``isotherm limits``: the limits in force, and the yes that wider ones need from two people."""

from __future__ import annotations

import argparse

from controller.cli.base import Commands, message, print_json, print_table
from controller.cli.remote import Remote, add_options
from facility.clock import iso


def register(commands: Commands) -> None:
    """Add the command."""
    limits = commands.add_parser("limits", help="the version of the limits; approve wider ones")
    actions = limits.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="how the site's limits differ from those agreed to")
    add_options(show)
    show.set_defaults(run=run_show)
    approve = actions.add_parser("approve", help="say yes to wider limits; two people must")
    approve.add_argument("--why", required=True, help="the reason")
    add_options(approve)
    approve.set_defaults(run=run_approve)


def run_show(args: argparse.Namespace) -> int:
    """Print the limits' version and changes; exit status 1 while approvals are missing."""
    found = Remote.of(args).get("/limits")
    if args.json:
        print_json(found)
        return 1 if found["doubt"] else 0
    print(f"limits version {found['version']} ({found['hash'][:12]})")
    if found["changes"]:
        rows = [
            (c["where"], c["before"], c["after"], "wider" if c["widens"] else "tighter")
            for c in found["changes"]
        ]
        print_table(("limit", "agreed", "wanted", "way"), rows)
    for each in found["approvals"]:
        print(f"approved by {each['who']} at {iso(each['time_s'])}: {each['why']}")
    if found["doubt"]:
        message(f"nothing is written: {found['doubt']}")
        return 1
    return 0


def run_approve(args: argparse.Namespace) -> int:
    """Approve the limits as they stand now."""
    remote = Remote.of(args)
    body = {"hash": remote.get("/limits")["hash"], "why": args.why}
    found = remote.ask("POST", "/limits/approvals", json=body)[0]
    if args.json:
        print_json(found)
    elif found["doubt"]:
        message("your approval is kept; another person must approve, too")
    else:
        message(f"limits version {found['version']} is in force")
    return 0
