"""A storage tank behind the gateway: what is asked reaches it, what must not never does."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from facility.commands import Command, Decision, Move, Origin, Outcome, Receipt, WriteResult
from sim.bms.storage import StorageTuning
from sim.faults import Fault
from sim.plant import tank
from sim.plant.plant import stored_heat_kwh
from tests.campus_hall import Hall
from tests.plants import START_S, standing

CHARGE, LEVEL, RATE = "tank1.charge_setpoint", "tank1.charge_level", "tank1.charge_rate"


@dataclass
class TankHall(Hall):
    """The campus with a tank, under a gateway; the tank is filled as a test wants it."""

    now_s: float = START_S

    def fill(self, share: float) -> None:
        """Cold water of the supply setpoint from the bottom up to ``share``, warm above it."""
        loop = self.plant._memory.state.loops[0]
        cold = round(share * tank.LAYERS)
        layers = self.plant._memory.pipes.tank[0]
        design_k = self.plant._units.loops["design_range_k"][0]
        layers[: tank.LAYERS - cold] = loop["setpoint_c"] + design_k
        layers[tank.LAYERS - cold :] = loop["setpoint_c"]

    def ask(self, value: float) -> Receipt:
        """A person's decision to set the charge, and its command."""
        self.number += 1
        now = self.plant.read(CHARGE).value or 0.0
        decision = Decision(
            f"d{self.number}", "p", "h", Origin.PERSON, "Ada", "to see",
            (Move(CHARGE, now, value),), self.now_s, self.now_s + 600.0,
        )  # fmt: skip
        self.gateway.register(decision)
        command = Command(
            f"c{self.number}", CHARGE, value, Origin.PERSON, decision.id, "h",
            self.now_s, self.now_s + 60.0,
        )  # fmt: skip
        (receipt,) = self.gateway.command([command])
        return receipt

    def shown(self, tag: str) -> float:
        """What a point shows."""
        value = self.plant.read(tag).value
        assert value is not None
        return value

    def received(self, record: Path) -> list[tuple[str, bytes]]:
        """Setpoints of the tank that its device received, with their bytes."""
        self.recorder.flush()
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        return [(e["tag"], bytes.fromhex(e["raw"])) for e in lines if e["tag"] == CHARGE]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "devices.jsonl"


@pytest.fixture
def hall(record: Path) -> Iterator[TankHall]:
    plant = standing("campus-storage", share=0.7, wet_bulb_c=24.0)
    found = TankHall.under(plant.site, plant, record)
    yield found
    found.recorder.close()


def water_kwh(hall: TankHall) -> float:
    """Heat in the tank's water, kWh."""
    litres = 1000.0 * hall.site.storage_tanks["tank1"].volume_m3 / tank.LAYERS
    return float(hall.plant._memory.pipes.tank[0].sum()) * litres * 4.17 / 3600.0


def test_a_charge_and_a_discharge_reach_the_tank_and_the_water_that_passes_is_the_level(
    hall: TankHall, record: Path
) -> None:
    hall.fill(0.5)
    hall.run(20)
    assert hall.shown(LEVEL) == pytest.approx(50.0, abs=3.0)
    receipt = hall.ask(40.0)
    assert (receipt.verdict.outcome, receipt.result) == (Outcome.ALLOW, WriteResult.WRITTEN)
    hall.run(90)
    assert hall.shown(RATE) == pytest.approx(40.0, abs=0.5)
    before, heat = hall.shown(LEVEL), water_kwh(hall)
    hall.run(1200)
    # 10 L/s for 20 min are 12 of 250 m³.
    assert hall.shown(LEVEL) - before == pytest.approx(100.0 * 12.0 / 250.0, abs=0.7)
    assert water_kwh(hall) < heat
    assert hall.ask(-60.0).result is WriteResult.WRITTEN
    hall.run(90)
    assert hall.shown(RATE) == pytest.approx(-60.0, abs=0.5)
    before, heat = hall.shown(LEVEL), water_kwh(hall)
    hall.run(1200)
    assert hall.shown(LEVEL) - before == pytest.approx(-100.0 * 18.0 / 250.0, abs=0.7)
    assert water_kwh(hall) > heat
    assert [struct.unpack("<d", raw)[0] for _, raw in hall.received(record)][-2:] == [40.0, -60.0]


def test_the_heat_of_the_whole_plant_balances_while_a_tank_is_charged_and_discharged(
    hall: TankHall,
) -> None:
    hall.fill(0.5)
    hall.plant.open_accounts()
    for value in (50.0, -100.0):
        hall.ask(value)
        hall.run(900)
    assert abs(hall.plant.accounts().balance_error) < 1e-4
    memory, units = hall.plant._memory, hall.plant._units
    full = stored_heat_kwh(units, memory)
    memory.pipes.tank[0] += 1.0
    assert stored_heat_kwh(units, memory) - full == pytest.approx(250_000.0 * 4.17 / 3600.0)


def test_no_byte_is_sent_for_a_discharge_below_the_reserve(hall: TankHall, record: Path) -> None:
    hall.fill(0.1)
    hall.run(20)
    receipt = hall.ask(-30.0)
    assert receipt.result is WriteResult.REFUSED
    assert receipt.verdict.check == "storage_reserve"
    assert "nothing is taken out of it" in receipt.verdict.detail
    assert all(struct.unpack("<d", raw)[0] >= 0.0 for _, raw in hall.received(record))
    assert hall.ask(20.0).result is WriteResult.WRITTEN


def test_no_discharge_without_a_level_that_can_be_believed(hall: TankHall, record: Path) -> None:
    hall.fill(0.9)
    hall.run(20)
    assert hall.ask(0.0).result in (WriteResult.WRITTEN, WriteResult.UNCHANGED)
    hall.plant.set_faults([Fault("sensor_loss", LEVEL, start_s=hall.now_s)])
    hall.run(60)
    receipt = hall.ask(-30.0)
    assert receipt.result is WriteResult.REFUSED
    assert receipt.verdict.check == "storage_reserve"
    assert all(struct.unpack("<d", raw)[0] >= 0.0 for _, raw in hall.received(record))


def test_a_discharge_that_comes_to_the_reserve_is_put_right_by_the_envelope(
    hall: TankHall, record: Path
) -> None:
    hall.fill(0.5)
    hall.run(20)
    assert hall.ask(-40.0).result is WriteResult.WRITTEN
    hall.run(60)
    hall.fill(0.1)
    hall.run(30)
    assert hall.shown(CHARGE) >= 0.0
    assert hall.shown("tank1.remote_active") == 1.0
    assert struct.unpack("<d", hall.received(record)[-1][1])[0] >= 0.0


def test_ride_through_outranks_what_a_remote_asks(hall: TankHall) -> None:
    hall.fill(0.9)
    hall.run(20)
    hall.ask(40.0)
    hall.run(120)
    hall.plant._memory.state.chillers["tripped"][:] = 1.0
    rates = []
    for _ in range(40):
        hall.run(30)
        rates.append(hall.shown(RATE))
    assert min(rates) < -20.0


def test_a_charge_takes_no_more_than_running_chillers_have_to_spare(hall: TankHall) -> None:
    hall.fill(0.5)
    hall.run(20)
    hall.ask(50.0)
    hall.run(300)
    running = hall.plant._memory.state.chillers["running"] > 0.5
    capacity = hall.plant._units.chillers["capacity_kw"]
    load = hall.plant._memory.state.chillers["cooling_load"]
    assert hall.shown(RATE) > 30.0
    assert load[running].sum() < 0.85 * capacity[running].sum()
    # With nothing to spare the request stands, and the tank does not charge.
    hall.plant._local.sequencer._storage[0].tuning = StorageTuning(asked_part_load=0.1)
    hall.run(120)
    assert hall.shown(RATE) == pytest.approx(0.0, abs=0.5)
    assert hall.shown("tank1.charge_setpoint_in_force") == 50.0


def test_a_person_at_the_panel_sets_a_tank_as_a_remote_does(hall: TankHall) -> None:
    hall.fill(0.5)
    hall.plant.set_at_panel({CHARGE: -50.0})
    hall.run(120)
    assert hall.shown(RATE) == pytest.approx(-50.0, abs=0.5)
    hall.plant.set_at_panel({})
    hall.run(120)
    assert hall.shown(RATE) > 0.0


def test_released_the_tank_is_filled_again_by_the_plants_own_control(hall: TankHall) -> None:
    hall.fill(0.5)
    hall.run(20)
    hall.ask(0.0)
    hall.run(120)
    level = hall.shown(LEVEL)
    hall.run(600)
    assert hall.shown(LEVEL) == pytest.approx(level, abs=0.8)
    hall.run(900, client_lives=False)
    assert hall.shown("tank1.remote_active") == 0.0
    assert hall.shown(LEVEL) > level + 2.0
