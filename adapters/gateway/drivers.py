"""From a site to a driver for each device."""

from __future__ import annotations

from dataclasses import replace

from adapters.bacnet import BacnetDriver
from adapters.driver import Driver, Now
from adapters.modbus import ModbusDriver
from adapters.opcua import OpcUaDriver
from adapters.pki import Pki
from adapters.redfish import RedfishDriver
from facility.devices import Protocol
from facility.site import Site

STEPPED_TIMEOUT_S = 10.0
"""Where time stands still, waiting costs no plant time: there a slow machine must not look like
a slow device, or a run would not repeat."""


def drivers_of(
    site: Site, now: Now, pki: Pki | None = None, *, stands_still: bool = False
) -> dict[str, Driver]:
    """A driver for every device, none connected.

    Parameters
    ----------
    stands_still
        Whether plant time stops while we work (`facility.clock.Clock.stands_still`).
    """
    drivers: dict[str, Driver] = {}
    for named in site.devices.values():
        timeout_s = max(named.timeout_s, STEPPED_TIMEOUT_S) if stands_still else named.timeout_s
        device = replace(named, timeout_s=timeout_s)
        points = site.device_points(device.id)
        if device.protocol is Protocol.OPCUA:
            drivers[device.id] = OpcUaDriver(device, points, now, pki=pki)
        elif device.protocol is Protocol.BACNET:
            drivers[device.id] = BacnetDriver(device, points, now)
        elif device.protocol is Protocol.REDFISH:
            drivers[device.id] = RedfishDriver(device, points, now, pki=pki)
        else:
            drivers[device.id] = ModbusDriver(device, points, now, pki=pki)
    return drivers
