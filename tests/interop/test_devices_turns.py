"""The clock server gives turns in order, waits for everybody alive, and for nobody dead."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from facility.clock import RunEnded, SteppedClock
from sim.devices.turns import ClockServer

START_S, END_S = 1000.0, 1100.0


class Log:
    """What happened, in order: (name, time)."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, float]] = []

    async def advance(self, to_s: float) -> None:
        self.entries.append(("plant", to_s))


async def take_part(
    address: tuple[str, int], name: str, log: Log, every_s: float, until: Callable[[], bool]
) -> None:
    """Join, log each turn, and leave when ``until`` says so or the run ends."""
    clock = await SteppedClock.join(*address, name)
    try:
        while not until():
            log.entries.append((name, clock.now_s()))
            await asyncio.sleep(0)  # others would get in here if they could
            await clock.sleep_until(clock.now_s() + every_s)
    except RunEnded:
        log.entries.append((f"{name} ends", clock.now_s()))
    await clock.leave()


@pytest.fixture
async def log() -> Log:
    return Log()


@pytest.fixture
async def server(log: Log) -> AsyncIterator[ClockServer]:
    server = ClockServer(log.advance, ("gateway", "controller"), start_s=START_S, ends_at_s=END_S)
    yield server
    await server.stop()


def never() -> bool:
    return False


async def test_nobody_starts_before_all_have_joined(server: ClockServer, log: Log) -> None:
    address = await server.start()
    run = asyncio.create_task(server.run())
    first = asyncio.create_task(take_part(address, "controller", log, 50.0, never))
    while not server.present:
        await asyncio.sleep(0)
    assert log.entries == []
    second = asyncio.create_task(take_part(address, "gateway", log, 50.0, never))
    await asyncio.gather(run, first, second)
    assert log.entries[:2] == [("gateway", START_S), ("controller", START_S)]


async def test_turns_of_a_moment_go_by_name_and_the_plant_moves_between(
    server: ClockServer, log: Log
) -> None:
    address = await server.start()
    await asyncio.gather(
        server.run(),
        take_part(address, "controller", log, 50.0, never),
        take_part(address, "gateway", log, 25.0, never),
    )
    turns = [entry for entry in log.entries if entry[0] in ("gateway", "controller")]
    assert turns == [
        ("gateway", 1000.0),
        ("controller", 1000.0),
        ("gateway", 1025.0),
        ("gateway", 1050.0),
        ("controller", 1050.0),
        ("gateway", 1075.0),
    ]
    assert sorted(log.entries[-2:]) == [("controller ends", END_S), ("gateway ends", END_S)]
    before_1050 = log.entries[: log.entries.index(("gateway", 1050.0))]
    assert before_1050[-1] == ("plant", 1050.0)


async def test_who_wants_another_turn_now_lets_the_others_go_first(
    server: ClockServer, log: Log
) -> None:
    address = await server.start()
    again = iter((False, False, False, True))
    await asyncio.gather(
        server.run(),
        take_part(address, "gateway", log, 0.0, lambda: next(again)),
        take_part(address, "controller", log, 200.0, never),
    )
    names = [name for name, time_s in log.entries if time_s == START_S]
    assert names == ["gateway", "controller", "gateway", "gateway"]


async def test_a_participant_killed_in_its_turn_holds_nobody_up(
    server: ClockServer, log: Log
) -> None:
    # A real process that dies as by kill -9 while everybody waits for its next word.
    host, port = await server.start()
    run = asyncio.create_task(server.run())
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import socket, sys\n"
        f"s = socket.create_connection(({host!r}, {port}))\n"
        's.sendall(b\'{"join": "gateway"}\\n\')\n'
        "print(s.makefile().readline(), end='', flush=True)\n"
        "sys.stdin.read()\n",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    controller = asyncio.create_task(take_part((host, port), "controller", log, 50.0, never))
    assert child.stdout is not None
    assert json.loads(await child.stdout.readline()) == {"now": START_S}
    assert log.entries == []
    child.kill()
    await asyncio.gather(run, controller)
    assert ("controller", 1050.0) in log.entries
    await child.wait()


async def test_who_comes_back_gets_a_turn_at_that_moment(server: ClockServer, log: Log) -> None:
    address = await server.start()
    run = asyncio.create_task(server.run())
    gone = asyncio.create_task(
        take_part(address, "gateway", log, 10.0, lambda: server.now_s >= 1020.0)
    )

    async def controller() -> None:
        clock = await SteppedClock.join(*address, "controller")
        await clock.sleep_until(1050.0)
        await gone
        back = asyncio.create_task(take_part(address, "gateway", log, 10.0, never))
        while "gateway" not in server.present:
            await asyncio.sleep(0)
        with pytest.raises(RunEnded):
            await clock.sleep_until(2000.0)
        await clock.leave()
        await back

    await asyncio.gather(run, controller())
    turns = [time_s for name, time_s in log.entries if name == "gateway"]
    assert turns == [1000.0, 1010.0, 1050.0, 1060.0, 1070.0, 1080.0, 1090.0]


async def test_with_nobody_left_the_plant_runs_on_to_the_end(server: ClockServer, log: Log) -> None:
    address = await server.start()
    await asyncio.gather(
        server.run(),
        take_part(address, "gateway", log, 10.0, lambda: server.now_s > START_S),
        take_part(address, "controller", log, 10.0, lambda: server.now_s > START_S),
    )
    assert log.entries[-1] == ("plant", END_S)


async def test_who_joins_after_the_end_is_told_so(log: Log) -> None:
    server = ClockServer(log.advance, (), start_s=START_S, ends_at_s=START_S)
    address = await server.start()
    await server.run()
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b'{"join": "late"}\n')
    assert json.loads(await reader.readline()) == {"now": START_S, "end": True}
    writer.close()
    await server.stop()


async def test_nonsense_is_answered_in_words_and_harms_nobody(
    server: ClockServer, log: Log
) -> None:
    address = await server.start()
    run = asyncio.create_task(server.run())
    for line in (b"hello\n", b"[]\n", b'{"wake": 5}\n', b'{"join": 7}\n', b"x" * 100_000):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(line)
        assert "error" in json.loads(await reader.readline())
        assert await reader.read() == b""
        writer.close()
    await asyncio.gather(
        run,
        take_part(address, "gateway", log, 100.0, never),
        take_part(address, "controller", log, 100.0, never),
    )


async def test_a_pace_is_never_exceeded(log: Log) -> None:
    # 2 s of plant time at 20 times real time take at least 2 / 20 s; the first stride is free.
    server = ClockServer(log.advance, ("gateway",), start_s=0.0, ends_at_s=3.0, pace=20.0)
    address = await server.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(server.run(), take_part(address, "gateway", log, 1.0, never))
    assert loop.time() - began >= 2.0 / 20.0
    await server.stop()
