"""What a BACnet device says it holds: its object list, in pages (clause 12.11, Object_List)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bacpypes3.apdu import ReadPropertyMultipleRequest
from bacpypes3.basetypes import (
    EngineeringUnits,
    PropertyIdentifier,
    PropertyReference,
    ReadAccessSpecification,
)
from bacpypes3.constructeddata import SequenceOf
from bacpypes3.primitivedata import CharacterString, ObjectIdentifier, Unsigned

from adapters.bacnet_link import BacnetLink
from adapters.bacnet_values import Refused, number_of
from adapters.driver import Place
from facility.points import DataType

PAGE = 50
"""Objects of one page: a few requests, and then it is told how far it has come."""
_INDEXES_A_REQUEST = 20
_PAGES = "object-list:"
_TYPES = {
    "analog": DataType.FLOAT32,
    "binary": DataType.BOOL,
    "multi-state": DataType.UINT16,
    "integer-value": DataType.INT32,
    "positive-integer-value": DataType.UINT32,
    "large-analog-value": DataType.FLOAT64,
    "accumulator": DataType.UINT32,
    "pulse-converter": DataType.FLOAT32,
    "loop": DataType.FLOAT32,
}
"""By type of object, or what its name begins with."""
_NAME, _VALUE, _UNITS, _SLOTS = (
    PropertyIdentifier(name) for name in ("object-name", "present-value", "units", "priority-array")
)
_LIST = PropertyIdentifier("object-list")

Asked = tuple[ObjectIdentifier, PropertyIdentifier, int | None]


async def places(
    link: BacnetLink, instance: int, objects_a_request: int, within_s: float, below: str
) -> tuple[Place, ...]:
    """The pages of a device's object list, or the objects of the page that ``below`` names.

    Raises
    ------
    NoAnswer
        A request was not answered within ``within_s``.
    Refused
        The device does not show its object list.
    """
    itself = ObjectIdentifier(("device", instance))
    if not below:
        told = await _ask(link, [(itself, _LIST, 0)], within_s)
        number = told.get((itself, _LIST, 0))
        if number is None:
            raise Refused("it does not show its object list")
        return tuple(_pages(int(number.cast_out(Unsigned))))
    first, _, last = below.removeprefix(_PAGES).partition("-")
    if not (below.startswith(_PAGES) and first.isdigit() and last.isdigit()):
        raise Refused(f"{below!r} is no page of its object list")
    held: list[ObjectIdentifier] = []
    indexes = range(int(first), min(int(last), int(first) + PAGE - 1) + 1)
    for some in _shared(indexes, _INDEXES_A_REQUEST):
        told = await _ask(link, [(itself, _LIST, i) for i in some], within_s)
        held += [value.cast_out(ObjectIdentifier) for value in told.values()]
    found: list[Place] = []
    for objects in _shared([o for o in held if _type_of(o)], max(1, objects_a_request // 3)):
        asked: list[Asked] = []
        for place in objects:
            asked += [(place, _NAME, None), (place, _VALUE, None), (place, _SLOTS, 0)]
            asked += [(place, _UNITS, None)] * ("analog" in str(place[0]))
        told = await _ask(link, asked, within_s)
        found += [_place(place, told) for place in objects]
    return tuple(found)


def _pages(number: int) -> Iterator[Place]:
    for first in range(1, number + 1, PAGE):
        last = min(number, first + PAGE - 1)
        yield Place(f"{_PAGES}{first}-{last}", "", "", opens=True)


def _shared(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _type_of(place: ObjectIdentifier) -> DataType | None:
    kind = str(place[0])
    return _TYPES.get(kind) or next(
        (t for name, t in _TYPES.items() if kind.startswith(name)), None
    )


def _place(place: ObjectIdentifier, told: dict[Asked, Any]) -> Place:
    address = f"{place[0]}:{place[1]}"
    name, units = told.get((place, _NAME, None)), told.get((place, _UNITS, None))
    value = told.get((place, _VALUE, None))
    try:
        number = None if value is None else number_of(value)
    except ValueError:
        number = None
    kind = _type_of(place)
    title = address if name is None else str(name.cast_out(CharacterString))
    return Place(
        address,
        title,
        title,
        "" if kind is None else kind.value,
        number,
        writable=str(place[0]).endswith("-output") or (place, _SLOTS, 0) in told,
        unit="" if units is None else str(units.cast_out(EngineeringUnits)),
    )


async def _ask(link: BacnetLink, asked: Sequence[Asked], within_s: float) -> dict[Asked, Any]:
    """What one read-property-multiple brings; what is refused is left out."""
    specifications: dict[ObjectIdentifier, list[PropertyReference]] = {}
    for place, what, index in asked:
        one = PropertyReference(propertyIdentifier=what, propertyArrayIndex=index)
        specifications.setdefault(place, []).append(one)
    request = ReadPropertyMultipleRequest(
        listOfReadAccessSpecs=SequenceOf(ReadAccessSpecification)(
            [
                ReadAccessSpecification(objectIdentifier=place, listOfPropertyReferences=what)
                for place, what in specifications.items()
            ]
        )
    )
    try:
        answer = await link.request(request, within_s)
    except Refused:
        if len(asked) == 1:
            return {}
        half = len(asked) // 2
        found = await _ask(link, asked[:half], within_s)
        return found | await _ask(link, asked[half:], within_s)
    return {
        (result.objectIdentifier, one.propertyIdentifier, one.propertyArrayIndex):
            one.readResult.propertyValue
        for result in answer.listOfReadAccessResults
        for one in result.listOfResults
        if one.readResult.propertyAccessError is None
    }  # fmt: skip
