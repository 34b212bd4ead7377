"""Alarms: few, lasting, and each with something to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from controller.alarms.watch import AlarmBook
from controller.authority.failures import InvalidError, StateError
from controller.authority.roles import Actor, Scope
from controller.live import Live
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords
from facility.commands import Mode
from facility.telemetry import Condition, DeviceStatus, Priority, Snapshot
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


def test_what_has_returned_comes_again_above_its_limit_only(
    records: LocalRecords, live: Live
) -> None:
    book = AlarmBook(SITE, records)
    for t, value_c, state in (
        (0, 75.1, "active"),
        (5, 74.4, "active"),
        (70, 74.4, "returned"),
        (75, 74.8, "returned"),  # within the dead band, from below
        (80, 75.0, "returned"),
        (85, 75.1, "active"),
        (150, 74.8, "active"),  # within the dead band, from above
    ):
        book.update(snapshot(START_S + t, MODES, {CASE: value_c}), live, START_S + t)
        assert states(records) == {"limit:rack1": state}


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
    assert states(records) == {"limit:rack1": "returned"}


# ---- ISA-18.2: seen, shelved, returned; what came first

ADA = Actor("Ada", Scope.OPERATOR, "a test")


def hot_at(seconds: float, celsius: float = 76.0) -> Snapshot:
    return snapshot(START_S + seconds, MODES, {CASE: celsius})


def raised(records: LocalRecords, live: Live) -> tuple[AlarmBook, Record]:
    book = AlarmBook(SITE, records)
    book.update(hot_at(0), live, START_S)
    (alarm,) = records.find(Kind.ALARM)
    return book, alarm


def test_an_alarm_that_has_gone_unseen_stays_until_somebody_has_seen_it(
    records: LocalRecords, live: Live
) -> None:
    book, alarm = raised(records, live)
    for t in (5, 70):
        book.update(hot_at(t, 60.0), live, START_S + t)
    assert [r.state for r in book.open()] == ["returned"]
    assert book.acknowledge(alarm.id, ADA, "", START_S + 80).state == "cleared"
    assert book.open() == ()


def test_one_that_comes_back_unseen_is_the_same_alarm_and_counts(
    records: LocalRecords, live: Live
) -> None:
    book, _ = raised(records, live)
    for t, celsius in ((5, 60.0), (70, 60.0), (75, 76.0)):
        book.update(hot_at(t, celsius), live, START_S + t)
    (alarm,) = book.open()
    assert (alarm.state, alarm.body["occurrences"]) == ("active", 2)


def test_a_seen_alarm_clears_by_itself(records: LocalRecords, live: Live) -> None:
    book, alarm = raised(records, live)
    book.acknowledge(alarm.id, ADA, "on my way", START_S + 1)
    for t in (5, 70):
        book.update(hot_at(t, 60.0), live, START_S + t)
    assert states(records) == {"limit:rack1": "cleared"}
    with pytest.raises(StateError, match="cleared already"):
        book.acknowledge(alarm.id, ADA, "", START_S + 80)


def test_within_its_dead_band_an_alarm_stays(records: LocalRecords, live: Live) -> None:
    book, _ = raised(records, live)
    for t in range(5, 200, 5):
        book.update(hot_at(t, 74.6), live, START_S + t)  # the limit is 75 °C
    assert states(records) == {"limit:rack1": "active"}
    for t in range(200, 300, 5):
        book.update(hot_at(t, 74.4), live, START_S + t)
    assert states(records) == {"limit:rack1": "returned"}


def test_a_shelved_alarm_is_quiet_until_its_time_is_up(records: LocalRecords, live: Live) -> None:
    book, alarm = raised(records, live)
    shelved = book.shelve(alarm.id, 600.0, ADA, "the sensor is being changed", START_S + 1)
    assert (shelved.state, shelved.body["shelved"]["until_s"]) == ("shelved", START_S + 601)
    for t in (300, 600):
        book.update(hot_at(t), live, START_S + t)
    assert states(records) == {"limit:rack1": "shelved"}
    book.update(hot_at(601), live, START_S + 601)
    assert states(records) == {"limit:rack1": "active"}
    (log,) = [r for r in records.find(Kind.AUDIT) if r.body["action"] == "shelved"]
    assert (log.body["who"], "the sensor is being changed" in log.body["why"]) == ("Ada", True)


def test_a_shelved_alarm_whose_cause_has_gone_clears_when_its_time_is_up(
    records: LocalRecords, live: Live
) -> None:
    book, alarm = raised(records, live)
    book.shelve(alarm.id, 600.0, ADA, "being changed", START_S + 1)
    for t in (300, 700):
        book.update(hot_at(t, 60.0), live, START_S + t)
    assert states(records) == {"limit:rack1": "cleared"}


def test_a_shelved_alarm_can_be_brought_back(records: LocalRecords, live: Live) -> None:
    book, alarm = raised(records, live)
    with pytest.raises(StateError, match="not shelved"):
        book.unshelve(alarm.id, ADA, "done", START_S + 1)
    book.shelve(alarm.id, 600.0, ADA, "being changed", START_S + 1)
    with pytest.raises(StateError, match="nothing to shelve"):
        book.shelve(alarm.id, 600.0, ADA, "again", START_S + 2)
    assert book.unshelve(alarm.id, ADA, "done", START_S + 2).state == "active"


@pytest.mark.parametrize("lasts_s", [0.0, -1.0, 12 * 3600.0 + 1.0])
def test_nothing_is_shelved_for_longer_than_a_shift(
    records: LocalRecords, live: Live, lasts_s: float
) -> None:
    book, alarm = raised(records, live)
    with pytest.raises(InvalidError, match="at most 12 h"):
        book.shelve(alarm.id, lasts_s, ADA, "being changed", START_S)
    assert book.shelve(alarm.id, 12 * 3600.0, ADA, "being changed", START_S).state == "shelved"


def test_of_alarms_that_come_together_the_first_is_marked(
    records: LocalRecords, live: Live
) -> None:
    book = AlarmBook(SITE, records)
    leak = Condition("plant:leak", Priority.HIGH, "cdu1: a leak is sensed", "find it")
    book.update(replace(hot_at(0, 60.0), conditions=(leak,)), live, START_S)
    book.update(replace(hot_at(20), conditions=(leak,)), live, START_S + 20)
    for t in range(25, 300, 5):
        book.update(replace(hot_at(t), conditions=(leak,)), live, START_S + t)
    later = Condition("plant:late", Priority.HIGH, "cdu2: another thing", "see to it")
    book.update(replace(hot_at(300), conditions=(leak, later)), live, START_S + 300)
    found = {str(r.body["condition"]): r for r in book.open()}
    assert found["plant:leak"].body["first_out"] is True
    assert found["limit:rack1"].body["first_out"] is False
    assert found["limit:rack1"].body["after"] == found["plant:leak"].id
    assert found["plant:late"].body["first_out"] is True
