"""Backups, upgrades and the way back."""

from __future__ import annotations

import fcntl
import sqlite3
from pathlib import Path

import pytest

from controller.cli import main
from controller.storage.backup import back_up, restore, verify
from controller.storage.opening import HOT, RECORDS, Place, open_stores
from controller.storage.ports import Kind, Record, StorageError
from facility.telemetry import Quality, Reading, Snapshot


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir()
    write(state, 0)
    return state


def write(state: Path, first: int) -> None:
    stores = open_stores(Place(state))
    for n in range(first, first + 100):
        time_s = n * 100.0
        reading = Reading(float(n), Quality.GOOD, time_s)
        stores.telemetry.append(Snapshot(time_s, {"a": reading}))
    stores.telemetry.compact((first + 100) * 100.0)
    stores.records.write(add=[Record(Kind.AUDIT, str(first), 0.0, {"n": first})])
    stores.close()


def values(state: Path) -> list[float]:
    stores = open_stores(Place(state))
    frame = stores.telemetry.frame(["a"], 0.0, 19_900.0, 100.0)
    stores.close()
    return [float(value) for value in frame["a"].dropna()]


def test_a_backup_comes_back_and_what_was_there_is_kept(state: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    size = back_up(state, backup)
    assert verify(backup) == size
    write(state, 100)
    assert len(values(state)) == 200
    assert restore(backup, state) == size
    assert values(state) == [float(n) for n in range(100)]
    before = next(tmp_path.glob("state.before-restore-*"))
    assert len(values(before)) == 200


def test_a_backup_that_is_not_whole_replaces_nothing(state: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    back_up(state, backup)
    file = next(backup.rglob("*.parquet"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StorageError, match="is damaged"):
        restore(backup, state)
    file.unlink()
    with pytest.raises(StorageError, match="is missing"):
        restore(backup, state)
    with pytest.raises(StorageError, match="no whole backup"):
        restore(tmp_path, state)
    assert len(values(state)) == 100


def test_nothing_is_restored_under_a_controller_that_runs(state: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    back_up(state, backup)
    with (state / "serve.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(StorageError, match="stop it first"):
            restore(backup, state)
        assert main(["storage", "upgrade", "--state", str(state)]) == 0  # nothing to do
        assert main(["storage", "downgrade", "--state", str(state), "hot=h0001"]) == 2


def test_a_store_goes_back_a_version_and_forward_again(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--state", str(state)]
    assert main(["storage", "downgrade", *place, "hot=h0001"]) == 0
    with pytest.raises(StorageError, match="isotherm storage upgrade"):
        open_stores(Place(state))
    assert main(["storage", "status", *place]) == 1
    assert main(["storage", "upgrade", *place]) == 0
    assert "hot: h0001 -> h0002" in capsys.readouterr().out
    assert values(state) == [float(n) for n in range(100)]
    assert len(list((state / "backups").iterdir())) == 2


def test_a_store_from_before_there_were_migrations_is_taken_over(state: Path) -> None:
    for name in (RECORDS, HOT):
        with sqlite3.connect(state / name) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE name LIKE '%version'"):
                db.execute(f"DROP TABLE {table}")
            if name == HOT:
                db.execute("DELETE FROM files WHERE kind <> 'readings'")
                db.execute("ALTER TABLE files DROP COLUMN kind")
                db.execute("DROP TABLE marks")
        db.close()
    with pytest.raises(StorageError, match="before migrations"):
        open_stores(Place(state))
    assert main(["storage", "upgrade", "--state", str(state)]) == 0
    assert values(state) == [float(n) for n in range(100)]


def test_a_backup_needs_something_to_copy_and_room_of_its_own(state: Path, tmp_path: Path) -> None:
    assert main(["backup", "make", "--state", str(tmp_path / "none"), str(tmp_path / "b")]) == 1
    with pytest.raises(StorageError, match="choose a new directory"):
        back_up(state, state)
    assert main(["backup", "make", "--state", str(state), str(tmp_path / "b")]) == 0
    assert main(["backup", "verify", str(tmp_path / "b")]) == 0
