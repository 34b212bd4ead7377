"""A command to the small hall, or a scan of it, judged: what tests of the checks begin with."""

from __future__ import annotations

from typing import Any

from facility.commands import Origin, Outcome, Verdict
from facility.telemetry import Reading, Snapshot
from safety.envelope import Action, Correction, Envelope
from safety.guards import Bound
from safety.state import EnvelopeState
from tests.safety_kit import (
    FLOW,
    NOW_S,
    TEMPERATURE,
    command_at,
    envelope,
    holding,
    read_back,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
PERSON: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}
SAFETY: dict[str, Any] = {"origin": Origin.SAFETY, "authority": "wide-safety"}
TEMPERATURE_BACK, FLOW_BACK = read_back(TEMPERATURE), read_back(FLOW)


def judge(
    value: float,
    on: str = TEMPERATURE,
    seen: Snapshot | None = None,
    gate: Envelope = GATE,
    state: EnvelopeState = STATE,
    now_s: float = NOW_S,
    **more: Any,
) -> Verdict:
    seen = telemetry(now_s=now_s) if seen is None else seen
    _, verdict = gate.judge(state, command_at(now_s, value, on, **more), seen, now_s)
    return verdict


def refused(verdict: Verdict, check: str) -> bool:
    return (verdict.outcome, verdict.value, verdict.check) == (Outcome.REFUSE, None, check)


def state_without_memory(state: EnvelopeState) -> EnvelopeState:
    return EnvelopeState(decisions=state.decisions, overrides=state.overrides)


def scan(
    changes: dict[str, float | Reading | None] | None = None,
    gate: Envelope = GATE,
    state: EnvelopeState = STATE,
    after_s: float = 0.0,
    **world: Any,
) -> tuple[EnvelopeState, dict[str, Correction]]:
    now_s = NOW_S + after_s
    state, found = gate.judge_in_force(state, telemetry(changes, now_s=now_s, **world), now_s)
    assert len({each.actuator for each in found}) == len(found)
    return state, {each.actuator: each for each in found}


def released(found: dict[str, Correction], actuator: str, check: str) -> bool:
    each = found[actuator]
    assert each.device == GATE.limits.actuators[actuator].device
    return (each.action, each.value, each.check) == (Action.RELEASE, None, check)


def narrowed(low: float, high: float) -> tuple[Bound, ...]:
    return (Bound("range", low, high),)
