"""What is said to who has just woken up: the worst first, and where to look."""

from __future__ import annotations

from typing import Any

import pytest

from controller.service.moment import word_of

FINE = {"rack": "r1", "room_k": 9.0, "temperature_c": 26.0}
NEAR = {**FINE, "room_k": 1.2}
OVER = {**FINE, "room_k": -0.5}
NONE: dict[str, Any] = {"open": 0, "unseen": 0, "high": 0}
SEEN = {**NONE, "open": 1}
LOW = {**NONE, "open": 2, "unseen": 2}
HIGH = {**NONE, "open": 1, "unseen": 1, "high": 1}


@pytest.mark.parametrize(
    ("silence", "least", "alarms", "state", "head", "page"),
    [
        ("", FINE, NONE, "well", "All is well", ""),
        ("", FINE, SEEN, "well", "All is well", ""),
        ("", NEAR, NONE, "look", "Rack r1 has 1.2 K of room", "/trends?equipment=r1"),
        ("", NEAR, LOW, "look", "2 alarms nobody has seen", "/alarms"),
        ("", FINE, HIGH, "act", "1 alarm nobody has seen", "/alarms"),
        ("", OVER, HIGH, "act", "Rack r1 is 0.5 K above its limit", "/trends?equipment=r1"),
        ("", None, NONE, "look", "No rack's temperature is known", ""),
        ("the gateway is gone", OVER, HIGH, "act", "No word from the field", ""),
    ],
)
def test_the_word_names_the_worst_and_where_to_look(
    silence: str, least: Any, alarms: Any, state: str, head: str, page: str
) -> None:
    word = word_of(silence, least, alarms)
    assert (word["state"], word["head"], word["page"]) == (state, head, page)
    assert word["text"]
