"""The commissioning report: all records of a site, signed by those who stand for them.

Signatures are Ed25519 (RFC 8032) over the report's content and the signer's name and role, in the
canonical JSON of `facility.wire.dumps`. A report may carry several: the engineer's, the witness's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from adapters.commissioning.records import Record
from facility.site import Site
from facility.wire import WireError, dumps, from_wire, to_wire

FORMAT = "isotherm commissioning report 1"


class ReportError(Exception):
    """A report or a key cannot be used; the message says why and the mend."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's word for a report."""

    who: str
    role: str
    time: str
    public_key: str
    """Hexadecimal."""
    signature: str

    @property
    def fingerprint(self) -> str:
        """Of the key: what people compare by telephone."""
        return hashlib.sha256(bytes.fromhex(self.public_key)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Report:
    """Records of a site, and who signed them."""

    format: str
    site: str
    name: str
    site_hash: str
    made: str
    records: tuple[Record, ...]
    signatures: tuple[Signature, ...] = ()


def make(site: Site, records: Sequence[Record]) -> Report:
    """A report over the records of a site, not signed yet.

    Raises
    ------
    ReportError
        There is nothing to report, or a record is of another site.
    """
    if not records:
        raise ReportError("there are no records to report")
    for record in records:
        if record.site != site.id:
            raise ReportError(f"a record of {record.time} is of site {record.site}, not {site.id}")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(FORMAT, site.id, site.name, site.content_hash, made, tuple(records))


def sign(report: Report, key: Ed25519PrivateKey, who: str, role: str) -> Report:
    """The report with one more signature; earlier ones stay valid."""
    public = key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    time = datetime.now(UTC).isoformat(timespec="seconds")
    unsigned = Signature(who, role, time, public.hex(), "")
    signature = key.sign(_signed_bytes(report, unsigned)).hex()
    signed = Signature(who, role, time, public.hex(), signature)
    return Report(**{**_fields(report), "signatures": (*report.signatures, signed)})


def why_not_valid(report: Report, signature: Signature) -> str:
    """Why a signature does not stand for this report; empty where it does."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        key.verify(bytes.fromhex(signature.signature), _signed_bytes(report, signature))
    except InvalidSignature:
        return "the report, or the name beside the signature, was changed after it was signed"
    except ValueError as error:
        return f"it is no signature: {error}"
    return ""


def write(path: Path, report: Report) -> None:
    """Write a report as JSON that a person can read."""
    text = json.dumps(to_wire(report), indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """Read a report; signatures are not checked here.

    Raises
    ------
    ReportError
        It is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        records = tuple(Record(**record) for record in data.pop("records"))
        report = from_wire(Report, {**data, "records": []})
        return Report(**{**_fields(report), "records": records})
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, WireError) as error:
        raise ReportError(f"{path} is no commissioning report ({error})") from None


def new_key(path: Path, passphrase: str) -> str:
    """Make a key, in a file for its owner alone; answer its fingerprint.

    Raises
    ------
    ReportError
        The file exists already or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption(),
    )
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 - by descriptor, so that nobody else can read it for an instant
            file.write(text)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; a key is never written over") from None
    public = key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    return hashlib.sha256(public).hexdigest()[:16]


def read_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """Read a key.

    Raises
    ------
    ReportError
        It is none, or the passphrase is wrong or missing.
    """
    try:
        key = serialization.load_pem_private_key(
            path.read_bytes(), passphrase.encode() if passphrase else None
        )
    except OSError as error:
        raise ReportError(
            f"{path}: {error.strerror}; `isotherm commission key` makes one"
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ReportError(
            f"{path}: {error}; where the key has a passphrase, set ISOTHERM_KEY_PASSPHRASE"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReportError(f"{path} is no Ed25519 key; `isotherm commission key` makes one")
    return key


def _signed_bytes(report: Report, signature: Signature) -> bytes:
    content = {**to_wire(report), "signatures": []}
    signer = {**to_wire(signature), "signature": ""}
    return dumps({"report": content, "signer": signer}).encode()


def _fields(report: Report) -> Mapping[str, Any]:
    return {name: getattr(report, name) for name in Report.__dataclass_fields__}
