"""Notices reach a real mail server and a real web server, and one that is away loses none."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as Letter
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from controller.notify.courier import Courier
from controller.notify.ways import WayError
from controller.notify.words import Mail, Rules, Webhook
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords

NOON_S = 1_712_491_200.0
ALARM = Record(
    Kind.ALARM,
    "a1",
    NOON_S,
    {"priority": "high", "text": "rack1 is hot\r\nBcc: x@evil.example", "action": "look"},
    state="active",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Letters:
    def __init__(self) -> None:
        self.found: list[Letter] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.found.append(message_from_bytes(envelope.content, policy=default))
        self.to = envelope.rcpt_tos
        return "250 taken"


@pytest.fixture
def post_office() -> Iterator[tuple[Letters, int]]:
    letters = Letters()
    server = Controller(letters, hostname="127.0.0.1", port=free_port())
    server.start()
    yield letters, server.port
    server.stop()


@pytest.fixture
def hook() -> Iterator[tuple[list[tuple[dict[str, str], bytes]], str]]:
    found: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found, f"http://127.0.0.1:{server.server_address[1]}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def courier(records: LocalRecords, **ways: Any) -> Courier:
    return Courier("campus", records, lambda: [ALARM], list, lambda: NOON_S, rules=Rules(), **ways)


async def test_an_alarm_arrives_by_mail_and_by_webhook_once_over_restarts(
    tmp_path: Path,
    post_office: tuple[Letters, int],
    hook: tuple[list[tuple[dict[str, str], bytes]], str],
) -> None:
    letters, port = post_office
    posts, url = hook
    records = LocalRecords(tmp_path / "records.db")
    mail = Mail("127.0.0.1", port, "isotherm@site", ("ops@site", "boss@site"), starttls=False)
    ways = {"mail": mail, "webhook": Webhook(url, "secret")}
    assert await courier(records, **ways).look() is not None
    assert await courier(records, **ways).look() is None
    (letter,) = letters.found
    assert letters.to == ["ops@site", "boss@site"]
    assert letter["Subject"] == "Isotherm at campus: high alarm: rack1 is hot"
    assert letter["Bcc"] is None
    ((headers, body),) = posts
    signed = hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Isotherm-Signature"] == f"sha256={signed}"
    assert json.loads(body)["items"][0]["id"] == "a1/1"
    records.close()


async def test_what_got_out_nowhere_stays_due(
    tmp_path: Path, post_office: tuple[Letters, int]
) -> None:
    letters, port = post_office
    records = LocalRecords(tmp_path / "records.db")
    away = Mail("127.0.0.1", free_port(), "isotherm@site", ("ops@site",), starttls=False)
    with pytest.raises(WayError, match="mail server"):
        await courier(records, mail=away).look()
    assert letters.found == []
    there = Mail("127.0.0.1", port, "isotherm@site", ("ops@site",), starttls=False)
    assert await courier(records, mail=there).look() is not None
    assert len(letters.found) == 1
    records.close()
