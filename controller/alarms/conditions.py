"""When the plant or Isotherm asks for somebody: pure predicates over one moment.

An alarm asks for an action; what asks for none is an event (ISA-18.2). Each condition names the
action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from facility.clock import iso
from facility.site import Site
from facility.telemetry import Snapshot

PLAN_MISSED_S = 900.0
"""Three ticks."""


FLOOD = 3
"""More alarms of one kind than this are told as one."""


class Priority(Enum):
    """How soon somebody must act: about 5, 15 and 80 % of alarms (ISA-18.2)."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is so now."""

    id: str
    """The same for the same cause, so that it is one alarm while it lasts."""
    priority: Priority
    text: str
    action: str


@dataclass(frozen=True, slots=True)
class Health:
    """How Isotherm itself does."""

    gateway_error: str
    plan_age_s: float | None
    plan_expected: bool
    """Whether there has been time for a plan."""


def conditions(
    site: Site, snapshot: Snapshot | None, health: Health, now_s: float
) -> Iterator[Condition]:
    """Everything that asks for somebody now."""
    if health.gateway_error:
        yield Condition(
            "gateway",
            Priority.HIGH,
            f"no word from the gateway: {health.gateway_error}",
            "check that the gateway runs; the plant is in its own control until it does",
        )
    if health.plan_expected and (health.plan_age_s is None or health.plan_age_s > PLAN_MISSED_S):
        since = "yet" if health.plan_age_s is None else f"since {iso(now_s - health.plan_age_s)}"
        yield Condition(
            "plan",
            Priority.MEDIUM,
            f"no plan was made {since}",
            "look at the notes of the last ticks; the plant is given back when the plan is too old",
        )
    if snapshot is not None:
        yield from _racks(site, snapshot)
        yield from _devices(snapshot)


def _racks(site: Site, snapshot: Snapshot) -> Iterator[Condition]:
    for rack in site.racks.values():
        tag = site.tag(rack.id, rack.limited_temperature)
        value_c = snapshot.good(tag) if tag else None
        if value_c is not None and value_c > rack.limit_c:
            yield Condition(
                f"limit:{rack.id}",
                Priority.HIGH,
                f"rack {rack.id}: {rack.limited_temperature.replace('_', ' ')} is {value_c:.1f} °C,"
                f" above its limit of {rack.limit_c:.1f} °C",
                f"give cooling to {' and '.join(rack.units[:2]) or 'the rack'}, or take load off",
            )


def _devices(snapshot: Snapshot) -> Iterator[Condition]:
    silent = [status for status in snapshot.devices.values() if not status.connected]
    if len(silent) > FLOOD:
        # One cause has most likely silenced them all: one alarm, one thing to do.
        names = ", ".join(status.device for status in silent[:FLOOD])
        yield Condition(
            "devices",
            Priority.HIGH,
            f"{len(silent)} of {len(snapshot.devices)} devices do not answer: {names} ...",
            "check the control network; the devices are in their own control meanwhile",
        )
        return
    for status in silent:
        yield Condition(
            f"device:{status.device}",
            Priority.MEDIUM,
            f"device {status.device} does not answer{': ' if status.note else ''}{status.note}",
            "check its network and power; it is in its own control meanwhile",
        )
