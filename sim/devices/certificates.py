"""A self-signed application certificate for each simulated OPC UA server."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID


def write_certificate(directory: Path, name: str, uri: str, host: str) -> tuple[Path, Path]:
    """Write ``NAME.der`` (for clients to trust) and ``NAME.key.pem``, readable by us alone.

    The certificate carries what OPC 10000-6, 6.2.2 asks of an application instance: the
    application's URI and its host names.

    Returns
    -------
    The certificate's path and the key's.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri),
        x509.DNSName(socket.gethostname()),
    ]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    key = generate_private_key()
    certificate = generate_self_signed_app_certificate(
        key, name, {}, names, [ExtendedKeyUsageOID.SERVER_AUTH]
    )
    certificate_path, key_path = directory / f"{name}.der", directory / f"{name}.key.pem"
    certificate_path.write_bytes(certificate.public_bytes(Encoding.DER))
    key_path.touch(mode=0o600)
    key_path.write_bytes(dump_private_key_as_pem(key))
    return certificate_path, key_path
