"""The hall from above: every rack's temperature and its room below the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from controller.console import words
from controller.service.moment import NEAR_K
from facility.equipment import Rack
from facility.site import Site
from facility.telemetry import Quality, Snapshot

KINDS = {
    "air": "air-cooled",
    "direct_to_chip": "direct-to-chip",
    "rear_door": "rear door",
    "immersion": "immersion",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One rack. ``state``: ``ok``, ``near`` its limit, ``over`` it, or ``old`` (no good value)."""

    rack: str
    tag: str
    value_c: float | None
    room_k: float | None
    limit_c: float
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of racks, with what they have in common."""

    number: int
    kind: str
    quantity: str
    limit_c: float
    units: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HallMap:
    """One hall."""

    id: str
    name: str
    rows: tuple[Row, ...]


def state_of(room_k: float | None, good: bool) -> str:
    """How a rack stands; the page's script judges by the same rule."""
    if room_k is None or not good:
        return "old"
    return "over" if room_k < 0.0 else "near" if room_k < NEAR_K else "ok"


def halls(site: Site, snapshot: Snapshot | None) -> list[HallMap]:
    """Every hall, row by row."""
    found = []
    for hall in site.halls.values():
        racks = sorted(
            (r for r in site.racks.values() if r.hall == hall.id),
            key=lambda r: (r.row, r.position),
        )
        rows = [_row(site, snapshot, number, list(g)) for number, g in groupby(racks, _number)]
        found.append(HallMap(hall.id, hall.name, tuple(rows)))
    return found


def _number(rack: Rack) -> int:
    return rack.row


def _row(site: Site, snapshot: Snapshot | None, number: int, racks: list[Rack]) -> Row:
    kinds = dict.fromkeys(KINDS.get(r.kind.value, r.kind.value) for r in racks)
    units = list(dict.fromkeys(r.units[0] for r in racks if r.units))
    return Row(
        number=number,
        kind=", ".join(kinds),
        quantity=", ".join(dict.fromkeys(words.quantity(r.limited_temperature) for r in racks)),
        limit_c=min(r.limit_c for r in racks),
        units=units[0] if len(units) == 1 else f"{units[0]} to {units[-1]}" if units else "",
        cells=tuple(_cell(site, snapshot, rack) for rack in racks),
    )


def _cell(site: Site, snapshot: Snapshot | None, rack: Rack) -> Cell:
    tag = site.tag(rack.id, rack.limited_temperature) or ""
    reading = None if snapshot is None else snapshot.reading(tag)
    value = None if reading is None else reading.value
    room = None if value is None else rack.limit_c - value
    good = reading is not None and reading.quality is Quality.GOOD
    return Cell(rack.id, tag, value, room, rack.limit_c, state_of(room, good))


def device_words(snapshot: Snapshot | None) -> Mapping[str, int]:
    """How many devices are held, in their own control, or without connection."""
    counts = {"held": 0, "local": 0, "lost": 0}
    for status in snapshot.devices.values() if snapshot else ():
        if not status.connected:
            counts["lost"] += 1
        elif status.authority.value == "remote":
            counts["held"] += 1
        else:
            counts["local"] += 1
    return counts
