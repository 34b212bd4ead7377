"""Ports that nobody listens on, for a simulated site's devices."""

from __future__ import annotations

import random
import socket

from controller.demo.options import DemoError

# The registered ports below the range that the system hands out by itself.
FIRST, LAST = 15000, 30000
ATTEMPTS = 50


def free_block(count: int) -> int:
    """The first of ``count`` neighbouring TCP ports on the loopback address that are free.

    Another process may take one before it is used: the device then says so by name.
    """
    choose = random.Random()
    for _ in range(ATTEMPTS):
        base = choose.randrange(FIRST, LAST - count)
        if all(_is_free(base + i) for i in range(count)):
            return base
    raise DemoError(f"found no {count} free neighbouring ports from {FIRST} to {LAST} on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
