"""Standing approvals: a person's yes in advance, within stated bounds.

«Up to 1 °C, these actuators, these hours, until Friday»: a move is covered if its actuator is
named, the step is no larger than agreed, the value stays within the agreed reach of what was in
force when the approval was given, and the hour of the day is one of those agreed. What is not
covered waits for a person as always. The decision is a person's, the writes are the optimiser's:
its budgets and dead bands bind them, for nobody looks.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.authority.audit import entry
from controller.authority.failures import InvalidError, NotFoundError, StateError
from controller.authority.roles import ISOTHERM, Actor
from controller.storage.ports import ConflictError, Kind, Record, RecordStore
from facility.clock import iso
from facility.commands import Bound, Mode, Move
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire

ACTIVE, WITHDRAWN, EXPIRED = "active", "withdrawn", "expired"
LONGEST_S = 31 * 86_400.0
SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class StandingApproval:
    """A yes in advance. Values are in the canonical unit of their actuator."""

    id: str
    who: str
    why: str
    largest_step: float
    """Of one move."""
    bounds: tuple[Bound, ...]
    """By actuator: between which values it may be moved at all."""
    from_hour: str
    to_hour: str
    """Hours of the day, ``HH:MM``; equal ones mean the whole day, and they may span midnight."""
    time_zone: str
    """IANA name of the zone in which the hours are meant."""
    starts_at_s: float
    expires_at_s: float

    def covers(self, move: Move, now_s: float) -> bool:
        """Whether this says yes to a move now."""
        if not self.starts_at_s <= now_s < self.expires_at_s or not self._is_its_hour(now_s):
            return False
        return any(
            bound.tag == move.actuator
            and abs(move.proposed - move.now) <= self.largest_step + SLACK
            and bound.lower - SLACK <= move.proposed <= bound.upper + SLACK
            for bound in self.bounds
        )

    def _is_its_hour(self, now_s: float) -> bool:
        now = datetime.fromtimestamp(now_s, UTC).astimezone(zone(self.time_zone)).time()
        start, end = hour(self.from_hour), hour(self.to_hour)
        if start == end:
            return True
        return start <= now < end if start < end else now >= start or now < end


@dataclass(frozen=True, slots=True)
class Wish:
    """A standing approval as a person asks for it."""

    targets: tuple[str, ...]
    """Actuators or groups of them."""
    largest_step: float
    expires_at_s: float
    why: str
    reach: float | None = None
    """How far from the value in force now it may be moved in all; None: one step."""
    from_hour: str = "00:00"
    to_hour: str = "00:00"
    time_zone: str = "UTC"


class StandingBook:
    """The standing approvals of a site, in a record store."""

    def __init__(self, site: Site, records: RecordStore) -> None:
        self._site, self._records = site, records

    def drawn_up(
        self, wish: Wish, actor: Actor, *, snapshot: Snapshot, now_s: float
    ) -> StandingApproval:
        """An approval as it would stand; nothing is written down yet.

        Raises
        ------
        NotFoundError, InvalidError, StateError
            It cannot be given so.
        """
        if not wish.why.strip():
            raise InvalidError("a standing approval needs a reason")
        reach = wish.largest_step if wish.reach is None else wish.reach
        if not 0.0 < wish.largest_step < 1e6 or not 0.0 < reach < 1e6:
            raise InvalidError("largest_step and reach must be above 0")
        if not now_s < wish.expires_at_s <= now_s + LONGEST_S:
            raise InvalidError(
                f"a standing approval ends after now ({iso(now_s)}) and within "
                f"{LONGEST_S / 86400:g} days"
            )
        zone(wish.time_zone)
        hour(wish.from_hour)
        hour(wish.to_hour)
        actuators = self._actuators(wish.targets)
        return StandingApproval(
            id=f"s-{uuid.uuid4().hex[:12]}",
            who=actor.name,
            why=wish.why,
            largest_step=wish.largest_step,
            bounds=tuple(self._bound(actuator, reach, snapshot) for actuator in actuators),
            from_hour=wish.from_hour,
            to_hour=wish.to_hour,
            time_zone=wish.time_zone,
            starts_at_s=now_s,
            expires_at_s=wish.expires_at_s,
        )

    def grant(self, approval: StandingApproval, actor: Actor, now_s: float) -> Record:
        """Put an approval in force."""
        body = {"standing": to_wire(approval)}
        record = Record(Kind.STANDING, approval.id, now_s, body, state=ACTIVE)
        about = f"standing approval {approval.id}"
        self._records.write(add=[record, entry(actor, "granted", about, approval.why, now_s, body)])
        return record

    def withdraw(self, approval_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """End an approval before its time; what it decided before stands."""
        self.expire(now_s)
        record = self._records.get(Kind.STANDING, approval_id)
        if record is None:
            raise NotFoundError(f"there is no standing approval {approval_id}")
        if record.state != ACTIVE:
            raise StateError(f"standing approval {approval_id} is {record.state} already")
        return self._end(record, WITHDRAWN, actor, why, now_s)

    def expire(self, now_s: float) -> None:
        """End those whose time has come."""
        for record in self._active():
            if standing_of(record).expires_at_s <= now_s:
                self._end(record, EXPIRED, ISOTHERM, "its time was over", now_s)

    def in_force(self, now_s: float) -> tuple[StandingApproval, ...]:
        """Those that stand now, newest first."""
        found = (standing_of(record) for record in self._active())
        return tuple(a for a in found if a.starts_at_s <= now_s < a.expires_at_s)

    def _active(self) -> tuple[Record, ...]:
        return self._records.find(Kind.STANDING, states=(ACTIVE,), limit=1000)

    def _end(self, record: Record, state: str, actor: Actor, why: str, now_s: float) -> Record:
        outcome = {"who": actor.name, "role": actor.scope.value, "why": why, "time_s": now_s}
        changed = replace(record, state=state, body={**record.body, "outcome": outcome})
        log = entry(actor, f"{state} standing approval", record.id, why, now_s)
        try:
            self._records.write(add=[log], change=[changed])
        except ConflictError:
            raise StateError(f"standing approval {record.id} has just ended") from None
        return changed

    def _actuators(self, targets: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for target in targets:
            members = [a.id for a in self._site.groups.get(target, ())]
            if not members and target not in self._site.actuators:
                raise NotFoundError(f"there is no actuator or group {target}; see /v1/site")
            found |= dict.fromkeys(members or [target])
        if not found:
            raise InvalidError("a standing approval names the actuators that it is about")
        return list(found)

    def _bound(self, actuator_id: str, reach: float, snapshot: Snapshot) -> Bound:
        actuator = self._site.actuators[actuator_id]
        value = snapshot.good(actuator.read_back)
        if value is None:
            raise StateError(
                f"{actuator.read_back} cannot be read now: from where {actuator_id} may be moved "
                "is not known"
            )
        low, high = max(value - reach, actuator.minimum), min(value + reach, actuator.maximum)
        return Bound(actuator_id, round(low, 6), round(high, 6))


def covered(
    approvals: Iterable[StandingApproval],
    moves: Iterable[Move],
    modes: Mapping[str, Mode],
    held: Collection[str],
    now_s: float,
) -> dict[str, tuple[Move, ...]]:
    """By approval: those of some moves that it says yes to, each move once."""
    found: dict[str, tuple[Move, ...]] = {}
    left = [
        move
        for move in moves
        if modes.get(move.actuator) is Mode.ADVISORY and move.actuator not in held
    ]
    for approval in approvals:
        agreed = tuple(move for move in left if approval.covers(move, now_s))
        if agreed:
            found[approval.id] = agreed
            left = [move for move in left if move not in agreed]
    return found


def standing_of(record: Record) -> StandingApproval:
    """The approval that a record holds."""
    return from_wire(StandingApproval, record.body["standing"])


def zone(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises
    ------
    InvalidError
        There is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidError(
            f"{name!r} is no time zone: write one as Europe/Berlin, or UTC"
        ) from None


def hour(text: str) -> time:
    """The time of day of ``HH:MM``.

    Raises
    ------
    InvalidError
        It is none.
    """
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - an hour of any day
    except ValueError:
        raise InvalidError(f"{text!r} is no hour of the day: write HH:MM") from None
