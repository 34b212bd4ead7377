"""What every record store promises."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.storage.engines import postgres_engine
from controller.storage.ports import ConflictError, Kind, Record, RecordStore, StorageError
from controller.storage.records import LocalRecords, SqlRecords
from tests.postgres import new_database


@pytest.fixture(params=["local", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordStore]:
    store: RecordStore
    if request.param == "local":
        store = LocalRecords(tmp_path / "records.db")
    else:
        store = SqlRecords(postgres_engine(new_database(request.getfixturevalue("postgres"))))
    yield store
    store.close()


def record(name: str, time_s: float = 1.0, state: str = "new", kind: Kind = Kind.AUDIT) -> Record:
    return Record(kind, name, time_s, {"n": name, "list": [1, None, "ä"]}, state)


def test_a_record_comes_back_as_it_was(store: RecordStore) -> None:
    store.write(add=[record("a")])
    assert store.get(Kind.AUDIT, "a") == record("a")
    assert store.get(Kind.ALARM, "a") is None


def test_an_id_is_taken_once_and_by_kind(store: RecordStore) -> None:
    store.write(add=[record("a"), record("a", kind=Kind.ALARM)])
    with pytest.raises(ConflictError, match="already"):
        store.write(add=[record("a")])


def test_a_write_is_whole_or_not_at_all(store: RecordStore) -> None:
    store.write(add=[record("a")])
    with pytest.raises(ConflictError):
        store.write(add=[record("b"), record("a")])
    assert store.get(Kind.AUDIT, "b") is None
    seen = store.get(Kind.AUDIT, "a")
    assert seen is not None
    with pytest.raises(ConflictError):
        store.write(add=[record("b")], change=[replace(seen, version=7)])
    assert store.get(Kind.AUDIT, "b") is None


def test_of_two_changes_of_one_version_the_first_wins(store: RecordStore) -> None:
    store.write(add=[record("a")])
    seen = store.get(Kind.AUDIT, "a")
    assert seen is not None
    store.write(change=[replace(seen, state="one")])
    with pytest.raises(ConflictError, match="meanwhile"):
        store.write(change=[replace(seen, state="two")])
    now = store.get(Kind.AUDIT, "a")
    assert now is not None
    assert (now.state, now.version) == ("one", 2)


def test_lists_are_newest_first_and_narrowed(store: RecordStore) -> None:
    store.write(add=[record(str(n), float(n), "odd" if n % 2 else "even") for n in range(6)])
    assert [r.id for r in store.find(Kind.AUDIT)] == ["5", "4", "3", "2", "1", "0"]
    assert [r.id for r in store.find(Kind.AUDIT, states=["odd"])] == ["5", "3", "1"]
    assert [r.id for r in store.find(Kind.AUDIT, since_s=2.0, until_s=3.0)] == ["3", "2"]
    page = store.find(Kind.AUDIT, limit=2)
    rest = store.find(Kind.AUDIT, limit=2, before=page[-1].sequence)
    assert [r.id for r in rest] == ["3", "2"]
    assert store.find(Kind.TOKEN) == ()


def test_what_others_write_is_seen_at_once(tmp_path: Path) -> None:
    mine, theirs = LocalRecords(tmp_path / "records.db"), LocalRecords(tmp_path / "records.db")
    mine.write(add=[record("a")])
    assert theirs.find(Kind.AUDIT) == mine.find(Kind.AUDIT) == (record("a"),)
    seen = theirs.get(Kind.AUDIT, "a")
    assert seen is not None
    theirs.write(add=[record("b")], change=[replace(seen, state="changed")])
    assert [r.id for r in mine.find(Kind.AUDIT)] == ["b", "a"]
    changed = mine.get(Kind.AUDIT, "a")
    assert changed is not None
    assert changed.state == "changed"
    mine.close()
    theirs.close()


def test_what_is_not_changed_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = LocalRecords(tmp_path / "records.db"), []
    store.write(add=[record("a")])
    plain = SqlRecords.get

    def counted(*args: Any) -> Any:
        asked.append(1)
        return plain(*args)

    monkeypatch.setattr(SqlRecords, "get", counted)
    for _ in range(3):
        store.get(Kind.AUDIT, "a")
    assert len(asked) == 1
    store.write(add=[record("b")])
    store.get(Kind.AUDIT, "a")
    assert len(asked) == 2
    store.close()


def test_what_is_forgotten_is_of_its_kind_its_time_and_its_states(store: RecordStore) -> None:
    store.write(add=[record(str(n), float(n), "open" if n % 2 else "closed") for n in range(4)])
    store.write(add=[record("0", 0.0, kind=Kind.ALARM)])
    assert store.forget(Kind.AUDIT, 2.0, ["closed"]) == 1
    assert [r.id for r in store.find(Kind.AUDIT)] == ["3", "2", "1"]
    assert store.forget(Kind.AUDIT, 3.0) == 2
    assert [r.id for r in store.find(Kind.AUDIT)] == ["3"]
    assert [r.id for r in store.find(Kind.ALARM)] == ["0"]


def test_a_number_that_is_not_finite_is_refused(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write(add=[Record(Kind.AUDIT, "a", 0.0, {"x": float("nan")})])
    assert store.find(Kind.AUDIT) == ()


def test_a_newer_format_and_a_strange_file_are_refused_with_the_mend(tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    LocalRecords(newer).close()
    with sqlite3.connect(newer) as db:
        db.execute("UPDATE isotherm_records_version SET version_num = 'r9999'")
    db.close()
    with pytest.raises(StorageError, match="newer Isotherm"):
        LocalRecords(newer)
    strange = tmp_path / "strange.db"
    strange.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match="one that Isotherm made"):
        LocalRecords(strange)
    with pytest.raises(StorageError, match="writable"):
        LocalRecords(tmp_path / "nowhere" / "records.db")
