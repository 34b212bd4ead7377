"""``isotherm status``, ``mode`` and ``arm``: how things are, and how far Isotherm may go."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.remote import Remote, add_options
from controller.cli.standing import tell_request
from facility.commands import Mode


def register(commands: Commands) -> None:
    """Add the commands."""
    status = commands.add_parser("status", help="how the plant and Isotherm are doing")
    add_options(status)
    status.set_defaults(run=run_status)

    mode = commands.add_parser("mode", help="show the modes, or set how far Isotherm may go")
    mode.add_argument("mode", nargs="?", choices=[m.value for m in Mode], help="to be set")
    mode.add_argument(
        "--actuator", action="append", metavar="ID", help="this one (again for more; default all)"
    )
    mode.add_argument("--why", default="", help="the reason; needed to set")
    add_options(mode)
    mode.set_defaults(run=run_mode)

    arm = commands.add_parser("arm", help="lift the latches that a release left")
    arm.add_argument("--why", required=True, help="the reason")
    add_options(arm)
    arm.set_defaults(run=run_arm)


def run_status(args: argparse.Namespace) -> int:
    """Print the status."""
    remote = Remote.of(args)
    status = remote.get("/status")
    if args.json:
        print_json(status)
        return 0
    alarms = remote.get("/alarms", state=["active"])["items"]
    print(f"{status['word']['head']}: {status['word']['text']}")
    ranks = ("high", "medium", "low")
    for alarm in sorted(alarms, key=lambda a: ranks.index(a["body"]["priority"])):
        body = alarm["body"]
        print(f"{body['priority']:>8}: {body['text']}\n      do: {body['action']}")
    modes = ", ".join(f"{count} {mode}" for mode, count in status["modes"].items())
    run: dict[str, Any] = status["run"]
    least = status["least_room"]
    rows = [
        ("site", status["site"]),
        ("plant time", status["time"]),
        ("actuators", modes or "unknown"),
        (
            "least room",
            f"{least['room_k']:.1f} K below its limit: rack {least['rack']} at "
            f"{least['temperature_c']:.1f} °C"
            if least
            else "unknown",
        ),
        ("gateway", status["gateway_error"] or "answers"),
        ("last snapshot", _age(status["snapshot_age_s"])),
        ("last plan", _age(status["plan_age_s"])),
        ("waiting", _waiting(status["pending_proposals"])),
        ("overrides", status["overrides"]),
        ("alarms", status["alarms"]),
        ("ticks", f"{run['ticks']}, of which {run['fallbacks']} by fallback"),
        ("writes", ", ".join(f"{n} {what}" for what, n in run["receipts"].items()) or "none"),
    ]
    for name, value in rows:
        print(f"{name:18}{value}")
    return 0


def _waiting(count: int) -> str:
    if not count:
        return "no proposal"
    return f"{count} proposal{'s' if count > 1 else ''}: `isotherm proposals list --only pending`"


def run_mode(args: argparse.Namespace) -> int:
    """Print or set the modes."""
    remote = Remote.of(args)
    if args.mode is None:
        modes = remote.get("/modes")["modes"]
    else:
        if not args.why.strip():
            raise CommandError("a change of mode needs a reason: --why TEXT")
        body = {"mode": args.mode, "actuators": args.actuator, "why": args.why}
        answer, _ = remote.ask("PUT", "/modes", json=body)
        if "modes" not in answer:  # the site wants two people for this
            if args.json:
                print_json(answer)
            else:
                tell_request(answer)
            return 0
        modes = answer["modes"]
        counts = Counter(modes.values())
        message("now " + ", ".join(f"{count} {mode}" for mode, count in counts.items()))
    if args.json:
        print_json(modes)
    elif args.mode is None:
        print_table(("actuator", "mode"), modes.items())
    return 0


def run_arm(args: argparse.Namespace) -> int:
    """Lift the latches; the modes stay as they are."""
    modes = Remote.of(args).ask("POST", "/armings", json={"why": args.why})[0]["modes"]
    if args.json:
        print_json(modes)
    else:
        message("armed; `isotherm mode MODE --why TEXT` lets Isotherm write again")
    return 0


def _age(seconds: float | None) -> str:
    return "none yet" if seconds is None else f"{seconds:.0f} s ago"
