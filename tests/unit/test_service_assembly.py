"""What `isotherm serve` finds out before it starts anything, and what it remembers."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from controller.assembly import Settings, resumed, serve
from controller.starting import StartError, join_clock, listening, state_of, told_clock
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords
from controller.storage.telemetry import LocalTelemetry
from facility.clock import WallClock
from facility.commands import Mode
from tests.controller_fakes import CASE, CDU_SETPOINT, START_S, small_site, snapshot


def test_a_port_in_use_is_named_with_the_mend() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(StartError, match=rf"port {port}.*--port"),
            listening("127.0.0.1", port),
        ):
            pass
    with listening("127.0.0.1", 0) as free:
        assert free.getsockname()[1] > 0


async def test_small_answers_wait_for_no_acknowledgement() -> None:
    met: asyncio.Queue[int] = asyncio.Queue()

    async def serve_one(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        met.put_nowait(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(serve_one, sock=listener):
            _, client = await asyncio.open_connection(*listener.getsockname()[:2])
            assert await met.get() == 1
            client.close()
            await client.wait_closed()


def test_a_state_directory_has_one_controller(tmp_path: Path) -> None:
    with (
        state_of(tmp_path / "state"),
        pytest.raises(StartError, match="that runs"),
        state_of(tmp_path / "state"),
    ):
        pass
    with state_of(tmp_path / "state"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="--state"), state_of(tmp_path / "file" / "state"):
        pass


@pytest.mark.parametrize("text", ["", "{}", '{"clock": {}}', '{"clock": 3}', "[]"])
def test_a_clock_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ready.json"
    with pytest.raises(StartError, match=r"ready\.json"):
        told_clock(file)
    file.write_text(text)
    with pytest.raises(StartError, match="clock"):
        told_clock(file)


async def test_clocks_by_file(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.write_text(
        json.dumps({"clock": {"start_s": 5.0, "start_monotonic_s": 0.0, "rate": 2.0}, "pid": 1})
    )
    clock = await join_clock(told_clock(file))
    assert isinstance(clock, WallClock)
    assert clock.rate == 2.0
    assert isinstance(await join_clock(None), WallClock)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StartError, match="has ended"):
        await asyncio.wait_for(join_clock({"host": "127.0.0.1", "port": port}), 5)


def test_a_site_that_is_none_starts_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path, tmp_path / "state", tmp_path / "socket", tmp_path / "model")
    with pytest.raises(StartError):
        serve(settings)
    assert not settings.state.exists()


def test_after_a_restart_counting_and_history_go_on(tmp_path: Path) -> None:
    site, records = small_site(), LocalRecords(tmp_path / "records.db")
    telemetry = LocalTelemetry(tmp_path / "telemetry")
    fresh = resumed(site, records, telemetry, START_S)
    assert (fresh.number, fresh.history.times_s) == (0, ())
    records.write(add=[Record(Kind.TICK, "t", START_S, {"number": 41})])
    modes = dict.fromkeys(site.actuators, Mode.SHADOW)
    for t in range(0, 3601, 60):
        telemetry.append(snapshot(START_S + t, modes, {CASE: 50.0 + t}))
    state = resumed(site, records, telemetry, START_S + 3600)
    assert state.number == 41
    assert state.history.times_s == tuple(START_S + t for t in range(0, 3601, 60))
    assert state.history.frame()[CASE].iloc[30] == 50.0 + 1800
    assert state.history.last(CDU_SETPOINT) == (START_S + 3600, 30.0)
