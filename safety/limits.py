"""From a site to the limits of its envelope: every limit, or every reason why not.

A limit is never absent because somebody left it out: what an actuator needs and the site does not
give is a `LimitsError`. What a site does not *measure* (a leak, a flow) is listed in
`Limits.unguarded`, for people to see.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from facility.points import Point, Role
from facility.site import CDU, CRAH, Actuator, CoolingLoop, Rack, Release, Site
from facility.units import Kind
from safety.arithmetic import LARGEST, grains
from safety.encoding import can_be_written, nearest_on_wire, reach
from safety.guards import (
    ActuatorLimits,
    Bound,
    DewGuard,
    Effect,
    Interlock,
    Limits,
    Sensor,
    Watch,
)

__all__ = ["Limits", "LimitsError", "limits_of"]

AWAY_WINDOW_S = 300.0
LOW_FLOW_SHARE = 0.95
"""Of the minimum: flow meters are good to 1 or 2 % of reading, so that less is not noise."""


class LimitsError(ValueError):
    """A site that leaves a limit open, or gives one that cannot be; ``problems`` has them all."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def limits_of(site: Site, version: int = 1) -> Limits:
    """The limits of every actuator of ``site``.

    Raises
    ------
    LimitsError
        With every problem at once; each names the actuator, what is wrong and the mend.
    """
    problems = [
        f"{actuator.id}: {problem}"
        for actuator in site.actuators.values()
        for problem in _problems(site, actuator)
    ]
    if not 0.0 < site.gateway.command_max_age_s < math.inf:
        problems.append("gateway limits: command_max_age_s must be a time above 0")
    if site.gateway.stale_scans < 1:
        problems.append("gateway limits: stale_scans must be at least 1")
    if problems:
        raise LimitsError(problems)
    shared: dict[Interlock, Interlock] = {}
    return Limits(
        version=version,
        site=site.id,
        actuators={
            actuator.id: _limits(site, actuator, shared) for actuator in site.actuators.values()
        },
        command_max_age_s=site.gateway.command_max_age_s,
        unguarded=tuple(
            f"{actuator.id}: {gap}"
            for actuator in site.actuators.values()
            for gap in _gaps(site, actuator)
        ),
        away_window_s=AWAY_WINDOW_S,
    )


def racks_served(site: Site, equipment: str) -> tuple[Rack, ...]:
    """The racks that a unit, or the loop of a unit, cools; of a loop with none of its own, all.

    A loop also serves the loops that it trims; a chiller is its loop.
    """
    if equipment in site.chillers:
        equipment = site.chillers[equipment].loop
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


def static_bounds(site: Site, actuator: Actuator) -> tuple[Bound, ...]:
    """The limits of ``actuator`` that depend on no reading, in the order of their naming."""
    point = site.points[actuator.id]
    low, high = reach(point)
    bounds = [
        Bound("encodable", low, high),
        Bound("range", actuator.minimum, actuator.maximum),
        Bound("range", point.minimum, point.maximum),
    ]
    loop = _loop(site, actuator)
    if loop is not None and "supply_temperature" in actuator.quantity:
        bounds.append(Bound("supply_maximum", loop.supply_min_c, loop.supply_max_c))
    cdu = site.cdus.get(actuator.equipment)
    if cdu is not None and actuator.quantity == "tcs_supply_temperature_setpoint":
        bounds.append(Bound("supply_maximum", None, cdu.tcs_supply_max_c))
    if cdu is not None and actuator.quantity == "tcs_flow_setpoint":
        bounds.append(Bound("minimum_flow", cdu.min_tcs_flow_ls, None))
    if site.devices[actuator.device].release is Release.JUMP:
        bounds.append(_hand_back(actuator))
    return tuple(bounds)


def _hand_back(actuator: Actuator) -> Bound:
    """So near the device's own value that a jump to it does no harm."""
    towards, away = actuator.jump_towards, actuator.rate_away_per_min * AWAY_WINDOW_S / 60.0
    if actuator.cooling.sign > 0:
        return Bound("hand_back", actuator.fallback - towards, actuator.fallback + away)
    return Bound("hand_back", actuator.fallback - away, actuator.fallback + towards)


def _loop(site: Site, actuator: Actuator) -> CoolingLoop | None:
    chiller = site.chillers.get(actuator.equipment)
    return site.loops.get(actuator.equipment if chiller is None else chiller.loop)


def _dew_points(site: Site, racks: Iterable[Rack]) -> dict[str, tuple[Point, ...]]:
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


def _measured(site: Site, actuator: Actuator) -> Point | None:
    """The measurement that an actuator's setpoint is for."""
    tag = site.tag(actuator.equipment, actuator.quantity.removesuffix("_setpoint"))
    return None if tag is None or tag == actuator.id else site.points[tag]


def _limits(site: Site, actuator: Actuator, shared: dict[Interlock, Interlock]) -> ActuatorLimits:
    """The limits of one actuator; equal interlocks become one object, to be judged once."""
    device = site.devices[actuator.device]
    racks = racks_served(site, actuator.equipment)
    dew = None
    if actuator.dew_point_margin_k is not None:
        measured = _measured(site, actuator)
        dew = DewGuard(
            margin_k=actuator.dew_point_margin_k,
            sensors=tuple(
                sensor(site, point)
                for points in _dew_points(site, racks).values()
                for point in points
            ),
            supply=None if measured is None else sensor(site, measured),
        )
    return ActuatorLimits(
        actuator=actuator.id,
        device=actuator.device,
        equipment=actuator.equipment,
        point=site.points[actuator.id],
        cooling=actuator.cooling,
        bounds=static_bounds(site, actuator),
        rate_towards_per_min=actuator.rate_towards_per_min,
        rate_away_per_min=actuator.rate_away_per_min,
        dew=dew,
        interlocks=tuple(
            shared.setdefault(each, each) for each in _interlocks(site, actuator, racks)
        ),
        read_back=sensor(site, site.points[actuator.read_back]),
        tolerance=actuator.tolerance,
        settle_s=2.0 * site.devices[site.points[actuator.read_back].device].scan_s
        + device.timeout_s,
        dead_band=actuator.dead_band,
        dwell_s=max(actuator.dwell_s, site.points[actuator.id].min_write_interval_s),
        writes_per_hour=actuator.writes_per_hour,
        fallback=actuator.fallback,
        unit=actuator.unit,
    )


def _interlocks(site: Site, actuator: Actuator, racks: tuple[Rack, ...]) -> Iterator[Interlock]:
    leak = site.tag(actuator.equipment, "leak")
    if leak is not None:
        watch = _watch(site, leak, 0.5)
        yield Interlock("leak", (watch,), True, Effect.ISOLATE, 1, Effect.HOLD)
    cdu = site.cdus.get(actuator.equipment)
    flow = site.tag(actuator.equipment, "tcs_flow")
    if cdu is not None and flow is not None:
        watch = _watch(site, flow, LOW_FLOW_SHARE * cdu.min_tcs_flow_ls)
        yield Interlock("low_flow", (watch,), False, Effect.TOWARDS, 1, Effect.TOWARDS)
    watches = tuple(
        _watch(site, tag, rack.limit_c)
        for rack in racks
        if (tag := site.tag(rack.id, rack.limited_temperature)) is not None
    )
    quorum = (len(watches) + 1) // 2
    yield Interlock("hot_rack", watches, True, Effect.TOWARDS, quorum, Effect.TOWARDS)


def _watch(site: Site, tag: str, threshold: float) -> Watch:
    of = sensor(site, site.points[tag])
    return Watch(of.tag, of.max_age_s, threshold)


def _gaps(site: Site, actuator: Actuator) -> Iterator[str]:
    if actuator.equipment in site.cdus:
        if site.tag(actuator.equipment, "leak") is None:
            yield "no leak sensor: a leak isolates nothing"
        if site.tag(actuator.equipment, "tcs_flow") is None:
            yield "no flow meter: low flow stops no move"
    if actuator.dew_point_margin_k is None and actuator.unit == Kind.TEMPERATURE.unit:
        yield "declared insulated: the dew point stops no move"
    if actuator.dew_point_margin_k is not None and _measured(site, actuator) is None:
        yield "supply not measured: only the setpoint is kept above the dew point"


def _problems(site: Site, actuator: Actuator) -> Iterator[str]:
    """Why the limits of ``actuator`` cannot be made; nothing where they can."""
    missing = [f"no device {actuator.device!r}"] if actuator.device not in site.devices else []
    missing += [
        f"no point {tag!r}" for tag in (actuator.id, actuator.read_back) if tag not in site.points
    ]
    if missing:
        yield from missing
        return
    numbers = list(_number_problems(actuator))
    yield from numbers
    point = site.points[actuator.id]
    if point.role is not Role.SETPOINT or not can_be_written(point):
        yield "its point must be a numeric setpoint with access rw or w"
    elif not numbers:
        yield from _bound_problems(site, actuator, point)
    racks = racks_served(site, actuator.equipment)
    if all(site.tag(rack.id, rack.limited_temperature) is None for rack in racks):
        yield "no rack that it serves is measured; add its inlet or case temperature"
    if actuator.dew_point_margin_k is not None:
        if actuator.unit != Kind.TEMPERATURE.unit:
            yield f"a dew-point margin is for a temperature, not for {actuator.unit}; leave it out"
        for hall, points in _dew_points(site, racks).items():
            if not points:
                yield (
                    f"no dew_point_temperature point in hall {hall!r}; add one, or leave out "
                    "the margin where the pipes are insulated"
                )


def _number_problems(actuator: Actuator) -> Iterator[str]:
    zero_or_more = ("dead_band", "dwell_s", "writes_per_hour", "jump_towards", "tolerance")
    above_zero = ("rate_towards_per_min", "rate_away_per_min")
    for name in ("minimum", "maximum", "fallback", *zero_or_more, *above_zero):
        value = getattr(actuator, name)
        if not math.isfinite(value) or abs(value) > LARGEST:
            yield f"{name} must be a finite number, not {value!r}"
        elif name in zero_or_more and value < 0:
            yield f"{name} must be 0 or more, not {value!r}"
        elif name in above_zero and grains(value) <= 0:
            yield f"{name} must be above 0, not {value!r}"
    margin = actuator.dew_point_margin_k
    if margin is not None and not 0.0 <= margin <= LARGEST:
        yield f"dew_point_margin_k must be 0 or more, not {margin!r}"


def _bound_problems(site: Site, actuator: Actuator, point: Point) -> Iterator[str]:
    if actuator.minimum > actuator.maximum:
        yield f"minimum {actuator.minimum:g} is above maximum {actuator.maximum:g}"
        return
    low, high = -LARGEST, LARGEST
    for bound in static_bounds(site, actuator):
        low = low if bound.lower is None else max(low, bound.lower)
        high = high if bound.upper is None else min(high, bound.upper)
        if grains(low) > grains(high):
            yield (
                f"nothing is left between {low:g} and {high:g} {actuator.unit} once "
                f"{bound.check} is kept; mend the limits that contradict one another"
            )
            return
    middle = (grains(low) + grains(high)) // 2
    if nearest_on_wire(point, middle, grains(low), grains(high)) is None:
        yield f"its point can carry no value between {low:g} and {high:g} {actuator.unit}"
