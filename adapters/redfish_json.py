"""What Redfish says and is told: values out of resources, bodies of changes, words of refusals.

Sources: DSP0266 (Redfish), 7.9 and 12 for changes and errors, RFC 6901 for pointers. All pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters import codec
from facility.points import DataType, Point
from facility.telemetry import Quality, Reading

STATES = {
    "On": 1, "Enabled": 1, "Off": 0, "Disabled": 0,
    "OK": 0, "Warning": 1, "Critical": 1,
}  # fmt: skip
"""States in words. A detector or a health that is OK is 0, since an alarm is 1."""
_UNUSABLE = frozenset({"Disabled", "UnavailableOffline", "Deferring", "Quiesced", "Updating"})


def place_of(point: Point) -> tuple[str, tuple[str, ...]]:
    """The resource's path and the parts of the JSON pointer of a point's address."""
    path, _, pointer = point.address.partition("#")
    parts = pointer.split("/")[1:]
    return path, tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


def resolve(resource: Any, pointer: tuple[str, ...]) -> Any:
    """What a pointer points at.

    Raises
    ------
    KeyError
        The resource has no such member.
    """
    found = resource
    for part in pointer:
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            raise KeyError("/".join(pointer))
    return found


def reading(point: Point, resource: Any, pointer: tuple[str, ...], time_s: float) -> Reading:
    """The reading of a point in its resource."""
    try:
        value = resolve(resource, pointer)
    except KeyError as error:
        note = f"the resource has no {error.args[0]}"
        return Reading(None, Quality.BAD, time_s, note)
    state = _state(resource, pointer)
    if value is None or state == "Absent":
        return Reading(None, Quality.ABSENT, time_s, "the device says that there is no value")
    if state in _UNUSABLE:
        return Reading(None, Quality.BAD, time_s, f"the device says {state}")
    if point.data_type is DataType.BOOL and isinstance(value, str):
        value = STATES.get(value, value)
    if not isinstance(value, int | float):
        return Reading(None, Quality.BAD, time_s, f"a number was expected, it is {value!r}")
    return codec.reading(point, float(value), time_s)


def _state(resource: Any, pointer: tuple[str, ...]) -> str:
    """The status of what holds a value: that of the innermost object which has one."""
    for depth in range(len(pointer) - 1, -1, -1):
        holder = resolve(resource, pointer[:depth])
        status = holder.get("Status") if isinstance(holder, dict) else None
        if isinstance(status, dict) and pointer[depth] != "Status":
            return str(status.get("State", ""))
    return ""


def change(pointer: tuple[str, ...], value: float) -> Any:
    """The body of a PATCH that sets what a pointer points at and nothing else.

    Members of an array that stay as they are go as empty objects (DSP0266, 7.9.2).
    """
    if not pointer:
        return value
    inner = change(pointer[1:], value)
    if pointer[0].isdigit():
        return [*({} for _ in range(int(pointer[0]))), inner]
    return {pointer[0]: inner}


def why_not(resource: Any, pointer: tuple[str, ...], value: float) -> str:
    """Why the device would not take a value there, by its own limits; empty where it would.

    A control states AllowableMin, AllowableMax and ControlMode beside its SetPoint.
    """
    control = resolve(resource, pointer[:-1])
    if not isinstance(control, Mapping):
        return ""
    low, high = control.get("AllowableMin"), control.get("AllowableMax")
    if (isinstance(low, int | float) and value < low) or (
        isinstance(high, int | float) and value > high
    ):
        return f"{value:g} is outside what the device allows, {low} to {high}"
    if control.get("ControlMode") == "Disabled":
        return "the control is disabled at the device"
    return ""


def words_of(status: int, body: Any) -> str:
    """A refusal in words: the messages of the extended information, or the status alone."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        details = error.get("@Message.ExtendedInfo")
        messages = [
            str(d["Message"])
            for d in (details if isinstance(details, list) else [])
            if isinstance(d, dict) and d.get("Message")
        ]
        if messages or error.get("message"):
            return f"{status}, {' '.join(messages) or error['message']}"
    return f"status {status}"
