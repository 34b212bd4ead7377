"""What the drivers share about TCP."""

from __future__ import annotations

import asyncio
import socket
import struct


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
