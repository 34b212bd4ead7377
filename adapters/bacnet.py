"""BACnet/IP driver: many properties a request, changes told by the device, our own priority.

A device that is asked for many objects at once may refuse the whole for the sake of one: the
request is split then, until the one that it refuses stands alone.

A setpoint is commanded in our slot of its priority array (10 to 14), below people (8) and
above programs that command at the default (16). Writing 0 to the enable gives the device back:
once that is confirmed, our slots of all that we commanded are relinquished with Null, so that
whoever commands below us is heard again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bacpypes3.apdu import ReadPropertyMultipleRequest, WritePropertyRequest
from bacpypes3.basetypes import (
    PropertyIdentifier,
    PropertyReference,
    ReadAccessSpecification,
)
from bacpypes3.constructeddata import Any as AnyValue
from bacpypes3.constructeddata import SequenceOf
from bacpypes3.primitivedata import (
    Null,
    ObjectIdentifier,
)

from adapters import bacnet_objects, codec
from adapters.bacnet_cov import Changes
from adapters.bacnet_link import BacnetLink, NoAnswer
from adapters.bacnet_values import (
    PRESENT_VALUE,
    STATUS_FLAGS,
    Refused,
    atom_of,
    flags_of,
    number_of,
    place_of,
    reading,
)
from adapters.driver import (
    Now,
    Place,
    ReadRefused,
    Unreachable,
    WriteFailed,
)
from adapters.point_driver import PointDriver
from facility.devices import Device, Report
from facility.points import Access, Point, Role
from facility.telemetry import Quality, Reading

_IDENTITY = PropertyIdentifier("object-identifier")
_BYTES_AN_OBJECT = 28
"""Of an answer with a value and its flags, at most (clause 20)."""
_LEAST_APDU = 480
"""What every BACnet/IP device takes at least, in practice."""


class BacnetDriver(PointDriver):
    """A BACnet/IP device behind the driver port.

    Parameters
    ----------
    device
        Host, port, the device's instance (``unit_id``), time-out, whether changes are told
        (`Report.EXCEPTION`), and objects in one request at most (``max_block``).
    points
        Its points; addresses are ``analog-value:3`` or ``analog-value:3/property``.
    now
        Plant time, for the readings.
    """

    def __init__(self, device: Device, points: Collection[Point], now: Now) -> None:
        super().__init__(device, points, now)
        self._places = {p.tag: place_of(p) for p in points}
        self._itself = ObjectIdentifier(("device", device.unit_id))
        self._link: BacnetLink | None = None
        self._changes: Changes | None = None
        self._objects_a_request = 1
        self._plans: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        self._commanded: set[str] = set()
        # bacpypes3 reports a reply that comes after its time-out as an error of its own.
        logging.getLogger("bacpypes3").setLevel(logging.CRITICAL)

    def _why_lost(self) -> str | None:
        return self._note if self._link is None else None

    def _remark(self) -> str:
        return self._changes.note if self._changes else ""

    async def connect(self) -> None:
        device = self._device
        await self.close()
        try:
            link = await BacnetLink.open(device)
        except OSError as error:
            self._note = f"no socket: {error.strerror}"
            raise Unreachable(f"{device.id}: {self._note}") from None
        self._link = link
        asked = ("max-apdu-length-accepted", "time-of-device-restart")
        try:
            itself = [_IDENTITY, *(PropertyIdentifier(p) for p in asked)]
            found = await self._properties({self._itself: itself})
            if isinstance(refusal := found.get((self._itself, _IDENTITY)), Refused):
                raise refusal
            told = {str(what): value for (_, what), value in found.items()}
            longest = told.get(asked[0])
            size = _LEAST_APDU if longest is None else int(number_of(longest) or _LEAST_APDU)
        except (NoAnswer, Refused, ValueError) as error:
            reason = str(error)
            if isinstance(error, Refused):
                there = await link.who_is_there(device.timeout_s)
                words = str(error) if there is None else f"it says that it is instance {there}"
                reason = f"it is not the device of instance {device.unit_id}: {words}"
            self._lose(reason)
            raise Unreachable(f"{device.id}: {device.host}:{device.port}: {reason}") from None
        self._objects_a_request = max(1, min(device.max_block, (size - 20) // _BYTES_AN_OBJECT))
        self._plans.clear()
        if device.report is Report.EXCEPTION:
            self._changes = Changes(link, device, told.get(asked[1]), self._places)

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        wanted = tuple(t for t in tags if self._points[t].access is not Access.WRITE)
        found: dict[str, Reading] = {}
        try:
            if self._changes is not None:
                found, wanted = await self._told(wanted)
            plan = self._plans.get(wanted)
            if plan is None:
                size = self._objects_a_request
                plan = [wanted[i : i + size] for i in range(0, len(wanted), size)]
            settled: list[tuple[str, ...]] = []
            for names in plan:
                settled += await self._read_objects(names, found)
            self._plans[wanted] = settled
        except NoAnswer as error:
            self._lose(str(error))
        return found

    async def _told(self, tags: tuple[str, ...]) -> tuple[dict[str, Reading], tuple[str, ...]]:
        """The readings that the device keeps up to date by itself, and what must be asked for."""
        changes = self._changes
        if changes is None:
            return {}, tags
        restarted = await self._properties(
            {self._itself: [PropertyIdentifier("time-of-device-restart")]}
        )
        time_s = self._now()
        kept = await changes.keep(tags, next(iter(restarted.values()), None))
        found = {tag: reading(self._points[tag], *kept[tag], time_s) for tag in tags if tag in kept}
        return found, tuple(tag for tag in tags if tag not in kept)

    async def _read_objects(
        self, names: tuple[str, ...], found: dict[str, Reading]
    ) -> list[tuple[str, ...]]:
        """Read points into ``found``; answer the requests that they should be read with."""
        asked: dict[ObjectIdentifier, list[PropertyIdentifier]] = {}
        for tag in names:
            place, what = self._places[tag]
            properties = asked.setdefault(place, [])
            properties += [p for p in (what, *flags_of(place, what)) if p not in properties]
        if not asked:
            return []
        if self._device.request_gap_s:
            await asyncio.sleep(self._device.request_gap_s)
        try:
            answer = await self._properties(asked)
        except Refused as error:
            if len(names) > 1:
                half = len(names) // 2
                return [
                    *await self._read_objects(names[:half], found),
                    *await self._read_objects(names[half:], found),
                ]
            note = f"the device refuses to read it: {error}"
            found[names[0]] = Reading(None, Quality.BAD, self._now(), note)
            return [names]
        time_s = self._now()
        for tag in names:
            place, what = self._places[tag]
            value, flags = answer.get((place, what)), answer.get((place, STATUS_FLAGS))
            found[tag] = reading(self._points[tag], value, flags, time_s)
            if self._changes is not None and what == PRESENT_VALUE:
                self._changes.saw(place, value, flags)
        return [names]

    async def _properties(
        self, asked: Mapping[ObjectIdentifier, Sequence[PropertyIdentifier]]
    ) -> dict[tuple[ObjectIdentifier, PropertyIdentifier], Any]:
        """What one read-property-multiple brings: a value, or the refusal of a single property."""
        link = self._link
        if link is None:
            raise NoAnswer(self._note)
        specifications = [
            ReadAccessSpecification(
                objectIdentifier=place,
                listOfPropertyReferences=[
                    PropertyReference(propertyIdentifier=what) for what in properties
                ],
            )
            for place, properties in asked.items()
        ]
        request = ReadPropertyMultipleRequest(
            listOfReadAccessSpecs=SequenceOf(ReadAccessSpecification)(specifications)
        )
        sent = time.monotonic()
        answer = await link.request(request, self._device.timeout_s)
        self._answered(sent)
        found: dict[tuple[ObjectIdentifier, PropertyIdentifier], Any] = {}
        for result in answer.listOfReadAccessResults:
            place = result.objectIdentifier
            for element in result.listOfResults:
                outcome = element.readResult
                refusal = outcome.propertyAccessError
                value = outcome.propertyValue if refusal is None else None
                if refusal is not None and element.propertyIdentifier not in _OPTIONAL:
                    value = Refused(str(refusal.errorCode))
                found[place, element.propertyIdentifier] = value
        return found

    async def places(self, below: str) -> tuple[Place, ...]:
        link, name, size = self._link, self._device.id, self._objects_a_request
        if link is None:
            raise Unreachable(f"{name}: {self._note}")
        try:
            return await bacnet_objects.places(
                link, self._device.unit_id, size, self._device.timeout_s, below
            )
        except Refused as error:
            raise ReadRefused(f"{name}: {error}") from None
        except NoAnswer as error:
            raise Unreachable(f"{name}: {error}") from None

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        point, name = self._points[tag], self._device.id
        if self._link is None:
            raise WriteFailed(f"{name}: {self._note}, {tag} not written", sent=False)
        if within_s <= 0.0:
            raise WriteFailed(f"{name}: the deadline of {tag} has passed", sent=False)
        if point.access is Access.READ:
            raise WriteFailed(f"{name}: {tag} cannot be written", sent=False)
        until = time.monotonic() + within_s
        number = codec.scalar(point, data)
        await self._command(point, atom_of(point, number), until)
        if point.role is Role.ENABLE and not number:
            await self._relinquish(until)
        else:
            self._commanded.add(tag)

    async def _relinquish(self, until: float) -> None:
        """Empty our slots, the enable's last."""
        ours = sorted(
            (p for p in self._points.values() if p.access is not Access.READ),
            key=lambda p: p.role is Role.ENABLE,
        )
        for point in ours:
            if point.role is Role.ENABLE or point.tag in self._commanded:
                try:
                    await self._command(point, Null(()), until)
                except WriteFailed as error:
                    if not isinstance(error.__cause__, Refused):
                        raise
                    # An object without a priority array has no slot of ours to empty.
        self._commanded.clear()

    async def _command(self, point: Point, atom: Any, until: float) -> None:
        link, name, tag = self._link, self._device.id, point.tag
        left_s = until - time.monotonic()
        if link is None or left_s <= 0.0:
            raise WriteFailed(f"{name}: {tag} not written: no time left", sent=False)
        place, what = self._places[tag]
        request = WritePropertyRequest(
            objectIdentifier=place,
            propertyIdentifier=what,
            propertyValue=AnyValue(atom.encode()),
            priority=point.bacnet_priority,
        )
        sent = time.monotonic()
        try:
            await link.request(request, left_s)
        except NoAnswer as error:
            self._lose(str(error))
            raise WriteFailed(f"{name}: {tag} not confirmed: {error}", sent=True) from None
        except Refused as error:
            self._answered()
            raise WriteFailed(f"{name} refuses to write {tag}: {error}", sent=True) from error
        except asyncio.CancelledError:
            self._lose("given up in the middle of a write")
            raise
        self._answered(sent)

    async def close(self) -> None:
        if self._link is not None:
            if self._changes is not None:
                await self._changes.cancel()
            self._lose("closed")
            await asyncio.sleep(0.0)  # the socket is closed in the loop's next turn

    def _lose(self, why: str) -> None:
        link, self._link, self._changes = self._link, None, None
        self._note = why
        if link is not None:
            link.close()


_OPTIONAL = frozenset({STATUS_FLAGS, PropertyIdentifier("time-of-device-restart"),
                       PropertyIdentifier("max-apdu-length-accepted")})  # fmt: skip
