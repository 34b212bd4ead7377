"""``isotherm override``: a person's own setpoint, with a reason and an end."""

from __future__ import annotations

import argparse
import re
from typing import Any

from controller.cli.base import CommandError, Commands, message, print_json
from controller.cli.remote import Remote, act, add_options, show_list
from facility.clock import iso

UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def register(commands: Commands) -> None:
    """Add the command."""
    override = commands.add_parser("override", help="hold a setpoint yourself")
    add_options(override)
    override.set_defaults(run=run_list, all=False)
    actions = override.add_subparsers(metavar="ACTION")
    place = actions.add_parser("set", help="hold an actuator, or a group, at a value")
    place.add_argument("target", help="actuator or group")
    place.add_argument("value", type=float, help="in its canonical unit")
    place.add_argument(
        "--for", dest="lasts_s", type=duration, required=True, metavar="TIME", help="as 90min, 2h"
    )
    place.add_argument("--why", required=True, help="the reason")
    add_options(place)
    place.set_defaults(run=run_set)
    listing = actions.add_parser("list", help="overrides, newest first")
    listing.add_argument("--all", action="store_true", help="those that have ended too")
    add_options(listing)
    listing.set_defaults(run=run_list)
    end = actions.add_parser("release", help="end an override before its time")
    end.add_argument("id")
    end.add_argument("--why", required=True, help="the reason")
    add_options(end)
    end.set_defaults(run=run_release)


def duration(text: str) -> float:
    """Seconds of ``90min``, ``2h``, ``1.5d`` or ``600`` (seconds)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90min, 2h or 1d")
    return float(match[1]) * UNITS_S[match[2] or "s"]


def run_set(args: argparse.Namespace) -> int:
    """Place an override."""
    body = {
        "target": args.target,
        "value": args.value,
        "lasts_s": args.lasts_s,
        "why": args.why,
    }
    answer, _ = Remote.of(args).ask("POST", "/overrides", json=body)
    if args.json:
        print_json(answer)
        return 0
    for placed in answer["overrides"]:
        until = iso(placed["expires_at_s"])
        print(placed["id"])
        message(f"{placed['actuator']} is held at {placed['value']:g} until {until}")
    for receipt in answer["receipts"]:
        verdict = receipt["verdict"]
        if verdict["outcome"] == "limit":
            message(
                f"{receipt['actuator']} goes to {verdict['value']:g} for now "
                f"({verdict['check']}: {verdict['detail']})"
            )
    refused = [r for r in answer["receipts"] if r["verdict"]["outcome"] == "refuse"]
    if refused:
        verdict = refused[0]["verdict"]
        raise CommandError(
            f"the envelope refuses the write for now ({verdict['check']}: {verdict['detail']}); "
            "it is asked for again while the override lasts",
            status=1,
        )
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print overrides."""
    show_list(
        args,
        "/overrides",
        ("id", "state", "actuator", "value", "until", "who", "why"),
        _row,
        none="no override is in force: every setpoint follows its mode",
        state=[] if args.all else ["active"],
    )
    return 0


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    held = item["override"]
    return (
        item["id"],
        item["state"],
        held["actuator"],
        f"{held['value']:g}",
        iso(held["expires_at_s"]),
        held["who"],
        held["why"],
    )


def run_release(args: argparse.Namespace) -> int:
    """End an override."""
    path = f"/overrides/{args.id}/releases"
    return act(args, path, {"why": args.why}, lambda _: f"override {args.id} has ended")
