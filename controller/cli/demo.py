"""``isotherm demo``: a simulated hall under Isotherm, live or headless."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json

if TYPE_CHECKING:
    from controller.demo.options import DemoOptions

LIVE_HOURS = 6.0
LIVE_PACE = 30.0


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("demo", help="run a simulated hall under Isotherm")
    parser.add_argument("--headless", action="store_true", help="no live view; write a report")
    parser.add_argument(
        "--site",
        default="campus",
        help="a reference site (campus, frontier, campus-stages, ...) or a folder",
    )
    parser.add_argument("--hours", type=float, default=LIVE_HOURS, help="of plant time")
    parser.add_argument("--start", default="", help="first day or moment, such as 2024-04-07")
    parser.add_argument("--mode", choices=("shadow", "advisory", "automatic"), default="automatic")
    parser.add_argument("--load", type=Path, help="IT load trace (CSV); default: a generator")
    parser.add_argument("--weather", type=Path, help="weather (EPW); default: a generator")
    parser.add_argument("--out", type=Path, help="folder for the run (default: a new one)")
    parser.add_argument("--rate", type=float, help="wall time, so many times as fast (at most 10)")
    parser.add_argument(
        "--pace", type=float, help=f"bound stepped time (live default: {LIVE_PACE:g} times real)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="of the REST service (0: a free one)")
    parser.add_argument("--model", type=Path, help="a trained model (default: train and keep one)")
    parser.add_argument("--json", action="store_true", help="headless: print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    from controller.demo.options import DemoError, DemoOptions
    from controller.demo.orchestrate import writable
    from facility.commands import Mode

    stamp = time.strftime("%Y%m%d-%H%M%S")
    out: Path = args.out or Path(".isotherm") / "runs" / f"{Path(args.site).name}-{stamp}"
    pace = args.pace
    if pace is None and not args.headless and args.rate is None:
        pace = LIVE_PACE
    options = DemoOptions(
        site=args.site,
        hours=args.hours,
        start=args.start,
        mode=Mode(args.mode),
        out=out,
        load=args.load,
        weather=args.weather,
        rate=args.rate,
        pace=pace,
        seed=args.seed,
        port=args.port,
        model=args.model,
    )
    try:
        writable(out)
        return _headless(options, as_json=args.json) if args.headless else _live(options)
    except DemoError as error:
        raise CommandError(str(error)) from None


def _headless(options: DemoOptions, *, as_json: bool) -> int:
    from controller.demo.orchestrate import headless
    from controller.evaluation import headline

    report = headless(options, ProgressLine())
    if as_json:
        print_json(report)
    else:
        print(headline(report))
        print(f"report: {options.out / 'report.html'}")
    return 0


def _live(options: DemoOptions) -> int:
    from controller.demo.live import live

    live(options, ProgressLine())
    return 0


class ProgressLine:
    """Progress on stderr: one line that is renewed on a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        self._stage = ""
        self._tenth = -1

    def __call__(self, stage: str, share: float) -> None:
        """Show that ``share`` (0 to 1) of ``stage`` is done."""
        if sys.stderr.isatty():
            end = "\n" if share >= 1.0 else ""
            sys.stderr.write(f"\r\x1b[K{stage} {100.0 * share:3.0f} %{end}")
            sys.stderr.flush()
            return
        tenth = int(share * 10.0)
        if stage != self._stage or tenth > self._tenth:
            message(f"{stage} {100.0 * share:3.0f} %")
        self._stage, self._tenth = stage, tenth
