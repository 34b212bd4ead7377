"""PostgreSQL's binary COPY format to and from numpy, for rows of fixed width.

A binary COPY is a header, then for each row the number of its fields (int16) and each field's
length (int32) and big-endian bytes, then a trailer (PostgreSQL documentation, «COPY», File
Formats, Binary Format). Where no field is null and all have a fixed width, rows are records of a
numpy dtype, so that millions of readings need no Python object each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.storage.ports import StorageError

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
HEADER = SIGNATURE + bytes(8)
TRAILER = b"\xff\xff"
POSTGRES_EPOCH_MS = 946_684_800_000
"""2000-01-01, from which PostgreSQL counts its microseconds."""

Records = NDArray[np.void]


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


def records(kind: np.dtype[np.void], blocks: Iterable[Any]) -> Records:
    """What a COPY TO STDOUT of these fields, none of them null, sent.

    Raises
    ------
    StorageError
        It sent something else.
    """
    data = b"".join(bytes(block) for block in blocks)
    body = data[len(HEADER) : -len(TRAILER)]
    if not data.startswith(SIGNATURE) or len(body) % kind.itemsize:
        raise StorageError("the database answered a COPY in a format that is not understood")
    return np.frombuffer(body, kind)


def to_microseconds(time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliseconds of POSIX as PostgreSQL counts."""
    return (time_ms - POSTGRES_EPOCH_MS) * 1000


def to_milliseconds(microseconds: NDArray[Any]) -> NDArray[np.int64]:
    """PostgreSQL's microseconds as milliseconds of POSIX."""
    return microseconds.astype(np.int64) // 1000 + POSTGRES_EPOCH_MS
