"""What requests carry. Values are in the canonical unit of their point."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from facility.commands import Mode

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Of an actuator or a group; half a surrogate pair is refused with the length."""

Why = Field(min_length=1, max_length=2000, description="The reason; it is kept in the audit.")


class Request(BaseModel):
    """A body; a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid")


class ApprovalRequest(Request):
    """Yes to a proposal, or to part of it."""

    why: str = Field("", max_length=2000, description="A note for the audit.")
    actuators: list[Name] | None = Field(
        None, description="Those to move; by default all that are in advisory mode."
    )
    share: float = Field(1.0, gt=0.0, le=1.0, description="Of each move that is made.")


class RejectionRequest(Request):
    """No to a proposal."""

    why: str = Why


class OverrideRequest(Request):
    """A person's own setpoint."""

    target: Name = Field(description="An actuator, or a group of them.")
    value: float = Field(allow_inf_nan=False, description="In the actuator's canonical unit.")
    lasts_s: float = Field(gt=0.0, description="Seconds of plant time until it ends by itself.")
    why: str = Why


class EndRequest(Request):
    """The end of an override before its time."""

    why: str = Why


class ModeRequest(Request):
    """How far Isotherm may go."""

    mode: Mode
    actuators: list[Name] | None = Field(None, min_length=1, description="By default all.")
    why: str = Why


class ReleaseRequest(Request):
    """The plant back to its own control."""

    actuators: list[Name] | None = Field(None, min_length=1, description="By default all.")
    why: str = Why


class ArmingRequest(Request):
    """The latches of a release lifted; modes are set anew after that."""

    why: str = Why


class LimitsApprovalRequest(Request):
    """A yes to limits that are wider than those agreed to."""

    hash: str = Field(description="Of the limits that were read, from `GET /v1/limits`.")
    why: str = Why


class AcknowledgementRequest(Request):
    """Somebody has seen an alarm."""

    note: str = Field("", max_length=2000)


class ShelvingRequest(Request):
    """An alarm put aside for a while."""

    lasts_s: float = Field(gt=0.0, description="Seconds; twelve hours at most.")
    why: str = Why


class StandingRequest(Request):
    """A yes in advance, within stated bounds."""

    targets: list[Name] = Field(
        min_length=1, max_length=1000, description="Actuators, or groups of them."
    )
    largest_step: float = Field(
        gt=0.0, lt=1e6, description="Of one move, in the actuator's canonical unit.", examples=[1.0]
    )
    reach: float | None = Field(
        None,
        gt=0.0,
        lt=1e6,
        description="How far from the value in force now it may be moved in all; by default one "
        "step.",
    )
    from_hour: str = Field("00:00", max_length=5, description="`HH:MM`.", examples=["08:00"])
    to_hour: str = Field("00:00", max_length=5, description="Equal hours: the whole day.")
    time_zone: str = Field("UTC", max_length=64, examples=["Europe/Berlin"])
    expires: str = Field(max_length=64, description="ISO 8601 or POSIX seconds, in plant time.")
    why: str = Why


class AgreementRequest(Request):
    """One person's yes."""

    why: str = Field("", max_length=2000, description="A note for the audit.")
