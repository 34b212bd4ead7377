"""``isotherm release``: give the plant back, without the controller.

Speaks to the gateway's socket itself, so that it works when the controller is dead.
"""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path
from typing import Any

from controller.cli.base import CommandError, Commands, message, print_json
from controller.cli.field import socket_of


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "release", help="give the plant back to its own control, now (needs no controller)"
    )
    parser.add_argument(
        "--gateway",
        type=Path,
        default=os.environ.get("ISOTHERM_GATEWAY"),
        help="the gateway's socket (or set ISOTHERM_GATEWAY)",
    )
    parser.add_argument(
        "--state", type=Path, default=os.environ.get("ISOTHERM_STATE"), help="or ask a controller's"
    )
    parser.add_argument("--actuator", action="append", metavar="ID", help="only these")
    parser.add_argument("--why", default="isotherm release", help="for the journal")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Release, and say what was released."""
    from adapters.gateway.client import GatewayError, GatewayRefusal, SyncGatewayClient

    path = socket_of(args)
    try:
        with SyncGatewayClient(path) as client:
            answer: Any = client.call(
                "release", actuators=args.actuator, who=getpass.getuser(), why=args.why
            )
    except GatewayRefusal as error:
        raise CommandError(f"the gateway did not release: {error}", status=1) from error
    except GatewayError as error:
        raise CommandError(
            f"{error}. Without a gateway no heartbeat reaches the devices: they return to local "
            "control by their own watchdogs",
            status=1,
        ) from error
    if args.json:
        print_json(answer)
    else:
        message("given back; `isotherm arm`, then `isotherm mode`, let Isotherm write again")
        _tell(answer)
    return 0


def _tell(answer: dict[str, Any]) -> None:
    """What was released, in words."""
    released, confirmed = answer["released"], set(answer["confirmed"])
    if not released:
        print("no device was held: all were in their own control already")
    for device in released:
        shown = "shows its own control" if device in confirmed else "HAS NOT SHOWN ITS OWN CONTROL"
        print(f"{device}: released, {shown}")
    if set(released) - confirmed:
        print("what has not shown it yet falls back by its own watchdog: look at the machine")
    print(f"{len(answer['actuators'])} setpoints are in mode {answer['mode']}")
