"""``isotherm token``: who may use the API. Works on the state directory itself."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.stores import add_place, place_of
from facility.clock import iso

if TYPE_CHECKING:
    from controller.authority.tokens import TokenBook

SCOPES = ("viewer", "operator", "engineer", "admin")


def register(commands: Commands) -> None:
    """Add the command."""
    token = commands.add_parser("token", help="tokens of the API")
    actions = token.add_subparsers(metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make a token; it is shown this once")
    new.add_argument("name", help="shown in the audit as who acted")
    new.add_argument("--scope", choices=SCOPES, default="viewer")
    new.add_argument("--days", type=float, default=90.0, help="until it ends (default 90)")
    new.set_defaults(run=run_new)
    listing = actions.add_parser("list", help="tokens, without their secrets")
    listing.set_defaults(run=run_list)
    revoke = actions.add_parser("revoke", help="end a token now")
    revoke.add_argument("id")
    revoke.set_defaults(run=run_revoke)
    for action in (new, listing, revoke):
        add_place(action)
        action.add_argument("--json", action="store_true", help="print JSON")


def _book(args: argparse.Namespace) -> TokenBook:
    from controller.authority.tokens import TokenBook
    from controller.storage.opening import open_records
    from controller.storage.ports import StorageError

    try:
        return TokenBook(open_records(place_of(args)), time.time)
    except StorageError as error:
        raise CommandError(str(error)) from error


def run_new(args: argparse.Namespace) -> int:
    """Make a token and print it."""
    from controller.authority.failures import AuthorityError
    from controller.authority.roles import Scope

    try:
        token, text = _book(args).issue(args.name, Scope(args.scope), args.days)
    except AuthorityError as error:
        raise CommandError(str(error)) from error
    if args.json:
        print_json({"id": token.id, "token": text, "expires": iso(token.expires_at_s)})
    else:
        message(f"token {token.id} for {token.name}, until {iso(token.expires_at_s)}:")
        print(text)
    return 0


def run_list(args: argparse.Namespace) -> int:
    """Print tokens."""
    rows = [
        {
            "id": token.id,
            "name": token.name,
            "scope": token.scope.value,
            "expires": iso(token.expires_at_s),
            "state": "revoked" if token.revoked else "valid",
        }
        for token in _book(args).all()
    ]
    if args.json:
        print_json(rows)
    else:
        head = ("id", "name", "scope", "expires", "state")
        print_table(head, [[row[column] for column in head] for row in rows])
    return 0


def run_revoke(args: argparse.Namespace) -> int:
    """End a token."""
    from controller.authority.failures import AuthorityError

    try:
        token = _book(args).revoke(args.id)
    except AuthorityError as error:
        raise CommandError(str(error)) from error
    message(f"token {token.id} ({token.name}) is revoked")
    return 0
