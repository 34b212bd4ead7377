"""``isotherm gateway``: the process that owns every write to the field."""

from __future__ import annotations

import argparse
import os
import sys

from controller.cli.base import Commands


def register(commands: Commands) -> None:
    """Add the command; its options are the gateway's own."""
    parser = commands.add_parser(
        "gateway",
        help="run the gateway, the only process that writes to the field",
        add_help=False,
    )
    parser.set_defaults(run=run, passes_on=True)


def run(args: argparse.Namespace) -> int:
    """Become the gateway: a fresh interpreter that has loaded nothing of the controller."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(  # noqa: S606 - our own interpreter, no shell, arguments go on as they are
        sys.executable, [sys.executable, "-m", "adapters.gateway", *args.rest]
    )
