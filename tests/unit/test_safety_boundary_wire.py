"""What is remembered over a release and a clock that went back, and what a register carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Origin, Outcome, Verdict
from facility.points import DataType
from facility.telemetry import Snapshot
from safety.encoding import nearest_on_wire, reach
from safety.envelope import Envelope
from safety.guards import Effect
from safety.interlocks import Active
from safety.state import ActuatorState, EnvelopeState, forget_in_force, restart_clock
from tests.safety_kit import (
    NOW_S,
    TEMPERATURE,
    command_at,
    envelope,
    holding,
    point,
    read_back,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
BACK = read_back(TEMPERATURE)
PERSON: dict[str, Any] = {"origin": Origin.PERSON, "authority": "wide-person"}


def ask(
    value: float,
    on: str = TEMPERATURE,
    seen: Snapshot | None = None,
    state: EnvelopeState = STATE,
    gate: Envelope = GATE,
    now_s: float = NOW_S,
    **more: Any,
) -> Verdict:
    seen = telemetry(now_s=now_s) if seen is None else seen
    _, verdict = gate.judge(state, command_at(now_s, value, on, **more), seen, now_s)
    assert {type(number) for number in verdict.saw.values()} <= {float}
    return verdict


def answer(verdict: Verdict) -> tuple[Outcome, float | None, str]:
    value = None if verdict.value is None else round(verdict.value, 6)
    return verdict.outcome, value, verdict.check


# -- what is remembered --------------------------------------------------------------------------

FULL = ActuatorState(
    in_force=1.0,
    accepted_at_s=9.0,
    moved_at_s=8.0,
    optimised_at_s=7.0,
    optimiser_writes_s=(5.0, 7.0),
    optimiser_direction=-1,
    reversals_s=(4.0, 6.0),
    short_since_s=3.0,
    blind_since_s=2.0,
)


def test_a_release_forgets_what_is_in_force_and_no_timer() -> None:
    state = EnvelopeState(actuators={"a": FULL, "b": FULL})
    left = replace(FULL, in_force=None, accepted_at_s=None, short_since_s=None, blind_since_s=None)
    assert forget_in_force(state, ["a"]).actuators == {"a": left, "b": FULL}


@pytest.mark.parametrize("now_s", [1.0, 4.5, 6.5, 100.0])
def test_a_clock_that_starts_again_moves_only_what_lies_in_the_future(now_s: float) -> None:
    state = restart_clock(EnvelopeState(seen_s=99.0, actuators={"a": FULL}), now_s)
    assert state.seen_s == now_s
    assert state.of("a") == ActuatorState(
        in_force=1.0,
        accepted_at_s=min(9.0, now_s),
        moved_at_s=min(8.0, now_s),
        optimised_at_s=min(7.0, now_s),
        optimiser_writes_s=(min(5.0, now_s), min(7.0, now_s)),
        optimiser_direction=-1,
        reversals_s=(min(4.0, now_s), min(6.0, now_s)),
        short_since_s=min(3.0, now_s),
        blind_since_s=min(2.0, now_s),
    )


# -- the wire ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_type", "more", "expected"),
    [
        (DataType.INT16, {}, (-32_768.0, 32_767.0)),
        (DataType.UINT16, {}, (0.0, 65_535.0)),
        (DataType.INT32, {"scale": 0.1}, (-214_748_364.8, 214_748_364.7)),
        (DataType.UINT32, {"scale": 0.1}, (0.0, 429_496_729.5)),
        (DataType.INT32, {}, (-1e9, 1e9)),
        (DataType.UINT32, {}, (0.0, 1e9)),
        (DataType.FLOAT64, {}, (-1e9, 1e9)),
    ],
)
def test_reach_of_each_type_of_register(
    data_type: DataType, more: dict[str, Any], expected: tuple[float, float]
) -> None:
    assert reach(point(TEMPERATURE, "cdu_1", data_type, **more)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("data_type", "lowest", "highest"),
    [
        (DataType.INT16, -32_768, 32_767),
        (DataType.UINT16, 0, 65_535),
        (DataType.INT32, -(2**31), 2**31 - 1),
        (DataType.UINT32, 0, 2**32 - 1),
    ],
)
def test_each_register_carries_its_ends_and_nothing_beyond(
    data_type: DataType, lowest: int, highest: int
) -> None:
    own = point(TEMPERATURE, "cdu_1", data_type)
    for value, carried in (
        (lowest, True),
        (lowest - 1, False),
        (highest, True),
        (highest + 1, False),
    ):
        found = nearest_on_wire(own, value * 10_000, -(10**14), 10**14)
        inside = nearest_on_wire(own, value * 10_000, value * 10_000, value * 10_000)
        assert (inside is not None) is carried
        if carried:
            assert found == value
            assert type(found) is float


@pytest.mark.parametrize("data_type", [DataType.INT16, DataType.INT32, DataType.UINT16])
def test_of_two_values_equally_near_the_lower_one_is_written(data_type: DataType) -> None:
    own = point(TEMPERATURE, "cdu_1", data_type)
    for low in range(16):
        assert nearest_on_wire(own, low * 10_000 + 5_000, 0, 10**13) == low


@pytest.mark.parametrize(
    ("data_type", "sentinels", "value", "carried"),
    [
        (DataType.INT16, (-1,), -1, False),
        (DataType.INT16, (0xFFFF,), -1, False),
        (DataType.INT16, (0xFFFF,), 30, True),
        (DataType.UINT16, (0xFFFF,), 30, True),
        (DataType.INT32, (0xFFFFFFFF,), -1, False),
        (DataType.INT32, (0xFFFF,), -1, True),
        (DataType.INT32, (0x7FFFFFFF,), 2**31 - 1, False),
    ],
)
def test_sentinels_as_signed_numbers_or_as_patterns(
    data_type: DataType, sentinels: tuple[int, ...], value: int, carried: bool
) -> None:
    own = point(TEMPERATURE, "cdu_1", data_type, sentinels=sentinels)
    found = nearest_on_wire(own, value * 10_000, value * 10_000, value * 10_000)
    assert found == (float(value) if carried else None)


def test_an_active_condition_is_known_unless_it_says_otherwise() -> None:
    assert Active("x", Effect.HOLD, "why").known
