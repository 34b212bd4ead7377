"""The envelope's memory is one line of JSON, and garbage is not believed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from safety.state import (
    ActuatorState,
    EnvelopeState,
    StateError,
    UnitMemory,
    forget_in_force,
    restart_clock,
)
from tests.safety_kit import AIR, NOW_S, TEMPERATURE, envelope, holding, override


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


FULL = ActuatorState(
    in_force=30.0,
    accepted_at_s=NOW_S + 1.0,
    moved_at_s=NOW_S + 2.0,
    optimised_at_s=NOW_S + 3.0,
    optimiser_writes_s=(NOW_S - 4.0, NOW_S + 4.0),
    optimiser_direction=-1,
    reversals_s=(NOW_S - 5.0, NOW_S + 5.0),
    short_since_s=NOW_S + 6.0,
    blind_since_s=NOW_S + 7.0,
)


def test_a_release_forgets_what_was_in_force_there_and_nothing_else() -> None:
    state = EnvelopeState(actuators={AIR: FULL, TEMPERATURE: FULL})
    found = forget_in_force(state, [AIR]).actuators
    assert found == {
        TEMPERATURE: FULL,
        AIR: replace(
            FULL, in_force=None, accepted_at_s=None, short_since_s=None, blind_since_s=None
        ),
    }


def test_what_lies_in_the_future_happened_now_and_what_is_past_when_it_did() -> None:
    past = ActuatorState(accepted_at_s=NOW_S - 1.0, moved_at_s=NOW_S - 2.0)
    units = {"ch_1": UnitMemory(True, NOW_S + 8.0, (NOW_S - 9.0, NOW_S + 9.0))}
    state = EnvelopeState(
        seen_s=NOW_S + 10.0, actuators={AIR: FULL, TEMPERATURE: past}, units=units
    )
    found = restart_clock(state, NOW_S)
    assert found.seen_s == NOW_S
    assert found.units == {"ch_1": UnitMemory(True, NOW_S, (NOW_S - 9.0, NOW_S))}
    assert found.actuators == {
        TEMPERATURE: past,
        AIR: ActuatorState(
            in_force=30.0,
            accepted_at_s=NOW_S,
            moved_at_s=NOW_S,
            optimised_at_s=NOW_S,
            optimiser_writes_s=(NOW_S - 4.0, NOW_S),
            optimiser_direction=-1,
            reversals_s=(NOW_S - 5.0, NOW_S),
            short_since_s=NOW_S,
            blind_since_s=NOW_S,
        ),
    }
