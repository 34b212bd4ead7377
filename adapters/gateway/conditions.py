"""What the gateway itself sees that asks for somebody: the raw conditions of alarms.

Priorities, acknowledgement and shelving are the controller's (`controller.alarms`); that these are
so is told with every snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapters.gateway.core import Core
from facility.points import Point, SafeDirection
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.telemetry import Condition, Priority, Snapshot

FLOOD = 3
"""More devices than this that went back for one reason are told as one."""
ACTIVE = {
    # quantity: (priority, what to do)
    "fire_alarm": (Priority.HIGH, "follow the fire plan; the plant is in its own control"),
    "emergency_power_off": (Priority.HIGH, "follow the site's plan for a power-off"),
    "leak": (Priority.HIGH, "find the leak and isolate it; the device is in its own control"),
    "generator_running": (
        Priority.LOW,
        "nothing while the generator runs; Isotherm lets go of the plant meanwhile",
    ),
}
"""Contacts that are an alarm while they show 1; those with a safe direction are besides."""
MEANWHILE = {
    SafeDirection.TOWARDS: "only more cooling is written meanwhile",
    SafeDirection.AWAY: "only less cooling is written meanwhile",
    SafeDirection.HOLD: "nothing is moved meanwhile",
    SafeDirection.RELEASE: "the device is in its own control",
}
"""What the envelope does while an alarm of the plant lasts."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A point of the plant that is an alarm while it shows 1."""

    tag: str
    condition: Condition


def contacts_of(site: Site) -> tuple[Contact, ...]:
    """The contacts of a site, in the order of its points list."""
    found = ((point, _asks(point)) for point in site.points.values())
    return tuple(
        Contact(
            point.tag,
            Condition(
                f"plant:{point.tag}", asks[0], f"{point.equipment}: {_meaning(point)}", asks[1]
            ),
        )
        for point, asks in found
        if asks is not None
    )


def conditions_of(
    core: Core, contacts: Iterable[Contact], snapshot: Snapshot
) -> Iterator[Condition]:
    """Everything at this moment, each with what to do."""
    if doubt := core.limit_book.doubt:
        yield Condition(
            "limits",
            Priority.MEDIUM,
            f"nothing is written: {doubt}",
            "compare the site files with what was agreed; approve with two people, or restore",
        )
    yield from _given_back(core)
    yield from _no_way_out(core)
    for contact in contacts:
        if snapshot.good(contact.tag) == 1.0:
            yield contact.condition


def _meaning(point: Point) -> str:
    meaning = QUANTITIES[point.quantity].meaning
    return meaning.removeprefix("1 while ").removeprefix("1 where ")


def _asks(point: Point) -> tuple[Priority, str] | None:
    """How much a contact matters and what to do about it; None where it is none."""
    if point.quantity in ACTIVE:
        return ACTIVE[point.quantity]
    if point.safe_direction is None:
        return None
    way = MEANWHILE[point.safe_direction]
    return Priority.MEDIUM, f"look after {point.equipment}; {way}"


def _no_way_out(core: Core) -> Iterator[Condition]:
    """Setpoints of the plant's own that lie outside a limit while we hold it, by check."""
    by_check: dict[str, list[str]] = {}
    for actuator, verdict in core.fallbacks.items():
        by_check.setdefault(verdict.check, []).append(actuator)
    for check, actuators in by_check.items():
        yield Condition(
            f"fallback:{check}",
            Priority.LOW,
            f"if it were given back now, the plant's own setpoint of {_some(actuators)} would be "
            f"outside a limit ({check}): {core.fallbacks[actuators[0]].detail}",
            "set the plant's own setpoints within the limits; letting go is no way out until then",
        )


def _given_back(core: Core) -> Iterator[Condition]:
    """Devices that were given back and stay so until somebody arms them, by reason."""
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for device, hold in core.holds.items():
        if hold.latch is not None:
            key = (hold.latch.why, hold.latch.needs_person)
            by_reason.setdefault(key, []).append(device)
    for (why, needs_person), devices in by_reason.items():
        action = (
            "when the reason is mended: `isotherm arm`, then set the mode"
            if needs_person
            else "look for the reason; it is armed again by rule after a while"
        )
        yield Condition(
            f"given_back:{devices[0]}" if len(devices) <= FLOOD else f"given_back:{why[:60]}",
            # What a person took back on purpose, or holds at the panel, is in good hands.
            Priority.LOW if needs_person else Priority.MEDIUM,
            f"{_some(devices)} went back to local control: {why}",
            action,
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - FLOOD} more" if len(names) > FLOOD else ""
    return ", ".join(names[:FLOOD]) + more
