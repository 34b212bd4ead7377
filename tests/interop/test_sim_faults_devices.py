"""Faults as the field's protocols show them: exceptions, status codes, values that stand still."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError
from pymodbus.client import AsyncModbusTcpClient

from adapters.driver import LinkStatus, WriteFailed
from facility.clock import from_iso
from facility.loading import load_site
from facility.points import Table
from facility.site import Site
from sim.devices.host import DeviceHost
from sim.devices.registers import Refusal, RegisterMap
from sim.faults import Fault
from sim.lockstep import LockstepDriver
from sim.parameters import PlantParameters
from sim.plant.weather import ConstantWeather
from sim.plant.workload import ConstantLoad
from sim.recorder import Recorder
from sim.simulation import Simulation
from sim.sites import write
from tests.devices_plant import SmallPlant, device, free_ports, site_of

START_S = from_iso("2024-07-10")
SETPOINT = "tcs_supply_temperature_setpoint"


@pytest.fixture
async def hosted(tmp_path: Path) -> AsyncIterator[tuple[Site, SmallPlant, Recorder]]:
    ports = free_ports(2)
    site = site_of(device("cdu1", ports[0]), device("crahs", ports[1], opcua=True))
    plant = SmallPlant(site)
    with Recorder(tmp_path / "recorder.jsonl") as recorder:
        host = DeviceHost(site, plant, recorder, tmp_path)
        await host.start()
        yield site, plant, recorder
        await host.stop()


async def test_a_lost_device_is_an_exception_of_modbus_and_a_status_of_opc_ua(
    hosted: tuple[Site, SmallPlant, Recorder],
) -> None:
    site, plant, recorder = hosted
    client = AsyncModbusTcpClient("127.0.0.1", port=site.devices["cdu1"].port, retries=0)
    assert await client.connect()
    node = site.points["crahs.supply_air_temperature_setpoint"].address
    try:
        async with Client(f"opc.tcp://127.0.0.1:{site.devices['crahs'].port}/") as opc:
            plant.silent |= {"cdu1", "crahs"}
            replies = [
                await client.read_input_registers(0, count=1, device_id=7),
                await client.read_discrete_inputs(3, count=1, device_id=7),
                await client.write_registers(10, [2500], device_id=7),
            ]
            assert [reply.exception_code for reply in replies] == [11, 11, 11]
            value = await opc.get_node(node).read_data_value(raise_on_bad_status=False)
            assert value.StatusCode is not None
            assert value.StatusCode.value == StatusCodes.BadNoCommunication
            assert value.Value is None or value.Value.Value is None
            with pytest.raises(UaStatusCodeError) as caught:
                await opc.get_node(node).write_value(20.0, ua.VariantType.Double)
            assert caught.value.code == StatusCodes.BadNoCommunication
            assert not recorder.accepted
            plant.silent.clear()
            assert not (await client.read_input_registers(0, count=1, device_id=7)).isError()
            assert await opc.get_node(node).read_value() == pytest.approx(20.0)
    finally:
        client.close()


async def test_in_process_a_lost_device_is_a_link_that_is_down() -> None:
    site = site_of(device("cdu1", 502))
    plant = SmallPlant(site)
    driver = LockstepDriver(site, "cdu1", plant, Recorder(), status=LinkStatus, failure=WriteFailed)
    await driver.connect()
    plant.silent.add("cdu1")
    assert not driver.status.connected
    assert await driver.read([f"cdu1.{SETPOINT}"]) == {}
    with pytest.raises(WriteFailed, match="does not answer") as caught:
        await driver.write(f"cdu1.{SETPOINT}", b"\x09\xc4", 1.0)
    assert not caught.value.sent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    write("campus", out, base_port=free_ports(1)[0])
    return out


def test_a_frozen_sensor_repeats_itself_and_a_failed_one_has_no_value(folder: Path) -> None:
    site = load_site(folder)
    simulation = Simulation(
        site,
        PlantParameters.load(folder / "plant.toml", site),
        load=ConstantLoad(site, 0.5),
        weather=ConstantWeather(25.0, 18.0),
        local_control="guideline36",
        start_s=START_S,
        seed=1,
        faults=[
            Fault("sensor_freeze", "cdu1.tcs_flow", START_S + 60.0),
            Fault("sensor_loss", "cdu1.tcs_return_temperature", START_S + 60.0),
            Fault("communication_loss", "cdu2", START_S + 60.0),
        ],
    )
    registers = {name: RegisterMap(site, name, simulation, Recorder()) for name in ("cdu1", "cdu2")}
    flow = site.points["cdu1.tcs_flow"].register
    back = site.points["cdu1.tcs_return_temperature"].register
    simulation.advance(START_S + 60.0)
    frozen = registers["cdu1"].read(Table.INPUT, flow, 2)
    for second in range(61, 90):
        simulation.advance(START_S + second)
        assert registers["cdu1"].read(Table.INPUT, flow, 2) == frozen
        assert registers["cdu1"].read(Table.INPUT, back, 1) == b"\x80\x00"
        assert registers["cdu2"].read(Table.INPUT, 0, 1) is Refusal.NO_RESPONSE
        assert registers["cdu2"].write(16, 0, [1, 2]) is Refusal.NO_RESPONSE


@pytest.mark.parametrize("command", ["sim.devices.__main__", "sim.batch"])
def test_a_file_with_a_fault_that_cannot_be_stops_a_run_before_it_begins(
    folder: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[faults]]\nkind = "pump_trip"\nplace = "cdu9"\nstart = 60\n')
    clock = ["--clock", "stepped"] if "devices" in command else []
    words = ["--site", folder, "--start", "2024-07-10", "--hours", "1", "--local", "fixed",
             "--faults", faults, "--out", tmp_path / "out", *clock]  # fmt: skip
    assert importlib.import_module(command).main([str(word) for word in words]) == 2
    assert "fault 1: pump_trip has no place 'cdu9': name one of cdus" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
