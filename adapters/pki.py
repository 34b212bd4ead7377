"""Who we are to a device and whom we trust: one folder, for every protocol.

======================  ===========================================================
file                    what it is
======================  ===========================================================
own/certificate.der     our certificate (written at first use where there is none)
own/key.pem             its private key
trusted/*.der, *.pem    certificates of devices, or of those who sign for them
revoked/*.der, *.pem    revocation lists
users/NAME.password     the password of a user, in the first line
users/NAME.der          a user's certificate, and NAME.pem its private key
======================  ===========================================================

Secrets that others than the gateway's own user can read are refused.
"""

from __future__ import annotations

import socket
import ssl
import stat
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asyncua.crypto import cert_gen
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from adapters.driver import Unreachable
from facility.devices import Device

APPLICATION_URI = "urn:isotherm:gateway"
VALID_DAYS = 1825
"""Of a certificate that we write for ourselves."""


@dataclass(frozen=True, slots=True)
class Pki:
    """The folder of certificates, keys and passwords."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Our certificate, DER."""
        return self.folder / "own" / "certificate.der"

    @property
    def key(self) -> Path:
        """Our private key, PEM."""
        return self.folder / "own" / "key.pem"

    @property
    def trusted(self) -> Path:
        """Certificates of devices, or of those who sign for them."""
        return self.folder / "trusted"

    @property
    def revoked(self) -> Path:
        """Revocation lists."""
        return self.folder / "revoked"

    def user_certificate(self, user: str) -> tuple[Path, Path]:
        """The certificate of a user and its key."""
        return self.folder / "users" / f"{user}.der", self.folder / "users" / f"{user}.pem"


def needed(device: Device, pki: Pki | None) -> Pki:
    """The folder, with somebody in it whom we trust.

    Raises
    ------
    Unreachable
        There is no folder, or nobody is trusted yet.
    """
    if pki is None:
        raise Unreachable(f"{device.id}: it needs a folder of certificates (--pki)")
    if not certificates(pki.trusted):
        raise Unreachable(
            f"{device.id}: nobody is trusted yet; put the device's certificate into {pki.trusted}"
        )
    return pki


def have_certificate(pki: Pki) -> None:
    """Write our certificate, signed by ourselves, and its key, where there is none.

    It names us as OPC 10000-6, 6.2.2 asks of an application, and serves TLS as well.

    Raises
    ------
    Unreachable
        The one that is there cannot be read or has come to its end: a new one would have to
        be trusted by every device, so that is for a person to do.
    """
    path = pki.certificate
    if path.is_file() and pki.key.is_file():
        try:
            ends = x509.load_der_x509_certificate(path.read_bytes()).not_valid_after_utc
        except ValueError as error:
            raise Unreachable(f"{path} is no certificate: {error}") from None
        if ends <= datetime.now(UTC):
            raise Unreachable(
                f"our own certificate {path} ended on {ends:%Y-%m-%d}; remove it and the key "
                "beside it for a new one, and have every device trust that"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    key = cert_gen.generate_private_key()
    names = [x509.UniformResourceIdentifier(APPLICATION_URI), x509.DNSName(socket.gethostname())]
    certificate = cert_gen.generate_self_signed_app_certificate(
        key, "Isotherm gateway", {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH], days=VALID_DAYS
    )
    pki.key.touch(mode=0o600)
    pki.key.write_bytes(cert_gen.dump_private_key_as_pem(key))
    path.write_bytes(certificate.public_bytes(Encoding.DER))


def certificates(folder: Path) -> list[Path]:
    """The files of a folder that hold certificates or revocation lists."""
    return sorted(p for p in folder.glob("*") if p.suffix in (".der", ".pem"))


def password(device: Device, pki: Pki | None) -> str:
    """The password of the device's user.

    Raises
    ------
    Unreachable
        It is not there, or others can read it.
    """
    if pki is None:
        raise Unreachable(f"{device.id}: its password needs a folder of certificates (--pki)")
    path = pki.folder / "users" / f"{device.user}.password"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Unreachable(f"{device.id}: others can read {path}; chmod 600 it")
        return path.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        raise Unreachable(
            f"{device.id}: the password of {device.user!r} belongs into the first line of {path}"
        ) from None


def tls_context(device: Device, pki: Pki | None, *, our_certificate: bool) -> ssl.SSLContext:
    """What TLS needs to know: TLS 1.2 or later, only those whom we trust, by their names.

    The device's certificate must be trusted itself or signed by one that is, be in its
    time, and carry the host's name or address.

    Parameters
    ----------
    our_certificate
        Whether we show a certificate of our own, as Modbus/TCP Security asks (V36, 3).

    Raises
    ------
    Unreachable
        Certificates that it needs are not there or cannot be read.
    """
    pki = needed(device, pki)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A device's own certificate may be trusted without whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    path = pki.trusted
    try:
        for path in certificates(pki.trusted):
            data = path.read_bytes()
            context.load_verify_locations(
                cadata=data if path.suffix == ".der" else data.decode("ascii")
            )
        lists = [p for p in certificates(pki.revoked) if p.suffix == ".pem"]
        for path in lists:
            context.load_verify_locations(cafile=path)
        if lists:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if our_certificate:
            have_certificate(pki)
            path = pki.certificate
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                # ssl takes PEM alone, and only from a file
                pem.write(ssl.DER_cert_to_PEM_cert(path.read_bytes()))
                pem.flush()
                context.load_cert_chain(pem.name, pki.key)
    except (OSError, ValueError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unreachable(f"{device.id}: {path} cannot be used: {reason}") from None
    return context
