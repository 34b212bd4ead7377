"""The people who may log in: names, roles and passwords.

A password is kept as Argon2id (RFC 9106, the memory-constrained profile of `argon2-cffi`). It has
15 characters or more and no other rules, after NIST SP 800-63B-4, section 3.1.1.2. A user who is
new, or was reset, has a one-time password that lives for a day and opens nothing but the change
of itself. Failed log-ins lock a name for a while, longer each time; a log-in that is refused
takes as long, and says as little, whether there is such a user or not.

Times are the wall's, as of tokens.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from controller.authority.failures import InvalidError, NotFoundError, StateError
from controller.authority.roles import Scope
from controller.storage.ports import ConflictError, Kind, Record, RecordStore

ACTIVE, DISABLED = "active", "disabled"
LOCAL, OIDC = "local", "oidc"
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")
SHORTEST, LONGEST = 15, 256
"""Characters of a password."""
ONE_TIME_LIFE_S = 86_400.0
FREE_FAILURES = 5
"""Failed log-ins in a row before a name is locked."""
FIRST_LOCK_S = 60.0
LONGEST_LOCK_S = 3600.0
"""A lock doubles with each further failure, up to this."""
REFUSED = "name or password is wrong, or the name is locked or disabled"


@dataclass(frozen=True, slots=True)
class User:
    """A user without the password."""

    name: str
    scope: Scope
    source: str
    """``local``, or ``oidc`` for who logs in with the organisation's own account."""
    disabled: bool
    must_change: bool
    """The password is a one-time one: nothing else works until it is changed."""
    created_at_s: float
    last_login_s: float | None
    locked_until_s: float | None
    epoch: int
    """Counts what ends every session: a new password, a lesser role, disabling."""


class LoginError(Exception):
    """A log-in that is not accepted; the text tells a guesser nothing."""


class UserBook:
    """The users of an installation, in a record store."""

    def __init__(
        self,
        records: RecordStore,
        now_s: Callable[[], float],
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._records, self._now_s = records, now_s
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        # 64 MiB a check: many at once must not take the machine's memory.
        self._one_at_a_time = threading.Lock()

    def add(self, name: str, scope: Scope) -> tuple[User, str]:
        """A new local user, and the one-time password, which is never shown again.

        Raises
        ------
        InvalidError, StateError
            The name cannot be one, or is taken.
        """
        name = name.strip().lower()
        if NAME.fullmatch(name) is None:
            raise InvalidError(
                f"{name!r} cannot be a user's name: 1 to 100 of a-z, 0-9 and . _ @ + -, "
                "beginning with a letter or a digit"
            )
        password, body = self._one_time()
        self._create(name, {"scope": scope.value, "source": LOCAL, **body})
        return self.get(name), password

    def reset(self, name: str) -> tuple[User, str]:
        """A new one-time password; sessions end and a lock is lifted."""
        record = self._record(name)
        if record.body["source"] != LOCAL:
            raise StateError(f"{name} logs in with the organisation's account, which has its own")
        password, body = self._one_time()
        return self._change(record, {**body, **_unlocked(), "epoch": _epoch(record) + 1}), password

    def change(
        self, name: str, *, scope: Scope | None = None, disabled: bool | None = None
    ) -> User:
        """Give another role, or disable or enable; what takes rights away ends all sessions.

        Raises
        ------
        NotFoundError, StateError
            There is no such user, or no administrator would be left.
        """
        record = self._record(name)
        before = user_of(record)
        after_scope = scope or before.scope
        after_disabled = before.disabled if disabled is None else disabled
        is_admin = after_scope is Scope.ADMIN and not after_disabled
        if before.scope is Scope.ADMIN and not before.disabled and not is_admin:
            others = [u for u in self.all() if u.scope is Scope.ADMIN and not u.disabled]
            if len(others) < 2:
                raise StateError(f"{name} is the last administrator: make another one first")
        lesser = after_disabled or not after_scope.covers(before.scope)
        body = {"scope": after_scope.value, "epoch": _epoch(record) + int(lesser)}
        return self._change(record, body, DISABLED if after_disabled else ACTIVE)

    def set_password(self, name: str, old: str, new: str) -> User:
        """Replace one's own password; every session of the user ends.

        Raises
        ------
        LoginError
            ``old`` is wrong; it counts as a failed log-in.
        InvalidError
            ``new`` cannot be a password.
        """
        self.authenticate(name, old)
        record = self._record(name)
        _check_password(new, record.id)
        if new == old:
            raise InvalidError("the new password is the old one")
        body = {
            "hash": self._hash(new),
            "must_change": False,
            "ends_at_s": None,
            "epoch": _epoch(record) + 1,
        }
        return self._change(record, body)

    def authenticate(self, name: str, password: str) -> User:
        """The user of a name and a password.

        Raises
        ------
        LoginError
            It is not accepted.
        """
        record = self._records.get(Kind.USER, name.strip().lower()[:LONGEST])
        now_s = self._now_s()
        local = record is not None and record.body["source"] == LOCAL
        kept = str(record.body["hash"]) if record is not None and local else self._nobody
        right = self._verify(kept, password[:LONGEST])
        if record is None or not local or record.state != ACTIVE:
            raise LoginError(REFUSED)
        if (record.body.get("locked_until_s") or 0.0) > now_s:
            raise LoginError(REFUSED)
        if not right:
            self._count_failure(record, now_s)
            raise LoginError(REFUSED)
        if (ends := record.body.get("ends_at_s")) is not None and ends <= now_s:
            raise LoginError(
                "this one-time password has ended; an administrator makes a new one with "
                f"`isotherm users reset {record.id}`"
            )
        try:
            return self._change(record, {**_unlocked(), "last_login_s": now_s})
        except StateError:  # another log-in of this moment was first
            return self.get(record.id)

    def from_outside(self, name: str, scope: Scope, subject: str) -> User:
        """The user of an identity that the organisation's provider vouches for.

        Parameters
        ----------
        subject
            The same for the same person for ever: a name that is given to somebody else later
            opens nothing that was this one's.

        Raises
        ------
        LoginError
            The user is disabled, or the name belongs to somebody else.
        """
        name = name.strip().lower()
        if NAME.fullmatch(name) is None:
            raise LoginError("the provider tells a name that cannot be a user's here")
        record = self._records.get(Kind.USER, name)
        if record is None:
            self._create(name, {"scope": scope.value, "source": OIDC, "subject": subject})
            record = self._record(name)
        is_theirs = record.body["source"] == OIDC and record.body["subject"] == subject
        if not is_theirs or record.state != ACTIVE:
            raise LoginError(f"{name} may not log in this way; ask an administrator")
        lesser = not scope.covers(user_of(record).scope)
        body = {
            "scope": scope.value,
            "last_login_s": self._now_s(),
            "epoch": _epoch(record) + int(lesser),
        }
        return self._change(record, body)

    def get(self, name: str) -> User:
        """The user of a name."""
        return user_of(self._record(name))

    def all(self) -> tuple[User, ...]:
        """Every user, newest first."""
        return tuple(user_of(record) for record in self._records.find(Kind.USER, limit=10_000))

    def first_start(self, path: Path) -> str | None:
        """Where there is no user at all: make ``admin``, keep the one-time password in ``path``.

        The file is readable by its owner alone.
        """
        if self._records.find(Kind.USER, limit=1):
            return None
        _, password = self.add("admin", Scope.ADMIN)
        keep_secret(path, f"admin {password}\n")
        return password

    def _create(self, name: str, body: dict[str, Any]) -> None:
        record = Record(Kind.USER, name, self._now_s(), {"epoch": 1, **body}, state=ACTIVE)
        try:
            self._records.write(add=[record])
        except ConflictError:
            raise StateError(f"there is a user {name} already") from None

    def _record(self, name: str) -> Record:
        record = self._records.get(Kind.USER, name)
        if record is None:
            raise NotFoundError(f"there is no user {name}")
        return record

    def _change(self, record: Record, body: dict[str, Any], state: str = "") -> User:
        changed = replace(record, state=state or record.state, body={**record.body, **body})
        try:
            self._records.write(change=[changed])
        except ConflictError as error:
            raise StateError(str(error)) from None
        return user_of(changed)

    def _one_time(self) -> tuple[str, dict[str, Any]]:
        password = "-".join(secrets.token_hex(2) for _ in range(6))
        ends_at_s = self._now_s() + ONE_TIME_LIFE_S
        return password, {
            "hash": self._hash(password),
            "must_change": True,
            "ends_at_s": ends_at_s,
        }

    def _hash(self, password: str) -> str:
        with self._one_at_a_time:
            return self._hasher.hash(password)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            with self._one_at_a_time:
                return self._hasher.verify(kept, password)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _count_failure(self, record: Record, now_s: float) -> None:
        failures = int(record.body.get("failures", 0)) + 1
        body: dict[str, Any] = {"failures": failures}
        if failures >= FREE_FAILURES:
            lasts_s = min(FIRST_LOCK_S * 2.0 ** (failures - FREE_FAILURES), LONGEST_LOCK_S)
            body["locked_until_s"] = now_s + lasts_s
        with contextlib.suppress(StateError):  # another attempt of this moment was counted
            self._change(record, body)


def keep_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # a file that was there keeps no wider mode
        file.write(text)


def user_of(record: Record) -> User:
    """The user that a record holds."""
    body = record.body
    return User(
        name=record.id,
        scope=Scope(body["scope"]),
        source=str(body["source"]),
        disabled=record.state == DISABLED,
        must_change=bool(body.get("must_change", False)),
        created_at_s=record.time_s,
        last_login_s=body.get("last_login_s"),
        locked_until_s=body.get("locked_until_s"),
        epoch=_epoch(record),
    )


def _epoch(record: Record) -> int:
    return int(record.body.get("epoch", 1))


def _unlocked() -> dict[str, Any]:
    return {"failures": 0, "locked_until_s": None}


def _check_password(password: str, name: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidError(
            f"a password has {SHORTEST} to {LONGEST} characters: a few words are easy to keep"
        )
    lowered = password.lower()
    if len(set(lowered)) < 6 or name * 2 in lowered:
        raise InvalidError("this password is too easily guessed: take a few unrelated words")
