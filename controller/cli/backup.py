"""``isotherm backup``: copies of a state directory, and their restoration."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from controller.cli.base import CommandError, Commands, message

MIB = 1024.0**2


def register(commands: Commands) -> None:
    """Add the group."""
    parser = commands.add_parser("backup", help="copy a state directory, check and restore copies")
    actions = parser.add_subparsers(title="backup commands", metavar="COMMAND", required=True)

    make = actions.add_parser("make", help="copy a state directory while the controller runs")
    make.add_argument("--state", type=Path, required=True, help="of `isotherm serve`")
    make.add_argument("to", type=Path, help="a new directory")
    make.set_defaults(run=lambda args: _run(_make, args))

    check = actions.add_parser("verify", help="check that a backup is whole")
    check.add_argument("backup", type=Path)
    check.set_defaults(run=lambda args: _run(_verify, args))

    back = actions.add_parser(
        "restore", help="put a backup in the place of a state directory (which is kept beside it)"
    )
    back.add_argument("backup", type=Path)
    back.add_argument("--state", type=Path, required=True, help="of `isotherm serve`, stopped")
    back.set_defaults(run=lambda args: _run(_restore, args))


def _run(run: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    from controller.storage.ports import StorageError

    try:
        run(args)
    except StorageError as error:
        raise CommandError(str(error), status=1) from error
    return 0


def _make(args: argparse.Namespace) -> None:
    from controller.storage.backup import back_up

    size = back_up(args.state, args.to)
    message(f"copied {size / MIB:.1f} MiB to {args.to}")


def _verify(args: argparse.Namespace) -> None:
    from controller.storage.backup import verify

    size = verify(args.backup)
    message(f"{args.backup} is whole: {size / MIB:.1f} MiB")


def _restore(args: argparse.Namespace) -> None:
    from controller.storage.backup import restore

    size = restore(args.backup, args.state)
    message(f"restored {size / MIB:.1f} MiB to {args.state}; what was there lies beside it")
