"""The gateway's Unix socket: JSON lines, ``{"id", "op", ...}`` to ``{"id", "ok", ...}``.

One line is answered by one line with the same ``id``: ``{"id", "ok": true, "result"}`` or
``{"id", "ok": false, "error"}``. Requests of one connection are carried out in order, but for
those of `AT_ONCE`, which never wait: a client goes on beating while its command runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

log = logging.getLogger("gateway")

LONGEST_LINE = 8 * 2**20
"""Bytes of one answer, at most."""

LONGEST_REQUEST = 2**20
"""Bytes of one request: as many commands as one may hold, and room."""

MOST_CONNECTIONS = 16
MOST_WAITING = 16
"""Requests of one connection that wait for their turn; one more is refused."""

AT_ONCE = frozenset({"hello", "beat", "snapshot", "status"})
"""What looks and says, and changes nothing in the field: answered whatever else goes on."""


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


def _give_to(path: Path, group: str) -> None:
    """Let a group's users connect, too."""
    shutil.chown(path, group=group)
    path.chmod(0o660)


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
    is_holder
        Whether a connection is the one that holds the gateway. Where there are too many, the
        oldest other one is closed: a person who comes to release is never kept out.
    """

    def __init__(
        self,
        answer: Answer,
        left: Callable[[int], None],
        is_holder: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._answer, self._left, self._is_holder = answer, left, is_holder
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._count = 0

    async def open(self, path: Path, group: str | None = None) -> None:
        """Listen on ``path``, for this user alone or for a group's users, too.

        Raises
        ------
        DoorError
            There is no such group, or this user is not in it.
        """
        claim_socket(path)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST_REQUEST)
            self._path = path
        finally:
            os.umask(before)
        if group is not None:
            try:
                _give_to(path, group)
            except (LookupError, OSError) as error:
                raise DoorError(
                    f"{path} cannot be given to the group {group}: {error}; make the group, and "
                    "put the gateway's user into it"
                ) from error

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
            oldest = next(c for c in self._writers if not self._is_holder(c))
            log.warning("connection %d is closed: there are too many", oldest)
            self._writers.pop(oldest).transport.abort()
        self._writers[connection] = writer
        waiting: asyncio.Queue[_Request | None] = asyncio.Queue()
        worker = asyncio.create_task(self._work(connection, waiting, writer))
        try:
            while line := await reader.readline():
                await self._take(connection, line, waiting, writer)
        except (ConnectionError, ValueError):
            # Gone in the middle of a line, or a line beyond the limit: the same as closed.
            log.info("connection %d broke off", connection)
        finally:
            self._writers.pop(connection, None)
            # First, so that a command of this connection that still waits is refused.
            self._left(connection)
            waiting.put_nowait(None)
            await worker
            writer.close()

    async def _take(
        self,
        connection: int,
        line: bytes,
        waiting: asyncio.Queue[_Request | None],
        writer: asyncio.StreamWriter,
    ) -> None:
        """Answer one line now, or let it wait for its turn."""
        request = _understood(line)
        if isinstance(request, _Request) and request.op not in AT_ONCE:
            if waiting.qsize() < MOST_WAITING:
                waiting.put_nowait(request)
                return
            request = _no(request.number, f"{MOST_WAITING} requests of this connection wait")
        elif isinstance(request, _Request):
            request = await self._reply(connection, request)
        writer.write(request)
        await writer.drain()

    async def _work(
        self,
        connection: int,
        waiting: asyncio.Queue[_Request | None],
        writer: asyncio.StreamWriter,
    ) -> None:
        """Carry out what waits, one after the other, until the connection has closed."""
        while (request := await waiting.get()) is not None:
            answer = await self._reply(connection, request)
            if writer.is_closing():
                continue
            writer.write(answer)
            # Who hung up while it was carried out is told by the reader's side.
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    async def _reply(self, connection: int, request: _Request) -> bytes:
        number = request.number
        try:
            result = await self._answer(connection, request.op, request.arguments)
        except Refusal as error:
            return _no(number, str(error))
        return f'{{"id":{json.dumps(number)},"ok":true,"result":{result}}}\n'.encode()


@dataclass(frozen=True, slots=True)
class _Request:
    number: Any
    op: str
    arguments: dict[str, Any]


def _understood(line: bytes) -> _Request | bytes:
    """A line as a request, or the answer that says what is wrong with it."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _no(None, f"not understood: {error}")
    if not isinstance(request, dict):
        return _no(None, "a request is an object with id, op and arguments")
    number, op = request.pop("id", None), request.pop("op", None)
    if not isinstance(op, str):
        return _no(number, "a request names its op")
    return _Request(number, op, request)


def _no(number: Any, why: str) -> bytes:
    return _line({"id": number, "ok": False, "error": why})


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
