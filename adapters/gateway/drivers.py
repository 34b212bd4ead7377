"""From a site to a driver for each device."""

from __future__ import annotations

from adapters.driver import Driver, Now
from adapters.modbus import ModbusDriver
from adapters.opcua import OpcUaDriver
from adapters.opcua_security import Pki
from facility.site import Protocol, Site


def drivers_of(site: Site, now: Now, pki: Pki | None = None) -> dict[str, Driver]:
    """A driver for every device, none connected."""
    drivers: dict[str, Driver] = {}
    for device in site.devices.values():
        points = site.device_points(device.id)
        if device.protocol is Protocol.OPCUA:
            drivers[device.id] = OpcUaDriver(device, points, now, pki=pki)
        else:
            drivers[device.id] = ModbusDriver(device, points, now)
    return drivers
