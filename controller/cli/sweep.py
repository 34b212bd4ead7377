"""``isotherm sweep``: many scenarios, controls and seeds, on this machine or on Ray."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message

if TYPE_CHECKING:
    from controller.sweep import Engine

ENGINES = ("local", "ray")


def register(commands: Commands) -> None:
    """Add ``sweep``."""
    parser = commands.add_parser(
        "sweep",
        help="run many scenarios at once; goes on where it was interrupted",
        description="FILE.toml: scenarios = [...], and if wanted controls, seeds, hours, model.",
    )
    parser.add_argument("file", type=Path, help="what to run")
    add_engine(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of results and table.csv")
    parser.set_defaults(run=run)


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add ``--engine``, ``--address`` and ``--workers``."""
    parser.add_argument("--engine", choices=ENGINES, default="local")
    parser.add_argument("--address", help="of a Ray cluster (default: start one here)")
    parser.add_argument("--workers", type=int, help="processes here (default: one a processor)")


def engine_of(args: argparse.Namespace) -> Engine:
    """The engine that was asked for.

    Raises
    ------
    SweepError
        Ray is not installed.
    """
    from controller.sweep import LocalEngine, RayEngine

    if args.address and args.engine != "ray":
        raise CommandError("--address belongs to --engine ray")
    if args.workers is not None and args.workers < 1:
        raise CommandError("--workers has to be 1 or more")
    if args.engine == "ray":
        return RayEngine(args.address, args.workers)
    return LocalEngine(args.workers)


def run(args: argparse.Namespace) -> int:
    """Run the sweep and write its table."""
    from controller.sweep import SweepError, read_plan, run_sweep, table

    def progress(done: int, total: int) -> None:
        message(f"{done} of {total} runs done")

    try:
        plan = read_plan(args.file)
        results = run_sweep(plan.tasks(), args.out / "runs", engine_of(args), progress)
    except SweepError as error:
        raise CommandError(str(error), status=1) from None
    except OSError as error:
        raise CommandError(f"{args.out} cannot be written: {error}") from None
    path = args.out / "table.csv"
    table(results).to_csv(path)
    print(path)
    return 0
