"""The web server around the application: TLS, and patience with slow clients that ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from controller.service.settings import Tls

if TYPE_CHECKING:
    from fastapi import FastAPI

HEAD_WITHIN_S = 10.0
"""A connection that has sent no whole request head by then is closed."""
MOST_CONNECTIONS = 500
"""More at once are answered 503."""


class CertificateError(ValueError):
    """A certificate or key that cannot be used."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that does not wait for ever for the head of a first request."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self._hang_up_if_silent)

    def _hang_up_if_silent(self) -> None:
        transport: asyncio.Transport = self.transport
        asked: object = self.cycle  # uvicorn says that it is one from the start; it is none yet
        if asked is None and not transport.is_closing():
            transport.close()


class PatientServer(uvicorn.Server):
    """Uvicorn without its signal handlers: the process belongs to the control loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def configured(tls: Tls | None, app: FastAPI | None = None) -> uvicorn.Config:
    """The server's configuration, its certificate looked at.

    Raises
    ------
    CertificateError
        The certificate or its key cannot be used.
    """
    if tls is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                tls.certificate, tls.key
            )
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"[tls] {tls.certificate} and {tls.key} cannot be used ({error}): give a PEM "
                "certificate chain and its own unencrypted key"
            ) from error
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # none, where only the certificate is looked at
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        limit_concurrency=MOST_CONNECTIONS,
        lifespan="off",
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
