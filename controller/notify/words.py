"""What a message is, where it goes, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from facility.telemetry import Priority


@dataclass(frozen=True, slots=True)
class Mail:
    """Where mail goes, and through which server."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    starttls: bool = True


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that gets each message as JSON by POST."""

    url: str
    key: str = ""
    """Signs the body: ``X-Isotherm-Signature: sha256=HMAC``; empty, it is not signed."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which only what is urgent goes out; they may span midnight."""

    start: time
    end: time
    time_zone: str

    def holds(self, now_s: float) -> bool:
        """Whether it is one of these hours."""
        now = datetime.fromtimestamp(now_s, UTC).astimezone(ZoneInfo(self.time_zone)).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


@dataclass(frozen=True, slots=True)
class Rules:
    """What goes out, and when."""

    least_priority: Priority = Priority.MEDIUM
    """Alarms of a lower one are not told."""
    quiet: Quiet | None = None
    """In these hours alarms of high priority alone are told; the rest follows in one message."""
    proposal_after_s: float = 600.0
    """A proposal that has waited for so long is told."""
    most_per_hour: int = 6
    """Messages an hour (EEMUA 191: no more alarms than that can be worked through); what comes on
    top follows in one message."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to tell."""

    id: str
    """The same for the same thing, which is told once."""
    urgent: bool
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out: one thing, or several together."""

    subject: str
    text: str
    items: tuple[Item, ...]
    time_s: float
