"""Overrides: a person's own setpoint, with an owner, a reason and an end.

States: ``active``, ``released`` (a person ended it), ``expired``, ``failed`` (the gateway did
not take it). One active override an actuator; a second one is refused, not layered.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from controller.authority.audit import entry
from controller.authority.failures import InvalidError, NotFoundError, StateError
from controller.authority.panel import at_value, is_at_panel, seen_at_panel
from controller.authority.roles import ISOTHERM, Actor
from controller.storage.ports import Kind, Record, RecordStore
from facility.clock import iso
from facility.commands import Mode, Override
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire

ACTIVE, RELEASED, EXPIRED, FAILED = "active", "released", "expired", "failed"
LONGEST_S = 7 * 24 * 3600.0
"""An override that is meant to stay belongs in the site file."""


class OverrideBook:
    """The overrides of a site, in a record store."""

    def __init__(self, site: Site, records: RecordStore) -> None:
        self._site, self._records = site, records

    def place(
        self,
        actuator: str,
        value: float,
        lasts_s: float,
        actor: Actor,
        why: str,
        *,
        snapshot: Snapshot,
        now_s: float,
    ) -> Override:
        """Write down an override; who calls sends it to the gateway, or calls `fail`.

        Raises
        ------
        NotFoundError, InvalidError, StateError
            Nothing was written down.
        """
        self.expire(now_s)
        known = self._site.actuators.get(actuator)
        if known is None:
            raise NotFoundError(
                f"there is no actuator {actuator}; `isotherm mode` and /v1/site list them"
            )
        if not known.minimum <= value <= known.maximum:
            raise InvalidError(
                f"{value:g} {known.unit} is outside {actuator}'s range "
                f"{known.minimum:g} to {known.maximum:g} {known.unit}"
            )
        if not why.strip():
            raise InvalidError("an override needs a reason: who finds it tonight must know why")
        if not 0.0 < lasts_s <= LONGEST_S:
            raise InvalidError(
                f"an override lasts more than 0 and at most {LONGEST_S / 86400:g} days; "
                "what is meant to stay belongs in the site file"
            )
        mode = snapshot.modes.get(actuator, Mode.SHADOW)
        if not mode.writes:
            raise StateError(
                f"{actuator} is in mode {mode.value}, in which nothing is written: "
                "set it to advisory or automatic first"
            )
        for other in self.in_force(now_s):
            if other.actuator == actuator:
                raise StateError(
                    f"{actuator} is overridden already, to {other.value:g} {known.unit} by "
                    f"{other.who} until {iso(other.expires_at_s)} ({other.why}): release "
                    f"override {other.id} first"
                )
        override = Override(
            f"o-{uuid.uuid4().hex[:12]}", actuator, value, actor.name, why, now_s, now_s + lasts_s
        )
        body = {"override": to_wire(override)}
        self._records.write(
            add=[
                Record(Kind.OVERRIDE, override.id, now_s, body, state=ACTIVE),
                entry(actor, "overrode", f"override {override.id}", why, now_s, body),
            ]
        )
        return override

    def fail(self, override: Override, why: str, now_s: float) -> None:
        """The gateway did not take it."""
        self._end(override.id, FAILED, ISOTHERM, why, now_s)

    def release(self, override_id: str, actor: Actor, why: str, now_s: float) -> Override:
        """A person ends an override before its time."""
        self.expire(now_s)
        record = self._records.get(Kind.OVERRIDE, override_id)
        if record is not None and record.state == ACTIVE and is_at_panel(override_of(record)):
            raise StateError(
                f"{override_of(record).actuator} is held at the machine: hand it back there, then "
                "`isotherm arm`"
            )
        return self._end(override_id, RELEASED, actor, why, now_s)

    def look_at_panels(self, snapshot: Snapshot, now_s: float) -> None:
        """Write down what people changed at the machines; see `controller.authority.panel`."""
        add, moved, ended = seen_at_panel(self._site, snapshot, self._active(), now_s)
        change = [
            at_value(record, moved[record.id])
            for record in self._records.find(Kind.OVERRIDE, states=(ACTIVE,), limit=10_000)
            if record.id in moved
        ]
        self._records.write(add=add, change=change)
        for override in ended:
            self._end(override.id, RELEASED, ISOTHERM, "the machine was handed back", now_s)

    def expire(self, now_s: float) -> tuple[Override, ...]:
        """End those whose time has come, and answer them."""
        late = [o for o in self._active() if o.expires_at_s <= now_s]
        for override in late:
            self._end(override.id, EXPIRED, ISOTHERM, "its time was over", now_s)
        return tuple(late)

    def in_force(self, now_s: float) -> tuple[Override, ...]:
        """Those that stand now, newest first."""
        return tuple(o for o in self._active() if o.starts_at_s <= now_s < o.expires_at_s)

    def _active(self) -> list[Override]:
        found = self._records.find(Kind.OVERRIDE, states=(ACTIVE,), limit=10_000)
        return [override_of(record) for record in found]

    def _end(self, override_id: str, state: str, actor: Actor, why: str, now_s: float) -> Override:
        record = self._records.get(Kind.OVERRIDE, override_id)
        if record is None:
            raise NotFoundError(f"there is no override {override_id}")
        if record.state != ACTIVE:
            raise StateError(f"override {override_id} is {record.state} already")
        outcome = {"who": actor.name, "why": why, "time_s": now_s}
        self._records.write(
            add=[entry(actor, f"{state} override", f"override {override_id}", why, now_s)],
            change=[replace(record, state=state, body={**record.body, "outcome": outcome})],
        )
        return override_of(record)


def override_of(record: Record) -> Override:
    """The override that a record holds."""
    return from_wire(Override, record.body["override"])
