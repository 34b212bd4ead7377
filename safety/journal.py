"""The journal: every command, verdict and write, in order, chained, on disk before it happens.

Format, readable without this code: UTF-8 JSON lines, one record a line, keys in this order::

    {"number":1,"time_s":1712448000.0,"kind":"verdict","data":{...},"previous":"00..","hash":"9f.."}

``number`` counts from 1. ``hash`` is the SHA-256, in hex, of the bytes of the line before
``,"hash":`` (all but its last 75 bytes and the line feed); ``previous`` is the hash of the line
before, 64 zeros in the first. A file of 64 MiB is closed: it gets the number of its first record
into its name (``NAME.000000000001.jsonl``), and the next record, which follows the last one like
any other, is the first of a new file. Beside the journal lies ``NAME.jsonl.head``, ``number hash``
of the last record, so that records missing at the end are seen too. The chain shows accidents and
clumsy tampering; against somebody who rewrites files and head, keep heads elsewhere (the gateway's
status and the controller's records name them).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from safety.chain import (
    GENESIS,
    Damage,
    JournalError,
    Record,
    closed_file,
    compose,
    head_path,
    read,
    survey_written,
    verify,
)

__all__ = ["GENESIS", "Damage", "Journal", "JournalError", "Record", "read", "verify"]

FILE_BYTES = 64 << 20
"""A file of so many bytes is closed before the next record that has to be on disk."""


class Journal:
    """An open journal; one process writes it at a time."""

    def __init__(self, path: Path, file: BinaryIO, head: int, last: Record | None, at: int) -> None:
        """Use `open`."""
        self.path = path
        self._file = file
        self._head_file = head
        self._number, self._hash = (0, GENESIS) if last is None else (last.number, last.hash)
        self._first = self._number - at + 1
        """Number of the first record of the file, which holds ``at`` of them now."""
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
            _lock(file)
        except BlockingIOError:
            raise JournalError(f"{path}: another process writes this journal") from None
        found = survey_written(path)
        damage = found.damage
        torn = os.fstat(file.fileno()).st_size - found.whole
        if damage is not None and (damage.counted or not damage.truncated):
            raise JournalError(
                f"{path}: {damage}; keep this file and move it away to start another"
            )
        if torn:
            os.ftruncate(file.fileno(), found.whole)
            os.fsync(file.fileno())
        head = os.open(head_path(path), os.O_RDWR | os.O_CREAT, 0o644)
        _sync_folder(path.parent)
        journal = cls(path, file, head, found.last, found.line)
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
            record, line = compose(number, time_s, kind, data, previous)
            previous = record.hash
            records.append(record)
            lines.append(line)
        if records:
            if durable and os.fstat(self._file.fileno()).st_size >= FILE_BYTES:
                self._close_file()
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

    def _close_file(self) -> None:
        """Give the file its own name, and go on in a new one."""
        try:
            os.fsync(self._file.fileno())
            self.path.rename(closed_file(self.path, f"{self._first:012d}"))
            file = self.path.open("ab+", buffering=0)
            self._file.close()
            self._file, self._first = file, self._number + 1
            _lock(file)
            _sync_folder(self.path.parent)
        except OSError as error:
            self._broken = str(error.strerror)
            raise JournalError(f"{self.path}: {self._broken}") from error

    def _write_head(self) -> None:
        # Without fsync: it may lag behind the journal after a crash, and never runs ahead of it.
        try:
            os.pwrite(self._head_file, f"{self._number:020d} {self._hash}\n".encode(), 0)
        except OSError as error:
            self._broken = str(error.strerror)
            raise JournalError(f"{head_path(self.path)}: {error.strerror}") from error


def _lock(file: BinaryIO) -> None:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
