"""A small client of the gateway's socket; standard library only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapters.gateway.door import LONGEST_LINE


class GatewayError(Exception):
    """No gateway answers at the socket; the message says so and what to do."""


class GatewayRefusal(Exception):
    """The gateway answered that it will not, and why."""


class GatewayClient:
    """Asynchronous client; several calls may be under way, and a beat overtakes a command."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._count = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._gone = ""
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect to the gateway at ``path``.

        Raises
        ------
        GatewayError
            Nobody listens there.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
        except OSError as error:
            raise _nobody(path, error) from None
        return cls(reader, writer)

    async def call(self, op: str, **arguments: Any) -> Any:
        """Carry out ``op``; arguments and result are JSON values (`facility.wire.to_wire`).

        Raises
        ------
        GatewayRefusal
            The gateway says no.
        GatewayError
            The gateway has gone.
        """
        if self._gone:
            raise GatewayError(self._gone)
        self._count += 1
        number = self._count
        request = _request(number, op, arguments)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._writer.write(request)
            await self._writer.drain()
            return _content(await answer)
        except ConnectionError as error:
            raise GatewayError(f"the gateway has gone: {error}") from None
        finally:
            # An answer to a call that was given up finds nobody, and is dropped.
            del self._asked[number]
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, though drain raised first

    async def _listen(self) -> None:
        """Bring every answer to the call that asked for it."""
        why = "the gateway has gone"
        try:
            while (line := await self._reader.readline()).endswith(b"\n"):
                reply = json.loads(line)
                answer = self._asked.get(reply.get("id"))
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        except (ConnectionError, ValueError) as error:
            why = f"the gateway has gone: {error}"
        finally:
            self._gone = why
            self._writer.close()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(GatewayError(why))

    async def close(self) -> None:
        """Hang up; calls that are under way fail."""
        self._writer.close()
        self._listening.cancel()
        await asyncio.wait((self._listening,))
        try:
            await self._writer.wait_closed()
        except OSError:
            return


class SyncGatewayClient:
    """The same for commands and tests that have no event loop; a context manager."""

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise _nobody(path, error) from None
        self._file = self._socket.makefile("rwb")
        self._count = 0

    def call(self, op: str, **arguments: Any) -> Any:
        """As `GatewayClient.call`."""
        self._count += 1
        try:
            self._file.write(_request(self._count, op, arguments))
            self._file.flush()
            line = self._file.readline()
        except OSError as error:
            raise GatewayError(f"the gateway does not answer: {error}") from None
        return _result(line, self._count)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):  # what could not be sent any more
            self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _nobody(path: Path, error: OSError) -> GatewayError:
    why = error.strerror or error
    return GatewayError(f"no gateway answers at {path} ({why}); start one with `isotherm gateway`")


def _request(number: int, op: str, arguments: dict[str, Any]) -> bytes:
    message = {"id": number, "op": op, **arguments}
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _result(line: bytes, number: int) -> Any:
    if not line.endswith(b"\n"):
        raise GatewayError("the gateway has gone")
    reply = json.loads(line)
    if reply.get("id") not in (number, None):
        raise GatewayError("the gateway answered another request")
    return _content(reply)


def _content(reply: dict[str, Any]) -> Any:
    if not reply.get("ok"):
        raise GatewayRefusal(reply.get("error", "refused without a reason"))
    return reply.get("result")
