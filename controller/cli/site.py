"""``isotherm site``: make a reference site, check the files of a real one."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.base import CommandError, Commands, message, print_json

DEFAULT_BASE_PORT = 15020


def register(commands: Commands) -> None:
    """Add ``site check`` and ``site new``."""
    parser = commands.add_parser("site", help="make a reference site, check a site's files")
    parts = parser.add_subparsers(title="site commands", metavar="COMMAND", required=True)

    check = parts.add_parser("check", help="check site.toml and points.csv, all problems at once")
    check.add_argument("site", type=Path, help="the folder with site.toml and points.csv")
    check.add_argument("--json", action="store_true", help="print JSON")
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
