"""The same points in each protocol, as the drivers' contract asks every peer to hold them.

Each peer offers six points, and a seventh is on our list and not on the device.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from facility.devices import Device, HandBackClass, Protocol, Release
from facility.points import Access, DataType, Order, Point, Role, Table

TEMPERATURE, FLOW, RUNNING = "x.temperature", "x.flow", "x.running"
SETPOINT, COUNT, MISSING = "x.setpoint", "x.count", "x.missing"
ENABLE = "x.enable"
"""Of the BACnet peers alone; no driver has it unless a test says so."""
QUANTITIES = {
    TEMPERATURE: "tcs_supply_temperature",
    FLOW: "cooling_load",
    RUNNING: "running",
    SETPOINT: "tcs_supply_temperature_setpoint",
    COUNT: "heartbeat",
    MISSING: "tcs_return_temperature",
    ENABLE: "remote_enable",
}
THERE = {TEMPERATURE: 22.5, FLOW: 1234.5, RUNNING: 1.0, SETPOINT: 32.0, COUNT: 0.0}
"""What every peer shows at first, in canonical units."""
TIMEOUT_S = 20.0
"""Long enough for a busy machine; tests of time-outs set their own."""


def device_of(protocol: Protocol, port: int, **fields: object) -> Device:
    return Device(
        id="x",
        protocol=protocol,
        host="127.0.0.1",
        port=port,
        hand_back=HandBackClass.LIQUID,
        release=Release.RAMP,
        timeout_s=TIMEOUT_S,
        **fields,  # type: ignore[arg-type]  # its fields
    )


def point(
    tag: str, table: Table, address: str, data_type: DataType, unit: str, **fields: object
) -> Point:
    writable = tag in (SETPOINT, COUNT)
    roles = {SETPOINT: Role.SETPOINT, COUNT: Role.HEARTBEAT}
    limits = {"minimum": 18.0, "maximum": 45.0} if tag == SETPOINT else {}
    return Point(
        tag=tag,
        device="x",
        equipment="x",
        quantity=QUANTITIES.get(tag, "unnamed"),
        role=roles.get(tag, Role.SENSOR),
        table=table,
        address=address,
        data_type=data_type,
        unit=unit,
        access=Access.READ_WRITE if writable else Access.READ,
        **{**limits, **fields},  # type: ignore[arg-type]  # its fields
    )


def modbus_points() -> tuple[Point, ...]:
    integer, real = DataType.INT16, DataType.FLOAT32
    return (
        point(TEMPERATURE, Table.INPUT, "0", integer, "degC", scale=0.1),
        point(FLOW, Table.INPUT, "1", real, "kW", word_order=Order.LITTLE),
        point(RUNNING, Table.DISCRETE, "3", DataType.BOOL, "state"),
        point(SETPOINT, Table.HOLDING, "0", integer, "degC", scale=0.01),
        point(COUNT, Table.HOLDING, "4", DataType.UINT16, "count", function_code=6),
        point(MISSING, Table.INPUT, "99", integer, "degC"),
    )


def modbus_words() -> list[str]:
    high, low = struct.unpack(">2H", struct.pack(">f", THERE[FLOW]))
    return ["input:0=225", f"input:1={low}", f"input:2={high}", "discrete:3=1", "holding:0=3200"]


def node_points(namespace: int) -> tuple[Point, ...]:
    rows = (
        (TEMPERATURE, DataType.FLOAT64, "degC"),
        (FLOW, DataType.FLOAT32, "kW"),
        (RUNNING, DataType.BOOL, "state"),
        (SETPOINT, DataType.FLOAT64, "degC"),
        (COUNT, DataType.UINT32, "count"),
        (MISSING, DataType.FLOAT64, "degC"),
    )
    return tuple(
        point(tag, Table.NODE, f"ns={namespace};s={tag}", data_type, unit)
        for tag, data_type, unit in rows
    )


def bacnet_points() -> tuple[Point, ...]:
    real, table = DataType.FLOAT32, Table.OBJECT
    return (
        point(TEMPERATURE, table, "analog-input:1", real, "degC"),
        point(FLOW, table, "analog-input:2", real, "kW"),
        point(RUNNING, table, "binary-input:3", DataType.BOOL, "state"),
        point(SETPOINT, table, "analog-value:4", real, "degC"),
        point(COUNT, table, "analog-value:5", DataType.UINT16, "count"),
        point(MISSING, table, "analog-input:99", real, "degC"),
    )


def bacnet_words(names: Mapping[str, str]) -> list[str]:
    """What the BACnet peers are told to hold; ``names`` of object types as each has them."""
    kinds = {
        TEMPERATURE: ("analog-input", 1),
        FLOW: ("analog-input", 2),
        RUNNING: ("binary-input", 3),
        SETPOINT: ("analog-value", 4),
        COUNT: ("analog-value", 5),
        ENABLE: ("binary-value", 6),
    }
    return [
        f"{names.get(kind, kind)}:{instance}={THERE.get(tag, 0.0):g}"
        for tag, (kind, instance) in kinds.items()
    ]


def redfish_points() -> tuple[Point, ...]:
    unit = "/redfish/v1/ThermalEquipment/CDUs/1"
    real, table = DataType.FLOAT64, Table.RESOURCE
    control = f"{unit}#/SupplyTemperatureControlCelsius"
    return (
        point(TEMPERATURE, table, f"{control}/Reading", real, "degC"),
        point(FLOW, table, f"{unit}/Sensors/Flow#/Reading", real, "kW"),
        point(RUNNING, table, f"{unit}#/Status/State", DataType.BOOL, "state"),
        point(SETPOINT, table, f"{control}/SetPoint", real, "degC"),
        point(COUNT, table, f"{unit}#/Oem/Isotherm/1/Count", DataType.UINT16, "count"),
        point(MISSING, table, f"{unit}/Sensors/None#/Reading", real, "degC"),
    )


def sushy_points() -> tuple[Point, ...]:
    chassis = "/redfish/v1/Chassis/15693887-7984-9484-3272-842188918912"
    real, table = DataType.FLOAT64, Table.RESOURCE
    rows = (
        (TEMPERATURE, "/Thermal#/Temperatures/1/ReadingCelsius", "degC"),
        (FLOW, "/Thermal#/Fans/0/Reading", "kW"),
        (SETPOINT, "/Thermal#/Temperatures/0/ReadingCelsius", "degC"),
        (MISSING, "/Thermal#/Temperatures/9/ReadingCelsius", "degC"),
    )
    return (
        *(point(tag, table, f"{chassis}{address}", real, unit) for tag, address, unit in rows),
        point(RUNNING, table, f"{chassis}#/Status/State", DataType.BOOL, "state"),
    )
