"""Changes of value, told by a BACnet device (clause 13.14): subscribed, watched, renewed.

A subscription says nothing while nothing changes, and it is gone when the device restarts. So
every scan asks the device when it last restarted: the answer shows that it lives, and the same
time as before that it still has our subscriptions; only then do the values told so far stand.
Beside that a twelfth of the points is read at each scan, in turn, so that a change that was not
told, or was smaller than the object tells of, shows after twelve scans.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from bacpypes3.apdu import SubscribeCOVRequest
from bacpypes3.basetypes import PropertyIdentifier
from bacpypes3.primitivedata import ObjectIdentifier

from adapters.bacnet_link import BacnetLink, NoAnswer
from adapters.bacnet_values import PRESENT_VALUE, STATUS_FLAGS, Refused, content
from facility.devices import Device

IN_TURN = 12
"""Scans in which every point is read once, told or not."""
LIFETIME_S = 300
"""Of a subscription; it is renewed after half of it."""

Place = tuple[ObjectIdentifier, PropertyIdentifier]


class Changes:
    """The subscriptions to one device.

    Parameters
    ----------
    restarted
        When the device last restarted, as it says. One that does not say is read at every scan
        instead, since it could lose its subscriptions unseen.
    places
        Where each point lies.
    """

    def __init__(
        self, link: BacnetLink, device: Device, restarted: Any, places: Mapping[str, Place]
    ) -> None:
        self._link, self._device, self._places = link, device, places
        self._restarted = _comparable(restarted)
        self._until: dict[ObjectIdentifier, float] = {}
        self._process = {place: i for i, (place, _) in enumerate(places.values(), start=1)}
        self._turn = -1
        self._refused: set[ObjectIdentifier] = set()
        self._told: dict[ObjectIdentifier, tuple[Any, Any]] = {}
        self.note = "" if self._restarted else "it does not say when it restarted: read, not told"
        link.on_notification(self._take)

    def _take(self, notification: Any) -> bool:
        place = notification.monitoredObjectIdentifier
        if place not in self._until:
            return False
        values = {v.propertyIdentifier: v.value for v in notification.listOfValues}
        if PRESENT_VALUE in values:
            self._told[place] = (values[PRESENT_VALUE], values.get(STATUS_FLAGS))
        return True

    def saw(self, place: ObjectIdentifier, value: Any, flags: Any) -> None:
        """Take a value that was read."""
        if place in self._until:
            self._told[place] = (value, flags)

    async def keep(self, tags: Sequence[str], restarted: Any) -> dict[str, tuple[Any, Any]]:
        """Renew what is due; value and flags of the points whose last told value stands.

        Parameters
        ----------
        restarted
            When the device last restarted, as it has said just now.

        Raises
        ------
        NoAnswer
            The device does not answer.
        """
        if not self._restarted:
            return {}
        if _comparable(restarted) != self._restarted:
            self._restarted = _comparable(restarted)
            self._until.clear()
            self._told.clear()
        found: dict[str, tuple[Any, Any]] = {}
        self._turn = (self._turn + 1) % IN_TURN
        for i, tag in enumerate(tags):
            place, what = self._places[tag]
            if what != PRESENT_VALUE or place in self._refused:
                continue
            if self._until.get(place, 0.0) - time.monotonic() < LIFETIME_S / 2:
                await self._subscribe(place)
            if place in self._told and i % IN_TURN != self._turn:
                found[tag] = self._told[place]
        return found

    async def _subscribe(self, place: ObjectIdentifier) -> None:
        request = SubscribeCOVRequest(
            subscriberProcessIdentifier=self._process[place],
            monitoredObjectIdentifier=place,
            issueConfirmedNotifications=True,
            lifetime=LIFETIME_S,
        )
        # Known before it is confirmed: the first notification may overtake the confirmation.
        self._until[place] = time.monotonic() + LIFETIME_S
        try:
            await self._link.request(request, self._device.timeout_s)
        except Refused:
            self._refused.add(place)
            self._until.pop(place, None)
            self._told.pop(place, None)

    async def cancel(self) -> None:
        """Tell the device that we no longer listen."""
        for place in tuple(self._until):
            request = SubscribeCOVRequest(
                subscriberProcessIdentifier=self._process[place], monitoredObjectIdentifier=place
            )
            try:
                await self._link.request(request, self._device.timeout_s)
            except Refused:
                continue
            except NoAnswer:
                return


def _comparable(restarted: Any) -> bytes:
    """A time stamp as it travels; empty where there is none."""
    if restarted is None or isinstance(restarted, Refused):
        return b""
    return b"".join(bytes([tag.tag_number]) + bytes(tag.tag_data) for tag in content(restarted))
