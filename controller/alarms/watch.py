"""The alarm list: one record an alarm, from when it comes to when it has gone.

States: ``active``, ``acknowledged`` (somebody has seen it; it is shown on), ``cleared``.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from controller.alarms.conditions import Condition, Health, Priority, conditions
from controller.authority.audit import entry
from controller.authority.failures import NotFoundError, StateError
from controller.authority.roles import Actor
from controller.live import Live
from controller.storage.ports import Kind, Record, RecordStore
from facility.site import Site
from facility.telemetry import Snapshot

ACTIVE, ACKNOWLEDGED, CLEARED = "active", "acknowledged", "cleared"
OPEN = (ACTIVE, ACKNOWLEDGED)
FIRST_PLAN_S = 600.0
CLEAR_AFTER_S = 60.0
"""A cause must be gone for so long: what comes and goes is one alarm, not many."""
RAISE_AFTER_S = {Priority.HIGH: 0.0, Priority.MEDIUM: 15.0, Priority.LOW: 60.0}
"""A cause must last for so long: what mends itself asks for nobody."""


class AlarmBook:
    """The alarms of a site, in a record store."""

    def __init__(self, site: Site, records: RecordStore) -> None:
        self._site, self._records = site, records
        self._open = {str(r.body["condition"]): r for r in self.open()}
        self._since_s: dict[str, float] = {}
        self._last_so_s: dict[str, float] = {}

    def open(self) -> tuple[Record, ...]:
        """Those whose cause has not gone, newest first."""
        return self._records.find(Kind.ALARM, states=OPEN, limit=1000)

    def update(self, snapshot: Snapshot | None, live: Live, now_s: float) -> None:
        """Raise what is new and clear what has gone."""
        health = Health(
            gateway_error=live.gateway_error,
            plan_age_s=live.plan_age_s(),
            plan_expected=now_s - live.started_at_s > FIRST_PLAN_S,
        )
        raised = []
        found = {c.id: c for c in conditions(self._site, snapshot, health, now_s)}
        self._since_s = {cause: self._since_s.get(cause, now_s) for cause in found}
        for cause, condition in found.items():
            self._last_so_s[cause] = now_s
            lasted_s = now_s - self._since_s[cause]
            if cause not in self._open and lasted_s >= RAISE_AFTER_S[condition.priority]:
                raised.append(_record(condition, now_s))
        gone = [
            replace(record, state=CLEARED, body={**record.body, "cleared_at_s": now_s})
            for cause, record in self._open.items()
            if now_s - self._last_so_s.setdefault(cause, now_s) >= CLEAR_AFTER_S
        ]
        if not raised and not gone:
            return
        self._records.write(add=raised, change=gone)
        for record in raised:
            self._open[str(record.body["condition"])] = record
            live.hub.publish("alarm", {"id": record.id, "state": record.state, **record.body})
        for record in gone:
            del self._open[str(record.body["condition"])]
            live.hub.publish("alarm", {"id": record.id, "state": record.state, **record.body})

    def acknowledge(self, alarm_id: str, actor: Actor, note: str, now_s: float) -> Record:
        """Somebody has seen it; it stays on the list until its cause has gone."""
        record = self._records.get(Kind.ALARM, alarm_id)
        if record is None:
            raise NotFoundError(f"there is no alarm {alarm_id}")
        if record.state != ACTIVE:
            raise StateError(f"alarm {alarm_id} is {record.state} already")
        seen = {"who": actor.name, "note": note, "time_s": now_s}
        changed = replace(record, state=ACKNOWLEDGED, body={**record.body, "acknowledged": seen})
        self._records.write(
            add=[entry(actor, "acknowledged", f"alarm {alarm_id}", note, now_s)], change=[changed]
        )
        changed = replace(changed, version=changed.version + 1)
        self._open[str(record.body["condition"])] = changed
        return changed


def _record(condition: Condition, now_s: float) -> Record:
    return Record(
        Kind.ALARM,
        f"a-{uuid.uuid4().hex[:12]}",
        now_s,
        {
            "condition": condition.id,
            "priority": condition.priority.value,
            "text": condition.text,
            "action": condition.action,
        },
        state=ACTIVE,
    )
