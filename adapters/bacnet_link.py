"""Requests to one BACnet/IP device over a socket of its own: sent once, answered in time.

bacpypes3 brings the protocol (ASHRAE 135). Its application would send a confirmed request
four times; ours says so itself: no retries, and a request without an answer is an error.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from bacpypes3.apdu import (
    ConfirmedCOVNotificationRequest,
    ErrorRejectAbortNack,
    SimpleAckPDU,
    UnconfirmedCOVNotificationRequest,
    WhoIsRequest,
)
from bacpypes3.errors import ServicesError
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import Address, IPv4Address
from bacpypes3.primitivedata import ObjectIdentifier

from adapters.bacnet_values import Refused
from facility.devices import Device

OURS = 4194302
"""Instance of our own device object; nobody asks for it, since we answer no Who-Is."""
_instances = itertools.count(1)
_NO_RESPONSE = frozenset({"noResponse", "no-response", "tsmTimeout", "tsm-timeout"})

Notification = UnconfirmedCOVNotificationRequest | ConfirmedCOVNotificationRequest


class NoAnswer(ConnectionError):
    """The device did not answer in time."""


class _Application(NormalApplication):  # type: ignore[misc]  # untyped in the library
    """Ours alone: it offers no services but the receipt of notifications."""

    def __init__(self, device: DeviceObject, address: IPv4Address) -> None:
        super().__init__(device, address)
        self.notified: Callable[[Any], bool] = _nobody
        self.is_there: Callable[[Any], object] = _nobody

    async def do_IAmRequest(self, apdu: Any) -> None:
        self.is_there(apdu)

    async def do_WhoIsRequest(self, apdu: Any) -> None:
        """We are no device of the building."""

    async def do_ConfirmedCOVNotificationRequest(self, apdu: Any) -> None:
        if not self.notified(apdu):
            raise ServicesError(errorCode="unknownSubscription")
        await self.response(SimpleAckPDU(context=apdu))

    async def do_UnconfirmedCOVNotificationRequest(self, apdu: Any) -> None:
        self.notified(apdu)


def _nobody(_notification: Any) -> bool:
    return False


class BacnetLink:
    """A socket, and the device that is spoken to through it.

    Parameters
    ----------
    device
        Host, port and time-out.
    """

    def __init__(self, device: Device, application: _Application) -> None:
        self._device, self._application = device, application
        self._peer = Address(f"{device.host}:{device.port}")
        self._closed = False

    @classmethod
    async def open(cls, device: Device) -> BacnetLink:
        """A socket on a free port, ready to send.

        Raises
        ------
        OSError
            There is none to be had.
        """
        ours = DeviceObject(
            objectIdentifier=ObjectIdentifier(("device", OURS)),
            objectName=f"isotherm-gateway-{next(_instances)}",
            apduTimeout=round(1000.0 * device.timeout_s) + 1000,
            numberOfApduRetries=0,
            maxApduLengthAccepted=1476,
        )
        host = "127.0.0.1" if device.host in ("127.0.0.1", "localhost") else "0.0.0.0"  # noqa: S104
        application = _Application(ours, IPv4Address(f"{host}:0"))
        await asyncio.gather(*application.normal.server._transport_tasks)
        return cls(device, application)

    def on_notification(self, take: Callable[[Any], bool]) -> None:
        """Hand change-of-value notifications of the device to ``take``; it says if it knew it."""

        def notified(notification: Any) -> bool:
            return notification.pduSource == self._peer and take(notification)

        self._application.notified = notified

    async def who_is_there(self, within_s: float) -> int | None:
        """The instance of the device at the address: Who-Is to it alone (clause 16.10)."""
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def took(answer: Any) -> None:
            if answer.pduSource == self._peer and not told.done():
                told.set_result(int(answer.iAmDeviceIdentifier[1]))

        self._application.is_there = took
        self._application.request(WhoIsRequest(destination=self._peer))
        try:
            async with asyncio.timeout(within_s):
                return await told
        except TimeoutError:
            return None
        finally:
            self._application.is_there = _nobody

    async def request(self, apdu: Any, within_s: float) -> Any:
        """Send a confirmed request once and return what acknowledges it.

        Raises
        ------
        NoAnswer
            Nothing came within ``within_s`` (wall time), or the link is closed.
        Refused
            The device's own refusal, in its words.
        """
        if self._closed:
            raise NoAnswer("closed")
        apdu.pduDestination = self._peer
        try:
            async with asyncio.timeout(within_s):
                answer = await self._application.request(apdu)
        except TimeoutError:
            raise NoAnswer(f"no answer within {within_s:.3g} s") from None
        except ErrorRejectAbortNack as error:
            answer = error
        if isinstance(answer, ErrorRejectAbortNack):
            words = str(answer)
            if words in _NO_RESPONSE:
                raise NoAnswer(f"no answer within {within_s:.3g} s")
            raise Refused(words)
        return answer

    def close(self) -> None:
        """Close the socket; nothing is sent any more."""
        if not self._closed:
            self._closed = True
            self._application.close()
