"""Many values in one request: encoded once, its answers taken apart in one pass.

asyncua makes a dataclass of every node id that it sends and of every value that it gets:
about 30 µs a value, a third of a core at 10,000 values a second. A scan asks the same again
and again, so a request's parameters are kept as bytes; of an answer, numbers and states on
their own are unpacked here, and an answer with anything else in it is left to asyncua.

Source: OPC 10000-6, 5.2.2.16 (Variant) and 5.2.2.17 (DataValue).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import (
    Primitives,
    nodeid_from_binary,
    struct_from_binary,
    struct_to_binary,
)

_SCALARS = {0: "", 1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q",
            10: "f", 11: "d"}  # fmt: skip
"""By built-in type (5.1.2): nothing, states, numbers."""
_VALUE, _STATUS = 0x01, 0x02
_REST = ((0x04, "8x"), (0x10, "2x"), (0x08, "8x"), (0x20, "2x"))
"""Time and picoseconds of the source, then of the server: passed over."""
_COUNT = struct.Struct("<i")
_READ = ua.ReadRequest().TypeId
_NUMBERS = frozenset(ua.VariantType(number) for number in _SCALARS if number)


@dataclass(frozen=True, slots=True)
class Value:
    """What a server says of one node."""

    number: float | None
    status: int = 0
    kind: str = ""
    """What the node holds instead of a number, if it does."""


class Encoded(bytes):
    """Parameters of a request that are encoded already."""


class _AsTheyAre:
    @staticmethod
    def pack(body: Encoded) -> bytes:
        return body


# asyncua looks for the encoder of a type by its name, here.
setattr(Primitives, Encoded.__name__, _AsTheyAre)


@dataclass(kw_only=True)
class _ReadRequest:
    """A `ua.ReadRequest` whose parameters are encoded."""

    TypeId: ua.NodeId = _READ
    RequestHeader: ua.RequestHeader = field(default_factory=ua.RequestHeader)
    Parameters: Encoded


def encoded(nodes: Sequence[ua.NodeId]) -> Encoded:
    """The parameters of a read of these nodes' values, without time stamps."""
    parameters = ua.ReadParameters()
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Neither
    parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value) for node in nodes
    ]
    return Encoded(struct_to_binary(parameters))


async def read(client: Client, parameters: Encoded) -> list[Value]:
    """Ask for the values of a batch.

    Raises
    ------
    UaError, OSError, TimeoutError, ValueError, struct.error
        There is no answer, or it is none.
    """
    protocol = client.uaclient.protocol
    if protocol is None:
        raise ConnectionError("not connected")
    return values_in(await protocol.send_request(_ReadRequest(Parameters=parameters)))


def values_in(answer: Buffer) -> list[Value]:
    """The values in the answer to a read.

    Raises
    ------
    UaError, struct.error
        The server refuses the whole, or the answer ends before its end.
    """
    rest = answer.copy()
    nodeid_from_binary(rest)
    struct_from_binary(ua.ResponseHeader, rest).ServiceResult.check()
    found = plain_values(bytes(rest))
    if found is None:
        found = [_value(told) for told in struct_from_binary(ua.ReadResponse, answer).Results]
    return found


def plain_values(body: bytes) -> list[Value] | None:
    """The results of a read from their number on; None where one is no number or state alone.

    Raises
    ------
    struct.error, IndexError
        The body is shorter than it says.
    """
    (count,) = _COUNT.unpack_from(body)
    at, found = _COUNT.size, []
    for _ in range(count):
        mask = body[at]
        layout = _layout(mask, body[at + 1] if mask & _VALUE else 0)
        if layout is None:
            return None
        parts = layout.unpack_from(body, at)
        at += layout.size
        if mask & _STATUS:
            number = parts[0] if len(parts) == 2 else None
            found.append(Value(number, parts[-1]))
        else:
            found.append(Value(parts[0] if parts else None))
    return found


@cache
def _layout(mask: int, kind: int) -> struct.Struct | None:
    """How a value with this mask (and built-in type) lies; None where it is left to asyncua."""
    if mask >= 0x40 or kind not in _SCALARS:
        return None
    code = f"x{_SCALARS[kind]}" if mask & _VALUE else ""
    status = "I" if mask & _STATUS else ""
    return struct.Struct("<x" + code + status + "".join(x for bit, x in _REST if mask & bit))


def _value(told: ua.DataValue) -> Value:
    status = 0 if told.StatusCode is None else int(told.StatusCode.value)
    variant = told.Value
    if variant is None or variant.Value is None:
        return Value(None, status)
    if variant.is_array or variant.VariantType not in _NUMBERS:
        return Value(None, status, str(getattr(variant.VariantType, "name", "something else")))
    number: Any = variant.Value
    return Value(number, status)
