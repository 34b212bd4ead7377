"""The journal and permits: every field of a record, and each edge of what is accepted."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from facility.commands import Mode, WriteKind
from safety import chain
from safety import permit as permits
from safety.journal import Damage, Journal, JournalError, Record, read, verify
from safety.permit import Mint, Permit, PermitError
from tests.safety_kit import (
    NOW_S,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


# -- the journal ---------------------------------------------------------------------------------


def test_what_append_answers_is_what_is_read(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    answered = journal.append("write", {"value": 1.5}, int(NOW_S))
    assert [answered] == list(read(path))
    assert type(answered.time_s) is float
    assert b'"time_s":1712448000.0,' in path.read_bytes()
    assert (answered.number, answered.kind, answered.data) == (1, "write", {"value": 1.5})
    journal.close()


def test_a_closed_journal_says_so_and_one_that_failed_says_why(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path, NOW_S)
    head, handle = journal._head_file, journal._file.fileno()
    journal.close()
    for each in (head, handle):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(each)
    with pytest.raises(JournalError, match=r"closed after a failure: closed$"):
        journal.append("write", {}, NOW_S)

    journal = Journal.open(path, NOW_S)
    monkeypatch.setattr(os, "fsync", _fails)
    with pytest.raises(JournalError, match="No space left"):
        journal.append("write", {}, NOW_S)
    monkeypatch.undo()
    journal.close()
    with pytest.raises(JournalError, match="closed after a failure: No space left"):
        journal.append("write", {}, NOW_S)


def _fails(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_head_that_cannot_be_written_closes_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path, NOW_S)
    monkeypatch.setattr(os, "pwrite", _fails)
    with pytest.raises(JournalError, match=r"journal\.jsonl\.head: No space left"):
        journal.append("write", {}, NOW_S)
    monkeypatch.undo()
    with pytest.raises(JournalError, match="closed after a failure: No space left"):
        journal.append("write", {}, NOW_S)
    journal.close()


class Partial:
    """A file that takes a few bytes at a time, and after some none."""

    def __init__(self, file: Any, takes: int) -> None:
        self.file, self.left = file, takes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: memoryview) -> int:
        if self.left <= 0:
            _fails()
        self.left -= 7
        return int(self.file.write(data[:7]))


def test_a_record_written_in_pieces_is_whole(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    journal._file = Partial(journal._file, 10_000)  # type: ignore[assignment]  # a file to it
    journal.append("write", {"value": 1.0}, NOW_S)
    assert verify(path) is None
    assert len(list(read(path))) == 1
    journal.close()


def test_half_a_record_is_taken_back(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    journal.append("write", {"value": 1.0}, NOW_S)
    before = path.read_bytes()
    journal._file = Partial(journal._file, 30)  # type: ignore[assignment]  # a file to it
    with pytest.raises(JournalError, match=r"No space left on device$"):
        journal.append("write", {"value": 2.0}, NOW_S)
    assert path.read_bytes() == before
    journal.close()


def test_a_journal_is_taken_without_waiting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(fcntl, "flock", lambda _, how: asked.append(how))
    Journal.open(path, NOW_S).close()
    assert asked == [fcntl.LOCK_EX | fcntl.LOCK_NB]


def test_the_head_is_for_its_owner_to_write_and_for_all_to_read(path: Path) -> None:
    mask = os.umask(0)
    try:
        Journal.open(path, NOW_S).close()
    finally:
        os.umask(mask)
    assert path.with_name("journal.jsonl.head").stat().st_mode & 0o777 == 0o644


def test_without_records_the_head_stays_as_it_is(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    assert journal.extend([], NOW_S) == ()
    assert path.with_name("journal.jsonl.head").read_bytes() == b""
    journal.close()


def test_opening_leaves_no_handles_behind(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        Journal.open(path, NOW_S).close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_torn_tail_is_cut_on_disk_before_anything_follows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path, NOW_S)
    journal.append("write", {}, NOW_S)
    journal.close()
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b'{"number":2')
    flushed: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    Journal.open(path, NOW_S).close()
    assert flushed[0] == whole
    assert [each.kind for each in read(path)] == ["write", "torn_tail"]


def test_damage_without_a_head_is_not_cut_away(path: Path) -> None:
    journal = Journal.open(path, NOW_S)
    journal.extend([("a", {}), ("b", {})], NOW_S)
    journal.close()
    path.with_name("journal.jsonl.head").unlink()
    path.write_bytes(path.read_bytes().replace(b'"kind":"a"', b'"kind":"c"'))
    with pytest.raises(JournalError, match="record 1"):
        Journal.open(path, NOW_S)


def test_a_chain_that_was_rewritten_is_no_accident(path: Path) -> None:
    for name in ("one", "two"):
        journal = Journal.open(path.with_name(name), NOW_S)
        journal.append(name, {}, NOW_S)
        journal.close()
    path.with_name("one").write_bytes(path.with_name("two").read_bytes())
    reason = "the chain was rewritten: its hash is not the one in the head file"
    assert verify(path.with_name("one")) == Damage(1, 1, reason, counted=True)
    with pytest.raises(JournalError, match="the chain was rewritten"):
        Journal.open(path.with_name("one"), NOW_S)


def test_the_longest_record_is_exactly_so_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path, NOW_S)
    journal.append("write", {"x": "y" * 100}, NOW_S)
    length = path.stat().st_size
    monkeypatch.setattr(chain, "LONGEST_LINE", length)
    journal.append("write", {"x": "y" * 100}, NOW_S)
    with pytest.raises(JournalError, match=f"of {length + 1} bytes is longer than {length}"):
        journal.append("write", {"x": "y" * 101}, NOW_S)
    assert verify(path) is None
    journal.close()
    for shorter, reason in ((0, None), (1, None), (2, "longer than")):
        monkeypatch.setattr(chain, "LONGEST_LINE", length - shorter)
        found = verify(path)
        assert (found is None) is (reason is None)
        assert found is None or (reason or "") in found.reason


def test_a_torn_line_as_long_as_a_record_may_be_is_torn(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "LONGEST_LINE", 50)
    path.write_bytes(b"x" * 50)
    assert verify(path) == Damage(1, 1, "torn after 50 bytes, without an end of line", True)
    path.write_bytes(b"x" * 51)
    assert verify(path) == Damage(1, 1, "longer than 50 bytes")


def test_the_limits_of_the_journals_format() -> None:
    assert chain.LONGEST_LINE == 1_048_576
    assert chain.GENESIS == "0" * 64
    assert Damage(1, 2, "why") == Damage(1, 2, "why", truncated=False, counted=False)
    assert Record(1, 2.0, "k", {}, "p", "h").number == 1


# -- permits -------------------------------------------------------------------------------------


def test_a_permit_says_what_it_is_for() -> None:
    nonce = bytes(range(16))
    permit = Mint().issue(
        WriteKind.ENABLE,
        Mode.ADVISORY,
        "cdu_1",
        "100",
        b"\x01",
        now_s=NOW_S,
        expires_at_s=NOW_S + 60.0,
        nonce=nonce,
    )
    same = Permit(WriteKind.ENABLE, "cdu_1", "100", b"\x01", NOW_S + 60.0, nonce, permit.seal)
    assert permit == same
    assert len(permit.seal) == 32


def test_the_sizes_of_permits() -> None:
    assert (permits.LONGEST_S, permits.MOST_OUTSTANDING) == (60.0, 4096)
    assert (permits.KEY_BYTES, permits.NONCE_BYTES) == (32, 16)
    with pytest.raises(ValueError, match="at least 32 bytes, not 31"):
        Mint(bytes(31))
    assert len(Mint()._key) == 32


def test_a_permit_expires_at_its_last_moment_and_no_grain_later() -> None:
    for late_s, opens in ((60.0, True), (60.0001, False)):
        mint = Mint()
        permit = mint.issue(
            WriteKind.SETPOINT, Mode.AUTOMATIC, "d", "a", b"x", now_s=NOW_S,
            expires_at_s=NOW_S + 60.0,
        )  # fmt: skip
        if opens:
            mint.redeem(permit, WriteKind.SETPOINT, "d", "a", b"x", NOW_S + late_s)
        else:
            with pytest.raises(PermitError, match="expired"):
                mint.redeem(permit, WriteKind.SETPOINT, "d", "a", b"x", NOW_S + late_s)
