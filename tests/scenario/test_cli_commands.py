"""The command line against a controller that answers over HTTP, with a gateway in memory."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from adapters.gateway.limit_book import LimitBook
from controller.authority.roles import Scope
from controller.authority.tokens import TokenBook
from controller.cli import main
from controller.cli.override import duration
from controller.service.app import create_app
from controller.service.context import Context
from controller.storage.records import LocalRecords
from facility.commands import Mode
from safety.journal import Journal
from tests.controller_fakes import (
    CASE,
    CDU_SETPOINT,
    START_S,
    FakeLink,
    context,
    proposal,
    small_site,
    snapshot,
)
from tests.safety_kit import envelope

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Running:
    here: Context
    link: FakeLink
    state: Path


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A controller's service in a thread, on a free port."""
    link = FakeLink(small_site(), Mode.ADVISORY)
    here = context(tmp_path, link, lambda: 0.0)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(create_app(here), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    here.tokens.first_start(tmp_path / "admin.token")
    (tmp_path / "serve.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
    (tmp_path / "gateway-socket").write_text(f"{tmp_path / 'gateway.sock'}\n")
    for name in ("ISOTHERM_TOKEN", "ISOTHERM_URL", "ISOTHERM_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ISOTHERM_STATE", str(tmp_path))
    yield Running(here, link, tmp_path)
    server.should_exit = True
    thread.join()
    here.telemetry.close()
    here.records.close()


def offer(running: Running, number: int = 1) -> None:
    running.here.desk.decide(proposal(number), snapshot(START_S, running.link.modes), START_S)


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    capsys.readouterr()
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_status_and_modes(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "status")["modes"] == {"advisory": 3}
    assert said(capsys, "mode")[CDU_SETPOINT] == "advisory"
    assert main(["mode", "automatic"]) == 2
    assert "--why" in capsys.readouterr().err
    assert main(["mode", "automatic", "--actuator", CDU_SETPOINT, "--why", "trial"]) == 0
    assert running.link.modes[CDU_SETPOINT] is Mode.AUTOMATIC
    assert main(["arm", "--why", "all quiet"]) == 0
    assert len(running.link.of("arm")) == 1
    assert main(["status"]) == 0
    assert "gateway           answers" in capsys.readouterr().out


def test_approve_asks_first_and_says_what_was_written(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    offer(running)
    assert [p["id"] for p in said(capsys, "proposals", "list", "--only", "pending")] == ["p1"]
    assert main(["proposals", "show", "p1"]) == 0
    assert "saving    12.0 kW" in capsys.readouterr().out
    assert main(["approve", "p1", "--no-input"]) == 2
    assert main(["approve", "p1", "--dry-run"]) == 0
    assert running.link.of("command") == []
    assert main(["approve", "p1", "--yes", "--plan", "another"]) == 1
    assert "look at it again" in capsys.readouterr().err
    assert main(["approve", "p1", "--yes", "--why", "cool night"]) == 0
    assert f"{CDU_SETPOINT}: written" in capsys.readouterr().err
    assert running.link.values == {CDU_SETPOINT: 32.0}
    assert main(["approve", "p1", "--yes"]) == 1
    assert "approved since" in capsys.readouterr().err


def test_reject(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    offer(running)
    assert main(["reject", "p1", "--why", "storm"]) == 0
    assert said(capsys, "proposals", "show", "p1")["outcome"]["why"] == "storm"


def test_override(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["override", "set", CDU_SETPOINT, "25", "--for", "2h", "--why", "check"]) == 0
    placed = capsys.readouterr().out.strip()
    listed = said(capsys, "override", "list")
    assert [(o["id"], o["override"]["value"]) for o in listed] == [(placed, 25.0)]
    assert listed[0]["override"]["expires_at_s"] == START_S + 7200
    assert main(["override", "release", placed, "--why", "done"]) == 0
    assert said(capsys, "override", "list") == []
    assert main(["override", "set", CDU_SETPOINT, "99", "--for", "2h", "--why", "check"]) == 1
    assert "range 20 to 45" in capsys.readouterr().err


def test_alarms_are_listed_seen_shelved_and_brought_back(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    here = running.here
    assert main(["alarms", "list"]) == 0
    hot = snapshot(START_S, running.link.modes, {CASE: 76.0})
    here.alarms.update(hot, here.live, START_S)
    assert main(["alarms", "list"]) == 1
    told = capsys.readouterr().out
    assert "high (first)" in told
    assert "give cooling to cdu1" in told
    (alarm,) = here.alarms.open()
    shelved = said(capsys, "alarms", "shelve", alarm.id, "--for", "2h", "--why", "sensor changed")
    assert (shelved["state"], shelved["body"]["shelved"]["until_s"]) == ("shelved", START_S + 7200)
    back = said(capsys, "alarms", "unshelve", alarm.id, "--why", "done")
    assert back["state"] == "active"
    assert said(capsys, "alarms", "ack", alarm.id, "--note", "I see it")["state"] == "acknowledged"
    assert main(["alarms", "shelve", alarm.id, "--for", "2d", "--why", "for good"]) == 1
    assert "at most 12 h" in capsys.readouterr().err


def test_limits_are_shown_and_approved_by_two(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["limits", "show"]) == 0
    limits = envelope().limits
    book = running.state / "limits.json"
    LimitBook(limits, book)
    wider = replace(limits, command_max_age_s=2.0 * limits.command_max_age_s)
    running.link.limit_book = LimitBook(wider, book)
    assert main(["limits", "show"]) == 1
    assert "wider" in capsys.readouterr().out
    assert main(["limits", "approve", "--why", "slower"]) == 0
    assert "another person" in capsys.readouterr().err
    other = running.here.tokens.issue("grace", Scope.ENGINEER)[1]
    monkeypatch.setenv("ISOTHERM_TOKEN", other)
    assert said(capsys, "limits", "approve", "--why", "slower")["version"] == 2
    assert main(["limits", "show"]) == 0


def test_tokens(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    made = said(capsys, "token", "new", "Ada", "--scope", "operator")
    book = TokenBook(LocalRecords(running.state / "records.db"), time.time)
    assert book.authenticate(made["token"]).scope is Scope.OPERATOR
    assert main(["token", "revoke", made["id"]]) == 0
    assert [t["state"] for t in said(capsys, "token", "list") if t["name"] == "Ada"] == ["revoked"]
    assert main(["token", "new", "Ada", "--days", "-1"]) == 2


def test_a_controller_that_is_gone_and_a_missing_token_are_told_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ISOTHERM_STATE", raising=False)
    monkeypatch.delenv("ISOTHERM_TOKEN", raising=False)
    assert main(["status"]) == 2
    assert "ISOTHERM_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("ISOTHERM_TOKEN", "isotherm_a_b")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["status", "--url", f"http://127.0.0.1:{port}"]) == 1
    assert "isotherm release" in capsys.readouterr().err
    assert main(["status", "--state", str(tmp_path)]) == 1
    assert "no controller runs" in capsys.readouterr().err


def test_release_speaks_to_the_gateway_itself(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, Any]] = []
    result = {
        "released": ["cdu1", "plant"],
        "confirmed": ["cdu1"],
        "actuators": [CDU_SETPOINT],
        "mode": "shadow",
    }

    def gateway(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as file:
                asked.append(json.loads(file.readline()))
                answer = {"id": asked[-1]["id"], "ok": True, "result": result}
                file.write(json.dumps(answer).encode() + b"\n")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(running.state / "gateway.sock"))
        listener.listen()
        thread = threading.Thread(target=gateway, args=(listener,))
        thread.start()
        assert said(capsys, "release", "--why", "noise") == result
        assert main(["release"]) == 0
        thread.join()
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "cdu1: released, shows its own control"
    assert told[1] == "plant: released, HAS NOT SHOWN ITS OWN CONTROL"
    assert "watchdog" in told[2]
    assert asked[0]["op"] == "release"
    assert asked[0]["actuators"] is None
    assert asked[0]["why"] == "noise"
    (running.state / "gateway.sock").unlink()
    assert main(["release"]) == 1
    assert "watchdogs" in capsys.readouterr().err


def test_the_journal_is_verified_shown_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal.open(path, START_S)
    for number in range(3):
        journal.append("write", {"n": number}, START_S + number)
    journal.close()
    assert main(["journal", "verify", str(tmp_path)]) == 0
    assert said(capsys, "journal", "show", str(path), "--last", "1")[0]["data"] == {"n": 2}
    capsys.readouterr()
    assert main(["journal", "export", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":7'))
    assert main(["journal", "verify", str(path)]) == 1
    assert "record 2" in capsys.readouterr().err
    assert main(["journal", "verify", str(tmp_path / "nothing")]) == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("90min", 5400.0), ("2h", 7200.0), ("1.5d", 129_600.0), ("30", 30.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_misspelt_options_and_times_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (
        ["status", "--jsn"],
        ["override", "set", "a", "1", "--for", "soon", "--why", "x"],
        ["approve"],
        ["nothing"],
        [],
    ):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 2
        assert capsys.readouterr().err


def test_the_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, controller.cli\n"
        "try: controller.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch','cvxpy','numpy','pandas','fastapi','uvicorn','duckdb','httpx','rich'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert outcome.stderr.strip() == "[]"
    assert "release" in outcome.stdout


def test_the_gateway_command_becomes_the_gateway() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "controller.cli", "gateway", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert "--socket" in outcome.stdout
