"""How a message goes out: by mail, and to a webhook."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import httpx

from controller.notify.words import Mail, Message, Webhook
from facility.clock import iso

TIMEOUT_S = 10.0


class WayError(Exception):
    """A message that did not get out, and why."""


def send_mail(mail: Mail, message: Message) -> None:
    """Send a message by mail; it may take as long as `TIMEOUT_S` a step.

    Raises
    ------
    WayError
        The server is away, or does not take it.
    """
    letter = EmailMessage()
    letter["From"], letter["To"] = mail.sender, ", ".join(mail.to)
    letter["Subject"] = " ".join(message.subject.split())  # no line of ours can add a header
    letter["Date"], letter["Message-ID"] = formatdate(), make_msgid()
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.text)
    try:
        with smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.user:
                server.login(mail.user, mail.password)
            server.send_message(letter)
    except (OSError, smtplib.SMTPException) as error:
        raise WayError(f"mail server {mail.host}:{mail.port}: {error}") from error


def post(webhook: Webhook, message: Message, site: str) -> None:
    """Send a message to a webhook.

    Raises
    ------
    WayError
        It is away, or does not take it.
    """
    body = json.dumps(
        {
            "site": site,
            "time": iso(message.time_s),
            "subject": message.subject,
            "text": message.text,
            "items": [{"id": i.id, "urgent": i.urgent, "text": i.text} for i in message.items],
        }
    ).encode()
    headers = {"Content-Type": "application/json"}
    if webhook.key:
        signed = hmac.new(webhook.key.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Isotherm-Signature"] = f"sha256={signed}"
    try:
        answer = httpx.post(webhook.url, content=body, headers=headers, timeout=TIMEOUT_S)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WayError(f"webhook {webhook.url}: {error}") from error
