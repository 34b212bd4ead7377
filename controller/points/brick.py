"""A site as a graph of the Brick schema 1.4, in Turtle."""

from __future__ import annotations

from urllib.parse import quote

from rdflib import RDF, RDFS, Graph, Literal, Namespace, URIRef

from facility.equipment import RackKind
from facility.points import Point
from facility.quantities import QUANTITIES
from facility.site import Site
from facility.units import Kind

BRICK = Namespace("https://brickschema.org/schema/Brick#")
REC = Namespace("https://w3id.org/rec#")
"""RealEstateCore: Brick 1.4 leaves places to it."""
OURS = Namespace("urn:isotherm:vocabulary#")
UNIT = Namespace("http://qudt.org/vocab/unit/")
QUDT_UNIT = URIRef("http://qudt.org/schema/qudt/Unit")

QUDT_NAMES = {
    Kind.TEMPERATURE: "DEG_C",
    Kind.TEMPERATURE_DIFFERENCE: "K",
    Kind.POWER: "KiloW",
    Kind.ENERGY: "KiloW-HR",
    Kind.PRESSURE: "KiloPA",
    Kind.FLOW: "L-PER-SEC",
    Kind.PERCENT: "PERCENT",
    Kind.TIME: "SEC",
}
"""Unit of the canonical value, in the vocabulary that Brick uses; counts and states have none."""


def turtle(site: Site) -> str:
    """The site's equipment, points, and what feeds what.

    Brick 1.4 has no class for a coolant distribution unit: it is a heat exchanger here, as is
    its secondary loop's only machine.
    """
    return graph(site).serialize(format="turtle")


def graph(site: Site) -> Graph:
    """The graph that `turtle` writes. Names are ``urn:isotherm:SITE#id``."""
    found = Graph()
    here = Namespace(f"urn:isotherm:{quote(site.id, safe='')}#")
    found.bind("brick", BRICK)
    found.bind("rec", REC)
    found.bind("isotherm", OURS)
    found.bind("unit", UNIT)
    found.bind("", here)
    _equipment(site, found, here)
    equipment = {*site.racks, *site.cdus, *site.crahs, *site.chillers, *site.towers}
    equipment |= set(site.storage_tanks)
    for point in site.points.values():
        node = _name(here, f"point:{point.tag}")
        found.add((node, RDF.type, BRICK[_class(point)]))
        found.add((node, RDFS.label, Literal(point.tag)))
        if point.note:
            found.add((node, RDFS.comment, Literal(point.note)))
        kind = QUANTITIES[point.quantity].kind
        if kind in QUDT_NAMES:
            found.add((node, BRICK.hasUnit, UNIT[QUDT_NAMES[kind]]))
            # So that the graph is complete without the vocabulary of units.
            found.add((UNIT[QUDT_NAMES[kind]], RDF.type, QUDT_UNIT))
        owner = point.equipment
        if owner in equipment:
            found.add((node, BRICK.isPointOf, _name(here, owner)))
        elif owner in site.loops:
            found.add((node, BRICK.isPointOf, _name(here, f"header:{owner}")))
        elif owner in site.devices:
            found.add((node, BRICK.isPointOf, _name(here, f"device:{owner}")))
        else:
            # Brick's own shape of isPointOf still asks for its old classes of places.
            place = owner if owner in site.halls else site.id
            found.add((node, REC.isPointOf, _name(here, place)))
    return found


def _equipment(site: Site, found: Graph, here: Namespace) -> None:
    def add(name: str, kind: str, label: str = "", words: Namespace = BRICK) -> URIRef:
        node = _name(here, name)
        found.add((node, RDF.type, words[kind]))
        found.add((node, RDFS.label, Literal(label or name)))
        return node

    whole = add(site.id, "Site", site.name, REC)
    for hall in site.halls.values():
        room = add(hall.id, "DataServerRoom", hall.name, REC)
        found.add((whole, REC.hasPart, room))
    for loop in site.loops.values():
        # A loop is a collection of equipment; what is measured in it is measured at its header.
        header = add(f"header:{loop.id}", "HVAC_Equipment", f"header of {loop.id}")
        found.add((add(loop.id, "Water_Loop"), REC.includes, header))
    for cdu in site.cdus.values():
        node = add(cdu.id, "Heat_Exchanger", f"coolant distribution unit {cdu.id}")
        found.add((node, REC.locatedIn, _name(here, cdu.hall)))
        found.add((_name(here, cdu.loop), REC.includes, node))
    for crah in site.crahs.values():
        node = add(crah.id, "Computer_Room_Air_Handler")
        found.add((node, REC.locatedIn, _name(here, crah.hall)))
        found.add((_name(here, crah.loop), REC.includes, node))
    for chiller in site.chillers.values():
        node = add(chiller.id, "Chiller")
        found.add((_name(here, chiller.loop), REC.includes, node))
    for tank in site.storage_tanks.values():
        node = add(
            tank.id,
            "Chilled_Water_Thermal_Energy_Storage_Tank",
            f"chilled-water storage tank {tank.id}",
        )
        found.add((_name(here, tank.loop), REC.includes, node))
    for tower in site.towers.values():
        found.add((add(tower.id, "Cooling_Tower"), REC.locatedIn, whole))
    for rack in site.racks.values():
        node = add(rack.id, "ICT_Rack")
        found.add((node, REC.locatedIn, _name(here, rack.hall)))
        for unit in rack.units:
            # Brick lets nothing but spaces and HVAC be fed: a rack is said to be cooled.
            if rack.kind is not RackKind.AIR:
                found.add((_name(here, unit), OURS.cools, node))
            found.add((_name(here, unit), BRICK.feeds, _name(here, rack.hall)))
    for device in site.devices.values():
        owners = {point.equipment for point in site.device_points(device.id)}
        if device.id in owners or not owners:
            label = f"{device.protocol.value} device {device.id}"
            found.add((add(f"device:{device.id}", "Controller", label), REC.locatedIn, whole))


def _class(point: Point) -> str:
    return point.brick or QUANTITIES[point.quantity].brick


def _name(here: Namespace, name: str) -> URIRef:
    return here[quote(name, safe=":.-_")]
