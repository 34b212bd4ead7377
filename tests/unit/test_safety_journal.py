"""The journal: on disk before it counts, chained, and every damage named to the record."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from safety import chain
from safety.journal import GENESIS, Damage, Journal, JournalError, read, verify
from tests.safety_kit import NOW_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(path: Path, count: int = 5) -> list[bytes]:
    journal = Journal.open(path, NOW_S)
    for number in range(1, count + 1):
        journal.append("write", {"value": float(number)}, NOW_S + number)
    journal.close()
    return path.read_bytes().splitlines(keepends=True)


def test_records_come_back_in_order(path: Path) -> None:
    write(path, 3)
    found = list(read(path))
    assert [(r.number, r.kind, r.time_s, r.data) for r in found] == [
        (n, "write", NOW_S + n, {"value": float(n)}) for n in (1, 2, 3)
    ]
    assert verify(path) is None


def test_an_empty_journal_is_whole(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    assert journal.head == (0, GENESIS)
    assert journal.extend([], NOW_S) == ()
    journal.close()
    journal.close()  # closing twice is harmless
    assert verify(path) is None
    assert list(read(path)) == []


def test_the_documented_format_is_enough_to_verify_without_the_product(path: Path) -> None:
    previous = "0" * 64
    for number, line in enumerate(write(path), start=1):
        record = json.loads(line)
        assert list(record) == ["number", "time_s", "kind", "data", "previous", "hash"]
        text = line.rstrip(b"\n")
        assert record["hash"] == hashlib.sha256(text[:-75]).hexdigest()
        assert (record["number"], record["previous"]) == (number, previous)
        previous = record["hash"]


def test_reopening_continues_the_chain(path: Path) -> None:
    write(path, 2)
    journal = Journal.open(path, NOW_S)
    record = journal.append("start", {"who": "ada", "naïve": None}, NOW_S + 9)
    assert (record.number, record.previous) == (3, list(read(path))[1].hash)
    assert journal.head == (3, record.hash)
    journal.close()
    assert verify(path) is None


def test_several_records_take_one_flush(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path, NOW_S)
    flushes: list[int] = []
    monkeypatch.setattr(os, "fsync", flushes.append)
    records = journal.extend([("a", {}), ("b", {"x": 1})], NOW_S)
    assert [record.number for record in records] == [1, 2]
    assert len(flushes) == 1
    journal.close()
    assert verify(path) is None


def test_a_heartbeat_record_waits_for_the_next_flush_and_is_in_the_chain(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path, NOW_S)
    head = path.with_name(path.name + ".head")
    flushes: list[int] = []
    monkeypatch.setattr(os, "fsync", flushes.append)
    journal.extend([("beat", {"device": "cdu_1"})], NOW_S, durable=False)
    assert flushes == []
    assert head.read_bytes() == b""  # the head promises only what is on disk
    assert [record.kind for record in read(path)] == ["beat"]
    journal.append("write", {}, NOW_S)
    assert len(flushes) == 1
    assert head.read_text().split() == [f"{2:020d}", journal.head[1]]
    journal.close()
    assert verify(path) is None


def test_a_record_is_on_disk_when_append_returns(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    journal.append("write", {"value": 1.0}, NOW_S)
    assert verify(path) is None
    assert [record.number for record in read(path)] == [1]
    journal.close()


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_byte_is_named_to_the_record(path: Path, number: int) -> None:
    lines = write(path)
    lines[number - 1] = lines[number - 1].replace(b'"value":', b'"value" :', 1)
    path.write_bytes(b"".join(lines))
    assert verify(path) == Damage(number, number, "its hash does not fit its content", counted=True)
    found = read(path)
    for _ in range(number - 1):
        next(found)
    with pytest.raises(JournalError, match=f"record {number} "):
        next(found)


def test_every_single_changed_byte_is_found(path: Path) -> None:
    whole = b"".join(write(path, 2))
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert verify(path) is not None, place


def test_a_record_that_was_taken_out_is_found(path: Path) -> None:
    lines = write(path)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    damage = verify(path)
    assert damage is not None
    assert damage.number == 3
    assert "number 4 where 3" in damage.reason


def test_records_of_another_journal_do_not_fit(path: Path, tmp_path: Path) -> None:
    lines = write(path)
    other = tmp_path / "other.jsonl"
    journal = Journal.open(other, NOW_S)
    for number in range(5):
        journal.append("other", {"value": number}, NOW_S)
    journal.close()
    lines[2] = other.read_bytes().splitlines(keepends=True)[2]
    path.write_bytes(b"".join(lines))
    damage = verify(path)
    assert damage is not None
    assert (damage.number, damage.reason) == (3, "does not follow the record before it")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"not json", b'{"number":1}'])
def test_a_line_with_a_right_hash_that_is_no_record_is_found(path: Path, body: bytes) -> None:
    start = body[:-1]
    digest = hashlib.sha256(start).hexdigest()
    path.write_bytes(start + f',"hash":"{digest}"}}\n'.encode())
    damage = verify(path)
    assert damage is not None
    assert damage.reason.startswith("not a record")


def test_a_torn_last_line_is_named(path: Path) -> None:
    lines = write(path)
    path.write_bytes(b"".join(lines)[:-10])
    damage = verify(path)
    assert damage is not None
    assert (damage.number, damage.truncated) == (5, True)
    assert "torn" in damage.reason


def test_records_missing_at_the_end_are_named(path: Path) -> None:
    lines = write(path)
    path.write_bytes(b"".join(lines[:3]))
    reason = "records 4 to 5 are missing at the end"
    assert verify(path) == Damage(4, 4, reason, truncated=True, counted=True)
    with pytest.raises(JournalError, match="record 4"):
        Journal.open(path, NOW_S)


def test_an_emptied_journal_is_named(path: Path) -> None:
    write(path)
    path.write_bytes(b"")
    damage = verify(path)
    assert damage is not None
    assert damage.reason == "records 1 to 5 are missing at the end"


def test_a_rewritten_chain_does_not_fit_the_head(path: Path, tmp_path: Path) -> None:
    write(path)
    other = tmp_path / "other.jsonl"
    journal = Journal.open(other, NOW_S)
    for number in range(5):
        journal.append("forged", {"value": number}, NOW_S)
    journal.close()
    path.write_bytes(other.read_bytes())
    damage = verify(path)
    assert damage is not None
    assert "rewritten" in damage.reason


def test_a_head_that_lags_behind_after_a_crash_is_no_damage(path: Path) -> None:
    write(path, 2)
    head = path.with_name(path.name + ".head")
    early = head.read_bytes()
    write(path, 2)
    head.write_bytes(early)
    assert verify(path) is None


def test_a_copied_journal_without_its_head_can_be_verified(path: Path, tmp_path: Path) -> None:
    write(path)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    assert verify(copy) is None


@pytest.mark.parametrize("text", ["x y", "5", "5 \xff"])
def test_a_damaged_head_is_named(path: Path, text: str) -> None:
    write(path)
    path.with_name(path.name + ".head").write_text(text, "latin-1")
    with pytest.raises(JournalError, match="head"):
        verify(path)


def test_opening_cuts_a_torn_tail_off_and_says_so(path: Path) -> None:
    lines = write(path)
    with path.open("ab") as file:
        file.write(lines[0][:40])
    journal = Journal.open(path, NOW_S)
    journal.close()
    assert verify(path) is None
    last = list(read(path))[-1]
    assert (last.number, last.kind, last.data) == (6, "torn_tail", {"bytes_cut": 40})


def test_a_torn_record_that_had_counted_is_damage(path: Path) -> None:
    """The head names record 5 as written, so a torn record 5 is no ordinary crash."""
    lines = write(path)
    path.write_bytes(b"".join(lines)[:-10])
    with pytest.raises(JournalError, match="record 5"):
        Journal.open(path, NOW_S)


def test_a_damaged_journal_is_not_continued(path: Path) -> None:
    lines = write(path)
    path.write_bytes(lines[0] + lines[1].replace(b"write", b"wrote") + b"".join(lines[2:]))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"record 2 .*move it away"):
        Journal.open(path, NOW_S)
    assert path.read_bytes() == before


def test_one_process_writes_a_journal(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    with pytest.raises(JournalError, match="another process"):
        Journal.open(path, NOW_S)
    journal.close()
    Journal.open(path, NOW_S).close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nowhere"):
        Journal.open(tmp_path / "nowhere" / "journal.jsonl", NOW_S)
    with pytest.raises(JournalError, match="nowhere"):
        verify(tmp_path / "nowhere" / "journal.jsonl")


@pytest.mark.parametrize("data", [{"x": math.nan}, {"x": object()}, {"x": b"raw"}])
def test_what_is_not_plain_is_refused_and_nothing_is_written(path: Path, data: Any) -> None:
    journal = Journal.open(path, NOW_S)
    with pytest.raises(JournalError, match="cannot be written"):
        journal.append("write", data, NOW_S)
    with pytest.raises(JournalError, match="finite"):
        journal.append("write", {}, math.inf)
    assert path.read_bytes() == b""
    journal.append("write", {}, NOW_S)  # a bad record is the caller's fault, not the disk's
    journal.close()


def test_a_record_longer_than_a_reader_takes_is_refused(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    with pytest.raises(JournalError, match="longer"):
        journal.append("write", {"x": "y" * chain.LONGEST_LINE}, NOW_S)
    journal.close()


def test_a_line_without_end_is_read_in_bounded_memory(path: Path) -> None:
    path.write_bytes(b"x" * (chain.LONGEST_LINE + 10))
    damage = verify(path)
    assert damage is not None
    assert "longer" in damage.reason
    assert not damage.truncated


class FullDisk:
    """`os` functions that fail as on a full disk, where told to."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in self.failing:
            monkeypatch.setattr(os, name, self.fail)

    @staticmethod
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_an_error_and_leaves_the_chain_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, 2)
    journal = Journal.open(path, NOW_S)
    with monkeypatch.context() as patch:
        FullDisk("fsync").patch(patch)
        with pytest.raises(JournalError, match="No space left"):
            journal.append("write", {}, NOW_S)
    with pytest.raises(JournalError, match="closed after a failure: No space left"):
        journal.append("write", {}, NOW_S)
    assert journal.head[0] == 2
    journal.close()
    assert verify(path) is None
    Journal.open(path, NOW_S).close()


def test_a_disk_that_fails_twice_says_both(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path, NOW_S)
    with monkeypatch.context() as patch:
        FullDisk("fsync", "ftruncate").patch(patch)
        with pytest.raises(JournalError, match="then No space"):
            journal.append("write", {}, NOW_S)
    journal.close()


def test_a_head_that_cannot_be_written_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path, NOW_S)
    with monkeypatch.context() as patch:
        FullDisk("pwrite").patch(patch)
        with pytest.raises(JournalError, match=r"\.head"):
            journal.append("write", {}, NOW_S)
    journal.close()
    assert verify(path) is None


def test_a_disk_that_fails_at_the_opening_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        FullDisk("fsync").patch(patch)
        with pytest.raises(JournalError, match="No space left"):
            Journal.open(path, NOW_S)
    Journal.open(path, NOW_S).close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the always-full device of Linux")
def test_a_write_to_a_full_device_is_an_error(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    with Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), journal._file.fileno())
        with pytest.raises(JournalError, match="No space left"):
            journal.append("write", {}, NOW_S)
    journal.close()
