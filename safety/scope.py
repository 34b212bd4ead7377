"""What belongs to what in a site: racks that a unit serves, its loop, its halls, its sensors."""

from __future__ import annotations

from collections.abc import Iterable

from facility.equipment import CDU, CRAH, CoolingLoop, Rack
from facility.points import Point
from facility.site import Site
from safety.guards import Sensor, Watch

TOWER_WATER = "tower_water"
"""The loop between towers and condensers."""
EVERYWHERE = "site"
"""The equipment of what concerns the whole site: a fire alarm, the generator."""


def racks_served(site: Site, equipment: str) -> tuple[Rack, ...]:
    """The racks that a unit, or the loop of a unit, cools; of a loop with none of its own, all.

    A loop also serves the loops that it trims; a chiller or a storage tank is its loop.
    """
    if equipment in site.chillers:
        equipment = site.chillers[equipment].loop
    if equipment in site.storage_tanks:
        equipment = site.storage_tanks[equipment].loop
    if equipment in site.cdus or equipment in site.crahs:
        units = {equipment}
    else:
        loops = {equipment} | {loop.id for loop in site.loops.values() if loop.trim == equipment}
        members: tuple[CDU | CRAH, ...] = (*site.cdus.values(), *site.crahs.values())
        units = {unit.id for unit in members if unit.loop in loops}
    served = tuple(rack for rack in site.racks.values() if units & set(rack.units))
    return served or tuple(site.racks.values())


def sensor(site: Site, point: Point) -> Sensor:
    """``point`` as a sensor: stale after the site's missed scans and the time of a reply."""
    device = site.devices[point.device]
    return Sensor(point.tag, site.gateway.stale_scans * device.scan_s + device.timeout_s)


def find(site: Site, equipment: str, quantity: str) -> Sensor | None:
    """The sensor of a quantity of a piece of equipment; None where it is not measured."""
    tag = site.tag(equipment, quantity)
    return None if tag is None else sensor(site, site.points[tag])


def watch(of: Sensor, threshold: float) -> Watch:
    """A sensor with the threshold that its reading must not cross."""
    return Watch(of.tag, of.max_age_s, threshold)


def loop_of(site: Site, equipment: str) -> CoolingLoop | None:
    """The facility loop that a loop, chiller or storage tank is or belongs to; None for others."""
    member = site.chillers.get(equipment) or site.storage_tanks.get(equipment)
    return site.loops.get(equipment if member is None else member.loop)


def dew_points(site: Site, racks: Iterable[Rack]) -> dict[str, tuple[Point, ...]]:
    """By hall of ``racks``: its dew-point sensors, of the room or of equipment in it."""
    halls: dict[str, set[str]] = {}
    for rack in racks:
        halls.setdefault(rack.hall, {rack.hall}).add(rack.id)
    units: tuple[CDU | CRAH, ...] = (*site.cdus.values(), *site.crahs.values())
    for unit in units:
        if unit.hall in halls:
            halls[unit.hall].add(unit.id)
    points = [p for p in site.points.values() if p.quantity == "dew_point_temperature"]
    return {
        hall: tuple(point for point in points if point.equipment in members)
        for hall, members in halls.items()
    }


def concerns(site: Site, equipment: str, device: str, racks: Iterable[Rack]) -> tuple[str, ...]:
    """The equipment whose alarms concern an actuator: its own, what it serves, and the site."""
    chiller = site.chillers.get(equipment)
    halls = dict.fromkeys(rack.hall for rack in racks)
    own = (equipment, device, *(() if chiller is None else (chiller.loop,)))
    return tuple(dict.fromkeys((*own, *halls, *(rack.id for rack in racks), EVERYWHERE)))
