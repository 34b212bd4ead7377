"""Records that have served their purpose go; history stays."""

from __future__ import annotations

from pathlib import Path

from controller.authority.roles import Scope
from controller.authority.sessions import SessionBook
from controller.authority.upkeep import let_go
from controller.authority.users import UserBook
from controller.storage.ports import Kind, Record
from controller.storage.records import LocalRecords
from tests.controller_fakes import QUICK

DAY_S = 86_400.0


def test_ended_sessions_and_old_replies_go_and_history_stays(tmp_path: Path) -> None:
    records, wall = LocalRecords(tmp_path / "records.db"), [0.0]
    users, sessions = (
        UserBook(records, lambda: wall[0], QUICK),
        SessionBook(records, lambda: wall[0]),
    )
    user, _ = users.add("ada", Scope.OPERATOR)
    sessions.open(user)
    records.write(
        add=[Record(kind, "old", 0.0, {}) for kind in (Kind.REPLY, Kind.AUDIT, Kind.ALARM)]
    )
    wall[0] = 2.5 * DAY_S
    _, secret = sessions.open(user)
    assert let_go(records, wall[0]) == 2
    assert sessions.find(secret) is not None
    assert len(records.find(Kind.SESSION)) == 1
    assert not records.find(Kind.REPLY)
    assert records.find(Kind.AUDIT)
    assert records.find(Kind.ALARM)
    assert records.find(Kind.USER)
    records.close()
