"""ID tokens that are not accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from controller.authority.roles import Scope
from controller.service.oidc import Provider, ProviderError
from controller.service.settings import Oidc

ISSUER = "https://id.example"
KEY = RSAKey.generate_key(2048, {"kid": "1"})
KEYS: dict[str, Any] = dict(KeySet([KEY]).as_dict(private=False))
GOOD: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "7",
    "aud": "isotherm",
    "exp": int(time.time()) + 600,
    "iat": int(time.time()),
    "nonce": "n",
}


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider(
        Oidc(ISSUER, "isotherm", "s", "https://site.example", roles={"a": Scope.VIEWER})
    )


def signed(claims: dict[str, Any], key: Any = KEY, algorithm: str = "RS256") -> str:
    return jwt.encode({"alg": algorithm, "kid": "1"}, claims, key, algorithms=[algorithm])


def by_public_key(body: str) -> str:
    """A token signed with the public key, as if that were a shared secret."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"1"}').rstrip(b"=").decode()
    mac = hmac.new(KEY.as_pem(private=False), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_a_good_token_is_accepted(provider: Provider) -> None:
    assert provider._checked(signed(GOOD), KEYS, "n")["sub"] == "7"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["isotherm", "another"]},
        {"aud": ["isotherm", "another"], "azp": "another"},
        {"exp": int(time.time()) - 120},
        {"nonce": "of another log-in"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
    ],
)
def test_another_claim_is_refused(provider: Provider, change: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(ProviderError):
        provider._checked(signed(claims), KEYS, "n")


def test_another_signature_is_refused(provider: Provider) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "1"})
    header, body, _ = signed(GOOD).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"
    for token in (
        signed(GOOD, stranger),
        by_public_key(body),
        f"{header}.{body}.",
        f"{unsigned}.{body}.",
        "",
        "a.b.c",
        None,
    ):
        with pytest.raises(ProviderError):
            provider._checked(token, KEYS, "n")


def test_who_has_no_name_or_role_is_refused_and_the_highest_role_counts() -> None:
    roles = {"ops": Scope.OPERATOR, "all": Scope.VIEWER}
    provider = Provider(Oidc(ISSUER, "isotherm", "s", "https://site.example", roles=roles))
    for claims in ({}, {"preferred_username": "ann"}, {"preferred_username": 3, "groups": "ops"}):
        with pytest.raises(ProviderError):
            provider._identity({**GOOD, **claims})
    told = {**GOOD, "preferred_username": "ann", "groups": ["all", {"x": 1}, "ops"]}
    assert provider._identity(told).scope is Scope.OPERATOR
