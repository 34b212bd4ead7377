"""What a client of the stream may rely on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controller.live import WAITING_EVENTS, Hub
from controller.service.stream import EventStream, Stream
from tests.controller_fakes import CASE, START_S
from tests.service_world import World, made_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with made_world(tmp_path) as made:
        yield made


def events(message: bytes) -> list[tuple[str, Any]]:
    """What stands in a piece of the stream."""
    found = []
    for block in message.decode().split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.splitlines() if ": " in line)
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


class Client:
    """The far end of a stream: takes what it is sent, unless it is stuck."""

    def __init__(self, world: World, stream: Stream) -> None:
        self.got: list[bytes] = []
        self.seen = 0
        self.stuck = asyncio.Event()
        self.stuck.set()
        self.hung_up = asyncio.Event()
        response = EventStream(world.here, stream)
        self.task = asyncio.create_task(response({"type": "http"}, self.receive, self.send))

    async def receive(self) -> dict[str, str]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.stuck.wait()
        if message["type"] == "http.response.body":
            self.got.append(message["body"])

    async def until(self, event: str) -> Any:
        """The data of the next event of a name; those before it are passed over."""
        while True:
            for name, data in events(b"".join(self.got))[self.seen :]:
                self.seen += 1
                if name == event:
                    return data
            await asyncio.sleep(0.01)


async def test_the_whole_state_comes_first_then_what_changed(world: World) -> None:
    client = Client(world, Stream(world.here))
    first = await client.until("snapshot")
    assert first["values"][CASE] == 50.0
    assert set(first["modes"].values()) == {"advisory"}
    world.refresh({CASE: 51.5})
    world.here.live.hub.news.set()
    assert await client.until("changes") == {"time_s": START_S, "values": {CASE: 51.5}}
    client.hung_up.set()
    await client.task


async def test_an_alarm_is_sent_at_once_and_changes_the_status(world: World) -> None:
    client = Client(world, Stream(world.here))
    assert (await client.until("status"))["alarms"]["open"] == 0
    world.refresh({CASE: 76.0})
    world.here.alarms.update(world.here.live.snapshot, world.here.live, START_S)
    assert "above its limit" in (await client.until("alarm"))["text"]
    status = await client.until("status")
    assert (status["alarms"]["high"], status["alarms"]["unseen"]) == (1, 1)
    assert status["least"]["room_k"] == -1.0
    client.hung_up.set()
    await client.task


async def test_every_client_gets_the_same_bytes(world: World) -> None:
    stream = Stream(world.here)
    clients = [Client(world, stream) for _ in range(3)]
    for client in clients:
        await client.until("status")
    world.refresh({CASE: 52.0})
    world.here.live.hub.news.set()
    for client in clients:
        await client.until("status")
    assert len({b"".join(client.got) for client in clients}) == 1
    for client in clients:
        client.hung_up.set()
        await client.task
    assert not world.here.live.hub.has_listeners


async def test_who_falls_behind_is_dropped_and_others_go_on(world: World) -> None:
    stream = Stream(world.here)
    slow, quick = Client(world, stream), Client(world, stream)
    await slow.until("status")
    await quick.until("status")
    slow.stuck.clear()
    hub = world.here.live.hub
    for number in range(WAITING_EVENTS + 2):
        hub.publish("tick", {"number": number})
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    slow.stuck.set()
    with pytest.raises(ConnectionAbortedError):
        await slow.task
    assert (await quick.until("tick"))["number"] == 0
    quick.hung_up.set()
    await quick.task


async def test_what_waits_comes_as_one_piece() -> None:
    hub = Hub()
    with hub.listen(b"hello ") as listener:
        hub.publish("tick", {"number": 1})
        hub.publish("tick", {"number": 2})
        message = await listener.next()
        assert message is not None
        assert [data["number"] for _, data in events(message)] == [1, 2]
        assert message.startswith(b"hello ")
        hub.close()
        assert await listener.next() is None
