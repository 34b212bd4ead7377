"""A site as index arrays: who supplies whom, in the order in which supplies are found.

Nodes are everything with a supply temperature: the tower water, the facility water
loops, then the units (CDUs and CRAHs). A node's supply follows its setpoint unless the
water upstream of it and its load leave it no room, so nodes are found level by level:
tower water, loops, loops trimmed by another loop, units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facility.equipment import Rack, RackKind
from facility.site import Site
from models.contract import Array

Ints = NDArray[np.int64]

LOOP_SETPOINTS = ("fws_supply_temperature_setpoint", "cw_supply_temperature_setpoint")
FLOW_SETPOINTS = ("tcs_flow_setpoint", "fan_speed_setpoint")
UNIT_SETPOINTS = ("tcs_supply_temperature_setpoint", "supply_air_temperature_setpoint")
SUPPLIES = (
    "cw_supply_temperature",
    "fws_supply_temperature",
    "tcs_supply_temperature",
    "supply_air_temperature",
)


class LayoutError(ValueError):
    """The site is not one that the models can be built for."""


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a supply temperature."""

    id: str
    kind: str
    """``tower``, ``loop``, ``cdu`` or ``crah``."""
    level: int
    tag: str | None
    """Of the measured supply."""
    setpoint: int
    """Index of the actuator group of its supply setpoint; -1 where it has none."""
    flow: int
    """Index of the group of its flow or fan speed; -1 where it has none."""
    flow_scale: float
    """Flow or speed that counts as 1."""
    upstream: tuple[int, ...]
    """Indices of the nodes that it is cooled by; the tower is cooled by the wet bulb."""


@dataclass(frozen=True)
class Layout:
    """The site's topology as arrays; R racks, G groups, M nodes."""

    site_id: str
    racks: tuple[str, ...]
    groups: tuple[str, ...]
    nodes: tuple[Node, ...]
    rated_kw: Array
    """(R,)."""
    limited_tags: tuple[str | None, ...]
    """(R,)."""
    load_share: Array
    """(M, R): share of a node's rating for each kW of a rack."""
    liquid: Ints
    """Indices of the racks that a CDU's water cools, (Rl,): direct-to-chip, doors and tanks."""
    liquid_unit: Ints
    """(Rl,) node of each one's CDU."""
    air: Ints
    """Indices of the air-cooled racks, (Ra,)."""
    air_units: Ints
    """(Ra, K) nodes of the CRAHs, nearest first; padded with the first."""
    air_units_there: NDArray[np.bool_]
    """(Ra, K): not padding."""
    row: Ints
    """(Ra,) index of the row of racks that each stands in."""
    hall: Ints
    """(Ra,) index of its hall."""
    hall_heat: Array
    """(H, R): share of the rated air-side heat of a hall for each kW of a rack."""
    doors: Ints
    """Places in ``liquid`` of racks with a rear door, which breathe the room's mixed air, (Rd,)."""
    door_heat: Array
    """(Rd, R): share of the rated heat of all doors of its hall for each kW of a rack."""
    tanks: Ints
    """Places in ``liquid`` of immersion tanks."""

    @cached_property
    def supplied(self) -> tuple[tuple[int, int], ...]:
        """Groups that set a supply which is measured, and the node of each."""
        nodes = enumerate(self.nodes)
        return tuple((n.setpoint, i) for i, n in nodes if n.setpoint >= 0 and n.tag is not None)

    @property
    def levels(self) -> tuple[Ints, ...]:
        """Nodes by level, upstream first."""
        levels = np.array([node.level for node in self.nodes])
        return tuple(np.flatnonzero(levels == level) for level in np.unique(levels))

    @property
    def units(self) -> Mapping[str, int]:
        """Index of the node of each CDU and CRAH."""
        return {n.id: i for i, n in enumerate(self.nodes) if n.kind in ("cdu", "crah")}


def rack_groups(site: Site) -> dict[str, tuple[int, ...]]:
    """Racks that share a common cause: a CDU's, and a hall's air-cooled ones, by index."""
    found: dict[str, list[int]] = {}
    for index, rack in enumerate(site.racks.values()):
        name = rack.hall if rack.kind is RackKind.AIR else rack.units[0]
        found.setdefault(name, []).append(index)
    return {name: tuple(members) for name, members in found.items()}


def layout_of(site: Site) -> Layout:
    """Work out the arrays.

    Raises
    ------
    LayoutError
        A rack has no unit that is in the site, or loops trim each other in a circle.
    """
    groups = tuple(site.groups)
    nodes, load = _nodes(site, groups)
    index = {node.id: i for i, node in enumerate(nodes)}
    racks = tuple(site.racks.values())
    for rack in racks:
        if not rack.units or any(unit not in index for unit in rack.units):
            raise LayoutError(f"rack {rack.id}: its units {rack.units} are not all in the site")
    liquid = [i for i, r in enumerate(racks) if r.kind is not RackKind.AIR]
    air = [i for i, r in enumerate(racks) if r.kind is RackKind.AIR]
    widest = max((len(racks[i].units) for i in air), default=1)
    air_units = np.zeros((len(air), widest), dtype=np.int64)
    there = np.zeros((len(air), widest), dtype=bool)
    for place, i in enumerate(air):
        units = [index[unit] for unit in racks[i].units]
        air_units[place] = units + [units[0]] * (widest - len(units))
        there[place, : len(units)] = True
    halls = list(dict.fromkeys(racks[i].hall for i in air))
    rows = list(dict.fromkeys((racks[i].hall, racks[i].row) for i in air))
    hall_heat = np.zeros((len(halls), len(racks)))
    for h, hall in enumerate(halls):
        hall_heat[h] = [r.to_air_share if r.hall == hall else 0.0 for r in racks]
        hall_heat[h] /= sum(r.to_air_share * r.rated_kw for r in racks if r.hall == hall)
    doors = [i for i, r in enumerate(racks) if r.kind is RackKind.REAR_DOOR]
    door_heat = np.zeros((len(doors), len(racks)))
    for place, i in enumerate(doors):
        mates = [j for j in doors if racks[j].hall == racks[i].hall]
        door_heat[place, mates] = 1.0 / sum(racks[j].rated_kw for j in mates)
    return Layout(
        site_id=site.id,
        racks=tuple(site.racks),
        groups=groups,
        nodes=nodes,
        rated_kw=np.array([r.rated_kw for r in racks]),
        limited_tags=tuple(site.tag(r.id, r.limited_temperature) for r in racks),
        load_share=load,
        liquid=np.array(liquid, dtype=np.int64),
        liquid_unit=np.array([index[racks[i].units[0]] for i in liquid], dtype=np.int64),
        air=np.array(air, dtype=np.int64),
        air_units=air_units,
        air_units_there=there,
        row=np.array([rows.index((racks[i].hall, racks[i].row)) for i in air], dtype=np.int64),
        hall=np.array([halls.index(racks[i].hall) for i in air], dtype=np.int64),
        hall_heat=hall_heat,
        doors=np.array([liquid.index(i) for i in doors], dtype=np.int64),
        door_heat=door_heat,
        tanks=np.array(
            [p for p, i in enumerate(liquid) if racks[i].kind is RackKind.IMMERSION],
            dtype=np.int64,
        ),
    )


def tower_loop(site: Site) -> str | None:
    """The equipment id of the tower water, or None where nothing measures or sets it."""
    for quantity in ("cw_supply_temperature", "cw_supply_temperature_setpoint"):
        for point in site.points.values():
            if point.quantity == quantity and point.equipment not in site.chillers:
                return point.equipment
    return None


def _nodes(site: Site, groups: tuple[str, ...]) -> tuple[tuple[Node, ...], Array]:
    racks = tuple(site.racks.values())
    tower = tower_loop(site)
    nodes: list[Node] = []
    loads: list[Array] = []
    index: dict[str, int] = {}

    def add(id_: str, kind: str, upstream: list[str], load: Array, flow_scale: float) -> None:
        above = tuple(index[name] for name in upstream)
        index[id_] = len(nodes)
        nodes.append(
            Node(
                id=id_,
                kind=kind,
                level=1 + max((nodes[i].level for i in above), default=-1),
                tag=_first_tag(site, id_, SUPPLIES),
                setpoint=_setpoint(site, groups, id_),
                flow=_group(site, groups, id_, FLOW_SETPOINTS),
                flow_scale=flow_scale,
                upstream=above,
            )
        )
        loads.append(load)

    heat = {unit: _unit_heat(site, racks, unit) for unit in (*site.cdus, *site.crahs)}
    if tower is not None:
        rated = site.loops[tower].rated_kw if tower in site.loops else _rated(racks)
        add(tower, "tower", [], np.ones(len(racks)) / rated, 1.0)
    for name in _loops_in_order(site, tower):
        loop = site.loops[name]
        served = [cdu.id for cdu in site.cdus.values() if cdu.loop == name]
        served += [crah.id for crah in site.crahs.values() if crah.loop == name]
        load = sum((heat[u] for u in served), np.zeros(len(racks)))
        upstream = [above for above in (tower, loop.trim) if above]
        add(name, "loop", upstream, load / loop.rated_kw, 1.0)
    for id_, cdu in site.cdus.items():
        add(id_, "cdu", [cdu.loop], heat[id_] / cdu.rated_kw, cdu.design_tcs_flow_ls)
    for id_, crah in site.crahs.items():
        add(id_, "crah", [crah.loop], heat[id_] / crah.rated_kw, 100.0)
    return tuple(nodes), np.stack(loads)


def _rated(racks: tuple[Rack, ...]) -> float:
    return sum(rack.rated_kw for rack in racks)


def _unit_heat(site: Site, racks: tuple[Rack, ...], unit: str) -> Array:
    """(R,) share of each rack's heat that the unit carries."""
    if unit in site.cdus:
        return np.array(
            [1.0 - r.to_air_share if r.units and r.units[0] == unit else 0.0 for r in racks]
        )
    crah = site.crahs[unit]
    total = sum(other.rated_kw for other in site.crahs.values() if other.hall == crah.hall)
    share = crah.rated_kw / total
    return np.array([share * r.to_air_share if r.hall == crah.hall else 0.0 for r in racks])


def _loops_in_order(site: Site, tower: str | None) -> list[str]:
    """Facility water loops, the trimming before the trimmed."""
    waiting = [name for name in site.loops if name != tower]
    order: list[str] = []
    while waiting:
        ready = [n for n in waiting if not site.loops[n].trim or site.loops[n].trim in order]
        if not ready:
            raise LayoutError(f"loops {waiting} trim each other in a circle, or by an unknown loop")
        order += ready
        waiting = [name for name in waiting if name not in ready]
    return order


def _first_tag(site: Site, equipment: str, quantities: tuple[str, ...]) -> str | None:
    tags = (site.tag(equipment, quantity) for quantity in quantities)
    return next((tag for tag in tags if tag is not None), None)


def _group(site: Site, groups: tuple[str, ...], equipment: str, quantities: tuple[str, ...]) -> int:
    for actuator in site.actuators.values():
        if actuator.equipment == equipment and actuator.quantity in quantities:
            return groups.index(actuator.group)
    return -1


def _setpoint(site: Site, groups: tuple[str, ...], node: str) -> int:
    own = _group(site, groups, node, LOOP_SETPOINTS + UNIT_SETPOINTS)
    if own >= 0:
        return own
    for chiller in site.chillers.values():
        if chiller.loop == node:
            return _group(site, groups, chiller.id, ("chw_supply_temperature_setpoint",))
    return -1
