"""A link that logs in once: for a demonstration, where nobody has a password yet.

The link lies in a file that only its owner can read, and on a loopback address only. Whoever
opens it is the user `demo`; the file then holds another link, for the next browser.
"""

from __future__ import annotations

import hmac
import secrets
from ipaddress import ip_address
from pathlib import Path

from controller.authority.roles import Scope
from controller.authority.users import User, UserBook, keep_secret

NAME = "demo"


class LoginLink:
    """The link of one process; a code opens one session."""

    def __init__(self, users: UserBook, file: Path, url: str) -> None:
        self._users, self._file, self._url = users, file, url
        self._code = ""
        if not any(user.name == NAME for user in users.all()):
            _, once = users.add(NAME, Scope.ADMIN)
            users.set_password(NAME, once, secrets.token_urlsafe(24))
        self._renew()

    def redeem(self, code: str) -> User | None:
        """The user of a code that was not used yet; it is used then."""
        if not self._code or not hmac.compare_digest(code.encode(), self._code.encode()):
            return None
        self._renew()
        return self._users.get(NAME)

    def _renew(self) -> None:
        self._code = secrets.token_urlsafe(24)
        keep_secret(self._file, f"{self._url}/login/{self._code}\n")


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
