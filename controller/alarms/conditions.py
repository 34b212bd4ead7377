"""When the plant or Isotherm asks for somebody: pure predicates over one moment.

An alarm asks for an action; what asks for none is an event (ISA-18.2). Each condition names the
action.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from facility.clock import iso
from facility.site import Site
from facility.telemetry import Condition, Priority, Snapshot

PLAN_MISSED_S = 900.0
"""Three ticks."""


FLOOD = 3
"""More alarms of one kind than this are told as one."""
DEAD_BAND_K = 0.5
"""An alarm of a temperature goes once it is so far under its limit. Our own choice: a few times
the noise of a rack's sensor."""


@dataclass(frozen=True, slots=True)
class Health:
    """How Isotherm itself does."""

    gateway_error: str
    plan_age_s: float | None
    plan_expected: bool
    """Whether there has been time for a plan."""


def conditions(
    site: Site,
    snapshot: Snapshot | None,
    health: Health,
    now_s: float,
    raised: Collection[str] = (),
) -> Iterator[Condition]:
    """Everything that asks for somebody now.

    Parameters
    ----------
    raised
        Ids of conditions that last: they go by their dead band.
    """
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
        yield from _racks(site, snapshot, raised)
        yield from _devices(snapshot)
        yield from snapshot.conditions


def _racks(site: Site, snapshot: Snapshot, raised: Collection[str]) -> Iterator[Condition]:
    for rack in site.racks.values():
        tag = site.tag(rack.id, rack.limited_temperature)
        value_c = snapshot.good(tag) if tag else None
        name = f"limit:{rack.id}"
        goes_c = rack.limit_c - (DEAD_BAND_K if name in raised else 0.0)
        if value_c is not None and value_c > goes_c:
            yield Condition(
                name,
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
