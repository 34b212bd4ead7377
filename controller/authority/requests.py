"""What two people have to agree to: one asks, and it is done when enough others said yes.

What needs two people stands in the site file (``[people] two_people``), and so does whether who
asks counts as one of the two (``own_approval``). A request that nobody answered in time has
expired and is never carried out late.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.authority.audit import entry
from controller.authority.failures import NotFoundError, StateError
from controller.authority.roles import ISOTHERM, Actor
from controller.storage.ports import ConflictError, Kind, Record, RecordStore
from facility.clock import iso
from facility.site import People

PENDING, AGREED, EXPIRED, REFUSED = "pending", "agreed", "expired", "refused"
FAILED = "failed"
"""Agreed to, and could not be carried out."""
LIFE_S = 3600.0
PEOPLE = 2


class RequestBook:
    """The requests of a site, in a record store."""

    def __init__(self, people: People, records: RecordStore) -> None:
        self._people, self._records = people, records

    def needs_two(self, what: str) -> bool:
        """Whether the site file asks for two people."""
        return what in self._people.two_people

    def ask(
        self, what: str, body: Mapping[str, Any], actor: Actor, why: str, now_s: float
    ) -> Record:
        """Write a request down.

        Parameters
        ----------
        what
            ``mode`` or ``standing_approval``.
        body
            All that is needed to carry it out.
        """
        yes = [_yes(actor, why, now_s)] if self._people.own_approval else []
        record = Record(
            Kind.REQUEST,
            f"q-{uuid.uuid4().hex[:12]}",
            now_s,
            {
                "what": what,
                "asked": dict(body),
                "who": actor.name,
                "why": why,
                "expires_at_s": now_s + LIFE_S,
                "approvals": yes,
                "needed": PEOPLE,
            },
            state=PENDING,
        )
        log = entry(actor, "asked for", f"request {record.id}", why, now_s, record.body)
        self._records.write(add=[record, log])
        return record

    def agree(self, request_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """One person's yes; the state of the answer is `AGREED` once it is to be carried out.

        Raises
        ------
        NotFoundError, StateError
            There is none, it is too late, or this person may not say yes (again).
        """
        record = self._open(request_id, now_s)
        if actor.name == record.body["who"] and not self._people.own_approval:
            raise StateError(
                f"{actor.name} asked for request {request_id} and may not agree to it: the site "
                "file says so (own_approval)"
            )
        if actor.name in [each["who"] for each in record.body["approvals"]]:
            raise StateError(
                f"{actor.name} has agreed to request {request_id} already: it takes another person"
            )
        approvals = [*record.body["approvals"], _yes(actor, why, now_s)]
        state = AGREED if len(approvals) >= record.body["needed"] else PENDING
        changed = replace(record, state=state, body={**record.body, "approvals": approvals})
        return self._settle(changed, entry(actor, "agreed to", _about(record), why, now_s))

    def refuse(self, request_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """Say no, or take one's own request back."""
        record = self._open(request_id, now_s)
        outcome = {"who": actor.name, "role": actor.scope.value, "why": why, "time_s": now_s}
        changed = replace(record, state=REFUSED, body={**record.body, "outcome": outcome})
        return self._settle(changed, entry(actor, "refused", _about(record), why, now_s))

    def fail(self, record: Record, why: str, now_s: float) -> None:
        """It was agreed to and could not be carried out; whoever still wants it asks anew."""
        outcome = {"who": ISOTHERM.name, "role": "", "why": why, "time_s": now_s}
        changed = replace(record, state=FAILED, body={**record.body, "outcome": outcome})
        self._settle(changed, entry(ISOTHERM, "failed", _about(record), why, now_s))

    def expire(self, now_s: float) -> None:
        """Close what was not answered in time."""
        for record in self._records.find(Kind.REQUEST, states=(PENDING,), limit=1000):
            if record.body["expires_at_s"] <= now_s:
                why = "not enough people agreed in time"
                outcome = {"who": ISOTHERM.name, "role": "", "why": why, "time_s": now_s}
                changed = replace(record, state=EXPIRED, body={**record.body, "outcome": outcome})
                self._settle(changed, entry(ISOTHERM, "expired", _about(record), why, now_s))

    def _open(self, request_id: str, now_s: float) -> Record:
        self.expire(now_s)
        record = self._records.get(Kind.REQUEST, request_id)
        if record is None:
            raise NotFoundError(f"there is no request {request_id}")
        if record.state != PENDING:
            raise StateError(f"request {request_id} is {record.state} already")
        return record

    def _settle(self, changed: Record, log: Record) -> Record:
        try:
            self._records.write(add=[log], change=[changed])
        except ConflictError:
            raise StateError(f"request {changed.id} has just been answered; look again") from None
        return replace(changed, version=changed.version + 1)


def _yes(actor: Actor, why: str, now_s: float) -> dict[str, Any]:
    return {"who": actor.name, "role": actor.scope.value, "why": why, "time": iso(now_s)}


def _about(record: Record) -> str:
    return f"request {record.id}"
