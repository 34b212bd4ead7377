"""From a site to the conditions of its plant: which readings narrow what may be written, and how.

One function a family of conditions; docs/safety.md has the table with every default and source.
What a site does not measure is no condition, and stands in `site_gaps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from facility.devices import Actuator
from facility.equipment import Chiller, CoolingLoop, Rack, RackKind
from facility.points import SafeDirection
from facility.quantities import CHARGE_LEVEL, QUANTITIES
from facility.site import Site
from facility.units import Kind
from safety.guards import (
    Effect,
    Guard,
    Interlock,
    Redundancy,
    Sensor,
    Sighted,
    StageLimits,
    Swing,
    Vote,
)
from safety.scope import (
    EVERYWHERE,
    TOWER_WATER,
    concerns,
    find,
    loop_of,
    racks_served,
    sensor,
    watch,
)

LOW_FLOW_SHARE = 0.95
"""Of a minimum: flow meters are good to 1 or 2 % of reading, so that less is not noise."""
LOW_PRESSURE_SHARE = 0.9
"""Of the least differential pressure, which the plant's own control may hold exactly."""
CONTACT = 0.5
FROZEN_SHARE = 0.25
"""Of a rack's rated power: so much must it have changed before a still reading is frozen."""
AGREE = {
    Kind.TEMPERATURE: (1.0, 0.0),
    Kind.PRESSURE: (2.0, 0.05),
    Kind.FLOW: (0.0, 0.05),
    Kind.POWER: (1.0, 0.05),
    Kind.PERCENT: (5.0, 0.0),
}
"""Within how much sensors of one quantity agree, and within what share of it; others exactly."""

SITE_CONTACTS = (
    # quantity, active above (or below) a half, what for
    ("fire_alarm", True),
    ("emergency_power_off", True),
    ("generator_running", True),
    ("hardwired_enable", False),
)
ALARM_EFFECTS = {
    SafeDirection.TOWARDS: (Effect.TOWARDS, Effect.TOWARDS),
    SafeDirection.AWAY: (Effect.AWAY, Effect.AWAY),
    SafeDirection.HOLD: (Effect.HOLD, Effect.HOLD),
    SafeDirection.RELEASE: (Effect.ISOLATE, Effect.HOLD),
}
"""By safe direction: the effect of an active alarm, and of one that cannot be read."""


def guards_of(site: Site, actuator: Actuator, racks: tuple[Rack, ...]) -> Iterator[Guard]:
    """The conditions of one actuator, in the order in which they are named."""
    where = concerns(site, actuator.equipment, actuator.device, racks)
    yield from _contacts(site, where)
    yield from _leak(site, actuator.equipment)
    yield from _machine_state(site, actuator.equipment)
    yield from _alarms(site, where)
    yield from _cdu_flow(site, actuator.equipment)
    yield _hot_rack(site, racks)
    yield from _inlet_air(site, racks)
    yield from _redundancy(site, actuator.equipment)
    yield from _water(site, actuator.equipment)
    yield from _storage(site, actuator)


def _contacts(site: Site, where: Iterable[str]) -> Iterator[Interlock]:
    """Fire, emergency power off, generator, hard-wired enable: all release to local."""
    for equipment in where:
        for quantity, above in SITE_CONTACTS:
            found = find(site, equipment, quantity)
            if found is not None:
                yield _contact(quantity, found, Effect.ISOLATE, above=above)


def _leak(site: Site, equipment: str) -> Iterator[Interlock]:
    found = find(site, equipment, "leak")
    if found is not None:
        yield _contact("leak", found, Effect.ISOLATE)


def _machine_state(site: Site, equipment: str) -> Iterator[Interlock]:
    """Locked by a person: the device goes back. Out of service: nothing is moved on it."""
    locked, available = find(site, equipment, "locked_out"), find(site, equipment, "available")
    if locked is not None:
        yield _contact("locked_out", locked, Effect.ISOLATE)
    if available is not None:
        yield _contact("out_of_service", available, Effect.HOLD, above=False)


def _alarms(site: Site, where: Iterable[str]) -> Iterator[Interlock]:
    """Alarms of the plant: each leaves the direction open that the points list calls safe."""
    members = set(where)
    for point in site.alarms:
        if point.safe_direction is not None and point.equipment in members:
            effect, unknown = ALARM_EFFECTS[point.safe_direction]
            seen = (watch(sensor(site, point), CONTACT),)
            yield Interlock(point.quantity, seen, True, effect, 1, unknown)


def _cdu_flow(site: Site, equipment: str) -> Iterator[Interlock]:
    cdu, flow = site.cdus.get(equipment), find(site, equipment, "tcs_flow")
    if cdu is not None and flow is not None:
        seen = (watch(flow, LOW_FLOW_SHARE * cdu.min_tcs_flow_ls),)
        yield Interlock("low_flow", seen, False, Effect.TOWARDS, 1, Effect.TOWARDS)


def _hot_rack(site: Site, racks: Iterable[Rack]) -> Interlock:
    watches = tuple(
        watch(found, rack.limit_c)
        for rack in racks
        if (found := find(site, rack.id, rack.limited_temperature)) is not None
    )
    quorum = (len(watches) + 1) // 2
    return Interlock("hot_rack", watches, True, Effect.TOWARDS, quorum, Effect.TOWARDS)


def _inlet_air(site: Site, racks: Iterable[Rack]) -> Iterator[Swing]:
    """ASHRAE TC 9.9: at most 5 °C in any 15 min, which is within 20 °C in any hour."""
    tags = tuple(
        tag
        for rack in racks
        if rack.kind is RackKind.AIR
        and (tag := site.tag(rack.id, rack.limited_temperature)) is not None
    )
    if tags:
        yield Swing("inlet_rise", tags, True, Effect.TOWARDS)
        yield Swing("inlet_fall", tags, False, Effect.AWAY)


def _redundancy(site: Site, equipment: str) -> Iterator[Redundancy]:
    """N+1 of the machines that stand beside one another above ``equipment``, or that it is of."""
    loop, crah = loop_of(site, equipment), site.crahs.get(equipment)
    groups = list(_groups(site, racks_served(site, equipment)))
    names = {f"crahs_of_{crah.hall}"} if crah is not None else set()
    if loop is not None:
        names |= {f"chillers_of_{loop.id}", f"chillers_of_{loop.trim}"}
    if equipment == TOWER_WATER:
        names.add("towers")
    for name, units, heat_kw in groups:
        if name in names and (found := _spare(site, name, units, heat_kw)) is not None:
            yield found


def _groups(site: Site, racks: tuple[Rack, ...]) -> Iterator[tuple[str, dict[str, float], float]]:
    """Parallel machines: a name, rated kW by machine, and the rated heat of what they serve."""
    heat_kw = sum(rack.rated_kw for rack in racks)
    for loop in site.loops.values():
        chillers = {c.id: c.rated_kw for c in site.chillers.values() if c.loop == loop.id}
        yield f"chillers_of_{loop.id}", chillers, heat_kw
    for hall in site.halls.values():
        crahs = {c.id: c.rated_kw for c in site.crahs.values() if c.hall == hall.id}
        inside = [rack for rack in site.racks.values() if rack.hall == hall.id]
        to_air_kw = sum(rack.rated_kw * rack.to_air_share for rack in inside)
        yield f"crahs_of_{hall.id}", crahs, to_air_kw
    yield "towers", {t.id: t.rated_kw for t in site.towers.values()}, heat_kw


def _spare(site: Site, group: str, units: dict[str, float], heat_kw: float) -> Redundancy | None:
    """What must be left with one more lost: the rated heat, or what the plant as built has left
    with its largest machine lost, where that is less.
    """
    found = {unit: find(site, unit, "available") for unit in units}
    sensors = tuple(each for each in found.values() if each is not None)
    spare_kw = sum(units.values()) - max(units.values(), default=0.0)
    if spare_kw <= 0.0 or len(sensors) < len(units):
        return None
    rated_kw = tuple(units.values())
    return Redundancy(f"redundancy_{group}", sensors, rated_kw, min(heat_kw, spare_kw))


def _water(site: Site, equipment: str) -> Iterator[Interlock]:
    """Flow, pressure, lift and frost of the facility water, for the setpoints of its plant."""
    loop, chiller = loop_of(site, equipment), site.chillers.get(equipment)
    if loop is not None:
        yield from _pressure(site, loop)
        yield from _pump_flow(site, loop)
        yield from _frost(site, loop.id, "fws_supply_temperature", loop.freeze_c)
    if chiller is not None and loop is not None:
        yield from _frost(site, chiller.id, "chw_supply_temperature", loop.freeze_c)
        yield from _evaporator(site, chiller)
        yield from _lift(site, chiller, Effect.TOWARDS)
    if equipment == TOWER_WATER:
        coldest = max((each.freeze_c for each in site.loops.values()), default=0.0)
        yield from _frost(site, TOWER_WATER, "cw_supply_temperature", coldest)
        for each in site.chillers.values():
            yield from _lift(site, each, Effect.AWAY)
            yield from _condenser(site, each)


def _pressure(site: Site, loop: CoolingLoop) -> Iterator[Interlock]:
    """Too little pressure starves units: their valves must not be asked to open further."""
    found = find(site, loop.id, "fws_differential_pressure")
    if found is not None:
        seen = (watch(found, LOW_PRESSURE_SHARE * loop.min_dp_kpa),)
        yield Interlock(
            "low_pressure", seen, False, Effect.TOWARDS, 1, Effect.TOWARDS,
            running=_running(site, (loop.id,)),
        )  # fmt: skip


def _pump_flow(site: Site, loop: CoolingLoop) -> Iterator[Interlock]:
    """Pumps against closed valves: colder water closes them further."""
    found = find(site, loop.id, "fws_flow")
    if found is not None and loop.min_flow_ls is not None:
        seen = (watch(found, LOW_FLOW_SHARE * loop.min_flow_ls),)
        yield Interlock(
            "pump_flow", seen, False, Effect.AWAY, 1, Effect.AWAY,
            running=_running(site, (loop.id,)),
        )  # fmt: skip


def _frost(site: Site, equipment: str, quantity: str, freeze_c: float) -> Iterator[Interlock]:
    found = find(site, equipment, quantity)
    if found is not None:
        seen = (watch(found, freeze_c),)
        yield Interlock("freeze", seen, False, Effect.AWAY, 1, Effect.AWAY)


def _evaporator(site: Site, chiller: Chiller) -> Iterator[Interlock]:
    """Too little water through an evaporator freezes it: not colder."""
    found = find(site, chiller.id, "chw_flow")
    if found is not None and chiller.min_flow_ls is not None:
        seen = (watch(found, LOW_FLOW_SHARE * chiller.min_flow_ls),)
        yield Interlock(
            "evaporator_flow", seen, False, Effect.AWAY, 1, Effect.AWAY,
            running=_running(site, (chiller.id,)),
        )  # fmt: skip


def _lift(site: Site, chiller: Chiller, effect: Effect) -> Iterator[Interlock]:
    """Condenser over chilled water: neither warmer chilled water nor colder tower water."""
    condenser = find(site, TOWER_WATER, "cw_return_temperature")
    leaving = find(site, chiller.id, "chw_supply_temperature")
    if condenser is not None and leaving is not None and chiller.min_lift_k is not None:
        seen = (watch(condenser, chiller.min_lift_k),)
        yield Interlock(
            "low_lift", seen, False, effect, 1, effect,
            less=(leaving,), running=_running(site, (chiller.id,)),
        )  # fmt: skip


def _condenser(site: Site, chiller: Chiller) -> Iterator[Interlock]:
    found = find(site, TOWER_WATER, "cw_supply_temperature")
    if found is not None and chiller.min_condenser_c is not None:
        seen = (watch(found, chiller.min_condenser_c),)
        yield Interlock(
            "cold_condenser", seen, False, Effect.AWAY, 1, Effect.AWAY,
            running=_running(site, (chiller.id,)),
        )  # fmt: skip


def _storage(site: Site, actuator: Actuator) -> Iterator[Interlock]:
    """A tank under its reserve, or of unknown level, gives nothing on our word."""
    tank = site.storage_tanks.get(actuator.equipment)
    if tank is not None:
        level = find(site, tank.id, CHARGE_LEVEL)
        seen = () if level is None else (watch(level, tank.reserve_pct),)
        yield Interlock("storage_reserve", seen, False, Effect.STORE, 1, Effect.STORE)


def _running(site: Site, machines: Iterable[str]) -> tuple[Sensor, ...]:
    found = (find(site, machine, "running") for machine in machines)
    return tuple(each for each in found if each is not None)


def _contact(name: str, of: Sensor, effect: Effect, *, above: bool = True) -> Interlock:
    """A contact that must be readable: where it is not, nothing moves."""
    return Interlock(name, (watch(of, CONTACT),), above, effect, 1, Effect.HOLD)


# -- starts and stops ---------------------------------------------------------------------------


def stage_limits(site: Site, unit: str) -> StageLimits:
    """What limits the starts and stops of a chiller."""
    chiller = site.chillers[unit]
    always = (*_contacts(site, (unit, EVERYWHERE)), *_machine_state(site, unit))
    return StageLimits(
        unit=unit,
        running=find(site, unit, "running"),
        start_to_start_s=chiller.start_to_start_s,
        starts_in_12_h=chiller.starts_in_12_h,
        min_on_s=chiller.min_on_s,
        min_off_s=chiller.min_off_s,
        before_start=(
            *_pumps_first(site, chiller),
            *_frost(site, unit, "chw_supply_temperature", site.loops[chiller.loop].freeze_c),
        ),
        before_stop=tuple(_redundancy(site, unit)),
        always=always,
    )


def _pumps_first(site: Site, chiller: Chiller) -> Iterator[Interlock]:
    """A chiller starts on proven water: pumps of its loop and of the condensers run before it."""
    for quantity, equipment in (("running", chiller.loop), ("running", TOWER_WATER)):
        found = find(site, equipment, quantity)
        if found is not None:
            yield _contact("pump_first", found, Effect.HOLD, above=False)
    flow = find(site, TOWER_WATER, "cw_flow")
    if flow is not None:
        seen = (watch(flow, CONTACT),)
        yield Interlock("pump_first", seen, False, Effect.HOLD, 1, Effect.HOLD)


# -- what is remembered and voted on ------------------------------------------------------------


def sighted_of(site: Site) -> tuple[Sighted, ...]:
    """The limited temperatures of all racks, which their IT power drives."""
    found = []
    for rack in site.racks.values():
        of, power = find(site, rack.id, rack.limited_temperature), find(site, rack.id, "it_power")
        if of is not None:
            calm_c = rack.recommended_c if rack.kind is RackKind.AIR else None
            found.append(Sighted(of, power, FROZEN_SHARE * rack.rated_kw, calm_c))
    return tuple(found)


def votes_of(site: Site) -> tuple[Vote, ...]:
    """Sensors with spares beside them."""
    votes = []
    for tag, spares in site.doubles.items():
        points = [site.points[each] for each in (tag, *spares)]
        tolerance, share = AGREE.get(QUANTITIES[points[0].quantity].kind, (0.0, 0.0))
        votes.append(Vote(tuple(sensor(site, point) for point in points), tolerance, share))
    return tuple(votes)


# -- what is not there --------------------------------------------------------------------------


def site_gaps(site: Site) -> Iterator[str]:
    """The conditions that the site's points leave out, for people to see."""
    for quantity, _ in SITE_CONTACTS:
        if not site.tags(quantity):
            yield f"site: no {quantity} point: it gives nothing back"
    if not site.alarms:
        yield "site: no alarm point with a safe direction: alarms stop no move"
    for loop in site.loops.values():
        if site.tag(loop.id, "fws_differential_pressure") is None:
            yield f"{loop.id}: no differential pressure: too little of it stops no move"
        if loop.min_flow_ls is None or site.tag(loop.id, "fws_flow") is None:
            yield f"{loop.id}: no min_flow_ls or no fws_flow: its pumps' least flow is not kept"
        if site.tag(loop.id, "fws_supply_temperature") is None:
            yield f"{loop.id}: supply not measured: freezing stops no move"
    for chiller in site.chillers.values():
        yield from _chiller_gaps(site, chiller)
    for name, units, heat_kw in _groups(site, tuple(site.racks.values())):
        if units and _spare(site, name, units, heat_kw) is None:
            yield f"{name}: one alone, or not all availability known: lost spares stop no move"


def _chiller_gaps(site: Site, chiller: Chiller) -> Iterator[str]:
    for field, quantity, equipment in (
        ("min_flow_ls", "chw_flow", chiller.id),
        ("min_lift_k", "cw_return_temperature", TOWER_WATER),
        ("min_condenser_c", "cw_supply_temperature", TOWER_WATER),
    ):
        if getattr(chiller, field) is None or site.tag(equipment, quantity) is None:
            yield f"{chiller.id}: no {field} or no {equipment}.{quantity}: it is not kept"
