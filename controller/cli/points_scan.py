"""``isotherm points scan``: what an unknown device may hold, as a points list to start from."""

from __future__ import annotations

import argparse
import csv
import io
import time
from pathlib import Path

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.field import add_options, devices_of, gateway_of, site_at

COLUMNS = (
    *("tag", "device", "equipment", "quantity", "role", "table", "address", "data_type", "unit"),
    *("access", "scale", "word_order", "sentinels", "note"),
)


def add(parts: Commands) -> None:
    """Add the command."""
    scan = parts.add_parser("scan", help="walk what a device holds, and guess what it is")
    scan.add_argument("device", help="a device of site.toml; it needs no points yet")
    scan.add_argument("--site", type=Path, default=Path(), help="folder of the site (here)")
    scan.add_argument("--out", type=Path, help="write a points.csv that imports (--merge)")
    modbus = scan.add_argument_group("Modbus")
    modbus.add_argument(
        "--table", action="append", choices=("holding", "input", "coil", "discrete"),
        help="only this one (repeat; default: input and holding)",
    )  # fmt: skip
    modbus.add_argument("--first", type=int, default=0, help="first register, from 0 (0)")
    modbus.add_argument("--count", type=int, default=500, help="how many (500)")
    modbus.add_argument("--samples", type=int, default=3, help="times that each is read (3)")
    modbus.add_argument(
        "--every", dest="every_s", type=float, default=2.0, metavar="SECONDS", help="apart (2)"
    )
    scan.add_argument("--json", action="store_true", help="print JSON")
    add_options(scan)
    scan.set_defaults(run=run_scan)


def run_scan(args: argparse.Namespace) -> int:
    """Scan a device; what was found by an interruption is told and kept all the same."""
    from adapters.commissioning.scan import Scan
    from controller.cli.progress import Progress
    from facility.devices import Protocol
    from facility.points import Table

    if not (0 <= args.first <= 65535 and 1 <= args.count <= 65536 - args.first):
        raise CommandError("--first and --count lie within registers 0 to 65535")
    if not (1 <= args.samples <= 100 and 0.0 <= args.every_s <= 600.0):
        raise CommandError("--samples is 1 to 100, --every up to 600 s")
    site = site_at(args.site)
    (name,) = devices_of(site, [args.device])
    device = site.devices[name]
    if args.out and args.out.exists():
        raise CommandError(f"{args.out} exists; give --out another name")
    known = frozenset((p.table, p.address) for p in site.device_points(name))
    stopped = False
    with gateway_of(args, site) as gateway, Progress(quiet=args.json) as progress:
        scan = Scan(gateway, device, known, time.sleep, progress)
        try:
            if device.protocol is Protocol.MODBUS:
                tables = [Table(table) for table in args.table or ("input", "holding")]
                scan.registers(tables, args.first, args.count, args.samples, args.every_s)
            else:
                (table,) = device.protocol.tables
                scan.places(table)
        except KeyboardInterrupt:
            stopped = True
    if args.out and scan.rows:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(scan.rows)
        args.out.write_text(text.getvalue(), encoding="utf-8")
    if args.json:
        print_json(
            {"stopped": stopped, "read": scan.read, "found": scan.rows, "refused": scan.refused}
        )
    else:
        shown = [
            (r["address"], r["table"], r["data_type"], r.get("word_order", "") or "big",
             r.get("scale", "") or "1", r["note"])
            for r in scan.rows
        ]  # fmt: skip
        print_table(("address", "table", "type", "words", "scale", "guess"), shown)
        message(f"{scan.read} read, {len(scan.rows)} that the points list does not name")
        if scan.refused:
            message(f"{len(scan.refused)} not shown, the first: {scan.refused[0]}")
        if args.out and scan.rows:
            message(
                f"wrote {args.out}: give each row its quantity, unit and equipment, then "
                f"`isotherm points import {args.out} --merge --site {args.site}`"
            )
    if stopped:
        message("interrupted: the rest was not read")
        return 130
    return 0
