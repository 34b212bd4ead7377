"""Log-in by the organisation's own account: OpenID Connect, authorisation code with PKCE.

The provider's documents are fetched when somebody logs in, from the issuer alone; the ID token is
checked after OpenID Connect Core 3.1.3.7: signature by the issuer's keys (asymmetric algorithms
only), issuer, audience, authorised party, expiry, and the nonce of this very log-in. The log-in is
bound to the browser that began it by a cookie of its own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from controller.authority.roles import Scope
from controller.service.settings import Oidc

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
PENDING_S = 600.0
MOST_PENDING = 1000
TIMEOUT_S = 10.0
LEEWAY_S = 60.0


class ProviderError(Exception):
    """A log-in that did not come about; the text is for the person."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A log-in on its way."""

    nonce: str
    verifier: str
    goes_to: str
    began_s: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for."""

    subject: str
    """Issuer and subject: the same person for ever, whatever the name."""
    name: str
    scope: Scope


class Provider:
    """One provider, and the log-ins that are on their way."""

    def __init__(self, settings: Oidc) -> None:
        self.settings = settings
        self.callback = f"{settings.public_url}/v1/oidc/callback"
        self._begun: dict[str, Begun] = {}

    async def begin(self, goes_to: str) -> tuple[str, str]:
        """Begin a log-in; answer its state, and the provider's address to go to.

        Raises
        ------
        ProviderError
            The provider cannot be reached.
        """
        about = await self._about()
        now_s = time.monotonic()
        self._begun = {s: b for s, b in self._begun.items() if now_s - b.began_s < PENDING_S}
        while len(self._begun) >= MOST_PENDING:
            self._begun.pop(next(iter(self._begun)))
        state, begun = (
            secrets.token_urlsafe(32),
            Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(48), goes_to, now_s),
        )
        self._begun[state] = begun
        digest = hashlib.sha256(begun.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.callback,
            "scope": "openid profile email",
            "state": state,
            "nonce": begun.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return state, f"{about['authorization_endpoint']}?{urlencode(query)}"

    async def finish(self, state: str, code: str) -> tuple[Identity, str]:
        """Whom the provider vouches for, and where the browser wanted to go; once a log-in.

        Raises
        ------
        ProviderError
            No such log-in was begun, or the provider vouches for nobody who may come in.
        """
        begun = self._begun.pop(state, None)
        if begun is None or time.monotonic() - begun.began_s >= PENDING_S:
            raise ProviderError("this log-in was not begun here, or took too long: begin again")
        about = await self._about()
        tokens = await self._fetch(
            "POST",
            about["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.callback,
                "code_verifier": begun.verifier,
            },
            auth=(self.settings.client_id, self.settings.client_secret),
        )
        keys = await self._fetch("GET", about["jwks_uri"])
        claims = self._checked(tokens.get("id_token"), keys, begun.nonce)
        wanted = {self.settings.name_claim, self.settings.role_claim}
        if not wanted <= claims.keys() and "userinfo_endpoint" in about:
            bearer = {"Authorization": f"Bearer {tokens.get('access_token')}"}
            more = await self._fetch("GET", about["userinfo_endpoint"], headers=bearer)
            if more.get("sub") == claims["sub"]:
                claims = {**more, **claims}
        return self._identity(claims), begun.goes_to

    def _checked(self, token: Any, keys: dict[str, Any], nonce: str) -> dict[str, Any]:
        if not isinstance(token, str):
            raise ProviderError("the provider sent no ID token")
        try:
            known = KeySet.import_key_set(cast(KeySetSerialization, keys))
            found = jwt.decode(token, known, algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=int(LEEWAY_S),
                iss={"essential": True, "value": self.settings.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(found.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"the provider's ID token is not accepted: {error}") from error
        several = isinstance(found.claims["aud"], list) and len(found.claims["aud"]) > 1
        if several and found.claims.get("azp") != self.settings.client_id:
            raise ProviderError("the provider's ID token was made for another client")
        return dict(found.claims)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        name = claims.get(self.settings.name_claim)
        if not isinstance(name, str) or not name:
            raise ProviderError(f"the provider tells no {self.settings.name_claim} of this account")
        told = claims.get(self.settings.role_claim, [])
        values = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        roles = self.settings.roles
        scopes = [roles[v] for v in values if isinstance(v, str) and v in roles]
        if not scopes:
            raise ProviderError(f"{name} has none of the roles that may come in here")
        subject = f"{claims['iss']} {claims['sub']}"
        return Identity(subject, name, max(scopes, key=lambda scope: scope.rank))

    async def _about(self) -> dict[str, Any]:
        about = await self._fetch("GET", f"{self.settings.issuer}/.well-known/openid-configuration")
        if about.get("issuer") != self.settings.issuer:
            raise ProviderError("the provider says that it is another issuer")
        return about

    async def _fetch(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
                answer = await client.request(method, url, **options)
                answer.raise_for_status()
                found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ProviderError(f"the provider of identities does not answer: {error}") from error
        if not isinstance(found, dict):
            raise ProviderError("the provider of identities does not answer as one")
        return found
