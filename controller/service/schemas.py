"""What answers look like. Values are in the canonical unit of their point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from controller.authority.standing import StandingApproval
from facility.commands import Decision, Mode, Override, Proposal, Receipt
from facility.telemetry import DeviceStatus, Reading

Version = Field(description='Counts changes; in quotes it is sent as `If-Match`: `"3"`.')


class LimitChange(BaseModel):
    """One difference from the limits that were agreed to."""

    where: str
    before: str
    after: str
    widens: bool


class LimitsApproval(BaseModel):
    """One person's yes."""

    who: str
    why: str
    time_s: float


class LimitsView(BaseModel):
    """The limits that the gateway keeps."""

    version: int
    hash: str
    doubt: str = Field(description="Why nothing is written until people have approved, or empty.")
    changes: list[LimitChange]
    approvals: list[LimitsApproval]


class Health(BaseModel):
    """Whether this process lives; no more is told without a token."""

    status: str = Field(description="`ok`, or `degraded` while there is no word from the gateway.")


class PointView(BaseModel):
    """A point of the points list."""

    tag: str
    equipment: str
    quantity: str
    meaning: str
    unit: str = Field(description="Canonical: all values of the API are in it.")
    role: str
    device: str
    minimum: float | None
    maximum: float | None


class ActuatorView(BaseModel):
    """A setpoint that Isotherm may set."""

    id: str
    equipment: str
    quantity: str
    group: str
    device: str
    unit: str
    minimum: float
    maximum: float
    more_cooling: str = Field(description="`lower` or `higher` values cool more.")
    read_back: str


class RackView(BaseModel):
    """A rack and its limit."""

    id: str
    hall: str
    kind: str
    rated_kw: float
    units: list[str]
    limit_c: float
    recommended_c: float
    row: int
    position: int
    temperature_tag: str | None = Field(description="Of the temperature that the limit is about.")


class SiteView(BaseModel):
    """The site that this controller runs."""

    id: str
    name: str
    content_hash: str
    halls: list[str]
    racks: list[RackView]
    cooling_units: list[str]
    plant: list[str]
    actuators: list[ActuatorView]
    currency: str


class Latest(BaseModel):
    """The latest snapshot."""

    time_s: float
    time: str
    readings: Mapping[str, Reading]
    devices: Mapping[str, DeviceStatus]
    modes: Mapping[str, Mode]


class LeastRoom(BaseModel):
    """The rack with the least room below its limit."""

    rack: str
    room_k: float
    temperature_c: float


class Status(BaseModel):
    """How Isotherm is doing."""

    site: str
    time_s: float
    time: str
    modes: Mapping[str, int] = Field(description="Actuators by mode.")
    word: Mapping[str, str] = Field(
        description="Whether all is well: `state` (`well`, `look` or `act`), `head` and `text`."
    )
    gateway_error: str = Field(description="Why there is no word from the gateway, or nothing.")
    gateway: Mapping[str, Any] | None = Field(description="The gateway's own word.")
    snapshot_age_s: float | None
    plan_age_s: float | None
    least_room: LeastRoom | None = Field(description="The rack nearest to its limit.")
    pending_proposals: int
    overrides: int
    alarms: int
    run: Mapping[str, Any] = Field(description="Counts since the start of this process.")


class Outcome(BaseModel):
    """Who ended something, and why."""

    who: str
    role: str = ""
    why: str
    time_s: float


class MoveView(BaseModel):
    """One move beside the limits that the envelope holds it to."""

    actuator: str
    unit: str
    now: float = Field(
        description="In force: at this moment while it waits, else when it was proposed."
    )
    proposed: float
    minimum: float
    maximum: float
    is_left: bool = Field(
        description="Whether anything of it is left to do: not where the plant's own control has "
        "gone there already, or beyond."
    )
    rate_per_min: float = Field(description="Fastest change that way.")
    minutes: float = Field(description="The least time that the move takes at that rate.")
    cools_more: bool
    covered_by: str | None = Field(description="The standing approval that said yes in advance.")


class ProposalView(BaseModel):
    """A proposal, what was checked of it, and what became of it."""

    id: str
    state: str
    proposal: Proposal
    moves: list[MoveView]
    currency: str
    checked: list[str] = Field(description="What was checked before anybody was asked.")
    left_region: list[str] = Field(
        description="Readings that lie outside the region in which it holds, for one that waits: "
        "while there are any, it cannot be approved."
    )
    outcome: Outcome | None


class Approval(BaseModel):
    """A decision, and what became of its first commands."""

    decision: Decision
    receipts: list[Receipt] = Field(
        description="Empty while the gateway is away; then it is carried out when it is back."
    )
    waiting: list[str] = Field(
        description="Actuators that are written once others of the decision are in force: the "
        "worst case would refuse them before."
    )


class DecisionView(BaseModel):
    """A decision on record."""

    id: str
    version: int = Version
    state: str = Field(description="Who made it: `person` or `optimiser`; or `withdrawn`.")
    decision: Decision
    standing: str | None = Field(description="The standing approval that it came from.")
    reverses: str | None = Field(description="The decision that it takes back.")
    reversed_by: str | None = Field(description="The decision that took it back.")
    undo_until_s: float | None = Field(
        description="Until when it can be taken back; null where it cannot be."
    )
    outcome: Outcome | None


class StandingView(BaseModel):
    """A standing approval and what became of it."""

    id: str
    version: int = Version
    state: str = Field(description="`active`, `withdrawn` or `expired`.")
    standing: StandingApproval
    outcome: Outcome | None


class PersonYes(BaseModel):
    """One person's yes to a request."""

    who: str
    role: str
    why: str
    time: str


class RequestView(BaseModel):
    """What one person asked for and others have to agree to."""

    id: str
    version: int = Version
    state: str = Field(description="`pending`, `agreed`, `refused`, `expired` or `failed`.")
    what: str = Field(description="`mode` or `standing_approval`.")
    asked: Mapping[str, Any]
    who: str
    why: str
    expires_at_s: float
    approvals: list[PersonYes]
    needed: int = Field(description="So many different people have to say yes.")
    outcome: Outcome | None


class OverrideView(BaseModel):
    """An override and what became of it."""

    id: str
    version: int = Version
    state: str
    override: Override
    at_panel: bool = Field(description="Held at the machine: it is handed back there.")
    outcome: Outcome | None


class Placed(BaseModel):
    """Overrides that were just placed, one an actuator, and what became of their commands."""

    overrides: list[Override]
    receipts: list[Receipt]


class Modes(BaseModel):
    """Modes by actuator, as the gateway keeps them."""

    modes: Mapping[str, Mode]


class Released(BaseModel):
    """The gateway's answer to a release."""

    released: Mapping[str, Any]


class Entry(BaseModel):
    """A record: alarm, audit entry or the index of a tick."""

    id: str
    version: int = Version
    time_s: float
    time: str
    state: str
    body: Mapping[str, Any]


class Page(BaseModel):
    """Newest first; `next_before` asks for the page after."""

    next_before: int | None = Field(description="Send as `before`; null on the last page.")


class Proposals(Page):
    """Proposals, newest first."""

    items: list[ProposalView]


class Decisions(Page):
    """Decisions, newest first."""

    items: list[DecisionView]


class Standings(Page):
    """Standing approvals, newest first."""

    items: list[StandingView]


class Requests(Page):
    """Requests, newest first."""

    items: list[RequestView]


class Overrides(Page):
    """Overrides, newest first."""

    items: list[OverrideView]


class Entries(Page):
    """Records, newest first."""

    items: list[Entry]
