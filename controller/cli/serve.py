"""``isotherm serve``: the controller with its REST interface."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from controller.cli.base import CommandError, Commands, message
from facility.commands import Mode


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the controller and its REST interface")
    parser.add_argument("--site", type=Path, required=True, help="directory of the site")
    parser.add_argument("--state", type=Path, required=True, help="where it keeps what it knows")
    parser.add_argument(
        "--database",
        default=os.environ.get("ISOTHERM_DATABASE"),
        metavar="URL",
        help="postgresql://user@host/database for records and telemetry (default: in --state; "
        "ISOTHERM_DATABASE); the password goes into PGPASSFILE",
    )
    parser.add_argument("--gateway", type=Path, required=True, help="the gateway's socket")
    parser.add_argument("--model", type=Path, required=True, help="directory of a trained model")
    parser.add_argument(
        "--clock-file", type=Path, help="ready.json of a simulator (default: the wall's clock)"
    )
    parser.add_argument(
        "--service",
        type=Path,
        help="service.toml: TLS, log-in by the organisation's account, mail, webhook, rates "
        "(default: the one in the site's directory, where there is one)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8420, help="0 takes any free port")
    parser.add_argument(
        "--mode",
        choices=[mode.value for mode in Mode],
        help="ask the gateway for this mode of all actuators (default: leave them)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until the end of a simulated run, or until stopped."""
    import logging

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    from controller.assembly import Settings, StartError, serve

    try:
        return serve(
            Settings(
                site=args.site,
                state=args.state,
                gateway=args.gateway,
                model=args.model,
                clock_file=args.clock_file,
                host=args.host,
                port=args.port,
                service=args.service,
                mode=Mode(args.mode) if args.mode else None,
                database=args.database,
            )
        )
    except StartError as error:
        message("isotherm serve: nothing was started")
        raise CommandError(str(error)) from error
