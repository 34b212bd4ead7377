"""The task beside the control loop that tells people outside what asks for them.

It looks every few seconds, and sends from a thread: a mail server that hangs delays nothing. What
did not get out is tried again, later each time. What was told is on record.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable

from controller.notify import ways
from controller.notify.outbox import HOUR_S, REMEMBERED, Told, due, items_of
from controller.notify.words import Mail, Message, Rules, Webhook
from controller.storage.ports import ConflictError, Kind, Record, RecordStore

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 600.0


class Courier:
    """Tells alarms and waiting proposals.

    Parameters
    ----------
    alarms, proposals
        Answer the open ones.
    now_s
        Plant time; quiet hours and the hourly number count in it.
    """

    def __init__(
        self,
        site: str,
        records: RecordStore,
        alarms: Callable[[], Iterable[Record]],
        proposals: Callable[[], Iterable[Record]],
        now_s: Callable[[], float],
        *,
        rules: Rules,
        mail: Mail | None = None,
        webhook: Webhook | None = None,
    ) -> None:
        self._site, self._records, self._now_s, self._rules = site, records, now_s, rules
        self._alarms, self._proposals = alarms, proposals
        self._ways: list[Callable[[Message], None]] = []
        if mail is not None:
            self._ways.append(lambda message: ways.send_mail(mail, message))
        if webhook is not None:
            self._ways.append(lambda message: ways.post(webhook, message, site))
        self._told = self._remembered()

    @property
    def has_ways(self) -> bool:
        """Whether anybody would be told."""
        return bool(self._ways)

    async def run(self) -> None:
        """Look and tell until cancelled."""
        wait_s = FIRST_WAIT_S
        while self._ways:
            try:
                await self.look()
            except ways.WayError as error:
                log.error("nobody could be told (again in %.0f s): %s", wait_s, error)
                await asyncio.sleep(wait_s)
                wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)
            else:
                wait_s = FIRST_WAIT_S
                await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> Message | None:
        """Tell what is due; answer it.

        Raises
        ------
        WayError
            No way took it; it stays due.
        """
        now_s = self._now_s()
        items = items_of(self._alarms(), self._proposals(), self._rules, now_s)
        message = due(items, self._told, self._rules, self._site, now_s)
        if message is None:
            return None
        failures = []
        for way in self._ways:
            try:
                await asyncio.to_thread(way, message)
            except ways.WayError as error:
                failures.append(error)
        if failures and len(failures) == len(self._ways):
            raise failures[0]
        for failure in failures:  # it got out by another way
            log.error("not told by every way: %s", failure)
        self._told = self._told.after(message)
        self._keep(message)
        return message

    def _keep(self, message: Message) -> None:
        ids = [item.id for item in message.items]
        digest = hashlib.sha256("\n".join([*ids, repr(message.time_s)]).encode()).hexdigest()
        body = {"subject": message.subject, "text": message.text, "items": ids}
        try:
            self._records.write(add=[Record(Kind.NOTICE, digest, message.time_s, body)])
        except ConflictError:
            log.warning("this notice is on record already: %s", message.subject)

    def _remembered(self) -> Told:
        found = self._records.find(Kind.NOTICE, limit=REMEMBERED)
        items = {str(name): record.time_s for record in found for name in record.body["items"]}
        now_s = self._now_s()
        recent = (record.time_s for record in found if 0.0 <= now_s - record.time_s < HOUR_S)
        return Told(items, tuple(sorted(recent)))
