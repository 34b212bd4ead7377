"""The operations that a client may ask for: arguments in, JSON out. See docs/interfaces.md."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from adapters.gateway.conditions import conditions_of, contacts_of
from adapters.gateway.core import Core
from adapters.gateway.door import Refusal
from adapters.gateway.rounds import Rounds
from adapters.gateway.write_gate import JournalPort, WriteGate
from facility.commands import Command, Decision, Mode, Override
from facility.telemetry import Snapshot
from facility.wire import WireError, dumps, from_wire, to_wire
from safety.authority import AuthorityError

log = logging.getLogger("gateway")

T = TypeVar("T")
MOST_COMMANDS = 2048
"""Of one request."""
LONGEST_SILENCE_S = 600.0
"""The longest that a device's own time-out is waited for."""


class Office:
    """Carries out requests; one at a time, between the seconds of the main loop.

    Every method raises `Refusal` where it says no, with a reason for the client.
    """

    def __init__(self, core: Core, rounds: Rounds, gate: WriteGate, journal: JournalPort) -> None:
        self._core, self._rounds, self._gate, self._journal = core, rounds, gate, journal
        self._contacts = contacts_of(core.site)

    # -- at once, whatever else is going on ----------------------------------------------------

    def hello(self, now_s: float) -> str:
        """What a client checks first."""
        return json.dumps({"site_hash": self._core.site.content_hash, "now_s": now_s})

    def beat(self, connection: int, name: str, args: dict[str, Any], now_s: float) -> str:
        """The client lives."""
        plan_age_s = args.get("plan_age_s")
        if plan_age_s is not None and not (
            isinstance(plan_age_s, (int, float)) and 0.0 <= plan_age_s < float("inf")
        ):
            raise Refusal(f"plan_age_s is a number of seconds or null, not {plan_age_s!r}")
        if why := self._core.watch.beat(connection, name, plan_age_s, now_s):
            raise Refusal(why)
        return json.dumps({"now_s": now_s})

    def snapshot(self, now_s: float) -> str:
        """The site now."""
        core = self._core
        found = core.envelope.honest(core.state, core.snapshot(now_s), now_s)
        return snapshot_json(
            replace(found, conditions=tuple(conditions_of(core, self._contacts, found)))
        )

    def status(self, now_s: float) -> str:
        """How the gateway is doing."""
        core = self._core
        number, digest = self._journal.head
        watch = core.watch
        return json.dumps(
            {
                "site": core.site.id,
                "site_hash": core.site.content_hash,
                "now_s": now_s,
                "client": {
                    "name": watch.name,
                    "alive": watch.is_alive(now_s),
                    "beat_age_s": None if watch.holder is None else now_s - watch.beat_at_s,
                },
                "armed": core.armed(),
                "latches": {d: to_wire(h.latch) for d, h in core.holds.items() if h.latch},
                "devices": {
                    d: {"connected": h.connected, "note": h.said} for d, h in core.holds.items()
                },
                "modes": to_wire(core.modes.all),
                "overrides": to_wire(tuple(core.state.overrides.values())),
                "writes": dict(sorted(self._gate.counts.items())),
                "counts": dict(sorted(core.counts.items())),
                "limits": core.limit_book.told(),
                "fallbacks": {
                    actuator: f"{each.check}: {each.detail}"
                    for actuator, each in core.fallbacks.items()
                },
                "journal": {"number": number, "hash": digest},
            }
        )

    # -- in turn -------------------------------------------------------------------------------

    def decide(self, args: dict[str, Any], now_s: float) -> str:
        """Register a decision."""
        return self._register(parse(Decision, args, "decision"), now_s)

    def override(self, args: dict[str, Any], now_s: float) -> str:
        """Register an override."""
        return self._register(parse(Override, args, "override"), now_s)

    def _register(self, authority: Decision | Override, now_s: float) -> str:
        before = self._core.state
        try:
            self._core.register(authority, now_s)
        except AuthorityError as error:
            raise Refusal(str(error)) from None
        if self._core.state is not before:
            kind = "decision" if isinstance(authority, Decision) else "override"
            self._journal.extend([(kind, {kind: authority})], now_s)
            self._rounds.keep()
        return json.dumps({"registered": authority.id})

    def end_override(self, args: dict[str, Any], now_s: float) -> str:
        """End an override."""
        who, why = words(args, "who"), words(args, "why")
        override_id = words(args, "override_id")
        try:
            self._core.end_override(override_id)
        except AuthorityError as error:
            raise Refusal(str(error)) from None
        data = {"override": override_id, "who": who, "why": why}
        self._journal.extend([("override_ended", data)], now_s)
        self._rounds.keep()
        return json.dumps({"ended": override_id})

    async def command(self, connection: int, args: dict[str, Any], now_s: float) -> str:
        """Judge and carry out commands, of the client that beats alone."""
        items = args.get("commands")
        if not isinstance(items, list) or len(items) > MOST_COMMANDS:
            raise Refusal(f"commands is a list of at most {MOST_COMMANDS} commands")
        commands = [parse(Command, {"command": item}, "command") for item in items]
        watch = self._core.watch
        if watch.holder != connection or not watch.is_alive(now_s):
            raise Refusal("only the client that beats may command; beat first")
        return dumps(await self._rounds.command(commands))

    async def set_mode(self, args: dict[str, Any], now_s: float) -> str:
        """Set modes; a device that loses a writing mode is given back first."""
        who, why = words(args, "who"), words(args, "why")
        try:
            mode = Mode(args.get("mode"))
        except ValueError:
            known = ", ".join(m.value for m in Mode)
            raise Refusal(f"mode is one of {known}, not {args.get('mode')!r}") from None
        core = self._core
        actuators = self._actuators(args)
        changes = dict.fromkeys(core.site.actuators if actuators is None else actuators, mode)
        if not mode.writes:
            leaving = [a for a in changes if core.modes[a].writes]
            devices = [d for d in core.devices_of(leaving) if core.holds[d].armed]
            if devices:
                reason = f"{who} set {mode.value}: {why}"
                await self._rounds.release(devices, reason, latch=False)
        core.modes.set(changes)
        data = {"actuators": tuple(changes), "mode": mode, "who": who, "why": why}
        self._journal.extend([("mode", data)], now_s)
        log.info("%s set %d actuators to %s: %s", who, len(changes), mode.value, why)
        return dumps(core.modes.all)

    async def release(self, args: dict[str, Any], now_s: float) -> str:
        """Give devices back; their actuators fall to shadow, and stay so until they are armed."""
        who, why = words(args, "who"), words(args, "why")
        core = self._core
        devices = core.devices_of(self._actuators(args))
        remote = [
            d
            for d in devices
            if core.holds[d].armed or core.readings.get(core.holds[d].active).good == 1.0
        ]
        reason = f"{who}: {why}"
        try:
            confirmed = await self._rounds.release(remote, reason, needs_person=True)
        finally:
            core.latches.put(devices, reason, now_s, needs_person=True)
            actuators = [a.id for d in devices for a in core.holds[d].actuators]
            core.modes.set(dict.fromkeys(actuators, Mode.SHADOW))
        data = {"devices": devices, "who": who, "why": why}
        self._journal.extend([("released_by_hand", data)], now_s)
        return json.dumps(
            {"released": remote, "confirmed": confirmed, "actuators": actuators, "mode": "shadow"}
        )

    def fall_silent(self, connection: int, args: dict[str, Any], now_s: float) -> str:
        """Stop beating a device's heart, so that its own time-out can be measured.

        It is still held: what releases armed devices releases this one, and the time that
        its time-out may take is bounded.
        """
        who, why, device = words(args, "who"), words(args, "why"), words(args, "device")
        longest_s = args.get("longest_s")
        if not isinstance(longest_s, (int, float)) or not 0.0 < longest_s <= LONGEST_SILENCE_S:
            raise Refusal(f"longest_s is a number of seconds up to {LONGEST_SILENCE_S:g}")
        if self._core.watch.holder != connection:
            raise Refusal("only the client that beats may let a heart fall silent")
        hold = self._core.holds.get(device)
        if hold is None or not hold.armed:
            raise Refusal(f"{device} is not held, so its time-out does not run")
        data = {"device": device, "longest_s": longest_s, "who": who, "why": why}
        self._journal.extend([("fell_silent", data)], now_s)
        hold.silent_until_s = now_s + longest_s
        return json.dumps({"device": device, "watchdog_s": hold.device.watchdog_s})

    def arm(self, args: dict[str, Any], now_s: float) -> str:
        """Lift every latch; the next command that passes takes a device over."""
        who, why = words(args, "who"), words(args, "why")
        lifted = self._core.latches.clear()
        clock = self._core.restart_clock(now_s)
        data = {"devices": lifted, "who": who, "why": why, "clock_restarted": clock}
        self._journal.extend([("latches_lifted", data)], now_s)
        return json.dumps({"armed": lifted, "clock_restarted": clock})

    def approve_limits(self, args: dict[str, Any], now_s: float) -> str:
        """One person's yes to limits that are wider than those agreed to; two are needed."""
        who, why = words(args, "who"), words(args, "why")
        book = self._core.limit_book
        if args.get("hash") != book.hash:
            raise Refusal(
                f"the gateway runs limits with the hash {book.hash[:12]}, not "
                f"{str(args.get('hash'))[:12]!r}: read them again before you approve"
            )
        try:
            agreed = book.approve(who, why, now_s)
        except ValueError as error:
            raise Refusal(str(error)) from None
        data = {"who": who, "why": why, "agreed": agreed, **book.told()}
        self._journal.extend([("limits_approved", data)], now_s)
        return json.dumps(book.told())

    def _actuators(self, args: dict[str, Any]) -> list[str] | None:
        actuators = args.get("actuators")
        if actuators is None:
            return None
        if not isinstance(actuators, list) or not actuators:
            raise Refusal("actuators is a list of ids, or null for all")
        for actuator in actuators:
            if not isinstance(actuator, str) or actuator not in self._core.site.actuators:
                raise Refusal(f"there is no actuator {actuator!r}")
        return actuators


def words(args: Mapping[str, Any], name: str) -> str:
    """A text argument that must be given."""
    value = args.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Refusal(f"{name} is missing: say it in words")
    return value


def parse(kind: type[T], args: Mapping[str, Any], name: str) -> T:
    """An argument that is one of facility's dataclasses."""
    try:
        return from_wire(kind, args.get(name))
    except WireError as error:
        raise Refusal(str(error)) from None


def snapshot_json(snapshot: Snapshot) -> str:
    """The same text as `facility.wire.dumps`, some times faster for hundreds of readings."""
    readings = {
        tag: {
            "note": reading.note,
            "quality": reading.quality.value,
            "time_s": reading.time_s,
            "value": reading.value,
        }
        for tag, reading in sorted(snapshot.readings.items())
    }
    head = (
        f'{{"conditions":{dumps(snapshot.conditions)},"devices":{dumps(snapshot.devices)},'
        f'"modes":{dumps(snapshot.modes)},"readings":'
    )
    body = json.dumps(readings, separators=(",", ":"), allow_nan=False)
    return f'{head}{body},"time_s":{json.dumps(snapshot.time_s)}}}'
