"""Alarms: few, lasting, and each with something to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from controller.alarms.watch import AlarmBook
from controller.live import Live
from controller.storage.ports import Kind
from controller.storage.records import LocalRecords
from facility.commands import Mode
from facility.telemetry import DeviceStatus, Snapshot
from tests.controller_fakes import CASE, START_S, FakeLink, small_site, snapshot

SITE = small_site()
MODES = FakeLink(SITE).modes


@pytest.fixture
def records(tmp_path: Path) -> LocalRecords:
    return LocalRecords(tmp_path / "records.db")


@pytest.fixture
def live() -> Live:
    return Live("small", START_S, START_S, plan_at_s=START_S)


def silent(at_s: float, devices: Collection[str]) -> Snapshot:
    whole = snapshot(at_s, MODES)
    told = {f"d{n}": replace(whole.devices["cdu1"], device=f"d{n}") for n in range(6)}
    gone: dict[str, DeviceStatus] = {d: replace(told[d], connected=False) for d in devices}
    return replace(whole, devices={**told, **gone})


def states(records: LocalRecords) -> dict[str, str]:
    return {str(r.body["condition"]): r.state for r in records.find(Kind.ALARM)}


def test_a_hot_rack_is_told_at_once_and_names_what_to_do(records: LocalRecords, live: Live) -> None:
    AlarmBook(SITE, records).update(snapshot(START_S, MODES, {CASE: 75.1}), live, START_S)
    (alarm,) = records.find(Kind.ALARM)
    assert alarm.body["priority"] == "high"
    assert alarm.body["action"] == "give cooling to cdu1, or take load off"


def test_what_mends_itself_asks_for_nobody(records: LocalRecords, live: Live) -> None:
    book = AlarmBook(SITE, records)
    for t in (0, 5, 10):
        book.update(silent(START_S + t, ["d1"]), live, START_S + t)
    book.update(silent(START_S + 15, []), live, START_S + 15)
    for t in (20, 30):
        book.update(silent(START_S + t, ["d1"]), live, START_S + t)
    assert states(records) == {}
    book.update(silent(START_S + 35, ["d1"]), live, START_S + 35)
    assert states(records) == {"device:d1": "active"}


def test_many_silent_devices_are_one_alarm(records: LocalRecords, live: Live) -> None:
    book = AlarmBook(SITE, records)
    for t in range(0, 60, 5):
        book.update(silent(START_S + t, [f"d{n}" for n in range(5)]), live, START_S + t)
    assert states(records) == {"devices": "active"}


def test_a_cause_that_comes_and_goes_is_one_alarm(records: LocalRecords, live: Live) -> None:
    book = AlarmBook(SITE, records)
    for t in range(0, 300, 5):
        value_c = 76.0 if t % 50 < 25 else 74.0
        book.update(snapshot(START_S + t, MODES, {CASE: value_c}), live, START_S + t)
    assert len(records.find(Kind.ALARM)) == 1


def test_a_missing_plan_and_a_lost_gateway_are_told(records: LocalRecords, live: Live) -> None:
    book = AlarmBook(SITE, records)
    live.gateway_error = "no gateway answers"
    for t in (800, 960, 980):
        live.now_s = START_S + t
        book.update(None, live, START_S + t)
    assert states(records) == {"gateway": "active", "plan": "active"}


def test_open_alarms_are_known_after_a_restart(records: LocalRecords, live: Live) -> None:
    hot = snapshot(START_S, MODES, {CASE: 76.0})
    AlarmBook(SITE, records).update(hot, live, START_S)
    again = AlarmBook(SITE, records)
    again.update(hot, live, START_S + 5)
    assert len(records.find(Kind.ALARM)) == 1
    cool = snapshot(START_S, dict.fromkeys(MODES, Mode.OFF))
    for t in (10, 80):
        again.update(cool, live, START_S + t)
    assert states(records) == {"limit:rack1": "cleared"}
