"""What is made once serves everybody until it is made of something else."""

from __future__ import annotations

import asyncio
import threading

import pytest

from controller.service.kept import Kept


def test_a_thing_is_made_anew_only_of_something_else() -> None:
    kept, made = Kept(), []

    def make(value: str) -> str:
        made.append(value)
        return value

    assert [kept.get("a", token, lambda: make("x")) for token in (1, 1, 2, 2)] == ["x"] * 4
    assert len(made) == 2


def test_the_one_that_was_asked_for_longest_ago_goes() -> None:
    kept, made = Kept(most=2), []
    for name in ("a", "b", "a", "c", "a", "b"):
        kept.get(name, 1, lambda name=name: made.append(name))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


async def test_who_asks_meanwhile_waits_for_the_one_on_its_way() -> None:
    kept, made, go = Kept(), [], threading.Event()

    def make() -> int:
        assert go.wait(10.0)
        made.append(1)
        return len(made)

    asked = [asyncio.create_task(kept.from_thread("a", 1, make)) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()  # the first one hangs up: the others still want it
    go.set()
    assert await asyncio.gather(*asked[1:]) == [1, 1]
    assert await kept.from_thread("a", 1, make) == 1
    assert await kept.from_thread("a", 2, make) == 2


async def test_a_failure_is_told_to_who_waits_and_not_kept() -> None:
    kept = Kept()

    def fail() -> int:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        await kept.from_thread("a", 1, fail)
    assert await kept.from_thread("a", 1, lambda: 7) == 7
