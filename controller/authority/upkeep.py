"""What has served its purpose is let go of: sessions that ended, answers kept for a repetition.

What people and modes decided, alarms, and the audit are history, and stay.
"""

from __future__ import annotations

from controller.storage.ports import Kind, RecordStore

PURPOSE_S = {Kind.SESSION: 2.0 * 86_400.0, Kind.REPLY: 2.0 * 86_400.0}
"""By kind, in seconds of the wall: a session lives for half a day, a kept reply for a day."""


def let_go(records: RecordStore, wall_s: float) -> int:
    """Let go of what no request can ask for any more; answer how many records went."""
    return sum(records.forget(kind, wall_s - kept_s) for kind, kept_s in PURPOSE_S.items())
