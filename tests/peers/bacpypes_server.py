"""A BACnet/IP device on bacpypes3, with its own priority arrays and notifications.

    python bacpypes_server.py PORT TYPE:INSTANCE=VALUE ...

Types are names of ASHRAE 135 (``analog-value``). Says «ready» when it listens.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from bacpypes3.basetypes import DateTime, TimeStamp
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogInputObject, AnalogValueObjectCmd
from bacpypes3.local.binary import BinaryInputObject, BinaryValueObjectCmd
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import IPv4Address
from bacpypes3.primitivedata import Date, ObjectIdentifier, Time
from bacpypes3.service.cov import ChangeOfValueServices

CLASSES: dict[str, Any] = {
    "analog-input": AnalogInputObject,
    "analog-value": AnalogValueObjectCmd,
    "binary-input": BinaryInputObject,
    "binary-value": BinaryValueObjectCmd,
}


class Device(NormalApplication, ChangeOfValueServices):  # type: ignore[misc]  # untyped
    """What the library offers, whole."""

    def __init__(self, device: DeviceObject, address: IPv4Address) -> None:
        NormalApplication.__init__(self, device, address)
        ChangeOfValueServices.__init__(self)

    async def do_ReadPropertyMultipleRequest(self, apdu: Any) -> None:
        """As the library does, and said aloud."""
        await super().do_ReadPropertyMultipleRequest(apdu)
        asked = [str(s.objectIdentifier) for s in apdu.listOfReadAccessSpecs]
        print("asked", *asked, flush=True)

    async def do_WritePropertyRequest(self, apdu: Any) -> None:
        """As the library does, and said aloud."""
        await super().do_WritePropertyRequest(apdu)
        print("write", apdu.objectIdentifier, apdu.priority, flush=True)


async def main(port: str, *words: str) -> None:
    """Serve until killed."""
    device = DeviceObject(
        objectIdentifier=ObjectIdentifier("device,7"),
        objectName="peer",
        timeOfDeviceRestart=TimeStamp(dateTime=DateTime(date=Date.now(), time=Time.now())),
    )
    application = Device(device, IPv4Address(f"127.0.0.1:{port}"))
    for word in words:
        name, _, value = word.partition("=")
        kind, _, instance = name.partition(":")
        fields: dict[str, Any] = {"presentValue": float(value), "covIncrement": 0.01}
        if kind.startswith("binary"):
            fields = {"presentValue": int(value)}
        application.add_object(
            CLASSES[kind](
                objectIdentifier=ObjectIdentifier((kind, int(instance))),
                objectName=name,
                eventState="normal",
                statusFlags=[0, 0, 0, 0],
                outOfService=False,
                **fields,
            )
        )
    await asyncio.gather(*application.normal.server._transport_tasks)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
