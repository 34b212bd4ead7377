"""Tokens of the API: who holds one acts in its name, within its scope, until it ends.

A token is ``isotherm_ID_SECRET`` with 256 random bits of secret. Only the secret's SHA-256 is
kept: a slow hash such as Argon2 defends secrets that people choose and that can be guessed;
these cannot (2^256), and every request has to be checked.

Times are the wall's: a token ends when its day has come, however fast a simulated plant runs.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from controller.authority.failures import InvalidError, NotFoundError
from controller.authority.roles import Actor, Scope
from controller.authority.users import keep_secret
from controller.storage.ports import Kind, Record, RecordStore

PREFIX = "isotherm"
VALID, REVOKED = "valid", "revoked"
LIFE_DAYS = 90.0
"""Of a token for which nobody said otherwise."""
ADMIN_LIFE_DAYS = 365.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret."""

    id: str
    name: str
    scope: Scope
    created_at_s: float
    expires_at_s: float
    revoked: bool


class TokenError(Exception):
    """A token that is not accepted, and why."""


class TokenBook:
    """The tokens of an installation, in a record store."""

    def __init__(self, records: RecordStore, now_s: Callable[[], float]) -> None:
        self._records, self._now_s = records, now_s

    def issue(self, name: str, scope: Scope, life_days: float = LIFE_DAYS) -> tuple[Token, str]:
        """A new token, and its text, which is never shown again."""
        if not name.strip():
            raise InvalidError("a token needs a name: the audit shows it as who acted")
        if not 0.0 < life_days <= 3650.0:
            raise InvalidError("a token lives more than 0 and at most 3650 days")
        now_s = self._now_s()
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        body = {
            "name": name,
            "scope": scope.value,
            "sha256": _digest(secret),
            "expires_at_s": now_s + life_days * DAY_S,
        }
        record = Record(Kind.TOKEN, token_id, now_s, body, state=VALID)
        self._records.write(add=[record])
        return _token(record), f"{PREFIX}_{token_id}_{secret}"

    def authenticate(self, text: str, source: str = "") -> Actor:
        """Whose token this is.

        Raises
        ------
        TokenError
            It is malformed, unknown, revoked or has ended.
        """
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            raise TokenError("this is not a token of Isotherm: they start with isotherm_")
        record = self._records.get(Kind.TOKEN, token_id)
        kept = str(record.body["sha256"]) if record else _digest("")
        if not hmac.compare_digest(kept, _digest(secret)) or record is None:
            raise TokenError("there is no such token")
        token = _token(record)
        if token.revoked:
            raise TokenError(f"token {token.name!r} was revoked; ask an administrator for another")
        if token.expires_at_s <= self._now_s():
            raise TokenError(f"token {token.name!r} has ended; ask an administrator for another")
        return Actor(token.name, token.scope, source)

    def revoke(self, token_id: str) -> Token:
        """End a token now."""
        record = self._records.get(Kind.TOKEN, token_id)
        if record is None:
            raise NotFoundError(f"there is no token {token_id}")
        if record.state != REVOKED:
            self._records.write(change=[replace(record, state=REVOKED)])
        return _token(replace(record, state=REVOKED))

    def all(self) -> tuple[Token, ...]:
        """Every token, newest first."""
        return tuple(_token(record) for record in self._records.find(Kind.TOKEN, limit=10_000))

    def first_start(self, path: Path) -> str | None:
        """Where there is no token at all: make an administrator's, keep it in ``path``, say it.

        The file is readable by its owner alone.
        """
        if self._records.find(Kind.TOKEN, limit=1):
            return None
        _, text = self.issue("admin", Scope.ADMIN, ADMIN_LIFE_DAYS)
        keep_secret(path, text + "\n")
        return text


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(record: Record) -> Token:
    return Token(
        id=record.id,
        name=str(record.body["name"]),
        scope=Scope(record.body["scope"]),
        created_at_s=record.time_s,
        expires_at_s=float(record.body["expires_at_s"]),
        revoked=record.state == REVOKED,
    )
