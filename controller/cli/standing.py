"""``isotherm standing`` and ``requests``: yes in advance, and what takes another person."""

from __future__ import annotations

import argparse
from typing import Any

from controller.cli.base import Commands, message, print_json
from controller.cli.remote import Remote, act, add_options, show_list
from facility.clock import iso


def register(commands: Commands) -> None:
    """Add the commands."""
    standing = commands.add_parser("standing", help="say yes in advance, within bounds")
    add_options(standing)
    standing.set_defaults(run=run_list, all=False)
    actions = standing.add_subparsers(metavar="ACTION")
    grant = actions.add_parser("grant", help="approve moves of these actuators in advance")
    grant.add_argument("targets", nargs="+", metavar="TARGET", help="actuators or groups")
    grant.add_argument(
        "--step", type=float, required=True, help="the largest step, in the actuator's unit"
    )
    grant.add_argument(
        "--reach", type=float, help="how far from the value in force in all (default: one step)"
    )
    grant.add_argument(
        "--hours", default="00:00-00:00", metavar="HH:MM-HH:MM", help="of the day (default: all)"
    )
    grant.add_argument("--zone", default="UTC", help="time zone of the hours, as Europe/Berlin")
    grant.add_argument(
        "--until", required=True, metavar="TIME", help="plant time, as 2026-03-06T18:00:00Z"
    )
    grant.add_argument("--why", required=True, help="the reason")
    add_options(grant)
    grant.set_defaults(run=run_grant)
    listing = actions.add_parser("list", help="standing approvals, newest first")
    listing.add_argument("--all", action="store_true", help="those that have ended too")
    add_options(listing)
    listing.set_defaults(run=run_list)
    withdraw = actions.add_parser("withdraw", help="end one before its time")
    withdraw.add_argument("id")
    withdraw.add_argument("--why", required=True, help="the reason")
    add_options(withdraw)
    withdraw.set_defaults(run=run_withdraw)

    requests = commands.add_parser("requests", help="what takes another person's yes")
    add_options(requests)
    requests.set_defaults(run=run_requests, all=False)
    actions = requests.add_subparsers(metavar="ACTION")
    waiting = actions.add_parser("list", help="requests that wait, newest first")
    waiting.add_argument("--all", action="store_true", help="those that were answered too")
    add_options(waiting)
    waiting.set_defaults(run=run_requests)
    for word, about in (("agree", "say yes"), ("refuse", "say no, or take one's own back")):
        answer = actions.add_parser(word, help=about)
        answer.add_argument("id")
        answer.add_argument("--why", required=word == "refuse", default="", help="the reason")
        add_options(answer)
        answer.set_defaults(run=run_answer, word=word)


def run_grant(args: argparse.Namespace) -> int:
    """Grant a standing approval, or ask another person for it."""
    start, _, end = args.hours.partition("-")
    body = {
        "targets": args.targets,
        "largest_step": args.step,
        "reach": args.reach,
        "from_hour": start,
        "to_hour": end,
        "time_zone": args.zone,
        "expires": args.until,
        "why": args.why,
    }
    answer, _ = Remote.of(args).ask("POST", "/standing-approvals", json=body)
    if args.json:
        print_json(answer)
    elif "standing" in answer:
        print(answer["id"])
        message(f"in force until {iso(answer['standing']['expires_at_s'])}")
        for bound in answer["standing"]["bounds"]:
            message(f"{bound['tag']}: {bound['lower']:g} to {bound['upper']:g}")
    else:
        tell_request(answer)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print standing approvals."""
    show_list(
        args,
        "/standing-approvals",
        ("id", "state", "actuators", "step", "hours", "until", "who", "why"),
        _standing_row,
        none="no standing approval is in force: each proposal asks a person",
        state=[] if args.all else ["active"],
    )
    return 0


def _standing_row(item: dict[str, Any]) -> tuple[object, ...]:
    standing = item["standing"]
    return (
        item["id"],
        item["state"],
        len(standing["bounds"]),
        f"{standing['largest_step']:g}",
        f"{standing['from_hour']}-{standing['to_hour']}",
        iso(standing["expires_at_s"]),
        standing["who"],
        standing["why"],
    )


def run_withdraw(args: argparse.Namespace) -> int:
    """End a standing approval."""
    path = f"/standing-approvals/{args.id}/withdrawals"
    said = f"standing approval {args.id} says yes to nothing more"
    return act(args, path, {"why": args.why}, lambda _: said)


def run_requests(args: argparse.Namespace) -> int:
    """Print requests."""
    show_list(
        args,
        "/requests",
        ("id", "state", "what", "agreed", "until", "who", "why"),
        _request_row,
        none="nothing waits for another person",
        state=[] if args.all else ["pending"],
    )
    return 0


def _request_row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["id"],
        item["state"],
        item["what"],
        f"{len(item['approvals'])} of {item['needed']}",
        iso(item["expires_at_s"]),
        item["who"],
        item["why"],
    )


def run_answer(args: argparse.Namespace) -> int:
    """Agree to a request, or refuse it."""
    kind = "approvals" if args.word == "agree" else "rejections"
    path = f"/requests/{args.id}/{kind}"
    answer, _ = Remote.of(args).ask("POST", path, json={"why": args.why})
    if args.json:
        print_json(answer)
    elif answer["state"] == "pending":
        tell_request(answer)
    else:
        message(f"request {args.id} is {answer['state']}")
    return 0


def tell_request(request: dict[str, object]) -> None:
    """Say that something waits for another person."""
    print(request["id"])
    message(f"it takes another person: `isotherm requests agree {request['id']}`")
