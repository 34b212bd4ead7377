"""Commands for people's decisions in advance, back, and in twos, against a running service."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.authority.roles import Scope
from controller.authority.users import UserBook
from controller.cli import main
from controller.service.app import create_app
from controller.service.context import Context
from controller.service.serving import CertificateError, PatientServer, configured
from controller.service.settings import Tls
from facility.commands import Mode
from facility.site import People
from tests.controller_fakes import (
    CDU_SETPOINT,
    QUICK,
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
    snapshot,
)


@dataclass
class Running:
    here: Context
    link: FakeLink
    url: str
    port: int


@contextmanager
def serving(folder: Path, people: People, tls: Tls | None = None) -> Iterator[Running]:
    link = FakeLink(small_site(), Mode.ADVISORY)
    here = context(folder, link, lambda: 0.0, people)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = PatientServer(configured(tls, create_app(here)))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    here.tokens.first_start(folder / "admin.token")
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    (folder / "serve.json").write_text(json.dumps({"url": url}))
    try:
        yield Running(here, link, url, port)
    finally:
        server.should_exit = True
        thread.join()
        here.telemetry.close()
        here.records.close()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("ISOTHERM_TOKEN", "ISOTHERM_URL", "ISOTHERM_CA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ISOTHERM_STATE", str(tmp_path))
    with serving(tmp_path, People(two_people=("automatic",))) as made:
        yield made


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    capsys.readouterr()
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_standing_approval_is_granted_listed_and_withdrawn(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    grant = ["standing", "grant", CDU_SETPOINT, "--step", "1", "--hours", "22:00-06:00"]
    assert main([*grant, "--until", "2024-04-12T18:00:00Z", "--why", "cool nights"]) == 0
    told = capsys.readouterr()
    assert f"{CDU_SETPOINT}: 29 to 31" in told.err
    (listed,) = said(capsys, "standing", "list")
    assert listed["id"] == told.out.strip()
    assert main(["standing", "list"]) == 0
    assert "22:00-06:00" in capsys.readouterr().out
    assert main(["standing", "withdraw", listed["id"], "--why", "done"]) == 0
    assert said(capsys, "standing", "list") == []
    assert main([*grant, "--until", "never", "--why", "x"]) == 1
    assert "body.expires" in capsys.readouterr().err


def test_undo_takes_the_last_decision_back(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    running.here.desk.decide(proposal(), snapshot(START_S, running.link.modes), START_S)
    assert main(["approve", "p1", "--yes"]) == 0
    running.here.live.snapshot = snapshot(START_S, running.link.modes, running.link.values)
    assert main(["undo", "--why", "noise", "--dry-run"]) == 0
    assert "32.00    30.00" in capsys.readouterr().out
    assert running.link.values == {CDU_SETPOINT: 32.0}
    assert main(["undo", "--why", "noise"]) == 0
    assert f"{CDU_SETPOINT}: written" in capsys.readouterr().err
    assert running.link.values == {CDU_SETPOINT: 30.0}
    assert main(["undo", "--why", "again"]) == 1
    assert "no decision that can be undone" in capsys.readouterr().err


def test_what_takes_two_people_waits_for_the_other(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["mode", "automatic", "--why", "trial"]) == 0
    told = capsys.readouterr()
    assert "another person" in told.err
    request = told.out.strip()
    assert main(["requests", "agree", request]) == 1
    _, other = running.here.tokens.issue("bob", Scope.ENGINEER)
    monkeypatch.setenv("ISOTHERM_TOKEN", other)
    assert main(["requests", "list"]) == 0
    assert "1 of 2" in capsys.readouterr().out
    assert main(["requests", "agree", request]) == 0
    assert set(running.link.modes.values()) == {Mode.AUTOMATIC}
    assert said(capsys, "requests", "list") == []


def test_users_are_made_reset_and_disabled_on_the_state_directory(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    made = said(capsys, "users", "add", "Ada", "--scope", "admin")
    book = UserBook(running.here.records, lambda: 0.0, QUICK)
    assert book.authenticate("ada", made["one_time_password"]).must_change
    assert main(["users", "disable", "ada"]) == 2
    assert "last administrator" in capsys.readouterr().err
    assert main(["users", "add", "bob"]) == 0
    assert main(["users", "role", "bob", "engineer"]) == 0
    assert main(["users", "disable", "bob"]) == 0
    listed = {row["name"]: row for row in said(capsys, "users", "list")}
    assert (listed["bob"]["scope"], listed["bob"]["state"]) == ("engineer", "disabled")
    assert said(capsys, "users", "reset", "ada")["one_time_password"]
    assert main(["users", "add", "no such name!"]) == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    folder = tmp_path_factory.mktemp("tls")
    made = Tls(folder / "certificate.pem", folder / "key.pem")
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=isotherm", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(made.key), "-out", str(made.certificate)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return made


def test_the_service_speaks_tls_alone_where_it_has_a_certificate(
    tmp_path: Path,
    certificate: Tls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ISOTHERM_STATE", str(tmp_path))
    for name in ("ISOTHERM_TOKEN", "ISOTHERM_URL", "ISOTHERM_CA"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path, People(), certificate) as running:
        assert main(["status"]) == 1
        assert "CERTIFICATE" in capsys.readouterr().err.upper()
        monkeypatch.setenv("ISOTHERM_CA", str(certificate.certificate))
        assert said(capsys, "status")["modes"] == {"advisory": 3}
        context = ssl.create_default_context(cafile=str(certificate.certificate))
        answer = httpx.get(f"{running.url}/v1/health", verify=context)
        assert "max-age" in answer.headers["strict-transport-security"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{running.port}/v1/health")


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path, certificate: Tls) -> None:
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(CertificateError, match=r"key\.pem"):
        configured(Tls(certificate.certificate, tmp_path / "key.pem"))


def test_a_connection_that_says_nothing_is_hung_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.service.serving.HEAD_WITHIN_S", 0.2)
    with ExitStack() as stack:
        running = stack.enter_context(serving(tmp_path, People()))
        silent = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
        slow.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n")
        for connection in (silent, slow):
            connection.settimeout(20.0)
            assert connection.recv(1000) == b""
        assert httpx.get(f"{running.url}/v1/health").status_code == 200
