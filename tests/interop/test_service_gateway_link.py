"""The controller's link to a real gateway process, whose devices are all unreachable."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.gateway_link import (
    GatewayRefusedError,
    GatewayUnavailableError,
    SocketGatewayLink,
    snapshot_of,
)
from facility.commands import Decision, Mode, Move, Origin
from facility.loading import load_site
from facility.site import Site
from facility.telemetry import Authority, DeviceStatus, Quality, Reading, Snapshot
from facility.wire import WireError, to_wire
from sim.sites import write

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Place:
    site: Site
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "gateway.sock"

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "adapters.gateway"),
                *("--site", str(self.directory / "site"), "--state", str(self.directory / "state")),
                *("--socket", str(self.socket)),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    # Port 1 and the few after it answer nobody.
    write("campus", tmp_path / "site", 1)
    return Place(load_site(tmp_path / "site"), tmp_path)


@pytest.fixture
async def gateway(place: Place) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = place.start()
    await answers(SocketGatewayLink(place.socket, place.site.content_hash, "probe"))
    yield process
    process.terminate()
    process.wait(10)


async def answers(link: SocketGatewayLink) -> None:
    """Wait until the gateway answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await link.connect()
                break
            except GatewayUnavailableError:
                await asyncio.sleep(0.05)
    await link.close()


async def test_snapshot_status_and_modes(place: Place, gateway: subprocess.Popen[bytes]) -> None:
    link = SocketGatewayLink(place.socket, place.site.content_hash)
    assert await link.connect() == place.site.content_hash
    await link.beat(None)
    await link.beat(12.5)
    snapshot = await link.snapshot()
    readable = {tag for tag, p in place.site.points.items() if p.access.value != "w"}
    assert readable <= set(snapshot.readings)
    assert {r.quality for r in snapshot.readings.values()} == {Quality.ABSENT}
    assert set(snapshot.modes.values()) == {Mode.SHADOW}
    assert not any(device.connected for device in snapshot.devices.values())
    one = next(iter(place.site.actuators))
    modes = await link.set_mode([one], Mode.ADVISORY, "Ada", "trial")
    assert [actuator for actuator, mode in modes.items() if mode is Mode.ADVISORY] == [one]
    status = await link.status()
    assert status["client"]["name"] == "controller"
    assert await link.release(None, "Ada", "noise")
    assert set((await link.snapshot()).modes.values()) == {Mode.SHADOW}
    await link.arm("Ada", "quiet again")
    await link.close()


async def test_what_the_gateway_refuses_is_told(
    place: Place, gateway: subprocess.Popen[bytes]
) -> None:
    link = SocketGatewayLink(place.socket, place.site.content_hash)
    with pytest.raises(GatewayRefusedError, match="no actuator"):
        await link.set_mode(["nobody"], Mode.ADVISORY, "Ada", "trial")
    now_s = (await link.snapshot()).time_s
    one = next(iter(place.site.actuators.values()))
    move = Move(one.id, one.fallback, one.fallback)
    late = Decision("d1", "p1", "h", Origin.PERSON, "Ada", "", (move,), now_s - 20.0, now_s - 10.0)
    with pytest.raises(GatewayRefusedError, match="expired"):
        await link.decide(late)
    assert link.connected
    await link.close()


async def test_a_gateway_of_another_site_is_not_talked_to(
    place: Place, gateway: subprocess.Popen[bytes]
) -> None:
    link = SocketGatewayLink(place.socket, "f" * 64)
    with pytest.raises(GatewayUnavailableError, match="another site"):
        await link.snapshot()
    assert not link.connected


async def test_it_finds_a_gateway_that_was_killed_and_started_again(
    place: Place, gateway: subprocess.Popen[bytes]
) -> None:
    link = SocketGatewayLink(place.socket, place.site.content_hash)
    greeted = 0

    async def greet() -> None:
        nonlocal greeted
        greeted += 1

    link.on_connect = greet
    await link.beat(None)
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.wait()
    with pytest.raises(GatewayUnavailableError):
        await link.beat(None)
    with pytest.raises(GatewayUnavailableError, match="isotherm gateway"):
        await link.beat(None)
    assert greeted == 1
    again = place.start()
    try:
        await answers(SocketGatewayLink(place.socket, place.site.content_hash, "probe"))
        await link.beat(None)
        assert greeted == 2
        await link.close()
    finally:
        again.terminate()
        again.wait(10)


def test_a_snapshot_is_read_as_it_was_sent() -> None:
    sent = Snapshot(
        12.0,
        {
            "a": Reading(1.5, Quality.GOOD, 11.0),
            "b": Reading(None, Quality.ABSENT, 0.0, "never answered"),
        },
        {"d": DeviceStatus("d", True, Authority.REMOTE, True, 11.0, None)},
        {"a": Mode.ADVISORY},
    )
    assert snapshot_of(to_wire(sent)) == sent


@pytest.mark.parametrize("reading", [{}, {"value": float("nan")}, None])
def test_a_snapshot_that_is_none_is_refused(reading: object) -> None:
    whole = {"quality": "good", "time_s": 1.0, "note": ""}
    item = {**whole, **reading} if isinstance(reading, dict) else reading
    with pytest.raises(WireError):
        snapshot_of({"time_s": 1.0, "readings": {"a": item}, "devices": {}, "modes": {}})
