"""Times and pages of a request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from controller.authority.failures import InvalidError
from controller.storage.ports import Kind, Record, RecordStore
from facility.clock import from_iso

TIME = "ISO 8601 (UTC where no offset is given) or POSIX seconds, in plant time."


def moment(text: str, name: str) -> float:
    """Plant time of a query parameter.

    Raises
    ------
    InvalidError
        It is neither a date nor a number.
    """
    try:
        time_s = float(text)
    except ValueError:
        try:
            return from_iso(text)
        except ValueError:
            raise InvalidError(
                f"{name} is {text!r}; it must be a time like 2026-03-01T12:00:00Z or POSIX seconds"
            ) from None
    if not abs(time_s) < 1e11:
        raise InvalidError(f"{name} is {text!r}, which is no time")
    return time_s


@dataclass(frozen=True, slots=True)
class Window:
    """Which records: between two moments, and from where in the list."""

    since_s: float | None
    until_s: float | None
    before: int | None
    limit: int

    def find(
        self, records: RecordStore, kind: Kind, states: Collection[str] = ()
    ) -> tuple[tuple[Record, ...], int | None]:
        """The records of this page, and where the next one starts."""
        found = records.find(
            kind,
            states=states,
            since_s=self.since_s,
            until_s=self.until_s,
            before=self.before,
            limit=self.limit + 1,
        )
        page = found[: self.limit]
        return page, page[-1].sequence if len(found) > self.limit else None


def _window(
    since: Annotated[str | None, Query(description=TIME)] = None,
    until: Annotated[str | None, Query(description=TIME)] = None,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Window:
    return Window(
        None if since is None else moment(since, "since"),
        None if until is None else moment(until, "until"),
        before,
        limit,
    )


Pages = Annotated[Window, Depends(_window)]
