"""What the gateway does each second, and for a command.

No clock, socket or event loop is used here: the shells bring them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from adapters.gateway.core import BY_HAND, Core
from adapters.gateway.field import Field
from adapters.gateway.hand_over import Entries, HandOver
from adapters.gateway.write_gate import JournalPort, Sent, Write
from facility.commands import Command, Origin, Outcome, Receipt, Verdict, WriteResult
from safety.envelope import Action, needs_write
from safety.state import EnvelopeState

log = logging.getLogger("gateway")


class Rounds:
    """Carries out what `Core` decides.

    Parameters
    ----------
    keep
        Puts the envelope's memory on disk; raises OSError where it cannot.
    """

    def __init__(
        self,
        core: Core,
        field: Field,
        journal: JournalPort,
        keep: Callable[[EnvelopeState], None],
    ) -> None:
        self._core, self._field, self._journal, self._put = core, field, journal, keep
        self._hand_over = HandOver(core, field, journal, self._beat)
        self.tell: Callable[[Sequence[str], str, float], None] = _tell_nobody
        """Where it is said that the plant went back because nobody answered for it."""

    async def second(self) -> None:
        """Everything of one second: visit, judge, give back what is in doubt, beat.

        Raises
        ------
        JournalError, OSError
            Records cannot be kept: give everything back.
        """
        core = self._core
        if core.clock_went_back(self._field.now()):
            await self.release(core.armed(), "the clock went back", needs_person=True)
        scanned = await self._field.visit_all()
        now_s = self._field.now()
        devices, why = core.in_doubt(now_s)
        if devices:
            await self.give_up(devices, why)
        if scanned:
            if lapsed := core.lapsed():
                await self.release(lapsed, "its own time-out was measured and came", latch=False)
            if masters := core.other_masters():
                why = "another system writes its heartbeat: two masters"
                await self.release(masters, why, needs_person=True)
            await self._hold_within_limits()
        await self._beat()
        rearmed = core.latches.rearm(self._field.now())
        if rearmed:
            log.info("re-armed by rule: %s", ", ".join(rearmed))
            self._journal.extend([("rearmed", {"devices": rearmed})], self._field.now())

    async def _hold_within_limits(self) -> None:
        warned = self._core.fallbacks
        corrections = self._core.judge_in_force(self._field.now())
        self._tell_of_fallbacks(warned)
        giving_back: dict[str, tuple[str, bool]] = {}
        for correction in corrections:
            if correction.action is Action.RELEASE:
                why = f"{correction.check}: {correction.actuator}: {correction.detail}"
                giving_back.setdefault(correction.device, (why, correction.check in BY_HAND))
        writes = []
        entries: Entries = []
        for correction in corrections:
            if correction.value is None or correction.device in giving_back:
                continue
            why = f"{correction.check}: {correction.detail}"
            entries.append(("correction", {"correction": correction}))
            writes.append(
                self._field.setpoint(correction.actuator, correction.value, Origin.SAFETY, why)
            )
        for device, (why, by_hand) in giving_back.items():
            await self.release([device], why, needs_person=by_hand)
        if writes:
            self._journal.extend(entries, self._field.now())
            self.keep()
            await self._write_and_read_back(writes)

    def _tell_of_fallbacks(self, warned: Mapping[str, Verdict]) -> None:
        """Record where the plant's own setpoints have come to lie outside a limit, or no longer."""
        now = self._core.fallbacks
        checks = {actuator: each.check for actuator, each in now.items()}
        if checks == {actuator: each.check for actuator, each in warned.items()}:
            return
        for actuator in now:
            if actuator not in warned:
                log.warning("the plant's own setpoint: %s: %s", actuator, now[actuator].detail)
        self._journal.extend([("fallbacks_outside", {"verdicts": now})], self._field.now())

    async def _beat(self) -> None:
        core, now_s = self._core, self._field.now()
        due = core.beats_due(now_s)
        if not due:
            return
        for device in due:
            hold = core.holds[device]
            hold.next_beat_s = now_s + hold.device.heartbeat_s
        given_up = []
        for sent in await self._field.beat(due, "beat"):
            hold = core.holds[sent.write.device]
            hold.failures = 0 if sent.ok else hold.failures + 1
            if hold.failures > 1:
                given_up.append(sent.write.device)
        if given_up:
            await self.release(given_up, "two heartbeats failed")

    def keep(self) -> None:
        """Put the envelope's memory on disk."""
        self._put(self._core.state)

    async def release(
        self,
        devices: Iterable[str],
        why: str,
        *,
        needs_person: bool = False,
        latch: bool = True,
    ) -> tuple[str, ...]:
        """As `HandOver.release`, and the envelope's memory kept."""
        confirmed = await self._hand_over.release(
            devices, why, needs_person=needs_person, latch=latch
        )
        self.keep()
        return confirmed

    async def give_up(self, devices: Sequence[str], why: str) -> None:
        """Give devices back because nobody answers for them, and tell somebody outside."""
        await self.release(devices, why)
        self.tell(devices, why, self._field.now())

    async def command(self, commands: Sequence[Command]) -> tuple[Receipt, ...]:
        """Judge commands and write what is allowed; one receipt each, in order."""
        core = self._core
        receipts: dict[str, Receipt] = {}
        judging: list[Command] = []
        for command in commands:
            known = core.receipt_of(command.id)
            if known is not None:
                receipts[command.id] = known
            elif any(command.id == other.id for other in judging):
                continue
            elif (refusal := core.why_not_ours(command.actuator)) is not None:
                receipts[command.id] = self._refuse(command, refusal)
            else:
                judging.append(command)
        not_armed = await self._arm_for(judging)
        now_s = self._field.now()
        entries: Entries = [
            ("verdict", {"command": c, "verdict": receipts[c.id].verdict})
            for c in commands
            if c.id in receipts and core.receipt_of(c.id) is None
        ]
        writes: dict[str, Write] = {}
        verdicts: dict[str, Verdict] = {}
        for command, verdict in zip(judging, core.judge(judging, now_s), strict=True):
            verdicts[command.id] = verdict
            entries.append(("verdict", {"command": command, "verdict": verdict}))
            if verdict.outcome is Outcome.REFUSE or verdict.value is None:
                receipts[command.id] = self._refuse(command, verdict)
                continue
            core.counts["limited"] += verdict.outcome is Outcome.LIMIT
            core.watch.passed_at_s = now_s
            device = core.site.actuators[command.actuator].device
            if not core.holds[device].armed:
                core.failed(command.actuator)
                note = f"not armed: {not_armed.get(device, 'it was given back just now')}"
                receipts[command.id] = self._receipt(
                    command, verdict, WriteResult.FAILED, note=note
                )
            elif needs_write(verdict):
                writes[command.id] = self._field.setpoint(
                    command.actuator, verdict.value, command.origin, command.id
                )
            else:
                receipts[command.id] = self._receipt(command, verdict, WriteResult.UNCHANGED)
        self._journal.extend(entries, now_s)
        self.keep()
        await self._beat()
        results = await self._write_and_read_back(list(writes.values()))
        by_id = {c.id: c for c in judging}
        for name, (sent, read_back) in zip(writes, results, strict=True):
            result = WriteResult.FAILED if sent.error else WriteResult.WRITTEN
            receipts[name] = self._receipt(
                by_id[name], verdicts[name], result, sent.write.value, read_back, sent.error
            )
        told = [receipts[c.id] for c in commands if core.receipt_of(c.id) is None]
        for receipt in told:
            core.keep_receipt(receipt)
        self._journal.extend(
            [("receipt", {"receipt": receipts[name]}) for name in writes], self._field.now()
        )
        return tuple(receipts[c.id] for c in commands)

    async def _arm_for(self, commands: Sequence[Command]) -> Mapping[str, str]:
        """Arm the devices of commands that would pass; answer why not, by device."""
        core, now_s = self._core, self._field.now()
        known = core.site.actuators
        asking = [
            command
            for command in commands
            if command.actuator in known and not core.holds[known[command.actuator].device].armed
        ]
        wanted = {
            known[command.actuator].device
            for command, verdict in zip(asking, core.would_judge(asking, now_s), strict=True)
            if verdict.value is not None
        }
        if not wanted:
            return {}
        doubt = core.watch.doubt(now_s)
        if doubt:
            return dict.fromkeys(wanted, doubt)
        return await self._hand_over.arm([device for device in core.holds if device in wanted])

    def _refuse(self, command: Command, verdict: Verdict) -> Receipt:
        self._core.counts["refused"] += 1
        return self._receipt(command, verdict, WriteResult.REFUSED)

    def _receipt(
        self,
        command: Command,
        verdict: Verdict,
        result: WriteResult,
        written: float | None = None,
        read_back: float | None = None,
        note: str = "",
    ) -> Receipt:
        return Receipt(
            command.id,
            command.actuator,
            verdict,
            result,
            written if result is WriteResult.WRITTEN else None,
            read_back,
            self._field.now(),
            note,
        )

    async def _write_and_read_back(
        self, writes: Sequence[Write]
    ) -> Sequence[tuple[Sent, float | None]]:
        """Write setpoints; what is not confirmed is tried once more, then its device goes back."""
        results = await self._field.write(writes)
        again = [i for i, (sent, _) in enumerate(results) if sent.error]
        if not again:
            return results
        # A device that does not answer costs each round its time-out; the others' hearts beat on.
        await self._beat()
        for i, result in zip(
            again, await self._field.write([writes[i] for i in again]), strict=True
        ):
            results[i] = result
        await self._beat()
        lost = dict.fromkeys(sent.write.device for sent, _ in results if sent.error)
        for sent, _ in results:
            if sent.error:
                self._core.failed(sent.write.tag)
        if lost:
            await self.release(lost, "a setpoint was not confirmed, twice")
        return results


def _tell_nobody(devices: Sequence[str], why: str, time_s: float) -> None:
    """There is nobody to tell."""
