"""Who somebody is, and how far each role reaches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """What a person or a program may do; each includes those before it."""

    VIEWER = "viewer"
    """Read everything but tokens."""
    OPERATOR = "operator"
    """Decide on proposals, override, release, acknowledge, and take modes back to shadow or off."""
    ENGINEER = "engineer"
    """Let Isotherm go further: advisory, automatic, and arming again after a release."""
    ADMIN = "admin"
    """Hand out and revoke tokens."""

    @property
    def rank(self) -> int:
        """Position in the order of the scopes."""
        return list(Scope).index(self)

    def covers(self, needed: Scope) -> bool:
        """Whether this scope includes ``needed``."""
        return self.rank >= needed.rank


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, in which role, and from where."""

    name: str
    scope: Scope
    source: str = ""
    """Address of the client, or the name of the program's part."""


ISOTHERM = Actor("isotherm", Scope.OPERATOR, "controller")
"""Isotherm itself, where a rule acts and no person."""
