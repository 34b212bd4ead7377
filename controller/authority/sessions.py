"""Sessions of people in browsers: a random secret in a cookie, and what it stands for.

The store keeps the secret's SHA-256, so that who reads it can open no session. A session is made
anew at each log-in (nothing that a browser brought along becomes one), ends after a shift, and
ends with whatever takes rights from its user: a new password, a lesser role, disabling. The
token against forged requests (CSRF) follows from the secret and is another for each session.

Times are the wall's.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.authority.roles import Actor
from controller.authority.users import User, user_of
from controller.storage.ports import ConflictError, Kind, Record, RecordStore

OPEN, CLOSED = "open", "closed"
LIFE_S = 12.0 * 3600.0
"""A shift and its handover."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session that stands."""

    id: str
    user: User
    actor: Actor
    csrf: str
    """To be sent with every request that changes something."""
    expires_at_s: float

    def owns(self, csrf: str) -> bool:
        """Whether a request that carries this token comes from our own pages."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class SessionBook:
    """The sessions of an installation, in a record store."""

    def __init__(
        self, records: RecordStore, now_s: Callable[[], float], life_s: float = LIFE_S
    ) -> None:
        self._records, self._now_s, self.life_s = records, now_s, life_s

    def open(self, user: User, source: str = "") -> tuple[Session, str]:
        """A new session, and the secret for its cookie."""
        secret, now_s = secrets.token_urlsafe(32), self._now_s()
        body = {
            "user": user.name,
            "epoch": user.epoch,
            "source": source,
            "expires_at_s": now_s + self.life_s,
        }
        record = Record(Kind.SESSION, _digest("session", secret), now_s, body, state=OPEN)
        self._records.write(add=[record])
        return self._session(record, user, secret, source), secret

    def find(self, secret: str, source: str = "") -> Session | None:
        """The session of a cookie's secret; None where it stands for none any more."""
        if not secret or len(secret) > 200:
            return None
        record = self._records.get(Kind.SESSION, _digest("session", secret))
        if record is None or record.state != OPEN:
            return None
        if float(record.body["expires_at_s"]) <= self._now_s():
            return None
        found = self._records.get(Kind.USER, str(record.body["user"]))
        if found is None:
            return None
        user = user_of(found)
        if user.disabled or user.epoch != record.body["epoch"]:
            return None
        return self._session(record, user, secret, source)

    def close(self, session: Session) -> None:
        """Log out; a copy of the cookie opens nothing any more."""
        record = self._records.get(Kind.SESSION, session.id)
        if record is None or record.state == CLOSED:
            return
        with contextlib.suppress(ConflictError):  # closed in this moment by another request
            self._records.write(change=[replace(record, state=CLOSED)])

    def _session(self, record: Record, user: User, secret: str, source: str) -> Session:
        return Session(
            id=record.id,
            user=user,
            actor=Actor(user.name, user.scope, source),
            csrf=_digest("csrf", secret),
            expires_at_s=float(record.body["expires_at_s"]),
        )


def _digest(purpose: str, secret: str) -> str:
    return hashlib.sha256(f"{purpose}:{secret}".encode("utf-8", "replace")).hexdigest()
