"""Clocks: time never goes back, waits end, and a stepped run ends cleanly."""

import asyncio
import json

import pytest

from facility.clock import FixedClock, RunEnded, SteppedClock, WallClock, from_iso, iso


async def test_a_hurried_wall_clock_reaches_its_time() -> None:
    clock = WallClock(start_s=1000.0, rate=10.0)
    reached_s = await clock.sleep_until(1000.5)
    assert reached_s >= 1000.5
    assert clock.now_s() >= reached_s


def test_two_wall_clocks_of_one_start_agree() -> None:
    first = WallClock(5.0, 100.0, 2.0)
    second = WallClock(5.0, 100.0, 2.0)
    assert second.now_s() - first.now_s() == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("rate", [0.0, -1.0, 10.1])
def test_a_rate_that_devices_could_not_follow_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be above 0 and at most 10"):
        WallClock(rate=rate)


async def test_a_stepped_clock_speaks_its_protocol_until_the_run_ends() -> None:
    heard: list[dict[str, object]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in ({"now": 10.0}, {"now": 12.0}, {"now": 20.0, "end": True}):
            heard.append(json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        clock = await SteppedClock.join("127.0.0.1", port, "gateway")
        assert clock.now_s() == 10.0
        assert await clock.sleep_until(12.0) == 12.0
        with pytest.raises(RunEnded):
            await clock.sleep_until(30.0)
        assert clock.now_s() == 20.0
        await clock.leave()
    assert heard == [{"join": "gateway"}, {"wake": 12.0}, {"wake": 30.0}]


async def test_a_lost_clock_is_an_error_and_not_the_end_of_a_run() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionError):
            await SteppedClock.join("127.0.0.1", port, "gateway")


async def test_a_fixed_clock_never_goes_back() -> None:
    clock = FixedClock(5.0)
    assert await clock.sleep_until(3.0) == 5.0
    assert await clock.sleep_until(8.0) == 8.0


def test_times_are_written_and_read_in_utc() -> None:
    assert iso(from_iso("2024-04-07")) == "2024-04-07T00:00:00.000Z"
    assert from_iso("2024-04-07T02:00:00+02:00") == from_iso("2024-04-07T00:00:00Z")
