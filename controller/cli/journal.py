"""``isotherm journal``: the gateway's hash-chained record of every command, verdict and write."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from controller.cli.base import CommandError, Commands, message, print_json
from facility.clock import iso
from safety.journal import JournalError, Record, read, verify

COLUMNS = ("device", "tag", "value", "raw", "who", "why")
"""What a record says of a write or a person, as columns of their own in a table."""


def register(commands: Commands) -> None:
    """Add the command."""
    journal = commands.add_parser("journal", help="the gateway's record of every write")
    actions = journal.add_subparsers(metavar="ACTION", required=True)
    for name, what, run in (
        ("verify", "check that every record is whole and none is missing", run_verify),
        ("show", "print the last records", run_show),
        ("export", "print every record as JSON lines or CSV, each checked", run_export),
    ):
        action = actions.add_parser(name, help=what)
        action.add_argument("path", type=Path, help="journal.jsonl, or the gateway's directory")
        action.set_defaults(run=run)
        if name != "verify":
            action.add_argument("--kind", action="append", help="only this kind (again for more)")
        if name == "show":
            action.add_argument("--last", type=int, default=20, metavar="N", help="default 20")
        if name == "export":
            action.add_argument("--csv", action="store_true", help="a table for a spreadsheet")
        else:
            action.add_argument("--json", action="store_true", help="print JSON")


def run_verify(args: argparse.Namespace) -> int:
    """Verify the chain: exit status 1 at the first damage."""
    path = _path(args)
    try:
        damage = verify(path)
    except JournalError as error:
        raise CommandError(str(error)) from error
    if args.json:
        print_json({"valid": damage is None, "damage": damage and dataclasses.asdict(damage)})
    elif damage is None:
        message(f"{path}: every record is whole, and none is missing")
    else:
        message(f"{path}: {damage}")
    return 0 if damage is None else 1


def run_show(args: argparse.Namespace) -> int:
    """Print the last records."""
    last: Iterable[Record] = deque(_records(args), maxlen=max(args.last, 0))
    if args.json:
        print_json([dataclasses.asdict(record) for record in last])
        return 0
    for record in last:
        data = json.dumps(record.data, sort_keys=True, ensure_ascii=False)
        print(f"{record.number:8d}  {iso(record.time_s)}  {record.kind:12}  {data}")
    return 0


def run_export(args: argparse.Namespace) -> int:
    """Print every record."""
    if args.csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(("number", "time", "kind", *COLUMNS, "data", "hash"))
        for record in _records(args):
            cells = [record.data.get(name, "") for name in COLUMNS]
            data = json.dumps(record.data, sort_keys=True, ensure_ascii=False)
            table.writerow((record.number, iso(record.time_s), record.kind, *cells, data,
                            record.hash))  # fmt: skip
        return 0
    for record in _records(args):
        print(json.dumps(dataclasses.asdict(record), sort_keys=True))
    return 0


def _records(args: argparse.Namespace) -> Iterator[Record]:
    try:
        for record in read(_path(args)):
            if not args.kind or record.kind in args.kind:
                yield record
    except JournalError as error:
        raise CommandError(str(error), status=1) from error


def _path(args: argparse.Namespace) -> Path:
    path: Path = args.path
    return path / "journal.jsonl" if path.is_dir() else path
