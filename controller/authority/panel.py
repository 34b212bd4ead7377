"""A change at the panel counts as an override: somebody at the machine outranks everybody here.

The gateway lets go of a device that another hand has taken, and says so in the device's note. It
is written down as an override of each of its setpoints, at the value that the machine shows, so
that it is seen and planned around. It is not ours to write or to end: it ends when the machine is
handed back and armed again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.authority.audit import entry
from controller.authority.roles import Actor, Scope
from controller.storage.ports import Kind, Record
from facility.commands import Override
from facility.site import Site
from facility.telemetry import Snapshot
from facility.wire import to_wire

PANEL = "panel"
LASTS_S = 7 * 24 * 3600.0
"""What is held at a panel for longer belongs in mode off."""
_BY_HAND = re.compile(r"latched: (other_hand|local_control): ")
"""What the gateway says of a device that another hand holds (`adapters.gateway.core.BY_HAND`)."""


def held_by_hand(site: Site, snapshot: Snapshot) -> dict[str, str]:
    """By actuator: the gateway's reason, where a person holds its device at the machine."""
    return {
        actuator.id: status.note.removeprefix("latched: ")
        for device, status in snapshot.devices.items()
        if not status.armed and _BY_HAND.match(status.note)
        for actuator in site.device_actuators(device)
    }


def is_at_panel(override: Override) -> bool:
    """Whether an override is one at the machine, which we neither write nor end."""
    return override.id.startswith(f"{PANEL}-")


def seen_at_panel(
    site: Site, snapshot: Snapshot, standing: Iterable[Override], now_s: float
) -> tuple[list[Record], dict[str, float], list[Override]]:
    """What has changed at the machines since the last look.

    Returns
    -------
    The records to be added, the new value by override id where a machine shows another one, and
    the overrides that have ended.
    """
    held = held_by_hand(site, snapshot)
    known = {override.actuator: override for override in standing if is_at_panel(override)}
    others = {override.actuator for override in standing if not is_at_panel(override)}
    add: list[Record] = []
    moved: dict[str, float] = {}
    for actuator_id, why in held.items():
        actuator = site.actuators[actuator_id]
        value = snapshot.good(actuator.read_back)
        before = known.get(actuator_id)
        if value is None or actuator_id in others:
            continue
        if before is None:
            add += _records(actuator_id, actuator.device, value, why, now_s)
        elif abs(value - before.value) > actuator.tolerance:
            moved[before.id] = value
    ended = [override for actuator, override in known.items() if actuator not in held]
    return add, moved, ended


def _records(
    actuator: str, device: str, value: float, why: str, now_s: float
) -> tuple[Record, Record]:
    who = Actor(f"panel of {device}", Scope.OPERATOR, device)
    override = Override(
        f"{PANEL}-{uuid.uuid4().hex[:12]}", actuator, value, who.name, why, now_s, now_s + LASTS_S
    )
    body: Mapping[str, object] = {"override": to_wire(override)}
    return (
        Record(Kind.OVERRIDE, override.id, now_s, body, state="active"),
        entry(who, "overrode", f"override {override.id}", why, now_s, body),
    )


def at_value(record: Record, value: float) -> Record:
    """An override's record with the value that the machine shows now."""
    body = {**record.body, "override": {**record.body["override"], "value": value}}
    return replace(record, body=body)
