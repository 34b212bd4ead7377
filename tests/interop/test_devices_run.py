"""Whole runs of the hosted devices: both kinds of time, both protocols, and the ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pymodbus.client import AsyncModbusTcpClient

from facility.clock import RunEnded, SteppedClock, WallClock
from facility.devices import Release
from sim.devices.run import RunOptions, host_run
from tests.devices_plant import START_S, WATCHDOG_S, SmallPlant, device, free_ports, site_of

UNIT = 7
SUPPLY, ENABLE, HEARTBEAT, ACTIVE, IN_FORCE = 10, 13, 14, 4, 5


async def ready(out: Path, run: asyncio.Task[None]) -> dict[str, Any]:
    """What ready.json says, as soon as it is there."""
    async with asyncio.timeout(30.0):
        while not (out / "ready.json").exists():
            if run.done():
                run.result()
            await asyncio.sleep(0.01)
    found: dict[str, Any] = json.loads((out / "ready.json").read_text())
    return found


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def arm(client: AsyncModbusTcpClient, setpoint: int) -> None:
    for address, value in ((SUPPLY, setpoint), (HEARTBEAT, 1)):
        assert not (await client.write_registers(address, [value], device_id=UNIT)).isError()
    assert not (await client.write_register(ENABLE, 1, device_id=UNIT)).isError()


async def beat(client: AsyncModbusTcpClient, number: int) -> None:
    assert not (await client.write_registers(HEARTBEAT, [number], device_id=UNIT)).isError()


async def show(client: AsyncModbusTcpClient) -> tuple[int, int]:
    """Remote active, and the setpoint in force in hundredths of a degree."""
    reply = await client.read_input_registers(ACTIVE, count=2, device_id=UNIT)
    return reply.registers[0], reply.registers[1]


@pytest.mark.parametrize("release", list(Release))
async def test_stepped_a_device_is_home_in_plant_time_when_its_beats_stop(
    tmp_path: Path, release: Release
) -> None:
    (port,) = free_ports(1)
    site = site_of(device("cdu1", port, release=release))
    plant = SmallPlant(site)
    options = RunOptions(START_S, START_S + 120.0, tmp_path, clients=("gateway",))
    run = asyncio.create_task(host_run(site, plant, options))
    found = await ready(tmp_path, run)
    assert (found["pid"], found["ends_at_s"]) == (os.getpid(), START_S + 120.0)
    clock = await SteppedClock.join(found["clock"]["host"], found["clock"]["port"], "gateway")
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=2)
    assert await client.connect()
    await arm(client, 3000)
    for number in range(2, 32):
        await clock.sleep_until(clock.now_s() + 1.0)
        await beat(client, number)
        assert await show(client) == (1, 3000)
    silent_since = clock.now_s()
    while (await show(client))[0]:
        await clock.sleep_until(clock.now_s() + 1.0)
    assert clock.now_s() == silent_since + WATCHDOG_S
    in_force = (await show(client))[1]
    assert in_force == (2000 if release is Release.JUMP else 2997)
    with pytest.raises(RunEnded):
        await clock.sleep_until(START_S + 500.0)
    client.close()
    await clock.leave()
    await run
    lines = [json.loads(line) for line in (tmp_path / "recorder.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["setpoint", "heartbeat", "enable"] + [
        "heartbeat"
    ] * 30
    accounts = json.loads((tmp_path / "accounts.json").read_text())
    assert accounts["energy_kwh"] == 1.0
    assert accounts["writes"]["accepted"] == {"enable": 1, "heartbeat": 31, "setpoint": 1}
    live = json.loads((tmp_path / "live.json").read_text())
    assert (live["time_s"], live["authority"]) == (START_S + 120.0, {"cdu1": "local"})
    truth = pd.read_parquet(tmp_path / "truth.parquet")
    assert list(truth.index.astype("datetime64[s, UTC]").astype("int64")) == [
        START_S,
        START_S + 60.0,
        START_S + 120.0,
    ]


@pytest.mark.parametrize("release", list(Release))
async def test_in_wall_time_a_device_is_home_within_its_watchdog_when_the_beats_stop(
    tmp_path: Path, release: Release
) -> None:
    (port,) = free_ports(1)
    site = site_of(device("cdu1", port, release=release))
    plant = SmallPlant(site)
    options = RunOptions(START_S, START_S + 3600.0, tmp_path, stepped=False, rate=10.0)
    run = asyncio.create_task(host_run(site, plant, options))
    found = (await ready(tmp_path, run))["clock"]
    clock = WallClock(found["start_s"], found["start_monotonic_s"], found["rate"])
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=2)
    assert await client.connect()
    await arm(client, 3000)
    for number in range(2, 8):
        await clock.sleep_until(clock.now_s() + 1.0)
        await beat(client, number)
    beaten_at_s = plant.now_s
    assert await show(client) == (1, 3000)
    # The plant's own clock tells when: it says what a wall clock would, however busy this
    # machine is, and the devices count on it.
    while (await show(client))[0]:
        await clock.sleep_until(clock.now_s() + 0.2)
    home_at_s = plant.now_s
    assert beaten_at_s + WATCHDOG_S <= home_at_s
    in_force = (await show(client))[1]
    assert in_force == 2000 if release is Release.JUMP else in_force > 2000
    client.close()
    os.kill(os.getpid(), signal.SIGTERM)
    await run
    assert (tmp_path / "accounts.json").exists()
    assert len((tmp_path / "recorder.jsonl").read_text().splitlines()) == 9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_a_run_cleanly_at_any_time(
    tmp_path: Path, number: signal.Signals
) -> None:
    (port,) = free_ports(1)
    site = site_of(device("cdu1", port))
    options = RunOptions(START_S, START_S + 1e6, tmp_path, clients=("gateway",))
    run = asyncio.create_task(host_run(site, SmallPlant(site), options))
    await ready(tmp_path, run)
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=2)
    assert await client.connect()
    await beat(client, 5)
    os.kill(os.getpid(), number)
    await run
    assert len((tmp_path / "recorder.jsonl").read_text().splitlines()) == 1
    assert names(tmp_path) >= {"accounts.json", "truth.parquet", "live.json"}
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    client.close()
