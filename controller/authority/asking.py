"""What may need two people, asked for and agreed to: it is done at once, or waits for another.

Everything that lets Isotherm go further comes through here, so that what the site file wants two
people for cannot be had by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.authority.desk import Desk
from controller.authority.failures import AuthorityError
from controller.authority.requests import AGREED, RequestBook
from controller.authority.roles import Actor
from controller.authority.standing import StandingApproval, Wish
from controller.storage.ports import Record, RecordStore
from facility.commands import Mode
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import from_wire, to_wire


class Asking:
    """Modes and standing approvals of a site, by as many people as it wants."""

    def __init__(self, site: Site, records: RecordStore, desk: Desk) -> None:
        self._desk = desk
        self.requests = RequestBook(site.people, records)

    async def mode(
        self, actuators: Sequence[str] | None, mode: Mode, actor: Actor, why: str, now_s: float
    ) -> Mapping[str, Mode] | Record:
        """Set modes; where two people are wanted, the request that waits for the other."""
        if not self.requests.needs_two(mode.value):
            return await self._desk.set_mode(actuators, mode, actor, why, now_s)
        self._desk.check_mode_change(actuators, why)
        chosen = None if actuators is None else list(actuators)
        asked = {"actuators": chosen, "mode": mode.value}
        return self.requests.ask("mode", asked, actor, why, now_s)

    def standing(self, wish: Wish, actor: Actor, *, snapshot: Snapshot, now_s: float) -> Record:
        """Grant a standing approval; where two people are wanted, the request that waits."""
        drawn = self._desk.standing.drawn_up(wish, actor, snapshot=snapshot, now_s=now_s)
        if not self.requests.needs_two("standing_approvals"):
            return self._desk.standing.grant(drawn, actor, now_s)
        return self.requests.ask("standing_approval", to_wire(drawn), actor, wish.why, now_s)

    async def agree(self, request_id: str, actor: Actor, why: str, now_s: float) -> Record:
        """One person's yes to a request; with the last one it is carried out.

        Raises
        ------
        AuthorityError
            It could not be agreed to, or not be carried out; in that case it has failed, and is
            asked for anew.
        """
        record = self.requests.agree(request_id, actor, why, now_s)
        if record.state != AGREED:
            return record
        asked, reason = record.body["asked"], record.body["why"]
        try:
            if record.body["what"] == "mode":
                mode = Mode(asked["mode"])
                await self._desk.set_mode(asked["actuators"], mode, actor, reason, now_s)
            else:
                approval = from_wire(StandingApproval, asked)
                self._desk.standing.grant(approval, actor, now_s)
        except AuthorityError as error:
            self.requests.fail(record, str(error), now_s)
            raise
        return record
