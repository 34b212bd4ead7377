"""Every setpoint that Isotherm may set: in force, by whom, in which mode; and its overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.authority.overrides import override_of
from controller.console import words
from controller.storage.ports import Record
from facility.commands import Mode, Override
from facility.site import Site
from facility.telemetry import Authority, Snapshot


@dataclass(frozen=True, slots=True)
class SetpointLine:
    """One setpoint."""

    actuator: str
    name: str
    group: str
    unit: str
    tag: str
    in_force: float | None
    minimum: float
    maximum: float
    mode: str
    held_by: str
    override: Override | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a person may override: one setpoint, or a group that carries one value."""

    id: str
    label: str
    unit: str
    minimum: float
    maximum: float
    now: float | None


HELD = {Authority.LOCAL: "its own control", Authority.REMOTE: "Isotherm"}


def setpoints(
    site: Site, snapshot: Snapshot | None, overrides: Sequence[Override]
) -> list[SetpointLine]:
    """In the order of the points list."""
    held = {override.actuator: override for override in overrides}
    lines = []
    for actuator in site.actuators.values():
        status = snapshot.devices.get(actuator.device) if snapshot else None
        who = "not known" if status is None else HELD.get(status.authority, "not known")
        if status is not None and not status.connected:
            who = "no connection"
        mode = snapshot.modes.get(actuator.id, Mode.SHADOW) if snapshot else None
        lines.append(
            SetpointLine(
                actuator=actuator.id,
                name=words.actuator(actuator.id),
                group=actuator.group,
                unit=words.unit(actuator.unit),
                tag=actuator.read_back,
                in_force=snapshot.good(actuator.read_back) if snapshot else None,
                minimum=actuator.minimum,
                maximum=actuator.maximum,
                mode=mode.value if mode else words.ABSENT,
                held_by=who,
                override=held.get(actuator.id),
            )
        )
    return lines


def targets(site: Site, snapshot: Snapshot | None) -> list[Target]:
    """Groups of several first, then every setpoint."""
    found = []
    for group, members in site.groups.items():
        if len(members) > 1:
            one = members[0]
            now = snapshot.good(one.read_back) if snapshot else None
            label = f"{group.partition('.')[0]} {words.quantity(one.quantity)}, all {len(members)}"
            unit = words.unit(one.unit)
            found.append(Target(group, label, unit, one.minimum, one.maximum, now))
    for actuator in site.actuators.values():
        now = snapshot.good(actuator.read_back) if snapshot else None
        found.append(
            Target(
                actuator.id,
                words.actuator(actuator.id),
                words.unit(actuator.unit),
                actuator.minimum,
                actuator.maximum,
                now,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class OverrideLine:
    """One override, on the list or gone."""

    id: str
    version: int
    name: str
    unit: str
    state: str
    override: Override
    ended: str
    """Who ended it and why, or nothing."""


def override_lines(site: Site, records: Sequence[Record]) -> list[OverrideLine]:
    """Records of overrides for the page."""
    lines = []
    for record in records:
        override = override_of(record)
        actuator = site.actuators.get(override.actuator)
        outcome = record.body.get("outcome")
        ended = f"{outcome['who']}: {outcome['why']}" if outcome else ""
        unit = words.unit(actuator.unit) if actuator else ""
        name = words.actuator(override.actuator)
        lines.append(
            OverrideLine(record.id, record.version, name, unit, record.state, override, ended)
        )
    return lines
