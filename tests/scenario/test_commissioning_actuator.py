"""The guided check of an actuator, through the gateway's own rules, second by second.

The devices keep the contract of real ones (`adapters.driver.FakeDriver`); the gateway is whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from adapters.commissioning.actuator import Checker
from adapters.commissioning.actuator_result import Finding, Person, Plan
from adapters.commissioning.holding import CheckRefused, holding
from adapters.gateway.client import GatewayRefusal
from adapters.gateway.door import Refusal
from adapters.gateway.probe import PROBES
from facility.commands import Mode
from facility.devices import Release
from tests.gateway_kit import small_site, with_device
from tests.gateway_world import World

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"
ME = Person("a. engineer", "first start", witness="j. smith")
CONNECTION = 1


class Socket:
    """The gateway's operations without the socket; time passes where somebody sleeps."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[str] = []
        self._ahead_s = 0.0

    async def call(self, op: str, **arguments: Any) -> Any:
        self.calls.append(op)
        house, now_s = self.world.gateway.house, self.world.now_s
        office = house.office
        args = json.loads(json.dumps(arguments))
        actions: dict[str, Callable[[], str | Awaitable[str]]] = {
            "hello": lambda: office.hello(now_s),
            "snapshot": lambda: office.snapshot(now_s),
            "status": lambda: office.status(now_s),
            "beat": lambda: office.beat(CONNECTION, "check", args, now_s),
            "override": lambda: office.override(args, now_s),
            "end_override": lambda: office.end_override(args, now_s),
            "command": lambda: office.command(CONNECTION, args, now_s),
            "release": lambda: office.release(args, now_s),
            "fall_silent": lambda: office.fall_silent(CONNECTION, args, now_s),
        }
        try:
            told = house.probe.answer(op, args) if op in PROBES else actions[op]()
            return json.loads(told if isinstance(told, str) else await told)
        except Refusal as error:
            raise GatewayRefusal(str(error)) from None

    async def sleep(self, seconds: float) -> None:
        """Plant time passes in whole seconds; an engineer's patience does not."""
        await asyncio.sleep(0)
        self._ahead_s += seconds
        while self._ahead_s >= 1.0:
            self._ahead_s -= 1.0
            self.world.run()


def bench(mode: Mode = Mode.ADVISORY, **device: object) -> tuple[World, Socket, Checker]:
    site = small_site(crah=False)
    site = with_device(site, "cdu-1", scan_s=1.0, **device)
    world = World(site)
    world.plan_age_s = None
    world.settle(mode)
    socket = Socket(world)
    return world, socket, Checker(socket, site, ME, lambda what, share: None, socket.sleep)


def findings(result: Any) -> dict[str, Finding]:
    return {finding.name: finding for finding in result.findings}


async def test_a_good_actuator_passes_and_is_as_it_was() -> None:
    world, _, checker = bench(release=Release.JUMP)
    device = world.devices["cdu-1"]
    result = await checker.check(SUPPLY, Plan(effect_s=5.0))
    seen = findings(result)
    assert {name: f.ok for name, f in seen.items() if f.ok is not None} == {
        "write back": True,
        "nothing moved": True,
        "step": True,
        "time-out": True,
        "way back": True,
        "restored": True,
    }
    assert seen["effect"].ok is None  # the fake plant has no water in it
    assert (result.before, result.stepped_to) == (32.0, 31.5)
    assert result.hand_back == "jump"
    assert result.time_out_s is not None
    assert 3.0 <= result.time_out_s <= 5.0
    assert result.ok
    assert not device.remote
    assert device.in_force(SUPPLY) == 32.0
    assert world.gateway.snapshot().modes[SUPPLY] is Mode.SHADOW


async def test_a_device_that_jumps_where_the_site_says_ramp_fails() -> None:
    _, _, checker = bench()
    result = await checker.check(SUPPLY, Plan(effect_s=0.0))
    assert findings(result)["way back"].ok is False
    assert "it jumps, 0.5 degC at once; the site says ramp" in findings(result)["way back"].detail
    assert not result.ok


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.OFF])
async def test_nothing_is_written_where_nothing_may_be(mode: Mode) -> None:
    world, _, checker = bench(mode)
    with pytest.raises(CheckRefused, match=f"is in {mode.value}, and in {mode.value} nothing is"):
        await checker.check(SUPPLY, Plan())
    assert world.devices["cdu-1"].received == []


async def test_the_envelope_has_the_last_word_on_a_step() -> None:
    world, _, checker = bench()
    world.devices["bms"].values["hall-1.dew_point_temperature"] = 30.0
    world.run(10)
    result = await checker.check(SUPPLY, Plan(step=3.0, effect_s=0.0, measure_time_out=False))
    told = " ".join(finding.detail for finding in result.findings)
    assert "the envelope's" in told
    written = [tag for _, tag, _ in world.devices["cdu-1"].received if tag == SUPPLY]
    values = [world.devices["cdu-1"].values[SUPPLY]] if written else []
    assert all(value is not None and value >= 31.5 for value in values)


async def test_a_time_out_that_does_not_come_is_found_and_the_device_given_back() -> None:
    world, _, checker = bench(watchdog_s=4.0)
    device = world.devices["cdu-1"]
    device._device = with_device(world.site, "cdu-1", watchdog_s=1e9).devices["cdu-1"]
    result = await checker.check(SUPPLY, Plan(effect_s=0.0))
    assert findings(result)["time-out"].ok is False
    assert findings(result)["restored"].ok is True
    assert not device.remote


@pytest.mark.parametrize("after", ["override", "command", "fall_silent"])
async def test_an_interrupted_check_leaves_nothing_behind(after: str) -> None:
    world, socket, checker = bench()
    device = world.devices["cdu-1"]
    task = asyncio.create_task(
        checker.check(SUPPLY, Plan(effect_s=30.0 if after != "fall_silent" else 0.0))
    )
    async with asyncio.timeout(20.0):
        while after not in socket.calls:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.run(8)
    assert not device.remote
    assert device.in_force(SUPPLY) == 32.0
    assert json.loads(world.gateway.house.office.status(world.now_s))["overrides"] == []


async def test_a_killed_check_is_given_back_by_the_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, socket, checker = bench()
    device = world.devices["cdu-1"]
    task = asyncio.create_task(checker.check(SUPPLY, Plan(effect_s=300.0)))
    async with asyncio.timeout(20.0):
        while not (device.remote and device.in_force(SUPPLY) == 31.5):
            await asyncio.sleep(0)

    async def dead(op: str, **arguments: Any) -> Any:
        raise GatewayRefusal("this process is gone")

    # A kill: nothing is asked any more.
    monkeypatch.setattr(socket, "call", dead)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, GatewayRefusal)):
        await task
    world.client_lives = False
    world.gateway.hang_up()
    world.run(2)
    assert world.devices["cdu-1"].remote is False
    assert device.in_force(SUPPLY) == 32.0


async def test_only_one_holds_the_gateway() -> None:
    world, socket, _ = bench()
    world.gateway.house.core.watch.beat(2, "isotherm serve", None, world.now_s)
    world.gateway.house.core.watch.holder = 2
    with pytest.raises(CheckRefused, match="stop `isotherm serve` first"):
        async with holding(socket, world.site):
            pass


async def test_no_heart_stays_silent_beyond_its_time() -> None:
    _, socket, _ = bench()
    with pytest.raises(GatewayRefusal, match="is not held"):
        await socket.call("fall_silent", device="cdu-1", longest_s=5.0, who="me", why="a test")
    with pytest.raises(GatewayRefusal, match="seconds up to"):
        await socket.call("fall_silent", device="cdu-1", longest_s=1e9, who="me", why="a test")


async def test_a_ramp_is_seen_on_its_way_with_its_rate() -> None:
    world, _, checker = bench()
    device = world.devices["cdu-1"]
    plain, lapsed_s = type(device).in_force, [0.0]

    def ramps(setpoint: str) -> float | None:
        """0.1 K a second from the stepped value to the device's own."""
        if device.remote:
            lapsed_s[0] = world.now_s
            return plain(device, setpoint)
        own = device.local[setpoint]
        held = device.values.get(setpoint) or own
        return min(own, held + 0.1 * (world.now_s - lapsed_s[0]))

    device.in_force = ramps  # type: ignore[method-assign] # this device, not its class
    result = await checker.check(SUPPLY, Plan(effect_s=0.0))
    assert result.hand_back == "ramp"
    assert result.hand_back_per_min == pytest.approx(6.0, rel=0.25)
    assert result.ok
