"""Who we are to an OPC UA server and whom we trust."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from adapters.driver import Unreachable
from facility.site import Device

NO_SECURITY = "None"
POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
"""Policies that OPC UA part 7 still holds secure; always signed and encrypted."""


@dataclass(frozen=True, slots=True)
class Pki:
    """A folder with our certificate (``own/``) and the servers' (``trusted/*.der, *.pem``)."""

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
        """Certificates of servers, or of those who sign for them."""
        return self.folder / "trusted"


async def secure(client: Client, device: Device, pki: Pki | None) -> None:
    """Give ``client`` the security that the site asks for.

    Raises
    ------
    Unreachable
        The site names no policy, an unknown one, or the certificates that it needs are
        not there.
    """
    policy, _, reason = (part.strip() for part in device.security.partition(":"))
    if policy == NO_SECURITY and reason:
        return
    if policy not in POLICIES:
        raise Unreachable(
            f"{device.id}: security is {device.security!r}; name one of {', '.join(POLICIES)} in "
            f"site.toml, or write «{NO_SECURITY}: REASON» to go without"
        )
    if pki is None:
        raise Unreachable(f"{device.id}: {policy} needs a folder of certificates")
    trusted = sorted(p for p in pki.trusted.glob("*") if p.suffix in (".der", ".pem"))
    if not trusted:
        raise Unreachable(
            f"{device.id}: nobody is trusted yet; put the server's certificate into {pki.trusted}"
        )
    await client.setup_self_signed_certificate(pki.key, pki.certificate)
    store = TrustStore([pki.trusted], [])
    await store.load()
    options = CertificateValidatorOptions.TRUSTED_VALIDATION
    client.certificate_validator = CertificateValidator(
        options | CertificateValidatorOptions.PEER_SERVER, store
    ).validate
    await client.set_security(POLICIES[policy], pki.certificate, pki.key)
