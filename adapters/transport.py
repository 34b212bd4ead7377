"""What the drivers share about connections and time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


def abort(transport: asyncio.Transport) -> None:
    """Close a connection so that the kernel forgets unsent bytes instead of retrying them.

    A write that lay in a buffer while the network was down would otherwise reach the
    device when the network comes back, long after its deadline. Lingering for 0 s
    resets the connection (RFC 9293, 3.10.5).
    """
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def in_time(work: Awaitable[T], seconds: float) -> T:
    """Wait for ``work`` no longer than ``seconds`` of wall time.

    asyncua waits with the package wait_for2, which answers a cancellation that meets a result
    with a `CancelledError` of its own kind; `asyncio.timeout` takes only the plain kind for its
    own doing, so that a reply in the very instant of the time-out would end the gateway.

    Raises
    ------
    TimeoutError
        The time is over.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except asyncio.CancelledError:
        if limit.expired():
            raise TimeoutError from None
        raise
