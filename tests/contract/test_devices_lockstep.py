"""The plant as a driver in the same process keeps the promises of the field's drivers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from adapters.driver import Driver, LinkStatus, WriteFailed
from facility.telemetry import Quality
from sim.lockstep import LockstepClock, LockstepDriver
from sim.recorder import Recorder
from tests.devices_plant import START_S, SmallPlant, device, site_of

SETPOINT = "cdu1.tcs_supply_temperature_setpoint"


@dataclass
class Bench:
    driver: Driver
    plant: SmallPlant
    recorder: Recorder


@pytest.fixture
async def bench() -> Bench:
    site = site_of(device("cdu1", 502))
    plant, recorder = SmallPlant(site), Recorder()
    driver = LockstepDriver(site, "cdu1", plant, recorder, status=LinkStatus, failure=WriteFailed)
    await driver.connect()
    return Bench(driver, plant, recorder)


async def test_readings_have_the_resolution_of_the_wire(bench: Bench) -> None:
    bench.plant.sensors["cdu1.tcs_supply_temperature"] = 24.5678
    found = await bench.driver.read(["cdu1.tcs_supply_temperature"])
    reading = found["cdu1.tcs_supply_temperature"]
    assert reading.value == pytest.approx(24.6)
    assert (reading.quality, reading.time_s) == (Quality.GOOD, START_S)


async def test_a_broken_sensor_has_no_value(bench: Bench) -> None:
    bench.plant.broken |= {"cdu1.tcs_supply_temperature", "cdu1.tcs_flow"}
    found = await bench.driver.read(["cdu1.tcs_supply_temperature", "cdu1.tcs_flow"])
    assert [(r.value, r.quality) for r in found.values()] == [
        (None, Quality.ABSENT),  # the point names a sentinel
        (None, Quality.BAD),
    ]


async def test_closed_it_answers_nothing_and_sends_nothing(bench: Bench) -> None:
    await bench.driver.close()
    assert not bench.driver.status.connected
    assert await bench.driver.read([SETPOINT]) == {}
    with pytest.raises(WriteFailed) as caught:
        await bench.driver.write(SETPOINT, b"\x09\xc4", 1.0)
    assert not caught.value.sent
    assert not bench.recorder.requests


async def test_a_write_too_late_is_not_sent(bench: Bench) -> None:
    with pytest.raises(WriteFailed) as caught:
        await bench.driver.write(SETPOINT, b"\x09\xc4", 0.0)
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("tag", "data"),
    [
        (SETPOINT, b"\x0f\xa1"),  # 40.01
        (SETPOINT, b"\x09"),
        ("cdu1.tcs_supply_temperature", b"\x00\x01"),
        ("cdu1.remote_enable", b"\x00\x02"),
    ],
)
async def test_a_rejected_write_fails_and_is_recorded(bench: Bench, tag: str, data: bytes) -> None:
    with pytest.raises(WriteFailed) as caught:
        await bench.driver.write(tag, data, 1.0)
    assert caught.value.sent
    assert bench.recorder.requests == {"cdu1": 1}
    assert sum(bench.recorder.rejected.values()) == 1
    assert not bench.recorder.accepted


@pytest.mark.parametrize("value", [17.9, 40.1, float("nan"), float("inf")])
def test_a_value_out_of_range_has_no_bytes(bench: Bench, value: float) -> None:
    with pytest.raises(ValueError, match="tcs_supply_temperature_setpoint"):
        bench.driver.encode(SETPOINT, value)


async def test_armed_it_follows_and_without_beats_it_goes_home(bench: Bench) -> None:
    driver, clock = bench.driver, LockstepClock(bench.plant)
    assert driver.address(SETPOINT) == "holding:10"
    await driver.write(SETPOINT, driver.encode(SETPOINT, 25.0), 1.0)
    await driver.write("cdu1.heartbeat", driver.encode("cdu1.heartbeat", 1.0), 1.0)
    await driver.write("cdu1.remote_enable", driver.encode("cdu1.remote_enable", 1.0), 1.0)
    await clock.sleep_until(START_S + 3.0)
    tags = ("cdu1.remote_active", f"{SETPOINT}_in_force")
    assert [r.value for r in (await driver.read(tags)).values()] == [1.0, 25.0]
    await clock.sleep_until(START_S + 4.0)
    assert clock.now_s() == START_S + 4.0
    assert (await driver.read(tags))["cdu1.remote_active"].value == 0.0
    assert bench.recorder.accepted == {"setpoint": 1, "heartbeat": 1, "enable": 1}
