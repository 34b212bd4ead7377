"""Taking devices over and giving them back, in rounds over all of them at once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from adapters.gateway.core import Core
from adapters.gateway.field import Field
from adapters.gateway.write_gate import JournalPort, Write
from facility.commands import Origin, WriteKind
from facility.telemetry import Reading

log = logging.getLogger("gateway")

Entries = list[tuple[str, Mapping[str, Any]]]


class HandOver:
    """Arms and releases devices, and says so in the journal.

    Parameters
    ----------
    meanwhile
        Beats the hearts that are due; called between the rounds of arming, since a device
        that does not answer costs each round its time-out.
    """

    def __init__(
        self,
        core: Core,
        field: Field,
        journal: JournalPort,
        meanwhile: Callable[[], Awaitable[None]],
    ) -> None:
        self._core, self._field, self._journal = core, field, journal
        self._meanwhile = meanwhile

    async def release(
        self,
        devices: Iterable[str],
        why: str,
        *,
        needs_person: bool = False,
        latch: bool = True,
    ) -> tuple[str, ...]:
        """Give devices back to their own control; answer those that confirmed it.

        A device that does not answer gives itself back when its watchdog runs out.

        Raises
        ------
        JournalError, OSError
            After the releases were sent.
        """
        core = self._core
        going = [d for d in core.holds if d in set(devices)]
        trouble: Exception | None = None
        confirmed: list[str] = []
        left = going
        for _ in range(2):
            try:
                sent = await self._field.send([self._field.enable(d, 0.0, why) for d in left])
            except Exception as error:  # noqa: BLE001 - told below, after everything was let go
                trouble = error
                break
            confirmed += [s.write.device for s in sent if s.ok]
            left = [s.write.device for s in sent if not s.ok]
            if not left:
                break
        core.let_go(going)
        core.counts["releases"] += len(going)
        for device in going:
            log.warning("%s: given back: %s", device, why)
        if latch:
            core.latches.put(going, why, self._field.now(), needs_person=needs_person)
        if trouble is not None:
            raise trouble
        if going:
            data = {"devices": going, "why": why, "confirmed": confirmed, "latched": latch}
            self._journal.extend([("release", data)], self._field.now())
        await self._field.look(confirmed)
        return tuple(confirmed)

    async def arm(self, devices: Sequence[str]) -> Mapping[str, str]:
        """Take devices over without moving anything; answer why not, by device.

        Preload what is in force, read it back, enable, and see that the device is ours and
        that nothing moved.
        """
        why_not: dict[str, str] = {}
        seen = await self._field.look(devices)
        await self._meanwhile()
        preloads = self._preloads(devices, seen, why_not)
        sent = await self._field.write(preloads)
        await self._meanwhile()
        for item, _ in sent:
            if item.error:
                why_not.setdefault(item.write.device, f"preload: {item.error}")
        ready = [d for d in devices if d not in why_not]
        self._core.let_go(d for d in devices if d in why_not)
        enabled = await self._enable_all(ready, why_not)
        await self._meanwhile()
        seen = await self._field.look(enabled)
        moved = {d: self._why_not_ours(d, preloads, seen) for d in enabled}
        now_s = self._field.now()
        entries: Entries = []
        for device in enabled:
            if not moved[device]:
                self._core.took_over(device, now_s)
                log.info("%s: armed", device)
                entries.append(("armed", {"device": device}))
        for device, why in why_not.items():
            log.warning("%s: not armed: %s", device, why)
            entries.append(("not_armed", {"device": device, "why": why}))
        if entries:
            self._journal.extend(entries, now_s)
        for device, why in moved.items():
            if why:
                why_not[device] = why
                await self.release([device], f"arming: {why}")
        return why_not

    def _preloads(
        self, devices: Sequence[str], seen: Mapping[str, Reading], why_not: dict[str, str]
    ) -> list[Write]:
        """The value in force of every setpoint, to be written into its register."""
        core, now_s = self._core, self._field.now()
        snapshot = core.snapshot(now_s)
        writes = []
        for device in devices:
            hold = core.holds[device]
            active = seen[hold.active].good if hold.active in seen else None
            if active != 0.0:
                why_not[device] = (
                    "it does not say who holds it"
                    if active is None
                    else "it is in remote control already: another system holds it, "
                    "or its watchdog has not run out yet"
                )
                continue
            hold.beat = int(snapshot.good(hold.heartbeat) or 0)
            for actuator in hold.actuators:
                verdict = core.judge_preload(actuator.id, snapshot, now_s)
                if verdict.value is None:
                    why_not[device] = f"{actuator.id}: {verdict.check}: {verdict.detail}"
                    break
                why = "preload of the value in force"
                writes.append(self._field.setpoint(actuator.id, verdict.value, Origin.SAFETY, why))
        return [write for write in writes if write.device not in why_not]

    async def _enable_all(self, devices: Sequence[str], why_not: dict[str, str]) -> list[str]:
        """Beat each heart once and enable; answer the devices that may be enabled now."""
        core = self._core
        writes = []
        for device in devices:
            writes.append(self._field.heartbeat(device, "arm"))
            writes.append(self._field.enable(device, 1.0, "arm"))
        sent = await self._field.send(writes)
        enabled = []
        for item in sent:
            if item.write.kind is not WriteKind.ENABLE:
                continue
            if item.ok or item.left:
                enabled.append(item.write.device)
            else:
                why_not[item.write.device] = item.error
                core.let_go([item.write.device])
        return enabled

    def _why_not_ours(
        self, device: str, preloads: Sequence[Write], seen: Mapping[str, Reading]
    ) -> str:
        good = {tag: reading.good for tag, reading in seen.items()}
        if good.get(self._core.holds[device].active) != 1.0:
            return "it was enabled and does not say that it is in remote control"
        for write in preloads:
            if write.device != device:
                continue
            actuator = self._core.site.actuators[write.tag]
            found = good.get(actuator.read_back)
            if found is None or abs(found - write.value) > actuator.tolerance:
                was = "nothing" if found is None else f"{found:g}"
                return f"{write.tag} moved: {write.value:g} was in force, now it is {was}"
        return ""
