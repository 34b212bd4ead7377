"""One control step, and several in a row, with nothing outside but the ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.authority.automatic import ModeAlone
from controller.authority.worst_case import WorstCaseSeen
from controller.gateway_link import GatewayUnavailableError
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.words import PlanOutcome, PlanRequest
from controller.planning.worker import InProcessPlanner
from controller.records import TickRecord
from controller.tick import Parts, TickState, commands_of, tick
from facility.commands import Command, Decision, Mode, Move, Origin, Override, Receipt, WriteResult
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.wire import dumps, from_wire, to_wire
from models.contract import Array
from tests.planning_plant import AnalyticPlant, reference_site
from tests.planning_ports import TakesAll
from tests.planning_requests import NOON_S, snapshot_for, usual_setpoints

SITE = reference_site("campus")
USUAL = usual_setpoints(SITE)
PLANT = AnalyticPlant(SITE)
MAKER = PlanMaker(SITE, PLANT, PlanningSettings())
FAN, AIR = "fan_speed_setpoint", "supply_air_temperature_setpoint"
WATER = "chw_supply_temperature_setpoint"


class Planner(InProcessPlanner):
    def __init__(self) -> None:
        super().__init__(MAKER)
        self.asked: list[PlanRequest] = []

    async def plan(self, request: PlanRequest) -> PlanOutcome:
        self.asked.append(request)
        return await super().plan(request)


class Overridden(ModeAlone):
    """The mode's authority, with a person's override of one actuator."""

    def __init__(self, held: Override) -> None:
        self.held = held

    def overrides(self, now_s: float, /) -> tuple[Override, ...]:
        return (self.held,) if self.held.starts_at_s <= now_s < self.held.expires_at_s else ()


def parts(**changes: Any) -> Parts:
    values: dict[str, Any] = {
        "site": SITE,
        "model_version": PLANT.version,
        "estimator": PLANT,
        "forecaster": PLANT,
        "planner": Planner(),
        "authority": ModeAlone(),
        "gateway": TakesAll(),
        "settings": PlanningSettings(),
    }
    return Parts(**{**values, **changes})


def settled(setpoints: Array, load: float = 0.6) -> Array:
    it = np.array([[load * r.rated_kw for r in SITE.racks.values()]])
    return np.asarray(PLANT.settled(setpoints[None, :], it)[0])


def shot(setpoints: Array = USUAL, **changes: Any) -> Snapshot:
    return snapshot_for(SITE, setpoints, settled(setpoints), **changes)


async def test_a_step_in_automatic_writes_what_the_mode_decided() -> None:
    wired = parts()
    state, record = await tick(TickState.start(SITE), shot(), wired)
    assert isinstance(wired.gateway, TakesAll)
    assert record.proposal is not None
    assert record.decision is not None
    assert record.decision.plan_hash == record.proposal.plan_hash
    assert {c.actuator: c.value for c in wired.gateway.sent} == {
        m.actuator: m.proposed for m in record.proposal.moves
    }
    assert record.written == len(record.commands) > 0
    assert not record.fallback
    assert state.writes.keys() == {c.actuator for c in record.commands}
    assert state.number == record.number == 1


async def test_the_first_decision_in_automatic_speaks_of_every_setpoint() -> None:
    local = {
        name: DeviceStatus(name, True, Authority.LOCAL, False, NOON_S, None)
        for name in SITE.devices
    }
    wired = parts()
    state, record = await tick(TickState.start(SITE), replace(shot(), devices=local), wired)
    assert {c.actuator for c in record.commands} == set(SITE.actuators)
    held = {name: replace(d, armed=True) for name, d in local.items()}
    later = replace(shot(time_s=NOON_S + 300.0), devices=held)
    _, record = await tick(state, later, wired)
    assert record.proposal is not None
    assert record.proposal.holds == ()
    assert {c.actuator for c in record.commands} == {m.actuator for m in record.proposal.moves}


async def test_a_supply_that_the_envelope_would_take_further_waits_for_the_fans() -> None:
    """Fans that stand low on a cool day: water a little colder has to wait until they are up."""
    quantity = {a.id: a.quantity for a in SITE.actuators.values()}
    low = {FAN: 30.0, AIR: 24.1, WATER: 16.0}
    held = replace(shot(), readings={**shot().readings, **shown(low)})
    wanted = {FAN: 50.0, AIR: 20.0, WATER: 15.5}
    moves = tuple(
        Move(name, low[kind], wanted[kind]) for name, kind in quantity.items() if kind in low
    )
    decision = Decision(
        "d", "p", "h", Origin.OPTIMISER, "mode", "it is automatic", moves, NOON_S, NOON_S + 300.0
    )
    first = commands_of(decision, held, WorstCaseSeen(SITE), SITE, 1, NOON_S)
    sent = {quantity[command.actuator] for command in first}
    assert FAN in sent
    assert WATER not in sent
    up = replace(held, readings={**held.readings, **shown({FAN: 50.0, AIR: 20.0})})
    later = commands_of(decision, up, WorstCaseSeen(SITE), SITE, 2, NOON_S + 300.0)
    assert {quantity[command.actuator] for command in later} == set(low)


def shown(values: dict[str, float]) -> dict[str, Reading]:
    """Read-backs by quantity."""
    return {
        a.read_back: Reading(values[a.quantity], Quality.GOOD, NOON_S)
        for a in SITE.actuators.values()
        if a.quantity in values
    }


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.ADVISORY, Mode.OFF])
async def test_no_other_mode_writes_by_itself(mode: Mode) -> None:
    wired = parts()
    _, record = await tick(TickState.start(SITE), shot(mode=mode), wired)
    assert isinstance(wired.gateway, TakesAll)
    assert wired.gateway.sent == []
    assert record.commands == ()
    assert (record.proposal is None) == (mode is Mode.OFF)


async def test_only_the_actuators_in_automatic_are_written() -> None:
    mixed = shot()
    ours = {a: Mode.AUTOMATIC for a in mixed.modes if a.startswith("cdu")}
    mixed = replace(mixed, modes={**dict.fromkeys(mixed.modes, Mode.ADVISORY), **ours})
    _, record = await tick(TickState.start(SITE), mixed, parts())
    assert record.commands
    assert all(c.actuator.startswith("cdu") for c in record.commands)


async def test_the_record_survives_the_wire_and_gives_the_same_plan_again() -> None:
    _, record = await tick(TickState.start(SITE), shot(), parts())
    back = from_wire(TickRecord, to_wire(record))
    assert back == record
    assert dumps(back) == dumps(record)
    assert back.request is not None
    assert record.outcome is not None
    assert record.outcome.plan is not None
    again = PlanMaker(SITE, PLANT, PlanningSettings()).make(back.request).plan
    assert again is not None
    fresh = PlanMaker(SITE, PLANT, PlanningSettings()).make(back.request).plan
    assert fresh is not None
    assert again.hash == fresh.hash
    assert np.allclose(again.setpoints, record.outcome.plan.setpoints, atol=1e-3)


async def test_a_person_is_not_asked_again_every_five_minutes() -> None:
    state, seen = TickState.start(SITE), []
    wired = parts()
    for k in range(5):
        state, record = await tick(
            state, shot(mode=Mode.ADVISORY, time_s=NOON_S + 300.0 * k), wired
        )
        assert record.proposal is not None
        seen.append((record.proposal.id, record.is_new))
    assert len({name for name, _ in seen[:4]}) == 1
    assert [new for _, new in seen[:4]] == [True, False, False, False]


async def test_a_point_is_written_six_times_an_hour_at_most() -> None:
    state, wired, x = TickState.start(SITE), parts(), USUAL.copy()
    times: dict[str, list[float]] = {}
    for k in range(18):
        now_s = NOON_S + 300.0 * k
        state, record = await tick(state, shot(x, time_s=now_s), wired)
        for g, members in enumerate(SITE.groups.values()):
            for command in record.commands:
                if command.actuator == members[0].id:
                    x[g] = command.value
                    times.setdefault(command.actuator, []).append(now_s)
    assert times
    for actuator, written in times.items():
        for moment in written:
            assert sum(moment - 3600.0 < t <= moment for t in written) <= 6, actuator


async def test_an_override_is_held_and_not_proposed_against() -> None:
    actuator = "cdu1.tcs_flow_setpoint"
    held = Override("o1", actuator, 20.0, "engineer", "a test", NOON_S, NOON_S + 3600.0)
    wired = parts(authority=Overridden(held))
    x = USUAL.copy()
    x[list(SITE.groups).index(actuator)] = 20.0
    _, record = await tick(TickState.start(SITE), shot(x), wired)
    assert record.overrides == (held,)
    assert record.proposal is not None
    assert actuator not in {m.actuator for m in record.proposal.moves}


async def test_bad_sensors_correct_nothing_and_missing_inputs_are_held_by_name() -> None:
    wired, state = parts(), TickState.start(SITE)
    state, _ = await tick(state, shot(), wired)
    later = shot(time_s=NOON_S + 300.0)
    power = "a101.it_power"
    case = "d101.case_temperature"
    lost = {
        power: Reading(None, Quality.ABSENT, NOON_S),
        case: Reading(9999.0, Quality.BAD, NOON_S),
        "outdoor.wet_bulb_temperature": Reading(8.0, Quality.STALE, NOON_S),
    }
    later = replace(later, readings={**later.readings, **lost})
    state, record = await tick(state, later, wired)
    assert set(record.held) == {power, "outdoor.wet_bulb_temperature", "history"}
    assert "6 minutes are known" in record.held["history"]
    assert "held at its last value" in record.held[power]
    assert not record.fallback
    assert record.readings[case].quality is Quality.BAD
    assert record.request is not None
    rack = list(SITE.racks).index("a101")
    expected = 0.6 * SITE.racks["a101"].rated_kw
    assert record.request.it_power_kw[0][rack] == pytest.approx(expected)


async def test_without_an_input_ever_read_nothing_moves_and_the_record_says_why() -> None:
    snapshot = shot()
    readings = {t: r for t, r in snapshot.readings.items() if t != "d204.it_power"}
    _, record = await tick(TickState.start(SITE), replace(snapshot, readings=readings), parts())
    assert record.request is None
    assert record.commands == ()
    assert "d204.it_power" in record.note
    assert record.fallback
    assert from_wire(TickRecord, to_wire(record)) == record


async def test_a_gateway_that_is_away_is_noted() -> None:
    class Away(TakesAll):
        async def send(
            self, decision: Decision, commands: Sequence[Command]
        ) -> tuple[Receipt, ...]:
            raise GatewayUnavailableError("no gateway at /run/x: start it")

    state, record = await tick(TickState.start(SITE), shot(), parts(gateway=Away()))
    assert "no gateway" in record.note
    assert record.receipts == ()
    assert state.writes == {}


async def test_a_refused_write_uses_no_budget() -> None:
    class Refuses(TakesAll):
        async def send(
            self, decision: Decision, commands: Sequence[Command]
        ) -> tuple[Receipt, ...]:
            receipts = await super().send(decision, commands)
            return tuple(
                replace(r, result=WriteResult.REFUSED, written=None, read_back=None)
                for r in receipts
            )

    state, record = await tick(TickState.start(SITE), shot(), parts(gateway=Refuses()))
    assert record.receipts
    assert record.written == 0
    assert state.writes == {}


async def test_the_next_step_starts_from_the_last_plan() -> None:
    planner = Planner()
    wired = parts(planner=planner)
    state, first = await tick(TickState.start(SITE), shot(), wired)
    await tick(state, shot(time_s=NOON_S + 300.0), wired)
    assert planner.asked[0].previous is None
    assert first.outcome is not None
    assert first.outcome.plan is not None
    assert planner.asked[1].previous == first.outcome.plan.shifted(NOON_S + 300.0)


async def test_steps_bring_the_plants_power_down_and_come_to_rest() -> None:
    state, wired, x = TickState.start(SITE), parts(), USUAL.copy()

    def power(setpoints: Array, request: PlanRequest) -> float:
        inputs = request.inputs(np.tile(setpoints, (request.steps, 1)))
        return float(sum(part.mean() for part in PLANT.power(inputs).values()))

    writes, request = [], None
    for k in range(48):
        state, record = await tick(state, shot(x, time_s=NOON_S + 300.0 * k), wired)
        assert not record.fallback
        request = record.request
        values = {c.actuator: c.value for c in record.commands}
        writes.append(len(values))
        for g, members in enumerate(SITE.groups.values()):
            x[g] = values.get(members[0].id, x[g])
    assert request is not None
    assert power(x, request) < 0.9 * power(USUAL, request)
    assert sum(writes[-12:]) <= 12
    limits = np.array([r.limit_c for r in SITE.racks.values()])
    assert np.all(settled(x) < limits - 1.0)
