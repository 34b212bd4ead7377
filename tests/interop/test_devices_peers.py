"""The simulated devices read and written by programs that we did not write."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.driver_peers import Bench, running
from tests.peer_points import COUNT, RUNNING, SETPOINT, TEMPERATURE
from tests.peer_programs import node_script

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def said(*command: str) -> str:
    """What a program says; fails where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await process.communicate()
    assert process.returncode == 0, f"{command}: {out.decode()} {error.decode()}"
    return out.decode()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def modbus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with running("simulated-modbus", tmp_path_factory.mktemp("peer")) as bench:
        yield bench


async def mbpoll(bench: Bench, *words: str) -> str:
    if shutil.which("mbpoll") is None:
        pytest.skip("mbpoll is absent: apt-get install mbpoll")
    head = ("mbpoll", "-m", "tcp", "-p", str(bench.device.port), "-a", "1", "-0", "-1", "-q")
    return await said(*head, *words)


async def test_mbpoll_reads_the_simulators_integers_floats_and_contacts(modbus: Bench) -> None:
    assert "225" in await mbpoll(modbus, "-t", "3", "-r", "0", "127.0.0.1")
    # mbpoll's float has the low word first unless told otherwise, as this device has.
    assert "1234.5" in await mbpoll(modbus, "-t", "3:float", "-r", "1", "127.0.0.1")
    assert "[3]: \t1" in await mbpoll(modbus, "-t", "1", "-r", "3", "127.0.0.1")


async def test_mbpoll_writes_a_register_that_our_driver_reads_back(modbus: Bench) -> None:
    await mbpoll(modbus, "-t", "4", "-r", "4", "127.0.0.1", "3125")
    assert "3125" in await mbpoll(modbus, "-t", "4", "-r", "4", "127.0.0.1")
    driver = modbus.driver()
    await driver.connect()
    assert (await driver.read([COUNT]))[COUNT].value == 3125.0
    await driver.close()


async def test_node_opcua_reads_and_writes_the_simulator_in_cipher(tmp_path: Path) -> None:
    client = node_script("node_opcua_client.js")
    async with running("simulated-opcua", tmp_path) as bench:
        folder = tmp_path / "simulated-opcua"
        (folder / "trusted").mkdir()
        shutil.copy(folder / "x.der", folder / "trusted")
        url = f"opc.tcp://127.0.0.1:{bench.device.port}/"
        nodes = {t: f"ns=2;s={t}" for t in (TEMPERATURE, RUNNING, SETPOINT, COUNT)}
        asked = [nodes[TEMPERATURE], nodes[RUNNING], f"{nodes[SETPOINT]}=30.5", f"{nodes[COUNT]}=7"]
        answer = await said(*client, url, "Aes256_Sha256_RsaPss", str(folder), *asked)
        found = json.loads(next(line for line in answer.splitlines() if line.startswith("{")))
        assert found[nodes[TEMPERATURE]] == ["Good", 22.5]
        assert found[nodes[RUNNING]] == ["Good", True]
        assert found[nodes[SETPOINT]] == ["Good", 30.5]
        assert found[nodes[COUNT]] == ["Good", 7]
