"""The gateway as a process, against real Modbus and OPC UA servers, in hurried wall time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.gateway.client import GatewayRefusal, SyncGatewayClient
from safety.journal import read, verify
from tests.gateway_process import (
    RATE,
    SLACK_S,
    Client,
    Stage,
    journalled,
    recorded,
    until,
)

# Starting OPC UA servers takes seconds, so all tests share one set of devices and one event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devices(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("gateway"))
    await stage.host.start()
    tending = asyncio.create_task(stage.tend())
    yield stage
    tending.cancel()
    await asyncio.wait([tending])
    await stage.host.stop()
    stage.recorder.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(devices: Stage) -> Stage:
    await until(lambda: not devices.remote)
    devices.begin()
    return devices


async def test_in_shadow_no_request_to_write_reaches_any_device(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        receipts = await client.everywhere()
        assert {r["verdict"]["check"] for r in receipts} == {"mode"}
        with pytest.raises(GatewayRefusal, match="no op"):
            await client.link.call("write", tag="cdu1.heartbeat", value=1)
        await asyncio.sleep(6.0 / RATE)
        await client.close()
    assert stage.requests == 0


async def test_a_killed_gateway_leaves_every_device_to_its_watchdog(stage: Stage) -> None:
    async with stage.gateway() as process:
        client = await Client.connect(stage)
        await client.take_over()
        await asyncio.sleep(5.0 / RATE)
        assert stage.remote == set(stage.site.devices)
        killed_s = stage.clock.now_s()
        process.kill()
        await process.wait()
        await client.close()
        await until(lambda: not stage.remote)
        await asyncio.sleep(0.05)
    for device, released_s in stage.released_s.items():
        limit_s = stage.site.devices[device].hand_back.hand_back_s
        assert released_s - killed_s <= limit_s + SLACK_S, device
    assert set(stage.released_s) == set(stage.site.devices)
    assert verify(stage.state / "journal.jsonl") is None
    # The last moment's writes are told before they leave, and may not have left.
    ours, theirs = journalled(stage), recorded(stage)
    assert set(theirs) <= set(ours)
    assert len(ours) - len(theirs) <= len(stage.site.devices)


async def test_a_client_that_hangs_up_costs_every_hold_at_once(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        left_s = stage.clock.now_s()
        await client.close()
        await until(lambda: not stage.remote)
        assert stage.clock.now_s() - left_s <= 1.0 + SLACK_S
        with SyncGatewayClient(stage.socket) as other:
            status = other.call("status")
        assert status["armed"] == []
        assert set(status["latches"]) == set(stage.site.devices)
    assert journalled(stage) == recorded(stage)


async def test_a_client_that_falls_silent_costs_every_hold_in_time(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        await client.stop()
        silent_s = stage.clock.now_s()
        await until(lambda: not stage.remote)
        # The client's patience of 3 s, and up to a second each until it is noticed and carried out.
        assert 2.0 <= stage.clock.now_s() - silent_s <= 5.0 + SLACK_S
        await client.link.close()


async def test_told_to_stop_it_gives_everything_back_and_cleans_up(stage: Stage) -> None:
    async with stage.gateway() as process:
        client = await Client.connect(stage)
        await client.take_over()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert stage.remote == set()
        assert not stage.socket.exists()
        await client.close()
    records = [record.kind for record in read(stage.state / "journal.jsonl")]
    assert records[-2:] == ["release", "stopped"]
    modes = json.loads((stage.state / "modes.json").read_text())
    assert set(modes.values()) == {"automatic"}


async def test_a_person_releases_past_a_controller_that_hangs(stage: Stage) -> None:
    async with stage.gateway():
        client = await Client.connect(stage)
        await client.take_over()
        with SyncGatewayClient(stage.socket) as person:
            with pytest.raises(GatewayRefusal, match="another client holds the gateway: a test"):
                person.call("beat", plan_age_s=0.0)
            with pytest.raises(GatewayRefusal, match="who is missing"):
                person.call("release", actuators=None, why="noise")
            answer = await asyncio.to_thread(
                person.call, "release", actuators=None, who="Ada", why="noise"
            )
        assert set(answer["confirmed"]) == set(stage.site.devices)
        assert stage.remote == set()
        receipts = await client.everywhere()
        assert {r["verdict"]["check"] for r in receipts} == {"latched"}
        assert stage.remote == set()
        await client.close()


async def test_one_gateway_at_a_time_and_clear_words_where_it_cannot_start(stage: Stage) -> None:
    async with stage.gateway() as first:
        for options, words in (
            ({}, "another gateway is running on"),
            ({"state": stage.folder / "elsewhere"}, "another gateway is listening on"),
            ({"site": stage.folder / "nowhere"}, "cannot be read"),
        ):
            second = await stage.start(**options)
            _, said = await second.communicate()
            assert second.returncode == 2
            assert words in said.decode()
            assert "Traceback" not in said.decode()
        first.kill()
        await first.wait()
    assert stage.socket.exists()  # a killed gateway leaves it
    async with stage.gateway():
        with SyncGatewayClient(stage.socket) as client:
            assert client.call("hello", client="again")["site_hash"] == stage.site.content_hash
    third = await stage.start(**{"clock-file": stage.folder / "site" / "points.csv"})
    _, said = await third.communicate()
    assert third.returncode == 2
    assert "is no clock file" in said.decode()
