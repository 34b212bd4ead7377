"""The chain of a journal's records: how one is made, read back, and found damaged.

The format is told in `safety.journal`, and docs/safety.md checks it without this code.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
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
    """Of its file."""
    reason: str
    truncated: bool = False
    """The end is missing or torn; all records before ``number`` are whole."""
    counted: bool = False
    """The head file says that it was whole on disk once: no crash did this."""
    file: str = ""
    """The closed file that it lies in; empty where that is the one that is written."""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.file else f"line {self.line}"
        return f"record {self.number} ({place}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Survey:
    """A journal gone through up to its first damage."""

    last: Record | None = None
    """The last whole record."""
    line: int = 0
    """The line of it in its file."""
    whole: int = 0
    """Bytes of its file up to its end."""
    damage: Damage | None = None


def read(path: Path) -> Iterator[Record]:
    """The records of a journal, those of its closed files first, each checked as it is read.

    Raises
    ------
    JournalError
        At the first damaged record, named by number and line, after those before it.
    """
    for each in _walk(path):
        if each.damage is not None or each.last is None:
            raise JournalError(f"{path}: {each.damage}")
        yield each.last


def verify(path: Path) -> Damage | None:
    """The first damage of a journal, or None where every record is whole and none is missing.

    Raises
    ------
    JournalError
        There is no such file, or it cannot be read.
    """
    return _survey(path, _walk(path), Survey()).damage


def survey_written(path: Path) -> Survey:
    """The file that is written, gone through; of the closed ones the last record alone.

    Raises
    ------
    JournalError
        The last record of the closed ones is damaged.
    OSError
        A file cannot be read.
    """
    closed = closed_files(path)
    begins = Survey(_last_record(closed[-1]) if closed else None)
    with path.open("rb") as file:
        return _survey(path, _walk_file(file, "", begins.last), begins)


def closed_files(path: Path) -> list[Path]:
    """The closed files of the journal at ``path``, oldest first."""
    return sorted(path.parent.glob(closed_file(path, "[0-9]" * 12).name))


def closed_file(path: Path, first: str) -> Path:
    """What a file is called when it is closed: by the number of its first record, 12 digits."""
    return path.with_name(f"{path.stem}.{first}{path.suffix}")


def head_path(path: Path) -> Path:
    """The file that holds number and hash of the last record."""
    return path.with_name(path.name + ".head")


def _survey(path: Path, walk: Iterator[Survey], begins: Survey) -> Survey:
    promised, found = _promised(path), begins
    for found in walk:
        record, damage = found.last, found.damage
        if damage is not None:
            counted = promised is not None and promised[0] >= damage.number
            return replace(found, damage=replace(damage, counted=counted))
        if promised and record and record.number == promised[0] and record.hash != promised[1]:
            reason = "the chain was rewritten: its hash is not the one in the head file"
            return replace(found, damage=Damage(record.number, found.line, reason, counted=True))
    reached, _ = _end(found.last)
    if promised and promised[0] > reached:
        reason = f"records {reached + 1} to {promised[0]} are missing at the end"
        missing = Damage(reached + 1, found.line + 1, reason, truncated=True, counted=True)
        return replace(found, damage=missing)
    return found


def _promised(path: Path) -> tuple[int, str] | None:
    """What the head file says; None where there is none (a copied journal) or it is empty."""
    try:
        words = head_path(path).read_text("ascii").split()
        return (int(words[0]), words[1]) if words else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError) as error:
        raise JournalError(f"{head_path(path)}: not a head file: {error}") from None


def _walk(path: Path) -> Iterator[Survey]:
    """Each record of all files; who reads stops at the first damage."""
    found = Survey()
    try:
        with ExitStack() as opened:
            # The written one is opened first: if it is closed meanwhile, under another name, it
            # is the last one all the same.
            written = opened.enter_context(path.open("rb"))
            for closed in closed_files(path):
                file = opened.enter_context(closed.open("rb"))
                if os.path.sameopenfile(file.fileno(), written.fileno()):
                    break
                before = found.last
                for found in _walk_file(file, closed.name, before):
                    yield found
            yield from _walk_file(written, "", found.last)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error


def _walk_file(file: BinaryIO, name: str, before: Record | None) -> Iterator[Survey]:
    """Each record of one file, which follows ``before``; who reads stops at the first damage."""
    found = Survey(before)
    while line := file.readline(LONGEST_LINE + 1):
        number, previous = _end(found.last)
        at, parsed = found.line + 1, _parse(line, number + 1, previous)
        if isinstance(parsed, str):
            torn = not line.endswith(b"\n") and len(line) <= LONGEST_LINE
            yield replace(found, damage=Damage(number + 1, at, parsed, torn, file=name))
        else:
            found = Survey(parsed, at, found.whole + len(line))
            yield found


def _last_record(closed: Path) -> Record:
    """The last record of a closed file, whole by itself; `verify` looks at all of them."""
    with closed.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LONGEST_LINE))
        lines = file.read().splitlines(keepends=True)
    try:
        fields = json.loads(lines[-1])
        found = _parse(lines[-1], fields["number"], fields["previous"])
    except (ValueError, LookupError, TypeError):
        found = ""
    if isinstance(found, str):
        raise JournalError(f"{closed}: its last record is damaged: see isotherm journal verify")
    return found


def _end(last: Record | None) -> tuple[int, str]:
    return (0, GENESIS) if last is None else (last.number, last.hash)


def compose(
    number: int, time_s: float, kind: str, data: Mapping[str, Any], previous: str
) -> tuple[Record, bytes]:
    """A record that follows the one with the hash ``previous``, and its line.

    Raises
    ------
    JournalError
        It cannot be written as JSON, or would be longer than `LONGEST_LINE`.
    """
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


def _parse(line: bytes, number: int, previous: str) -> Record | str:
    """The record of a line, or why it is none."""
    if not line.endswith(b"\n"):
        if len(line) > LONGEST_LINE:
            return f"longer than {LONGEST_LINE} bytes"
        return f"torn after {len(line)} bytes, without an end of line"
    start, suffix = line[: -_SUFFIX - 1], line[-_SUFFIX - 1 : -1]
    digest = hashlib.sha256(start).hexdigest()
    if suffix != f',"hash":"{digest}"}}'.encode():
        return "its hash does not fit its content"
    try:
        fields = json.loads(line)
        record = Record(**fields)
    except (ValueError, TypeError) as error:
        return f"not a record: {error}"
    if record.number != number:
        return f"has number {record.number} where {number} belongs"
    if record.previous != previous:
        return "does not follow the record before it"
    return record
