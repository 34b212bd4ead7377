"""Permits open the write gate once, for the bytes they were issued for, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from dataclasses import replace
from typing import Any

import pytest

from facility.commands import Mode, WriteKind
from safety import permit as permits
from safety.permit import Mint, Permit, PermitError
from tests.safety_kit import NOW_S

KEY = bytes(range(32))
WRITE = (WriteKind.SETPOINT, "cdu_1", "100", b"\x01\x2c")


def issue(mint: Mint, **more: Any) -> Permit:
    values: dict[str, Any] = {
        "kind": WRITE[0],
        "mode": Mode.AUTOMATIC,
        "device": WRITE[1],
        "address": WRITE[2],
        "encoded": WRITE[3],
        "now_s": NOW_S,
        "expires_at_s": NOW_S + 5.0,
    }
    return mint.issue(**(values | more))


def test_a_permit_opens_the_gate_once() -> None:
    mint = Mint()
    permit = issue(mint)
    mint.redeem(permit, *WRITE, NOW_S + 1.0)
    with pytest.raises(PermitError, match="redeemed before"):
        mint.redeem(permit, *WRITE, NOW_S + 1.0)


@pytest.mark.parametrize(
    "write",
    [
        (WriteKind.ENABLE, "cdu_1", "100", b"\x01\x2c"),
        (WriteKind.SETPOINT, "cdu_2", "100", b"\x01\x2c"),
        (WriteKind.SETPOINT, "cdu_1", "101", b"\x01\x2c"),
        (WriteKind.SETPOINT, "cdu_1", "100", b"\x01\x2d"),
        (WriteKind.SETPOINT, "cdu_1", "100", b""),
        (WriteKind.SETPOINT, "cdu_11", "00", b"\x01\x2c"),  # the same text, cut elsewhere
    ],
)
def test_a_permit_is_for_one_write_only_and_survives_the_attempt(
    write: tuple[WriteKind, str, str, bytes],
) -> None:
    mint = Mint()
    permit = issue(mint)
    with pytest.raises(PermitError, match="another write"):
        mint.redeem(permit, *write, NOW_S)
    mint.redeem(permit, *WRITE, NOW_S)


@pytest.mark.parametrize(
    "change",
    [{"expires_at_s": NOW_S + 50.0}, {"nonce": b"n" * 16}, {"seal": b"\0" * 32}, {"seal": b""}],
)
def test_a_permit_that_was_changed_is_forged(change: dict[str, Any]) -> None:
    mint = Mint()
    with pytest.raises(PermitError, match="forged"):
        mint.redeem(replace(issue(mint), **change), *WRITE, NOW_S)


def test_a_permit_of_another_start_is_worthless() -> None:
    nonce = b"n" * 16
    permit = issue(Mint(), nonce=nonce)
    other = Mint()
    issue(other, nonce=nonce)
    with pytest.raises(PermitError, match="forged"):
        other.redeem(permit, *WRITE, NOW_S)


def test_a_seal_made_with_the_right_key_but_never_issued_opens_nothing() -> None:
    permit = issue(Mint(KEY))
    with pytest.raises(PermitError, match="redeemed before"):
        Mint(KEY).redeem(permit, *WRITE, NOW_S)


def test_the_seal_is_hmac_sha256_over_length_prefixed_fields() -> None:
    permit = issue(Mint(KEY), nonce=b"n" * 16)
    fields = (
        b"setpoint",
        b"cdu_1",
        b"100",
        b"\x01\x2c",
        struct.pack(">d", NOW_S + 5.0),
        b"n" * 16,
    )
    message = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    assert permit.seal == hmac.new(KEY, message, hashlib.sha256).digest()


@pytest.mark.parametrize(("after_s", "opens"), [(0.0, True), (5.0, True), (5.001, False)])
def test_a_permit_opens_until_it_expires(after_s: float, opens: bool) -> None:
    mint = Mint()
    permit = issue(mint)
    if opens:
        mint.redeem(permit, *WRITE, NOW_S + after_s)
    else:
        with pytest.raises(PermitError, match="expired"):
            mint.redeem(permit, *WRITE, NOW_S + after_s)
    with pytest.raises(PermitError, match="redeemed before"):
        mint.redeem(permit, *WRITE, NOW_S)


@pytest.mark.parametrize("now_s", [NOW_S - 0.001, math.nan])
def test_a_clock_that_went_back_opens_nothing(now_s: float) -> None:
    mint = Mint()
    with pytest.raises(PermitError, match="clock"):
        mint.redeem(issue(mint), *WRITE, now_s)


@pytest.mark.parametrize(
    "times",
    [
        {"expires_at_s": NOW_S},
        {"expires_at_s": NOW_S - 1.0},
        {"expires_at_s": NOW_S + permits.LONGEST_S + 0.001},
        {"expires_at_s": math.nan},
        {"expires_at_s": math.inf},
        {"now_s": math.nan},
        {"now_s": -math.inf},
    ],
)
def test_no_permit_without_a_sensible_end(times: dict[str, float]) -> None:
    with pytest.raises(PermitError, match="expires"):
        issue(Mint(), **times)


def test_the_longest_permit_is_issued() -> None:
    mint = Mint()
    mint.redeem(
        issue(mint, expires_at_s=NOW_S + permits.LONGEST_S), *WRITE, NOW_S + permits.LONGEST_S
    )


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("kind", WriteKind)
def test_in_off_and_shadow_there_is_a_permit_for_a_release_alone(
    mode: Mode, kind: WriteKind
) -> None:
    mint = Mint()
    if mode in (Mode.ADVISORY, Mode.AUTOMATIC) or kind is WriteKind.RELEASE:
        mint.redeem(issue(mint, kind=kind, mode=mode), kind, *WRITE[1:], NOW_S)
    else:
        with pytest.raises(PermitError, match=mode.value):
            issue(mint, kind=kind, mode=mode)


def test_a_nonce_is_used_once_and_has_its_length() -> None:
    mint = Mint()
    issue(mint, nonce=b"n" * 16)
    for nonce in (b"n" * 16, b"", b"n" * 15):
        with pytest.raises(PermitError, match="nonce"):
            issue(mint, nonce=nonce)


def test_outstanding_permits_are_bounded_and_expired_ones_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permits, "MOST_OUTSTANDING", 2)
    mint = Mint()
    first = issue(mint)
    issue(mint)
    with pytest.raises(PermitError, match="outstanding"):
        issue(mint)
    with pytest.raises(PermitError, match="outstanding"):
        issue(mint, now_s=NOW_S + 5.0, expires_at_s=NOW_S + 9.0)  # not yet expired at its end
    issue(mint, now_s=NOW_S + 5.001, expires_at_s=NOW_S + 9.0)
    with pytest.raises(PermitError, match="forgotten"):
        mint.redeem(first, *WRITE, NOW_S + 5.0)


def test_a_short_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Mint(b"short")
