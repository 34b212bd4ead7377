"""From a site to the limits of its envelope: every limit, or every reason why not.

A limit is never absent because somebody left it out: what an actuator needs and the site does not
give is a `LimitsError`. What a site does not *measure* (a leak, a flow) is listed in
`Limits.unguarded`, for people to see.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from facility.devices import Actuator, Release
from facility.points import Point, Role
from facility.site import Site
from facility.units import Kind
from safety import stage_requests
from safety.arithmetic import LARGEST, grains
from safety.backup_site import backup_of
from safety.conditions import guards_of, sighted_of, site_gaps, stage_limits, votes_of
from safety.encoding import can_be_written, nearest_on_wire, reach
from safety.guards import (
    ActuatorLimits,
    Bound,
    DewGuard,
    Guard,
    Limits,
)
from safety.hand_back import hand_back_of
from safety.scope import dew_points, loop_of, racks_served, sensor

__all__ = ["Limits", "LimitsError", "limits_of", "racks_served"]


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
    shared: dict[Guard, Guard] = {}
    backup = backup_of(site)
    wet_bulb = site.tag("outdoor", "wet_bulb_temperature")
    return Limits(
        version=version,
        site=site.id,
        actuators={
            actuator.id: _limits(site, actuator, shared) for actuator in site.actuators.values()
        },
        command_max_age_s=site.gateway.command_max_age_s,
        backup=backup,
        wet_bulb=None if wet_bulb is None else sensor(site, site.points[wet_bulb]),
        unguarded=(
            *site_gaps(site),
            *(
                f"{actuator.id}: {gap}"
                for actuator in site.actuators.values()
                for gap in _gaps(site, actuator)
            ),
            *backup.unguarded,
        ),
        sighted=sighted_of(site),
        votes=votes_of(site),
        stages={unit: stage_limits(site, unit) for unit in site.chillers},
    )


def static_bounds(site: Site, actuator: Actuator) -> tuple[Bound, ...]:
    """The limits of ``actuator`` that depend on no reading, in the order of their naming."""
    point = site.points[actuator.id]
    low, high = reach(point)
    bounds = [
        Bound("encodable", low, high),
        Bound("range", actuator.minimum, actuator.maximum),
        Bound("range", point.minimum, point.maximum),
    ]
    loop = loop_of(site, actuator.equipment)
    if loop is not None and "supply_temperature" in actuator.quantity:
        bounds.append(Bound("supply_maximum", loop.supply_min_c, loop.supply_max_c))
    cdu = site.cdus.get(actuator.equipment)
    if cdu is not None and actuator.quantity == "tcs_supply_temperature_setpoint":
        bounds.append(Bound("supply_maximum", None, cdu.tcs_supply_max_c))
    if cdu is not None and actuator.quantity == "tcs_flow_setpoint":
        bounds.append(Bound("minimum_flow", cdu.min_tcs_flow_ls, None))
    return tuple(bounds)


def _measured(site: Site, actuator: Actuator) -> Point | None:
    """The measurement that an actuator's setpoint is for."""
    tag = site.tag(actuator.equipment, actuator.quantity.removesuffix("_setpoint"))
    return None if tag is None or tag == actuator.id else site.points[tag]


def _limits(site: Site, actuator: Actuator, shared: dict[Guard, Guard]) -> ActuatorLimits:
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
                for points in dew_points(site, racks).values()
                for point in points
            ),
            supply=None if measured is None else sensor(site, measured),
        )
    own = ActuatorLimits(
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
            shared.setdefault(each, each) for each in guards_of(site, actuator, racks)
        ),
        read_back=sensor(site, site.points[actuator.read_back]),
        tolerance=actuator.tolerance,
        settle_s=2.0 * site.devices[site.points[actuator.read_back].device].scan_s
        + device.timeout_s,
        dead_band=actuator.dead_band,
        dwell_s=max(actuator.dwell_s, site.points[actuator.id].min_write_interval_s),
        writes_per_hour=actuator.writes_per_hour,
        reversals_per_hour=actuator.reversals_per_hour,
        fallback=actuator.fallback,
        unit=actuator.unit,
        hand_back=hand_back_of(actuator) if device.release is Release.JUMP else None,
    )
    return stage_requests.of_request(site, actuator, own)


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
        yield from stage_requests.problems(site, actuator, point)
    racks = racks_served(site, actuator.equipment)
    if all(site.tag(rack.id, rack.limited_temperature) is None for rack in racks):
        yield "no rack that it serves is measured; add its inlet or case temperature"
    if actuator.dew_point_margin_k is not None:
        if actuator.unit != Kind.TEMPERATURE.unit:
            yield f"a dew-point margin is for a temperature, not for {actuator.unit}; leave it out"
        for hall, points in dew_points(site, racks).items():
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
