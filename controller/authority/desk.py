"""Where authority is given and taken: what people and modes decide, brought to the gateway.

The tick asks through `controller.authority.port.Authority`; people through the service. What a
person has decided is carried out at once and then again after each snapshot until the device
shows it or it has run out, for the envelope may let a value move in steps only.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from controller.authority.audit import entry
from controller.authority.automatic import yes_of_mode
from controller.authority.carrying import command_of, commands_of
from controller.authority.failures import GatewayError, InvalidError, NotFoundError, StateError
from controller.authority.inbox import Inbox
from controller.authority.overrides import OverrideBook
from controller.authority.panel import is_at_panel
from controller.authority.reversal import reverse
from controller.authority.roles import ISOTHERM, Actor
from controller.authority.standing import StandingBook, covered
from controller.authority.worst_case import WorstCaseSeen
from controller.gateway_link import GatewayLink, GatewayRefusedError, GatewayUnavailableError
from controller.planning.standing import is_open, left_region, left_to_do
from controller.storage.ports import Kind, Record, RecordStore
from facility.commands import Command, Decision, Mode, Origin, Override, Proposal, Receipt
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import to_wire

log = logging.getLogger(__name__)

CARRY_EVERY_S = 60.0
"""A value that is not in force yet is asked for again after so long."""


class Desk:
    """Authority over one site."""

    def __init__(self, site: Site, records: RecordStore, link: GatewayLink) -> None:
        self._site, self._records, self._link = site, records, link
        self.inbox = Inbox(site, records)
        self.book = OverrideBook(site, records)
        self.standing = StandingBook(site, records)
        self._life_s = site.gateway.command_max_age_s
        self._worst_case = WorstCaseSeen(site)
        self._asked_s: dict[tuple[str, str], float] = {}
        self._registered: set[str] = set()
        """Decisions that this gateway knows."""

    # ---- what the tick asks

    def decide(self, proposal: Proposal, snapshot: Snapshot, now_s: float) -> Decision | None:
        """The decision in force after this proposal; see the port."""
        modes = snapshot.modes
        self.inbox.expire(now_s)
        self.inbox.offer(proposal, modes, now_s)
        held = self._held(now_s)
        approvals = {approval.id: approval for approval in self.standing.in_force(now_s)}
        left = left_to_do(proposal, self._site, snapshot)
        for name, agreed in covered(approvals.values(), left, modes, held, now_s).items():
            said = approvals[name]
            self.inbox.cover(proposal, name, said.who, said.why, agreed, now_s)
        said_yes = yes_of_mode(proposal, modes, now_s, held)
        if said_yes is not None:
            return self.inbox.adopt(said_yes)
        standing = self.inbox.decisions_in_force(now_s)
        asked = {actuator for actuator, mode in modes.items() if mode is Mode.ADVISORY}
        return next((d for d in standing if any(m.actuator in asked for m in d.moves)), None)

    def drop(self, proposal_id: str, why: str, now_s: float) -> None:
        """A proposal stands no more."""
        self.inbox.drop(proposal_id, why, now_s)

    def overrides(self, now_s: float) -> tuple[Override, ...]:
        """The overrides in force."""
        return self.book.in_force(now_s)

    # ---- what people ask

    async def approve(
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
    ) -> tuple[Decision, tuple[Receipt, ...]]:
        """Approve (see `Inbox.approve`) and carry it out; receipts as far as they are in.

        The decision stands once it is written down. If the gateway is away at that moment,
        it is carried out when the gateway is back, unless it has run out by then.
        """
        decision = self.inbox.approve(
            proposal_id,
            plan_hash,
            actor,
            why,
            snapshot=snapshot,
            now_s=now_s,
            actuators=actuators,
            share=share,
        )
        return decision, await self._begin(decision, snapshot, now_s)

    async def undo(
        self, decision_id: str, actor: Actor, why: str, *, snapshot: Snapshot, now_s: float
    ) -> tuple[Decision, tuple[Receipt, ...]]:
        """Take a decision's moves back; see `controller.authority.reversal`."""
        new, _ = reverse(
            self._site,
            self._records,
            decision_id,
            actor,
            why,
            snapshot=snapshot,
            held=self._held(now_s),
            now_s=now_s,
        )
        return new, await self._begin(new, snapshot, now_s)

    async def _begin(
        self, decision: Decision, snapshot: Snapshot, now_s: float
    ) -> tuple[Receipt, ...]:
        """Register a decision and ask for its writes; where the gateway is away, later."""
        try:
            await self._register(decision)
            return await self._send(self._of_decision(decision, snapshot, now_s))
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            log.warning("decision %s is not carried out yet: %s", decision.id, error)
            return ()

    def reject(self, proposal_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """Reject; see `Inbox.reject`."""
        return self.inbox.reject(proposal_id, actor, why, now_s)

    async def override(
        self,
        target: str,
        value: float,
        lasts_s: float,
        actor: Actor,
        why: str,
        *,
        snapshot: Snapshot,
        now_s: float,
    ) -> tuple[tuple[Override, ...], tuple[Receipt, ...]]:
        """Override an actuator, or every actuator of a group, and write it."""
        members = [a.id for a in self._site.groups.get(target, ())] or [target]
        placed: list[Override] = []
        try:
            for actuator in members:
                override = self.book.place(
                    actuator, value, lasts_s, actor, why, snapshot=snapshot, now_s=now_s
                )
                placed.append(override)
                await self._link.override(override)
        except Exception as error:
            await self._take_back(placed, f"not all of {target} could be overridden", now_s)
            if isinstance(error, (GatewayUnavailableError, GatewayRefusedError)):
                raise GatewayError(f"{target} is not overridden: {error}") from error
            raise
        try:
            receipts = await self._send([self._of_override(o, now_s) for o in placed])
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            log.warning("override of %s is not in force yet: %s", target, error)
            receipts = ()
        return tuple(placed), receipts

    async def end_override(
        self, override_id: str, actor: Actor, why: str, now_s: float
    ) -> Override:
        """Take an override back; the optimiser goes on from the value in force."""
        override = self.book.release(override_id, actor, why, now_s)
        try:
            await self._link.end_override(override_id, actor.name, why)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            # Nothing renews it any more, and the gateway lets it end by itself.
            log.warning("the gateway was not told that override %s ended: %s", override_id, error)
        return override

    async def set_mode(
        self, actuators: Sequence[str] | None, mode: Mode, actor: Actor, why: str, now_s: float
    ) -> Mapping[str, Mode]:
        """Set modes in the gateway, which owns them; people ask through `asking`."""
        self.check_mode_change(actuators, why)
        try:
            modes = await self._link.set_mode(actuators, mode, actor.name, why)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            raise GatewayError(f"the modes are as they were: {error}") from error
        about = "all actuators" if actuators is None else ", ".join(actuators)
        self._records.write(
            add=[entry(actor, f"set mode {mode.value}", about, why, now_s)],
        )
        return modes

    def check_mode_change(self, actuators: Sequence[str] | None, why: str) -> None:
        """Refuse a change of mode that makes no sense, before anything is asked of anybody."""
        self._check_known(actuators)
        if not why.strip():
            raise InvalidError("a change of mode needs a reason")

    async def release(
        self, actuators: Sequence[str] | None, actor: Actor, why: str, now_s: float
    ) -> Mapping[str, Any]:
        """Give the plant back; the gateway first, then the audit."""
        self._check_known(actuators)
        about = "all actuators" if actuators is None else ", ".join(actuators)
        try:
            released = await self._link.release(actuators, actor.name, why)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            self._records.write(add=[entry(actor, "failed to release", about, str(error), now_s)])
            raise GatewayError(
                f"the gateway did not answer: {error}. If it is dead, its devices return to local "
                "control by their own watchdogs; else run `isotherm release` on its machine"
            ) from error
        self._records.write(add=[entry(actor, "released", about, why, now_s, released)])
        return released

    async def arm(self, actor: Actor, why: str, now_s: float) -> None:
        """Lift the latches that a release left."""
        try:
            await self._link.arm(actor.name, why)
        except (GatewayUnavailableError, GatewayRefusedError) as error:
            raise GatewayError(f"the latches stay: {error}") from error
        self._records.write(add=[entry(actor, "armed", "gateway", why, now_s)])

    async def approve_limits(
        self, digest: str, actor: Actor, why: str, now_s: float
    ) -> Mapping[str, Any]:
        """One person's yes to limits wider than those agreed to; the gateway counts two."""
        try:
            told = await self._link.approve_limits(digest, actor.name, why)
        except GatewayRefusedError as error:
            raise StateError(str(error)) from error
        except GatewayUnavailableError as error:
            raise GatewayError(f"the limits stay as they were: {error}") from error
        version = f"limits version {told['version']}"
        self._records.write(add=[entry(actor, "approved", version, why, now_s, told)])
        return told

    # ---- what the loop asks

    async def register_again(self, now_s: float) -> None:
        """Tell a gateway that has been away of every authority that stands."""
        self._registered.clear()
        for decision in self.inbox.decisions_in_force(now_s):
            await self._register_or_say(decision)
        for override in self._ours(now_s):
            try:
                await self._link.override(override)
            except GatewayRefusedError as error:
                log.warning("the gateway does not take override %s: %s", override.id, error)

    async def carry_out(self, snapshot: Snapshot, now_s: float) -> tuple[Receipt, ...]:
        """Ask again for what people want and the devices do not show yet."""
        self.book.expire(now_s)
        self.book.look_at_panels(snapshot, now_s)
        self.inbox.expire(now_s)
        self.standing.expire(now_s)
        await self._end_what_may_not_act(snapshot, now_s)
        wanted = [self._of_override(o, now_s) for o in self._ours(now_s)]
        taken = self._held(now_s)
        for decision in self.inbox.decisions_in_force(now_s):
            if decision.id not in self._registered:
                await self._register_or_say(decision)
            commands = self._of_decision(decision, snapshot, now_s)
            wanted += [c for c in commands if c.actuator not in taken]
            taken |= {move.actuator for move in decision.moves}
        due = [c for c in wanted if self._is_due(c, snapshot, now_s)]
        return await self._send(due) if due else ()

    async def _end_what_may_not_act(self, snapshot: Snapshot, now_s: float) -> None:
        """A release or a change of mode ends what people had decided before it.

        Otherwise an approval from before would come back to life with the next change of mode.
        So does a plant that leaves the region in which the decided proposal holds.
        """
        for decision in self.inbox.decisions_in_force(now_s):
            if left := left_region(self.inbox.region_of(decision), snapshot):
                why = f"the plant has left the region in which it holds: {left[0]}"
                self.inbox.withdraw(decision, ISOTHERM, why, now_s)
                continue
            for move in decision.moves:
                mode = snapshot.modes.get(move.actuator, Mode.ADVISORY)
                if mode is not Mode.ADVISORY:
                    why = f"{move.actuator} is in mode {mode.value} now"
                    self.inbox.withdraw(decision, ISOTHERM, why, now_s)
                    break
        for override in self._ours(now_s):
            mode = snapshot.modes.get(override.actuator, Mode.ADVISORY)
            if not mode.writes:
                why = f"its mode is {mode.value} now, in which nothing is written"
                await self.end_override(override.id, ISOTHERM, why, now_s)

    def _is_due(self, command: Command, snapshot: Snapshot, now_s: float) -> bool:
        actuator = self._site.actuators[command.actuator]
        if not snapshot.modes.get(actuator.id, Mode.SHADOW).writes:
            return False
        in_force = snapshot.good(actuator.read_back)
        if in_force is None or abs(in_force - command.value) <= actuator.tolerance:
            return False
        asked_s = self._asked_s.get((command.authority, actuator.id))
        return asked_s is None or now_s - asked_s >= CARRY_EVERY_S

    def _of_decision(
        self, decision: Decision, snapshot: Snapshot, now_s: float
    ) -> Sequence[Command]:
        """The commands of a decision that may be written now: what waits comes later."""
        # What was agreed to in advance is written as the optimiser's: its budgets bind, for
        # nobody looks.
        origin = Origin.OPTIMISER if self.inbox.is_standing(decision) else decision.origin
        held = self._held(now_s)
        commands = commands_of(decision, origin, snapshot.modes, held, now_s, self._life_s)
        moves = {move.actuator: move for move in decision.moves}
        left = [c for c in commands if is_open(moves[c.actuator], self._site, snapshot)]
        return self._worst_case.ready(left, snapshot)

    def _of_override(self, override: Override, now_s: float) -> Command:
        return command_of(override, now_s, self._life_s)

    async def _register(self, decision: Decision) -> None:
        await self._link.decide(decision)
        self._registered.add(decision.id)

    async def _register_or_say(self, decision: Decision) -> None:
        try:
            await self._register(decision)
        except GatewayRefusedError as error:
            self._registered.add(decision.id)  # asked once is enough: it refuses the writes too
            log.warning("the gateway does not take decision %s: %s", decision.id, error)

    async def _send(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        if not commands:
            return ()
        for command in commands:
            self._asked_s[command.authority, command.actuator] = command.issued_at_s
        receipts = await self._link.command(commands)
        self._records.write(
            add=[
                Record(
                    Kind.RECEIPT,
                    command.id,
                    receipt.time_s,
                    {"command": to_wire(command), "receipt": to_wire(receipt)},
                    state=receipt.result.value,
                )
                for command, receipt in zip(commands, receipts, strict=True)
                if self._records.get(Kind.RECEIPT, command.id) is None
            ]
        )
        return receipts

    def _held(self, now_s: float) -> set[str]:
        """Actuators that people hold."""
        return {override.actuator for override in self.book.in_force(now_s)}

    def _ours(self, now_s: float) -> list[Override]:
        """The overrides that we write; those at a panel are not."""
        return [o for o in self.book.in_force(now_s) if not is_at_panel(o)]

    async def _take_back(self, placed: Sequence[Override], why: str, now_s: float) -> None:
        for override in placed:
            self.book.fail(override, why, now_s)
            try:
                await self._link.end_override(override.id, "isotherm", why)
            except (GatewayUnavailableError, GatewayRefusedError) as error:
                log.warning("override %s may stand in the gateway: %s", override.id, error)

    def _check_known(self, actuators: Sequence[str] | None) -> None:
        if strangers := sorted(set(actuators or ()) - set(self._site.actuators)):
            raise NotFoundError(
                f"there is no actuator {', '.join(strangers)}; `isotherm mode` and /v1/site list "
                "them"
            )
