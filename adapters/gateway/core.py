"""What the gateway decides, without I/O: what is due, what may be written, what goes back.

Everything here is a function of what the shells bring: readings, requests, and the time.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

from adapters.driver import LinkStatus
from adapters.gateway.client_watch import ClientWatch
from adapters.gateway.holds import Hold, Latches, holds_of
from adapters.gateway.limit_book import LimitBook
from adapters.gateway.modes import Modes
from adapters.gateway.readings import Readings
from facility.commands import (
    Command,
    Decision,
    Mode,
    Outcome,
    Override,
    Receipt,
    Verdict,
)
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Snapshot
from safety.envelope import Correction, Envelope
from safety.hand_back import own_readings
from safety.state import EnvelopeState

MOST_RECEIPTS = 4096
"""Receipts that are kept for commands that come twice."""

BY_HAND = frozenset({"local_control", "other_hand"})
"""Checks that find a person or another system at the device: it stays theirs."""

_MODES = (Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.AUTOMATIC)


class Core:
    """The gateway's memory and its decisions.

    Parameters
    ----------
    site, envelope
        The site, and the envelope over its limits.
    state
        What the envelope remembers.
    modes, latches
        As kept on disk.
    holds
        One a device; `latches` speaks of the same ones.
    limit_book
        What people have agreed to; while the site's limits are wider, nothing is written.
    """

    def __init__(
        self,
        site: Site,
        envelope: Envelope,
        state: EnvelopeState,
        modes: Modes,
        latches: Latches | None = None,
        holds: Mapping[str, Hold] | None = None,
        *,
        limit_book: LimitBook | None = None,
    ) -> None:
        self.site, self.envelope, self.state = site, envelope, state
        self.modes = modes
        self.limit_book = limit_book or LimitBook(envelope.limits)
        self.holds = holds_of(site) if holds is None else dict(holds)
        self.latches = latches or Latches(self.holds, site.gateway)
        self.readings = Readings(site)
        self.watch = ClientWatch(site.gateway)
        self.links: dict[str, LinkStatus] = {}
        self.counts: Counter[str] = Counter()
        self.fallbacks: Mapping[str, Verdict] = {}
        """By actuator: where the plant's own value would have been outside a limit at the last
        judgement: a standing warning, since letting go is then no way out. Empty while nothing is
        held."""
        self._second_s: float | None = None
        self._receipts: OrderedDict[str, Receipt] = OrderedDict()

    # -- what is known -------------------------------------------------------------------------

    def snapshot(self, now_s: float) -> Snapshot:
        """The site now, as the controller and the envelope see it."""
        readings = self.readings.all(now_s)
        devices = {}
        for device, hold in self.holds.items():
            link = self.links.get(device)
            told = readings.get(hold.active)
            authority = Authority.UNKNOWN
            if told is not None and told.quality is Quality.GOOD:
                authority = Authority.REMOTE if told.value else Authority.LOCAL
            if authority is Authority.LOCAL and not hold.armed:
                hold.own.update(own_readings(self.site, device, readings))
            note = "" if link is None else link.note
            if hold.latch is not None:
                note = f"latched: {hold.latch.why}"
            devices[device] = DeviceStatus(
                device,
                hold.connected,
                authority,
                hold.armed,
                None if link is None else link.last_reply_s,
                None if link is None else link.round_trip_ms,
                note,
                dict(hold.own),
            )
        return Snapshot(now_s, readings, devices, self.modes.all)

    def armed(self) -> tuple[str, ...]:
        """The devices that we hold."""
        return tuple(device for device, hold in self.holds.items() if hold.armed)

    def mode_of(self, device: str) -> Mode:
        """The furthest mode among a device's actuators, which its heartbeat and enable go by."""
        modes = [self.modes[a.id] for a in self.holds[device].actuators]
        return max(modes, key=_MODES.index, default=Mode.OFF)

    # -- what is due ---------------------------------------------------------------------------

    def clock_went_back(self, now_s: float) -> bool:
        """Whether the time is before that of the last second; then everything is due again."""
        before, self._second_s = self._second_s, now_s
        if before is None or now_s >= before:
            return False
        for hold in self.holds.values():
            hold.next_scan_s = hold.next_beat_s = hold.next_connect_s = now_s
        return True

    def connects_due(self, now_s: float) -> tuple[str, ...]:
        """Devices to connect to now."""
        return tuple(
            d for d, h in self.holds.items() if not h.connected and now_s >= h.next_connect_s
        )

    def scans_due(self, now_s: float) -> tuple[str, ...]:
        """Devices to scan now."""
        return tuple(d for d, h in self.holds.items() if h.connected and now_s >= h.next_scan_s)

    def beats_due(self, now_s: float) -> tuple[str, ...]:
        """Devices whose heart beats now."""
        return tuple(
            d
            for d, h in self.holds.items()
            if h.armed and h.connected and h.silent_until_s is None and now_s >= h.next_beat_s
        )

    def lapsed(self) -> tuple[str, ...]:
        """Armed devices without a beat, for their own time-out is measured, that took over."""
        return tuple(
            d
            for d, h in self.holds.items()
            if h.armed and h.silent_until_s is not None and self.readings.get(h.active).good == 0.0
        )

    def in_doubt(self, now_s: float) -> tuple[tuple[str, ...], str]:
        """The devices to give back now because nobody answers for them, and why."""
        armed = self.armed()
        if armed and (doubt := self.watch.doubt(now_s)):
            return armed, doubt
        late = tuple(d for d in armed if now_s >= (self.holds[d].silent_until_s or now_s + 1.0))
        if late:
            return late, "the device's own time-out did not come while it was measured"
        lost = tuple(d for d in armed if self.readings.is_lost(d, now_s))
        if lost:
            return lost, "the device's telemetry is lost"
        return (), ""

    def other_masters(self) -> tuple[str, ...]:
        """Armed devices whose heartbeat register shows a beat that is not ours.

        Somebody else keeps them in remote control too, and would go on when we let go. Only
        devices whose register showed our own beat when they were armed can tell.
        """
        found = []
        for device in self.armed():
            hold = self.holds[device]
            told = self.readings.get(hold.heartbeat)
            if not hold.echoes or told.good is None or told.time_s <= hold.armed_at_s:
                continue
            span_s = self.site.gateway.stale_scans * hold.device.scan_s
            if not hold.is_our_beat(told.good, 2 + int(span_s / hold.device.heartbeat_s)):
                found.append(device)
        return tuple(found)

    def judge_in_force(self, now_s: float) -> tuple[Correction, ...]:
        """What the envelope asks about the values that we hold."""
        if not self.armed():
            self.fallbacks = {}
            return ()
        snapshot = self.snapshot(now_s)
        self.state, corrections = self.envelope.judge_in_force(self.state, snapshot, now_s)
        self.fallbacks = self.envelope.judge_fallbacks(snapshot, now_s)
        return corrections

    # -- commands ------------------------------------------------------------------------------

    def receipt_of(self, command: str) -> Receipt | None:
        """The receipt of a command that came before."""
        return self._receipts.get(command)

    def keep_receipt(self, receipt: Receipt) -> None:
        """Remember a receipt, and forget the oldest."""
        self._receipts[receipt.command] = receipt
        while len(self._receipts) > MOST_RECEIPTS:
            self._receipts.popitem(last=False)

    def why_not_ours(self, actuator: str) -> Verdict | None:
        """Why the gateway itself refuses to touch an actuator, before any judgement."""
        known = self.site.actuators.get(actuator)
        if known is None:
            return None  # the envelope says so in its own words
        if doubt := self.limit_book.doubt:
            return _refused("limits", doubt)
        hold = self.holds[known.device]
        if not hold.is_writable:
            return _refused("device", f"{known.device} has no enable, heartbeat or authority point")
        if hold.latch is not None:
            return _refused(
                "latched", f"{known.device} was given back ({hold.latch.why}); arm it first"
            )
        if self.modes[actuator].writes:
            for other in hold.actuators:
                if not self.modes[other.id].writes:
                    mode = self.modes[other.id].value
                    return _refused(
                        "device_mode",
                        f"{known.device} has one enable for all its setpoints, and {other.id} "
                        f"is in {mode}: set that to advisory or automatic too, or neither",
                    )
        return None

    def would_judge(self, commands: Iterable[Command], now_s: float) -> tuple[Verdict, ...]:
        """The verdicts as things stand; nothing is remembered of them."""
        return self.envelope.judge_all(self.state, commands, self.snapshot(now_s), now_s)[1]

    def judge(self, commands: Iterable[Command], now_s: float) -> tuple[Verdict, ...]:
        """The verdicts, one after the other; an accepted value counts as written from now on."""
        self.state, verdicts = self.envelope.judge_all(
            self.state, commands, self.snapshot(now_s), now_s
        )
        return verdicts

    def judge_preload(self, actuator: str, snapshot: Snapshot, now_s: float) -> Verdict:
        """What to preload before a device is enabled; counts as in force from now on."""
        self.state, verdict = self.envelope.judge_preload(self.state, actuator, snapshot, now_s)
        return verdict

    def register(self, authority: Decision | Override, now_s: float) -> None:
        """Take an authority; `safety.authority.AuthorityError` says why not."""
        self.state = self.envelope.register(self.state, authority, now_s)

    def end_override(self, override_id: str) -> None:
        """End an override; `safety.authority.AuthorityError` where there is none."""
        self.state = self.envelope.end_override(self.state, override_id)

    # -- holds ---------------------------------------------------------------------------------

    def took_over(self, device: str, now_s: float) -> None:
        """A device is armed."""
        hold = self.holds[device]
        hold.armed, hold.failures, hold.armed_at_s = True, 0, now_s
        hold.silent_until_s = None
        hold.echoes = self.readings.get(hold.heartbeat).good == hold.beat
        hold.next_beat_s = now_s + hold.device.heartbeat_s

    def let_go(self, devices: Iterable[str]) -> None:
        """Nothing of ours is in force on these devices any more."""
        for device in devices:
            hold = self.holds[device]
            hold.armed, hold.failures, hold.silent_until_s = False, 0, None
            self.state = self.envelope.released(self.state, [a.id for a in hold.actuators])

    def failed(self, actuator: str) -> None:
        """A write was not confirmed."""
        self.state = self.envelope.write_failed(self.state, actuator)

    def restart_clock(self, now_s: float) -> bool:
        """After a person armed again: go on with a clock that went back; whether it had."""
        if self.state.seen_s is None or now_s >= self.state.seen_s:
            return False
        self.state = self.envelope.restart_clock(self.state, now_s)
        return True

    def devices_of(self, actuators: Iterable[str] | None) -> tuple[str, ...]:
        """The writable devices behind some or (None) all actuators, in the site's order."""
        if actuators is None:
            return tuple(d for d, h in self.holds.items() if h.actuators)
        wanted = {self.site.actuators[a].device for a in actuators}
        return tuple(d for d in self.holds if d in wanted)


def _refused(check: str, detail: str) -> Verdict:
    return Verdict(Outcome.REFUSE, None, check, detail)
