"""The files of a journal: closed at their size, one chain through all, each damage found."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from safety import chain
from safety import journal as journals
from safety.chain import closed_files
from safety.journal import Damage, Journal, JournalError, read, verify
from tests.safety_kit import NOW_S


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a journal whose files are closed when they hold two records of `write`."""
    path = tmp_path / "journal.jsonl"
    journal = Journal.open(path, NOW_S)
    journal.extend([("write", {"value": 1.0})] * 2, NOW_S)
    journal.close()
    monkeypatch.setattr(journals, "FILE_BYTES", path.stat().st_size)
    path.unlink()
    path.with_name("journal.jsonl.head").unlink()
    return path


def write(path: Path, count: int) -> Journal:
    journal = Journal.open(path, NOW_S)
    for _ in range(count):
        journal.append("write", {"value": 1.0}, NOW_S)
    return journal


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


FIRST, THIRD = "journal.000000000001.jsonl", "journal.000000000003.jsonl"


def test_a_file_of_its_size_is_closed_before_the_next_record(path: Path) -> None:
    journal = write(path, 2)
    assert names(path) == ["journal.jsonl", "journal.jsonl.head"]
    journal.append("write", {"value": 1.0}, NOW_S)
    assert names(path) == [FIRST, "journal.jsonl", "journal.jsonl.head"]
    assert [each.number for each in read(path)] == [1, 2, 3]
    journal.extend([("write", {"value": 1.0})] * 2, NOW_S)
    assert [path.name for path in closed_files(path)] == [FIRST]
    journal.append("write", {"value": 1.0}, NOW_S)
    assert [path.name for path in closed_files(path)] == [FIRST, THIRD]
    assert [len(each.read_bytes().splitlines()) for each in closed_files(path)] == [2, 3]
    assert journal.head[0] == 6
    assert verify(path) is None
    journal.close()


def test_one_byte_less_is_not_its_size_and_heartbeats_close_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "FILE_BYTES", journals.FILE_BYTES + 1)
    journal = write(path, 3)
    assert closed_files(path) == []
    journal.extend([("beat", {})], NOW_S, durable=False)
    assert closed_files(path) == []
    journal.append("write", {"value": 1.0}, NOW_S)
    assert [path.name for path in closed_files(path)] == [FIRST]
    assert verify(path) is None
    journal.close()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_a_restart_goes_on_in_the_file_that_is_written(path: Path, count: int) -> None:
    write(path, count).close()
    write(path, 3).close()
    assert [each.number for each in read(path)] == list(range(1, count + 4))
    firsts = [int(each.name.split(".")[1]) for each in closed_files(path)]
    assert firsts == list(range(1, count + 2, 2))
    assert verify(path) is None


def test_a_crash_between_the_old_file_and_the_new_one_loses_nothing(path: Path) -> None:
    write(path, 2).close()
    path.rename(path.with_name(FIRST))
    write(path, 3).close()
    assert [each.number for each in read(path)] == [1, 2, 3, 4, 5]
    assert [each.name for each in closed_files(path)] == [FIRST, THIRD]
    assert verify(path) is None


def test_the_documented_format_is_enough_for_all_files_together(path: Path) -> None:
    write(path, 5).close()
    lines = b"".join(each.read_bytes() for each in (*closed_files(path), path)).splitlines()
    previous = chain.GENESIS
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        assert (record["number"], record["previous"]) == (number, previous)
        previous = record["hash"]


def test_damage_names_its_file_and_the_line_there(path: Path) -> None:
    write(path, 7).close()
    third = path.with_name(THIRD)
    third.write_bytes(third.read_bytes().replace(b'"value":', b'"value" :'))
    found = verify(path)
    reason = "its hash does not fit its content"
    assert found == Damage(3, 1, reason, counted=True, file=THIRD)
    assert str(found) == f"record 3 ({THIRD}, line 1): {reason}"
    with pytest.raises(JournalError, match=rf"journal\.jsonl: record 3 \({THIRD}, line 1\)"):
        list(read(path))
    assert str(Damage(3, 1, reason)) == f"record 3 (line 1): {reason}"


def test_a_file_that_is_missing_or_was_exchanged_is_found(path: Path) -> None:
    write(path, 7).close()
    third = path.with_name(THIRD)
    kept = third.read_bytes()
    third.unlink()
    found = verify(path)
    assert found is not None
    assert (found.number, found.line) == (3, 1)
    assert "has number 5 where 3 belongs" in found.reason
    third.write_bytes(kept.splitlines(keepends=True)[0])
    found = verify(path)
    assert found is not None
    assert (found.number, found.line, found.counted) == (4, 1, True)


def test_records_missing_at_the_end_are_counted_from_the_closed_files(path: Path) -> None:
    write(path, 4).close()
    path.write_bytes(b"")
    reason = "records 3 to 4 are missing at the end"
    assert verify(path) == Damage(3, 3, reason, truncated=True, counted=True)
    with pytest.raises(JournalError, match=r"record 3 \(line 1\): records 3 to 4 are missing"):
        Journal.open(path, NOW_S)


def test_a_chain_rewritten_in_the_last_file_is_told_at_its_line(path: Path) -> None:
    write(path, 4).close()
    head = path.with_name("journal.jsonl.head")
    head.write_text(f"{4:020d} {'0' * 64}\n")
    found = verify(path)
    assert found is not None
    assert (found.number, found.line, found.counted) == (4, 2, True)


@pytest.mark.parametrize("text", [b"", b"x\n", b"[]\n", b"{}\n", b"7\n"])
def test_a_journal_whose_last_closed_file_ends_in_damage_is_not_continued(
    path: Path, text: bytes
) -> None:
    write(path, 3).close()
    first = path.with_name(FIRST)
    first.write_bytes(text)
    with pytest.raises(JournalError, match=rf"{FIRST}: its last record is damaged"):
        Journal.open(path, NOW_S)
    first.unlink()
    with pytest.raises(JournalError, match="has number 3 where 1 belongs"):
        Journal.open(path, NOW_S)


def test_closed_files_are_not_gone_through_at_a_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, 7).close()
    first = path.with_name(FIRST)
    first.write_bytes(first.read_bytes()[:-10])
    write(path, 1).close()
    assert verify(path) is not None


def test_the_last_record_may_be_the_longest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 2).close()
    monkeypatch.setattr(chain, "LONGEST_LINE", journals.FILE_BYTES // 2)
    journal = write(path, 1)
    assert closed_files(path)
    journal.close()
    write(path, 1).close()
    assert verify(path) is None


@pytest.mark.parametrize("step", ["rename", "open", "flock", "fsync"])
def test_a_file_that_cannot_be_closed_closes_the_journal_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    journal = write(path, 2)

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    where = {"rename": Path, "open": Path, "flock": fcntl, "fsync": os}[step]
    monkeypatch.setattr(where, step, fails)
    with pytest.raises(JournalError, match="No space left"):
        journal.append("write", {"value": 1.0}, NOW_S)
    monkeypatch.undo()
    with pytest.raises(JournalError, match="closed after a failure"):
        journal.append("write", {"value": 1.0}, NOW_S)
    journal.close()
    write(path, 2).close()
    assert [each.number for each in read(path)] == [1, 2, 3, 4]


def test_a_file_is_on_disk_before_it_is_closed_and_its_name_before_anything_follows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = write(path, 2)
    flushed: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    journal.append("write", {"value": 1.0}, NOW_S)
    assert flushed == ["journal.jsonl", path.parent.name, "journal.jsonl"]
    journal.close()


def test_a_file_of_one_record_is_gone_on_from(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "FILE_BYTES", 1)
    for _ in range(3):
        write(path, 1).close()
    assert [each.number for each in read(path)] == [1, 2, 3]
    assert len(closed_files(path)) == 2


def test_damage_in_the_written_file_is_told_by_its_line_alone(path: Path) -> None:
    write(path, 4).close()
    path.write_bytes(path.read_bytes().replace(b'"value":', b'"value" :'))
    with pytest.raises(JournalError, match=r"journal\.jsonl: record 3 \(line 1\): its hash"):
        Journal.open(path, NOW_S)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "torn after 1 bytes, without an end of line"),
        (b"x" * 2000 + b"\n", "longer than 1000 bytes"),
        (b"{}\n", "its hash does not fit its content"),
    ],
)
def test_every_damage_has_its_number_and_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, reason: str
) -> None:
    write(path, 3).close()
    monkeypatch.setattr(chain, "LONGEST_LINE", 1000)
    with path.open("ab") as file:
        file.write(text)
    assert verify(path) == Damage(4, 2, reason, truncated="torn" in reason)


def test_a_closed_file_that_cannot_be_read_is_named(path: Path) -> None:
    write(path, 2).close()
    path.with_name(THIRD).mkdir()
    for opens in (lambda: Journal.open(path, NOW_S), lambda: verify(path)):
        with pytest.raises(JournalError, match=r"journal\.jsonl: Is a directory"):
            opens()


def test_the_new_file_is_ours_alone(path: Path) -> None:
    journal = write(path, 3)
    with pytest.raises(JournalError, match="another process writes this journal"):
        Journal.open(path, NOW_S)
    journal.close()


def test_a_file_that_is_closed_while_somebody_reads_is_read_once(path: Path) -> None:
    journal = write(path, 4)
    reading = read(path)
    numbers = [next(reading).number]
    journal.extend([("write", {"value": 1.0})] * 2, NOW_S)
    numbers += [each.number for each in reading]
    assert numbers == [1, 2, 3, 4]
    journal.close()


def test_a_reader_that_lists_files_after_one_was_closed_reads_it_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = write(path, 4)

    def later(journal_path: Path) -> list[Path]:
        journal.append("write", {"value": 1.0}, NOW_S)
        return closed_files(journal_path)

    monkeypatch.setattr(chain, "closed_files", later)
    assert [each.number for each in read(path)] == [1, 2, 3, 4]
    monkeypatch.undo()
    assert [each.number for each in read(path)] == [1, 2, 3, 4, 5]
    journal.close()


def test_the_size_of_a_file() -> None:
    assert journals.FILE_BYTES == 67_108_864


def test_memory_stays_the_same_however_long_a_journal_is(path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        journal = Journal.open(path, NOW_S)
        journal.extend([("write", {"value": 1.0})] * count, NOW_S, durable=False)
        for _ in range(3):
            journal.append("write", {"value": 1.0}, NOW_S)
        journal.close()
        tracemalloc.reset_peak()
        assert verify(path) is None
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short = peak(10)
    assert peak(1000) < short + 100_000


def test_a_start_reads_the_end_of_the_last_closed_file_alone(path: Path) -> None:
    write(path, 3).close()
    first = path.with_name(FIRST)
    first.write_bytes((b"x" * 79 + b"\n") * 50_000 + first.read_bytes())
    tracemalloc.start()
    journal = Journal.open(path, NOW_S)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert journal.head[0] == 3
    assert most < 4_000_000
    journal.close()
