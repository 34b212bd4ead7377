"""One row of the points list: where a value lives on the wire and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from facility.units import UNITS


class Role(Enum):
    """What a point is for."""

    SENSOR = "sensor"
    SETPOINT = "setpoint"
    ENABLE = "enable"
    HEARTBEAT = "heartbeat"
    AUTHORITY = "authority"
    """The device's own word on who holds it: 1 remote, 0 local."""


class Table(Enum):
    """Where on the device: the four Modbus tables, or what the other protocols call a place."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"
    NODE = "node"
    """Of OPC UA; the address is a node id."""
    OBJECT = "object"
    """Of BACnet; the address is ``analog-value:3``, or ``analog-value:3/property``."""
    RESOURCE = "resource"
    """Of Redfish; the address is a path with a JSON pointer: ``/redfish/v1/...#/Reading``."""

    @property
    def is_modbus(self) -> bool:
        """Whether addresses are register numbers."""
        return self in _MODBUS


_MODBUS = frozenset({Table.HOLDING, Table.INPUT, Table.COIL, Table.DISCRETE})


class DataType(Enum):
    """The encoding on the wire."""

    BOOL = "bool"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def registers(self) -> int:
        """Modbus registers of 16 bits that a value takes."""
        return {"INT32": 2, "UINT32": 2, "FLOAT32": 2, "FLOAT64": 4}.get(self.name, 1)


class Order(Enum):
    """Which end comes first: of the bytes in a register, of the registers in a value."""

    BIG = "big"
    LITTLE = "little"


class Access(Enum):
    """What the device lets us do."""

    READ = "r"
    READ_WRITE = "rw"
    WRITE = "w"


class SafeDirection(Enum):
    """What an alarm leaves open while it is active: an alarm names it, nobody guesses it."""

    TOWARDS = "towards"
    """Only more cooling: something is too warm."""
    AWAY = "away"
    """Only less cooling: water condenses, or something is too cold."""
    HOLD = "hold"
    """Nothing moves."""
    RELEASE = "release"
    """The device goes back to its own control."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one device.

    ``canonical = (raw * scale + offset)`` in ``unit``, then converted to the
    canonical unit of the quantity's kind. Minimum, maximum, dead band and
    tolerance are in the canonical unit.
    """

    tag: str
    device: str
    equipment: str
    quantity: str
    role: Role
    table: Table
    address: str
    """A register number from 0 (Modbus), or as `Table` says."""
    data_type: DataType
    unit: str
    access: Access
    scale: float = 1.0
    offset: float = 0.0
    byte_order: Order = Order.BIG
    word_order: Order = Order.BIG
    function_code: int = 16
    """Of a Modbus register write: 6 (one register) or 16 (several)."""
    minimum: float | None = None
    """Below this a reading is implausible; a setpoint below it is refused."""
    maximum: float | None = None
    sentinels: tuple[int, ...] = ()
    """Raw register values that mean «no value»."""
    dead_band: float = 0.0
    min_write_interval_s: float = 0.0
    read_back: str = ""
    """Of a setpoint: the tag that shows what the device took (default: the point itself)."""
    tolerance: float = 0.0
    """Of a read-back: how far it may differ from what was written."""
    safe_direction: SafeDirection | None = None
    """Of an alarm (1 is active): what it leaves open. None: the point is no alarm."""
    doubles: str = ""
    """Of a spare sensor: the tag of the one that it doubles, in the same place. Three vote."""
    bit: int | None = None
    """Of a state packed into a register with others: its bit, 0 the least significant."""
    bacnet_priority: int = 12
    """Of a BACnet command: the slot of the priority array, 10 to 14; 8 is the operator's."""
    brick: str = ""
    """Class of the Brick schema, where it is another than the quantity's."""
    note: str = ""
    """For people."""

    @property
    def register(self) -> int:
        """The register number of a Modbus point."""
        return int(self.address)

    def to_canonical(self, raw: float) -> float:
        """The canonical value of a decoded raw value."""
        return UNITS[self.unit].to_canonical(raw * self.scale + self.offset)

    def to_raw(self, value: float) -> float:
        """The raw value, not yet rounded or encoded, of a canonical value."""
        return (UNITS[self.unit].from_canonical(value) - self.offset) / self.scale
