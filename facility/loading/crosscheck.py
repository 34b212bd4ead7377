"""What must fit together across the files: references, overlaps, and what control needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from facility.devices import Actuator, Device, Login, Protocol, Report
from facility.equipment import RackKind
from facility.loading.points_csv import FILE as POINTS
from facility.loading.points_csv import NumberedPoint
from facility.loading.problems import Problem
from facility.loading.table import TableReader
from facility.loading.topology import FILE as TOPOLOGY
from facility.loading.topology import Topology
from facility.points import Point, Role, Table
from facility.quantities import UNNAMED

# What a device needs before Isotherm may set anything on it.
CONTROL_ROLES = {
    Role.ENABLE: "remote_enable",
    Role.HEARTBEAT: "heartbeat",
    Role.AUTHORITY: "remote_active",
}


def check_topology(topology: Topology, problems: list[Problem]) -> None:
    """Every id that one table names in another must be there."""
    for rack in topology.racks.values():
        reader = TableReader(TOPOLOGY, f"[[racks]] ({rack.id})", {}, problems)
        reader.known("hall", rack.hall, topology.halls, "hall")
        units: Mapping[str, object] = topology.crahs if rack.kind is RackKind.AIR else topology.cdus
        for unit in rack.units:
            reader.known("units", unit, units, "CRAH" if rack.kind is RackKind.AIR else "CDU")
        if not rack.units or (rack.kind is not RackKind.AIR and len(rack.units) > 1):
            reader.problem(
                "units",
                f"it names {len(rack.units)} cooling units",
                "An air-cooled rack names its CRAHs, any other (a rear door, a tank) its CDU.",
            )
        if rack.recommended_c > rack.limit_c:
            reader.problem(
                "recommended_c",
                f"{rack.recommended_c:g} is above the limit {rack.limit_c:g}",
                "The limit is the higher one.",
            )
    for name, units_of in (("cdus", topology.cdus), ("crahs", topology.crahs)):
        for unit_id, cooling_unit in units_of.items():
            reader = TableReader(TOPOLOGY, f"[[{name}]] ({unit_id})", {}, problems)
            reader.known("hall", cooling_unit.hall, topology.halls, "hall")
            reader.known("loop", cooling_unit.loop, topology.loops, "loop")
    for cdu in topology.cdus.values():
        if cdu.min_tcs_flow_ls >= cdu.design_tcs_flow_ls:
            TableReader(TOPOLOGY, f"[[cdus]] ({cdu.id})", {}, problems).problem(
                "min_tcs_flow_ls", "it is not below the design flow", "Mend one of the two."
            )
    for chiller in topology.chillers.values():
        TableReader(TOPOLOGY, f"[[chillers]] ({chiller.id})", {}, problems).known(
            "loop", chiller.loop, topology.loops, "loop"
        )
    for loop in topology.loops.values():
        reader = TableReader(TOPOLOGY, f"[[loops]] ({loop.id})", {}, problems)
        if loop.trim:
            reader.known("trim", loop.trim, topology.loops, "loop")
        if loop.supply_min_c >= loop.supply_max_c:
            reader.problem("supply_min_c", "it is not below supply_max_c", "Swap or mend them.")
    _check_devices(topology.devices.values(), problems)


def _check_devices(devices: Iterable[Device], problems: list[Problem]) -> None:
    ends: dict[tuple[str, int, int], str] = {}
    for device in devices:
        reader = TableReader(TOPOLOGY, f"[[devices]] ({device.id})", {}, problems)
        end = (device.host, device.port, device.unit_id)
        if end in ends:
            reader.problem(
                "port",
                f"{device.host}:{device.port} unit {device.unit_id} is {ends[end]}'s already",
                "Give each device its own port or unit id.",
            )
        ends.setdefault(end, device.id)
        if device.heartbeat_s * 2 > device.watchdog_s:
            reader.problem(
                "watchdog_s",
                f"{device.watchdog_s:g} s leaves no room for one lost beat of "
                f"{device.heartbeat_s:g} s",
                "Beat at least twice as often as the watchdog needs.",
            )
        if device.watchdog_s + device.heartbeat_s > device.hand_back.hand_back_s:
            reader.problem(
                "watchdog_s",
                f"with a beat of {device.heartbeat_s:g} s it hands back later than the "
                f"{device.hand_back.hand_back_s:g} s of class {device.hand_back.value!r}",
                "Shorten the device's time-out.",
            )
        if device.protocol is Protocol.OPCUA and not device.security:
            reader.problem(
                "security",
                "an OPC UA device names no security policy",
                "Name one (Basic256Sha256), or write «None: REASON» to go without.",
            )
        if device.protocol is Protocol.MODBUS and device.security not in ("", "TLS"):
            reader.problem(
                "security", f"Modbus has no {device.security!r}", "Write TLS, or leave it empty."
            )
        if device.report is Report.EXCEPTION and device.protocol is not Protocol.BACNET:
            reader.problem(
                "report",
                f"{device.protocol.value} devices are read at every scan, they tell of no changes",
                "Leave it out: what has not left its dead band is not kept anyway.",
            )
        _check_login(device, reader)


def _check_login(device: Device, reader: TableReader) -> None:
    if device.login is Login.ANONYMOUS:
        return
    logs_in = {
        Login.PASSWORD: (Protocol.OPCUA, Protocol.REDFISH),
        Login.CERTIFICATE: (Protocol.OPCUA,),
    }
    if device.protocol not in logs_in[device.login]:
        reader.problem(
            "login",
            f"{device.protocol.value} knows no login by {device.login.value}",
            "Leave it out.",
        )
    if not device.user:
        reader.problem("user", "the login names no user", "Add the user's name.")
    if device.security.partition(":")[0].strip() == "None":
        reader.problem(
            "login",
            f"a {device.login.value} would cross the network in the clear or unchecked",
            "Name a security policy, or log in anonymously.",
        )


def check_points(
    numbered: Iterable[NumberedPoint], topology: Topology, problems: list[Problem]
) -> None:
    """Tags and meanings are unique, references exist, registers do not overlap."""
    rows = list(numbered)
    by_tag = {item.point.tag: item.point for item in rows}
    equipment = _equipment(topology)
    seen_tags: dict[str, str] = {}
    seen_meanings: dict[tuple[str, str], str] = {}
    for item in rows:
        point, reader = item.point, TableReader(item.file, item.row, {}, problems)
        if point.tag in seen_tags:
            reader.problem("tag", f"it is in {seen_tags[point.tag]} too", "Give it its own tag.")
        seen_tags.setdefault(point.tag, item.row)
        meaning = (point.equipment, point.quantity)
        if point.doubles:
            _check_double(item, by_tag, reader)
        elif meaning in seen_meanings and point.quantity != UNNAMED:
            reader.problem(
                "quantity",
                f"{seen_meanings[meaning]} is {point.quantity} of {point.equipment} too",
                "Name each quantity of a piece of equipment once.",
            )
        if not point.doubles:
            seen_meanings.setdefault(meaning, item.row)
        reader.known("device", point.device, topology.devices, "device")
        reader.known("equipment", point.equipment, equipment, "equipment")
        if point.read_back:
            reader.known("read_back", point.read_back, by_tag, "tag")
        device = topology.devices.get(point.device)
        if device and point.table not in device.protocol.tables:
            reader.problem(
                "table",
                f"{point.table.value!r} is not of {device.protocol.value}",
                "Modbus has holding, input, coil and discrete; OPC UA has node, BACnet object, "
                "Redfish resource.",
            )
    _check_overlaps(rows, problems)


def _check_double(item: NumberedPoint, by_tag: Mapping[str, Point], reader: TableReader) -> None:
    point = item.point
    first = by_tag.get(point.doubles)
    if first is None:
        reader.known("doubles", point.doubles, by_tag, "tag")
    elif first.doubles or (first.equipment, first.quantity) != (point.equipment, point.quantity):
        reader.problem(
            "doubles",
            f"{first.tag} is not a first sensor of {point.quantity} of {point.equipment}",
            "A spare doubles a sensor of the same equipment and quantity that doubles none.",
        )


def _check_overlaps(rows: list[NumberedPoint], problems: list[Problem]) -> None:
    taken: dict[tuple[str, Table, str], NumberedPoint] = {}
    for item in rows:
        point = item.point
        for address in _addresses(point):
            key = (point.device, point.table, address)
            other = taken.setdefault(key, item)
            if other is not item:
                kind = point.table.value + (" register" if point.table.is_modbus else "")
                TableReader(item.file, item.row, {}, problems).problem(
                    "address",
                    f"{kind} {address} of {point.device} is taken by {other.row}",
                    "Mend the address or the data type of one of them.",
                )
                break


def _addresses(point: Point) -> list[str]:
    if not (point.table.is_modbus and point.address.isdigit()):
        return [point.address]
    if point.bit is not None:
        return [f"{point.register}.{point.bit}"]
    first = point.register
    return [str(first + i) for i in range(point.data_type.registers)]


def _equipment(topology: Topology) -> set[str]:
    tables: tuple[Mapping[str, object], ...] = (
        *(topology.halls, topology.racks, topology.loops, topology.cdus, topology.crahs),
        *(topology.chillers, topology.towers, topology.devices, topology.storage_tanks),
    )
    return {name for table in tables for name in table} | {"outdoor", "tower_water", "site"}


def check_control(
    points: Mapping[str, Point],
    actuators: Mapping[str, Actuator],
    topology: Topology,
    problems: list[Problem],
) -> None:
    """What Isotherm cannot do without: limits measured, watchdogs reachable, dew point seen."""
    by_meaning = {(p.equipment, p.quantity): p for p in points.values()}
    problems.extend(
        Problem(
            POINTS,
            "",
            "quantity",
            f"rack {rack.id} has no point for its {quantity}",
            f"Add a row with equipment {rack.id!r} and quantity {quantity!r}.",
        )
        for rack in topology.racks.values()
        for quantity in ("it_power", rack.limited_temperature)
        if (rack.id, quantity) not in by_meaning
    )
    roles = {(p.device, p.role) for p in points.values()}
    for device in sorted({actuator.device for actuator in actuators.values()}):
        for role, quantity in CONTROL_ROLES.items():
            if (device, role) not in roles:
                problems.append(
                    Problem(
                        POINTS,
                        "",
                        "role",
                        f"device {device} has setpoints but no {role.value} point",
                        f"Add a row for its {quantity}: without it nothing may be written to it.",
                    )
                )
    guarded = [a.id for a in actuators.values() if a.dew_point_margin_k is not None]
    if guarded and not any(p.quantity == "dew_point_temperature" for p in points.values()):
        problems.append(
            Problem(
                POINTS,
                "",
                "quantity",
                f"{guarded[0]} must stay above the dew point, and none is measured",
                "Add a row with quantity 'dew_point_temperature' for the hall.",
            )
        )
