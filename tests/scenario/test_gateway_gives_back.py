"""The gateway in lock-step gives back what it holds, and starts again: when, how, until when."""

from __future__ import annotations

from pathlib import Path

import pytest

from facility.commands import Mode, Origin, WriteResult
from facility.telemetry import Quality
from safety.journal import verify
from tests.gateway_kit import small_site
from tests.gateway_world import World

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"
FLOW = "cdu-1.tcs_flow_setpoint"
OTHER = "cdu-2.tcs_supply_temperature_setpoint"
AIR = "crah-1.supply_air_temperature_setpoint"


@pytest.fixture
def world() -> World:
    world = World()
    world.settle()
    return world


def held(world: World) -> World:
    """`world` with cdu-1 armed and its supply set to 32.4 °C."""
    (receipt,) = world.move({SUPPLY: 32.4})
    assert receipt.result is WriteResult.WRITTEN
    world.run(3)
    return world


# -- giving back --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["silent", "hung up", "old plan"])
def test_a_client_in_doubt_costs_every_hold(world: World, loss: str) -> None:
    held(world)
    world.move({AIR: 20.3})
    assert world.is_remote("bms")
    if loss == "old plan":
        world.plan_age_s = world.site.gateway.plan_max_age_s + 1.0
    else:
        world.client_lives = False
        if loss == "hung up":
            world.gateway.hang_up()
    seconds = 4 if loss == "silent" else 1
    world.run(seconds)
    assert not world.is_remote("cdu-1")
    assert not world.is_remote("bms")
    assert world.received("cdu-1")[-1] == ("cdu-1.remote_enable", b"\0\0")
    silent = world.received()
    world.run(30)
    assert world.received() == silent


def test_a_release_by_the_gateway_latches_and_is_lifted_by_rule_twice_a_day(world: World) -> None:
    held(world)
    for _ in range(2):
        world.plan_age_s = 1e6
        world.run(1)
        world.plan_age_s = 0.0
        world.run(2)
        (refused,) = world.move({SUPPLY: 32.0})
        assert refused.verdict.check == "latched"
        world.run(int(world.site.gateway.rearm_after_s) + 1)
        (written,) = world.move({SUPPLY: 32.3})
        assert written.result is WriteResult.WRITTEN, written
    world.plan_age_s = 1e6
    world.run(1)
    world.plan_age_s = 0.0
    world.run(2 * int(world.site.gateway.rearm_after_s))
    (refused,) = world.move({SUPPLY: 32.0})
    assert refused.verdict.check == "latched"
    world.gateway.arm()
    (written,) = world.move({SUPPLY: 32.3})
    assert written.result is WriteResult.WRITTEN


def test_a_release_by_a_person_is_never_lifted_by_rule_and_falls_to_shadow(world: World) -> None:
    held(world)
    world.gateway.release()
    assert not world.is_remote("cdu-1")
    assert set(world.gateway.snapshot().modes.values()) == {Mode.SHADOW}
    world.run(2 * int(world.site.gateway.rearm_after_s))
    world.gateway.set_mode(Mode.AUTOMATIC)
    (refused,) = world.move({SUPPLY: 32.0})
    assert refused.verdict.check == "latched"
    world.gateway.arm()
    (written,) = world.move({SUPPLY: 32.3})
    assert written.result is WriteResult.WRITTEN


def test_leaving_the_writing_modes_gives_the_device_back_without_a_latch(world: World) -> None:
    held(world)
    world.gateway.set_mode(Mode.SHADOW)
    assert not world.is_remote("cdu-1")
    silent = world.received()
    world.run(10)
    assert world.received() == silent
    world.gateway.set_mode(Mode.AUTOMATIC)
    (written,) = world.move({SUPPLY: 32.3})
    assert written.result is WriteResult.WRITTEN


def test_a_change_at_the_panel_is_yielded_to_and_needs_a_person(world: World) -> None:
    held(world)
    world.run(15)
    world.devices["cdu-1"].values[SUPPLY] = 28.0  # somebody else's setpoint, still remote
    world.run(15)
    assert not world.is_remote("cdu-1")
    latch = world.gateway.house.core.holds["cdu-1"].latch
    assert latch is not None
    assert latch.needs_person
    assert "other_hand" in latch.why
    silent = world.received("cdu-1")
    world.run(2 * int(world.site.gateway.rearm_after_s))
    assert world.received("cdu-1") == silent


def test_a_device_switched_to_local_is_yielded_to(world: World) -> None:
    held(world)
    world.devices["cdu-1"].values["cdu-1.remote_enable"] = 0.0
    world.run(6)
    latch = world.gateway.house.core.holds["cdu-1"].latch
    assert latch is not None
    assert latch.needs_person
    assert "local_control" in latch.why
    assert "cdu-1" not in world.gateway.house.core.armed()


def test_lost_telemetry_gives_the_device_back(world: World) -> None:
    held(world)
    device = world.devices["cdu-1"]
    device.deaf = set(device.points)
    world.run(25)
    assert not device.remote
    assert "cdu-1" not in world.gateway.house.core.armed()


def test_a_lost_link_lets_the_watchdog_work_and_is_verified_before_it_is_used_again(
    world: World,
) -> None:
    held(world)
    device = world.devices["cdu-1"]
    device.down = True
    world.run(6)
    assert "cdu-1" not in world.gateway.house.core.armed()
    device.down = False
    assert not device.remote  # its own watchdog
    silent = world.received("cdu-1")
    world.run(30)
    assert world.received("cdu-1") == silent


def test_a_value_in_force_is_corrected_when_the_dew_point_rises(world: World) -> None:
    low = world.decide({SUPPLY: 20.0})
    for _ in range(3):
        world.gateway.command(world.commands(low))
        world.run(60)
    before = world.in_force(SUPPLY)
    assert before < 22.0
    world.devices["bms"].values["hall-1.dew_point_temperature"] = 20.0
    world.run(120)
    assert world.in_force(SUPPLY) >= 23.0 - 1e-6
    corrections = world.records("correction")
    assert corrections
    writes = [w for w in world.records("write") if w["tag"] == SUPPLY]
    assert writes[-1]["origin"] is Origin.SAFETY


# -- restarts -----------------------------------------------------------------------------------


def test_a_restart_keeps_modes_and_latches_and_starts_silent(tmp_path: Path) -> None:
    world = World(state=tmp_path)
    world.settle()
    world.move({SUPPLY: 32.4})
    world.gateway.release()
    world.gateway.set_mode(Mode.AUTOMATIC)
    world.close()
    world.gateway = world.start()
    silent = world.received()
    world.run(10)
    assert set(world.gateway.snapshot().modes.values()) == {Mode.AUTOMATIC}
    (refused,) = world.move({SUPPLY: 32.0})
    assert refused.verdict.check == "latched"
    assert world.received() == silent
    world.close()
    assert verify(tmp_path / "journal.jsonl") is None


def test_after_a_kill_the_next_gateway_waits_for_the_watchdog(tmp_path: Path) -> None:
    world = World(state=tmp_path)
    world.settle()
    world.move({SUPPLY: 32.4})
    world.close()
    world.gateway = world.start()
    world.run(1)
    (failed,) = world.move({SUPPLY: 32.0})
    assert failed.result is WriteResult.FAILED
    assert "watchdog" in failed.note
    world.run(10)
    (written,) = world.move({SUPPLY: 32.3})
    assert written.result is WriteResult.WRITTEN
    world.close()


def test_readings_without_a_value_are_never_zero(world: World) -> None:
    world.devices["cdu-1"].values["cdu-1.tcs_flow"] = None
    world.run(5)
    reading = world.gateway.snapshot().reading("cdu-1.tcs_flow")
    assert (reading.value, reading.quality) == (None, Quality.ABSENT)


def test_two_runs_have_the_same_journal() -> None:
    def journal() -> list[object]:
        world = World(site=small_site(cdus=3))
        world.settle()
        world.move({SUPPLY: 32.4, OTHER: 32.2, AIR: 20.3})
        world.run(30)
        world.gateway.release()
        return [*world.gateway.house.journal.records]  # type: ignore[attr-defined]  # a list

    assert journal() == journal()
