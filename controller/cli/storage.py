"""``isotherm storage``: what is kept, in and out of it, and its upgrades."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.stores import add_place, place_of
from facility.clock import iso

if TYPE_CHECKING:
    from controller.storage.opening import Stores

MIB = 1024.0**2


def register(commands: Commands) -> None:
    """Add the group."""
    parser = commands.add_parser("storage", help="what is kept: status, export, import, upgrade")
    actions = parser.add_subparsers(title="storage commands", metavar="COMMAND", required=True)

    status = _action(actions, "status", "how full the store is, and at which migration", _status)
    status.add_argument("--json", action="store_true", help="print JSON")

    out = _action(actions, "export", "write readings as CSV or Parquet", _export)
    out.add_argument("file", type=Path, help="ends in .csv or .parquet")
    out.add_argument("--tag", action="append", help="a tag, or a pattern such as 'cdu*' (again)")
    out.add_argument("--from", dest="start", metavar="TIME", help="ISO 8601 (default: the first)")
    out.add_argument("--to", dest="end", metavar="TIME", help="ISO 8601 (default: the last)")
    out.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help="values in force on a grid, a column a tag (default: readings as they are kept)",
    )

    take = _action(actions, "import", "take readings in from CSV or Parquet", _import)
    take.add_argument("file", type=Path, help="as `isotherm storage export` writes them")

    compact = _action(
        actions, "compact", "compact finished hours now, and let go of what is too old", _compact
    )
    compact.add_argument(
        "--keep-readings", type=float, metavar="DAYS", help="readings older than this go"
    )
    compact.add_argument(
        "--keep-trends", type=float, metavar="DAYS", help="five-minute trends older than this go"
    )

    _action(actions, "upgrade", "bring the store to this version; a copy is kept first", _upgrade)
    back = _action(actions, "downgrade", "take the store back; a copy is kept first", _downgrade)
    back.add_argument(
        "to", nargs="+", metavar="CHAIN=REVISION", help="such as hot=h0001 (see `status`)"
    )


def _action(
    actions: Commands, name: str, what: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what)
    add_place(parser)
    parser.set_defaults(run=lambda args: _run(run, args))
    return parser


def _run(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    from controller.storage.ports import StorageError
    from controller.storage.transfer import TransferError

    try:
        return run(args)
    except (StorageError, TransferError, ValueError) as error:
        raise CommandError(str(error)) from error


def _status(args: argparse.Namespace) -> int:
    from controller.storage.opening import open_present
    from controller.storage.upgrading import levels

    place = place_of(args)
    found = levels(place) if place.exists else []
    behind = [one for one in found if not one.is_head]
    if behind:
        usage = None
    else:
        stores = open_present(place)
        try:
            usage = stores.telemetry.usage()
        finally:
            stores.close()
    if args.json:
        print_json(
            {
                "place": str(place),
                "usage": usage and dataclasses.asdict(usage),
                "migrations": [dataclasses.asdict(one) for one in found],
            }
        )
        return 0
    print_table(
        ("chain", "at", "newest"), [(one.chain, one.current or "-", one.head) for one in found]
    )
    if usage is None:
        message("run `isotherm storage upgrade` to see and use the rest")
        return 1
    rows = [
        ("points", f"{usage.tags}"),
        ("readings", f"{usage.readings} ({usage.hot_readings} of them not compacted yet)"),
        ("five-minute trends", f"{usage.trends}, up to {_moment(usage.trends_to_s)}"),
        ("first", _moment(usage.first_s)),
        ("last", _moment(usage.last_s)),
        ("readings from", _moment(usage.readings_from_s)),
        ("size", f"{usage.bytes / MIB:.1f} MiB"),
    ]
    print()
    print_table(("telemetry", str(place)), rows)
    return 0


def _export(args: argparse.Namespace) -> int:
    from controller.storage.opening import open_present
    from controller.storage.transfer import export_frame, export_rows, format_of, span_of

    format_of(args.file)
    stores = open_present(place_of(args))
    try:
        start_s, end_s = span_of(stores.telemetry, _time(args.start), _time(args.end))
        tags = _tags(stores, args.tag)
        if args.every is None:
            count = export_rows(stores.telemetry, args.file, tags, start_s, end_s)
        else:
            count = export_frame(stores.telemetry, args.file, tags, (start_s, end_s), args.every)
    finally:
        stores.close()
    message(f"wrote {count} rows of {len(tags)} tags to {args.file}")
    return 0


def _import(args: argparse.Namespace) -> int:
    from controller.storage.opening import open_stores
    from controller.storage.transfer import format_of, import_rows
    from controller.storage.upgrading import alone

    format_of(args.file)
    place = place_of(args)
    with alone(place.state):
        stores = open_stores(place)
        try:
            count, new = import_rows(stores.telemetry, args.file)
        finally:
            stores.close()
    message(f"{count} readings in {args.file}: {new} were new and are kept")
    return 0


def _compact(args: argparse.Namespace) -> int:
    from controller.storage.opening import open_present
    from controller.storage.ports import Retention
    from controller.storage.upgrading import alone

    policy = Retention(args.keep_readings, args.keep_trends)
    place = place_of(args)
    with alone(place.state):
        stores = open_present(place)
        try:
            extent = stores.telemetry.extent()
            now_s = extent[1] if extent else 0.0
            moved = stores.telemetry.compact(now_s)
            went = stores.telemetry.retain(policy, now_s)
        finally:
            stores.close()
    message(f"{moved} readings compacted, {went} let go")
    return 0


def _upgrade(args: argparse.Namespace) -> int:
    from controller.storage.upgrading import to_heads

    place = place_of(args)
    if not place.exists:
        raise CommandError(f"{place} holds nothing to upgrade")
    return _move(args, to_heads(place), "upgrade")


def _downgrade(args: argparse.Namespace) -> int:
    targets = []
    for asked in args.to:
        chain, found, revision = asked.partition("=")
        if not found:
            raise CommandError(f"{asked!r}: write CHAIN=REVISION, such as hot=h0001")
        targets.append((chain, revision))
    return _move(args, targets, "downgrade")


def _move(args: argparse.Namespace, targets: list[tuple[str, str]], what: str) -> int:
    from controller.storage.backup import back_up
    from controller.storage.upgrading import alone, check, move

    place = place_of(args)
    check(place, targets)
    if not targets:
        message(f"{place} is at this version already")
        return 0
    with alone(place.state):
        if place.database is None:
            copy = place.state / "backups" / f"before-{what}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            back_up(place.state, copy, telemetry_files=False)
            message(f"kept a copy of the databases in {copy}")
        else:
            message("a database of a fleet is backed up by its own means (pg_dump)")
        for before, after in move(place, targets):
            print(f"{before.chain}: {before.current or 'before migrations'} -> {after.current}")
    return 0


def _tags(stores: Stores, patterns: list[str] | None) -> list[str]:
    known = stores.telemetry.tags()
    if not patterns:
        return list(known)
    found = [tag for tag in known if any(fnmatch(tag, pattern) for pattern in patterns)]
    for pattern in patterns:
        if not any(fnmatch(tag, pattern) for tag in known):
            raise CommandError(f"no tag is kept that matches {pattern!r}")
    return found


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no time: write 2026-11-21T08:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(time_s: float | None) -> str:
    return "-" if time_s is None else iso(time_s)
