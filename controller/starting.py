"""What a start finds out before anything runs: socket, state directory, clock, user."""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facility.clock import Clock, SteppedClock, WallClock

GATEWAY_FILE = "gateway-socket"
"""In the state directory: the path of the gateway's socket. It stays when the controller ends, for
whoever gives the plant back then."""


class StartError(Exception):
    """The controller cannot start: what is wrong and how to mend it. Nothing was started."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket, so that a port in use is found before anything starts."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # The protocol by its number: asyncio sends small answers at once (TCP_NODELAY) only on
        # connections of a socket that names it; else each waits for the client's delayed
        # acknowledgement, 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise StartError(f"--host {host}: {error.strerror or error}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise StartError(
                f"port {port} of {host} cannot be used ({error.strerror}): something else listens "
                "there, perhaps another `isotherm serve`; stop it, or give --port another number "
                "(0 takes any free one)"
            ) from error
        yield listener


@contextmanager
def state_of(directory: Path) -> Iterator[None]:
    """One controller alone on a state directory."""
    import fcntl

    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "serve.lock").open("a", encoding="utf-8")
    except OSError as error:
        raise StartError(f"--state {directory}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(
                f"--state {directory} belongs to an `isotherm serve` that runs: stop it, or give "
                "another directory"
            ) from error
        yield


def told_clock(file: Path | None) -> dict[str, Any] | None:
    """What a simulator says of its clock; None for the wall's."""
    if file is None:
        return None
    try:
        ready = json.loads(file.read_text(encoding="utf-8"))
        told = {"ends_at_s": ready.get("ends_at_s", math.inf), **ready["clock"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StartError(
            f"{file}: no clock is described there ({error!r}); give the ready.json of a simulator"
        ) from error
    if not {"host", "port"} <= set(told) and not {"start_s", "start_monotonic_s"} <= set(told):
        raise StartError(f"{file}: its clock has neither host and port nor a start")
    return told


async def join_clock(told: dict[str, Any] | None) -> Clock:
    """The clock that a simulator tells, or the wall's."""
    if told is None:
        return WallClock()
    if "port" not in told:
        return WallClock(told["start_s"], told["start_monotonic_s"], told.get("rate", 1.0))
    try:
        return await SteppedClock.join(told["host"], int(told["port"]), "controller")
    except OSError as error:
        raise StartError(
            f"no clock answers at {told['host']}:{told['port']} ({error}): the simulator that "
            "wrote the clock file has ended; start it again"
        ) from error


def who() -> str:
    """Who started this process."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"
