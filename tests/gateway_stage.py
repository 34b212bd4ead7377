"""What all faults share: devices in memory behind real servers, and proxies before them."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters.pki import Pki, have_certificate
from facility.devices import Device, Protocol
from facility.points import Role
from facility.site import Site
from sim.authority import _Device
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.devices.registers import RegisterMap
from sim.recorder import Recorder
from tests.devices_plant import SmallPlant, free_ports
from tests.gateway_bench import AIR, DEW_POINT_C, FLOW, Bench
from tests.gateway_kit import START_S, small_site, with_device
from tests.gateway_proxy import Proxy
from tests.gateway_world import SENSORS

TOWARDS_PER_MIN, AWAY_PER_MIN = 2.0, 0.1
SHORT_S = 0.3
"""Wall time that a device under a fault may take; the others get patience."""
SEALED_SHORT_S = 0.6
"""The same where messages are signed and encrypted."""
PATIENT_S = 20.0
SEALED, KNOWN, STRANGER = "bms", "known", "stranger"


def bench_site() -> Site:
    """Two CDUs on Modbus, a CRAH on OPC UA, rates and dew point as in a hall."""
    ports = dict(zip(("cdu-1", "cdu-2", "bms"), free_ports(3), strict=True))
    site = small_site(ports=ports)
    rated = {
        name: replace(
            a,
            rate_towards_per_min=TOWARDS_PER_MIN if a.unit == "degC" else 6.0,
            # The CRAH jumps when it is given back: held within one rate step of its own value.
            rate_away_per_min=1.0 if name in (AIR, FLOW) else AWAY_PER_MIN,
            dwell_s=0.0,
        )
        for name, a in site.actuators.items()
    }
    site = replace(site, actuators=rated)
    for name in site.devices:
        site = with_device(site, name, timeout_s=PATIENT_S)
    return site


class BenchPlant(SmallPlant):
    """Devices that keep their contract but for what a fault switches on."""

    def __init__(self, site: Site) -> None:
        self.refused: set[str] = set()
        """Tags whose writes are rejected."""
        self.ignored: set[str] = set()
        """Tags whose writes are confirmed and not stored."""
        self.shown: dict[str, float | None] = {}
        """Tags that show something else than they hold; None is no value."""
        super().__init__(site, START_S)

    def reset(self) -> None:
        super().reset()
        self.sensors = {
            p.tag: SENSORS.get(p.tag, SENSORS.get(p.quantity, 20.0))
            for p in self._site.points.values()
        }
        self.sensors["hall-1.dew_point_temperature"] = DEW_POINT_C
        self.bumps: list[str] = []
        """Take-overs that moved what was in force."""
        self.refused.clear()
        self.ignored.clear()
        self.shown.clear()

    def write(self, tag: str, value: float) -> bool:
        if tag in self.refused:
            return False
        if value == 1.0 and self._site.points[tag].role is Role.ENABLE:
            for actuator in self._site.device_actuators(self._site.points[tag].device):
                before = self.authority.read(actuator.read_back, self.now_s)
                after = self.authority.read(actuator.id, self.now_s)
                if before is None or after is None or abs(after - before) > actuator.tolerance:
                    self.bumps.append(f"{actuator.id} moved from {before} to {after}")
        return tag in self.ignored or super().write(tag, value)

    def read(self, tag: str) -> Any:
        found = super().read(tag)
        if tag in self.shown:
            return replace(found, value=self.shown[tag], ok=self.shown[tag] is not None)
        return found

    def restart(self, device: str) -> None:
        """Power off and on: every register as new."""
        authority = self.authority
        authority._devices[device] = _Device(self._site.devices[device].watchdog_s)
        authority._registers = tuple(authority._devices.values())
        for row, actuator in enumerate(self._site.actuators.values()):
            if actuator.device == device:
                authority._remote[row] = actuator.fallback


class Stage:
    """Servers and proxies that all faults share, and a bench for each."""

    def __init__(self) -> None:
        self.site = bench_site()
        self.plant = BenchPlant(self.site)
        self.recorder = Recorder()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["tests.gateway_victim"])
        self.proxies: dict[str, Proxy] = {}
        self.servers: dict[str, OpcUaServer | ModbusServer] = {}
        self.sealed: dict[str, OpcUaServer] = {}
        """The OPC UA device once more, signing and encrypting, by who its certificate is of."""
        self.ports: dict[str, int] = {}
        """Of these."""

    async def open(self, folder: Path) -> None:
        for device in self.site.devices.values():
            server = self.servers[device.id] = self._server(device, folder / "pki")
            await server.start()
            self.proxies[device.id] = Proxy(device.protocol, device.port)
        self._pki = Pki(folder / "gateway-pki")
        have_certificate(self._pki)
        for owner in (KNOWN, STRANGER):
            await self._seal(owner, folder / owner)
        self._pki.trusted.mkdir()
        shutil.copy(folder / KNOWN / f"{SEALED}.der", self._pki.trusted)
        self._sealed_proxy = Proxy(Protocol.OPCUA, self.ports[KNOWN])
        for proxy in (*self.proxies.values(), self._sealed_proxy):
            await proxy.open()

    async def _seal(self, owner: str, pki: Path) -> None:
        (self.ports[owner],) = free_ports(1)
        plain = self.site.devices[SEALED]
        device = replace(plain, port=self.ports[owner], security="Basic256Sha256")
        server = OpcUaServer(
            device, self.site.device_points(SEALED), self.plant, self.recorder, pki
        )
        await server.start()
        self.sealed[owner] = server

    def _server(self, device: Device, pki: Path) -> OpcUaServer | ModbusServer:
        if device.protocol is Protocol.OPCUA:
            points = self.site.device_points(device.id)
            return OpcUaServer(device, points, self.plant, self.recorder, pki)
        registers = RegisterMap(self.site, device.id, self.plant, self.recorder)
        return ModbusServer(device.host, device.port, {device.unit_id: registers}, self.recorder)

    async def close(self) -> None:
        for proxy in (*self.proxies.values(), self._sealed_proxy):
            await proxy.close()
        for server in (*self.servers.values(), *self.sealed.values()):
            await server.stop()
        self.recorder.close()

    @asynccontextmanager
    async def bench(
        self, folder: Path, hurried: str = "", *, sealed: bool = False
    ) -> AsyncIterator[Bench]:
        """A fresh bench.

        Parameters
        ----------
        hurried
            A device that gets a short time-out.
        sealed
            Whether the OPC UA device signs and encrypts.
        """
        self.plant.reset()
        site, proxies, servers = self.site, dict(self.proxies), dict(self.servers)
        if sealed:
            proxies[SEALED], servers[SEALED] = self._sealed_proxy, self.sealed[KNOWN]
            site = with_device(site, SEALED, security="Basic256Sha256")
            shutil.copytree(self._pki.folder, folder / "state" / "pki")
        for name, proxy in proxies.items():
            proxy.heal()
            if proxy._server is None:
                await proxy.open()
            changes: dict[str, Any] = {"port": proxy.port}
            if name == hurried:
                changes["timeout_s"] = SEALED_SHORT_S if sealed else SHORT_S
            site = with_device(site, name, **changes)
        folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
        self.recorder.open(folder / "recorder.jsonl")
        bench = Bench(
            site, self.plant, self.recorder, proxies, servers, folder, self.context, self.ports
        )
        try:
            yield bench
        finally:
            await bench.end()
            for proxy in proxies.values():
                proxy.cut()
