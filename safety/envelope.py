"""The envelope: judges every command before it is written, and every value while it is in force.

Pure: the same limits, state, command, telemetry and time give the same answer. There is no way to
switch it off. docs/safety.md is its specification; the order of the checks is the order of the
tables in `safety.checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from facility.commands import Command, Decision, Origin, Outcome, Override, Verdict
from facility.telemetry import Snapshot
from safety import authority, checks, dwell, stage_requests, staging
from safety import state as states
from safety.arithmetic import Interval, grains, meet, units
from safety.backup_held import WorstCase, worst_case, worst_case_of_own
from safety.checks import LIMITERS, REFUSALS, Case, Finding
from safety.encoding import nearest_on_wire
from safety.guards import ActuatorLimits, Limits
from safety.in_force import Action, Correction, judge_value_in_force, release
from safety.interlocks import (
    Conditions,
    dew_point_interval,
    storing_interval,
    survey,
    worst_dew_point,
)
from safety.readings import Looks
from safety.sightings import honest, observe
from safety.state import ActuatorState, EnvelopeState

__all__ = ["Action", "Correction", "Envelope", "needs_write"]

UNCHANGED = "unchanged"
DEAD_BAND = "dead_band"


def needs_write(verdict: Verdict) -> bool:
    """Whether a verdict asks for bytes to be sent: it has a value that is not in force yet."""
    return verdict.value is not None and verdict.check not in (UNCHANGED, DEAD_BAND)


@dataclass(frozen=True)
class Envelope:
    """All limits of a site, and the judgements that they give."""

    limits: Limits

    @cached_property
    def _looks(self) -> Looks:
        return Looks()

    @cached_property
    def _own_admitted(self) -> dict[float, Mapping[str, Interval]]:
        """By wet bulb, the last one alone: what the worst case admits with all given back."""
        return {}

    def judge(
        self, state: EnvelopeState, command: Command, telemetry: Snapshot, now_s: float
    ) -> tuple[EnvelopeState, Verdict]:
        """Allow ``command``, limit it to a safer value, or refuse it.

        The state that comes back takes an accepted value for written; where the write then fails,
        the gateway says so with `write_failed`.
        """
        state, (verdict,) = self.judge_all(state, (command,), telemetry, now_s)
        return state, verdict

    def judge_all(
        self,
        state: EnvelopeState,
        commands: Iterable[Command],
        telemetry: Snapshot,
        now_s: float,
    ) -> tuple[EnvelopeState, tuple[Verdict, ...]]:
        """As `judge` for one command after the other, with what they share judged once."""
        moment = self._moment(state, telemetry, now_s)
        worst = worst_case(self.limits, state, moment)
        verdicts = []
        for command in commands:
            state, verdict = self._judge(state, command, moment, worst)
            verdicts.append(verdict)
        return state, tuple(verdicts)

    def _judge(
        self, state: EnvelopeState, command: Command, moment: Conditions, worst: WorstCase
    ) -> tuple[EnvelopeState, Verdict]:
        now_s = moment.now_s
        finding = checks.clock(state, now_s)
        if finding is not None:
            return state, _refuse(finding)
        state = state.at(now_s)
        finding = checks.finite(command)
        if finding is not None:
            return state, _refuse(finding)
        own = self.limits.actuators.get(command.actuator)
        if own is None:
            return state, _refuse(checks.not_listed(command.actuator))
        memory = state.of(own.actuator)
        situation = survey(own, memory, moment)
        case = Case(self.limits, own, state, command, situation, now_s, worst)
        finding = checks.why_nothing(own, state, situation) or _refusal(case)
        if finding is None:
            finding = stage_requests.why_not_asked(
                self.limits, own, state, command.value, situation.starts, moment
            )
        if finding is not None:
            return state, _refuse(finding)
        verdict, way = _limit(case, memory)
        if verdict.value is not None and needs_write(verdict):
            memory = dwell.accepted(memory, verdict.value, command.origin, way, now_s)
            state = state.with_actuator(own.actuator, memory)
            worst.accepted(own.actuator, verdict.value)
        return state, verdict

    def judge_preload(
        self, state: EnvelopeState, actuator: str, telemetry: Snapshot, now_s: float
    ) -> tuple[EnvelopeState, Verdict]:
        """What to preload before a device is enabled: the value in force there, if it may stay.

        Refused where we could not hold it: outside a limit, or near the dew point. Uses up no
        budget and no rate.
        """
        finding = checks.clock(state, now_s)
        if finding is not None:
            return state, _refuse(finding)
        state = state.at(now_s)
        own = self.limits.actuators.get(actuator)
        if own is None:
            return state, _refuse(checks.not_listed(actuator))
        memory = state.of(actuator)
        verdict = _preload(own, state, self._moment(state, telemetry, now_s))
        if verdict.value is not None:
            memory = replace(
                memory,
                in_force=verdict.value,
                accepted_at_s=now_s,
                short_since_s=None,
                blind_since_s=None,
            )
            state = state.with_actuator(actuator, memory)
        return state, verdict

    def judge_in_force(
        self, state: EnvelopeState, telemetry: Snapshot, now_s: float
    ) -> tuple[EnvelopeState, tuple[Correction, ...]]:
        """Every value that we hold: nothing to do, a correction to write, or a release.

        For each scan. A correction counts as written; a release must be carried out whatever
        else fails, and told back with `released`.
        """
        held = self._held(state, telemetry)
        finding = checks.clock(state, now_s)
        if finding is not None:
            return state, tuple(release(own, finding) for own in held)
        state = self.observe(state, telemetry, now_s)
        moment = self._moment(state, telemetry, now_s)
        worst = worst_case(self.limits, state, moment)
        memories: dict[str, ActuatorState] = {}
        corrections: list[Correction] = []
        for own in held:
            before = state.of(own.actuator)
            memory, correction = judge_value_in_force(self.limits, own, state, moment, worst)
            if memory != before:
                memories[own.actuator] = memory
            if correction is not None:
                corrections.append(correction)
        state = replace(state, seen_s=now_s, actuators={**state.actuators, **memories})
        return authority.drop_expired(state, now_s), tuple(corrections)

    def observe(self, state: EnvelopeState, telemetry: Snapshot, now_s: float) -> EnvelopeState:
        """The state with what sensors show now remembered; a part of `judge_in_force`."""
        sightings = observe(self.limits, state.sightings, telemetry, now_s)
        state = replace(state, sightings=sightings)
        changed = staging.seen(self.limits, state, self._moment(state, telemetry, now_s))
        return replace(state, units={**state.units, **changed})

    def honest(self, state: EnvelopeState, telemetry: Snapshot, now_s: float) -> Snapshot:
        """``telemetry`` with frozen and outvoted readings marked: what the envelope judges by."""
        return honest(self.limits, state.sightings, telemetry, now_s)

    def judge_stage(
        self, state: EnvelopeState, unit: str, on: bool, telemetry: Snapshot, now_s: float
    ) -> tuple[EnvelopeState, Verdict]:
        """Whether a machine may be started (``on``) or stopped now; a start that may is counted.

        For requests to the plant's own sequencer. A machine that does so already is allowed.
        """
        finding = checks.clock(state, now_s)
        if finding is not None:
            return state, _refuse(finding)
        own = self.limits.stages.get(unit)
        if own is None:
            return state, _refuse(
                Finding("whitelist", f"there is no machine {unit!r} that may be staged")
            )
        state = self.observe(state.at(now_s), telemetry, now_s)
        memory = state.unit(unit)
        finding = staging.why_not_staged(own, memory, on, self._moment(state, telemetry, now_s))
        if finding is not None:
            return state, _refuse(finding)
        state = replace(state, units={**state.units, unit: staging.staged(memory, on, now_s)})
        return state, Verdict(Outcome.ALLOW, float(on), "", "", {})

    def judge_fallback(self, actuator: str, telemetry: Snapshot, now_s: float) -> Verdict:
        """Whether the plant's own value would be within the limits, if we let go now.

        For people and alarms: a release is never refused, whatever this says.
        """
        own = self.limits.actuators.get(actuator)
        if own is None:
            return _refuse(checks.not_listed(actuator))
        moment = self._moment(states.EMPTY, telemetry, now_s)
        return _fallback(own, moment, self._with_all_given_back(moment)[actuator])

    def judge_fallbacks(self, telemetry: Snapshot, now_s: float) -> Mapping[str, Verdict]:
        """By actuator: where the plant's own value would be outside a limit now.

        For each scan, as a standing warning: letting go is no way out while one stands.
        """
        moment = self._moment(states.EMPTY, telemetry, now_s)
        worst = self._with_all_given_back(moment)
        found = {
            name: _fallback(own, moment, worst[name]) for name, own in self.limits.actuators.items()
        }
        return {name: each for name, each in found.items() if each.outcome is Outcome.REFUSE}

    def register(
        self, state: EnvelopeState, authority_: Decision | Override, now_s: float
    ) -> EnvelopeState:
        """The state with a decision or override registered; `AuthorityError` says why not."""
        return authority.register(self.limits, state, authority_, now_s)

    def end_override(self, state: EnvelopeState, override_id: str) -> EnvelopeState:
        """The state without an override; `AuthorityError` where there is none of that id."""
        return authority.end_override(state, override_id)

    def released(self, state: EnvelopeState, actuators: Iterable[str]) -> EnvelopeState:
        """After a release: nothing of ours is in force there. Timers and budgets go on."""
        return states.forget_in_force(state, actuators)

    def write_failed(self, state: EnvelopeState, actuator: str) -> EnvelopeState:
        """After a write that was not confirmed: the next move starts from the read-back alone."""
        return states.forget_in_force(state, (actuator,))

    def lock_out(self, state: EnvelopeState, actuator: str, why: str) -> EnvelopeState:
        """Let nothing be written to ``actuator`` until `unlock`; what is in force is released."""
        return replace(state, locked_out={**state.locked_out, actuator: why})

    def unlock(self, state: EnvelopeState, actuator: str) -> EnvelopeState:
        """End a lock-out."""
        left = {name: why for name, why in state.locked_out.items() if name != actuator}
        return replace(state, locked_out=left)

    def restart_clock(self, state: EnvelopeState, now_s: float) -> EnvelopeState:
        """After the clock went back and a person re-armed: timers start again from now."""
        return states.restart_clock(state, now_s)

    def _moment(self, state: EnvelopeState, telemetry: Snapshot, now_s: float) -> Conditions:
        seen = self.honest(state, telemetry, now_s)
        return Conditions(seen, now_s, self.limits.clock_slack_s, state.sightings, self._looks)

    def _with_all_given_back(self, moment: Conditions) -> Mapping[str, Interval]:
        """By actuator: what the worst case admits; it hangs on nothing but the wet bulb then."""
        worst = worst_case_of_own(self.limits, moment)
        if worst.wet_bulb_c not in self._own_admitted:
            self._own_admitted.clear()
            self._own_admitted[worst.wet_bulb_c] = {
                name: worst.interval(name) for name in self.limits.actuators
            }
        return self._own_admitted[worst.wet_bulb_c]

    def _held(self, state: EnvelopeState, telemetry: Snapshot) -> tuple[ActuatorLimits, ...]:
        armed = {name for name, device in telemetry.devices.items() if device.armed}
        return tuple(
            own
            for own in self.limits.actuators.values()
            if own.device in armed and state.of(own.actuator).in_force is not None
        )


def _refusal(case: Case) -> Finding | None:
    for check in REFUSALS:
        finding = check(case)
        if finding is not None:
            return finding
    return None


def _limit(case: Case, memory: ActuatorState) -> tuple[Verdict, int]:
    """The verdict of a command that no check refuses outright, and which way it moves."""
    own, asked = case.own, grains(case.command.value)
    start = case.situation.starts[0]
    intervals = (*own.static, *(limiter(case) for limiter in LIMITERS))
    admitted = meet(intervals)
    saw = {"asked": case.command.value, "start": units(start)}
    if admitted.conflict is not None:
        # Where the move starts outside a limit, that limit is the reason, not the rate.
        culprit = next((each for each in intervals if not each.holds(start)), admitted.conflict)
        return _refuse_by(culprit, saw, "no value is within every limit: "), 0
    saw |= {"lower": units(admitted.floor), "upper": units(admitted.ceiling)}
    target, bound = admitted.nearest(asked)
    value = nearest_on_wire(own.point, target, admitted.floor, admitted.ceiling)
    if value is None:
        detail = f"its point carries no value from {saw['lower']:g} to {saw['upper']:g} {own.unit}"
        return _refuse(Finding("encodable", detail), saw), 0
    way = dwell.direction(own, grains(value), start)
    if way == 0 and bound is not None:
        return _refuse_by(bound, saw, "no move is left: "), 0
    return _settle(case, memory, value, way, bound, saw), way


def _settle(
    case: Case,
    memory: ActuatorState,
    value: float,
    way: int,
    bound: Interval | None,
    saw: Mapping[str, float],
) -> Verdict:
    """The verdict for a value within all limits: is it worth a write, and may it be now?"""
    own, in_force = case.own, case.situation.in_force
    if in_force is not None and way == 0:
        return Verdict(Outcome.ALLOW, in_force, UNCHANGED, "the device holds this already", saw)
    if case.command.origin is Origin.OPTIMISER:
        if in_force is not None and dwell.in_dead_band(own, grains(value), grains(in_force)):
            detail = f"less than {own.dead_band:g} {own.unit} from what is in force"
            return Verdict(Outcome.LIMIT, in_force, DEAD_BAND, detail, saw)
        wait = dwell.why_wait(case.limits, own, memory, way, case.now_s)
        if wait is not None:
            return _refuse(Finding(wait.check, wait.detail, wait.saw), saw)
    if bound is None:
        return Verdict(Outcome.ALLOW, value, "", "", saw)
    return Verdict(Outcome.LIMIT, value, bound.check, bound.detail, {**saw, **bound.saw})


def _preload(own: ActuatorLimits, state: EnvelopeState, moment: Conditions) -> Verdict:
    # Without what was in force before: a device that is being armed is in local control.
    situation = survey(own, states.NEVER, moment)
    finding = checks.why_nothing(own, state, situation)
    if finding is None and not situation.starts:
        finding = checks.no_read_back(own)
    if finding is not None:
        return _refuse(finding)
    for condition in situation.active:
        if not condition.known:
            return _refuse(Finding(condition.name, condition.detail, condition.saw))
    start = situation.starts[0]
    dew_point = dew_point_interval(own, situation.dew_point_c)
    intervals = (*own.static, situation.hand_back, dew_point, storing_interval(situation))
    saw = {"start": units(start)}
    for interval in intervals:
        if not interval.holds(start):
            return _refuse_by(interval, saw, "the value in force could not be held: ")
    if own.dew is not None and situation.dew_point_c is None:
        return _refuse(Finding("dew_point_unknown", "no dew-point sensor can be used"), saw)
    admitted = meet(intervals)
    value = nearest_on_wire(own.point, start, admitted.floor, admitted.ceiling)
    if value is None or abs(grains(value) - start) > max(grains(own.tolerance), 1):
        detail = f"its point cannot carry {units(start):g} {own.unit}, which is in force"
        return _refuse(Finding("encodable", detail), saw)
    return Verdict(Outcome.ALLOW, value, "", "", saw)


def _fallback(own: ActuatorLimits, moment: Conditions, worst: Interval) -> Verdict:
    dew_point_c = None if own.dew is None else worst_dew_point(own.dew, moment)
    dew_point = dew_point_interval(own, dew_point_c)
    for interval in (*own.static, dew_point, worst):
        if not interval.holds(grains(own.fallback)):
            detail = f"the plant's own {own.fallback:g} {own.unit}: {interval.detail}"
            saw = {"fallback": own.fallback, **interval.saw}
            return _refuse(Finding(interval.check, detail, saw))
    return Verdict(Outcome.ALLOW, own.fallback, "", "", {"fallback": own.fallback})


def _refuse(finding: Finding, saw: Mapping[str, float] | None = None) -> Verdict:
    numbers = {**(saw or {}), **finding.saw}
    return Verdict(Outcome.REFUSE, None, finding.check, finding.detail, numbers)


def _refuse_by(interval: Interval, saw: Mapping[str, float], why: str) -> Verdict:
    return _refuse(Finding(interval.check, why + interval.detail, interval.saw), saw)
