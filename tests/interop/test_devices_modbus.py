"""A raw pymodbus client against the simulated Modbus devices."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from facility.devices import Release
from facility.site import Site
from sim.devices.host import DeviceHost, HostError
from sim.recorder import Recorder
from tests.devices_plant import START_S, SmallPlant, device, free_ports, site_of

UNIT = 7
SUPPLY, FLOW, ENABLE, HEARTBEAT = 10, 11, 13, 14


@dataclass
class Bench:
    """Hosted devices, one client, and the record."""

    site: Site
    plant: SmallPlant
    host: DeviceHost
    recorder: Recorder
    client: AsyncModbusTcpClient
    out: Path

    async def registers(self, address: int, count: int = 1) -> list[int]:
        reply = await self.client.read_input_registers(address, count=count, device_id=UNIT)
        assert not reply.isError(), reply
        assert len(reply.registers) == count
        return list(reply.registers)

    async def write(self, address: int, *registers: int) -> int:
        """The exception code, 0 where the device took it."""
        write = self.client.write_registers
        if address == ENABLE:
            reply = await self.client.write_register(address, registers[0], device_id=UNIT)
        else:
            reply = await write(address, list(registers), device_id=UNIT)
        return int(reply.exception_code) if reply.isError() else 0

    def record(self) -> list[dict[str, object]]:
        self.recorder.flush()
        lines = (self.out / "recorder.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    release = getattr(request, "param", Release.RAMP)
    (port,) = free_ports(1)
    site = site_of(device("cdu1", port, release=release))
    plant = SmallPlant(site)
    with Recorder(tmp_path / "recorder.jsonl") as recorder:
        host = DeviceHost(site, plant, recorder, tmp_path)
        await host.start()
        client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=2)
        assert await client.connect()
        yield Bench(site, plant, host, recorder, client, tmp_path)
        client.close()
        await host.stop()


async def test_reads_show_the_plant_as_it_is_now(bench: Bench) -> None:
    bench.plant.sensors["cdu1.tcs_supply_temperature"] = 24.56
    assert await bench.registers(0) == [246]
    bench.plant.sensors["cdu1.tcs_supply_temperature"] = -1.0
    assert await bench.registers(0) == [65526]


async def test_a_float_lies_low_word_first_in_litres_a_minute(bench: Bench) -> None:
    bench.plant.sensors["cdu1.tcs_flow"] = 12.5
    low, high = await bench.registers(2, 2)
    assert struct.unpack(">f", struct.pack(">HH", high, low)) == (750.0,)


async def test_a_read_may_begin_inside_a_value_and_span_several(bench: Bench) -> None:
    whole = await bench.registers(2, 4)
    assert await bench.registers(3, 3) == whole[1:]


async def test_a_broken_sensor_reads_as_its_sentinel(bench: Bench) -> None:
    bench.plant.broken.add("cdu1.tcs_supply_temperature")
    assert await bench.registers(0) == [0x8000]


async def test_coils_and_discrete_inputs_are_single_bits(bench: Bench) -> None:
    bench.plant.sensors["cdu1.leak"] = 1.0
    reply = await bench.client.read_discrete_inputs(3, count=1, device_id=UNIT)
    assert reply.bits[0] is True
    reply = await bench.client.read_discrete_inputs(2, count=2, device_id=UNIT)
    assert reply.exception_code == 2


@pytest.mark.parametrize(("address", "count"), [(1, 1), (0, 3), (99, 1), (65535, 2)])
async def test_an_unknown_register_is_exception_2(bench: Bench, address: int, count: int) -> None:
    reply = await bench.client.read_input_registers(address, count=count, device_id=UNIT)
    assert reply.exception_code == 2


async def test_another_unit_id_is_nobody(bench: Bench) -> None:
    reply = await bench.client.read_input_registers(0, count=1, device_id=UNIT + 1)
    assert reply.exception_code == 11
    reply = await bench.client.write_registers(SUPPLY, [2500], device_id=UNIT + 1)
    assert reply.exception_code == 11
    assert bench.recorder.requests == {"nobody": 1}


async def test_every_way_of_writing_is_counted_and_the_wrong_ones_refused(bench: Bench) -> None:
    client = bench.client
    replies = [
        await client.write_coil(3, True, device_id=UNIT),
        await client.write_coils(3, [True, False], device_id=UNIT),
        await client.write_register(SUPPLY, 2500, device_id=UNIT),  # wants function 16
        await client.write_registers(ENABLE, [1], device_id=UNIT),  # wants function 6
        await client.mask_write_register(
            address=SUPPLY, and_mask=0xFFFF, or_mask=0x0001, device_id=UNIT
        ),
        await client.readwrite_registers(
            read_address=SUPPLY, read_count=1, write_address=SUPPLY, values=[2500],
            device_id=UNIT,
        ),
        await client.write_registers(99, [1], device_id=UNIT),
        await client.write_registers(FLOW, [1], device_id=UNIT),  # half a float
        await client.write_registers(FLOW, [0x0000, 0x7FC0], device_id=UNIT),  # NaN
        await client.write_registers(SUPPLY, [4001], device_id=UNIT),  # 40.01 C
    ]  # fmt: skip
    assert [reply.exception_code for reply in replies] == [2, 2, 1, 1, 1, 1, 2, 3, 3, 3]
    assert bench.recorder.requests == {"cdu1": 10}
    assert sum(bench.recorder.rejected.values()) == 10
    assert not bench.recorder.accepted
    assert [line["accepted"] for line in bench.record()] == [False] * 10
    assert bench.plant.read("cdu1.tcs_supply_temperature_setpoint").value == 20.0


async def test_a_write_of_several_values_is_all_or_nothing(bench: Bench) -> None:
    flow = struct.unpack(">HH", struct.pack(">f", 9999.0))
    assert await bench.write(SUPPLY, 2500, flow[1], flow[0]) == 3
    assert bench.plant.read("cdu1.tcs_supply_temperature_setpoint").value == 20.0
    flow = struct.unpack(">HH", struct.pack(">f", 600.0))
    assert await bench.write(SUPPLY, 2500, flow[1], flow[0]) == 0
    assert bench.plant.read("cdu1.tcs_supply_temperature_setpoint").value == 25.0
    assert bench.plant.read("cdu1.tcs_flow_setpoint").value == 10.0


@pytest.mark.parametrize("bench", list(Release), indirect=True)
async def test_armed_by_a_client_it_follows_and_without_beats_it_goes_home(bench: Bench) -> None:
    assert await bench.write(SUPPLY, 3000) == 0
    assert await bench.write(HEARTBEAT, 1) == 0
    assert await bench.write(ENABLE, 1) == 0
    assert await bench.registers(4) == [1]
    for second in range(1, 8):
        assert await bench.write(HEARTBEAT, second + 1) == 0
        await bench.host.advance(START_S + second)
    assert await bench.registers(4, 2) == [1, 3000]
    silent_since = bench.plant.now_s
    while await bench.registers(4) == [1]:
        await bench.host.advance(bench.plant.now_s + 1.0)
    assert bench.plant.now_s - silent_since <= bench.site.devices["cdu1"].watchdog_s
    (in_force,) = await bench.registers(5)
    jumps = bench.site.devices["cdu1"].release is Release.JUMP
    assert in_force == (2000 if jumps else 2997)  # 30.00 - 2 K/min for a second
    await bench.host.advance(bench.plant.now_s + 301.0)
    assert await bench.registers(5) == [2000]


async def test_the_record_is_what_was_sent_byte_by_byte(bench: Bench) -> None:
    flow = struct.unpack(">HH", struct.pack(">f", 750.0))
    await bench.write(SUPPLY, 2550)
    await bench.write(FLOW, flow[1], flow[0])
    await bench.host.advance(START_S + 1.0)
    await bench.write(HEARTBEAT, 258)
    await bench.write(ENABLE, 1)
    await bench.write(ENABLE, 0)
    wanted = [
        (START_S, "cdu1.tcs_supply_temperature_setpoint", "10", "09f6", 25.5, "setpoint"),
        (START_S, "cdu1.tcs_flow_setpoint", "11", "8000443b", 12.5, "setpoint"),
        (START_S + 1.0, "cdu1.heartbeat", "14", "0102", 258.0, "heartbeat"),
        (START_S + 1.0, "cdu1.remote_enable", "13", "0001", 1.0, "enable"),
        (START_S + 1.0, "cdu1.remote_enable", "13", "0000", 0.0, "release"),
    ]
    keys = ("time_s", "tag", "address", "raw", "value", "kind")
    assert [tuple(line[key] for key in keys) for line in bench.record()] == wanted
    assert bench.recorder.counts()["accepted"] == {
        "enable": 1, "heartbeat": 1, "release": 1, "setpoint": 2,
    }  # fmt: skip


async def test_two_units_behind_one_address_are_two_devices(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    first, second = device("cdu1", port), replace(device("cdu2", port), unit_id=8)
    plant = SmallPlant(site := site_of(first, second))
    host = DeviceHost(site, plant, Recorder(), tmp_path)
    await host.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=2)
    assert await client.connect()
    plant.sensors["cdu2.tcs_supply_temperature"] = 33.0
    one = await client.read_input_registers(0, count=1, device_id=7)
    two = await client.read_input_registers(0, count=1, device_id=8)
    assert (one.registers, two.registers) == ([200], [330])
    client.close()
    await host.stop()


async def test_ports_in_use_are_all_named_and_nothing_listens_afterwards(tmp_path: Path) -> None:
    ports = free_ports(3)
    holders = [
        await asyncio.start_server(lambda r, w: None, "127.0.0.1", port) for port in ports[1:]
    ]
    site = site_of(*(device(f"cdu{i}", port) for i, port in enumerate(ports)))
    host = DeviceHost(site, SmallPlant(site), Recorder(), tmp_path)
    with pytest.raises(HostError) as caught:
        await host.start()
    lines = str(caught.value).splitlines()
    assert [f"cdu{i}: 127.0.0.1:{ports[i]} is in use" in line for i, line in enumerate(lines, 1)]
    assert len(lines) == 2
    assert all("another port in site.toml" in line for line in lines)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports[0])
    for holder in holders:
        holder.close()


async def test_overlapping_registers_are_refused_by_name(tmp_path: Path) -> None:
    site = site_of(device("cdu1", 15002))
    points = dict(site.points)
    points["cdu1.leak"] = replace(points["cdu1.leak"], table=points["cdu1.tcs_flow"].table)
    with pytest.raises(HostError, match=r"cdu1\.leak and cdu1\.tcs_flow share input 3"):
        DeviceHost(replace(site, points=points), SmallPlant(site), Recorder(), tmp_path)
