"""Tokens: whose they are, how long they last, and what is kept of them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from controller.authority.failures import InvalidError
from controller.authority.roles import Scope
from controller.authority.tokens import TokenBook, TokenError
from controller.storage.records import LocalRecords

NOW_S = 1_000_000.0


@pytest.fixture
def book(tmp_path: Path) -> TokenBook:
    return TokenBook(LocalRecords(tmp_path / "records.db"), lambda: NOW_S)


def test_a_token_says_who_acts(book: TokenBook) -> None:
    token, text = book.issue("Ada", Scope.OPERATOR)
    actor = book.authenticate(text, "10.0.0.1")
    assert (actor.name, actor.scope, actor.source) == ("Ada", Scope.OPERATOR, "10.0.0.1")
    assert token.expires_at_s == NOW_S + 90 * 86_400


def test_only_a_digest_is_kept(book: TokenBook, tmp_path: Path) -> None:
    _, text = book.issue("Ada", Scope.OPERATOR)
    secret = text.split("_", 2)[2].encode()
    assert len(secret) >= 43  # 256 bits in base 64
    assert not any(secret in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "abc", "isotherm_", "isotherm_x", "isotherm_x_y", "other_x_y"]
)
def test_what_is_no_token_is_refused(book: TokenBook, text: str) -> None:
    with pytest.raises(TokenError):
        book.authenticate(text)


def test_a_changed_character_is_refused(book: TokenBook) -> None:
    _, text = book.issue("Ada", Scope.OPERATOR)
    for changed in (text[:-1] + ("A" if text[-1] != "A" else "B"), text + "A", text[:-1]):
        with pytest.raises(TokenError):
            book.authenticate(changed)


def test_a_revoked_token_is_refused_and_stays_on_the_list(book: TokenBook) -> None:
    token, text = book.issue("Ada", Scope.OPERATOR)
    book.revoke(token.id)
    book.revoke(token.id)
    with pytest.raises(TokenError, match="revoked"):
        book.authenticate(text)
    assert [t.revoked for t in book.all()] == [True]


def test_a_token_without_name_or_end_is_not_made(book: TokenBook) -> None:
    for name, days in (("", 1.0), ("a", 0.0), ("a", 1e9)):
        with pytest.raises(InvalidError):
            book.issue(name, Scope.VIEWER, days)


def test_the_first_start_makes_an_administrator_once(book: TokenBook, tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    path.write_text("old")
    path.chmod(0o644)
    text = book.first_start(path)
    assert text is not None
    assert book.authenticate(text).scope is Scope.ADMIN
    assert path.read_text() == text + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert book.first_start(path) is None
