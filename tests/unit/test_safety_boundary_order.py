"""Which limit is named first, what is asked once and kept, and every word and number shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.equipment import Chiller
from facility.telemetry import Snapshot
from safety import checks, staging
from safety.arithmetic import Interval, grains
from safety.backup_held import WorstCase
from safety.backup_site import backup_of
from safety.checks import Case
from safety.conditions import site_gaps
from safety.envelope import Envelope, _fallback, _preload
from safety.guards import Effect, HandBack, Interlock, Redundancy, Sensor, Swing, Watch
from safety.in_force import _keep_within
from safety.interlocks import Conditions, judge_interlock, redundancy_lost, survey, swing
from safety.limits import LimitsError, limits_of
from safety.readings import Looks
from safety.sightings import Sightings
from safety.state import EnvelopeState, UnitMemory
from tests.safety_kit import (
    ACTUATORS,
    DEW_POINTS,
    FLOW,
    NOW_S,
    TEMPERATURE,
    changed,
    command,
    envelope,
    holding,
    moment,
    point,
    read_back,
    reading,
    site,
    telemetry,
)

GATE = envelope()
STATE = holding(GATE)
OWN = GATE.limits.actuators
BACK = read_back(TEMPERATURE)


class Admits(WorstCase):
    """A worst case that admits what it is told, and remembers what was accepted."""

    def __init__(self, interval: Interval) -> None:
        self.admitted = interval
        self.told: list[tuple[str, float]] = []

    def interval(self, actuator: str) -> Interval:
        return self.admitted

    def accepted(self, actuator: str, value: float) -> None:
        self.told.append((actuator, value))


def case(on: str, worst: WorstCase, *starts: float, value: float = 29.0) -> Case:
    seen = survey(OWN[on], STATE.of(on), moment(telemetry()))
    if starts:
        seen = replace(seen, starts=tuple(grains(each) for each in starts))
    return Case(GATE.limits, OWN[on], STATE, command(value, on), seen, NOW_S, worst)


# -- the worst case as a limit of a command --------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "starts", "asked", "expected"),
    [
        (TEMPERATURE, (30.0,), 20.0, 28.0),  # as far towards it as the rate allows
        (TEMPERATURE, (30.0,), 29.0, 29.0),
        (TEMPERATURE, (30.0, 31.0), 20.0, 29.0),
        (TEMPERATURE, (30.0, 40.0), 20.0, 30.0),  # and never less than where a start is
        (TEMPERATURE, (40.0, 30.0), 20.0, 30.0),
        (FLOW, (20.0,), 39.0, 24.0),
        (FLOW, (20.0,), 23.0, 23.0),
        (FLOW, (20.0, 21.0), 39.0, 24.0),
        (FLOW, (20.0, 30.0), 39.0, 30.0),
        (FLOW, (30.0, 20.0), 39.0, 30.0),
    ],
)
def test_from_outside_the_way_in_is_open_as_far_as_the_rate_goes(
    on: str, starts: tuple[float, ...], asked: float, expected: float
) -> None:
    lower, upper = (grains(asked), None) if on == FLOW else (None, grains(asked))
    wide = case(on, Admits(Interval("backup", lower, upper, "why", {"a": 1.0})), *starts)
    found = checks.backup(wide)
    expected_lower, expected_upper = (
        (grains(expected), None) if on == FLOW else (None, grains(expected))
    )
    assert found == Interval("backup", expected_lower, expected_upper, "why", {"a": 1.0})


def test_what_is_accepted_is_told_to_the_worst_case_of_the_set() -> None:
    worst = Admits(Interval("backup"))
    at = moment(telemetry())
    _, verdict = GATE._judge(STATE, command(29.0), at, worst)
    assert worst.told == [(TEMPERATURE, verdict.value)]
    GATE._judge(STATE, command(30.0), at, worst)  # the device holds this already
    GATE._judge(STATE, command(1000.0, "nowhere.setpoint"), at, worst)
    assert len(worst.told) == 1


# -- what is asked once and kept -------------------------------------------------------------------


def test_an_envelope_looks_once_at_readings_that_did_not_change() -> None:
    looks = GATE._looks
    assert isinstance(looks, Looks)
    assert GATE._looks is looks
    assert GATE._moment(STATE, telemetry(), NOW_S)._looks is looks
    own = Looks()
    assert Conditions(telemetry(), NOW_S, 1.0, Sightings(), own)._looks is own
    assert isinstance(Conditions(telemetry(), NOW_S, 1.0, Sightings())._looks, Looks)


def test_what_all_given_back_would_mean_is_kept_for_one_wet_bulb() -> None:
    bulb = "outdoor.wet_bulb_temperature"
    outside = point(bulb, "crah_1")
    gate = Envelope(limits_of(site(points=[outside])))
    assert gate.limits.wet_bulb is not None
    assert gate.limits.wet_bulb.tag == bulb

    def given_back(wet_bulb_c: float) -> Any:
        return gate._with_all_given_back(moment(telemetry({bulb: wet_bulb_c})))

    cool = given_back(10.0)
    assert set(cool) == set(gate.limits.actuators)
    assert given_back(9.9) is cool  # the same half kelvin
    warm = given_back(20.0)
    assert warm is not cool
    assert list(gate._own_admitted.values()) == [warm]
    assert limits_of(site()).wet_bulb is None


# -- which limit is named first --------------------------------------------------------------------


def test_preloading_names_range_then_hand_back_then_dew_point() -> None:
    own = replace(OWN[TEMPERATURE], hand_back=HandBack(-0.5, 5.0))

    def named(shown_c: float, dew_c: float, own_c: float = 30.0) -> str:
        seen = telemetry({BACK: shown_c, **dict.fromkeys(DEW_POINTS, dew_c)}, armed=False)
        seen = with_own(seen, own_c)
        return _preload(own, STATE, moment(seen)).check

    assert named(30.0, 14.0) == ""
    assert named(15.0, 30.0) == "range"
    assert named(25.0, 30.0) == "hand_back"
    assert named(30.0, 30.0) == "dew_point"


def with_own(seen: Snapshot, own_c: float) -> Snapshot:
    """The device says that its own setpoint is ``own_c``."""
    status = replace(seen.devices["cdu_1"], own={TEMPERATURE: reading(own_c)})
    return replace(seen, devices={**seen.devices, "cdu_1": status})


def test_the_plants_own_value_is_judged_by_range_then_dew_point_then_the_worst_case() -> None:
    own = OWN[TEMPERATURE]
    worst = Interval("backup", upper=grains(25.0))

    def named(fallback: float, dew_c: float) -> str:
        humid = moment(telemetry(dict.fromkeys(DEW_POINTS, dew_c)))
        return _fallback(replace(own, fallback=fallback), humid, worst).check

    assert named(24.0, 10.0) == ""
    assert named(50.0, 60.0) == "range"
    assert named(30.0, 40.0) == "dew_point"
    assert named(30.0, 10.0) == "backup"


def test_of_limits_that_contradict_one_another_the_later_is_named() -> None:
    own, memory = OWN[TEMPERATURE], STATE.of(TEMPERATURE)
    usual = survey(own, memory, moment(telemetry()))

    def named(backup: Interval, **changes: Any) -> str:
        seen = replace(usual, **changes)
        _, found = _keep_within(GATE.limits, own, memory, seen, backup, NOW_S, comes_s=0.0)
        assert found is not None
        return found.check

    free = Interval("backup")
    assert named(free, hand_back=Interval("hand_back", lower=grains(50.0))) == "hand_back"
    assert named(Interval("backup", upper=grains(25.0)), dew_point_c=30.0) == "backup"


# -- conditions of the plant -----------------------------------------------------------------------

LEAVING = (Sensor("a.leaving", 16.0), Sensor("b.leaving", 16.0))
RUNNING = (Sensor("a.running", 16.0), Sensor("b.running", 16.0))


def lift(above: bool = False) -> Interlock:
    warm = (Watch("a.warm", 16.0, 7.0), Watch("b.warm", 16.0, 7.0))
    return Interlock("lift", warm, above, Effect.TOWARDS, 2, Effect.HOLD, LEAVING, RUNNING)


def judged(
    a: float | None,
    b: float | None,
    *,
    above: bool = False,
    running: tuple[float, float] = (1.0, 1.0),
) -> Any:
    shown = {"a.leaving": 10.0, "b.leaving": 10.0, "a.warm": a, "b.warm": b}
    shown |= dict(zip(("a.running", "b.running"), running, strict=True))
    seen = telemetry({tag: value for tag, value in shown.items() if value is not None})
    return judge_interlock(lift(above), moment(seen))


def test_a_lift_is_one_reading_less_another_to_the_digit() -> None:
    assert judged(17.0, 18.0) is None
    found = judged(16.9999, 15.5)
    assert found.detail == "b.warm less b.leaving is 5.5, below 7"
    assert found.saw == {"b.warm less b.leaving": 5.5, "threshold": 7.0}
    assert judged(16.9999, 18.0).saw["a.warm less a.leaving"] == 6.9999


def test_a_difference_may_be_too_large_as_well() -> None:
    assert judged(17.0, 16.0, above=True) is None
    found = judged(17.0001, 25.0, above=True)
    assert found.detail == "b.warm less b.leaving is 15, above 7"


def test_a_difference_that_cannot_be_told_counts_as_not_seen() -> None:
    found = judged(18.0, None)
    assert found.saw == {"usable": 1.0, "needed": 2.0}


def test_a_difference_needs_as_many_partners() -> None:
    with pytest.raises(ValueError, match="zip"):
        judge_interlock(replace(lift(), less=LEAVING[:1]), moment(telemetry()))


def test_one_running_machine_of_several_is_enough() -> None:
    assert judged(12.0, 12.0, running=(0.0, 1.0)) is not None
    assert judged(12.0, 12.0, running=(1.0, 0.0)) is not None
    assert judged(12.0, 12.0, running=(0.0, 0.0)) is None


def test_where_nothing_can_be_had_nothing_is_left() -> None:
    guard = Redundancy("chillers", RUNNING, (500.0, 400.0), 300.0)
    off = dict.fromkeys(("a.running", "b.running"), 0.0)
    found = redundancy_lost(guard, moment(telemetry(off)))
    assert found is not None
    assert found.saw == {"left_kw": 0.0, "needed_kw": 300.0, "available": 0.0}


@pytest.mark.parametrize(
    ("rising", "named"),
    [({"a": 5.5, "b": 6.5}, "b"), ({"a": 6.5, "b": 5.5}, "a"), ({"a": 6.0, "b": 6.0}, "b")],
)
def test_the_fastest_of_several_inlets_is_named(rising: dict[str, float], named: str) -> None:
    guard = Swing("swing", ("a", "b"), True, Effect.TOWARDS)
    found = swing(guard, Sightings(rising=rising))
    assert found is not None
    assert next(iter(found.saw)) == named


# -- starts and stops ------------------------------------------------------------------------------

STAGED = Envelope(
    limits_of(site(points=[point("ch_1.running", "ch_1", unit="state")],
                   chillers={"ch_1": Chiller("ch_1", "cool", 1e3, 6.0)}))
)  # fmt: skip


def stage(on: bool, state: EnvelopeState, shown: float | None = None) -> Any:
    seen = telemetry({} if shown is None else {"ch_1.running": shown})
    return STAGED.judge_stage(state, "ch_1", on, seen, NOW_S)


def unit(on: bool | None, ago_s: float, *starts_ago_s: float) -> EnvelopeState:
    starts = tuple(NOW_S - each for each in starts_ago_s)
    return EnvelopeState(units={"ch_1": UnitMemory(on, NOW_S - ago_s, starts)})


def test_a_request_is_judged_by_what_the_machine_is_seen_to_do() -> None:
    after, verdict = stage(False, unit(False, 5000.0), shown=1.0)
    assert verdict.check == "min_on"  # somebody has just started it
    assert verdict.detail == "it was started 0 s ago; 300 s must pass"
    assert after.unit("ch_1") == UnitMemory(True, NOW_S, (NOW_S,))
    after, verdict = stage(True, unit(True, 5000.0), shown=0.5)  # half is not running
    assert (verdict.check, after.unit("ch_1").on) == ("min_off", False)


def test_every_word_and_number_of_a_wait() -> None:
    _, verdict = stage(True, unit(False, 10.0))
    assert verdict.detail == "it was stopped 10 s ago; 600 s must pass"
    _, verdict = stage(True, unit(False, 700.0, 800.0, 10.0))
    assert verdict.detail == "it was started 10 s ago; 900 s must pass"
    hours = [3600.0 * n for n in range(8, 0, -1)]
    _, verdict = stage(True, unit(False, 700.0, *hours))
    assert verdict.detail == "started 8 times in 12 h; 8 are allowed"
    assert {type(number) for number in verdict.saw.values()} == {float}
    _, verdict = stage(True, unit(False, 7000.0))
    assert verdict.value == 1.0
    assert type(verdict.value) is float


def test_a_machine_that_goes_on_as_it_was_has_not_changed() -> None:
    at = STAGED._moment(EnvelopeState(), telemetry({"ch_1.running": 1.0}), NOW_S)
    assert staging.seen(STAGED.limits, unit(True, 50.0), at) == {}


def test_what_always_holds_is_named_before_what_a_start_needs() -> None:
    (own,) = STAGED.limits.stages.values()
    always, before = (
        Interlock(name, (Watch(f"{name}.t", 16.0, 7.0),), True, Effect.TOWARDS, 0, Effect.TOWARDS)
        for name in ("always", "before")
    )
    hot = moment(telemetry({"always.t": 9.0, "before.t": 9.0}))
    asked = replace(own, always=(always,), before_start=(before,), before_stop=(before,))
    for on in (True, False):
        found = staging.why_not_staged(asked, UnitMemory(not on, None, ()), on, hot)
        assert found is not None
        assert found.check == "always"


# -- limits of a site ------------------------------------------------------------------------------


def problems(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(LimitsError) as told:
        limits_of(site(**changes))
    return told.value.problems


def test_a_number_that_is_none_is_told_once_and_nothing_is_reckoned_with_it() -> None:
    (found,) = problems(actuators=[changed(ACTUATORS[0], minimum=float("inf"))])
    assert found == f"{TEMPERATURE}: minimum must be a finite number, not inf"


def test_a_later_limit_does_not_widen_an_earlier_one() -> None:
    """From 20 °C by the actuator; the point goes from 10 to 15."""
    narrow = replace(site().points[TEMPERATURE], minimum=10.0, maximum=15.0)
    (found,) = problems(points=[narrow])
    assert "nothing is left between 20 and 15 degC once range is kept" in found


def test_what_is_not_guarded_is_told_of_the_site_then_each_actuator_then_the_worst_case() -> None:
    open_ = site(crahs={})
    backup = backup_of(open_)
    gaps = tuple(site_gaps(open_))
    found = limits_of(open_).unguarded
    assert gaps
    assert backup.unguarded
    assert found[: len(gaps)] == gaps
    assert found[-len(backup.unguarded) :] == backup.unguarded
    between = found[len(gaps) : -len(backup.unguarded)]
    assert between
    assert all(each.split(":")[0] in open_.actuators for each in between)
