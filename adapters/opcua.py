"""OPC UA driver: typed writes, batched reads that carry their status, security by default.

asyncua's own reconnection is off: it holds a write for up to a minute and sends it after
the reconnect. Here a request on a lost connection fails at once, and a request that is not
answered in time costs the connection, with whatever bytes still lay in its buffers.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from adapters import codec, opcua_batch, opcua_browse
from adapters.driver import (
    Now,
    Place,
    ReadRefused,
    Unreachable,
    WriteFailed,
)
from adapters.opcua_security import secure
from adapters.pki import APPLICATION_URI, Pki
from adapters.point_driver import PointDriver
from adapters.transport import abort, in_time
from facility.devices import Device
from facility.points import Access, DataType, Point
from facility.telemetry import Quality, Reading

_TYPES = {
    DataType.BOOL: ua.VariantType.Boolean,
    DataType.INT16: ua.VariantType.Int16,
    DataType.UINT16: ua.VariantType.UInt16,
    DataType.INT32: ua.VariantType.Int32,
    DataType.UINT32: ua.VariantType.UInt32,
    DataType.FLOAT32: ua.VariantType.Float,
    DataType.FLOAT64: ua.VariantType.Double,
}
_NODES_PER_READ = 500
"""Nodes of one read request: servers state limits from 100 up; most take 1,000."""
_READS_AT_ONCE = 3
_SELDOM_S = 3600.0
"""asyncua would probe the server every second; the scans of the gateway do that anyway."""

# What goes wrong on the wire or in asyncua's reading of it.
_FAULTS = (OSError, TimeoutError, UaError, ValueError, IndexError, struct.error)


@dataclass(frozen=True)
class _Batch:
    """Nodes of one read request."""

    points: tuple[Point, ...]
    plainly: tuple[codec.Plainly, ...]
    request: opcua_batch.Encoded


class OpcUaDriver(PointDriver):
    """An OPC UA server behind the driver port.

    Parameters
    ----------
    device
        Host, port, time-out, and the security policy that the site asks for.
    points
        Its points; addresses are node ids (``ns=2;s=name``).
    now
        Plant time, for the readings.
    pki
        Our certificate and whom we trust; needed for every policy but «None».
    """

    def __init__(
        self, device: Device, points: Collection[Point], now: Now, *, pki: Pki | None = None
    ) -> None:
        super().__init__(device, points, now)
        self._pki = pki
        self._nodes = {p.tag: ua.NodeId.from_string(p.address) for p in points}
        self._client: Client | None = None
        self._plans: dict[tuple[str, ...], tuple[_Batch, ...]] = {}
        # asyncua tells of every lost connection on its own; the gateway says it once, in words.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)

    def _why_lost(self) -> str | None:
        client = self._client
        if client is None:
            return self._note
        protocol = client.uaclient.protocol
        gone = protocol is None or protocol.is_closed
        return "the device closed the connection" if gone else None

    async def connect(self) -> None:
        device = self._device
        await self.close()
        client = Client(
            f"opc.tcp://{device.host}:{device.port}/",
            timeout=device.timeout_s,
            watchdog_intervall=_SELDOM_S,
            auto_reconnect=False,
        )
        client.name = client.description = "Isotherm"
        client.application_uri = APPLICATION_URI
        try:
            # Socket, hello, channel, session.
            await in_time(self._open(client), 4.0 * device.timeout_s)
        except (*_FAULTS, ConnectionError, AssertionError) as error:
            reason = str(error) or f"no answer within {device.timeout_s:g} s"
            if isinstance(error, AssertionError):  # how asyncua takes a fault in place of a channel
                reason = "the server refuses a secure channel: it may not trust our certificate"
            self._note = reason
            await _discard(client)
            raise Unreachable(f"{device.id}: {device.host}:{device.port}: {reason}") from None
        self._client = client

    async def _open(self, client: Client) -> None:
        await secure(client, self._device, self._pki)
        await client.connect()

    async def read(self, tags: Collection[str]) -> Mapping[str, Reading]:
        found: dict[str, Reading] = {}
        key = tuple(tags)
        if key not in self._plans:
            self._plans[key] = self._plan(key)
        waiting = iter(self._plans[key])

        async def work() -> None:
            # The server makes one answer while another is taken apart here.
            for batch in waiting:
                if not await self._read_batch(batch, found):
                    return

        await asyncio.gather(*(work() for _ in range(_READS_AT_ONCE)))
        return found

    async def _read_batch(self, batch: _Batch, found: dict[str, Reading]) -> bool:
        """Read nodes into ``found``; False where the connection is gone."""
        client = self._client
        if client is None or not self.status.connected:
            return False
        sent = time.monotonic()
        try:
            reading = opcua_batch.read(client, batch.request)
            values = await in_time(reading, self._device.timeout_s)
        except _FAULTS as error:
            await self._lose(f"read failed: {error}" if str(error) else "read timed out")
            return False
        time_s = self._answered(sent)
        if len(values) != len(batch.points):
            await self._lose(f"asked for {len(batch.points)} values, got {len(values)}")
            return False
        for point, plainly, value in zip(batch.points, batch.plainly, values, strict=True):
            good = None
            if value.number is not None and not value.status:
                good = plainly(value.number, time_s)
            found[point.tag] = good or _reading(point, value, time_s)
        return True

    def _plan(self, tags: tuple[str, ...]) -> tuple[_Batch, ...]:
        points = [p for tag in tags if (p := self._points[tag]).access is not Access.WRITE]
        batches = []
        for first in range(0, len(points), _NODES_PER_READ):
            some = tuple(points[first : first + _NODES_PER_READ])
            request = opcua_batch.encoded([self._nodes[p.tag] for p in some])
            batches.append(_Batch(some, tuple(codec.plainly(p) for p in some), request))
        return tuple(batches)

    async def places(self, below: str) -> tuple[Place, ...]:
        client, name = self._client, self._device.id
        if client is None or not self.status.connected:
            raise Unreachable(f"{name}: {self.status.note}")
        try:
            return await in_time(opcua_browse.places(client, below), 4.0 * self._device.timeout_s)
        except UaStatusCodeError as error:
            raise ReadRefused(f"{name}: {error}") from None
        except _FAULTS as error:
            raise Unreachable(f"{name}: {str(error) or 'no answer in time'}") from None

    async def write(self, tag: str, data: bytes, within_s: float) -> None:
        client, name, point = self._client, self._device.id, self._points[tag]
        if client is None or not self.status.connected:
            raise WriteFailed(f"{name}: {self.status.note}, {tag} not written", sent=False)
        if within_s <= 0.0:
            raise WriteFailed(f"{name}: the deadline of {tag} has passed", sent=False)
        value = ua.WriteValue(
            NodeId=self._nodes[tag],
            AttributeId=AttributeIds.Value,
            Value=ua.DataValue(ua.Variant(codec.scalar(point, data), _TYPES[point.data_type])),
        )
        sent = time.monotonic()
        try:
            writing = client.uaclient.write(ua.WriteParameters(NodesToWrite=[value]))
            statuses = await in_time(writing, within_s)
        except _FAULTS as error:
            reason = str(error) or f"no reply within {within_s:.3g} s"
            await self._lose(reason)
            raise WriteFailed(f"{name}: {tag} not confirmed: {reason}", sent=True) from None
        except asyncio.CancelledError:
            await self._lose("given up in the middle of a write")
            raise
        self._answered(sent)
        if len(statuses) != 1 or not statuses[0].is_good():
            words = statuses[0].name if statuses else "no status"
            raise WriteFailed(f"{name} refuses to write {tag}: {words}", sent=True)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self._note = "closed"
        try:
            await in_time(client.disconnect(), self._device.timeout_s)
        except (*_FAULTS, ConnectionError):
            await _discard(client)

    async def _lose(self, why: str) -> None:
        client, self._client = self._client, None
        self._note = why
        if client is not None:
            await _discard(client)


async def _discard(client: Client) -> None:
    """Drop a connection with everything that still waits in its buffers to be sent."""
    protocol = client.uaclient.protocol
    if protocol is not None and protocol.transport is not None:
        abort(protocol.transport)
    try:
        # Stops asyncua's own tasks; the socket is gone, so nothing is sent.
        await in_time(client.disconnect(), 1.0)
    except (*_FAULTS, ConnectionError):
        return


def _reading(point: Point, value: opcua_batch.Value, time_s: float) -> Reading:
    status = ua.StatusCode(ua.UInt32(value.status))
    if not status.is_good():
        return Reading(None, Quality.BAD, time_s, f"the device says {status.name}")
    if value.kind:
        note = f"a number was expected, the node holds {value.kind}"
        return Reading(None, Quality.BAD, time_s, note)
    if value.number is None:
        return Reading(None, Quality.ABSENT, time_s, "the device says that there is no value")
    return codec.reading(point, float(value.number), time_s)
