"""A site with stage requests and a storage tank: what one leaves to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from controller.authority.worst_case import WorstCaseSeen
from controller.planning import limits
from controller.planning import request as requests
from controller.planning.proposal import moves_of
from controller.planning.ramp import ramp_plan
from controller.planning.settings import PlanningSettings
from controller.planning.solve import PlanMaker
from controller.planning.stage_choice import StageChoice, StageMemory, stage_choices
from controller.planning.words import STAGE, Plan, PlanRequest, StorageState
from controller.planning.worker import carry_on
from facility.commands import Command, Mode, Move, Origin, Override
from facility.equipment import StorageTank
from facility.loading import parse_site
from facility.telemetry import Quality, Reading, Snapshot
from models.contract import Array, Inputs
from models.storage import full_kw
from sim.sites.reference import campus_stages
from sim.sites.writer import texts
from tests.planning_plant import AnalyticPlant
from tests.planning_requests import NOON_S, request_for, snapshot_for, usual_setpoints

TANK = StorageTank("tank1", "cool", 250.0, 25.0, 25.0)
FILES = dict(texts(replace(campus_stages(), storage_tanks=(TANK,)), 20_000))
SITE = parse_site(FILES["site.toml"], FILES["points.csv"])
STAGES, CHARGE = "cool.chiller_stage_setpoint", "tank1.charge_setpoint"
G, C = (list(SITE.groups).index(name) for name in (STAGES, CHARGE))
FULL_KW = full_kw(SITE, SITE.storage_tanks["tank1"])
CELL = "cdu1.tcs_supply_temperature_setpoint"


@dataclass(frozen=True)
class Plant(AnalyticPlant):
    """Machines that take 60 kW, and 70 kW where two run; charging costs 0.10, and there 0.15."""

    def power(self, inputs: Inputs) -> dict[str, Array]:
        two = inputs.setpoints[:, G].round() == 2.0
        charge_kw = inputs.setpoints[:, C] / 100.0 * FULL_KW
        own = np.where(two, 70.0, 60.0) + np.where(two, 0.15, 0.10) * charge_kw
        return {**super().power(inputs), "machines": own}


PLANT = Plant(SITE)
MAKER = PlanMaker(SITE, PLANT, PlanningSettings())


def tank(level_pct: float) -> StorageState:
    return StorageState(CHARGE, level_pct, 25.0, 2180.0, FULL_KW, 2.0, 1200.0, 3600.0)


def request(charge: float = 0.0, warmer_k: float = 0.0, **changes: object) -> PlanRequest:
    x = usual_setpoints(SITE)
    x[G], x[C] = 3.0, charge
    held = {STAGES: {"fixed_at": 3.0, "fixed_until_s": 2.0**53, "fixed_by": STAGE}}
    asked = request_for(PLANT, setpoints=x, limits={**held, CHARGE: {"lower": -100.0}})
    racks = PLANT.settled(x[None, :], np.array(asked.it_power_kw)[:1])[0] + warmer_k
    return replace(asked, state=PLANT.to_text((NOON_S, racks)), **changes)  # type: ignore[arg-type]


def made(asked: PlanRequest) -> Plan:
    plan = MAKER.make(asked).plan
    assert plan is not None
    return plan


def column(plan: Plan, g: int) -> Array:
    return np.array(plan.setpoints)[:, g]


@pytest.mark.parametrize("level", [30.0, 95.0])
def test_cold_in_the_tank_counts_alike_for_every_stage(level: float) -> None:
    """Two chillers draw more; that charging is dearer with them makes no stored cold worth more."""
    choice = StageChoice(STAGES, 3, (2,), ())
    later = (0.1,) * 20
    plan = made(request(stages=(choice,), storage=(tank(level),), price_later_per_kwh=later))
    assert set(column(plan, G)) == {3.0}
    assert any("kW more than with 3" in said for said in plan.remarks)


def test_racks_that_are_too_warm_keep_the_cold_that_a_tank_gives() -> None:
    asked = request(-60.0, 16.0, storage=(tank(90.0),))
    plan = made(asked)
    assert plan.worst_excess_k > 0.0
    assert column(plan, C).max() == -60.0
    assert column(ramp_plan(asked, PlanningSettings()), C).max() == -60.0
    carried = carry_on(plan, asked)
    assert carried is not None
    assert carried.setpoints[0][C] == -60.0
    charging = made(request(40.0, 16.0, storage=(tank(90.0),)))
    assert column(charging, C)[-1] == 0.0


def test_a_stage_held_by_a_person_is_a_whole_number_to_the_end_of_a_plan() -> None:
    settings = PlanningSettings()
    x = usual_setpoints(SITE)
    x[G] = 3.0
    shown = snapshot_for(SITE, x, np.full(len(SITE.racks), 30.0), mode=Mode.ADVISORY)
    ada = Override("o1", STAGES, 3.0, "ada", "keep three on", NOON_S - 10.0, NOON_S + 300.0)
    seen = limits.in_force(SITE, shown, {})
    found = limits.group_limits(SITE, shown, seen, (ada,), {}, settings)
    asked = request(limits=found)
    for plan in (made(asked), ramp_plan(asked, settings)):
        assert set(column(plan, G)) == {3.0}
        moved = {move.actuator for move in moves_of(plan, SITE, shown, seen, settings)}
        assert STAGES not in moved


def readings(running: int, charge_rate: float | None, lost: tuple[str, ...] = ()) -> Snapshot:
    values = {
        "site.hardwired_enable": 1.0, "cool.running": 1.0, "tower_water.cw_flow": 50.0,
        "site.fire_alarm": 0.0, "site.emergency_power_off": 0.0, "site.generator_running": 0.0,
        "cool.chiller_stage": float(running), "tank1.charge_level": 40.0,
    }  # fmt: skip
    if charge_rate is not None:
        values["tank1.charge_rate"] = charge_rate
    for number, name in enumerate(SITE.chillers):
        runs = number < running
        values |= {
            f"{name}.available": float(name not in lost), f"{name}.locked_out": 0.0,
            f"{name}.running": float(runs), f"{name}.chw_supply_temperature": 12.0,
            f"{name}.cooling_load": 650.0 if runs else 0.0,
        }  # fmt: skip
    return Snapshot(NOON_S, {k: Reading(v, Quality.GOOD, NOON_S) for k, v in values.items()})


def options(present: int, shown: Snapshot) -> tuple[int, ...]:
    before = StageMemory.of(SITE).seen(replace(shown, time_s=NOON_S - 7200.0))
    (choice,) = stage_choices(
        SITE, shown, before.seen(shown), {STAGES: float(present)}, PlanningSettings(),
        held={}, free_from_s={},
    )  # fmt: skip
    return choice.options


@pytest.mark.parametrize(("rate", "left"), [(0.0, (1, 3)), (-100.0, (3,)), (None, (3,))])
def test_no_chiller_is_stopped_whose_load_a_tank_only_carries_for_a_while(
    rate: float | None, left: tuple[int, ...]
) -> None:
    assert options(2, readings(2, rate)) == left


@pytest.mark.parametrize(
    ("silent", "left"),
    [
        (("chiller1.cooling_load",), (3,)),
        (("chiller5.cooling_load",), (1, 3)),  # it is seen to stand
        (("chiller5.cooling_load", "chiller5.running"), (3,)),
    ],
)
def test_no_chiller_is_stopped_while_it_is_not_known_what_another_carries(
    silent: tuple[str, ...], left: tuple[int, ...]
) -> None:
    shown = readings(2, 0.0)
    known = {tag: reading for tag, reading in shown.readings.items() if tag not in silent}
    assert options(2, replace(shown, readings=known)) == left


@pytest.mark.parametrize("gone", [STAGES, CHARGE])
def test_a_hall_is_planned_though_its_sequencer_or_tank_has_never_been_read(gone: str) -> None:
    shown = snapshot_for(SITE, usual_setpoints(SITE), np.full(len(SITE.racks), 30.0))
    (actuator,) = SITE.groups[gone]
    left = {tag: r for tag, r in shown.readings.items() if tag != actuator.read_back}
    found = limits.in_force(SITE, replace(shown, readings=left), {})
    assert requests.unknown_setpoints(SITE, found) is None
    assert found[gone] == actuator.fallback


def test_there_is_no_half_of_a_machine_to_approve() -> None:
    shown = snapshot_for(SITE, usual_setpoints(SITE), np.full(len(SITE.racks), 30.0))
    stage, supply = Move(STAGES, 3.0, 2.0), Move(CELL, 25.0, 26.0)
    seen = WorstCaseSeen(SITE)
    assert seen.smaller((stage, supply), 0.5, shown) == (Move(CELL, 25.0, 25.5),)
    assert seen.smaller((stage,), 0.5, shown) == ()
    assert seen.smaller((stage,), 1.0, shown) == (stage,)


FLOW = CELL.replace("supply_temperature", "flow")


def too_warm_for_its_flow() -> Snapshot:
    """A CDU whose racks get water of 36 °C, and little of it."""
    x = usual_setpoints(SITE)
    names = list(SITE.groups)
    x[names.index(CELL)] = 36.0
    x[names.index(FLOW)] = 1.2 * SITE.groups[FLOW][0].minimum
    return snapshot_for(SITE, x, np.full(len(SITE.racks), 30.0), load=0.9)


def command(name: str, value: float) -> Command:
    return Command(name, name, value, Origin.OPTIMISER, "d", "", NOON_S, NOON_S + 300.0)


def test_a_supply_waits_for_the_flow_of_its_own_circuit_and_for_nothing_else() -> None:
    seen, shown = WorstCaseSeen(SITE), too_warm_for_its_flow()
    colder, charge = command(CELL, 35.0), command(CHARGE, 5.0)
    faster = command(FLOW, SITE.groups[FLOW][0].maximum)
    assert set(seen.ready((colder, charge), shown)) == {colder, charge}
    assert set(seen.ready((colder, faster, charge), shown)) == {faster, charge}


def test_a_flow_and_a_supply_that_need_each_other_go_together_whatever_else_goes() -> None:
    seen, shown = WorstCaseSeen(SITE), too_warm_for_its_flow()
    colder, faster = command(CELL, 35.0), command(FLOW, 1.3 * SITE.groups[FLOW][0].minimum)
    elsewhere = (command(CHARGE, 5.0), command("cdu2.tcs_supply_temperature_setpoint", 24.0))
    for beside in ((), elsewhere[:1], elsewhere):
        asked = (colder, *beside, faster)
        assert seen.ready(asked, shown) == asked
