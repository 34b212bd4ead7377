"""The alarm list: one record an alarm, from when it comes to when it has gone.

States after ISA-18.2: ``active`` (nobody has seen it), ``acknowledged`` (somebody has; it is shown
on), ``returned`` (its cause has gone, and nobody has seen it yet), ``shelved`` (put aside by a
person, with a reason and an end) and ``cleared``. A shelved alarm comes back by itself when its
time is up and its cause is still there.

Of alarms that come together the first is marked: what came first is most likely the cause.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from controller.alarms.conditions import Health, conditions
from controller.authority.audit import entry
from controller.authority.failures import InvalidError, NotFoundError, StateError
from controller.authority.roles import Actor
from controller.live import Live
from controller.storage.ports import Kind, Record, RecordStore
from facility.clock import iso
from facility.site import Site
from facility.telemetry import Condition, Priority, Snapshot

ACTIVE, ACKNOWLEDGED, CLEARED = "active", "acknowledged", "cleared"
RETURNED, SHELVED = "returned", "shelved"
OPEN = (ACTIVE, ACKNOWLEDGED, RETURNED, SHELVED)
FIRST_PLAN_S = 600.0
CLEAR_AFTER_S = 60.0
"""A cause must be gone for so long: what comes and goes is one alarm, not many."""
RAISE_AFTER_S = {Priority.HIGH: 0.0, Priority.MEDIUM: 15.0, Priority.LOW: 60.0}
"""A cause must last for so long: what mends itself asks for nobody."""
TOGETHER_S = 60.0
"""Alarms that came within so long of one another most likely have one cause."""
LONGEST_SHELF_S = 12.0 * 3600.0
"""A shift and its handover: what is put aside for longer is out of service, not shelved."""


class AlarmBook:
    """The alarms of a site, in a record store."""

    def __init__(self, site: Site, records: RecordStore) -> None:
        self._site, self._records = site, records
        self._open = {str(r.body["condition"]): r for r in self.open()}
        self._since_s: dict[str, float] = {}
        self._last_so_s: dict[str, float] = {}

    def open(self) -> tuple[Record, ...]:
        """Those that are on the list, newest first."""
        return self._records.find(Kind.ALARM, states=OPEN, limit=1000)

    def update(self, snapshot: Snapshot | None, live: Live, now_s: float) -> None:
        """Raise what is new, let go what has gone, and bring back what was shelved for long."""
        health = Health(
            gateway_error=live.gateway_error,
            plan_age_s=live.plan_age_s(),
            plan_expected=now_s - live.started_at_s > FIRST_PLAN_S,
        )
        # What has returned must cross its limit again, not only come within the dead band of it.
        so_far = {cause for cause, record in self._open.items() if record.state != RETURNED}
        found = {c.id: c for c in conditions(self._site, snapshot, health, now_s, so_far)}
        found |= {c.id: c for c in live.model_conditions}
        self._since_s = {cause: self._since_s.get(cause, now_s) for cause in found}
        for cause in found:
            self._last_so_s[cause] = now_s
        raised = self._raise(found, now_s)
        changed = [
            later
            for record in self._open.values()
            if (later := self._moved_on(record, record.body["condition"] in found, now_s))
        ]
        if not raised and not changed:
            return
        self._records.write(add=raised, change=changed)
        for record in raised:
            self._take_in(record, live)
        for record in changed:
            self._take_in(replace(record, version=record.version + 1), live)

    def acknowledge(self, alarm_id: str, actor: Actor, note: str, now_s: float) -> Record:
        """Somebody has seen it; it stays on the list until its cause has gone."""
        record = self._record(alarm_id)
        if record.state not in (ACTIVE, RETURNED):
            raise StateError(f"alarm {alarm_id} is {record.state} already")
        seen = {"who": actor.name, "note": note, "time_s": now_s}
        state = ACKNOWLEDGED if record.state == ACTIVE else CLEARED
        return self._changed_by_hand(
            record,
            state,
            {"acknowledged": seen},
            entry_of(actor, "acknowledged", record, note, now_s),
        )

    def shelve(self, alarm_id: str, lasts_s: float, actor: Actor, why: str, now_s: float) -> Record:
        """Put an alarm aside for a while; the audit keeps who, why and until when."""
        record = self._record(alarm_id)
        if not 0.0 < lasts_s <= LONGEST_SHELF_S:
            raise InvalidError(
                f"an alarm is shelved for at most {LONGEST_SHELF_S / 3600.0:g} h, not "
                f"{lasts_s / 3600.0:g} h: put a sensor that stays faulty out of service instead"
            )
        if record.state not in (ACTIVE, ACKNOWLEDGED):
            raise StateError(f"alarm {alarm_id} is {record.state}: there is nothing to shelve")
        until_s = now_s + lasts_s
        shelf = {"who": actor.name, "why": why, "since_s": now_s, "until_s": until_s}
        log = entry_of(actor, "shelved", record, f"{why} (until {iso(until_s)})", now_s)
        return self._changed_by_hand(record, SHELVED, {"shelved": shelf}, log)

    def unshelve(self, alarm_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """Bring a shelved alarm back before its time, to be seen anew."""
        record = self._record(alarm_id)
        if record.state != SHELVED:
            raise StateError(f"alarm {alarm_id} is {record.state}, not shelved")
        log = entry_of(actor, "unshelved", record, why, now_s)
        return self._changed_by_hand(record, ACTIVE, {}, log)

    def _raise(self, found: dict[str, Condition], now_s: float) -> list[Record]:
        """New alarms, in the order in which their causes came, the first of them marked."""
        fresh = [
            condition
            for cause, condition in found.items()
            if cause not in self._open
            and now_s - self._since_s[cause] >= RAISE_AFTER_S[condition.priority]
        ]
        fresh.sort(key=lambda c: (self._since_s[c.id], list(Priority).index(c.priority)))
        raised: list[Record] = []
        for condition in fresh:
            raised.append(self._record_of(condition, raised, now_s))
        return raised

    def _record_of(self, condition: Condition, beside: list[Record], now_s: float) -> Record:
        since_s = self._since_s[condition.id]
        before = [
            record
            for record in (*self._open.values(), *beside)
            if since_s - float(record.body.get("since_s", record.time_s)) <= TOGETHER_S
            and record.body.get("first_out")
        ]
        body: dict[str, Any] = {
            "condition": condition.id,
            "priority": condition.priority.value,
            "text": condition.text,
            "action": condition.action,
            "since_s": since_s,
            "occurrences": 1,
            "first_out": not before,
        }
        if before:
            body["after"] = before[0].id
        return Record(Kind.ALARM, f"a-{uuid.uuid4().hex[:12]}", now_s, body, state=ACTIVE)

    def _moved_on(self, record: Record, lasts: bool, now_s: float) -> Record | None:
        """How an open alarm goes on by itself, or None where it stays as it is."""
        body, last_so_s = record.body, self._last_so_s
        gone = now_s - last_so_s.setdefault(str(body["condition"]), now_s) >= CLEAR_AFTER_S
        if record.state == SHELVED and now_s >= float(body["shelved"]["until_s"]):
            return replace(record, state=ACTIVE) if lasts else _cleared(record, now_s)
        if record.state == RETURNED and lasts:
            again = {**body, "occurrences": int(body.get("occurrences", 1)) + 1}
            return replace(record, state=ACTIVE, body=again)
        if gone and record.state == ACTIVE:
            return replace(record, state=RETURNED, body={**body, "returned_at_s": now_s})
        if gone and record.state == ACKNOWLEDGED:
            return _cleared(record, now_s)
        return None

    def _record(self, alarm_id: str) -> Record:
        record = self._records.get(Kind.ALARM, alarm_id)
        if record is None:
            raise NotFoundError(f"there is no alarm {alarm_id}")
        return record

    def _changed_by_hand(
        self, record: Record, state: str, more: dict[str, Any], log: Record
    ) -> Record:
        changed = replace(record, state=state, body={**record.body, **more})
        self._records.write(add=[log], change=[changed])
        changed = replace(changed, version=changed.version + 1)
        self._take_in(changed)
        return changed

    def _take_in(self, record: Record, live: Live | None = None) -> None:
        cause = str(record.body["condition"])
        if record.state == CLEARED:
            self._open.pop(cause, None)
        else:
            self._open[cause] = record
        if live is not None:
            live.hub.publish("alarm", {"id": record.id, "state": record.state, **record.body})


def entry_of(actor: Actor, action: str, record: Record, why: str, now_s: float) -> Record:
    """The audit's entry of what somebody did to an alarm."""
    return entry(actor, action, f"alarm {record.id}", why, now_s)


def _cleared(record: Record, now_s: float) -> Record:
    return replace(record, state=CLEARED, body={**record.body, "cleared_at_s": now_s})
