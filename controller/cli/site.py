"""``isotherm site``: make a reference site, check the files of a real one."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.field import add_options, devices_of, gateway_of

if TYPE_CHECKING:
    from adapters.commissioning.live import Line

DEFAULT_BASE_PORT = 15020


def register(commands: Commands) -> None:
    """Add ``site check`` and ``site new``."""
    parser = commands.add_parser("site", help="make a reference site, check a site's files")
    parts = parser.add_subparsers(title="site commands", metavar="COMMAND", required=True)

    check = parts.add_parser("check", help="check site.toml and points.csv, all problems at once")
    check.add_argument("site", type=Path, help="the folder with site.toml and points.csv")
    check.add_argument("--json", action="store_true", help="print JSON")
    live = check.add_argument_group(
        "live", "read every point through the gateway, and say which cannot be right"
    )
    live.add_argument("--live", action="store_true", help="check what the field says as well")
    live.add_argument("--device", action="append", metavar="ID", help="only this one (repeat)")
    live.add_argument(
        "--watch",
        dest="watch_s",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="watch so long for sensors that stand still (default: read once)",
    )
    live.add_argument("--all", action="store_true", help="list plausible points too")
    live.add_argument(
        "--records", type=Path, metavar="DIR", help="keep the result for a commissioning report"
    )
    add_options(check)
    check.set_defaults(run=run_check)

    new = parts.add_parser("new", help="write a reference site to start from")
    new.add_argument("name", help="campus or frontier")
    new.add_argument("--out", type=Path, help="the folder to write (default: the name)")
    new.add_argument(
        "--base-port", type=int, default=DEFAULT_BASE_PORT, help="port of the first device"
    )
    new.add_argument("--seed", type=int, default=1, help="of the simulated plant's hidden values")
    new.set_defaults(run=run_new)


def run_check(args: argparse.Namespace) -> int:
    """Check a site; exit status 1 where something is wrong."""
    status = _check_files(args)
    return _check_live(args) if status == 0 and args.live else status


def _check_files(args: argparse.Namespace) -> int:
    from facility.loading import SiteError, load_site
    from safety.limits import LimitsError, limits_of

    try:
        site = load_site(args.site)
    except SiteError as error:
        if args.json:
            print_json({"ok": False, "problems": [vars_of(problem) for problem in error.problems]})
        else:
            message(str(error))
        return 1
    counts = {
        "halls": len(site.halls),
        "racks": len(site.racks),
        "cdus": len(site.cdus),
        "crahs": len(site.crahs),
        "chillers": len(site.chillers),
        "towers": len(site.towers),
        "devices": len(site.devices),
        "points": len(site.points),
        "actuators": len(site.actuators),
    }
    try:
        unguarded = limits_of(site).unguarded
    except LimitsError as error:
        if args.json:
            print_json({"ok": False, "problems": [{"what": what} for what in error.problems]})
        else:
            message(str(error))
        return 1
    if args.json and args.live:
        return 0  # one document: that of the live check
    if args.json:
        print_json({"ok": True, "site": site.id, "counts": counts, "unguarded": unguarded})
    else:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        print(f"{site.id} ({site.name}): no problems. {listed}.")
        for device in site.devices.values():
            if device.security.startswith("None"):
                message(f"note: {device.id} speaks OPC UA without security ({device.security})")
        for gap in unguarded:
            message(f"not guarded: {gap}")
    return 0


def _check_live(args: argparse.Namespace) -> int:
    """Read every point and judge it; what was read before Ctrl-C is judged all the same."""
    from adapters.commissioning.live import LiveCheck
    from adapters.commissioning.plausibility import Finding
    from adapters.commissioning.records import RecordsError, keep
    from controller.cli.progress import Progress
    from facility.loading import load_site
    from facility.wire import to_wire

    if not 0.0 <= args.watch_s <= 3600.0:
        raise CommandError("--watch is a number of seconds up to 3600")
    site = load_site(args.site)
    devices = devices_of(site, args.device)
    stopped = False
    with gateway_of(args, site) as gateway, Progress(quiet=args.json) as progress:
        check = LiveCheck(gateway, site, args.watch_s, time.sleep, progress)
        try:
            check.run(devices)
        except KeyboardInterrupt:
            stopped = True
    lines = check.lines()
    wrong = [line for line in lines if line.finding is not Finding.PLAUSIBLE]
    if args.records:
        try:
            keep(args.records, "live_check", site, {"lines": lines, "stopped": stopped})
        except RecordsError as error:
            message(f"the result is not kept: {error}")
    if args.json:
        print_json({"ok": not wrong, "stopped": stopped, "points": to_wire(lines)})
    else:
        _print_lines(lines if args.all else wrong)
        counts = Counter(line.finding.value for line in lines)
        listed = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        message(f"{len(lines)} points of {len(check.asked)} devices: {listed}")
        if stopped:
            message("interrupted: devices that are not listed were not read")
        if not args.watch_s:
            message("sensors that stand still show only with --watch 60")
    if stopped:
        return 130
    return 1 if wrong else 0


def _print_lines(lines: Sequence[Line]) -> None:
    if not lines:
        return
    rows = []
    for line in lines:
        verdict = line.finding.value + (f": {line.detail}" if line.detail else "")
        rows.append(
            (
                line.tag,
                "-" if line.value is None else f"{line.value:.5g}",
                line.unit,
                line.quality,
                "-" if line.age_s is None else f"{line.age_s:.0f} s",
                "-" if line.round_trip_ms is None else f"{line.round_trip_ms:.1f} ms",
                verdict,
            )
        )
    print_table(("tag", "value", "unit", "quality", "age", "round trip", "verdict"), rows)


def run_new(args: argparse.Namespace) -> int:
    """Write a reference site; an existing one is never overwritten."""
    from sim.sites import write

    out: Path = args.out or Path(args.name)
    if (out / "site.toml").exists():
        raise CommandError(f"{out} holds a site already; choose another folder with --out")
    try:
        write(args.name, out, args.base_port, seed=args.seed)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None
    print(f"wrote {out}/site.toml, points.csv and plant.toml; next: isotherm site check {out}")
    return 0


def vars_of(problem: object) -> dict[str, str]:
    """A problem's fields for JSON."""
    return {name: getattr(problem, name) for name in ("file", "row", "field", "what", "mend")}
