"""Devices that jump when they are released: where their own value lies, and the bound about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from facility.commands import Outcome
from facility.devices import Release
from facility.telemetry import Quality, Reading, Snapshot
from safety.arithmetic import Interval
from safety.envelope import Action
from safety.guards import HandBack
from safety.hand_back import OWN_KEPT_S, ends, near, own_readings, own_values
from safety.limits import limits_of
from safety.versions import changes, tree
from tests.safety_kit import (
    ACTUATORS,
    FLOW,
    NOW_S,
    READ_BACKS,
    TEMPERATURE,
    changed,
    command,
    device,
    envelope,
    holding,
    read_back,
    reading,
    site,
    telemetry,
)

JUMPING = (device("cdu_1", release=Release.JUMP),)
QUICK = changed(ACTUATORS[0], rate_towards_per_min=50.0)
GATE = envelope(devices=JUMPING, actuators=[QUICK])
BACK = read_back(TEMPERATURE)


def seen_by_own(
    own: Mapping[str, Reading], changes: Mapping[str, float] | None = None, *, armed: bool = True
) -> Snapshot:
    """A snapshot in which the CDU's own control showed ``own`` when it held the device last."""
    seen = telemetry(changes, armed=armed)
    return replace(seen, devices={**seen.devices, "cdu_1": replace(seen.devices["cdu_1"], own=own)})


# -- where its own value lies ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0.0, (36.0,)),
        (OWN_KEPT_S, (36.0,)),
        (OWN_KEPT_S + 0.001, (36.0, 25.0)),
        (-1.0, (36.0,)),
        (-1.001, (25.0,)),
    ],
)
def test_what_was_read_back_counts_for_half_a_day_and_then_beside_the_commissioned_value(
    age_s: float, expected: tuple[float, ...]
) -> None:
    assert own_values(reading(36.0, NOW_S - age_s), 25.0, NOW_S) == expected
    assert OWN_KEPT_S == 12 * 3600.0


@pytest.mark.parametrize(
    "shown",
    [
        None,
        Reading(None, Quality.GOOD, NOW_S),
        Reading(36.0, Quality.STALE, NOW_S),
        Reading(1.1e9, Quality.GOOD, NOW_S),
        Reading(float("nan"), Quality.GOOD, NOW_S),
    ],
)
def test_what_cannot_be_believed_leaves_the_commissioned_value(shown: Reading | None) -> None:
    assert own_values(shown, 25.0, NOW_S) == (25.0,)


def test_only_a_device_that_jumps_shows_its_own_value_and_only_where_that_is_good() -> None:
    where = site(devices=JUMPING)
    shown = dict(telemetry(armed=False).readings)
    assert own_readings(where, "cdu_1", shown) == {
        name: reading(READ_BACKS[name]) for name in (TEMPERATURE, FLOW)
    }
    assert own_readings(where, "crah_1", shown) == {}
    shown[BACK] = reading(36.0, quality=Quality.STALE)
    del shown[read_back(FLOW)]
    assert own_readings(where, "cdu_1", shown) == {}


# -- the bound ------------------------------------------------------------------------------------


def test_the_bound_lies_about_the_devices_own_value_on_the_side_of_its_cooling() -> None:
    own = limits_of(site(devices=JUMPING)).actuators
    assert own[TEMPERATURE].hand_back == HandBack(-0.5, 5.0)
    assert own[FLOW].hand_back == HandBack(-5.0, 5.0)
    slow = limits_of(
        site(devices=JUMPING, actuators=[changed(ACTUATORS[1], rate_away_per_min=0.4)])
    )
    assert slow.actuators[FLOW].hand_back == HandBack(-5.0, 2.0)


def test_of_several_values_the_bound_keeps_near_all() -> None:
    assert ends(HandBack(-0.5, 5.0), (36.0,)) == (35.5, 41.0)
    assert ends(HandBack(-0.5, 5.0), (33.0, 30.0)) == (32.5, 35.0)
    assert near(HandBack(-0.5, 5.0), (33.0, 30.0), "degC") == Interval(
        "hand_back",
        325_000,
        350_000,
        "when it is released it jumps to 33 or 30 degC: at least 32.5 and at most 35 degC",
        {"own_1": 33.0, "own_2": 30.0},
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(37.1, 37.1), (37.2, 37.1), (31.6, 31.6), (31.5, 31.6), (35.0, 35.0)],
)
def test_a_command_keeps_near_the_value_that_was_read_back(asked: float, expected: float) -> None:
    """Its own 32.1 °C, commissioned at 30: from 31.6 to 37.1 °C."""
    own = {TEMPERATURE: reading(32.1)}
    fast = changed(QUICK, rate_away_per_min=0.1)
    gate = envelope(devices=JUMPING, actuators=[fast])
    start = 36.8 if asked > 35.0 else (34.7 if asked == 35.0 else 33.0)
    state = holding(gate, {BACK: 32.0})
    state = state.with_actuator(TEMPERATURE, replace(state.of(TEMPERATURE), in_force=start))
    verdict = gate.judge(state, command(asked), seen_by_own(own, {BACK: start}), NOW_S)[1]
    assert verdict.value == pytest.approx(expected)
    assert verdict.check == ("" if asked == expected else "hand_back")


def test_without_a_value_read_back_the_commissioned_one_counts() -> None:
    state = holding(GATE)
    state = state.with_actuator(TEMPERATURE, replace(state.of(TEMPERATURE), in_force=34.8))
    seen = telemetry({BACK: 34.8})
    verdict = GATE.judge(state, command(35.2), seen, NOW_S)[1]
    assert verdict.check == "hand_back"
    assert verdict.value == pytest.approx(35.0)
    bare = Snapshot(NOW_S, seen.readings, {}, seen.modes)
    assert GATE.judge(state, command(35.2), bare, NOW_S)[1].check == "device"


def test_a_value_too_far_from_both_is_refused() -> None:
    old = {TEMPERATURE: reading(36.0, NOW_S - OWN_KEPT_S - 1.0)}
    state = holding(GATE)
    verdict = GATE.judge(state, command(30.2), seen_by_own(old), NOW_S)[1]
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "hand_back")


# -- taking over, and values in force -------------------------------------------------------------


def test_a_device_is_taken_over_however_far_its_own_control_is_from_commissioning() -> None:
    own = {TEMPERATURE: reading(36.0)}
    seen = seen_by_own(own, {BACK: 36.0}, armed=False)
    verdict = GATE.judge_preload(holding(GATE), TEMPERATURE, seen, NOW_S)[1]
    assert verdict.value == pytest.approx(36.0)
    unknown = telemetry({BACK: 36.0}, armed=False)
    verdict = GATE.judge_preload(holding(GATE), TEMPERATURE, unknown, NOW_S)[1]
    assert (verdict.value, verdict.check) == (None, "hand_back")


def test_a_value_in_force_goes_back_when_nobody_knows_where_its_own_lies() -> None:
    state = holding(GATE)
    state = state.with_actuator(TEMPERATURE, replace(state.of(TEMPERATURE), in_force=36.0))
    fresh = seen_by_own({TEMPERATURE: reading(36.0)}, {BACK: 36.0})
    assert GATE.judge_in_force(state, fresh, NOW_S)[1] == ()
    lapsed = {TEMPERATURE: reading(36.0, NOW_S - OWN_KEPT_S - 1.0)}
    (found,) = GATE.judge_in_force(state, seen_by_own(lapsed, {BACK: 36.0}), NOW_S)[1]
    assert (found.actuator, found.action) == (TEMPERATURE, Action.RELEASE)
    assert found.check == "hand_back"


# -- versions -------------------------------------------------------------------------------------


def test_a_device_that_is_said_to_ramp_widens_and_one_that_is_said_to_jump_narrows() -> None:
    ramps, jumps = (tree(limits_of(site(devices=each))) for each in ((), JUMPING))
    where = f"actuators/{TEMPERATURE}/hand_back"
    found = {each.where: each.widens for each in changes(ramps, jumps)}
    assert found[where] is False
    found = {each.where: each.widens for each in changes(jumps, ramps)}
    assert found[where] is True
