"""Why an action was not done: each kind says what the person can do about it."""

from __future__ import annotations


class AuthorityError(Exception):
    """An action that was not done; nothing of it was."""


class NotFoundError(AuthorityError):
    """There is no such thing."""


class InvalidError(AuthorityError):
    """What was asked makes no sense here; the text says what would."""


class StateError(AuthorityError):
    """It is too late, or the plant is elsewhere: decided, expired, or out of its region."""


class OutdatedError(AuthorityError):
    """The person looked at another version than the one in force."""


class GatewayError(AuthorityError):
    """The gateway could not be reached, or refused."""
