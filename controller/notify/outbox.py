"""What is due to be told: pure, from what is so and what was told before.

No floods: at most so many messages an hour; what comes on top, and what quiet hours hold back,
follows together in one message. What has gone by then is left out, since it asks for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.notify.words import Item, Message, Rules
from controller.storage.ports import Record
from facility.telemetry import Priority

HOUR_S = 3600.0
REMEMBERED = 1000
"""The latest items, and after a restart messages, of which it is known that they were told."""
MOST_LINES = 20
URGENT_APART_S = 300.0
"""Least time between messages once the hour's number has gone out."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was told so far."""

    items: Mapping[str, float]
    """By id: when."""
    messages_s: tuple[float, ...] = ()
    """When messages went out in the last hour."""

    def after(self, message: Message) -> Told:
        """With a message that went out."""
        now_s = message.time_s
        recent = tuple(t for t in self.messages_s if now_s - t < HOUR_S)
        items = {**self.items, **{item.id: now_s for item in message.items}}
        latest = dict(sorted(items.items(), key=lambda told: told[1])[-REMEMBERED:])
        return replace(self, items=latest, messages_s=(*recent, now_s))


def items_of(
    alarms: Iterable[Record], proposals: Iterable[Record], rules: Rules, now_s: float
) -> tuple[Item, ...]:
    """Everything that asks for somebody outside now, the most urgent first."""
    ranks = list(Priority)
    found = []
    for record in alarms:
        priority = Priority(record.body["priority"])
        # Shelved and acknowledged ones are in somebody's hands.
        if record.state != "active" or ranks.index(priority) > ranks.index(rules.least_priority):
            continue
        text = f"{priority.value} alarm: {record.body['text']}\n  do: {record.body['action']}"
        times = record.body.get("occurrences", 1)
        found.append(Item(f"{record.id}/{times}", priority is Priority.HIGH, text))
    for record in proposals:
        if now_s - record.time_s < rules.proposal_after_s:
            continue
        body = record.body["proposal"]
        left_min = max(0.0, (body["expires_at_s"] - now_s) / 60.0)
        text = (
            f"a proposal waits: {len(body['moves'])} moves, {body['saving_kw']:.1f} kW; it "
            f"expires in {left_min:.0f} min\n  do: isotherm proposals show {record.id}"
        )
        found.append(Item(record.id, False, text))
    return tuple(sorted(found, key=lambda item: not item.urgent))


def due(items: Sequence[Item], told: Told, rules: Rules, site: str, now_s: float) -> Message | None:
    """The message to send now, or None."""
    fresh = [item for item in items if item.id not in told.items]
    if rules.quiet is not None and rules.quiet.holds(now_s):
        fresh = [item for item in fresh if item.urgent]
    recent = [t for t in told.messages_s if now_s - t < HOUR_S]
    if not fresh:
        return None
    if len(recent) >= rules.most_per_hour:
        # What is urgent is held back for minutes, not for the rest of the hour.
        fresh = [item for item in fresh if item.urgent]
        if not fresh or now_s - max(recent) < URGENT_APART_S:
            return None
    lines = [item.text for item in fresh[:MOST_LINES]]
    if len(fresh) > MOST_LINES:
        lines.append(f"and {len(fresh) - MOST_LINES} more")
    first = fresh[0].text.splitlines()[0]
    subject = first if len(fresh) == 1 else f"{len(fresh)} things ask for somebody, first: {first}"
    return Message(f"Isotherm at {site}: {subject}", "\n\n".join(lines), tuple(fresh), now_s)
