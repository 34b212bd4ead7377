"""One Modbus TCP connection: one request in flight, writes first, nothing sent late.

Why the link is ours rather than pymodbus's client: docs/decisions/0007.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (header), and
MODBUS Application Protocol V1.1b3, 6 and 7 (function and exception codes).
"""

from __future__ import annotations

import asyncio
import math
import ssl
import struct
import time
from collections import deque
from typing import cast

from adapters.transport import abort
from facility.devices import Device

_HEADER = struct.Struct(">HHHB")
_LONGEST = 254
"""Bytes of unit id and PDU, at most (Messaging Guide, 3.1.3)."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge: still working",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}
"""Application Protocol V1.1b3, 7."""


class LinkLost(ConnectionError):
    """There is no connection, or the reply did not come or made no sense."""


class TooLate(TimeoutError):
    """The deadline passed before the request's turn came: nothing was sent."""


class ModbusException(Exception):
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}, {EXCEPTIONS.get(code, 'unknown to the standard')}")
        self.code = code


class ModbusLink(asyncio.Protocol):
    """A connection; of no more use once `is_open` is False.

    Parameters
    ----------
    unit_id
        The server's unit identifier; a reply of any other is refused.
    gap_s
        Rest between a reply and the next request.
    """

    def __init__(self, unit_id: int, gap_s: float = 0.0) -> None:
        self._unit_id, self._gap_s = unit_id, gap_s
        self._rests_until = 0.0
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._transaction = 0
        self._reply: asyncio.Future[bytes] | None = None
        self._deadline, self._limit_s = math.inf, 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.why_lost = "never connected"
        self.round_trip_s: float | None = None

    @classmethod
    async def open(cls, device: Device, tls: ssl.SSLContext | None = None) -> ModbusLink:
        """Connect.

        Parameters
        ----------
        tls
            What to secure the connection with (Modbus/TCP Security V36: the same PDUs in TLS).

        Raises
        ------
        LinkLost
            Nobody answers there within the device's time-out, or the two of us do not trust
            each other.
        """
        host, port, timeout_s = device.host, device.port, device.timeout_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, link = await loop.create_connection(
                    lambda: cls(device.unit_id, device.request_gap_s), host, port, ssl=tls
                )
        except TimeoutError:
            raise LinkLost(f"no answer from {host}:{port} within {timeout_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise LinkLost(f"{host}:{port}: its certificate: {error.verify_message}") from None
        except OSError as error:
            raise LinkLost(f"{host}:{port}: {error.strerror or error}") from None
        return link

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self._transport is not None

    async def request(self, pdu: bytes, within_s: float, *, urgent: bool = False) -> bytes:
        """Send one request and return the PDU of its reply.

        Parameters
        ----------
        pdu
            Function code and data.
        within_s
            Wall time for waiting, sending and answer together.
        urgent
            Goes before every request that waits and is not urgent.

        Raises
        ------
        TooLate
            Its turn did not come in time; no byte was sent, the link stays.
        LinkLost
            There was no link, or the reply was late or malformed: the link is closed.
        ModbusException
            The device's own refusal.
        """
        started = time.monotonic()
        if self._busy:
            await self._turn(within_s, urgent=urgent)
        if self._transport is None:
            raise LinkLost(self.why_lost)
        self._busy = True
        try:
            return await self._exchange(pdu, within_s - (time.monotonic() - started))
        finally:
            self._busy = False
            self._wake_next()

    async def _exchange(self, pdu: bytes, left_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        if self._gap_s:
            rest_s = self._rests_until - loop.time()
            if 0.0 < rest_s < left_s:
                await asyncio.sleep(rest_s)
            left_s -= max(0.0, rest_s)
        if left_s <= 0.0:
            raise TooLate("the deadline passed before the request could be sent")
        transport = self._transport
        if transport is None:
            raise LinkLost(self.why_lost)
        self._transaction = (self._transaction + 1) & 0xFFFF
        reply: asyncio.Future[bytes] = loop.create_future()
        self._reply = reply
        sent = time.monotonic()
        self._limit_s = left_s
        self._watch(loop, loop.time() + left_s)
        transport.write(_HEADER.pack(self._transaction, 0, len(pdu) + 1, self._unit_id) + pdu)
        try:
            answer = await reply
        except asyncio.CancelledError:
            self._lose("given up in the middle of a request")
            raise
        finally:
            self._deadline = math.inf
            self._reply = None
            self._rests_until = loop.time() + self._gap_s
        self.round_trip_s = time.monotonic() - sent
        if answer[0] == pdu[0]:
            return answer
        if answer[0] == pdu[0] | 0x80 and len(answer) == 2:
            raise ModbusException(answer[1])
        self._lose(f"the reply to function {pdu[0]} is one of function {answer[0]}")
        raise LinkLost(self.why_lost)

    def _watch(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """Lose the link at ``deadline``; one timer serves many requests that are answered."""
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(deadline, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._deadline <= loop.time():
            self._lose(f"no reply within {self._limit_s:.3g} s")
        elif self._deadline < math.inf:
            self._timer = loop.call_at(self._deadline, self._expire, loop)

    async def _turn(self, within_s: float, *, urgent: bool) -> None:
        line = self._urgent if urgent else self._waiting
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(within_s):
                await turn
        except BaseException as error:
            if turn in line:
                line.remove(turn)
            elif turn.done() and not turn.cancelled():
                self._wake_next()  # it was our turn just now: pass it on
            if isinstance(error, TimeoutError):
                raise TooLate("the deadline passed while another request was under way") from None
            raise

    def _wake_next(self) -> None:
        for line in (self._urgent, self._waiting):
            while line:
                turn = line.popleft()
                if not turn.done():
                    # Busy until it runs, so that nobody slips in between.
                    self._busy = True
                    turn.set_result(None)
                    return
        self._busy = False

    def close(self, why: str = "closed") -> None:
        """Close the connection at once; a request under way fails."""
        self._lose(why)

    def _lose(self, why: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            abort(self._transport)
            self._transport = None
            self.why_lost = why
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(LinkLost(why))

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the open connection."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        why = "the device closed the connection" if exc is None else str(exc)
        in_tls = self._transport and self._transport.get_extra_info("ssl_object")
        if in_tls and self.round_trip_s is None:
            # TLS 1.3 tells of a refused client certificate only now, if at all.
            why += " before it answered anything: it may not trust our certificate"
        self._lose(why)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into replies; anything that cannot be one closes the link."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            transaction, protocol, length, unit_id = _HEADER.unpack_from(self._buffer)
            if protocol != 0 or not 3 <= length <= _LONGEST:
                self._lose("the device sent something that is not Modbus TCP")
                return
            end = 6 + length
            if len(self._buffer) < end:
                return
            pdu, self._buffer = self._buffer[_HEADER.size : end], self._buffer[end:]
            if transaction != self._transaction or self._reply is None or self._reply.done():
                self._lose("the device sent a reply that nobody asked for")
                return
            if unit_id != self._unit_id:
                self._lose(f"unit {unit_id} answered a request to unit {self._unit_id}")
                return
            self._reply.set_result(pdu)
