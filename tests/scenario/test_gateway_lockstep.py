"""The gateway's rules from command to hand-back, on devices in memory that keep the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facility.commands import Mode, Origin, Outcome, WriteResult
from facility.telemetry import Quality
from safety.authority import AuthorityError
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


# -- shadow -------------------------------------------------------------------------------------


def test_modes_start_in_shadow_and_nothing_at_all_is_written() -> None:
    world = World()
    world.settle(Mode.SHADOW)
    for actuator in world.site.actuators:
        (receipt,) = world.move({actuator: world.in_force(actuator) - 0.3})
        assert receipt.result is WriteResult.REFUSED
        assert receipt.verdict.check == "mode"
    world.run(30)
    assert world.received() == []
    assert world.gateway.snapshot().good("cdu-1.tcs_supply_temperature") == 32.0


def test_a_device_with_one_setpoint_in_shadow_is_not_armed_at_all(world: World) -> None:
    world.gateway.set_mode(Mode.SHADOW, [FLOW])
    (receipt,) = world.move({SUPPLY: 32.4})
    assert receipt.verdict.check == "device_mode"
    assert FLOW in receipt.verdict.detail
    assert world.received() == []


# -- arming -------------------------------------------------------------------------------------


def test_arming_preloads_what_is_in_force_reads_back_and_enables_last(world: World) -> None:
    world.devices["cdu-1"].local[FLOW] = 37.5
    world.run(5)
    world.move({SUPPLY: 32.4})
    tags = [tag for tag, _ in world.received("cdu-1")]
    assert tags == [SUPPLY, FLOW, "cdu-1.heartbeat", "cdu-1.remote_enable", SUPPLY]
    assert world.in_force(SUPPLY) == pytest.approx(32.4)
    assert world.in_force(FLOW) == pytest.approx(37.5)  # the preload: nothing moved
    assert world.received("cdu-2") == []


def test_an_unchanged_setpoint_takes_its_device_over_without_moving_it(world: World) -> None:
    world.devices["cdu-1"].local[FLOW] = 37.5
    world.run(5)
    receipts = world.move({SUPPLY: world.in_force(SUPPLY), FLOW: 37.5})
    assert [r.result for r in receipts] == [WriteResult.UNCHANGED, WriteResult.UNCHANGED]
    assert world.is_remote("cdu-1")
    tags = [tag for tag, _ in world.received("cdu-1")]
    assert tags == [SUPPLY, FLOW, "cdu-1.heartbeat", "cdu-1.remote_enable"]
    world.run(60)
    assert world.is_remote("cdu-1")
    assert (world.in_force(SUPPLY), world.in_force(FLOW)) == pytest.approx((32.0, 37.5))


def test_the_heart_beats_every_second_and_the_device_stays_ours(world: World) -> None:
    held(world)
    before = len(world.received("cdu-1"))
    world.run(20)
    beats = [data for tag, data in world.received("cdu-1")[before:]]
    assert len(beats) == 20
    assert len(set(beats)) == 20
    assert world.is_remote("cdu-1")


def test_a_device_that_another_system_holds_is_left_alone(world: World) -> None:
    device = world.devices["cdu-1"]
    device.values |= {"cdu-1.remote_enable": 1.0, SUPPLY: 32.0, FLOW: 40.0}
    device._beat_at_s = world.now_s
    (receipt,) = world.move({SUPPLY: 32.4})
    assert receipt.result is WriteResult.FAILED
    assert "another system holds it" in receipt.note
    assert world.received("cdu-1") == []


def test_a_preload_that_does_not_read_back_is_not_enabled(world: World) -> None:
    device = world.devices["cdu-1"]
    take = device._take
    device._take = lambda point, value: take(  # type: ignore[method-assign]  # a stuck register
        point, value + 1.0 if point.tag == FLOW else value
    )
    (receipt,) = world.move({SUPPLY: 32.4})
    assert receipt.result is WriteResult.FAILED
    assert "read back" in receipt.note
    assert "cdu-1.remote_enable" not in [tag for tag, _ in world.received("cdu-1")]


def test_a_device_that_moves_when_it_is_enabled_is_given_back(world: World) -> None:
    device = world.devices["cdu-1"]
    honest = device.in_force
    device.in_force = lambda setpoint: (  # type: ignore[method-assign]  # a device that jumps
        45.0 if device.remote and setpoint == SUPPLY else honest(setpoint)
    )
    (receipt,) = world.move({SUPPLY: 32.4})
    assert receipt.result is WriteResult.FAILED
    assert "moved" in receipt.note
    assert not device.remote
    assert world.gateway.house.core.holds["cdu-1"].latch is not None


def test_one_dead_device_among_live_ones_costs_only_its_own(world: World) -> None:
    world.devices["cdu-2"].down = True
    world.run(20)
    receipts = world.move({SUPPLY: 32.4, OTHER: 32.4, AIR: 20.3})
    assert [r.result for r in receipts] == [
        WriteResult.WRITTEN,
        WriteResult.REFUSED,
        WriteResult.WRITTEN,
    ]
    snapshot = world.gateway.snapshot()
    assert snapshot.reading("cdu-2.tcs_flow").quality is Quality.STALE
    assert snapshot.reading("cdu-2.tcs_flow").value == 40.0
    assert snapshot.reading("cdu-1.tcs_flow").quality is Quality.GOOD
    assert not snapshot.devices["cdu-2"].connected


def test_a_device_that_comes_late_is_found_within_seconds() -> None:
    world = World()
    world.devices["cdu-1"].down = True
    world.run(60)
    assert world.gateway.house.core.holds["cdu-1"].said == "cdu-1: no answer"
    world.devices["cdu-1"].down = False
    world.run(5)
    assert world.gateway.snapshot().devices["cdu-1"].connected
    assert world.received() == []


# -- commands -----------------------------------------------------------------------------------


def test_a_command_that_comes_twice_is_written_once(world: World) -> None:
    decision = world.decide({SUPPLY: 32.4})
    commands = world.commands(decision)
    first = world.gateway.command(commands)
    writes = world.received()
    assert world.gateway.command(commands) == first
    assert world.gateway.command([*commands, *commands]) == (*first, *first)
    assert world.received() == writes


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"authority": "nobody's"}, "authority"),
        ({"plan_hash": "another plan"}, "authority"),
        ({"expires_at_s": 0.0}, "expiry"),
        ({"actuator": OTHER}, "authority"),
        ({"actuator": "no such thing"}, "whitelist"),
    ],
)
def test_a_refused_command_sends_no_byte(
    world: World, change: dict[str, object], check: str
) -> None:
    (command,) = world.commands(world.decide({SUPPLY: 32.4}))
    (receipt,) = world.gateway.command([replace(command, **change)])  # type: ignore[arg-type]
    assert receipt.result is WriteResult.REFUSED
    assert receipt.verdict.outcome is Outcome.REFUSE
    if check != "whitelist":
        assert receipt.verdict.check == check
    assert world.received() == []


def test_a_limited_command_is_written_as_limited(world: World) -> None:
    # 45 °C is far beyond what the rate of 5 K/min allows in the window of five minutes.
    decision = world.decide({FLOW: 10.0})
    (receipt,) = world.gateway.command(world.commands(decision))
    assert receipt.verdict.outcome is Outcome.LIMIT
    assert receipt.result is WriteResult.WRITTEN
    assert receipt.written is not None
    assert receipt.written > 10.0
    assert world.in_force(FLOW) == pytest.approx(receipt.written, abs=1e-4)


def test_in_advisory_a_person_decides(world: World) -> None:
    world.gateway.set_mode(Mode.ADVISORY)
    (refused,) = world.move({SUPPLY: 32.4})
    assert refused.verdict.check == "authority"
    (written,) = world.move({SUPPLY: 32.4}, origin=Origin.PERSON)
    assert written.result is WriteResult.WRITTEN


def test_an_override_outranks_every_decision_until_it_ends(world: World) -> None:
    override = world.override(SUPPLY, 31.0)
    assert world.carry_out(override).result is WriteResult.WRITTEN
    (refused,) = world.move({SUPPLY: 32.4})
    assert refused.verdict.check == "authority"
    assert override.id in refused.verdict.detail
    assert world.in_force(SUPPLY) == pytest.approx(31.0)
    world.gateway.house.core.end_override(override.id)
    world.run(60)
    (written,) = world.move({SUPPLY: 31.5})
    assert written.result is WriteResult.WRITTEN
    with pytest.raises(AuthorityError):
        world.gateway.house.core.end_override(override.id)


def test_a_setpoint_that_is_not_taken_is_tried_once_more_and_then_given_back(
    world: World,
) -> None:
    held(world)
    device = world.devices["cdu-1"]
    device.refuse.add(SUPPLY)
    requests = device.requests
    (receipt,) = world.move({SUPPLY: 32.0})
    assert receipt.result is WriteResult.FAILED
    assert not device.remote
    assert world.received("cdu-1")[-1] == ("cdu-1.remote_enable", b"\0\0")
    assert device.requests - requests <= 6  # two tries, the release, and a look
    (refused,) = world.move({FLOW: 41.0})
    assert refused.verdict.check == "latched"


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
