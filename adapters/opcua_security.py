"""What an OPC UA connection is signed, encrypted and logged in with."""

from __future__ import annotations

from typing import Any

from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

from adapters.driver import Unreachable
from adapters.pki import Pki, certificates, have_certificate, needed, password
from facility.devices import Device, Login

NO_SECURITY = "None"
POLICIES: dict[str, Any] = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
"""Policies that OPC UA part 7 still holds secure; always signed and encrypted."""


async def secure(client: Client, device: Device, pki: Pki | None) -> None:
    """Give ``client`` the security and the login that the site asks for.

    Raises
    ------
    Unreachable
        The site names no policy, an unknown one, or what it needs is not in the folder.
    """
    policy, _, reason = (part.strip() for part in device.security.partition(":"))
    policy = policy.replace("_", "")
    if policy == NO_SECURITY and reason:
        if device.login is not Login.ANONYMOUS:
            raise Unreachable(f"{device.id}: a login needs a security policy")
        return
    if policy not in POLICIES:
        raise Unreachable(
            f"{device.id}: security is {device.security!r}; name one of {', '.join(POLICIES)} in "
            f"site.toml, or write «{NO_SECURITY}: REASON» to go without"
        )
    pki = needed(device, pki)
    await _log_in(client, device, pki)
    have_certificate(pki)
    store = TrustStore([pki.trusted], [pki.revoked] if certificates(pki.revoked) else [])
    await store.load()
    options = CertificateValidatorOptions.TRUSTED_VALIDATION
    client.certificate_validator = CertificateValidator(
        options | CertificateValidatorOptions.PEER_SERVER, store
    ).validate
    await client.set_security(POLICIES[policy], pki.certificate, pki.key)


async def _log_in(client: Client, device: Device, pki: Pki) -> None:
    if device.login is Login.PASSWORD:
        client.set_user(device.user)
        client.set_password(password(device, pki))
    elif device.login is Login.CERTIFICATE:
        certificate, key = pki.user_certificate(device.user)
        for path in (certificate, key):
            if not path.is_file():
                raise Unreachable(f"{device.id}: the user {device.user!r} needs {path}")
        await client.load_client_certificate(str(certificate))
        await client.load_private_key(key)
