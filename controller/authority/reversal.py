"""Undo: a new decision that returns to the values from before an earlier one.

It goes the way of every decision, through the gateway and its envelope, and is on record beside
the one that it takes back. The site file says for how long that can be asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace

from controller.authority.audit import entry
from controller.authority.failures import NotFoundError, StateError
from controller.authority.inbox import WITHDRAWN, decision_of, decision_record, outcome_of
from controller.authority.roles import Actor
from controller.storage.ports import ConflictError, Kind, RecordStore
from facility.clock import iso
from facility.commands import Decision, Mode, Move, Origin
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import to_wire

LIFE_S = 1800.0
"""So long the way back is asked for again until it is in force."""


def reverse(
    site: Site,
    records: RecordStore,
    decision_id: str,
    actor: Actor,
    why: str,
    *,
    snapshot: Snapshot,
    held: Collection[str],
    now_s: float,
) -> tuple[Decision, Decision]:
    """Write the undoing of a decision down; answer the new decision and the old one.

    Parameters
    ----------
    held
        Actuators that people hold by overrides.

    Raises
    ------
    NotFoundError, StateError
        There is no such decision of a person, its time is over, or nothing of it can be moved
        back now.
    """
    record = records.get(Kind.DECISION, decision_id)
    if record is None:
        raise NotFoundError(f"there is no decision {decision_id}")
    old = decision_of(record)
    if old.origin is not Origin.PERSON:
        raise StateError(
            f"decision {decision_id} is the mode's own, and the next step would take it again: "
            "set the mode to advisory, or override"
        )
    if (by := record.body.get("reversed_by")) is not None:
        raise StateError(f"decision {decision_id} was undone already, by decision {by}")
    window_s = site.people.undo_window_s
    if now_s > old.decided_at_s + window_s:
        raise StateError(
            f"decision {decision_id} is of {iso(old.decided_at_s)}, and a decision can be undone "
            f"for {window_s / 60:g} min here: place an override instead"
        )
    new = Decision(
        id=f"d-{uuid.uuid4().hex[:12]}",
        proposal=old.proposal,
        plan_hash=old.plan_hash,
        origin=Origin.PERSON,
        who=actor.name,
        why=why,
        moves=_moves_back(site, old, snapshot, held),
        decided_at_s=now_s,
        expires_at_s=now_s + LIFE_S,
    )
    body = {**record.body, "reversed_by": new.id}
    if record.state != WITHDRAWN:
        body["outcome"] = outcome_of(actor, f"undone: {why}", now_s)
    log = entry(actor, "undid", f"decision {decision_id}", why, now_s, {"decision": to_wire(new)})
    try:
        records.write(
            add=[log, decision_record(new, {"reverses": decision_id})],
            change=[replace(record, state=WITHDRAWN, body=body)],
        )
    except ConflictError:
        raise StateError(f"decision {decision_id} has just been changed; look again") from None
    return new, old


def _moves_back(
    site: Site, old: Decision, snapshot: Snapshot, held: Collection[str]
) -> tuple[Move, ...]:
    moves, why_not = [], []
    for move in old.moves:
        mode = snapshot.modes.get(move.actuator, Mode.SHADOW)
        value = snapshot.good(site.actuators[move.actuator].read_back)
        if mode is not Mode.ADVISORY:
            why_not.append(f"{move.actuator} is in mode {mode.value}")
        elif move.actuator in held:
            why_not.append(f"{move.actuator} is overridden")
        else:
            moves.append(Move(move.actuator, move.proposed if value is None else value, move.now))
    if not moves:
        raise StateError(f"nothing of it can be moved back: {'; '.join(why_not)}")
    return tuple(moves)
