"""The journal: every command, verdict and write, in order, chained, on disk before it happens.

Format, readable without this code: UTF-8 JSON lines, one record a line, keys in this order::

    {"number":1,"time_s":1712448000.0,"kind":"verdict","data":{...},"previous":"00..","hash":"9f.."}

``number`` counts from 1. ``hash`` is the SHA-256, in hex, of the bytes of the line before
``,"hash":`` (all but its last 75 bytes and the line feed); ``previous`` is the hash of the line
before, 64 zeros in the first. Beside the journal lies ``NAME.head``, ``number hash`` of the last
record, so that records missing at the end are seen too. The chain shows accidents and clumsy
tampering; against somebody who rewrites both files, keep heads elsewhere (the gateway's status
and the controller's records name them).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from facility.wire import WireError, dumps

GENESIS = "0" * 64
LONGEST_LINE = 1 << 20
"""Bytes; a record is refused beyond it, so that reading takes bounded memory."""
_SUFFIX = 75
"""``,"hash":"`` and 64 digits and ``"}``."""


class JournalError(Exception):
    """The journal cannot be read or written; whoever writes to the plant must hand it back."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the journal."""

    number: int
    time_s: float
    kind: str
    data: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Damage:
    """The first record that is not as it was written."""

    number: int
    """The number that it has or should have."""
    line: int
    reason: str
    truncated: bool = False
    """The end is missing or torn; all records before ``number`` are whole."""
    counted: bool = False
    """The head file says that it was whole on disk once: no crash did this."""


class Journal:
    """An open journal; one process writes it at a time."""

    def __init__(self, path: Path, file: BinaryIO, number: int, digest: str, head: int) -> None:
        """Use `open`."""
        self.path = path
        self._file = file
        self._head_file = head
        self._number, self._hash = number, digest
        self._broken = ""

    @classmethod
    def open(cls, path: Path, now_s: float) -> Journal:
        """Open or create the journal at ``path`` and continue its chain.

        A torn last line is what a crash leaves: the write that it would have announced was never
        sent. It is cut off, and a ``torn_tail`` record says so.

        Raises
        ------
        JournalError
            Another process writes it, the file is damaged (the message names the record; move it
            away to start another), or the disk refuses.
        """
        try:
            file = path.open("ab+", buffering=0)
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from error
        try:
            return cls._take(path, file, now_s)
        except OSError as error:
            file.close()
            raise JournalError(f"{path}: {error.strerror}") from error
        except BaseException:
            file.close()
            raise

    @classmethod
    def _take(cls, path: Path, file: BinaryIO, now_s: float) -> Journal:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{path}: another process writes this journal") from None
        last, whole, damage = _survey(path)
        torn = os.fstat(file.fileno()).st_size - whole
        if damage is not None and (damage.counted or not damage.truncated):
            raise JournalError(
                f"{path}: record {damage.number} (line {damage.line}): {damage.reason}; "
                "keep this file and move it away to start another"
            )
        if torn:
            os.ftruncate(file.fileno(), whole)
            os.fsync(file.fileno())
        head = os.open(_head_path(path), os.O_RDWR | os.O_CREAT, 0o644)
        _sync_folder(path.parent)
        number, digest = (0, GENESIS) if last is None else (last.number, last.hash)
        journal = cls(path, file, number, digest, head)
        if torn:
            journal.append("torn_tail", {"bytes_cut": torn}, now_s)
        return journal

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record; 0 and 64 zeros of an empty journal."""
        return self._number, self._hash

    def append(self, kind: str, data: Mapping[str, Any], time_s: float) -> Record:
        """Write one record; when this returns it is on disk.

        Raises
        ------
        JournalError
            It is not: hand the plant back. The journal stays closed to further records until it
            is opened, and so verified, again.
        """
        return self.extend([(kind, data)], time_s)[0]

    def extend(
        self,
        entries: Iterable[tuple[str, Mapping[str, Any]]],
        time_s: float,
        *,
        durable: bool = True,
    ) -> tuple[Record, ...]:
        """Write several records of one moment with one flush; all are on disk, or none counts.

        Parameters
        ----------
        durable
            False for records that come every second and carry nothing to lose (heartbeats):
            they are with the operating system when this returns, which outlives this process,
            and on disk with the next durable record. The head counts them only then.
        """
        if self._broken:
            raise JournalError(f"{self.path}: closed after a failure: {self._broken}")
        number, previous = self._number, self._hash
        records, lines = [], []
        for kind, data in entries:
            number += 1
            record, line = _compose(number, time_s, kind, data, previous)
            previous = record.hash
            records.append(record)
            lines.append(line)
        if records:
            self._write(b"".join(lines), durable=durable)
            self._number, self._hash = number, previous
            if durable:
                self._write_head()
        return tuple(records)

    def close(self) -> None:
        """Let go of the file; further records are refused."""
        if not self._file.closed:
            self._broken = self._broken or "closed"
            self._file.close()
            os.close(self._head_file)

    def _write(self, block: bytes, *, durable: bool) -> None:
        size = os.fstat(self._file.fileno()).st_size
        try:
            left = memoryview(block)
            while left:
                left = left[self._file.write(left) :]
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._broken = str(error.strerror)
            # Best effort: a half line would be found and cut at the next start in any case.
            try:
                os.ftruncate(self._file.fileno(), size)
            except OSError as second:
                self._broken += f", then {second.strerror}"
            raise JournalError(f"{self.path}: {self._broken}") from error

    def _write_head(self) -> None:
        # Without fsync: it may lag behind the journal after a crash, and never runs ahead of it.
        try:
            os.pwrite(self._head_file, f"{self._number:020d} {self._hash}\n".encode(), 0)
        except OSError as error:
            self._broken = str(error.strerror)
            raise JournalError(f"{_head_path(self.path)}: {error.strerror}") from error


def read(path: Path) -> Iterator[Record]:
    """The records of a journal, each checked as it is read.

    Raises
    ------
    JournalError
        At the first damaged record, named by number and line, after those before it.
    """
    for found, _ in _walk(path):
        if isinstance(found, Damage):
            raise JournalError(f"{path}: record {found.number} (line {found.line}): {found.reason}")
        yield found


def verify(path: Path) -> Damage | None:
    """The first damage of a journal, or None where every record is whole and none is missing.

    Raises
    ------
    JournalError
        There is no such file, or it cannot be read.
    """
    return _survey(path)[2]


def _survey(path: Path) -> tuple[Record | None, int, Damage | None]:
    """Last whole record, bytes up to its end, and the first damage."""
    last: Record | None = None
    whole = 0
    promised = _promised(path)
    for found, end in _walk(path):
        if isinstance(found, Damage):
            counted = promised is not None and promised[0] >= found.number
            return last, whole, replace(found, counted=counted)
        last, whole = found, end
        if promised and found.number == promised[0] and found.hash != promised[1]:
            reason = "the chain was rewritten: its hash is not the one in the head file"
            return last, whole, Damage(found.number, found.number, reason, counted=True)
    reached = last.number if last else 0
    if promised and promised[0] > reached:
        reason = f"records {reached + 1} to {promised[0]} are missing at the end"
        return last, whole, Damage(reached + 1, reached + 1, reason, truncated=True, counted=True)
    return last, whole, None


def _promised(path: Path) -> tuple[int, str] | None:
    """What the head file says; None where there is none (a copied journal) or it is empty."""
    try:
        words = _head_path(path).read_text("ascii").split()
        return (int(words[0]), words[1]) if words else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError) as error:
        raise JournalError(f"{_head_path(path)}: not a head file: {error}") from None


def _walk(path: Path) -> Iterator[tuple[Record | Damage, int]]:
    """Each record with the offset of its end, up to and with the first damage."""
    number, end, previous = 0, 0, GENESIS
    found: Record | Damage | None = None
    try:
        with path.open("rb") as file:
            while not isinstance(found, Damage) and (line := file.readline(LONGEST_LINE + 1)):
                number += 1
                end += len(line)
                found = _parse(line, number, previous)
                previous = found.hash if isinstance(found, Record) else ""
                yield found, end
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error


def _compose(
    number: int, time_s: float, kind: str, data: Mapping[str, Any], previous: str
) -> tuple[Record, bytes]:
    if not math.isfinite(time_s):
        raise JournalError(f"a record's time must be finite, not {time_s!r}")
    try:
        body = dumps(data)
    except (WireError, ValueError) as error:
        raise JournalError(f"a {kind} record cannot be written: {error}") from None
    start = (
        f'{{"number":{number},"time_s":{float(time_s)!r},"kind":{json.dumps(kind)},'
        f'"data":{body},"previous":"{previous}"'
    ).encode()
    digest = hashlib.sha256(start).hexdigest()
    line = start + f',"hash":"{digest}"}}\n'.encode()
    if len(line) > LONGEST_LINE:
        raise JournalError(f"a {kind} record of {len(line)} bytes is longer than {LONGEST_LINE}")
    return Record(number, float(time_s), kind, json.loads(body), previous, digest), line


def _parse(line: bytes, number: int, previous: str) -> Record | Damage:
    if not line.endswith(b"\n"):
        if len(line) > LONGEST_LINE:
            return Damage(number, number, f"longer than {LONGEST_LINE} bytes")
        reason = f"torn after {len(line)} bytes, without an end of line"
        return Damage(number, number, reason, truncated=True)
    start, suffix = line[: -_SUFFIX - 1], line[-_SUFFIX - 1 : -1]
    digest = hashlib.sha256(start).hexdigest()
    if suffix != f',"hash":"{digest}"}}'.encode():
        return Damage(number, number, "its hash does not fit its content")
    try:
        fields = json.loads(line)
        record = Record(**fields)
    except (ValueError, TypeError) as error:
        return Damage(number, number, f"not a record: {error}")
    if record.number != number:
        return Damage(number, number, f"has number {record.number} where {number} belongs")
    if record.previous != previous:
        return Damage(number, number, "does not follow the record before it")
    return record


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
