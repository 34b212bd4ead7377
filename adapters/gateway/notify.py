"""Telling somebody outside when the gateway's own client has died: a webhook, or a mail.

With the controller dead nobody else is left to raise the alarm. Messages are sent from a thread
beside the loop: a mail server that hangs delays no hand-back, and one that is away is tried again
for a while. What cannot be told is logged, and nothing else is done about it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import urlsplit

from facility.clock import iso

log = logging.getLogger("gateway")

TIMEOUT_S = 10.0
ATTEMPTS = 4
WAIT_S = 15.0
"""Between two attempts, times their number."""
MOST_WAITING = 16


class NotifyError(ValueError):
    """An address that cannot be used: what is wrong and what would do."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Where mail goes, and through which server."""

    to: str
    server: str
    """Host and port: ``mail.example:587``; with STARTTLS unless it is on this machine."""
    sender: str


@dataclass(frozen=True, slots=True)
class Message:
    """What happened, for a person."""

    site: str
    time_s: float
    devices: tuple[str, ...]
    why: str

    @property
    def subject(self) -> str:
        """One line."""
        count = len(self.devices)
        what = f"{count} device{'' if count == 1 else 's'}"
        return f"Isotherm at {self.site}: {what} went back to local control"

    @property
    def text(self) -> str:
        """All of it."""
        return (
            f"{iso(self.time_s)}: {self.why}.\n\nBack in local control: "
            f"{', '.join(self.devices)}.\n\nThe plant runs on its own control. Look at the "
            "controller (isotherm serve); when it is well, `isotherm arm` and `isotherm mode`.\n"
        )


class Notifier:
    """Sends messages in the background, in order.

    Parameters
    ----------
    site
        Its name, for the message.
    webhook
        Gets each message as JSON by POST: ``site``, ``time``, ``subject``, ``text``,
        ``devices``, ``why``. ``http`` or ``https``.

    Raises
    ------
    NotifyError
        The webhook is no address of the web, or the mail server has no port.
    """

    def __init__(self, site: str, webhook: str = "", mail: Mail | None = None) -> None:
        if webhook and (urlsplit(webhook).scheme not in ("http", "https")):
            raise NotifyError(f"{webhook!r} is no webhook: it starts with http:// or https://")
        if mail is not None and not mail.server.rpartition(":")[2].isdigit():
            raise NotifyError(f"{mail.server!r} is no mail server: write HOST:PORT")
        self._site, self._webhook, self._mail = site, webhook, mail
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    @property
    def ways(self) -> tuple[Callable[[Message], None], ...]:
        """How messages go out; none where nothing was set."""
        ways: list[Callable[[Message], None]] = []
        if self._webhook:
            ways.append(self._post)
        if self._mail is not None:
            ways.append(self._send_mail)
        return tuple(ways)

    def tell(self, devices: Sequence[str], why: str, time_s: float) -> None:
        """Queue a message; never waits, never raises."""
        if not self.ways:
            return
        if self._waiting.full():
            log.error("too many messages wait to be sent; one is dropped")
            return
        self._waiting.put_nowait(Message(self._site, time_s, tuple(devices), why))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self, within_s: float = 2.0) -> None:
        """Give what waits a moment to go out."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._waiting.join()
        except TimeoutError:
            log.error("%d messages were not sent", self._waiting.qsize() + 1)
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            message = await self._waiting.get()
            for way in self.ways:
                await self._insist(way, message)
            self._waiting.task_done()

    async def _insist(self, way: Callable[[Message], None], message: Message) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await asyncio.to_thread(way, message)
            except (OSError, smtplib.SMTPException, urllib.error.URLError, ValueError) as error:
                log.error("could not tell anybody (attempt %d): %s", attempt, error)
                if attempt < ATTEMPTS:
                    await asyncio.sleep(WAIT_S * attempt)
            else:
                log.info("told: %s", message.subject)
                return

    def _post(self, message: Message) -> None:
        body = {
            "site": message.site,
            "time": iso(message.time_s),
            "subject": message.subject,
            "text": message.text,
            "devices": message.devices,
            "why": message.why,
        }
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked at the start
            self._webhook,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - as above
            pass

    def _send_mail(self, message: Message) -> None:
        assert self._mail is not None  # noqa: S101 - one of `ways` only where it is set
        letter = EmailMessage()
        letter["From"], letter["To"] = self._mail.sender, self._mail.to
        letter["Subject"] = message.subject
        letter.set_content(message.text)
        host, _, port = self._mail.server.rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_S) as server:
            if host not in ("localhost", "127.0.0.1", "::1"):
                server.starttls()
            user = os.environ.get("ISOTHERM_SMTP_USER")
            if user:
                server.login(user, os.environ.get("ISOTHERM_SMTP_PASSWORD", ""))
            server.send_message(letter)
