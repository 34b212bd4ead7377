"""A reference site under the gateway: its contacts reach the envelope, which does as they ask."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from facility.site import Site
from sim.simulation import Simulation
from tests.campus_hall import Hall, warm_campus


@pytest.fixture(scope="module")
def warm() -> tuple[Site, Simulation]:
    return warm_campus("fixed", 24.0, 16.0)


@pytest.fixture
def hall(warm: tuple[Site, Simulation]) -> Hall:
    site, plant = warm[0], warm[1].copy()
    found = Hall.under(site, plant)
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


def test_a_device_that_jumps_is_held_in_the_heat_and_jumps_no_further_than_it_may(
    tmp_path: Path,
) -> None:
    """The building's own reset has taken it 11 K above its commissioned value."""
    hall = Hall.under(*warm_campus("guideline36", 34.0, 24.0), tmp_path / "record.jsonl")
    supply = hall.site.actuators["cdu4.tcs_supply_temperature_setpoint"]
    own = hall.plant.read(supply.read_back).value
    assert own is not None
    assert own > supply.fallback + supply.jump_towards
    hall.hold(device="cdu4")
    assert hall.remote() == {"cdu4"}
    verdicts = []
    for _ in range(3):  # 2 K towards cooling is what the rate allows in each minute
        verdicts.append(hall.hold(2.0, device="cdu4")[supply.id].verdict)
        hall.run(60)
        assert hall.remote() == {"cdu4"}
    assert [verdict.value for verdict in verdicts] == [pytest.approx(own - 0.5), None, None]
    assert {verdict.check for verdict in verdicts} == {"hand_back"}
    seen = []
    for _ in range(20):
        hall.run(1, client_lives=False)
        seen.append(hall.plant.read(supply.read_back).value or 0.0)
    assert hall.remote() == set()
    assert seen[-1] == pytest.approx(own, abs=0.2)
    steps = [after - before for before, after in itertools.pairwise(seen)]
    assert max(map(abs, steps)) == pytest.approx(0.5, abs=0.2)
    hall.recorder.close()
    lines = map(json.loads, (tmp_path / "record.jsonl").read_text("utf-8").splitlines())
    written = [int(each["raw"], 16) * 0.01 for each in lines if each["tag"] == supply.id]
    assert len(written) > 1
    assert all(own - 0.511 <= value <= own + 5.011 for value in written)
