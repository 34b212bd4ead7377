"""What BACnet's bytes say: values, flags, refusals, and what a value is sent as. All pure.

Source: ASHRAE 135, clauses 12 (objects) and 20.2 (encoding).
"""

from __future__ import annotations

from typing import Any

from bacpypes3.basetypes import BinaryPV, PropertyIdentifier
from bacpypes3.primitivedata import (
    Double,
    Enumerated,
    Integer,
    ObjectIdentifier,
    Real,
    TagClass,
    Unsigned,
)

from adapters import codec
from facility.points import DataType, Point, Role
from facility.telemetry import Quality, Reading

PRESENT_VALUE = PropertyIdentifier("present-value")
STATUS_FLAGS = PropertyIdentifier("status-flags")
_FLAGGED = frozenset({
    "analog-input", "analog-output", "analog-value", "binary-input", "binary-output",
    "binary-value", "multi-state-input", "multi-state-output", "multi-state-value",
})  # fmt: skip
"""Object types that have status flags (clause 12)."""


class Refused(Exception):
    """The device answered with an error, a rejection or an abort."""


def reading(point: Point, value: Any, flags: Any, time_s: float) -> Reading:
    """The reading of a value, or of its refusal, with its status flags."""
    if isinstance(value, Refused):
        note = f"the device refuses to read it: {value}"
        return Reading(None, Quality.BAD, time_s, note)
    if value is None:
        return Reading(None, Quality.BAD, time_s, "the answer leaves it out")
    try:
        raw = number_of(value)
        set_flags = [] if flags is None else _flags_in(flags)
    except ValueError as error:
        return Reading(None, Quality.BAD, time_s, str(error))
    if raw is None:
        return Reading(None, Quality.ABSENT, time_s, "the device says that there is no value")
    if "fault" in set_flags:
        return Reading(None, Quality.BAD, time_s, "the device says fault")
    if "out-of-service" in set_flags and point.role is Role.SENSOR:
        note = "out of service: its value is set by hand"
        return Reading(None, Quality.BAD, time_s, note)
    return codec.reading(point, raw, time_s)


def place_of(point: Point) -> tuple[ObjectIdentifier, PropertyIdentifier]:
    """The object and the property of a point's address."""
    place, _, what = point.address.partition("/")
    kind, _, instance = place.partition(":")
    return ObjectIdentifier((kind, int(instance))), PropertyIdentifier(what or "present-value")


def _flags_in(value: Any) -> list[str]:
    """The status flags that are set (clause 12: in-alarm, fault, overridden, out-of-service)."""
    names = ("in-alarm", "fault", "overridden", "out-of-service")
    tags = content(value)
    bits = tags[0].app_to_object() if tags else ()
    return [name for name, is_set in zip(names, bits, strict=False) if is_set]


def flags_of(place: ObjectIdentifier, what: PropertyIdentifier) -> tuple[PropertyIdentifier, ...]:
    """The properties to be read beside one: the flags, where the object has them."""
    return (STATUS_FLAGS,) if what == PRESENT_VALUE and str(place[0]) in _FLAGGED else ()


def atom_of(point: Point, number: float) -> Any:
    """The value as the object's type wants it: real, binary or unsigned."""
    kind = point.address.partition(":")[0]
    if kind.startswith("binary-"):
        return BinaryPV(int(number))
    if kind.startswith("multi-state-") or point.data_type in (DataType.UINT16, DataType.UINT32):
        return Real(number) if kind.startswith("analog-") else Unsigned(int(number))
    if point.data_type in (DataType.INT16, DataType.INT32):
        return Real(number) if kind.startswith("analog-") else Integer(int(number))
    if point.data_type is DataType.BOOL:
        return Enumerated(int(number))
    wide = point.data_type is DataType.FLOAT64 and kind == "large-analog-value"
    return Double(number) if wide else Real(number)


def content(value: Any) -> list[Any]:
    """The tags within a value of any type, without those that enclose it (clause 20.2.1)."""
    tags = list(value.tagList or ())
    return tags[1:-1] if tags and tags[0].tag_class == TagClass.opening else tags


def number_of(value: Any) -> float | None:
    """The number or state in an application-tagged value (clause 20.2); None where it is null.

    Raises
    ------
    ValueError
        It is no number.
    """
    tags = content(value)
    if len(tags) != 1 or tags[0].tag_class != TagClass.application:
        raise ValueError("a number was expected, the object holds something else")
    atom = tags[0].app_to_object()
    if atom is None or atom == ():  # null: an input that has no value
        return None
    if not isinstance(atom, int | float):
        raise ValueError(f"a number was expected, the object holds {type(atom).__name__}")
    return float(atom)
