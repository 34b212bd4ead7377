"""``isotherm users``: who may log in. Works on the state directory itself.

So that an installation whose last administrator forgot the password is opened by who may write
its state directory, and by nobody else.
"""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from controller.cli.base import CommandError, Commands, message, print_json, print_table
from controller.cli.stores import add_place, place_of
from controller.cli.token import SCOPES
from facility.clock import iso

if TYPE_CHECKING:
    from controller.authority.users import User, UserBook


T = TypeVar("T")


def register(commands: Commands) -> None:
    """Add the command."""
    users = commands.add_parser("users", help="who may log in, in which role")
    add_place(users)
    users.add_argument("--json", action="store_true", help="print JSON")
    users.set_defaults(run=run_list)
    actions = users.add_subparsers(metavar="ACTION")
    listing = actions.add_parser("list", help="users, without their passwords")
    listing.set_defaults(run=run_list)
    add = actions.add_parser("add", help="make a user; the one-time password is shown this once")
    add.add_argument("name")
    add.add_argument("--scope", choices=SCOPES, default="viewer", help="the role")
    add.set_defaults(run=run_add)
    role = actions.add_parser("role", help="give another role")
    role.add_argument("name")
    role.add_argument("scope", choices=SCOPES)
    role.set_defaults(run=run_role)
    reset = actions.add_parser("reset", help="a new one-time password; lifts a lock too")
    reset.add_argument("name")
    reset.set_defaults(run=run_reset)
    for word, about in (("disable", "end all sessions and let nobody log in"), ("enable", "again")):
        action = actions.add_parser(word, help=about)
        action.add_argument("name")
        action.set_defaults(run=run_disable, disabled=word == "disable")
    for action in actions.choices.values():
        add_place(action)
        action.add_argument("--json", action="store_true", help="print JSON")


def run_list(args: argparse.Namespace) -> int:
    """Print users."""
    rows = [_row(user) for user in _with_book(args, lambda book: book.all())]
    if args.json:
        print_json(rows)
    else:
        head = ("name", "scope", "source", "state", "last_login")
        print_table(head, [[row[column] for column in head] for row in rows])
    return 0


def run_add(args: argparse.Namespace) -> int:
    """Make a user."""
    from controller.authority.roles import Scope

    user, password = _with_book(args, lambda b: b.add(args.name, Scope(args.scope)), "made user")
    return _tell_password(args, user, password)


def run_reset(args: argparse.Namespace) -> int:
    """Make a new one-time password."""
    user, password = _with_book(args, lambda b: b.reset(args.name), "reset the password of")
    return _tell_password(args, user, password)


def run_role(args: argparse.Namespace) -> int:
    """Give another role."""
    from controller.authority.roles import Scope

    user = _with_book(args, lambda b: b.change(args.name, scope=Scope(args.scope)), "changed user")
    message(f"{user.name} is {user.scope.value} now")
    return 0


def run_disable(args: argparse.Namespace) -> int:
    """Disable or enable."""
    user = _with_book(args, lambda b: b.change(args.name, disabled=args.disabled), "changed user")
    message(f"{user.name} is {'disabled' if user.disabled else 'enabled'}")
    return 0


def _with_book(args: argparse.Namespace, do: Callable[[UserBook], T], action: str = "") -> T:
    """Do something with the users of a state directory, and write it into the audit."""
    from controller.authority.audit import entry
    from controller.authority.failures import AuthorityError
    from controller.authority.roles import Actor, Scope
    from controller.authority.users import UserBook
    from controller.storage.opening import open_records
    from controller.storage.ports import StorageError

    try:
        records = open_records(place_of(args))
    except StorageError as error:
        raise CommandError(str(error)) from error
    try:
        done = do(UserBook(records, time.time))
        if action:
            actor = Actor(getpass.getuser(), Scope.ADMIN, "command line")
            about = f"user {args.name.strip().lower()}"
            records.write(add=[entry(actor, action, about, args.run.__name__[4:], time.time())])
    except AuthorityError as error:
        raise CommandError(str(error)) from error
    finally:
        records.close()
    return done


def _tell_password(args: argparse.Namespace, user: User, password: str) -> int:
    if args.json:
        print_json({"name": user.name, "one_time_password": password})
    else:
        message(f"one-time password of {user.name} ({user.scope.value}), for a day:")
        print(password)
    return 0


def _row(user: User) -> dict[str, str]:
    locked = user.locked_until_s is not None and user.locked_until_s > time.time()
    must = "one-time password" if user.must_change else "active"
    return {
        "name": user.name,
        "scope": user.scope.value,
        "source": user.source,
        "state": "disabled" if user.disabled else "locked" if locked else must,
        "last_login": "never" if user.last_login_s is None else iso(user.last_login_s),
    }
