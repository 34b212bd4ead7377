"""``isotherm proposals``, ``approve``, ``reject``, ``undo``: what Isotherm would do; yes or no."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.remote import Remote, act, add_options, show_list
from facility.clock import iso

BINDING_SAID = 6
"""Of the constraints that bind, the most costly."""
UNITS = {"degC": "°C"}
"""As people write them, where that differs from the points list."""


def register(commands: Commands) -> None:
    """Add the commands."""
    proposals = commands.add_parser("proposals", help="what Isotherm proposes")
    add_options(proposals)
    proposals.set_defaults(run=run_list, only=None, limit=20)
    actions = proposals.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="proposals, newest first")
    listing.add_argument(
        "--only", action="append", metavar="STATE", help="pending, approved, rejected, expired ..."
    )
    listing.add_argument("--limit", type=int, default=20)
    add_options(listing)
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="one proposal whole")
    show.add_argument("id")
    add_options(show)
    show.set_defaults(run=run_show)

    approve = commands.add_parser("approve", help="say yes to a proposal")
    approve.add_argument("id")
    approve.add_argument("--why", default="", help="a note for the audit")
    approve.add_argument("--actuator", action="append", metavar="ID", help="only these")
    approve.add_argument("--share", type=float, default=1.0, help="of each move: 0.5 goes half way")
    approve.add_argument(
        "--plan", metavar="HASH", help="of the plan that you looked at (default: ask now)"
    )
    approve.add_argument("--yes", action="store_true", help="do not ask before it is done")
    approve.add_argument("--no-input", action="store_true", help="never ask: without --yes, stop")
    approve.add_argument("--dry-run", action="store_true", help="show what would be approved")
    add_options(approve)
    approve.set_defaults(run=run_approve)

    reject = commands.add_parser("reject", help="say no to a proposal")
    reject.add_argument("id")
    reject.add_argument("--why", required=True, help="the reason; shown to who tunes the plant")
    add_options(reject)
    reject.set_defaults(run=run_reject)

    undo = commands.add_parser("undo", help="return to the values from before a decision")
    undo.add_argument(
        "id", nargs="?", help="of the decision (default: the last one that can be undone)"
    )
    undo.add_argument("--why", required=True, help="the reason")
    undo.add_argument("--dry-run", action="store_true", help="show what would be moved back")
    add_options(undo)
    undo.set_defaults(run=run_undo)


def run_list(args: argparse.Namespace) -> int:
    """Print proposals."""
    show_list(
        args,
        "/proposals",
        ("id", "state", "expires", "moves", "saving kW"),
        _row,
        none="no proposal: the first comes with the first control step worth a write",
        state=args.only or [],
        limit=args.limit,
    )
    return 0


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    proposal = item["proposal"]
    expires = iso(proposal["expires_at_s"])
    saving = f"{proposal['saving_kw']:.1f}"
    return item["id"], item["state"], expires, len(proposal["moves"]), saving


def run_show(args: argparse.Namespace) -> int:
    """Print one proposal."""
    item = Remote.of(args).get(f"/proposals/{args.id}")
    if args.json:
        print_json(item)
    else:
        _print(item)
    return 0


def run_approve(args: argparse.Namespace) -> int:
    """Approve as last seen: what changes between looking and deciding is refused."""
    remote = Remote.of(args)
    item = remote.get(f"/proposals/{args.id}")
    plan_hash = args.plan or item["proposal"]["plan_hash"]
    if not args.json:
        _print(item)
    if args.dry_run:
        return 0
    if not args.yes and not _confirmed(args, len(item["proposal"]["moves"])):
        message("nothing was approved")
        return 1
    body = {"why": args.why, "actuators": args.actuator, "share": args.share}
    answer, _ = remote.ask(
        "POST",
        f"/proposals/{args.id}/approvals",
        json=body,
        headers={"If-Match": f'"{plan_hash}"'},
    )
    if args.json:
        print_json(answer)
        return 0
    _tell_receipts(answer, "approved")
    return 0


def run_reject(args: argparse.Namespace) -> int:
    """Reject with a reason."""
    path = f"/proposals/{args.id}/rejections"
    return act(args, path, {"why": args.why}, lambda _: f"proposal {args.id} is rejected")


def run_undo(args: argparse.Namespace) -> int:
    """Take a decision back by a new one."""
    remote = Remote.of(args)
    decision = _undoable(remote) if args.id is None else remote.get(f"/decisions/{args.id}")
    moves = decision["decision"]["moves"]
    if not args.json:
        rows = [(m["actuator"], f"{m['proposed']:.2f}", f"{m['now']:.2f}") for m in moves]
        print_table(("actuator", "decided", "back to"), rows)
    if args.dry_run:
        return 0
    path = f"/decisions/{decision['id']}/reversals"
    answer, _ = remote.ask("POST", path, json={"why": args.why})
    if args.json:
        print_json(answer)
    else:
        _tell_receipts(answer, "undone")
    return 0


def _undoable(remote: Remote) -> dict[str, Any]:
    found: list[dict[str, Any]] = remote.get("/decisions", limit=50)["items"]
    for item in found:
        if item["undo_until_s"] is not None and item["reverses"] is None:
            return item
    raise CommandError("there is no decision that can be undone now", status=1)


def _tell_receipts(answer: dict[str, Any], done: str) -> None:
    for receipt in answer["receipts"]:
        verdict = receipt["verdict"]
        why = f" ({verdict['check']}: {verdict['detail']})" if verdict["check"] else ""
        message(f"{receipt['actuator']}: {receipt['result']}{why}")
    if waiting := answer["waiting"]:
        names = ", ".join(waiting)
        message(f"once these are in force, as the worst case asks, there follow: {names}")
    if not answer["receipts"]:
        message(f"{done}; it is carried out as soon as the gateway answers")


def _confirmed(args: argparse.Namespace, moves: int) -> bool:
    if args.no_input or not sys.stdin.isatty():
        raise CommandError("this asks before it is done: run it in a terminal, or give --yes")
    print(f"approve these {moves} moves? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(item: dict[str, Any]) -> None:
    proposal = item["proposal"]
    print(f"proposal  {item['id']} ({item['state']}), until {iso(proposal['expires_at_s'])}")
    print(f"plan      {proposal['plan_hash']}")
    print(f"made by   {proposal['solver']}, model {proposal['model_version'][:12]}")
    saved = proposal["recheck"] or proposal
    money = f"{saved['saving_per_day']:.2f} {item['currency']} a day"
    print(f"saving    {saved['saving_kw']:.1f} kW, {money}")
    for binding in proposal["binding"][:BINDING_SAID]:
        price = f"{binding['shadow_price']:.2f} {binding['unit']}"
        print(f"binds     {binding['constraint']}: {price}")
    for reason in proposal["reasons"]:
        if " binds: " not in reason:  # said above
            print(f"why       {reason}")
    for checked in item["checked"]:
        print(f"checked   {checked}")
    for left in item["left_region"]:
        print(f"left      {left}: it cannot be approved while this is so")
    if outcome := item["outcome"]:
        print(f"outcome   {item['state']} by {outcome['who']}: {outcome['why']}")
    print()
    print_table(("actuator", "now", "proposed", "unit", "limits", "cooling"), _moves(item))
    print()
    head = ("highest over the horizon", "if nothing moves", "as proposed", "limit", "unit")
    print_table(head, _peaks(proposal))


def _moves(item: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            move["actuator"],
            f"{move['now']:.2f}",
            f"{move['proposed']:.2f}",
            UNITS.get(move["unit"], move["unit"]),
            f"{move['minimum']:g} to {move['maximum']:g}",
            ("more" if move["cools_more"] else "less") if move["is_left"] else "is there already",
        )
        for move in item["moves"]
    ]


def _peaks(proposal: dict[str, Any]) -> list[tuple[str, ...]]:
    """The worst of each band, and in brackets up to where it may reach (90 %)."""

    def worst(band: dict[str, Any]) -> str:
        return f"{max(band['expected']):.1f} (up to {max(band['upper']):.1f})"

    still = {band["name"]: band for band in proposal["bands_now"]}
    return [
        (
            band["name"],
            worst(still[band["name"]]) if band["name"] in still else "-",
            worst(band),
            "-" if band["limit"] is None else f"{band['limit']:g}",
            UNITS.get(band["unit"], band["unit"]),
        )
        for band in proposal["bands"]
    ]
