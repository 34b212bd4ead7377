"""``python -m sim.devices`` with the whole plant behind it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client
from pymodbus.client import AsyncModbusTcpClient

from controller.demo.ports import free_block
from facility.clock import SteppedClock
from facility.loading import load_site
from facility.site import Site
from sim.sites import write

DEVICES = 20
"""Ports in a row, below those that the system hands out by itself."""
TEMPERATURE = "tcs_supply_temperature_setpoint"


@pytest.fixture
def campus(tmp_path: Path) -> Site:
    directory = tmp_path / "campus"
    write("campus", directory, free_block(DEVICES))
    return load_site(directory)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def started(tmp_path: Path, *more: str) -> Process:
    arguments = ("--site", str(tmp_path / "campus"), "--out", str(tmp_path / "out"), *more)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sim.devices", "--start", "2024-04-07", "--hours", "1", *arguments),
        stderr=PIPE,
    )


@pytest.fixture
async def stepped(campus: Site, tmp_path: Path) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    process = await started(tmp_path, "--clock", "stepped", "--clients", "gateway")
    assert process.stderr is not None
    ready = tmp_path / "out" / "ready.json"
    async with asyncio.timeout(100.0):
        while not ready.exists():
            assert process.returncode is None, await process.stderr.read()
            await asyncio.sleep(0.05)
    yield process, json.loads(ready.read_text())
    if process.returncode is None:
        process.kill()
        await process.wait()


class Cdu:
    """A CDU under a raw client."""

    def __init__(self, site: Site, name: str, client: AsyncModbusTcpClient) -> None:
        self._points = {p.quantity: p for p in site.device_points(name)}
        self.client = client

    async def write(self, quantity: str, raw: int) -> None:
        register = self._points[quantity].register
        assert not (await self.client.write_registers(register, [raw])).isError()

    async def read(self, quantity: str) -> int:
        register = self._points[quantity].register
        return int((await self.client.read_input_registers(register, count=1)).registers[0])


async def test_devices_are_armed_followed_and_lost_over_the_real_plant(
    campus: Site, stepped: tuple[Process, dict[str, Any]], tmp_path: Path
) -> None:
    process, ready = stepped
    clock = await SteppedClock.join(ready["clock"]["host"], ready["clock"]["port"], "gateway")
    cdus = []
    for name in ("cdu1", "cdu4"):  # cdu4 jumps on release
        client = AsyncModbusTcpClient("127.0.0.1", port=campus.devices[name].port, retries=0)
        assert await client.connect()
        cdus.append(Cdu(campus, name, client))
    ramps, jumps = cdus
    local = await ramps.read(f"{TEMPERATURE}_in_force")
    before = await ramps.read("tcs_supply_temperature")
    for cdu in cdus:
        await cdu.write(TEMPERATURE, local + 300)
        await cdu.write("heartbeat", 1)
        await cdu.write("remote_enable", 1)
        assert await cdu.read(f"{TEMPERATURE}_in_force") == local + 300
    async with Client(f"opc.tcp://127.0.0.1:{campus.devices['bms'].port}/") as bms:
        wet_bulb = bms.get_node(campus.points["outdoor.wet_bulb_temperature"].address)
        assert -30.0 < await wet_bulb.read_value() < 40.0
        outside = await bms.get_node(ua.NodeId.from_string("i=2258")).read_data_value(
            raise_on_bad_status=False
        )
        assert outside.Value is not None  # the server's own nodes are there too
        for second in range(2, 602):
            await clock.sleep_until(clock.now_s() + 1.0)
            for cdu in cdus:
                await cdu.write("heartbeat", second)
    assert await ramps.read("tcs_supply_temperature") > before + 15  # 1.5 K warmer than before
    silent_since = clock.now_s()
    while await ramps.read("remote_active") or await jumps.read("remote_active"):
        await clock.sleep_until(clock.now_s() + 1.0)
    assert clock.now_s() - silent_since <= campus.devices["cdu1"].watchdog_s
    await clock.sleep_until(clock.now_s() + 1.0)
    assert await jumps.read(f"{TEMPERATURE}_in_force") < local + 200
    assert await ramps.read(f"{TEMPERATURE}_in_force") > local + 280
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    lines = (tmp_path / "out" / "recorder.jsonl").read_text().splitlines()
    accounts = json.loads((tmp_path / "out" / "accounts.json").read_text())
    assert len(lines) == sum(accounts["writes"]["accepted"].values()) == 2 * (3 + 600)
    assert accounts["writes"]["requests"] == {"cdu1": 603, "cdu4": 603}
    assert accounts["energy_kwh"]["pumps"] > 0.0
    for cdu in cdus:
        cdu.client.close()
    await clock.leave()


async def test_a_port_in_use_stops_it_before_anything_listens(campus: Site, tmp_path: Path) -> None:
    taken = campus.devices["cdu3"].port
    holder = await asyncio.start_server(lambda r, w: None, "127.0.0.1", taken)
    process = await started(tmp_path, "--clock", "stepped")
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert f"device cdu3: 127.0.0.1:{taken} is in use; end the program" in complaint.decode()
    assert not (tmp_path / "out").exists()
    assert all(_is_free(d.port) for d in campus.devices.values() if d.port != taken)
    holder.close()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--clock", "stepped", "--rate", "5"), "use --pace to hold a stepped run back"),
        (("--clock", "wall", "--pace", "5"), "use --rate in wall time"),
        (("--clock", "wall", "--rate", "50"), "use --clock stepped to go faster"),
        (("--clock", "wall", "--rate", "0"), "'0' is not a number above 0"),
        (("--clock", "wall", "--load", "no.csv"), "there is no file no.csv"),
        (("--clock", "wall", "--start", "today"), "'today' is not an ISO 8601 date"),
    ],
)
def test_a_mistaken_command_line_says_what_to_write_instead(
    arguments: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from sim.devices.options import parse

    base = ("--site", str(tmp_path), "--start", "2024-04-07", "--hours", "1", "--out", "o")
    with pytest.raises(SystemExit) as caught:
        parse((*base, *arguments))
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err
