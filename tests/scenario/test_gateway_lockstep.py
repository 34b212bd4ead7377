"""The gateway's rules from command to hand-back, on devices in memory that keep the contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facility.commands import Mode, Origin, Outcome, WriteResult
from facility.telemetry import Quality
from safety.authority import AuthorityError
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
