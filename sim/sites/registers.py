"""Register maps of the simulated devices: the points list of each family of device.

The maps mix encodings on purpose, as real vendors do: scaled 16-bit integers,
floats with swapped words (as on Vertiv CDUs), OPC UA doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from facility.points import Access, DataType, Order, Point, Role, SafeDirection, Table
from facility.quantities import CHILLER_STAGE, QUANTITIES, STAGE_REQUEST

# Implausible outside: sensors of water and air in a plant, weather.
PLAUSIBLE_C = (-30.0, 110.0)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setpoint's hard range, dead band and read-back tolerance, canonical units."""

    minimum: float
    maximum: float
    dead_band: float
    tolerance: float


class ModbusMap:
    """Builds the points of one Modbus device, register after register."""

    def __init__(self, device: str, word_order: Order) -> None:
        self._device, self._word_order = device, word_order
        self._next = {Table.INPUT: 0, Table.HOLDING: 0}
        self.points: list[Point] = []

    def sensor(
        self, equipment: str, quantity: str, data_type: DataType, unit: str, scale: float = 1.0
    ) -> None:
        """A measured value in the next input registers."""
        point = self._point(equipment, quantity, Role.SENSOR, Table.INPUT, data_type, unit)
        self.points.append(replace(_plausible(point), scale=scale, access=Access.READ))

    def setpoint(
        self,
        equipment: str,
        quantity: str,
        data_type: DataType,
        unit: str,
        scale: float,
        setting: Setting,
    ) -> None:
        """A remote setpoint in holding registers, and the one in force in input registers."""
        in_force = f"{quantity}_in_force"
        point = self._point(equipment, quantity, Role.SETPOINT, Table.HOLDING, data_type, unit)
        self.points.append(
            replace(
                point,
                scale=scale,
                minimum=setting.minimum,
                maximum=setting.maximum,
                dead_band=setting.dead_band,
                read_back=f"{equipment}.{in_force}",
                tolerance=setting.tolerance,
            )
        )
        self.sensor(equipment, in_force, data_type, unit, scale)

    def control(self) -> None:
        """Remote enable, heartbeat and the device's own word on who holds it."""
        rows = (
            ("remote_enable", Role.ENABLE, Table.HOLDING, "state"),
            ("heartbeat", Role.HEARTBEAT, Table.HOLDING, "count"),
            ("remote_active", Role.AUTHORITY, Table.INPUT, "state"),
        )
        for quantity, role, table, unit in rows:
            point = self._point(self._device, quantity, role, table, DataType.UINT16, unit)
            read_only = table is Table.INPUT
            self.points.append(
                replace(point, access=Access.READ if read_only else Access.READ_WRITE)
            )

    def _point(
        self,
        equipment: str,
        quantity: str,
        role: Role,
        table: Table,
        data_type: DataType,
        unit: str,
    ) -> Point:
        address = self._next[table]
        self._next[table] += data_type.registers
        return Point(
            tag=f"{equipment}.{quantity}",
            device=self._device,
            equipment=equipment,
            quantity=quantity,
            role=role,
            table=table,
            address=str(address),
            data_type=data_type,
            unit=unit,
            access=Access.READ_WRITE,
            word_order=self._word_order,
        )


class NodeMap:
    """Builds the points of one OPC UA device: a double a node, named by its tag."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.points: list[Point] = []

    def sensor(self, equipment: str, *quantities: str) -> None:
        """Measured values in their canonical units."""
        for quantity in quantities:
            point = self._point(equipment, quantity, Role.SENSOR, Access.READ)
            self.points.append(_plausible(point))

    def contact(
        self, equipment: str, quantity: str, safe_direction: SafeDirection | None = None
    ) -> None:
        """A contact: 1 closed, 0 open; an alarm names its safe direction."""
        point = self._point(equipment, quantity, Role.SENSOR, Access.READ)
        self.points.append(replace(point, data_type=DataType.BOOL, safe_direction=safe_direction))

    def setpoint(self, equipment: str, quantity: str, setting: Setting) -> None:
        """A remote setpoint and the one in force."""
        in_force = f"{quantity}_in_force"
        self.points.append(
            replace(
                self._point(equipment, quantity, Role.SETPOINT, Access.READ_WRITE),
                minimum=setting.minimum,
                maximum=setting.maximum,
                dead_band=setting.dead_band,
                read_back=f"{equipment}.{in_force}",
                tolerance=setting.tolerance,
            )
        )
        self.sensor(equipment, in_force)

    def control(self) -> None:
        """Remote enable, heartbeat and the device's own word on who holds it."""
        rows = (
            ("remote_enable", Role.ENABLE, Access.READ_WRITE, DataType.BOOL),
            ("heartbeat", Role.HEARTBEAT, Access.READ_WRITE, DataType.UINT32),
            ("remote_active", Role.AUTHORITY, Access.READ, DataType.BOOL),
        )
        for quantity, role, access, data_type in rows:
            point = self._point(self._device, quantity, role, access)
            self.points.append(replace(point, data_type=data_type))

    def _point(self, equipment: str, quantity: str, role: Role, access: Access) -> Point:
        tag = f"{equipment}.{quantity}"
        return Point(
            tag=tag,
            device=self._device,
            equipment=equipment,
            quantity=quantity,
            role=role,
            table=Table.NODE,
            address=f"ns=2;s={tag}",
            data_type=DataType.FLOAT64,
            unit=QUANTITIES[quantity].kind.unit,
            access=access,
        )


def _plausible(point: Point) -> Point:
    if QUANTITIES[point.quantity].kind.unit == "degC":
        return replace(point, minimum=PLAUSIBLE_C[0], maximum=PLAUSIBLE_C[1])
    return point


def cdu_points(cdu: str, supply: Setting, flow: Setting) -> Iterator[Point]:
    """A CDU: scaled integers for temperatures, floats with swapped words for the rest."""
    registers = ModbusMap(cdu, Order.LITTLE)
    for quantity in ("tcs_supply_temperature", "tcs_return_temperature"):
        registers.sensor(cdu, quantity, DataType.INT16, "degC", 0.1)
    registers.sensor(cdu, "tcs_flow", DataType.FLOAT32, "L/min")
    registers.sensor(cdu, "cooling_load", DataType.FLOAT32, "kW")
    registers.sensor(cdu, "pump_power", DataType.FLOAT32, "W")
    registers.sensor(cdu, "valve_position", DataType.UINT16, "%", 0.1)
    registers.sensor(cdu, "leak", DataType.UINT16, "state")
    registers.setpoint(cdu, "tcs_supply_temperature_setpoint", DataType.INT16, "degC", 0.01, supply)
    registers.setpoint(cdu, "tcs_flow_setpoint", DataType.FLOAT32, "L/min", 1.0, flow)
    registers.control()
    yield from registers.points


def chiller_points(chiller: str, supply: Setting) -> Iterator[Point]:
    """A chiller: 16-bit integers, high word first."""
    registers = ModbusMap(chiller, Order.BIG)
    for quantity in ("chw_supply_temperature", "chw_return_temperature"):
        registers.sensor(chiller, quantity, DataType.INT16, "degC", 0.1)
    registers.sensor(chiller, "power", DataType.UINT32, "W")
    registers.sensor(chiller, "cooling_load", DataType.UINT32, "W")
    registers.sensor(chiller, "running", DataType.UINT16, "state")
    registers.setpoint(
        chiller, "chw_supply_temperature_setpoint", DataType.INT16, "degC", 0.01, supply
    )
    registers.control()
    yield from registers.points


def sequencer_points(device: str, loops: dict[str, int]) -> Iterator[Point]:
    """A sequencer that takes stage requests; ``loops`` has the chillers of each.

    Whole numbers on the wire too, so that no fraction of a machine can be asked for.
    """
    registers = ModbusMap(device, Order.BIG)
    for loop, chillers in loops.items():
        registers.sensor(loop, CHILLER_STAGE, DataType.UINT16, "count")
        setting = Setting(1.0, float(chillers), dead_band=0.4, tolerance=0.1)
        registers.setpoint(loop, STAGE_REQUEST, DataType.UINT16, "count", 1.0, setting)
    registers.control()
    yield from registers.points
