"""A site small enough to read, and servers that misbehave on purpose, for tests of adapters."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from facility.devices import Actuator, Cooling, Device, HandBackClass, Protocol, Release
from facility.equipment import CDU, CRAH, CoolingLoop, Hall, Rack, RackKind
from facility.outside import Tariff
from facility.points import Access, DataType, Order, Point, Role, Table
from facility.site import GatewayLimits, Site

START_S = 1_712_448_000.0
"""2024-04-07T00:00:00Z."""
NO_SECURITY = "None: a test on the loopback address"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def small_site(*, cdus: int = 2, crah: bool = True, ports: Mapping[str, int] | None = None) -> Site:
    """A hall with CDUs on Modbus and, if asked, a CRAH and the sensors on OPC UA (`bms`)."""
    ports = ports or {}
    points: list[Point] = []
    actuators: dict[str, Actuator] = {}
    devices: dict[str, Device] = {}
    units = [f"cdu-{i + 1}" for i in range(cdus)]
    for unit in units:
        devices[unit] = Device(
            id=unit,
            protocol=Protocol.MODBUS,
            host="127.0.0.1",
            port=ports.get(unit, 502),
            hand_back=HandBackClass.LIQUID,
            release=Release.RAMP,
            max_gap=4,
        )
        points += _cdu_points(unit)
        actuators |= _actuator(
            unit, "tcs_supply_temperature_setpoint", unit, (18.0, 45.0), Cooling.LOWER, 32.0
        )
        actuators |= _actuator(unit, "tcs_flow_setpoint", unit, (10.0, 60.0), Cooling.HIGHER, 40.0)
    devices["bms"] = Device(
        id="bms",
        protocol=Protocol.OPCUA,
        host="127.0.0.1",
        port=ports.get("bms", 4840),
        hand_back=HandBackClass.AIR,
        release=Release.JUMP,
        watchdog_s=20.0,
        security=NO_SECURITY,
    )
    points += _bms_points(crah, len(units))
    if crah:
        actuators |= _actuator(
            "crah-1", "supply_air_temperature_setpoint", "bms", (16.0, 27.0), Cooling.LOWER, 20.0
        )
    racks = {
        f"rack-{i + 1}": Rack(
            id=f"rack-{i + 1}",
            hall="hall-1",
            kind=RackKind.DIRECT_TO_CHIP,
            rated_kw=100.0,
            units=(unit,),
            limit_c=65.0,
            recommended_c=60.0,
            row=0,
            position=i,
            design_flow_ls=2.0,
            to_air_share=0.1,
        )
        for i, unit in enumerate(units)
    }
    if crah:
        racks["rack-air"] = Rack(
            id="rack-air",
            hall="hall-1",
            kind=RackKind.AIR,
            rated_kw=15.0,
            units=("crah-1",),
            limit_c=32.0,
            recommended_c=27.0,
            row=1,
            position=0,
        )
    return Site(
        id="small",
        name="A small site",
        latitude=39.1,
        longitude=-77.5,
        elevation_m=100.0,
        halls={"hall-1": Hall("hall-1", "Hall 1", "A2")},
        racks=racks,
        loops={
            "warm": CoolingLoop("warm", 40.0, 15.0, 1000.0, 40.0, trim="cool"),
            "cool": CoolingLoop("cool", 18.0, 6.0, 1000.0, 40.0),
        },
        cdus={u: CDU(u, "hall-1", "warm", 400.0, 40.0, 8.0, 45.0) for u in units},
        crahs={"crah-1": CRAH("crah-1", "hall-1", "cool", 100.0, 10.0)} if crah else {},
        chillers={},
        towers={},
        devices=devices,
        points={p.tag: p for p in points},
        actuators=actuators,
        tariff=Tariff("EUR", 0.1, 300.0, 50.0, 10.0),
        gateway=GatewayLimits(),
        source={"site.toml": "0" * 64},
    )


def _cdu_points(unit: str) -> list[Point]:
    def row(
        quantity: str,
        register: int,
        data_type: DataType,
        role: Role = Role.SENSOR,
        **fields: object,
    ) -> Point:
        writable = role in (Role.SETPOINT, Role.ENABLE, Role.HEARTBEAT)
        base: dict[str, object] = {"unit": "degC", **fields}
        return Point(
            tag=f"{unit}.{quantity}",
            device=unit,
            equipment=unit,
            quantity=quantity,
            role=role,
            table=Table.HOLDING if writable else Table.INPUT,
            address=str(register),
            data_type=data_type,
            access=Access.READ_WRITE if writable else Access.READ,
            word_order=Order.LITTLE,
            **base,  # type: ignore[arg-type]  # the keywords of a Point
        )

    supply, flow = "tcs_supply_temperature_setpoint", "tcs_flow_setpoint"
    return [
        row("tcs_supply_temperature", 0, DataType.INT16, scale=0.1, minimum=-30.0, maximum=110.0),
        row("tcs_flow", 1, DataType.FLOAT32, unit="L/min"),
        row(f"{supply}_in_force", 3, DataType.INT16, scale=0.01),
        row(f"{flow}_in_force", 4, DataType.FLOAT32, unit="L/min"),
        row("leak", 6, DataType.UINT16, unit="state"),
        row("remote_active", 8, DataType.UINT16, Role.AUTHORITY, unit="state"),
        row(
            supply,
            0,
            DataType.INT16,
            Role.SETPOINT,
            scale=0.01,
            minimum=18.0,
            maximum=45.0,
            read_back=f"{unit}.{supply}_in_force",
            tolerance=0.05,
        ),
        row(
            flow,
            1,
            DataType.FLOAT32,
            Role.SETPOINT,
            unit="L/min",
            minimum=10.0,
            maximum=60.0,
            read_back=f"{unit}.{flow}_in_force",
            tolerance=0.05,
        ),
        row("remote_enable", 3, DataType.UINT16, Role.ENABLE, unit="state"),
        row("heartbeat", 4, DataType.UINT16, Role.HEARTBEAT, unit="count", function_code=6),
    ]


def _bms_points(crah: bool, racks: int) -> list[Point]:
    def node(
        equipment: str,
        quantity: str,
        unit: str,
        role: Role = Role.SENSOR,
        data_type: DataType = DataType.FLOAT64,
        **fields: object,
    ) -> Point:
        writable = role in (Role.SETPOINT, Role.ENABLE, Role.HEARTBEAT)
        tag = f"{equipment}.{quantity}"
        return Point(
            tag=tag,
            device="bms",
            equipment=equipment,
            quantity=quantity,
            role=role,
            table=Table.NODE,
            address=f"ns=2;s={tag}",
            data_type=data_type,
            unit=unit,
            access=Access.READ_WRITE if writable else Access.READ,
            **fields,  # type: ignore[arg-type]  # the keywords of a Point
        )

    rows = [
        node("hall-1", "dew_point_temperature", "degC"),
        node("bms", "remote_enable", "state", Role.ENABLE, DataType.BOOL),
        node("bms", "heartbeat", "count", Role.HEARTBEAT, DataType.UINT32),
        node("bms", "remote_active", "state", Role.AUTHORITY, DataType.BOOL),
    ]
    rows += [node(f"rack-{i + 1}", "case_temperature", "degC") for i in range(racks)]
    if crah:
        rows.append(node("rack-air", "inlet_temperature", "degC"))
        setpoint = "supply_air_temperature_setpoint"
        rows += [
            node("crah-1", "supply_air_temperature", "degC"),
            node("crah-1", f"{setpoint}_in_force", "degC"),
            node(
                "crah-1",
                setpoint,
                "degC",
                Role.SETPOINT,
                minimum=16.0,
                maximum=27.0,
                read_back=f"crah-1.{setpoint}_in_force",
                tolerance=0.1,
            ),
        ]
    return rows


def _actuator(
    equipment: str,
    quantity: str,
    device: str,
    span: tuple[float, float],
    cooling: Cooling,
    fallback: float,
) -> dict[str, Actuator]:
    tag = f"{equipment}.{quantity}"
    return {
        tag: Actuator(
            id=tag,
            equipment=equipment,
            quantity=quantity,
            device=device,
            group=f"{tag}.group",
            unit="L/s" if "flow" in quantity else "degC",
            minimum=span[0],
            maximum=span[1],
            cooling=cooling,
            rate_towards_per_min=10.0,
            rate_away_per_min=5.0,
            dead_band=0.1,
            dwell_s=0.0,
            writes_per_hour=600,
            jump_towards=10.0,
            dew_point_margin_k=3.0 if quantity == "tcs_supply_temperature_setpoint" else None,
            read_back=f"{tag}_in_force",
            tolerance=0.1,
            fallback=fallback,
        )
    }


def with_device(site: Site, device: str, **changes: object) -> Site:
    """The site with some fields of a device changed."""
    changed = replace(site.devices[device], **changes)  # type: ignore[arg-type]  # its fields
    return replace(site, devices={**site.devices, device: changed})


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted_server(script: Script) -> AsyncIterator[int]:
    """A TCP server that does what a test says with each connection; answers its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            return
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
