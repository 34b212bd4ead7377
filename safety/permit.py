"""Permits: what the write gate asks for before it sends a byte.

A permit binds kind of write, device, address, the encoded bytes, its expiry and a nonce under a
key of this start (HMAC-SHA256, RFC 2104). It is redeemed once. In `off` and `shadow` no permit
exists but for a release, which is never refused.
"""

from __future__ import annotations

import hmac
import math
import secrets
import struct
from dataclasses import dataclass

from facility.commands import Mode, WriteKind

LONGEST_S = 60.0
"""A permit for longer than this is a mistake: a write follows its verdict at once."""
MOST_OUTSTANDING = 4096
KEY_BYTES = 32
NONCE_BYTES = 16


class PermitError(Exception):
    """A permit that is not issued, or does not open the gate; the message says why."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to send these bytes to this address of this device, once, until it expires."""

    kind: WriteKind
    device: str
    address: str
    encoded: bytes
    expires_at_s: float
    nonce: bytes
    seal: bytes


class Mint:
    """Issues permits and redeems them; whoever holds it holds the key.

    Parameters
    ----------
    key
        At least 32 bytes; by default random, so that no permit outlives the process.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = secrets.token_bytes(KEY_BYTES) if key is None else key
        if len(self._key) < KEY_BYTES:
            raise ValueError(f"a key has at least {KEY_BYTES} bytes, not {len(self._key)}")
        self._outstanding: dict[bytes, tuple[float, float]] = {}

    def issue(
        self,
        kind: WriteKind,
        mode: Mode,
        device: str,
        address: str,
        encoded: bytes,
        *,
        now_s: float,
        expires_at_s: float,
        nonce: bytes | None = None,
    ) -> Permit:
        """A permit for exactly this write.

        Parameters
        ----------
        mode
            Of the actuator; for heartbeat and enable the furthest mode among the device's.
        expires_at_s
            Plant time after ``now_s``, by at most `LONGEST_S`.
        nonce
            16 bytes never used before; by default random.

        Raises
        ------
        PermitError
            The mode writes nothing, the times make no sense, or the nonce is in use.
        """
        if not mode.writes and kind is not WriteKind.RELEASE:
            raise PermitError(f"in mode {mode.value} there is no permit for a {kind.value}")
        if not (math.isfinite(now_s) and now_s < expires_at_s <= now_s + LONGEST_S):
            raise PermitError(
                f"a permit expires within {LONGEST_S:g} s of now, not at {expires_at_s!r}"
            )
        self._forget_expired(now_s)
        if len(self._outstanding) >= MOST_OUTSTANDING:
            raise PermitError(f"{MOST_OUTSTANDING} permits are outstanding: the gate is stuck")
        nonce = secrets.token_bytes(NONCE_BYTES) if nonce is None else nonce
        if len(nonce) != NONCE_BYTES or nonce in self._outstanding:
            raise PermitError(f"a nonce has {NONCE_BYTES} bytes and is used once")
        self._outstanding[nonce] = (now_s, expires_at_s)
        seal = self._seal(kind, device, address, encoded, expires_at_s, nonce)
        return Permit(kind, device, address, encoded, expires_at_s, nonce, seal)

    def redeem(
        self,
        permit: Permit,
        kind: WriteKind,
        device: str,
        address: str,
        encoded: bytes,
        now_s: float,
    ) -> None:
        """Use up ``permit`` for the write that is about to be sent.

        The seal is checked over what will be sent, not over what the permit says of itself.
        A permit that failed only for its bytes is still unused: it names another write.

        Raises
        ------
        PermitError
            It is forged, for another write, used before, or expired; or the clock went back.
        """
        expected = self._seal(kind, device, address, encoded, permit.expires_at_s, permit.nonce)
        if not hmac.compare_digest(expected, permit.seal):
            raise PermitError("the permit is forged, of another start, or for another write")
        times = self._outstanding.pop(permit.nonce, None)
        if times is None:
            raise PermitError("the permit was redeemed before, or expired and was forgotten")
        issued_at_s, expires_at_s = times
        if not now_s >= issued_at_s:
            raise PermitError(f"the clock went back: issued at {issued_at_s!r}, now {now_s!r}")
        if not now_s <= expires_at_s:
            raise PermitError(f"the permit expired at {expires_at_s!r}; it is {now_s!r}")

    def _forget_expired(self, now_s: float) -> None:
        expired = [nonce for nonce, (_, end_s) in self._outstanding.items() if end_s < now_s]
        for nonce in expired:
            del self._outstanding[nonce]

    def _seal(
        self,
        kind: WriteKind,
        device: str,
        address: str,
        encoded: bytes,
        expires_at_s: float,
        nonce: bytes,
    ) -> bytes:
        fields = (
            kind.value.encode(),
            device.encode(),
            address.encode(),
            encoded,
            struct.pack(">d", expires_at_s),
            nonce,
        )
        # Each field with its length in front, so that no two writes share a message.
        message = b"".join(struct.pack(">I", len(field)) + field for field in fields)
        return hmac.digest(self._key, message, "sha256")
