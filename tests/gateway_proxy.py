"""A wire between gateway and device that a fault can do anything to."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from facility.devices import Protocol

Frame = Callable[[bytes], list[bytes]]


def modbus_frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole MBAP frames, and what is left."""
    found = []
    while len(buffer) >= 6 and len(buffer) >= 6 + (size := struct.unpack_from(">H", buffer, 4)[0]):
        found.append(buffer[: 6 + size])
        buffer = buffer[6 + size :]
    return found, buffer


def opcua_frames(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Whole OPC UA chunks, and what is left."""
    found = []
    while len(buffer) >= 8 and len(buffer) >= (size := struct.unpack_from("<I", buffer, 4)[0]):
        found.append(buffer[:size])
        buffer = buffer[size:]
    return found, buffer


def pass_on(frame: bytes) -> list[bytes]:
    """A frame as it is."""
    return [frame]


def swallow(frame: bytes) -> list[bytes]:
    """Nothing of a frame."""
    return []


class Proxy:
    """Between gateway and device; hands on what a fault makes of each frame."""

    def __init__(self, protocol: Protocol, target: int) -> None:
        self._cut_up = opcua_frames if protocol is Protocol.OPCUA else modbus_frames
        self._home = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.heal()

    def heal(self) -> None:
        """Be a wire again."""
        self.request: Frame = pass_on
        self.reply: Frame = pass_on
        self.delay_s = 0.0
        self.accepts = True
        self.target = self._home
        """The port that is behind it."""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """As a device that is switched off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def cut(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        back: asyncio.StreamWriter | None = None
        try:
            if not self.accepts:
                await reader.read()
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(back)
            await asyncio.gather(
                self._pump(reader, back, self._to_device),
                self._pump(there, writer, self._to_client, delays=True),
            )
        except (OSError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(task)
            for each in list(self._writers):
                if each is writer or each.transport.is_closing():
                    self._writers.discard(each)
            writer.transport.abort()
            if back is not None:
                back.transport.abort()

    def _to_device(self, frame: bytes) -> list[bytes]:
        return self.request(frame)

    def _to_client(self, frame: bytes) -> list[bytes]:
        return self.reply(frame)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        make: Frame,
        *,
        delays: bool = False,
    ) -> None:
        rest = b""
        while data := await reader.read(65536):
            frames, rest = self._cut_up(rest + data)
            for frame in frames:
                if delays and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                for each in make(frame):
                    writer.write(each)
        writer.transport.abort()
