"""Two people at one thing: who acts on what they saw is told when it has changed meanwhile.

What can be acted on carries an ``ETag``, in lists its ``version``. Sent back as ``If-Match`` with
an action, the action is done only if nobody has changed the thing since; else the answer is 412.
Saying yes to a plan requires it (428 without); giving the plant back never asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header

from controller.authority.failures import OutdatedError
from controller.service.context import Context
from controller.storage.ports import Kind, Record
from facility.commands import Mode

IfMatch = Annotated[
    str | None,
    Header(
        description="The `ETag` (in lists the `version`, in quotes) as last seen: 412 if it has "
        "changed since. Left out, the state alone decides."
    ),
]


def tag_of(record: Record) -> str:
    """The ``ETag`` of a record: its version."""
    return f'"{record.version}"'


def tag_of_modes(modes: Mapping[str, Mode]) -> str:
    """The ``ETag`` of the modes of all actuators."""
    text = "\n".join(f"{name} {modes[name].value}" for name in sorted(modes))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


def check(if_match: str | None, tag: str, what: str) -> None:
    """Refuse an action on something that is not as its actor saw it.

    Raises
    ------
    OutdatedError
        ``if_match`` names other versions than ``tag``.
    """
    if if_match is None or if_match.strip() == "*":
        return
    seen = {each.strip().removeprefix("W/").strip('"') for each in if_match.split(",")}
    if tag.strip('"') not in seen:
        raise OutdatedError(f"{what} has changed since it was looked at: look again, then decide")


def check_record(here: Context, kind: Kind, record_id: str, if_match: str | None) -> None:
    """The same of a record; one that there is not is left to who acts on it."""
    record = here.records.get(kind, record_id)
    if record is not None:
        check(if_match, tag_of(record), f"{kind.value} {record_id}")
