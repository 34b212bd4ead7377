"""`kill -9` of a writer, or of an upgrade, at any instant: nothing acknowledged is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from controller.storage.opening import Place
from controller.storage.upgrading import levels, move, to_heads
from tests.crash_writers import MIGRATOR, WRITER, holds_everything, run_and_kill
from tests.postgres import new_database


def kill_writers(place: Place, times: int, draw: random.Random) -> None:
    said = -1
    for _ in range(times):
        said = max(said, run_and_kill(WRITER, place, said + 1, draw.uniform(0.0, 1.5)))
        # What was written but not said is there, too: go on after it.
        said = holds_everything(place, said)


def kill_migrations(place: Place, times: int, draw: random.Random) -> None:
    said = run_and_kill(WRITER, place, 0, 1.0)
    said = holds_everything(place, said)
    for _ in range(times):
        run_and_kill(MIGRATOR, place, 0, draw.uniform(0.0, 0.5))
        assert all(level.current is not None for level in levels(place))
        move(place, to_heads(place))
        holds_everything(place, said)


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    kill_writers(Place(tmp_path / "state"), 2, random.Random(1))


def test_a_killed_upgrade_leaves_the_version_before_or_after(tmp_path: Path) -> None:
    kill_migrations(Place(tmp_path / "state"), 1, random.Random(2))


def test_killed_writers_lose_nothing_in_postgres(tmp_path: Path, postgres: str) -> None:
    kill_writers(Place(tmp_path / "state", new_database(postgres)), 1, random.Random(3))


@pytest.mark.soak
def test_a_hundred_kills_during_ingestion_and_compaction(tmp_path: Path) -> None:
    kill_writers(Place(tmp_path / "state"), 100, random.Random(4))


@pytest.mark.soak
def test_a_hundred_kills_during_ingestion_in_postgres(tmp_path: Path, postgres: str) -> None:
    kill_writers(Place(tmp_path / "state", new_database(postgres)), 100, random.Random(5))


@pytest.mark.soak
def test_a_hundred_kills_during_migration(tmp_path: Path) -> None:
    kill_migrations(Place(tmp_path / "state"), 100, random.Random(6))
