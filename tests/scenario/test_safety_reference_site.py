"""A reference site under the gateway: its contacts reach the envelope, which does as they ask."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from adapters.driver import LinkStatus, WriteFailed
from adapters.gateway.lockstep import LockStepGateway
from facility.clock import from_iso
from facility.commands import Command, Decision, Mode, Move, Origin, Receipt
from facility.loading import parse_site
from facility.site import Site
from sim.lockstep import LockstepDriver
from sim.parameters import PlantParameters
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.recorder import Recorder
from sim.run import warmed_up
from sim.simulation import Simulation
from sim.sites.reference import DESIGNS
from sim.sites.writer import texts

START_S = from_iso("2024-05-10")


@dataclass
class Hall:
    """The campus, held by a gateway in the same process."""

    site: Site
    plant: Simulation
    gateway: LockStepGateway
    now_s: float = START_S
    number: int = 0

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1.0
            self.plant.advance(self.now_s)
            self.gateway.beat(0.0)
            self.gateway.second()

    def hold(self, change: float = 0.0) -> dict[str, Receipt]:
        """Command every actuator to where it stands, and a step towards more cooling."""
        self.number += 1
        moves = []
        for each in self.site.actuators.values():
            held = self.plant.read(each.read_back).value or 0.0
            moves.append(Move(each.id, held, held + change * each.cooling.sign))
        origin, end_s = Origin.PERSON, self.now_s + 600.0
        made = Decision(
            f"d{self.number}", "p", "h", origin, "Ada", "to see", tuple(moves), self.now_s, end_s
        )
        self.gateway.register(made)
        asked = [
            Command(f"c{self.number}.{m.actuator}", m.actuator, m.proposed, origin, made.id, "h",
                    self.now_s, self.now_s + 60.0)
            for m in moves
        ]  # fmt: skip
        return {receipt.actuator: receipt for receipt in self.gateway.command(asked)}

    def remote(self) -> set[str]:
        """The devices that say they are in remote control."""
        names = {each.device for each in self.site.actuators.values()}
        return {name for name in names if self.plant.read(f"{name}.remote_active").value}


@pytest.fixture(scope="module")
def warm() -> tuple[Site, Simulation]:
    made = texts(DESIGNS["campus"](), 15_000)
    site = parse_site(made["site.toml"], made["points.csv"])
    plant = warmed_up(
        site,
        PlantParameters.for_site(site, 1),
        load=ConstantLoad(site, 0.6),
        weather=ConstantWeather(24.0, 16.0),
        local_control="fixed",
        start_s=START_S,
        seed=1,
        warm_up_h=2.0,
    )
    return site, plant


@pytest.fixture
def hall(warm: tuple[Site, Simulation]) -> Hall:
    site, plant = warm[0], warm[1].copy()
    recorder = Recorder()
    drivers = {
        device: LockstepDriver(
            site, device, plant, recorder, status=LinkStatus, failure=WriteFailed
        )
        for device in site.devices
    }
    found = Hall(site, plant, None)  # type: ignore[arg-type]  # the gateway reads its clock
    found.gateway = LockStepGateway(site, drivers, lambda: found.now_s, None)
    found.run(12)
    found.gateway.set_mode(Mode.AUTOMATIC)
    receipts = found.hold()
    assert {name: r.verdict.detail for name, r in receipts.items() if r.verdict.value is None} == {}
    found.run(12)
    assert found.remote() == {each.device for each in site.actuators.values()}
    return found


@pytest.mark.parametrize(
    ("contact", "value"),
    [
        ("site.fire_alarm", 1.0),
        ("site.emergency_power_off", 1.0),
        ("site.generator_running", 1.0),
        ("site.hardwired_enable", 0.0),
    ],
)
def test_the_building_takes_everything_back(hall: Hall, contact: str, value: float) -> None:
    hall.plant.set_contact(contact, value)
    hall.run(12)  # the building's points are scanned every 10 s
    assert hall.remote() == set()
    receipts = hall.hold()
    assert {receipt.verdict.check for receipt in receipts.values()} == {"latched"}
    assert hall.remote() == set()


def test_a_locked_chiller_goes_back_and_the_others_stay(hall: Hall) -> None:
    before = hall.remote()
    hall.plant.set_contact("chiller2.locked_out", 1.0)
    hall.run(12)
    assert before - hall.remote() == {"chiller2"}


def test_while_water_condenses_nothing_gets_colder(hall: Hall) -> None:
    hall.plant.set_contact("hall1.condensation_alarm", 1.0)
    hall.run(12)
    receipts = hall.hold(0.3).values()
    assert all(receipt.written is None for receipt in receipts)
    # What stands at the end of its range says so first.
    assert {each.verdict.check for each in receipts} <= {"condensation_alarm", "range"}
    assert sum(each.verdict.check == "condensation_alarm" for each in receipts) > 10
    hall.plant.set_contact("hall1.condensation_alarm", 0.0)
    hall.run(12)
    receipts = hall.hold(0.3).values()
    assert all(each.verdict.check != "condensation_alarm" for each in receipts)
    assert sum(each.written is not None for each in receipts) > 10


def test_without_a_spare_chiller_the_plant_is_not_made_warmer(hall: Hall) -> None:
    hall.plant.set_contact("chiller3.available", 0.0)
    hall.run(12)
    receipts = hall.hold(-0.3)
    assert receipts["chiller1.chw_supply_temperature_setpoint"].verdict.check == (
        "redundancy_chillers_of_cool"
    )
    assert receipts["chiller3.chw_supply_temperature_setpoint"].verdict.check == "out_of_service"
    assert receipts["warm.fws_supply_temperature_setpoint"].verdict.check == (
        "redundancy_chillers_of_cool"
    )
    assert "redundancy" not in receipts["cdu1.tcs_supply_temperature_setpoint"].verdict.check
