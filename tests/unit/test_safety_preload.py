"""What is preloaded before a device is enabled, and the plant's own value when we let go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Mode, Outcome
from facility.devices import Release
from facility.points import DataType
from facility.telemetry import Reading, Snapshot
from safety.envelope import Envelope
from safety.state import EnvelopeState
from tests.safety_judging import GATE, PERSON, STATE, narrowed, scan
from tests.safety_kit import (
    ACTUATORS,
    AIR,
    CHILLED,
    DEW_POINTS,
    LEAK,
    MEASURED_FLOW,
    NOW_S,
    TEMPERATURE,
    changed,
    command,
    device,
    envelope,
    point,
    read_back,
    telemetry,
)

BACK = read_back(TEMPERATURE)
DEW = DEW_POINTS[0]
FLOATING = envelope(points=[point(TEMPERATURE, "cdu_1")])


# -- preload -------------------------------------------------------------------------------------


def preload(
    changes: dict[str, float | Reading | None] | None = None,
    actuator: str = TEMPERATURE,
    gate: Envelope = GATE,
    state: EnvelopeState = STATE,
    now_s: float = NOW_S,
    **world: Any,
) -> tuple[float | None, str]:
    seen = telemetry(changes, now_s=now_s, **({"armed": False} | world))
    after, verdict = gate.judge_preload(state, actuator, seen, now_s)
    if verdict.value is None:
        assert after.actuators == state.actuators
    else:
        assert after.of(actuator).in_force == verdict.value
        assert after.of(actuator).moved_at_s == state.of(actuator).moved_at_s
    return verdict.value, verdict.check


def test_the_value_in_force_is_preloaded() -> None:
    assert preload({BACK: 31.0}) == (31.0, "")
    assert preload({BACK: 31.04})[0] == pytest.approx(31.0)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({BACK: 40.1}, "supply_maximum"),
        ({BACK: 19.9}, "range"),
        ({BACK: None}, "telemetry"),
        ({DEW: 27.1}, "dew_point"),
        (dict.fromkeys(DEW_POINTS), "dew_point_unknown"),
        ({LEAK: 1.0}, "leak"),
        ({LEAK: None}, "leak"),
        ({MEASURED_FLOW: None}, "low_flow"),
    ],
)
def test_a_value_that_could_not_be_held_is_not_taken_over(
    changes: dict[str, float | Reading | None], check: str
) -> None:
    assert preload(changes) == (None, check)


def test_a_plant_that_runs_hot_may_be_taken_over() -> None:
    assert preload({"r1.case_temperature": 76.0}) == (30.0, "")


def test_a_value_that_the_register_cannot_carry_is_not_taken_over() -> None:
    coarse = envelope(points=[point(TEMPERATURE, "cdu_1", DataType.INT16, scale=1.0)])
    assert preload({BACK: 30.4}, gate=coarse) == (None, "encodable")
    assert preload({BACK: 30.05}, gate=coarse) == (30.0, "")
    edge = Envelope(
        replace(
            GATE.limits,
            actuators={
                TEMPERATURE: replace(
                    GATE.limits.actuators[TEMPERATURE], bounds=narrowed(30.01, 30.09)
                )
            },
        )
    )
    assert preload({BACK: 30.05}, gate=edge) == (None, "encodable")


def test_a_preload_needs_a_mode_a_device_a_listed_actuator_and_a_clock() -> None:
    assert preload(mode=Mode.SHADOW) == (None, "mode")
    assert preload(connected=False) == (None, "device")
    assert preload(actuator="cdu_9.x") == (None, "whitelist")
    assert preload(now_s=NOW_S - 1.0) == (None, "clock")
    assert preload(state=GATE.lock_out(STATE, TEMPERATURE, "x")) == (None, "lock_out")


# -- the plant's own value -----------------------------------------------------------------------


def test_the_plants_own_value_is_judged_and_released_to_all_the_same() -> None:
    verdict = GATE.judge_fallback(TEMPERATURE, telemetry(), NOW_S)
    assert (verdict.outcome, verdict.value) == (Outcome.ALLOW, 30.0)
    wet = GATE.judge_fallback(TEMPERATURE, telemetry({DEW: 27.1}), NOW_S)
    assert (wet.outcome, wet.check) == (Outcome.REFUSE, "dew_point")
    assert wet.saw["fallback"] == 30.0
    narrow = envelope(actuators=[changed(ACTUATORS[2], fallback=17.0)])
    assert narrow.judge_fallback(AIR, telemetry(), NOW_S).check == "range"
    assert GATE.judge_fallback("cdu_9.x", telemetry(), NOW_S).check == "whitelist"


def test_after_a_failed_write_the_next_move_starts_from_the_read_back() -> None:
    state = GATE.write_failed(STATE, TEMPERATURE)
    assert scan({BACK: 25.0}, state=state, after_s=60.0)[1] == {}
    seen = telemetry({BACK: 25.0})
    assert GATE.judge(state, command(25.4, **PERSON), seen, NOW_S)[1].value == pytest.approx(25.4)


def test_the_chilled_water_of_a_device_that_jumps_is_held_near_its_fallback() -> None:
    jump = envelope(devices=[device("ch_1", release=Release.JUMP)])
    found = scan(gate=jump)[1]
    assert found == {}
    tight = envelope(
        devices=[device("ch_1", release=Release.JUMP)],
        actuators=[changed(ACTUATORS[3], jump_towards=2.5)],
    )
    assert scan(gate=tight)[1][CHILLED].check == "hand_back"


def test_a_snapshot_of_nothing_judges_nothing() -> None:
    assert GATE.judge_in_force(STATE, Snapshot(NOW_S, {}), NOW_S)[1] == ()
