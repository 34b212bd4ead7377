"""What is asked of the plant and what became of it, from proposal to receipt.

``Proposal -> Decision -> Command -> Verdict -> Receipt``, and beside them the
`Override` of a person, which outranks every decision. All values are in the
canonical unit of their actuator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Mode(Enum):
    """How far Isotherm may go with an actuator. The gateway owns it."""

    OFF = "off"
    SHADOW = "shadow"
    ADVISORY = "advisory"
    AUTOMATIC = "automatic"

    @property
    def writes(self) -> bool:
        """Whether permits exist at all in this mode."""
        return self in (Mode.ADVISORY, Mode.AUTOMATIC)


class Origin(Enum):
    """Where a command comes from; budgets and dead bands bind `OPTIMISER` alone."""

    OPTIMISER = "optimiser"
    PERSON = "person"
    SAFETY = "safety"


class WriteKind(Enum):
    """The kinds of write that exist. A release is never refused."""

    SETPOINT = "setpoint"
    HEARTBEAT = "heartbeat"
    ENABLE = "enable"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Move:
    """One actuator's setpoint, now and as proposed."""

    actuator: str
    now: float
    proposed: float


@dataclass(frozen=True, slots=True)
class Band:
    """A predicted quantity over the plan's steps with a 90 % band."""

    name: str
    unit: str
    times_s: tuple[float, ...]
    expected: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A constraint of the plan that binds, by name, with what it costs."""

    constraint: str
    shadow_price: float
    """Cost saved an hour for each unit that the constraint gives way."""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a plan's moves of one quantity are for: the plan against the plan without them."""

    quantity: str
    groups: tuple[str, ...]
    """Actuator groups that move."""
    saving_kw: float
    """Electric power that would be drawn besides without them, a mean over the horizon; negative:
    what they cost."""
    room_k: float
    """Of the plan: least room of any rack to its limit less the margin for error."""
    room_without_k: float
    """The same without these moves."""
    stopped_by: str = ""
    """The constraint that keeps them from going further, as among what binds; empty where none
    does, and more would cost more than it saves."""
    shadow_price: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A limit that a plan cannot keep, and what keeps the setpoints from cooling more in time."""

    constraint: str
    excess: float
    """Above the limit less the margin, at the highest."""
    unit: str
    from_s: float
    until_s: float
    held_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """A tag and the values of it between which a proposal holds."""

    tag: str
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Recheck:
    """What the models expect of a proposal that waits, from the plant as it is later on.

    What is left of its moves is made at the rates allowed and then held.
    """

    time_s: float
    saving_kw: float
    """Mean over the horizon against holding still; negative: it costs so much."""
    saving_per_day: float
    """The same in the site's currency, a day."""
    room_k: float
    """Least room of any rack to its limit less the margin for error, over the next hour."""
    worst_rack: str
    """The rack that has the least."""
    objection: str = ""
    """Why it should not be approved any more; empty while it may."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the optimiser would do now, with all that a person needs to judge it."""

    id: str
    plan_hash: str
    created_at_s: float
    expires_at_s: float
    moves: tuple[Move, ...]
    saving_kw: float
    """Expected mean saving of electric power over the horizon against holding still."""
    saving_per_day: float
    """The same in the site's currency, a day."""
    bands: tuple[Band, ...]
    """Predicted for the proposal."""
    bands_now: tuple[Band, ...]
    """Predicted for the setpoints as they are."""
    binding: tuple[Binding, ...]
    region: tuple[Bound, ...]
    """The proposal holds while these readings stay within these bounds."""
    model_version: str
    solver: str
    """Which link of the fallback chain made the plan."""
    verified: bool
    reasons: tuple[str, ...] = ()
    holds: tuple[Move, ...] = ()
    """Setpoints in automatic that stay as they are, on devices that are not held yet: the
    mode's decision takes these over at the value in force."""
    effects: tuple[Effect, ...] = ()
    """By quantity that moves: what it saves, and what would be without it."""
    shortfalls: tuple[Shortfall, ...] = ()
    """Limits that cannot be kept in time whatever is done."""
    recheck: Recheck | None = None
    """While it stands: as looked at again at the last control step."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Somebody's, or the mode's, yes to a proposal: the authority of its commands."""

    id: str
    proposal: str
    plan_hash: str
    origin: Origin
    who: str
    why: str
    moves: tuple[Move, ...]
    decided_at_s: float
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class Override:
    """A person's own setpoint for an actuator, held until it ends or is released."""

    id: str
    actuator: str
    value: float
    who: str
    why: str
    starts_at_s: float
    expires_at_s: float


@dataclass(frozen=True, slots=True)
class Command:
    """A request to write one actuator's setpoint, under a named authority."""

    id: str
    actuator: str
    value: float
    origin: Origin
    authority: str
    """The id of the decision or override that it carries out."""
    plan_hash: str
    """Of the decided plan; empty for an override."""
    issued_at_s: float
    expires_at_s: float


class Outcome(Enum):
    """The envelope's answer."""

    ALLOW = "allow"
    LIMIT = "limit"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The envelope's answer to a command, with the check that bound and what it saw.

    ``value`` is what may be written: the command's own (allow), a safer one
    (limit), or None (refuse: no byte is sent).
    """

    outcome: Outcome
    value: float | None
    check: str
    detail: str
    saw: Mapping[str, float] = field(default_factory=dict)


class WriteResult(Enum):
    """What became of a write."""

    WRITTEN = "written"
    REFUSED = "refused"
    UNCHANGED = "unchanged"
    """The device holds this value already; nothing was sent."""
    FAILED = "failed"
    """Sent or not, the device did not confirm it by the deadline."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a command."""

    command: str
    actuator: str
    verdict: Verdict
    result: WriteResult
    written: float | None
    read_back: float | None
    time_s: float
    note: str = ""
