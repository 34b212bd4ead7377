"""Stage requests before the envelope: whole numbers, starts, times on and off, the N+1 rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Mode, Move, Origin, Outcome, Verdict
from facility.devices import Cooling
from facility.points import DataType
from facility.telemetry import Snapshot
from safety.envelope import Envelope
from safety.limits import LimitsError, limits_of
from safety.stage_requests import StageRequestLimits
from safety.state import ActuatorState, EnvelopeState, UnitMemory
from tests.safety_kit import NOW_S, actuator, command, decision, point, read_back
from tests.safety_plant import plant_site, plant_telemetry

STAGE = "cool.chiller_stage_setpoint"
ASKED: dict[str, Any] = {"minimum": 1.0, "maximum": 2.0, "fallback": 2.0}
OWN = actuator(
    STAGE, "ch_1", unit="count", cooling=Cooling.HIGHER, rate_towards_per_min=1.0,
    rate_away_per_min=0.2, dead_band=0.5, dwell_s=900.0, tolerance=0.1, **ASKED,
)  # fmt: skip
POINTS = (
    point(STAGE, "ch_1", DataType.UINT16, unit="count"),
    point(read_back(STAGE), "ch_1", DataType.UINT16, unit="count"),
)
GATE = Envelope(limits_of(plant_site(actuators=[OWN], points=POINTS)))
LONG = NOW_S - 1e5


def seen(stage: float, running: tuple[float, float], changes: dict[str, float]) -> Snapshot:
    shown: dict[str, Any] = {**changes, read_back(STAGE): stage}
    shown |= dict(zip(("ch_1.running", "ch_2.running"), running, strict=True))
    found = plant_telemetry(shown)
    return replace(found, modes={**found.modes, STAGE: Mode.AUTOMATIC})


def ask(
    value: float,
    *,
    stage: float,
    units: dict[str, UnitMemory],
    origin: Origin = Origin.OPTIMISER,
    changes: dict[str, float] | None = None,
) -> Verdict:
    """The verdict of a request while ``stage`` is in force."""
    made = decision(Move(STAGE, -1000.0, 1000.0), origin=origin)
    memory = ActuatorState(in_force=stage, accepted_at_s=LONG)
    state = EnvelopeState(units=units, actuators={STAGE: memory})
    state = GATE.register(state, made, NOW_S)
    running = (float(bool(units["ch_1"].on)), float(bool(units["ch_2"].on)))
    asked = command(value, STAGE, origin=origin, authority=made.id)
    return GATE.judge(state, asked, seen(stage, running, changes or {}), NOW_S)[1]


BOTH = {name: UnitMemory(True, LONG) for name in ("ch_1", "ch_2")}
ONE = {"ch_1": UnitMemory(True, LONG), "ch_2": UnitMemory(False, LONG)}


def test_the_machines_that_a_request_is_about_are_those_of_its_loop() -> None:
    limits = GATE.limits.actuators[STAGE]
    assert isinstance(limits, StageRequestLimits)
    assert limits.machines == ("ch_1", "ch_2")


def test_rested_machines_may_be_asked_for_and_long_running_ones_be_asked_to_stop() -> None:
    for value, stage, units in ((2.0, 1.0, ONE), (1.0, 2.0, BOTH)):
        verdict = ask(value, stage=stage, units=units)
        assert (verdict.outcome, verdict.value) == (Outcome.ALLOW, value), verdict


@pytest.mark.parametrize("origin", [Origin.OPTIMISER, Origin.PERSON])
@pytest.mark.parametrize("value", [1.5, 1.0001, 1.9999])
def test_a_part_of_a_machine_is_refused_and_not_rounded(value: float, origin: Origin) -> None:
    verdict = ask(value, stage=2.0, units=BOTH, origin=origin)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "whole_number")


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_none_at_all_is_never_asked_for(value: float) -> None:
    verdict = ask(value, stage=1.0, units=ONE)
    assert (verdict.outcome, verdict.value, verdict.check) == (Outcome.REFUSE, None, "range")
    assert ask(value, stage=2.0, units=BOTH).value in (1.0, None)


@pytest.mark.parametrize(
    ("memory", "check"),
    [
        (UnitMemory(False, NOW_S - 599.0), "min_off"),
        (UnitMemory(False, NOW_S - 600.0), ""),
        (UnitMemory(False, NOW_S - 700.0, (NOW_S - 899.0,)), "start_to_start"),
        (UnitMemory(False, NOW_S - 700.0, (NOW_S - 900.0,)), ""),
        (UnitMemory(False, LONG, tuple(NOW_S - 40_000.0 + 1000.0 * i for i in range(8))), "starts"),
        (UnitMemory(False, LONG, tuple(NOW_S - 40_000.0 + 1000.0 * i for i in range(7))), ""),
    ],
)
def test_one_more_keeps_to_the_starts_of_the_machine_that_would_start(
    memory: UnitMemory, check: str
) -> None:
    verdict = ask(2.0, stage=1.0, units={**ONE, "ch_2": memory})
    assert verdict.check == check
    assert (verdict.value is None) == bool(check)
    assert not check or verdict.detail.startswith("ch_2: ")


@pytest.mark.parametrize(("on_s", "check"), [(299.0, "min_on"), (300.0, "")])
def test_one_fewer_waits_until_every_machine_has_run_its_least_time(
    on_s: float, check: str
) -> None:
    units = {**BOTH, "ch_2": UnitMemory(True, NOW_S - on_s)}
    assert ask(1.0, stage=2.0, units=units).check == check


def test_one_fewer_must_leave_the_redundancy_and_one_more_may_come_without_it() -> None:
    lost = {"ch_2.available": 0.0}
    verdict = ask(1.0, stage=2.0, units=BOTH, changes=lost)
    assert (verdict.outcome, verdict.check) == (Outcome.REFUSE, "redundancy_chillers_of_cool")
    assert ask(2.0, stage=1.0, units=ONE, changes={"ch_1.available": 0.0}).outcome is Outcome.ALLOW


def test_what_is_out_of_service_or_runs_already_is_nobody_to_start() -> None:
    gone = ask(2.0, stage=1.0, units=ONE, changes={"ch_2.available": 0.0})
    assert (gone.outcome, gone.check) == (Outcome.REFUSE, "no_machine")
    assert ask(2.0, stage=1.0, units=BOTH).check == "no_machine"


def test_a_chiller_is_asked_for_on_proven_water_only() -> None:
    assert (
        ask(2.0, stage=1.0, units=ONE, changes={"tower_water.cw_flow": 0.0}).check == "pump_first"
    )


def test_a_hot_rack_lets_no_chiller_be_stopped() -> None:
    hot = {"r1.case_temperature": 80.0}
    assert ask(1.0, stage=2.0, units=BOTH, changes=hot).check == "hot_rack"
    assert ask(2.0, stage=1.0, units=ONE, changes=hot).outcome is Outcome.ALLOW


def test_one_machine_at_a_time_goes_off() -> None:
    limits = GATE.limits
    own = limits.actuators[STAGE]
    away = own.rate_away_per_min * limits.away_window_s / 60.0
    assert away == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points": [replace(POINTS[0], data_type=DataType.FLOAT32), POINTS[1]]}, "whole number"),
        ({"points": [replace(POINTS[0], scale=0.1), POINTS[1]]}, "whole number"),
        ({"actuators": [replace(OWN, maximum=3.0)]}, "between 1 and the 2 chillers"),
        ({"actuators": [replace(OWN, minimum=0.0)]}, "between 1 and the 2 chillers"),
        ({"without": ["ch_2.running"]}, "ch_2 shows no 'running'"),
    ],
)
def test_a_site_that_cannot_take_requests_is_told_why(change: dict[str, Any], words: str) -> None:
    with pytest.raises(LimitsError, match=words):
        limits_of(plant_site(**{"actuators": [OWN], "points": POINTS, **change}))
