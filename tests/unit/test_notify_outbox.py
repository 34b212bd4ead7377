"""What is told to people outside, when, and what is held back."""

from __future__ import annotations

from datetime import time
from typing import Any

from controller.notify.outbox import Told, due, items_of
from controller.notify.words import Item, Message, Quiet, Rules
from controller.storage.ports import Kind, Record
from facility.telemetry import Priority

NOON_S = 1_712_491_200.0  # 2024-04-07T12:00:00Z
NIGHT_S = NOON_S + 11 * 3600.0


def alarm(name: str, priority: str = "high", state: str = "active", **more: Any) -> Record:
    body = {"priority": priority, "text": f"{name} is hot", "action": "look", **more}
    return Record(Kind.ALARM, name, NOON_S, body, state=state)


def items(*alarms: Record, rules: Rules | None = None) -> tuple[Item, ...]:
    return items_of(alarms, (), rules or Rules(), NOON_S)


def tell(
    found: tuple[Item, ...], told: Told, now_s: float, rules: Rules | None = None
) -> Message | None:
    return due(found, told, rules or Rules(), "campus", now_s)


def test_an_alarm_is_told_once_with_what_to_do() -> None:
    found = items(alarm("a"))
    message = tell(found, Told({}), NOON_S)
    assert message is not None
    assert message.subject == "Isotherm at campus: high alarm: a is hot"
    assert "do: look" in message.text
    assert tell(found, Told({}).after(message), NOON_S + 5.0) is None
    again = items(alarm("a", occurrences=2))
    assert tell(again, Told({}).after(message), NOON_S + 5.0) is not None


def test_who_has_it_in_hand_and_what_is_minor_is_not_told() -> None:
    quiet = [alarm("a", state=s) for s in ("acknowledged", "shelved", "returned", "cleared")]
    assert items(*quiet, alarm("b", "low")) == ()
    assert len(items(alarm("b", "low"), rules=Rules(least_priority=Priority.LOW))) == 1


def test_what_comes_together_is_one_message_and_the_urgent_comes_first() -> None:
    message = tell(items(alarm("a", "medium"), alarm("b")), Told({}), NOON_S)
    assert message is not None
    assert message.subject.endswith("2 things ask for somebody, first: high alarm: b is hot")
    many = tell(items(*(alarm(f"a{i}") for i in range(100))), Told({}), NOON_S)
    assert many is not None
    assert many.text.endswith("and 80 more")
    assert len(many.items) == 100


def test_quiet_hours_hold_back_what_can_wait_and_it_follows_in_one() -> None:
    rules = Rules(quiet=Quiet(time(22), time(6), "UTC"))
    both = items(alarm("a", "medium"), alarm("b", "medium"))
    assert tell(both, Told({}), NIGHT_S, rules) is None
    urgent = tell((*both, *items(alarm("c"))), Told({}), NIGHT_S, rules)
    assert urgent is not None
    assert [item.id for item in urgent.items] == ["c/1"]
    morning = tell(both, Told({}).after(urgent), NIGHT_S + 8 * 3600.0, rules)
    assert morning is not None
    assert len(morning.items) == 2
    berlin = Rules(quiet=Quiet(time(0), time(6), "Europe/Berlin"))
    assert tell(both, Told({}), NIGHT_S, berlin) is None  # 01:00 there


def test_a_flood_is_six_messages_an_hour_and_the_urgent_five_minutes_apart() -> None:
    told, sent = Told({}), 0
    for minute in range(60):
        found = items(alarm(f"m{minute}", "medium"))
        if (message := tell(found, told, NOON_S + 60.0 * minute)) is not None:
            told, sent = told.after(message), sent + 1
    assert sent == 6
    now_s = NOON_S + 3599.0
    urgent = items(alarm("x"))
    message = tell(urgent, told, now_s)
    assert message is not None
    told = told.after(message)
    assert tell(items(alarm("y")), told, now_s + 60.0) is None
    assert tell(items(alarm("y")), told, now_s + 300.0) is not None


def test_a_proposal_is_told_once_it_has_waited() -> None:
    body = {"expires_at_s": NOON_S + 1800.0, "moves": [1, 2], "saving_kw": 12.3}
    record = Record(Kind.PROPOSAL, "p1", NOON_S, {"proposal": body}, state="pending")
    assert items_of((), (record,), Rules(), NOON_S + 599.0) == ()
    (item,) = items_of((), (record,), Rules(), NOON_S + 600.0)
    assert "2 moves, 12.3 kW; it expires in 20 min" in item.text
    assert "isotherm proposals show p1" in item.text
