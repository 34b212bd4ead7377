"""Proposals and what became of them: one outcome each.

States: ``pending`` (a person may decide), ``approved``, ``rejected``, ``expired`` (nobody did in
time; counts as a rejection and is never applied late), ``superseded`` (it stands no more; the
outcome says why),
``adopted`` (the automatic mode said yes), ``recorded`` (shadow: nobody was asked).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from controller.authority.audit import entry
from controller.authority.failures import (
    InvalidError,
    NotFoundError,
    OutdatedError,
    StateError,
)
from controller.authority.roles import ISOTHERM, Actor
from controller.authority.worst_case import WorstCaseSeen
from controller.planning.standing import left_region, left_to_do, unseen
from controller.storage.ports import ConflictError, Kind, Record, RecordStore
from facility.clock import iso
from facility.commands import Bound, Decision, Mode, Move, Origin, Proposal
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire

PENDING, APPROVED, REJECTED = "pending", "approved", "rejected"
EXPIRED, SUPERSEDED, ADOPTED, RECORDED = "expired", "superseded", "adopted", "recorded"

WITHDRAWN = "withdrawn"
"""State of a decision that was taken back; others have their origin as state."""


class Inbox:
    """The proposals of a site, in a record store."""

    def __init__(self, site: Site, records: RecordStore) -> None:
        self._site, self._records = site, records
        self._worst_case = WorstCaseSeen(site)

    def offer(self, proposal: Proposal, modes: Mapping[str, Mode], now_s: float) -> Record:
        """Take a proposal in, once; the pending one before it gives way."""
        asked = [m.actuator for m in proposal.moves if modes.get(m.actuator) is Mode.ADVISORY]
        ours = (*proposal.moves, *proposal.holds)
        acted = [m.actuator for m in ours if modes.get(m.actuator) is Mode.AUTOMATIC]
        state = PENDING if asked else ADOPTED if acted else RECORDED
        if (known := self._records.get(Kind.PROPOSAL, proposal.id)) is not None:
            if known.state not in (PENDING, RECORDED):
                return known
            # It stands on: looked at again, or a person has changed the modes.
            body = {**known.body, "proposal": to_wire(proposal)}
            now = replace(known, state=state, body=body)
            if now != known:
                self._records.write(change=[now])
            return now
        record = Record(
            Kind.PROPOSAL, proposal.id, now_s, {"proposal": to_wire(proposal)}, state=state
        )
        gone = [
            _closed(old, SUPERSEDED, ISOTHERM, f"proposal {proposal.id} took its place", now_s)
            for old in self.pending()
        ]
        self._records.write(add=[record], change=gone)
        return record

    def drop(self, proposal_id: str, why: str, now_s: float) -> None:
        """Close a pending proposal that stands no more."""
        self.expire(now_s)
        record = self._records.get(Kind.PROPOSAL, proposal_id)
        if record is not None and record.state == PENDING:
            self._records.write(change=[_closed(record, SUPERSEDED, ISOTHERM, why, now_s)])

    def pending(self) -> tuple[Record, ...]:
        """What waits for a person, newest first."""
        return self._records.find(Kind.PROPOSAL, states=(PENDING,))

    def expire(self, now_s: float) -> int:
        """Close what nobody answered in time; answer how many there were."""
        late = [r for r in self.pending() if r.body["proposal"]["expires_at_s"] <= now_s]
        for record in late:
            self._records.write(
                add=[entry(ISOTHERM, "expired", f"proposal {record.id}", "nobody decided", now_s)],
                change=[_closed(record, EXPIRED, ISOTHERM, "nobody decided in time", now_s)],
            )
        return len(late)

    def approve(
        self,
        proposal_id: str,
        plan_hash: str,
        actor: Actor,
        why: str,
        *,
        snapshot: Snapshot,
        now_s: float,
        actuators: Collection[str] | None = None,
        share: float = 1.0,
    ) -> Decision:
        """Say yes to a pending proposal, or to part of it.

        Parameters
        ----------
        plan_hash
            Of the plan that the person looked at.
        snapshot
            The plant now: it must lie in the proposal's region, and moves start from the
            setpoints in force.
        actuators
            Those to move (default: all that a person is asked about).
        share
            Of what is left of each move, above 0 and at most 1; moves towards cooling go further
            where the worst case asks for it (`controller.authority.worst_case`).

        Raises
        ------
        NotFoundError, OutdatedError, StateError, InvalidError
            See `controller.authority.failures`; nothing has changed.
        """
        record, proposal = self._open(proposal_id, now_s)
        if plan_hash != proposal.plan_hash:
            raise OutdatedError(
                f"the plan of proposal {proposal_id} is {proposal.plan_hash}, not {plan_hash}: "
                "look at it again and approve what stands there"
            )
        if left := not_in_region(proposal, snapshot):
            raise StateError(
                f"the plant has left the region in which proposal {proposal_id} holds: "
                f"{'; '.join(left)}; wait for the next proposal"
            )
        done = frozenset(record.body.get("covered", {}))
        moves = self._moves(proposal, snapshot, actuators, share, done)
        decision = Decision(
            id=f"d-{uuid.uuid4().hex[:12]}",
            proposal=proposal.id,
            plan_hash=proposal.plan_hash,
            origin=Origin.PERSON,
            who=actor.name,
            why=why,
            moves=moves,
            decided_at_s=now_s,
            expires_at_s=proposal.expires_at_s,
        )
        about = f"proposal {proposal.id}"
        self._settle(
            _closed(record, APPROVED, actor, why, now_s),
            entry(actor, "approved", about, why, now_s, {"decision": to_wire(decision)}),
            decision_record(decision),
        )
        return decision

    def cover(
        self,
        proposal: Proposal,
        approval_id: str,
        who: str,
        why: str,
        moves: tuple[Move, ...],
        now_s: float,
    ) -> Decision | None:
        """A standing approval's yes to some moves; the others go on waiting for a person.

        None where the proposal waits no more, or these moves were covered before.
        """
        record = self._records.get(Kind.PROPOSAL, proposal.id)
        if record is None or record.state != PENDING:
            return None
        covered = dict(record.body.get("covered", {}))
        fresh = tuple(move for move in moves if move.actuator not in covered)
        if not fresh:
            return None
        decision = Decision(
            id=f"d-{uuid.uuid4().hex[:12]}",
            proposal=proposal.id,
            plan_hash=proposal.plan_hash,
            origin=Origin.PERSON,
            who=who,
            why=f"standing approval {approval_id}: {why}",
            moves=fresh,
            decided_at_s=now_s,
            expires_at_s=proposal.expires_at_s,
        )
        covered |= {move.actuator: approval_id for move in fresh}
        changed = replace(record, body={**record.body, "covered": covered})
        about = f"proposal {proposal.id}"
        log = entry(
            ISOTHERM, "approved in advance", about, decision.why, now_s, {"decision": decision.id}
        )
        kept = decision_record(decision, {"standing": approval_id})
        if set(covered) >= {move.actuator for move in proposal.moves}:
            changed = _closed(changed, APPROVED, ISOTHERM, decision.why, now_s)
        try:
            self._records.write(add=[log, kept], change=[changed])
        except ConflictError:  # a person decided in this moment
            return None
        return decision

    def region_of(self, decision: Decision) -> tuple[Bound, ...]:
        """The plant states in which a decision is carried out; empty where it holds anywhere."""
        record = self._records.get(Kind.DECISION, decision.id)
        if record is None or "reverses" in record.body:
            return ()
        proposed = self._records.get(Kind.PROPOSAL, decision.proposal)
        return () if proposed is None else proposal_of(proposed).region

    def is_standing(self, decision: Decision) -> bool:
        """Whether a decision came from a standing approval."""
        record = self._records.get(Kind.DECISION, decision.id)
        return record is not None and "standing" in record.body

    def reject(self, proposal_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """Say no to a pending proposal, with the reason; the reasons are kept for tuning."""
        if not why.strip():
            raise InvalidError("a rejection needs a reason: it is shown to who tunes the plant")
        record, _ = self._open(proposal_id, now_s)
        closed = _closed(record, REJECTED, actor, why, now_s)
        self._settle(closed, entry(actor, "rejected", f"proposal {proposal_id}", why, now_s))
        return replace(closed, version=closed.version + 1)

    def adopt(self, decision: Decision) -> Decision:
        """Keep the decision of a mode; a known one is answered as it was made."""
        known = self._records.get(Kind.DECISION, decision.id)
        if known is not None:
            return decision_of(known)
        self._records.write(add=[decision_record(decision)])
        return decision

    def decisions_in_force(self, now_s: float) -> tuple[Decision, ...]:
        """What people approved and what has not run out, newest first."""
        found = self._records.find(Kind.DECISION, states=(Origin.PERSON.value,), limit=50)
        return tuple(decision_of(r) for r in found if r.body["decision"]["expires_at_s"] > now_s)

    def withdraw(self, decision: Decision, actor: Actor, why: str, now_s: float) -> None:
        """Take a person's decision back: what it has not written yet is not written."""
        record = self._records.get(Kind.DECISION, decision.id)
        if record is None or record.state == WITHDRAWN:
            return
        outcome = outcome_of(actor, why, now_s)
        self._records.write(
            add=[entry(actor, "withdrew", f"decision {decision.id}", why, now_s)],
            change=[replace(record, state=WITHDRAWN, body={**record.body, "outcome": outcome})],
        )

    def _open(self, proposal_id: str, now_s: float) -> tuple[Record, Proposal]:
        self.expire(now_s)
        record = self._records.get(Kind.PROPOSAL, proposal_id)
        if record is None:
            raise NotFoundError(f"there is no proposal {proposal_id}")
        if record.state != PENDING:
            raise StateError(_why_closed(record))
        return record, proposal_of(record)

    def _moves(
        self,
        proposal: Proposal,
        snapshot: Snapshot,
        actuators: Collection[str] | None,
        share: float,
        done: Collection[str],
    ) -> tuple[Move, ...]:
        """What an approval moves, from the setpoints in force."""
        if not 0.0 < share <= 1.0:
            raise InvalidError(f"share must be above 0 and at most 1, not {share:g}")
        moves = {move.actuator for move in proposal.moves}
        if strangers := sorted(set(actuators or ()) - moves):
            raise InvalidError(f"proposal {proposal.id} does not move {', '.join(strangers)}")
        askable = {a for a in moves if snapshot.modes.get(a) is Mode.ADVISORY and a not in done}
        chosen = askable if actuators is None else set(actuators)
        if not chosen or (locked := sorted(chosen - askable)):
            names = ", ".join(locked) if chosen else "its actuators"
            raise StateError(
                f"{names} may not be written on approval in the mode in force: "
                "set the mode to advisory first, unless a standing approval covers them already"
            )
        left = [m for m in left_to_do(proposal, self._site, snapshot) if m.actuator in chosen]
        gone = sorted(chosen - {move.actuator for move in left})
        if gone and (actuators is not None or not left):
            raise StateError(
                f"{', '.join(gone[:3])}{' and more' if len(gone) > 3 else ''}: nothing of the "
                "move is left, since the plant's own control is there already"
            )
        made = self._worst_case.smaller(left, share, snapshot)
        if not made:
            raise InvalidError("a number of chillers has no share: approve it whole")
        return made

    def _settle(self, change: Record, *add: Record) -> None:
        try:
            self._records.write(add=add, change=[change])
        except ConflictError:
            now = self._records.get(Kind.PROPOSAL, change.id)
            raise StateError(_why_closed(now) if now else f"{change.id} is gone") from None


def proposal_of(record: Record) -> Proposal:
    """The proposal that a record holds."""
    return from_wire(Proposal, record.body["proposal"])


def decision_of(record: Record) -> Decision:
    """The decision that a record holds."""
    return from_wire(Decision, record.body["decision"])


def decision_record(decision: Decision, more: Mapping[str, str] | None = None) -> Record:
    """A decision as a record; its state says who made it, ``more`` where it comes from."""
    return Record(
        Kind.DECISION,
        decision.id,
        decision.decided_at_s,
        {"decision": to_wire(decision), **(more or {})},
        state=decision.origin.value,
    )


def _closed(record: Record, state: str, actor: Actor, why: str, now_s: float) -> Record:
    outcome = outcome_of(actor, why, now_s)
    return replace(record, state=state, body={**record.body, "outcome": outcome})


def outcome_of(actor: Actor, why: str, now_s: float) -> dict[str, Any]:
    """Who ended something, as it is kept with a record."""
    return {"who": actor.name, "role": actor.scope.value, "why": why, "time_s": now_s}


def _why_closed(record: Record) -> str:
    outcome = record.body.get("outcome", {})
    text = f"proposal {record.id} is {record.state}"
    if outcome:
        text += f" since {iso(outcome['time_s'])}, by {outcome['who']}: {outcome['why']}"
    return text


def not_in_region(proposal: Proposal, snapshot: Snapshot) -> list[str]:
    """Why the plant is not seen to be in a proposal's region, in words; empty while it is."""
    return [*unseen(proposal.region, snapshot), *left_region(proposal.region, snapshot)]
