"""Between numpy and PostgreSQL: binary COPY for rows that go in, packed columns for what comes.

A binary COPY is a header, then for each row the number of its fields (int16) and each field's
length (int32) and big-endian bytes, then a trailer (PostgreSQL documentation, «COPY», File
Formats, Binary Format). Where no field is null and all have a fixed width, rows are records of a
numpy dtype, so that millions of readings need no Python object each.

What comes out comes by group and column (`packed`): a COPY to the client is a message a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.storage.ports import StorageError

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
HEADER = SIGNATURE + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01, from which PostgreSQL counts its microseconds."""


def dtype_of(fields: Iterable[tuple[str, str]]) -> np.dtype[np.void]:
    """Rows of these fields (name, big-endian numpy type) with the lengths between them."""
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields:
        parts += [(f"{name}_length", ">i4"), (name, kind)]
    return np.dtype(parts)


def rows_of(kind: np.dtype[np.void], columns: dict[str, NDArray[Any]]) -> bytes:
    """Columns as rows of a binary COPY; one without an array is null in all of them."""
    names = [name for name in kind.names or () if name != "fields" and "_length" not in name]
    absent = [name for name in names if name not in columns]
    used = dtype_without(kind, absent)
    rows = np.empty(len(next(iter(columns.values()))), used)
    rows["fields"] = len(names)
    for name in names:
        if name in columns:
            rows[f"{name}_length"] = used[name].itemsize
            rows[name] = columns[name]
        else:
            rows[f"{name}_length"] = -1
    return rows.tobytes()


def dtype_without(kind: np.dtype[np.void], absent: list[str]) -> np.dtype[np.void]:
    """The rows' type where some fields are null: their length stays, their bytes do not."""
    return np.dtype([(name, kind[name]) for name in kind.names or () if name not in absent])


def packed(**fields: str) -> str:
    """The expressions of a SELECT by which each field comes as one bytea for a whole group.

    A row of its own costs a message and its handling in Python; of a group there is one.
    ``fields`` are the functions that write a value big-endian, with their argument:
    ``at="timestamptz_send(at)"``.
    """
    return ", ".join(f"string_agg({send}, ''::bytea) AS {name}" for name, send in fields.items())


def unpacked(
    rows: Sequence[Sequence[Any]], kinds: Mapping[str, str]
) -> tuple[NDArray[np.int32], dict[str, NDArray[Any]]]:
    """The group's number at each value, and the columns, from rows of a number and `packed` fields.

    Raises
    ------
    StorageError
        They are not of equal length.
    """
    columns = {
        name: np.frombuffer(b"".join(row[place] for row in rows), kind)
        for place, (name, kind) in enumerate(kinds.items(), start=1)
    }
    first = np.dtype(next(iter(kinds.values()))).itemsize
    numbers = np.array([row[0] for row in rows], np.int32)
    groups = np.repeat(numbers, np.array([len(row[1]) // first for row in rows], np.int64))
    if any(len(column) != len(groups) for column in columns.values()):
        raise StorageError("the database answered columns of unequal length")
    return groups, columns


def to_microseconds(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliseconds of POSIX as PostgreSQL counts."""
    return (time_ms - POSTGRES_EPOCH_MS) * 1000


def to_milliseconds(microseconds: NDArray[Any]) -> NDArray[np.int64]:
    """PostgreSQL's microseconds as milliseconds of POSIX."""
    return microseconds.astype(np.int64) // 1000 + POSTGRES_EPOCH_MS
