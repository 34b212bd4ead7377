"""``isotherm serve``: the controller with its REST interface."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from controller.cli.base import CommandError, Commands, message
from controller.cli.configured import configured, environment
from facility.commands import Mode

REQUIRED = ("site", "state", "gateway", "model")
OPTIONAL = ("database", "clock_file", "service", "host", "port", "mode")
KEPT = {"keep_readings_days": "readings_days", "keep_trends_days": "trends_days"}


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="run the controller and its REST interface")
    parser.add_argument(
        "--config",
        type=Path,
        help="isotherm.toml with what is not given here (default: ISOTHERM_CONFIG; every option "
        "is also read from ISOTHERM_<NAME>)",
    )
    parser.add_argument("--site", type=Path, help="directory of the site")
    parser.add_argument("--state", type=Path, help="where it keeps what it knows")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="postgresql://user@host/database for records and telemetry (default: in --state); "
        "the password goes into PGPASSFILE",
    )
    parser.add_argument("--gateway", type=Path, help="the gateway's socket")
    parser.add_argument("--model", type=Path, help="directory of a trained model")
    parser.add_argument(
        "--clock-file", type=Path, help="ready.json of a simulator (default: the wall's clock)"
    )
    parser.add_argument(
        "--service",
        type=Path,
        help="service.toml: TLS, log-in by the organisation's account, mail, webhook, rates "
        "(default: the one in the site's directory, where there is one)",
    )
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="0 takes any free port (default: 8420)")
    parser.add_argument(
        "--login-link",
        action="store_true",
        help="keep a link in STATE/login-link that logs in once (for a demonstration, on loopback)",
    )
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
    tables = configured(args, "serve", environment(), REQUIRED, OPTIONAL)
    from controller.assembly import Settings, serve
    from controller.starting import StartError
    from controller.storage.ports import Retention

    try:
        return serve(
            Settings(
                site=Path(args.site),
                state=Path(args.state),
                gateway=Path(args.gateway),
                model=Path(args.model),
                clock_file=_path(args.clock_file),
                host=args.host or "127.0.0.1",
                port=8420 if args.port is None else int(args.port),
                service=_path(args.service),
                login_link=args.login_link,
                mode=Mode(args.mode) if args.mode else None,
                database=args.database,
                retention=Retention(**retention_of(tables)),
            )
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    except StartError as error:
        message("isotherm serve: nothing was started")
        raise CommandError(str(error)) from error


def retention_of(tables: dict[str, Any]) -> dict[str, float]:
    """How long telemetry is kept, of a configuration's ``[serve.storage]``."""
    found = {}
    for name, value in tables.get("storage", {}).items():
        if name not in KEPT or not isinstance(value, (int, float)) or isinstance(value, bool):
            raise CommandError(f"[serve.storage]: {name} = {value!r}; known are {', '.join(KEPT)}")
        found[KEPT[name]] = float(value)
    return found


def _path(text: str | Path | None) -> Path | None:
    return None if text is None else Path(text)
