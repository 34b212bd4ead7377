"""A site and a plant small enough to read, for tests of what stands in front of a plant."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from facility.devices import Actuator, Cooling, Device, HandBackClass, Protocol, Release
from facility.equipment import Hall, Rack, RackKind
from facility.outside import Tariff
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.site import GatewayLimits, Site
from sim.authority import DeviceAuthority

START_S = 1_712_448_000.0
"""2024-04-07T00:00:00Z."""
WATCHDOG_S = 4.0
NO_SECURITY = "None: devices of a test on the loopback interface"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def modbus_points(device: str) -> tuple[Point, ...]:
    """Input 0: int16, 2: swapped float; holding 10 to 14: setpoints, enable, heartbeat."""
    base = Point(
        tag="",
        device=device,
        equipment=device,
        quantity="",
        role=Role.SENSOR,
        table=Table.INPUT,
        address="0",
        data_type=DataType.INT16,
        unit="degC",
        access=Access.READ,
    )
    setpoint = replace(base, role=Role.SETPOINT, table=Table.HOLDING, access=Access.READ_WRITE)
    rows = (
        replace(base, quantity="tcs_supply_temperature", scale=0.1, sentinels=(-32768,)),
        replace(
            base,
            quantity="tcs_flow",
            address="2",
            data_type=DataType.FLOAT32,
            unit="L/min",
            word_order=Order.LITTLE,
        ),
        replace(
            base, quantity="remote_active", role=Role.AUTHORITY, address="4", unit="state",
            data_type=DataType.UINT16,
        ),
        replace(
            base, quantity="tcs_supply_temperature_setpoint_in_force", address="5", scale=0.01
        ),
        replace(
            setpoint,
            quantity="tcs_supply_temperature_setpoint",
            address="10",
            scale=0.01,
            minimum=18.0,
            maximum=40.0,
            read_back=f"{device}.tcs_supply_temperature_setpoint_in_force",
        ),
        replace(
            setpoint, quantity="tcs_flow_setpoint", address="11", data_type=DataType.FLOAT32,
            unit="L/min", word_order=Order.LITTLE, minimum=5.0, maximum=20.0,
        ),
        replace(
            setpoint, quantity="remote_enable", role=Role.ENABLE, address="13", unit="state",
            data_type=DataType.UINT16, function_code=6,
        ),
        replace(
            setpoint, quantity="heartbeat", role=Role.HEARTBEAT, address="14", unit="count",
            data_type=DataType.UINT16,
        ),
        replace(
            base, quantity="leak", table=Table.DISCRETE, address="3", unit="state",
            data_type=DataType.BOOL,
        ),
    )  # fmt: skip
    return tuple(replace(row, tag=f"{device}.{row.quantity}") for row in rows)


def opcua_points(device: str) -> tuple[Point, ...]:
    """Doubles, a boolean enable and an unsigned heartbeat, named by their tags."""
    base = Point(
        tag="",
        device=device,
        equipment=device,
        quantity="",
        role=Role.SENSOR,
        table=Table.NODE,
        address="",
        data_type=DataType.FLOAT64,
        unit="degC",
        access=Access.READ,
    )
    setpoint = replace(base, role=Role.SETPOINT, access=Access.READ_WRITE)
    rows = (
        replace(base, quantity="supply_air_temperature"),
        replace(base, quantity="supply_air_temperature_setpoint_in_force"),
        replace(
            base, quantity="remote_active", role=Role.AUTHORITY, unit="state",
            data_type=DataType.BOOL,
        ),
        replace(
            setpoint, quantity="supply_air_temperature_setpoint", minimum=15.0, maximum=27.0,
            read_back=f"{device}.supply_air_temperature_setpoint_in_force",
        ),
        replace(
            setpoint, quantity="remote_enable", role=Role.ENABLE, unit="state",
            data_type=DataType.BOOL,
        ),
        replace(
            setpoint, quantity="heartbeat", role=Role.HEARTBEAT, unit="count",
            data_type=DataType.UINT32,
        ),
    )  # fmt: skip
    return tuple(
        replace(row, tag=f"{device}.{row.quantity}", address=f"ns=2;s={device}.{row.quantity}")
        for row in rows
    )


def device(name: str, port: int, *, opcua: bool = False, release: Release = Release.RAMP) -> Device:
    return Device(
        id=name,
        protocol=Protocol.OPCUA if opcua else Protocol.MODBUS,
        host="127.0.0.1",
        port=port,
        hand_back=HandBackClass.LIQUID,
        release=release,
        watchdog_s=WATCHDOG_S,
        unit_id=1 if opcua else 7,
        security=NO_SECURITY if opcua else "",
    )


def actuator(point: Point, *, cooling: Cooling = Cooling.LOWER, fallback: float) -> Actuator:
    """Rates as the envelope's defaults: 2 K/min towards cooling, 0.1 K/min away."""
    return Actuator(
        id=point.tag,
        equipment=point.equipment,
        quantity=point.quantity,
        device=point.device,
        group=point.tag,
        unit=point.unit,
        minimum=point.minimum or 0.0,
        maximum=point.maximum or 100.0,
        cooling=cooling,
        rate_towards_per_min=2.0,
        rate_away_per_min=0.1,
        dead_band=0.1,
        dwell_s=60.0,
        writes_per_hour=6,
        jump_towards=5.0,
        dew_point_margin_k=None,
        read_back=point.read_back,
        tolerance=0.05,
        fallback=fallback,
    )


def site_of(*devices: Device) -> Site:
    """A hall with the points and actuators of these devices and one rack of the first."""
    points: dict[str, Point] = {}
    for item in devices:
        opcua = item.protocol is Protocol.OPCUA
        for point in opcua_points(item.id) if opcua else modbus_points(item.id):
            points[point.tag] = point
    actuators = [
        actuator(
            point,
            cooling=Cooling.HIGHER if "flow" in point.quantity else Cooling.LOWER,
            fallback=10.0 if "flow" in point.quantity else 20.0,
        )
        for point in points.values()
        if point.role is Role.SETPOINT
    ]
    rack = Rack("r1", "hall1", RackKind.DIRECT_TO_CHIP, 100.0, ("cdu1",), 80.0, 70.0, 0, 0)
    return Site(
        id="small",
        name="Small",
        latitude=39.0,
        longitude=-77.0,
        elevation_m=100.0,
        halls={"hall1": Hall("hall1", "Hall 1", "A2")},
        racks={rack.id: rack},
        loops={},
        cdus={},
        crahs={},
        chillers={},
        towers={},
        devices={item.id: item for item in devices},
        points=points,
        actuators={item.id: item for item in actuators},
        tariff=Tariff("USD", 0.1, 300.0, 0.0, 0.0),
        gateway=GatewayLimits(),
    )


@dataclass(frozen=True, slots=True)
class Measured:
    value: float | None
    ok: bool
    time_s: float


@dataclass(frozen=True, slots=True)
class Books:
    energy_kwh: float


class SmallPlant:
    """Sensors show what a test puts into ``sensors``; devices keep the real authority."""

    def __init__(self, site: Site, start_s: float = START_S) -> None:
        self._site, self._start_s = site, start_s
        self.reset()

    def reset(self) -> None:
        """As new."""
        site = self._site
        self.now_s = self._start_s
        self.sensors: dict[str, float | None] = dict.fromkeys(site.points, 20.0)
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.authority = DeviceAuthority(site)
        self.local = np.array([a.fallback for a in site.actuators.values()])
        self.authority.in_force(self.local, self.now_s, 1.0)

    def advance(self, to_s: float) -> None:
        while self.now_s + 1.0 <= to_s:
            self.now_s += 1.0
            self.authority.in_force(self.local, self.now_s, 1.0)

    def read(self, tag: str) -> Measured:
        if self.authority.owns(tag):
            value = self.authority.read(tag, self.now_s)
        else:
            value = self.sensors[tag]
        return Measured(value, tag not in self.broken and value is not None, self.now_s)

    def write(self, tag: str, value: float) -> bool:
        return self.authority.write(tag, value, self.now_s)

    def answers(self, device: str) -> bool:
        return device not in self.silent

    def truth(self) -> Mapping[str, float]:
        return {tag: value for tag, value in self.sensors.items() if value is not None}

    def accounts(self) -> Books:
        return Books(energy_kwh=1.0)
