"""The two ports of storage and their words.

A store answers after its data are durable: what was acknowledged survives the death of the
process or of the machine at any instant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from facility.telemetry import Snapshot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class StorageError(Exception):
    """A store that cannot be opened or used: what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long telemetry is kept; None for ever.

    Readings older than ``readings_days`` go once their five-minute trends are kept; trends go
    after ``trends_days``.
    """

    readings_days: float | None = None
    trends_days: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would lose data at once, or keep details longer than their summary."""
        for name, days in (("readings", self.readings_days), ("trends", self.trends_days)):
            if days is not None and not days >= 1.0:
                raise ValueError(f"{name} are kept for at least 1 day, not {days:g}")
        if self.trends_days is not None and (
            self.readings_days is None or self.trends_days < self.readings_days
        ):
            raise ValueError("trends are kept at least as long as the readings they sum up")


KEEP_ALL = Retention()


@dataclass(frozen=True, slots=True)
class Usage:
    """How full a telemetry store is."""

    tags: int
    readings: int
    """Rows kept, of every quality."""
    hot_readings: int
    """Of them not compacted yet; None of them where a store makes no such difference."""
    trends: int
    """Rows of five-minute trends."""
    bytes: int
    """On disk, all of the store's files or tables."""
    hot_bytes: int
    """Of them those that do not grow with what is kept: room for what is not compacted yet."""
    first_s: float | None
    last_s: float | None
    readings_from_s: float | None
    """Before this, retention left trends alone; None where it took nothing."""
    trends_to_s: float | None
    """Up to here trends have been summed up; None before the first."""


class TelemetryStore(Protocol):
    """What the field said, by tag and time, with its quality.

    Times are plant time in POSIX seconds. Frames have a UTC index and NaN where nothing
    could be acted on: a gap in the data is a gap in the frame, never a flat line.
    """

    @property
    def hold_s(self) -> float:
        """How long a stored value stands without a newer one."""
        ...

    def append(self, snapshot: Snapshot) -> int:
        """Keep a snapshot durably; answer how many readings were worth a row."""
        ...

    def frame(
        self,
        tags: Sequence[str],
        start_s: float,
        end_s: float,
        every_s: float = 60.0,
        known_by_s: float | None = None,
    ) -> pd.DataFrame:
        """Values in force at each multiple of ``every_s`` from ``start_s`` to ``end_s``.

        One column a tag, in the order asked, in canonical units. With ``known_by_s`` only
        what had been received by then is shown. Where retention took the readings there is a
        gap: a mean of five minutes is no value in force.
        """
        ...

    def trend(
        self, tags: Sequence[str], start_s: float, end_s: float, every_s: float
    ) -> pd.DataFrame:
        """Mean, lowest and highest in each interval of ``every_s``, labelled by its start.

        Columns are pairs of tag and ``mean``, ``min`` or ``max``; each value counts for as long
        as it stood. Intervals that are multiples of five minutes are read from kept trends; so
        is everything of which retention took the readings.
        """
        ...

    def rows(self, tags: Sequence[str], start_s: float, end_s: float) -> pa.Table:
        """The readings as they are kept, received from ``start_s`` up to but without ``end_s``.

        Columns as `controller.storage.parquet.SCHEMA`, ordered by tag and time.
        """
        ...

    def put(self, rows: pa.Table) -> int:
        """Keep rows with the columns of `rows` durably, all or none; answer how many were new.

        Rows that are there already are left out, so that it may be done again.
        """
        ...

    def tags(self) -> tuple[str, ...]:
        """Every tag that has been kept, in order."""
        ...

    def extent(self) -> tuple[float, float] | None:
        """First and last moment that something was received, or None of an empty store."""
        ...

    def compact(self, now_s: float) -> int:
        """Move finished hours out of the hot segment, sum them up; answer how many rows moved."""
        ...

    def retain(self, policy: Retention, now_s: float) -> int:
        """Let go of what is older than the policy says; answer how many readings went."""
        ...

    def usage(self) -> Usage:
        """How full the store is."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class Kind(Enum):
    """The kinds of record."""

    TICK = "tick"
    PROPOSAL = "proposal"
    DECISION = "decision"
    OVERRIDE = "override"
    RECEIPT = "receipt"
    ALARM = "alarm"
    AUDIT = "audit"
    TOKEN = "token"  # noqa: S105 - the name of a kind
    USER = "user"
    SESSION = "session"
    STANDING = "standing"
    """A standing approval."""
    REQUEST = "request"
    """What one person asked for and another has to agree to."""
    REPLY = "reply"
    """The answer to a request that carried an idempotency key."""
    NOTICE = "notice"
    """What was told to people outside."""


@dataclass(frozen=True, slots=True)
class Record:
    """One fact with an identity, and how far it has come."""

    kind: Kind
    id: str
    time_s: float
    """Plant time it is about; tokens, users and sessions carry the wall's."""
    body: Mapping[str, Any]
    """JSON values only."""
    state: str = ""
    version: int = 1
    """Counts changes; a change must name the version that it saw."""
    sequence: int = field(default=0, compare=False)
    """Order of first writing, given by the store."""


class ConflictError(Exception):
    """Somebody else wrote first: the record exists, or has changed since it was read."""

    def __init__(self, kind: Kind, record_id: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.record_id = kind, record_id


class RecordStore(Protocol):
    """Proposals, decisions, overrides, audit, alarms, tokens and the index of ticks."""

    def write(self, add: Sequence[Record] = (), change: Sequence[Record] = ()) -> None:
        """Add and change records: all or none, durable on return.

        A changed record carries the version that was read and is kept as the next one.

        Raises
        ------
        ConflictError
            An added id exists, or a changed record is not at its version any more.
        """
        ...

    def get(self, kind: Kind, record_id: str) -> Record | None:
        """The record as it stands."""
        ...

    def find(
        self,
        kind: Kind,
        *,
        states: Collection[str] = (),
        since_s: float | None = None,
        until_s: float | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[Record, ...]:
        """Records, newest first; ``before`` is the sequence that a page ended with."""
        ...

    def forget(self, kind: Kind, before_s: float, states: Collection[str] = ()) -> int:
        """Let go of records that are about a time before ``before_s``; answer how many went.

        For what serves a purpose of hours (sessions, kept replies). What people decided, and
        what became of it, is never forgotten.
        """
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
