"""Starts the servers of a site's devices, moves the plant beneath them, and ends cleanly."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from pathlib import Path
from typing import Protocol as Interface

from facility.devices import Device, Protocol
from facility.site import Site
from sim.devices.modbus import ModbusServer
from sim.devices.opcua import OpcUaServer
from sim.devices.plant import RunningPlant
from sim.devices.registers import RegisterMap
from sim.devices.reports import (
    TRUTH_EVERY_S,
    Headline,
    TruthLog,
    accounts_of,
    energy_of,
    write_json,
)
from sim.recorder import Recorder

LIVE_EVERY_S = 0.5
"""Wall time between two live reports."""


class HostError(Exception):
    """The devices cannot be hosted; the message names the device and the mend."""


class _Server(Interface):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def notify(self) -> None: ...
    @property
    def connections(self) -> int: ...


class DeviceHost:
    """The devices of a site on the network, over one plant.

    Parameters
    ----------
    site
        Whose devices listen on their own addresses.
    plant
        What they show and set.
    recorder
        Gets every write.
    out
        Directory of the reports; `live.json` is renewed there as the plant moves.

    Raises
    ------
    HostError
        A device's registers, node ids or security policy cannot be served.
    """

    def __init__(self, site: Site, plant: RunningPlant, recorder: Recorder, out: Path) -> None:
        self.plant, self._recorder, self._out = plant, recorder, out
        self._site = site
        self._headline = Headline(site)
        self._truth = TruthLog()
        self._next_truth_s = plant.now_s
        self._live_at = -1.0
        self._finished = False
        try:
            self._servers = self._build()
        except ValueError as error:
            raise HostError(str(error)) from None

    def _build(self) -> list[_Server]:
        servers: list[_Server] = []
        units: dict[tuple[str, int], dict[int, RegisterMap]] = {}
        for device in self._site.devices.values():
            if device.protocol is Protocol.OPCUA:
                points = self._site.device_points(device.id)
                pki = self._out / "pki"
                servers.append(OpcUaServer(device, points, self.plant, self._recorder, pki))
                continue
            at = units.setdefault((device.host, device.port), {})
            if device.unit_id in at:
                raise ValueError(
                    f"device {device.id}: {device.host}:{device.port} unit {device.unit_id} is "
                    f"{at[device.unit_id].device}'s already; give it its own in site.toml"
                )
            at[device.unit_id] = RegisterMap(self._site, device.id, self.plant, self._recorder)
        servers += [ModbusServer(*at, found, self._recorder) for at, found in units.items()]
        return servers

    async def start(self) -> None:
        """Listen on every device's address, or on none.

        Raises
        ------
        HostError
            A port is taken or an address is not this machine's; all of them are named.
        """
        check_addresses(self._site)
        try:
            for server in self._servers:
                await server.start()
        except OSError as error:  # taken between the check and now
            await self.stop()
            raise HostError(f"{error}: a port was taken while the devices started") from None
        await self.advance(self.plant.now_s)

    async def advance(self, to_s: float) -> None:
        """Bring the plant to ``to_s``, and whoever watches it up to date."""
        while self._next_truth_s <= to_s:
            self.plant.advance(self._next_truth_s)
            self._truth.add(self._next_truth_s, self.plant.truth())
            self._next_truth_s += TRUTH_EVERY_S
        self.plant.advance(to_s)
        for server in self._servers:
            await server.notify()
        if time.monotonic() - self._live_at >= LIVE_EVERY_S:
            self._report()

    def _report(self) -> None:
        self._live_at = time.monotonic()
        self._recorder.flush()
        live = self._headline.of(self.plant, self.plant.truth())
        live |= {"writes": self._recorder.counts(), "energy_kwh": energy_of(self.plant.accounts())}
        write_json(self._out / "live.json", live)

    @property
    def connections(self) -> int:
        """Clients connected to any device now."""
        return sum(server.connections for server in self._servers)

    async def stop(self) -> None:
        """Close every port and connection."""
        for server in self._servers:
            with contextlib.suppress(OSError):
                await server.stop()

    def finish(self) -> None:
        """Complete the record and write the accounts and the truth, once."""
        if self._finished:
            return
        self._finished = True
        self._report()
        self._recorder.close()
        write_json(self._out / "accounts.json", accounts_of(self.plant.accounts(), self._recorder))
        self._truth.write(self._out / "truth.parquet")


def check_addresses(site: Site) -> None:
    """See that every device's address can be listened on.

    Raises
    ------
    HostError
        Some cannot; the message has a line for each, with the mend.
    """
    if problems := [p for d in site.devices.values() if (p := _cannot_bind(d))]:
        raise HostError("\n".join(problems))


def _cannot_bind(device: Device) -> str | None:
    """Why a device's address cannot be listened on, with the mend; None where it can."""
    where = f"device {device.id}: {device.host}:{device.port}"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            device.host, device.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror as error:
        return f"{where} is no address ({error.strerror}); set host in site.toml to this machine's"
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return (
                f"{where} is in use; end the program that listens there (ss -ltnp shows it), "
                "or give the device another port in site.toml"
            )
        return (
            f"{where} cannot be listened on ({error.strerror}); set host and port of the device "
            "in site.toml to an address of this machine and a port from 1024 on"
        )
    return None
