"""``isotherm savings``: plan and size a trial of switchback days."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from controller.cli.base import CommandError, Commands, message, print_json, print_table


def register(commands: Commands) -> None:
    """Add ``savings plan`` and ``savings power``."""
    parser = commands.add_parser("savings", help="plan and size a trial that proves savings")
    parts = parser.add_subparsers(title="savings commands", metavar="COMMAND", required=True)

    plan = parts.add_parser("plan", help="draw by lot which days are Isotherm's")
    plan.add_argument("--start", required=True, help="the first day, as 2027-01-04")
    plan.add_argument("--days", type=int, default=28, help="a multiple of 4 (default: 28)")
    plan.add_argument("--seed", type=int, required=True, help="of the lot; write it down before")
    plan.add_argument("--out", type=Path, required=True, help="file of the schedule")
    plan.set_defaults(run=run_plan)

    power = parts.add_parser("power", help="how likely a trial is to prove a saving here")
    power.add_argument("--data", type=Path, required=True, help="hours of the plant as it runs now")
    power.add_argument("--days", type=int, default=28)
    power.add_argument("--saving", type=float, default=8.0, help="true saving, %% (default: 8)")
    power.add_argument("--trials", type=int, default=200)
    power.add_argument("--json", action="store_true", help="print JSON")
    power.set_defaults(run=run_power)


def run_plan(args: argparse.Namespace) -> int:
    """Draw and write a schedule; an existing one is never drawn over."""
    from controller.evaluation.savings import HourlyError, schedule

    if args.out.exists():
        raise CommandError(f"{args.out} exists; a schedule is drawn once")
    try:
        drawn = schedule(args.start, args.days, args.seed)
    except HourlyError as error:
        raise CommandError(str(error)) from None
    try:
        args.out.write_text(drawn.to_json(), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{args.out} cannot be written: {error}") from None
    days = [datetime.fromtimestamp(drawn.start_s + 86_400.0 * k, UTC) for k in range(args.days)]
    print_table(
        ("day", "", "who runs the plant"),
        [
            (f"{day:%Y-%m-%d}", f"{day:%a}", "Isotherm (automatic)" if own else "local (shadow)")
            for day, own in zip(days, drawn.isotherm, strict=True)
        ],
    )
    message(f"written to {args.out}; change over at midnight UTC")
    return 0


def run_power(args: argparse.Namespace) -> int:
    """Try schedules on the plant's own history."""
    from controller.evaluation.savings import HourlyError, power_of_days, read_hourly

    if not 0.0 <= args.saving < 60.0:
        raise CommandError("--saving is a percentage from 0 to 60")
    if args.trials < 20:
        raise CommandError("--trials: 20 at the least, or the answer is chance itself")
    try:
        before = read_hourly(args.data)
        found = power_of_days(before, args.days, args.saving / 100.0, trials=args.trials)
        chance = power_of_days(before, args.days, 0.0, trials=args.trials)
    except HourlyError as error:
        raise CommandError(str(error)) from None
    if args.json:
        print_json({"power": found, "false_claims": chance, "trials": args.trials})
        return 0
    print(
        f"{args.days} days of switchback would prove a true saving of {args.saving:g} % in "
        f"{found:.0%} of cases, and claim one where there is none in {chance:.0%} "
        f"({args.trials} trials each, on {len(before)} hours of history)."
    )
    return 0
