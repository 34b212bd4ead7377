"""An OPC UA device's nodes over the plant: what it answers, and what it takes.

Values are made when they are read, from the plant as it is then. Writes are typed
strictly, as OPC 10000-4, 5.10.4 asks, and every one that a client sends is recorded,
whatever it aims at.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError

from facility.points import Access, DataType, Point, Table
from facility.units import UNITS
from sim.devices.plant import Plant
from sim.recorder import Recorder, Target

VARIANTS = {
    DataType.BOOL: ua.VariantType.Boolean,
    DataType.INT16: ua.VariantType.Int16,
    DataType.UINT16: ua.VariantType.UInt16,
    DataType.INT32: ua.VariantType.Int32,
    DataType.UINT32: ua.VariantType.UInt32,
    DataType.FLOAT32: ua.VariantType.Float,
    DataType.FLOAT64: ua.VariantType.Double,
}
# OPC 10000-6, 5.2.2: little-endian.
_LAYOUTS = {
    ua.VariantType.Boolean: struct.Struct("<?"),
    ua.VariantType.Int16: struct.Struct("<h"),
    ua.VariantType.UInt16: struct.Struct("<H"),
    ua.VariantType.Int32: struct.Struct("<i"),
    ua.VariantType.UInt32: struct.Struct("<I"),
    ua.VariantType.Float: struct.Struct("<f"),
    ua.VariantType.Double: struct.Struct("<d"),
}
_RANGES = {
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
}
_GOOD = ua.StatusCode(ua.UInt32(StatusCodes.Good))
_SENSOR_FAILURE = ua.StatusCode(ua.UInt32(StatusCodes.BadSensorFailure))
_SERVER = User(role=UserRole.Admin)
_NO_COMMUNICATION = ua.StatusCode(ua.UInt32(StatusCodes.BadNoCommunication))
_NOT_READABLE = ua.StatusCode(ua.UInt32(StatusCodes.BadNotReadable))


@dataclass(frozen=True, slots=True)
class PointNode:
    """One point as a node; ``raw = (canonical - bias) / gain``."""

    point: Point
    node_id: ua.NodeId
    variant: ua.VariantType
    gain: float
    bias: float
    target: Target

    @classmethod
    def of(cls, point: Point) -> PointNode:
        """The node of a point.

        Raises
        ------
        ValueError
            Its address is no node id.
        """
        try:
            node_id = ua.NodeId.from_string(point.address)
        except (UaError, ValueError):
            raise ValueError(
                f"device {point.device}: the address {point.address!r} of {point.tag} is no "
                "OPC UA node id; write it as ns=2;s=NAME or ns=2;i=NUMBER in points.csv"
            ) from None
        unit = UNITS[point.unit]
        return cls(
            point=point,
            node_id=node_id,
            variant=VARIANTS[point.data_type],
            gain=point.scale * unit.factor,
            bias=point.offset * unit.factor + unit.offset,
            target=Target.of(point),
        )

    def encode(self, value: float) -> bool | int | float:
        """The node's value of a canonical one; integers saturate at the ends of their type."""
        raw = (value - self.bias) / self.gain
        if self.variant is ua.VariantType.Boolean:
            return raw != 0.0
        if (limits := _RANGES.get(self.variant)) is not None:
            return min(max(round(raw), limits[0]), limits[1])
        return raw

    def decode(self, raw: float) -> float:
        """The canonical value of a node's value."""
        return float(raw) * self.gain + self.bias


class PlantNodes:
    """The nodes of one device."""

    def __init__(
        self, device: str, nodes: tuple[PointNode, ...], plant: Plant, recorder: Recorder
    ) -> None:
        self._device, self._plant, self._recorder = device, plant, recorder
        self.by_id = {node.node_id: node for node in nodes}
        self._stamp_s, self._stamp = math.nan, ua.DateTime.fromtimestamp(0.0, UTC)

    def reader(self, node: PointNode) -> Callable[[ua.NodeId, AttributeIds], ua.DataValue]:
        """What the address space calls whenever the node's value is asked for."""
        if node.point.access is Access.WRITE:
            return lambda _node_id, _attribute: ua.DataValue(StatusCode=_NOT_READABLE)
        return lambda _node_id, _attribute: self.value(node)

    def value(self, node: PointNode) -> ua.DataValue:
        """The node's value now, with the plant's time; a failed sensor's has no value.

        A frozen sensor's is good and fresh: it does not know that it is frozen. Of a device
        that is lost the server says that there is no communication.
        """
        if not self._plant.answers(self._device):
            return ua.DataValue(
                Value=ua.Variant(None, ua.VariantType.Null),
                StatusCode=_NO_COMMUNICATION,
                ServerTimestamp=self._time(self._plant.now_s),
            )
        measured = self._plant.read(node.point.tag)
        stamp = self._time(measured.time_s)
        if measured.value is None or not measured.ok:
            return ua.DataValue(
                Value=ua.Variant(None, ua.VariantType.Null),
                StatusCode=_SENSOR_FAILURE,
                SourceTimestamp=stamp,
                ServerTimestamp=self._time(self._plant.now_s),
            )
        return ua.DataValue(
            Value=ua.Variant(node.encode(measured.value), node.variant),
            StatusCode=_GOOD,
            SourceTimestamp=stamp,
            ServerTimestamp=self._time(self._plant.now_s),
        )

    def write(self, item: ua.WriteValue) -> ua.StatusCode:
        """Judge and record one value that a client writes."""
        if not self._plant.answers(self._device):
            return _NO_COMMUNICATION  # it never reached the device: no record
        node = self.by_id.get(item.NodeId)
        variant = item.Value.Value
        raw, number = _received(variant)
        status, value = self._judge(node, item, number)
        if node is None:
            target = Target(self._device, Table.NODE.value, item.NodeId.to_string())
        else:
            target = node.target
            if value is not None and not self._plant.write(node.point.tag, value):
                status = StatusCodes.BadOutOfRange
        accepted = status == StatusCodes.Good
        self._recorder.write(self._plant.now_s, target, raw, value, accepted=accepted)
        return ua.StatusCode(ua.UInt32(status))

    def _judge(
        self, node: PointNode | None, item: ua.WriteValue, number: float | None
    ) -> tuple[int, float | None]:
        """The status code of a write, and the canonical value where the plant is to be asked."""
        if node is None:
            return StatusCodes.BadNodeIdUnknown, None
        if item.AttributeId != AttributeIds.Value or item.IndexRange:
            return StatusCodes.BadWriteNotSupported, None
        if node.point.access is Access.READ:
            return StatusCodes.BadNotWritable, None
        variant, status = item.Value.Value, item.Value.StatusCode
        if status is not None and not status.is_good():
            return StatusCodes.BadWriteNotSupported, None
        if variant is None or variant.is_array or variant.VariantType is not node.variant:
            return StatusCodes.BadTypeMismatch, None
        if number is None:
            return StatusCodes.BadOutOfRange, None
        return StatusCodes.Good, node.decode(number)

    def count_request(self) -> None:
        """Count a request of a client to write."""
        self._recorder.request(self._device)

    def _time(self, time_s: float) -> ua.DateTime:
        if time_s != self._stamp_s:
            self._stamp_s, self._stamp = time_s, ua.DateTime.fromtimestamp(time_s, UTC)
        return self._stamp


class PlantAttributes(AttributeService):
    """The server's attribute service, which hands every client's write to the nodes."""

    def __init__(self, space: AddressSpace, nodes: PlantNodes) -> None:
        super().__init__(space)
        self._nodes = nodes

    async def write(self, params: ua.WriteParameters, user: User = _SERVER) -> list[ua.StatusCode]:
        """Write for a client; the server's own writes (role Admin) pass as ever."""
        if user.role is UserRole.Admin:
            return await super().write(params, user)
        self._nodes.count_request()
        return [self._nodes.write(item) for item in params.NodesToWrite]


def _received(variant: ua.Variant | None) -> tuple[bytes, float | None]:
    """The bytes of a scalar as they came over the wire, and its value if it is a number."""
    if variant is None or variant.is_array or variant.VariantType not in _LAYOUTS:
        return b"", None
    raw = _LAYOUTS[variant.VariantType].pack(variant.Value)
    return raw, float(variant.Value) if math.isfinite(variant.Value) else None
