"""What commands over stored data share: where the stores are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError

if TYPE_CHECKING:
    from controller.storage.opening import Place


def add_place(parser: argparse.ArgumentParser) -> None:
    """Add ``--state`` and ``--database``."""
    parser.add_argument(
        "--state",
        type=Path,
        default=os.environ.get("ISOTHERM_STATE"),
        help="state directory of `isotherm serve` (of a demo's run: its folder `controller`; "
        "default: ISOTHERM_STATE)",
    )
    parser.add_argument(
        "--database",
        default=os.environ.get("ISOTHERM_DATABASE"),
        metavar="URL",
        help="postgresql://user@host/database where records and telemetry lie there "
        "(default: ISOTHERM_DATABASE)",
    )


def place_of(args: argparse.Namespace) -> Place:
    """The stores that were named."""
    from controller.storage.opening import Place

    if args.state is None:
        raise CommandError("give the state directory with --state")
    args.state = Path(args.state)
    return Place(args.state, args.database)
