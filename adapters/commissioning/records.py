"""What was done while a site was commissioned, kept line by line as it happens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facility.site import Site
from facility.wire import dumps

FILE = "records.jsonl"


class RecordsError(Exception):
    """Records cannot be kept or read; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """One act of commissioning."""

    kind: str
    """``live_check``, ``actuator_check``, ``functional_test`` or ``calibration``."""
    time: str
    """When it was kept, UTC."""
    site: str
    site_hash: str
    content: Mapping[str, Any]


def keep(folder: Path, kind: str, site: Site, content: Mapping[str, Any]) -> Record:
    """Append a record; when this returns it is on disk.

    Raises
    ------
    RecordsError
        The folder cannot be written to.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body: Mapping[str, Any] = json.loads(dumps(content))
    record = Record(kind, now, site.id, site.content_hash, body)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("a", encoding="utf-8") as file:
            file.write(dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RecordsError(f"{folder / FILE}: {error.strerror}") from None
    return record


def load(folder: Path) -> list[Record]:
    """All records of a folder, oldest first.

    Raises
    ------
    RecordsError
        There are none, or a line is damaged.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecordsError(
            f"{path}: {error.strerror}; checks keep their results there with --records {folder}"
        ) from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Record(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise RecordsError(f"{path} line {number} is damaged: {error}") from None
    return found
