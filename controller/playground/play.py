"""Plays a script against the envelope of a site, with devices that believe what is written.

No gateway and no time: the envelope is pure, and what the gateway would do around it (arming,
writing, reading back, giving back) is done here in memory, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from controller.playground.script import Script, ScriptError, Shown, Step
from facility.commands import Command, Decision, Mode, Move, Origin, Outcome, Override, Verdict
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from safety.authority import AuthorityError
from safety.envelope import Action, Envelope, needs_write
from safety.hand_back import own_readings
from safety.limits import limits_of
from safety.state import EnvelopeState

PLAN = "the plan of the script"
LASTS_S = 900.0

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Event:
    """What the envelope said, or what was done about it."""

    step: int
    after_s: float
    """Since the start."""
    what: str
    """command, start, stop, correct, release, arm, decide, override."""
    subject: str
    """The actuator, machine or device."""
    asked: float | None
    """None where nothing was asked for, or no finite number."""
    outcome: str
    """allow, limit, refuse; done."""
    value: float | None
    check: str
    detail: str
    saw: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surprise:
    """An expectation of the script that did not come true."""

    step: int
    text: str


class Play:
    """A site's envelope with everything around it that a script can change."""

    def __init__(self, site: Site, start_s: float) -> None:
        self.site, self.envelope = site, Envelope(limits_of(site))
        self.start_s = self.now_s = start_s
        self.state = EnvelopeState()
        self.armed = dict.fromkeys(site.devices, False)
        self.connected = dict.fromkeys(site.devices, True)
        self.modes = dict.fromkeys(site.actuators, Mode.AUTOMATIC)
        self.shown: dict[str, tuple[Shown, float]] = {}
        for actuator in site.actuators.values():
            self.shown[actuator.read_back] = Shown(actuator.fallback), start_s
        self._own: dict[str, dict[str, Reading]] = {name: {} for name in site.devices}
        self.surprises: list[Surprise] = []
        self._made = 0

    def run(self, script: Script) -> Iterator[Event]:
        """Play every step; what was expected otherwise is in ``surprises`` afterwards.

        Raises
        ------
        ScriptError
            A step names an actuator, device, tag, mode or authority that does not exist.
        """
        for step in script.steps:
            yield from self._step(step)

    def _step(self, step: Step) -> Iterator[Event]:
        given = step.fields
        self._pass(step)
        if given.get("restart"):
            self.state = EnvelopeState.from_json(self.state.to_json())
        for actuator, why in given.get("lock_out", {}).items():
            self._known(step, actuator, self.site.actuators, "actuator")
            self.state = self.envelope.lock_out(self.state, actuator, str(why))
        for actuator in given.get("unlock", ()):
            self._known(step, actuator, self.site.actuators, "actuator")
            self.state = self.envelope.unlock(self.state, actuator)
        if "release" in given:
            self._known(step, given["release"], self.site.devices, "device")
            yield self._release(step, given["release"], "the script asks for it")
        if "decide" in given:
            yield self._decide(step, given["decide"])
        if "override" in given:
            yield self._override(step, given["override"])
        if "end_override" in given:
            try:
                self.state = self.envelope.end_override(self.state, given["end_override"])
            except AuthorityError as error:
                raise ScriptError(f"step {step.number}: {error}") from None
        if "command" in given:
            yield from self._command(step, given["command"])
        if "stage" in given:
            yield self._stage(step, given["stage"]["unit"], given["stage"]["on"])
        if given.get("scan"):
            yield from self._scan(step)

    # -- the plant -------------------------------------------------------------------------------

    def _pass(self, step: Step) -> None:
        self.now_s += step.after_s
        if step.fields.get("fresh", True):
            self.shown = {tag: (shown, self.now_s) for tag, (shown, _) in self.shown.items()}
        for pattern, shown in step.readings.items():
            for tag in self._matching(step, pattern, self.site.points, "point"):
                self.shown[tag] = shown, self.now_s
        for pattern, mode in step.fields.get("modes", {}).items():
            for actuator in self._matching(step, pattern, self.site.actuators, "actuator"):
                self.modes[actuator] = self._enum(step, Mode, mode, "mode")
        for pattern, how in step.fields.get("devices", {}).items():
            for device in self._matching(step, pattern, self.site.devices, "device"):
                if how not in ("armed", "local", "away"):
                    raise ScriptError(
                        f"step {step.number}: a device is armed, local or away, not {how!r}"
                    )
                self.armed[device] = how == "armed" or (how == "away" and self.armed[device])
                self.connected[device] = how != "away"

    def snapshot(self) -> Snapshot:
        """What the envelope is shown."""
        readings = {
            tag: Reading(shown.value, shown.quality, time_s - shown.age_s)
            for tag, (shown, time_s) in self.shown.items()
        }
        for name, own in self._own.items():
            if not self.armed[name]:
                own.update(own_readings(self.site, name, readings))
        devices = {
            name: DeviceStatus(
                name,
                self.connected[name],
                Authority.REMOTE if armed else Authority.LOCAL,
                armed,
                self.now_s,
                None,
                own=dict(self._own[name]),
            )
            for name, armed in self.armed.items()
        }
        return Snapshot(self.now_s, readings, devices, dict(self.modes))

    def _write(self, actuator: str, value: float) -> None:
        read_back = self.site.actuators[actuator].read_back
        self.shown[read_back] = Shown(value, Quality.GOOD), self.now_s

    def _release(self, step: Step, device: str, why: str, check: str = "") -> Event:
        self.armed[device] = False
        mine = [each.id for each in self.site.actuators.values() if each.device == device]
        self.state = self.envelope.released(self.state, mine)
        for actuator in mine:
            own = self._own[device].get(actuator)
            commissioned = self.site.actuators[actuator].fallback
            self._write(actuator, commissioned if own is None or own.value is None else own.value)
        return self._event(step, "release", device, None, "done", None, check, why)

    # -- who may ---------------------------------------------------------------------------------

    def _decide(self, step: Step, given: Mapping[str, Any]) -> Event:
        moves = []
        for actuator, ends in given["moves"].items():
            self._known(step, actuator, self.site.actuators, "actuator")
            numbers = isinstance(ends, list) and all(isinstance(e, (int, float)) for e in ends)
            if not numbers or len(ends) != 2:
                raise ScriptError(
                    f"step {step.number}: a move is [now, proposed], two numbers, not {ends!r}"
                )
            moves.append(Move(actuator, float(ends[0]), float(ends[1])))
        origin = self._enum(step, Origin, given.get("origin", "optimiser"), "origin")
        lasts_s = float(given.get("lasts_s", LASTS_S))
        return self._register(step, self._decision(given["id"], origin, moves, lasts_s))

    def _decision(
        self, name: str, origin: Origin, moves: Iterable[Move], lasts_s: float
    ) -> Decision:
        end_s = self.now_s + lasts_s
        return Decision(name, "script", PLAN, origin, "script", "", tuple(moves), self.now_s, end_s)

    def _override(self, step: Step, given: Mapping[str, Any]) -> Event:
        end_s = self.now_s + float(given.get("lasts_s", LASTS_S))
        value = float(given["value"])
        made = Override(given["id"], given["actuator"], value, "script", "", self.now_s, end_s)
        return self._register(step, made)

    def _register(self, step: Step, made: Decision | Override) -> Event:
        what = "decide" if isinstance(made, Decision) else "override"
        try:
            self.state = self.envelope.register(self.state, made, self.now_s)
        except AuthorityError as error:
            return self._event(step, what, made.id, None, "refuse", None, "authority", str(error))
        return self._event(step, what, made.id, None, "done", None, "", "")

    # -- what is asked ---------------------------------------------------------------------------

    def _command(self, step: Step, given: Mapping[str, Any]) -> Iterator[Event]:
        actuator, value = given["actuator"], float(given["value"])
        origin = self._enum(step, Origin, given.get("origin", "optimiser"), "origin")
        authority = given.get("authority") or self._cover(actuator, value, origin)
        asked = Command(
            f"step {step.number}",
            actuator,
            value,
            origin,
            authority,
            "" if authority in self.state.overrides else PLAN,
            self.now_s - float(given.get("age_s", 0.0)),
            self.now_s - float(given.get("age_s", 0.0)) + float(given.get("lasts_s", 60.0)),
        )
        state, verdict = self.envelope.judge(self.state, asked, self.snapshot(), self.now_s)
        own = self.site.actuators.get(actuator)
        if own is not None and verdict.value is not None and not self.armed[own.device]:
            for event in self._arm(step, own.device):
                yield event
                if event.outcome == Outcome.REFUSE.value:
                    self._compare(step, verdict=None, refused=event)
                    return
            state, verdict = self.envelope.judge(self.state, asked, self.snapshot(), self.now_s)
        self.state = state
        if verdict.value is not None and needs_write(verdict):
            self._write(actuator, verdict.value)
        shown = value if math.isfinite(value) else None
        yield self._judged(step, "command", actuator, shown, verdict)
        self._compare(step, verdict)

    def _stage(self, step: Step, unit: str, on: bool) -> Event:
        self.state, verdict = self.envelope.judge_stage(
            self.state, unit, on, self.snapshot(), self.now_s
        )
        self._compare(step, verdict)
        return self._judged(step, "start" if on else "stop", unit, None, verdict)

    def _cover(self, actuator: str, value: float, origin: Origin) -> str:
        """A decision for exactly this move, so that authority is not what is tried out."""
        own = self.site.actuators.get(actuator)
        if own is None:
            return ""
        shown = self.shown.get(own.read_back)
        now = own.fallback if shown is None or shown[0].value is None else shown[0].value
        self._made += 1
        name = f"for this move {self._made}"
        moves = (Move(actuator, now, value),)
        try:
            made = self._decision(name, origin, moves, LASTS_S)
            self.state = self.envelope.register(self.state, made, self.now_s)
        except AuthorityError:
            return ""
        return name

    def _arm(self, step: Step, device: str) -> Iterator[Event]:
        for own in self.site.actuators.values():
            if own.device != device:
                continue
            self.state, verdict = self.envelope.judge_preload(
                self.state, own.id, self.snapshot(), self.now_s
            )
            yield self._judged(step, "arm", own.id, None, verdict)
            if verdict.value is None:
                return
            self._write(own.id, verdict.value)
        self.armed[device] = True

    def _scan(self, step: Step) -> Iterator[Event]:
        self.state, found = self.envelope.judge_in_force(self.state, self.snapshot(), self.now_s)
        released = {each.device for each in found if each.action is Action.RELEASE}
        for each in found:
            if each.value is not None and each.device not in released:
                self._write(each.actuator, each.value)
            outcome = "done" if each.action is Action.CORRECT else "release"
            yield self._event(
                step, each.action.value, each.actuator, None, outcome, each.value, each.check,
                each.detail, each.saw,
            )  # fmt: skip
        for device in sorted(released):
            yield self._release(step, device, "the whole device goes back")
        if "corrections" in step.fields.get("expect", {}):
            wanted = step.fields["expect"]["corrections"]
            got = [[each.actuator, each.action.value, each.check] for each in found]
            if got != wanted:
                self.surprises.append(Surprise(step.number, f"expected {wanted}, got {got}"))

    # -- telling ---------------------------------------------------------------------------------

    def _compare(self, step: Step, verdict: Verdict | None, refused: Event | None = None) -> None:
        expected = step.fields.get("expect", {})
        got: dict[str, Any] = {}
        if verdict is not None:
            got = {"outcome": verdict.outcome.value, "value": verdict.value, "check": verdict.check}
        elif refused is not None:
            got = {"outcome": refused.outcome, "value": None, "check": refused.check}
        for name in ("outcome", "value", "check"):
            if name not in expected:
                continue
            wanted, found = expected[name], got[name]
            near = name == "value" and found is not None and abs(found - wanted) < 1e-4
            if not near and wanted != found:
                text = f"expected {name} {wanted!r}, got {found!r}"
                self.surprises.append(Surprise(step.number, text))

    def _judged(
        self, step: Step, what: str, actuator: str, asked: float | None, verdict: Verdict
    ) -> Event:
        return self._event(
            step, what, actuator, asked, verdict.outcome.value, verdict.value, verdict.check,
            verdict.detail, verdict.saw,
        )  # fmt: skip

    def _event(  # noqa: PLR0913, PLR0917 - the fields of an event
        self,
        step: Step,
        what: str,
        subject: str,
        asked: float | None,
        outcome: str,
        value: float | None,
        check: str,
        detail: str,
        saw: Mapping[str, float] | None = None,
    ) -> Event:
        after_s = self.now_s - self.start_s
        return Event(
            step.number, after_s, what, subject, asked, outcome, value, check, detail, saw or {}
        )

    # -- names -----------------------------------------------------------------------------------

    def _matching(
        self, step: Step, pattern: str, names: Iterable[str], kind: str
    ) -> tuple[str, ...]:
        found = tuple(name for name in names if fnmatchcase(name, pattern))
        if not found:
            raise ScriptError(
                f"step {step.number}: the site {self.site.id!r} has no {kind} {pattern!r}"
            )
        return found

    def _known(self, step: Step, name: str, names: Iterable[str], kind: str) -> None:
        if name not in names:
            raise ScriptError(
                f"step {step.number}: the site {self.site.id!r} has no {kind} {name!r}"
            )

    def _enum(self, step: Step, kind: type[Item], name: Any, what: str) -> Item:
        try:
            return kind(name)  # type: ignore[call-arg]  # enums are called with a value
        except ValueError:
            known = ", ".join(each.value for each in kind)  # type: ignore[attr-defined]  # of enums
            raise ScriptError(
                f"step {step.number}: there is no {what} {name!r}; there are {known}"
            ) from None
