"""The audit: who did what, when, in which role, from where, and why."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from controller.authority.roles import Actor
from controller.storage.ports import Kind, Record
from facility.clock import iso


def entry(
    actor: Actor,
    action: str,
    about: str,
    why: str,
    now_s: float,
    detail: Mapping[str, Any] | None = None,
) -> Record:
    """An entry to be written in the same transaction as what it tells of.

    Parameters
    ----------
    action
        What was done, as a word for a person: ``approved``, ``set mode``.
    about
        The kind and id of what it was done to: ``proposal 1a2b``.
    now_s
        Plant time; the wall's time is kept beside it, for they differ in a simulated run.
    """
    return Record(
        Kind.AUDIT,
        uuid.uuid4().hex,
        now_s,
        {
            "who": actor.name,
            "role": actor.scope.value,
            "source": actor.source,
            "action": action,
            "about": about,
            "why": why,
            "detail": dict(detail or {}),
            "wall_time": iso(time.time()),
        },
    )
