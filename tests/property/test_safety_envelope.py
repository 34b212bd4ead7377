"""No sequence of commands and telemetry makes an accepted value leave the invariants.

The invariants (range, rate by direction, dew point, authority, mode, interlocks, pace) are
checked by `tests.safety_world`, which shares nothing with the envelope's arithmetic.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from facility.commands import Mode, Move, Origin
from facility.points import DataType
from facility.telemetry import Quality
from safety.arithmetic import Interval, allowance, grains, meet, units
from safety.encoding import nearest_on_wire
from safety.state import EnvelopeState
from tests.safety_adversary import WILD, adversary
from tests.safety_kit import (
    DEW_POINTS,
    LEAK,
    MEASURED_FLOW,
    SUPPLY,
    TEMPERATURE,
    command,
    point,
    telemetry,
)
from tests.safety_world import DEVICE, GATE, NAMES, World

names = st.sampled_from(NAMES)
asked = st.one_of(
    st.floats(15.0, 45.0, width=64),
    st.floats(5.0, 20.0).map(lambda value: round(value, 1)),
    st.sampled_from(WILD),
    st.floats(allow_nan=True, allow_infinity=True),
)


class Envelope(RuleBasedStateMachine):
    """Everything that can happen to four setpoints, in any order."""

    @initialize()
    def start(self) -> None:
        self.world = World()
        self.authorities = ["nobody"]

    @rule(seconds=st.sampled_from((0.0, 0.001, 1.0, 5.0, 59.0, 60.0, 300.0, 4000.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from((1.0, 16.0, 17.0, 301.0)))
    def time_passes_without_a_scan(self, seconds: float) -> None:
        self.world.pass_time(seconds, fresh=False)

    @rule(device=st.sampled_from(sorted(set(DEVICE.values()))))
    def a_device_is_armed(self, device: str) -> None:
        self.world.arm(device)

    @rule(device=st.sampled_from(sorted(set(DEVICE.values()))))
    def a_device_is_released(self, device: str) -> None:
        self.world.release(device)

    @rule(
        name=names,
        back=st.sampled_from((0.0, 0.5, 50.0)),
        ahead=st.sampled_from((-50.0, -2.0, -0.3, 0.3, 2.0, 50.0)),
        origin=st.sampled_from(list(Origin)),
        lasts_s=st.sampled_from((30.0, 1e5)),
    )
    def somebody_decides(
        self, name: str, back: float, ahead: float, origin: Origin, lasts_s: float
    ) -> None:
        held = self.world.held[name]
        start = held - back if ahead > 0 else held + back
        moves = (Move(name, start, held + ahead),)
        self.authorities.append(self.world.decide(moves, origin, lasts_s))

    @rule(name=names, value=asked, lasts_s=st.sampled_from((60.0, 900.0)))
    def somebody_overrides(self, name: str, value: float, lasts_s: float) -> None:
        self.authorities.append(self.world.override(name, value, lasts_s))

    @rule(which=st.integers(0, 5))
    def an_override_ends(self, which: int) -> None:
        if self.world.overrides:
            self.world.end_override(sorted(self.world.overrides)[which % len(self.world.overrides)])

    @rule(name=names, value=asked, origin=st.sampled_from(list(Origin)), which=st.integers(0, 3))
    def a_command(self, name: str, value: float, origin: Origin, which: int) -> None:
        authority = self.authorities[max(-1 - which, -len(self.authorities))]
        self.world.command(name, value, origin, authority)

    @rule(name=names, step=st.floats(-60.0, 60.0), which=st.integers(0, 2))
    def a_command_that_is_covered(self, name: str, step: float, which: int) -> None:
        held = self.world.held[name]
        origin = list(Origin)[which]
        authority = self.world.decide((Move(name, held - 100.0, held + 100.0),), origin, 60.0)
        self.world.command(name, held + step, origin, authority)

    @rule(tag=st.sampled_from(DEW_POINTS), value=st.floats(0.0, 40.0))
    def the_dew_point_changes(self, tag: str, value: float) -> None:
        self.world.show(tag, value)

    @rule(
        tag=st.sampled_from((LEAK, MEASURED_FLOW, SUPPLY, "r1.case_temperature")),
        value=st.one_of(st.sampled_from((0.0, 1.0, 9.4, 20.0, 60.0, 80.0)), st.none()),
        quality=st.sampled_from(list(Quality)),
    )
    def a_reading_changes(self, tag: str, value: float | None, quality: Quality) -> None:
        self.world.show(tag, value, quality)

    @rule(name=names, mode=st.sampled_from(list(Mode)))
    def a_mode_changes(self, name: str, mode: Mode) -> None:
        self.world.modes[name] = mode

    @rule()
    def the_gateway_restarts(self) -> None:
        self.world.restart()

    @rule()
    def the_values_in_force_are_judged(self) -> None:
        self.world.scan()

    @invariant()
    def the_memory_is_bounded_and_serialisable(self) -> None:
        state = self.world.state
        assert EnvelopeState.from_json(state.to_json()) == state
        for memory in state.actuators.values():
            assert len(memory.optimiser_writes_s) <= 6
            assert len(memory.reversals_s) <= 3


Envelope.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestEnvelope = Envelope.TestCase


@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_adversarial_commands(seed: int) -> None:
    world = adversary(seed, 1000)
    assert world.accepted > 200  # the generator does get through
    assert world.refused > 200
    assert world.corrected > 0


@pytest.mark.slow
@pytest.mark.parametrize("ten", range(100))
def test_a_million_adversarial_commands(ten: int) -> None:
    """For `make property`: a thousand worlds of a thousand commands, each from its own seed."""
    for seed in range(1000 + 10 * ten, 1010 + 10 * ten):
        world = adversary(seed, 1000)
        assert world.accepted > 100
        assert world.refused > 100


limits = st.integers(-(10**9), 10**9)


@given(st.lists(st.tuples(limits, limits), max_size=6), limits)
def test_a_meeting_is_the_intersection_in_any_order(
    ends: list[tuple[int, int]], value: int
) -> None:
    intervals = [Interval(str(i), min(pair), max(pair)) for i, pair in enumerate(ends)]
    met, back = meet(intervals), meet(reversed(intervals))
    low = max((interval.lower or 0 for interval in intervals), default=-(10**14))
    high = min((interval.upper or 0 for interval in intervals), default=10**14)
    assert (met.conflict is None) == (back.conflict is None) == (low <= high)
    if met.conflict is None:
        nearest, bound = met.nearest(value)
        assert all(interval.holds(nearest) for interval in intervals)
        assert nearest == back.nearest(value)[0] == min(max(value, met.floor), met.ceiling)
        assert (bound is None) == (nearest == value)


@given(
    st.fractions(Fraction(-1), Fraction(1), max_denominator=8),
    st.fractions(Fraction(-1), Fraction(1), max_denominator=8),
    st.fractions(Fraction(0), Fraction(1), max_denominator=8),
    st.fractions(Fraction(0), Fraction(1), max_denominator=8),
)
def test_one_intersection_never_breaks_range_or_rate(
    previous: Fraction, low: Fraction, width: Fraction, rate: Fraction
) -> None:
    """The space in which clamping in turn was refuted: 0, [-3/8, -3/8] and 1/8 is in it."""
    start, floor, step = (grains(float(each)) for each in (previous, low, rate))
    ceiling = floor + grains(float(width))
    met = meet((Interval("range", floor, ceiling), Interval("rate", start - step, start + step)))
    possible = floor <= start + step and start - step <= ceiling
    assert (met.conflict is None) == possible
    if possible:
        value, _ = met.nearest(start)
        assert floor <= value <= ceiling
        assert abs(value - start) <= step


@given(
    st.floats(0.01, 100.0).map(lambda rate: round(rate, 4)),
    st.floats(-10.0, 1e6),
    st.floats(1.0, 3600.0),
)
def test_an_allowance_is_never_more_than_the_rate(
    rate: float, elapsed_s: float, window_s: float
) -> None:
    got = units(allowance(rate, elapsed_s, window_s))
    most = rate * max(min(elapsed_s, window_s), 0.0) / 60.0
    assert 0.0 <= got <= most + rate * 0.0005 / 60.0 + 5e-5 * max(window_s, 1.0) / 60.0 + 1e-9


@given(
    st.sampled_from((DataType.INT16, DataType.UINT16, DataType.FLOAT32, DataType.FLOAT64)),
    st.sampled_from((0.01, 0.1, 0.5, -0.1)),
    st.sampled_from(("degC", "degF", "kelvin")),
    st.floats(-50.0, 150.0),
    st.floats(0.0, 20.0),
    st.floats(0.0, 20.0),
)
def test_what_goes_on_the_wire_is_inside_and_decodes_to_itself(
    data_type: DataType, scale: float, unit: str, target: float, below: float, above: float
) -> None:
    whitelisted = point(TEMPERATURE, "cdu_1", data_type, scale=scale, unit=unit)
    lower, upper = grains(target - below), grains(target + above)
    value = nearest_on_wire(whitelisted, grains(target), lower, upper)
    if value is not None:
        assert lower <= grains(value) <= upper
        raw = whitelisted.to_raw(value)
        if data_type in (DataType.INT16, DataType.UINT16):
            assert abs(raw - round(raw)) < 1e-6
            # No register value between this one and the target.
            step = abs(whitelisted.to_canonical(1.0) - whitelisted.to_canonical(0.0))
            assert abs(value - target) < step + 1e-4
    elif data_type in (DataType.FLOAT32, DataType.FLOAT64):
        raise AssertionError("a float carries everything")


@given(value=st.floats(), issued=st.floats(), expires=st.floats(), now=st.floats())
def test_no_number_of_a_command_makes_the_envelope_fail(
    value: float, issued: float, expires: float, now: float
) -> None:
    state, verdict = GATE.judge(
        EnvelopeState(),
        command(value, issued_at_s=issued, expires_at_s=expires),
        telemetry(armed=False),
        now,
    )
    assert verdict.value is None  # nobody has decided anything
    assert verdict.check in ("clock", "finite", "authority")
    GATE.judge_in_force(state, telemetry(), now)
