"""A demonstration's link opens the console once, for one browser."""

from __future__ import annotations

import stat
from pathlib import Path

from controller.authority.users import UserBook
from controller.console.link import LoginLink, is_loopback
from controller.storage.records import LocalRecords


def test_a_link_opens_once_and_the_next_one_waits(tmp_path: Path) -> None:
    records = LocalRecords(tmp_path / "records.db")
    users = UserBook(records, lambda: 0.0)
    file = tmp_path / "login-link"
    link = LoginLink(users, file, "http://127.0.0.1:1")
    first = file.read_text().strip()
    assert first.startswith("http://127.0.0.1:1/login/")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    code = first.rpartition("/")[2]
    assert link.redeem("") is None
    assert link.redeem(code + "x") is None
    user = link.redeem(code)
    assert user is not None
    assert (user.name, user.must_change) == ("demo", False)
    assert link.redeem(code) is None
    assert link.redeem(file.read_text().strip().rpartition("/")[2]) is not None
    records.close()


def test_only_this_machine_is_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("hall.example")
