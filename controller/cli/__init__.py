"""The command line: ``isotherm GROUP ...``, one module a group of commands.

Every module of this package that has a function ``register`` is a group::

    def register(commands: Commands) -> None:          # controller.cli.base.Commands
        parser = commands.add_parser("status", help="how the plant and Isotherm are doing")
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=run)

    def run(args: argparse.Namespace) -> int:          # the exit status
        ...

Data go to stdout, messages to stderr. A mistake of the user's is a
`controller.cli.base.CommandError`, printed without a trace, exit status 2.
Modules import heavy libraries inside ``run``, so that ``--help`` comes at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence

from controller.cli.base import CommandError, message


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit status: 0 done, 1 failed, 2 asked wrongly."""
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if rest and not getattr(args, "passes_on", False):
        parser.error(f"unrecognised arguments: {' '.join(rest)}")
    args.rest = rest
    try:
        return int(args.run(args))
    except CommandError as error:
        message(f"isotherm: {error}")
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; the interpreter must not complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser with every group that this package holds."""
    parser = argparse.ArgumentParser(
        prog="isotherm",
        description="Predictive control of cooling for liquid-cooled AI data halls.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        if name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        if register := getattr(module, "register", None):
            register(commands)
    return parser
