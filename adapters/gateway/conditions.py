"""What the gateway itself sees that asks for somebody: the raw conditions of alarms.

Priorities, acknowledgement and shelving are the controller's (`controller.alarms`); that these are
so is told with every snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.gateway.core import Core
from facility.points import Point
from facility.quantities import QUANTITIES
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


def conditions_of(core: Core, snapshot: Snapshot) -> Iterator[Condition]:
    """Everything at this moment, each with what to do."""
    if doubt := core.limit_book.doubt:
        yield Condition(
            "limits",
            Priority.MEDIUM,
            f"nothing is written: {doubt}",
            "compare the site files with what was agreed; approve with two people, or restore",
        )
    yield from _given_back(core)
    for point in core.site.points.values():
        told = _contact(point)
        if told is not None and snapshot.good(point.tag) == 1.0:
            priority, action = told
            meaning = (
                QUANTITIES[point.quantity].meaning.removeprefix("1 while ").removeprefix("1 where ")
            )
            yield Condition(f"plant:{point.tag}", priority, f"{point.equipment}: {meaning}", action)


def _contact(point: Point) -> tuple[Priority, str] | None:
    if point.quantity in ACTIVE:
        return ACTIVE[point.quantity]
    if point.safe_direction is not None:
        way = {
            "towards": "only more cooling is written meanwhile",
            "away": "only less cooling is written meanwhile",
            "hold": "nothing is moved meanwhile",
            "release": "the device is in its own control",
        }[point.safe_direction.value]
        return Priority.MEDIUM, f"look after {point.equipment}; {way}"
    return None


def _given_back(core: Core) -> Iterator[Condition]:
    """Devices that were given back and stay so until somebody arms them, by reason."""
    by_reason: dict[tuple[str, bool], list[str]] = {}
    for device, hold in core.holds.items():
        if hold.latch is not None:
            key = (hold.latch.why, hold.latch.needs_person)
            by_reason.setdefault(key, []).append(device)
    for (why, needs_person), devices in by_reason.items():
        shown = ", ".join(devices[:FLOOD])
        more = f" and {len(devices) - FLOOD} more" if len(devices) > FLOOD else ""
        action = (
            "when the reason is mended: `isotherm arm`, then set the mode"
            if needs_person
            else "look for the reason; it is armed again by rule after a while"
        )
        yield Condition(
            f"given_back:{devices[0]}" if len(devices) <= FLOOD else f"given_back:{why[:60]}",
            # What a person took back on purpose, or holds at the panel, is in good hands.
            Priority.LOW if needs_person else Priority.MEDIUM,
            f"{shown}{more} went back to local control: {why}",
            action,
        )
