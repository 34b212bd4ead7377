"""The gateway's socket: a beat overtakes a command, and nobody can fill the gateway up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.gateway.client import GatewayClient, GatewayError, GatewayRefusal, SyncGatewayClient
from adapters.gateway.door import LONGEST_REQUEST, MOST_CONNECTIONS, MOST_WAITING, Door, Refusal


class Desk:
    """Answers like a gateway whose commands take as long as a test wants."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.free = asyncio.Event()
        self.carried_out: list[str] = []
        self.left: list[int] = []
        self.door = Door(self.answer, self.left.append, lambda connection: connection == 1)

    async def answer(self, connection: int, op: str, args: dict[str, Any]) -> str:
        if op == "beat":
            return "null"
        if op == "no":
            raise Refusal("not today")
        await self.free.wait()
        self.carried_out.append(str(args.get("name")))
        return json.dumps(args.get("name"))


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "g.sock")
    await desk.door.open(desk.path)
    yield desk
    desk.free.set()
    await desk.door.close()


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(20.0):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_beat_is_answered_while_a_command_of_the_same_client_runs(desk: Desk) -> None:
    client = await GatewayClient.connect(desk.path)
    command = asyncio.create_task(client.call("command", name="slow"))
    for _ in range(20):
        await asyncio.wait_for(client.call("beat", plan_age_s=1.0), 10.0)
    assert not command.done()
    desk.free.set()
    assert await command == "slow"
    await client.close()


async def test_other_requests_keep_their_order(desk: Desk) -> None:
    client = await GatewayClient.connect(desk.path)
    calls = [asyncio.create_task(client.call("command", name=str(i))) for i in range(8)]
    await asyncio.sleep(0)
    desk.free.set()
    assert await asyncio.gather(*calls) == [str(i) for i in range(8)]
    assert desk.carried_out == [str(i) for i in range(8)]
    with pytest.raises(GatewayRefusal, match="not today"):
        await client.call("no")
    await client.close()


async def test_a_call_that_is_given_up_costs_neither_the_link_nor_the_next_answer(
    desk: Desk,
) -> None:
    client = await GatewayClient.connect(desk.path)
    slow = asyncio.create_task(client.call("command", name="given up"))
    await client.call("beat", plan_age_s=0.0)
    slow.cancel()
    await asyncio.wait((slow,))
    desk.free.set()
    assert await client.call("command", name="next") == "next"
    assert desk.left == []
    await client.close()


async def test_requests_that_wait_are_bounded_and_one_more_is_refused(desk: Desk) -> None:
    client = await GatewayClient.connect(desk.path)
    calls = [
        asyncio.create_task(client.call("command", name=str(i))) for i in range(3 * MOST_WAITING)
    ]
    await client.call("beat", plan_age_s=0.0)
    await eventually(lambda: sum(c.done() for c in calls) >= 2 * MOST_WAITING - 1)
    refused = [c for c in calls if c.done()]
    assert all("requests of this connection wait" in str(c.exception()) for c in refused)
    desk.free.set()
    await asyncio.wait(calls)
    assert len(desk.carried_out) == len(calls) - len(refused) <= MOST_WAITING + 1
    await client.close()


async def test_what_was_asked_before_hanging_up_is_carried_out_after_the_farewell(
    desk: Desk,
) -> None:
    _, writer = await asyncio.open_unix_connection(desk.path)
    writer.write(b'{"id":1,"op":"release","name":"all"}\n')
    await writer.drain()
    writer.close()
    # First the gateway learns that the client has gone, so that a command is refused by then.
    await eventually(lambda: desk.left == [1])
    assert desk.carried_out == []
    desk.free.set()
    await eventually(lambda: desk.carried_out == ["all"])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{\n", "not understood"),
        (b"[1, 2]\n", "a request is an object"),
        (b'{"id": 7}\n', "names its op"),
        (b'{"id": 7, "op": ["x"]}\n', "names its op"),
        (b"\xff\xfe\n", "not understood"),
        (b"[" * 100_000 + b"\n", "not understood"),
    ],
)
async def test_what_is_no_request_is_answered_in_words(desk: Desk, line: bytes, words: str) -> None:
    reader, writer = await asyncio.open_unix_connection(desk.path)
    writer.write(line)
    reply = json.loads(await asyncio.wait_for(reader.readline(), 20.0))
    assert reply["ok"] is False
    assert words in reply["error"]
    writer.close()


async def test_a_line_beyond_the_limit_closes_the_connection_and_no_other(desk: Desk) -> None:
    other = await GatewayClient.connect(desk.path)
    reader, writer = await asyncio.open_unix_connection(desk.path)
    writer.write(b"x" * (LONGEST_REQUEST + 2))
    assert await asyncio.wait_for(reader.read(), 20.0) == b""
    await other.call("beat", plan_age_s=0.0)
    writer.close()
    await other.close()


async def test_connections_are_bounded_and_the_newest_always_gets_in(desk: Desk) -> None:
    clients = []
    for _ in range(MOST_CONNECTIONS):
        clients.append(await GatewayClient.connect(desk.path))
        await clients[-1].call("beat", plan_age_s=0.0)
    for _ in range(3):
        with SyncGatewayClient(desk.path) as late:
            await asyncio.to_thread(late.call, "beat")
    assert len(desk.door._writers) <= MOST_CONNECTIONS
    # The first holds the gateway; the next in age had to go.
    await clients[0].call("beat", plan_age_s=0.0)
    with pytest.raises(GatewayError, match="has gone"):
        await clients[1].call("beat", plan_age_s=0.0)
    for client in clients:
        await client.close()


async def test_calls_under_way_fail_when_the_gateway_goes(desk: Desk) -> None:
    client = await GatewayClient.connect(desk.path)
    call = asyncio.create_task(client.call("command", name="lost"))
    await client.call("beat", plan_age_s=0.0)
    for writer in list(desk.door._writers.values()):
        writer.transport.abort()
    with pytest.raises(GatewayError, match="has gone"):
        await call
    with pytest.raises(GatewayError, match="has gone"):
        await client.call("beat", plan_age_s=0.0)
    await client.close()
