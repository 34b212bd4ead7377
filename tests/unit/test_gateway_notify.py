"""When the controller dies the gateway tells somebody by itself, and never waits for it."""

from __future__ import annotations

import asyncio
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from adapters.gateway import notify
from adapters.gateway.notify import Mail, Notifier, NotifyError
from tests.gateway_world import World

SUPPLY = "cdu-1.tcs_supply_temperature_setpoint"


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a web server, and what was posted there."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/isotherm", got
        server.shutdown()
        thread.join()


@pytest.fixture
def post_office() -> Iterator[tuple[str, list[str]]]:
    """The address of a mail server, and the letters that it took."""
    letters: list[str] = []

    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            lines: list[str] | None = None
            for raw in self.rfile:
                line = raw.decode().rstrip("\r\n")
                if lines is not None:
                    if line == ".":
                        letters.append("\n".join(lines))
                        lines = None
                        self.wfile.write(b"250 taken\r\n")
                    else:
                        lines.append(line)
                elif line.upper() == "DATA":
                    lines = []
                    self.wfile.write(b"354 go on\r\n")
                elif line.upper() == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Smtp) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", letters
        server.shutdown()
        thread.join()


async def test_a_webhook_gets_what_happened_as_json(
    hook: tuple[str, list[dict[str, Any]]],
) -> None:
    url, got = hook
    notifier = Notifier("Hall 7", webhook=url)
    notifier.tell(("cdu-1", "crah-1"), "the client is gone", 0.0)
    await notifier.close(within_s=10.0)
    (body,) = got
    assert body["subject"] == "Isotherm at Hall 7: 2 devices went back to local control"
    assert (body["devices"], body["why"]) == (["cdu-1", "crah-1"], "the client is gone")
    assert body["time"] == "1970-01-01T00:00:00.000Z"


async def test_a_mail_says_what_to_do(post_office: tuple[str, list[str]]) -> None:
    server, letters = post_office
    notifier = Notifier("Hall 7", mail=Mail("night@example.org", server, "isotherm@example.org"))
    notifier.tell(("cdu-1",), "the client is gone", 0.0)
    await notifier.close(within_s=10.0)
    (letter,) = letters
    assert "To: night@example.org" in letter
    assert "Subject: Isotherm at Hall 7: 1 device went back to local control" in letter
    assert "isotherm arm" in letter


async def test_one_that_does_not_get_through_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "WAIT_S", 0.0)
    tried = asyncio.Event()
    calls: list[str] = []

    def fails(self: Notifier, message: notify.Message) -> None:
        calls.append(message.why)
        if len(calls) == notify.ATTEMPTS:
            loop.call_soon_threadsafe(tried.set)
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(Notifier, "_post", fails)
    loop = asyncio.get_running_loop()
    notifier = Notifier("Hall 7", webhook="http://127.0.0.1:9/")
    notifier.tell(("cdu-1",), "the client is gone", 0.0)
    await asyncio.wait_for(tried.wait(), 10.0)
    await notifier.close()
    assert calls == ["the client is gone"] * notify.ATTEMPTS
    assert "could not tell anybody" in caplog.text


async def test_too_many_messages_are_dropped_and_not_kept_for_ever() -> None:
    notifier = Notifier("Hall 7", webhook="http://127.0.0.1:9/")
    for _ in range(notify.MOST_WAITING + 5):
        notifier.tell(("cdu-1",), "the client is gone", 0.0)
    assert notifier._waiting.qsize() == notify.MOST_WAITING
    await notifier.close(within_s=0.0)


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "file:///etc/passwd"])
def test_what_is_no_webhook_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(NotifyError, match="http://"):
        Notifier("Hall 7", webhook=url)


def test_a_mail_server_needs_a_port() -> None:
    with pytest.raises(NotifyError, match="HOST:PORT"):
        Notifier("Hall 7", mail=Mail("a@example.org", "mail.example.org", "a@example.org"))


def test_a_dead_client_is_told_once_and_a_release_by_hand_is_not() -> None:
    world = World()
    world.settle()
    world.move({SUPPLY: 32.4})
    told: list[tuple[tuple[str, ...], str]] = []
    world.gateway.house.rounds.tell = lambda devices, why, _: told.append((tuple(devices), why))
    world.client_lives = False
    world.run(20)
    ((devices, why),) = told
    assert devices == ("cdu-1",)
    assert "silent" in why


def test_what_the_gateway_sees_comes_with_its_snapshot() -> None:
    world = World()
    world.settle()
    world.move({SUPPLY: 32.4})
    world.client_lives = False
    world.run(20)
    office = world.gateway.house.office
    (back,) = json.loads(office.snapshot(world.now_s))["conditions"]
    assert (back["id"], back["priority"]) == ("given_back:cdu-1", "medium")
    assert "cdu-1 went back to local control" in back["text"]
    world.devices["cdu-1"].values["cdu-1.leak"] = 1.0
    world.run(3)
    found = {c["id"]: c for c in json.loads(office.snapshot(world.now_s))["conditions"]}
    assert found["plant:cdu-1.leak"]["priority"] == "high"
    assert "find the leak" in found["plant:cdu-1.leak"]["action"]


def test_that_letting_go_is_no_way_out_is_an_alarm_while_something_is_held() -> None:
    world = World()
    world.settle()
    world.move({SUPPLY: 32.4})
    office = world.gateway.house.office
    dew_point = next(tag for tag in world.site.points if tag.endswith("dew_point_temperature"))
    device = world.devices[world.site.points[dew_point].device]
    device.values[dew_point] = world.site.actuators[SUPPLY].fallback - 1.0
    world.run(3)
    (warning,) = json.loads(office.snapshot(world.now_s))["conditions"]
    assert (warning["id"], warning["priority"]) == ("fallback:dew_point", "low")
    assert SUPPLY in warning["text"]
    world.client_lives = False
    world.run(30)
    told = {each["id"] for each in json.loads(office.snapshot(world.now_s))["conditions"]}
    assert told == {"given_back:cdu-1"}
