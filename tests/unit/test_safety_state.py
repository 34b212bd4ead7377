"""The envelope's memory is one line of JSON, and garbage is not believed."""

from __future__ import annotations

import json

import pytest

from safety.state import ActuatorState, EnvelopeState, StateError
from tests.safety_kit import AIR, NOW_S, envelope, holding, override


def test_a_state_comes_back_as_it_was() -> None:
    gate = envelope()
    state = gate.register(holding(gate), override(29.0), NOW_S)
    state = gate.lock_out(state, AIR, "filter change")
    full = ActuatorState(1.0, 2.0, 3.0, 4.0, (5.0, 6.0), -1, (7.0,), 8.0, 9.0)
    state = state.with_actuator(AIR, full)
    text = state.to_json()
    assert "\n" not in text
    assert EnvelopeState.from_json(text) == state
    assert EnvelopeState.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"format":1,"surprise":2}', '{"seen_s":"noon"}', "[" * 100_000, "NaN"],
)
def test_a_damaged_state_is_refused(text: str) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        EnvelopeState.from_json(text)


def test_a_state_of_another_format_is_refused() -> None:
    text = json.dumps({**json.loads(EnvelopeState().to_json()), "format": 2})
    with pytest.raises(StateError, match="format 2, not 1"):
        EnvelopeState.from_json(text)
