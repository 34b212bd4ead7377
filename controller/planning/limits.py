"""What may be done with each actuator group now: ranges, dew point, rates, dwell, overrides.

The same rules as the envelope's, stated from the site file, so that a plan asks for nothing that
would be refused for a reason that could have been known.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from controller.planning.settings import PlanningSettings
from controller.planning.words import STAGE, GroupLimits
from facility.commands import Mode, Override
from facility.devices import Actuator, Release
from facility.equipment import StorageTank
from facility.quantities import CHARGE_LEVEL, DISPENSABLE, QUANTITIES, STAGE_REQUEST
from facility.site import Site
from facility.telemetry import Snapshot
from facility.units import Kind
from safety.guards import AWAY_WINDOW_S
from safety.hand_back import ends, hand_back_of, own_values

BUDGET_S = 3660.0
"""The envelope's hour and a minute: it counts from when a write was judged, some seconds after the
snapshot of its step, and an hour later a step may come through sooner."""

FOR_GOOD_S = float(2**53)

WATER = frozenset({"fws_supply_temperature_setpoint", "chw_supply_temperature_setpoint"})
"""Setpoints of the water that exchangers take."""

LIFT_RESERVE_K = 0.5
"""Over a chiller's least lift, from where a plan does not shorten it."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a range and what sets it."""

    value: float
    name: str


@dataclass(frozen=True, slots=True)
class _Plant:
    """What bounds many setpoints alike, read once a step."""

    dew_point_c: float | None
    """The highest; None where none is known."""
    wet_bulb_c: float | None
    short_lifts: frozenset[str]
    """As `_short_lifts` has them."""
    water_c: Mapping[str, float]
    """By cooling loop: the setpoint of its water, the warmest where there are several."""

    @classmethod
    def of(cls, site: Site, snapshot: Snapshot, setpoints: Mapping[str, float]) -> _Plant:
        """As a snapshot shows it."""
        water_c: dict[str, float] = {}
        for actuator in site.actuators.values():
            if actuator.quantity in WATER:
                chiller = site.chillers.get(actuator.equipment)
                loop = actuator.equipment if chiller is None else chiller.loop
                value = setpoints[actuator.group]
                water_c[loop] = max(water_c.get(loop, value), value)
        return cls(
            snapshot.worst_good(site.tags("dew_point_temperature")),
            snapshot.worst_good(site.tags("wet_bulb_temperature")),
            _short_lifts(site, snapshot),
            water_c,
        )


def in_force(site: Site, snapshot: Snapshot, last: Mapping[str, float]) -> dict[str, float]:
    """By group: the setpoint in force, from read-backs; ``last`` where none is good now.

    A group whose setpoint has never been seen is left out; but what only a storage tank or a
    sequencer is asked for counts as the plant's own, since racks can be planned for without it.
    """
    found = {}
    for group, members in site.groups.items():
        values = [v for a in members if (v := snapshot.good(a.read_back)) is not None]
        if values:
            found[group] = sum(values) / len(values)
        elif group in last:
            found[group] = last[group]
        elif members[0].quantity in DISPENSABLE:
            found[group] = members[0].fallback
    return found


def group_limits(
    site: Site,
    snapshot: Snapshot,
    setpoints: Mapping[str, float],
    overrides: Iterable[Override],
    writes: Mapping[str, tuple[float, ...]],
    settings: PlanningSettings,
) -> tuple[GroupLimits, ...]:
    """The limits of each group, in the order of ``site.groups``.

    Parameters
    ----------
    setpoints
        In force, by group; one for every group.
    writes
        By actuator: times of the optimiser's writes in the last hour, oldest first.
    """
    by_actuator = {override.actuator: override for override in overrides}
    plant = _Plant.of(site, snapshot, setpoints)
    return tuple(
        _limits(site, snapshot, plant, members, setpoints, by_actuator, writes, settings)
        for group, members in site.groups.items()
    )


def _limits(  # noqa: PLR0917 - the parts of one group's situation
    site: Site,
    snapshot: Snapshot,
    plant: _Plant,
    members: tuple[Actuator, ...],
    setpoints: Mapping[str, float],
    overrides: Mapping[str, Override],
    writes: Mapping[str, tuple[float, ...]],
    settings: PlanningSettings,
) -> GroupLimits:
    setpoint = setpoints[members[0].group]
    lower = max(
        (e for a in members for e in _lower_ends(site, snapshot, plant, a, settings)), key=_value
    )
    upper = min((e for a in members for e in _upper_ends(site, snapshot, plant, a)), key=_value)
    minutes = settings.step_s / 60.0
    away = min(a.rate_away_per_min for a in members)
    away = min(away * minutes, away * AWAY_WINDOW_S / 60.0)
    towards = min(a.rate_towards_per_min for a in members) * minutes
    colder_is_lower = members[0].cooling.sign < 0
    held = [overrides[a.id] for a in members if a.id in overrides]
    # Where people hold members of a group at different values, the last one stands for it.
    held.sort(key=lambda override: (override.expires_at_s, override.id))
    not_ours = {snapshot.modes.get(a.id, Mode.SHADOW) for a in members} == {Mode.OFF}
    # A stage is no setpoint to be moved by degrees: each plan holds one, and what comes after a
    # person's is for the step to say in which that ends.
    stage = members[0].quantity == STAGE_REQUEST
    not_moved = not_ours or stage
    fixed_until = held[-1].expires_at_s if held else None
    if stage or (not_ours and not held):
        fixed_until = FOR_GOOD_S
    return GroupLimits(
        group=members[0].group,
        unit=members[0].unit,
        in_force=setpoint,
        lower=lower.value,
        lower_name=lower.name,
        upper=max(upper.value, lower.value),
        upper_name=upper.name,
        rise_per_step=away if colder_is_lower else towards,
        fall_per_step=towards if colder_is_lower else away,
        pace_per_step=min(towards, _pace(site, members[0], settings)),
        colder_is_lower=colder_is_lower,
        free_from_s=max(free_from(a, writes.get(a.id, ()), settings) for a in members),
        away_from_s=max(away_from(writes.get(a.id, ()), settings) for a in members),
        fixed_until_s=fixed_until,
        fixed_at=held[-1].value if held else (setpoint if not_moved else None),
        fixed_by=held[-1].who if held else ("mode off" if not_ours else STAGE if stage else ""),
        economy_lower=_economy_lower(site, plant, members[0], setpoint, settings),
    )


def free_from(actuator: Actuator, writes: tuple[float, ...], settings: PlanningSettings) -> float:
    """Plant time from which the optimiser may write an actuator again, by the envelope's rules.

    0 where it has not written in the last hour.
    """
    if not writes:
        return 0.0
    budget = min(actuator.writes_per_hour, settings.writes_per_hour)
    earliest = writes[-1] + actuator.dwell_s
    if len(writes) >= budget:
        earliest = max(earliest, writes[-budget] + BUDGET_S)
    return earliest


def away_from(writes: tuple[float, ...], settings: PlanningSettings) -> float:
    """Plant time from which it may go away from cooling, by our own dwell; 0 where it may now."""
    return writes[-1] + settings.dwell_s if writes else 0.0


def recent(
    writes: Mapping[str, tuple[float, ...]], written: Collection[str], now_s: float
) -> dict[str, tuple[float, ...]]:
    """The times of writes with those of ``written`` now added, and old ones dropped."""
    found = {}
    for actuator in sorted({*writes, *written}):
        times = tuple(t for t in writes.get(actuator, ()) if t > now_s - BUDGET_S)
        times = (*times, now_s) if actuator in written else times
        if times:
            found[actuator] = times
    return found


def _pace(site: Site, actuator: Actuator, settings: PlanningSettings) -> float:
    """Of the plant's water, whose mass is large; units follow at once."""
    of_a_unit = actuator.equipment in site.cdus or actuator.equipment in site.crahs
    temperature = QUANTITIES[actuator.quantity].kind is Kind.TEMPERATURE
    return settings.plant_pace_k if temperature and not of_a_unit else math.inf


def _economy_lower(
    site: Site, plant: _Plant, actuator: Actuator, setpoint: float, settings: PlanningSettings
) -> float | None:
    """What a supply is not made colder than for economy, or where it is if that is below.

    Of tower water the wet bulb and the least approach; of a CDU's supply the water that its
    exchanger takes and its least approach.
    """
    if actuator.quantity == "cw_supply_temperature_setpoint":
        base_c, least_k = plant.wet_bulb_c, settings.least_approach_k
    elif actuator.quantity == "tcs_supply_temperature_setpoint":
        base_c = plant.water_c.get(site.cdus[actuator.equipment].loop)
        least_k = settings.least_cdu_approach_k
    else:
        return None
    return None if base_c is None else min(base_c + least_k, setpoint)


def _value(end: End) -> float:
    return end.value


def _lower_ends(
    site: Site, snapshot: Snapshot, plant: _Plant, actuator: Actuator, settings: PlanningSettings
) -> list[End]:
    ends = [End(actuator.minimum, "range")]
    cdu = site.cdus.get(actuator.equipment)
    if cdu is not None and actuator.quantity == "tcs_flow_setpoint":
        ends.append(End(cdu.min_tcs_flow_ls, "minimum flow"))
    if actuator.dew_point_margin_k is not None:
        if plant.dew_point_c is None:
            # Unknown air: what cools more than now could condense.
            known = snapshot.good(actuator.read_back)
            ends.append(End(actuator.maximum if known is None else known, "dew point unknown"))
        else:
            guard = actuator.dew_point_margin_k + settings.dew_point_reserve_k
            ends.append(End(min(plant.dew_point_c + guard, actuator.maximum), "dew point"))
    tank = site.storage_tanks.get(actuator.equipment)
    if tank is not None and not _gives(site, snapshot, tank):
        ends.append(End(0.0, "storage reserve"))
    loop = _loop_of(site, actuator)
    if loop is not None:
        ends.append(End(site.loops[loop].supply_min_c, "supply minimum"))
    known = snapshot.good(actuator.read_back)
    of_tower_water = actuator.quantity == "cw_supply_temperature_setpoint"
    if known is not None and of_tower_water and plant.short_lifts:
        ends.append(End(min(known, actuator.maximum), "least lift"))
    if site.devices[actuator.device].release is Release.JUMP:
        ends.append(End(_hand_back(snapshot, actuator)[0], "hand-back jump"))
    return ends


def _upper_ends(site: Site, snapshot: Snapshot, plant: _Plant, actuator: Actuator) -> list[End]:
    ends = [End(actuator.maximum, "range")]
    cdu = site.cdus.get(actuator.equipment)
    if cdu is not None and actuator.quantity == "tcs_supply_temperature_setpoint":
        ends.append(End(cdu.tcs_supply_max_c, "supply maximum"))
    loop = _loop_of(site, actuator)
    if loop is not None:
        ends.append(End(site.loops[loop].supply_max_c, "supply maximum"))
    known = snapshot.good(actuator.read_back)
    if known is not None and actuator.equipment in plant.short_lifts:
        ends.append(End(max(known, actuator.minimum), "least lift"))
    if site.devices[actuator.device].release is Release.JUMP:
        ends.append(End(_hand_back(snapshot, actuator)[1], "hand-back jump"))
    return ends


def _gives(site: Site, snapshot: Snapshot, tank: StorageTank) -> bool:
    """Whether a tank may be discharged: its level is known, and not under its reserve."""
    tag = site.tag(tank.id, CHARGE_LEVEL)
    level = None if tag is None else snapshot.good(tag)
    return level is not None and level >= tank.reserve_pct


def _short_lifts(site: Site, snapshot: Snapshot) -> frozenset[str]:
    """Chillers that run at hardly more than their least lift: not warmer, nor colder tower water.

    The envelope's interlock ``low_lift``, with a reserve for the time until it judges.
    """
    short = set()
    condenser = site.tag("tower_water", "cw_return_temperature")
    for chiller in site.chillers.values():
        leaving = site.tag(chiller.id, "chw_supply_temperature")
        if chiller.min_lift_k is None or condenser is None or leaving is None:
            continue
        running = site.tag(chiller.id, "running")
        stands = running is not None and snapshot.good(running) == 0.0
        above_c, below_c = snapshot.good(condenser), snapshot.good(leaving)
        if stands or above_c is None or below_c is None:
            continue
        if above_c - below_c < chiller.min_lift_k + LIFT_RESERVE_K:
            short.add(chiller.id)
    return frozenset(short)


def _loop_of(site: Site, actuator: Actuator) -> str | None:
    """The loop whose supply the setpoint is of."""
    if "supply_temperature" not in actuator.quantity:
        return None
    chiller = site.chillers.get(actuator.equipment)
    loop = actuator.equipment if chiller is None else chiller.loop
    return loop if loop in site.loops else None


def _hand_back(snapshot: Snapshot, actuator: Actuator) -> tuple[float, float]:
    """Where a jump back to the device's own value does no harm (the envelope's bound)."""
    device = snapshot.devices.get(actuator.device)
    shown = None if device is None else device.own.get(actuator.id)
    own = own_values(shown, actuator.fallback, snapshot.time_s)
    return ends(hand_back_of(actuator), own)
