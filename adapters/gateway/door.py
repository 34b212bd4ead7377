"""The gateway's Unix socket: JSON lines, ``{"id", "op", ...}`` to ``{"id", "ok", ...}``.

One line is answered by one line with the same ``id``: ``{"id", "ok": true, "result"}`` or
``{"id", "ok": false, "error"}``. Requests of one connection are answered in order.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TextIO

log = logging.getLogger("gateway")

LONGEST_LINE = 8 * 2**20
"""Bytes of one request, at most."""

MOST_CONNECTIONS = 16


class Refusal(Exception):
    """A request that the gateway does not carry out; the message goes to the client."""


class DoorError(Exception):
    """The socket or the state folder cannot be used; the message says why and the mend."""


Answer = Callable[[int, str, dict[str, Any]], Awaitable[str]]
"""(connection, op, arguments) -> the result as JSON text; raises `Refusal`."""


def lock_state(folder: Path) -> TextIO:
    """Make sure that one gateway alone owns the state folder; keep the file open to hold it.

    Raises
    ------
    DoorError
        Another gateway runs on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "gateway.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise DoorError(
            f"another gateway is running on {folder}; stop it first, or give --state another folder"
        ) from None
    return file


def claim_socket(path: Path) -> None:
    """Make way for a new socket: remove one that a dead gateway left.

    Raises
    ------
    DoorError
        A living gateway answers there, or the path is something else.
    """
    if len(os.fsencode(path)) > 107:  # sun_path of Linux, less its end
        raise DoorError(f"the path of the socket is too long for the system: {path}")
    if not path.parent.is_dir():
        raise DoorError(f"there is no folder {path.parent} for the socket")
    if not path.exists():
        return
    if not path.is_socket():
        raise DoorError(f"{path} exists and is no socket; give --socket another path")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise DoorError(f"{path} is in use ({error.strerror or error})") from None
    raise DoorError(f"another gateway is listening on {path}; stop it first")


def remove(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    path.unlink(missing_ok=True)


class Door:
    """Listens, reads requests, and writes answers.

    Parameters
    ----------
    answer
        Carries out one request.
    left
        Called when a connection has closed.
    """

    def __init__(self, answer: Answer, left: Callable[[int], None]) -> None:
        self._answer, self._left = answer, left
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._count = 0

    async def open(self, path: Path) -> None:
        """Listen on ``path``, for this user alone."""
        claim_socket(path)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST_LINE)
            self._path = path
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening and hang up on everybody; removes the socket."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers.values()):
            writer.close()
        if self._path is not None:
            remove(self._path)
        await asyncio.wait_for(self._server.wait_closed(), 2.0)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        connection = self._count
        if len(self._writers) >= MOST_CONNECTIONS:
            writer.write(_line({"id": None, "ok": False, "error": "too many connections"}))
            writer.close()
            return
        self._writers[connection] = writer
        try:
            while line := await reader.readline():
                writer.write(await self._reply(connection, line))
                await writer.drain()
        except (ConnectionError, ValueError):
            # Gone in the middle of a line, or a line beyond the limit: the same as closed.
            log.info("connection %d broke off", connection)
        finally:
            del self._writers[connection]
            writer.close()
            self._left(connection)

    async def _reply(self, connection: int, line: bytes) -> bytes:
        number: Any = None
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise Refusal("a request is an object with id, op and arguments")
            number, op = request.pop("id", None), request.pop("op", None)
            if not isinstance(op, str):
                raise Refusal("a request names its op")
            result = await self._answer(connection, op, request)
        except Refusal as error:
            return _line({"id": number, "ok": False, "error": str(error)})
        except ValueError as error:
            return _line({"id": number, "ok": False, "error": f"not understood: {error}"})
        return f'{{"id":{json.dumps(number)},"ok":true,"result":{result}}}\n'.encode()


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
