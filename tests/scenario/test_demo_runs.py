"""Whole runs: simulator, gateway and controller as processes, over real protocols."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.cli import main
from controller.demo.options import DemoError, DemoOptions
from controller.demo.orchestrate import Running, headless, prepare, started, watch
from controller.demo.processes import Child
from controller.evaluation.report import TIMINGS
from facility.commands import Mode
from facility.devices import Cooling
from facility.loading import load_site
from sim.sites import write
from tests.hasty_model import hasty_campus

pytestmark = pytest.mark.timeout(420)

START = "2024-07-15"


def quiet(_stage: str, _share: float) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hastily trained model of the campus: these tests are about processes, not skill."""
    return hasty_campus(tmp_path_factory)


Options = Callable[..., DemoOptions]


@pytest.fixture
def options(model: Path, tmp_path: Path) -> Options:
    def make(name: str, mode: Mode, **rest: Any) -> DemoOptions:
        asked: dict[str, Any] = {"hours": 0.25, "start": START, "site": "campus"}
        return DemoOptions(mode=mode, out=tmp_path / name, model=model, **(asked | rest))

    return make


def test_shadow_mode_sends_no_byte_that_writes(options: Options) -> None:
    report = headless(options("shadow", Mode.SHADOW), quiet)
    assert report["writes"]["device_recorded"] == 0
    assert report["actuator_hours_held_share"] == 0.0
    assert report["ticks"] == 3
    assert report["fallbacks"] == 0
    assert report["journal_valid"]
    # It stood by: the plant under Guideline 36 is the run itself.
    assert report["energy_kwh"]["isotherm"] == pytest.approx(report["energy_kwh"]["guideline36"])


def test_an_automatic_run_repeats_to_the_last_digit_and_both_books_agree(
    options: Options,
) -> None:
    first, second = (headless(options(name, Mode.AUTOMATIC), quiet) for name in ("first", "second"))
    for report in (first, second):
        assert report["writes"]["count"] > 0
        assert report["writes"]["device_recorded"] >= report["writes"]["count"]
        # Every device is taken over with the first decision, moved or not.
        assert report["actuator_hours_held_share"] > 0.95
        assert report["fallbacks"] == 0
        assert report["journal_valid"]
        assert report["journal_agrees_with_recorder"]
        assert report["limit_violation_degree_minutes"]["isotherm"] == 0.0
    assert steady(first) == steady(second)


def test_the_first_two_decisions_take_every_device_over(
    options: Options,
) -> None:
    """Whose supply waits for flow to come up follows with the second."""
    asked = options("first", Mode.AUTOMATIC, hours=360.0 / 3600.0)
    headless(asked, quiet)
    entries = [
        json.loads(line)
        for line in (asked.out / "gateway" / "journal.jsonl").read_text("utf-8").splitlines()
    ]
    armed = {e["data"]["device"]: e["time_s"] for e in entries if e["kind"] == "armed"}
    not_armed = {e["data"]["device"]: e["data"]["why"] for e in entries if e["kind"] == "not_armed"}
    site = load_site(asked.out / "site")
    assert not_armed == {}
    # cdu4 jumps when it is given back, and its own control has long left the commissioned value.
    assert set(armed) == set(site.devices)
    at_first = {name for name, time_s in armed.items() if time_s == min(armed.values())}
    flows = {a.device for a in site.actuators.values() if a.cooling is Cooling.HIGHER}
    assert flows
    assert flows <= at_first


def steady(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what depends on the machine's speed."""
    return {key: value for key, value in report.items() if key not in TIMINGS}


@pytest.mark.parametrize("victim", ["controller", "gateway"])
def test_a_killed_process_leaves_the_plant_in_its_own_control(
    options: Options, victim: str
) -> None:
    asked = options(victim, Mode.AUTOMATIC, hours=1.0, rate=1.0)
    folder, model = prepare(asked, quiet)
    with started(asked, folder, model) as running:
        site = load_site(folder.site)
        wait_for(lambda: len(remote(running)) >= 5, running, 150.0)
        held = set(remote(running))
        child: Child = getattr(running, victim)
        os.kill(child.process.pid, signal.SIGKILL)

        def seen(state: Running) -> None:
            if any("local control" in event for event in state.events):
                raise StopWatching

        with pytest.raises(StopWatching):
            watch(running, seen)
        lost, back = running.events
        assert lost == f"the {victim} is gone (killed by signal 9)"
        assert f"all {len(site.devices)} devices are in local control" in back
        took_s = float(back.split("within ")[1].split(" s")[0])
        # The slowest class is air, 30 s; live figures are half a second of wall time old.
        assert took_s <= 31.0
        times = hand_back_times(folder.simulator / "recorder.jsonl")
        assert held <= times.keys() <= set(site.devices)


class StopWatching(Exception):
    """Enough has been seen."""


def remote(running: Running) -> list[str]:
    """Devices in remote control, by their own word."""
    live = running.live() or {"authority": {}}
    return [name for name, authority in live["authority"].items() if authority == "remote"]


def hand_back_times(recorder: Path) -> dict[str, float]:
    """By device: plant time of its last heartbeat."""
    beats: dict[str, float] = {}
    for line in recorder.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["kind"] == "heartbeat":
            beats[record["device"]] = record["time_s"]
    return beats


def wait_for(condition: Callable[[], bool], running: Running, within_s: float) -> None:
    """Wait for a condition while the processes live."""
    deadline = time.monotonic() + within_s
    while not condition():
        for child in (running.simulator, running.gateway, running.controller):
            assert child.running, child.tail()
        assert time.monotonic() < deadline, running.controller.tail() + running.gateway.tail()
        time.sleep(0.05)


@pytest.fixture
def advised(options: Options) -> Iterator[tuple[Running, httpx.Client]]:
    """A run in advisory mode in slow stepped time, and an operator's client."""
    asked = options("advised", Mode.ADVISORY, hours=6.0, pace=20.0)
    folder, model = prepare(asked, quiet)
    with started(asked, folder, model) as running:
        token = folder.controller / "admin.token"
        wait_for(token.exists, running, 150.0)
        headers = {"Authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"}
        with httpx.Client(base_url=running.address, headers=headers, timeout=60.0) as client:
            yield running, client


def test_a_person_approves_overrides_and_takes_the_plant_back(
    advised: tuple[Running, httpx.Client],
) -> None:
    running, client = advised
    wait_for(lambda: answers(client), running, 60.0)
    assert httpx.get(f"{running.address}/v1/proposals").status_code == 401

    def pending() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get(
            "/v1/proposals", params={"state": "pending"}
        ).json()["items"]
        return found

    wait_for(lambda: bool(pending()), running, 150.0)
    assert remote(running) == []
    proposal = pending()[0]["proposal"]
    tag = client.get(f"/v1/proposals/{proposal['id']}").headers["ETag"]
    path = f"/v1/proposals/{proposal['id']}/approvals"
    assert client.post(path, json={"why": "no tag"}).status_code in (412, 428)
    approved = client.post(path, json={"why": "looks right"}, headers={"If-Match": tag})
    assert approved.status_code == 201, approved.text
    wait_for(lambda: bool(remote(running)), running, 90.0)

    actuator = "cdu1.tcs_supply_temperature_setpoint"
    placed = client.post(
        "/v1/overrides",
        json={"target": actuator, "value": 27.0, "why": "a valve is out", "lasts_s": 3600.0},
    )
    assert placed.status_code == 201, placed.text
    in_force = f"{actuator}_in_force"

    def holds() -> bool:
        readings = client.get("/v1/telemetry/latest").json()["readings"]
        return bool(abs((readings[in_force]["value"] or 0.0) - 27.0) < 0.1)

    wait_for(holds, running, 150.0)

    released = client.post("/v1/releases", json={"why": "enough for today"})
    assert released.status_code == 201, released.text
    wait_for(lambda: not remote(running), running, 60.0)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/v1/health").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--site", "moon"], "there is no site 'moon'"),
        (["--hours", "-1"], "--hours must be above 0"),
        (["--load", "nowhere.csv"], "there is no file nowhere.csv"),
        (["--start", "tomorrow"], "is not a date"),
    ],
)
def test_bad_arguments_are_told_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    out = tmp_path / "out"
    status = main(["demo", "--headless", "--out", str(out), *arguments])
    assert status == 2
    assert said in capsys.readouterr().err
    assert not (out / "run.json").exists()
    assert not (out / "logs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time_s,it_power_kW\n0,1000\n15,1000\n30,\n", "line 4, column it_power_kW"),
        ("time_s,it_power_kW\n0,1000\n15,1000\n30,900\n900,900\n", "a gap of 870 s"),
        ("seconds,it_power_kW\n0,1000\n15,1000\n", "there is no column 'time_s'"),
        ("time_s,it_power\n0,1000\n15,1000\n", "does not end with its unit"),
        ("time_s,cdu9_heat_W\n0,1000\n15,1000\n", "'cdu9', which is no rack, CDU or hall"),
        ("time_s,it_power_kW\n0,1000\n15,1000\n", "run fewer hours or give a longer trace"),
    ],
)
def test_a_load_file_with_a_mistake_is_told_by_row_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    load = tmp_path / "load.csv"
    load.write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    status = main(["demo", "--headless", "--out", str(out), "--load", str(load)])
    assert status == 2
    assert said in capsys.readouterr().err
    assert not (out / "logs").exists()


def test_a_port_in_use_is_named_with_its_device_and_nothing_is_left_running(
    options: Options, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        site = tmp_path / "site"
        write("campus", site, 20000)
        text = (site / "site.toml").read_text(encoding="utf-8")
        (site / "site.toml").write_text(
            text.replace("port = 20000\n", f"port = {port}\n"), encoding="utf-8"
        )
        asked = options("taken", Mode.SHADOW, site=str(site))
        with pytest.raises(DemoError, match=rf"cdu1: 127\.0\.0\.1:{port} is in use"):
            headless(asked, quiet)
