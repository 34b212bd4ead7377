"""A commissioning experiment: which setpoint to write when, so that a model can learn the hall.

Within the site's ranges, rates, dwell times and writes an hour as its envelope states them, so
that each write of the plan would be let through as far as the plan alone can tell; dew point,
interlocks and whatever else needs telemetry are judged when it is carried out.
"""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from facility.devices import Actuator
from facility.excitation import JOINT_S, TURN_BACK_K, Targets
from facility.quantities import STAGE_REQUEST
from facility.site import Site
from safety.arithmetic import units
from safety.guards import ActuatorLimits, Limits
from safety.limits import limits_of

STEP_S = 60.0
SLOWEST = 12.0
"""Times slower; beyond, a level would stand for longer than a day."""
FEWEST_HOURS, MOST_HOURS = 4.0, 21 * 24.0


class ExperimentError(ValueError):
    """No plan can be made so; the message says why."""


@dataclass(frozen=True, slots=True)
class Write:
    """One setpoint to be written."""

    at_s: float
    """From the beginning of the experiment."""
    actuator: str
    value: float
    """Canonical units."""


@dataclass(frozen=True)
class Plan:
    """An experiment."""

    site: Site
    hours: float
    start: Mapping[str, float]
    """Values that are in force when it begins, by actuator."""
    writes: tuple[Write, ...]

    def covered(self) -> dict[str, float]:
        """By actuator: the part of its range between its lowest and highest value."""
        found = {}
        for name, actuator in self.site.actuators.items():
            values = [self.start[name], *(w.value for w in self.writes if w.actuator == name)]
            span = max(actuator.maximum - actuator.minimum, 1e-9)
            found[name] = (max(values) - min(values)) / span
        return found

    def to_csv(self) -> str:
        """``minute, actuator, value, unit, group``: a row a write."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("minute", "actuator", "value", "unit", "group"))
        for write in self.writes:
            own = self.site.actuators[write.actuator]
            minute = f"{write.at_s / 60.0:g}"
            rows.writerow((minute, write.actuator, f"{write.value:g}", own.unit, own.group))
        return text.getvalue()

    def to_text(self) -> str:
        """The rules for those who carry it out, in words (Markdown)."""
        backs = "\n".join(
            f"  - {kind.value} racks: {k:g} K below their limit"
            for kind, k in TURN_BACK_K.items()
            if any(rack.kind is kind for rack in self.site.racks.values())
        )
        covered = "\n".join(
            f"| {name} | {share:.0%} |" for name, share in sorted(self.covered().items())
        )
        return f"""# Commissioning experiment at {self.site.name}

{self.hours:g} hours, {len(self.writes)} writes, all units together. Every value is within the
range, the rates, the dwell time and the writes an hour of `site.toml`.

## Before
- Somebody who can take over stands at the plant the whole time; the shift knows.
- The history is recorded once a minute at least: every tag that `isotherm model check` asks for.
- The plant begins where the plan says; else plan again from where it is.

## The rule to turn back
Watch the hottest rack of every unit. As soon as one is so near its limit
{backs}

1. set all setpoints of the unit that cools it to their coldest (most flow) at once, without waiting
   for the plan's next row; towards cooling there is no waiting;
2. leave the unit out of the plan until all its racks are 2 K below that line, then go on with the
   plan's values of that time;
3. if it happens three times in a day, end the experiment for that unit.

Give the whole plant back to its own control (`isotherm release`, or at the panels) on any alarm of
the plant, at a supply within 2 K of the dew point, when a sensor that the rule needs is lost, when
load is about to be added, or when in doubt. What was recorded until then is of use all the same.

## After
Give the plant back; then `isotherm model check`, then `isotherm model train`.

## What it covers
| actuator | of its range |
|---|---|
{covered}
"""


def plan(
    site: Site,
    hours: float,
    *,
    seed: int = 0,
    wet_bulb_c: float | None = None,
    start: Mapping[str, float] | None = None,
) -> Plan:
    """Design an experiment.

    Parameters
    ----------
    wet_bulb_c
        Expected; with it the water is often set as a chain, each supply over what cools it.
    start
        Values in force at the beginning, by actuator; the fallback where it says nothing.

    Raises
    ------
    ExperimentError
        The hours are out of range, or ``start`` names what is no actuator.
    safety.limits.LimitsError
        The site's limits are not whole.
    """
    if not FEWEST_HOURS <= hours <= MOST_HOURS:
        raise ExperimentError(f"{hours:g} hours: {FEWEST_HOURS:g} to {MOST_HOURS:g} can be planned")
    given = dict(start or {})
    if unknown := [name for name in given if name not in site.actuators]:
        raise ExperimentError(f"{unknown[0]} is no actuator of {site.id}")
    limits = limits_of(site)
    held = {name: given.get(name, own.fallback) for name, own in site.actuators.items()}
    begun = dict(held)
    targets = Targets(site, random.Random(seed).uniform, 0.0)
    pace = _pace(site, limits)
    wrote_s = dict.fromkeys(held, 0.0)
    writes: list[Write] = []
    for minute in range(1, round(hours * 60.0)):
        now_s = minute * STEP_S
        targets.at(now_s / pace, wet_bulb_c)
        for name, actuator in site.actuators.items():
            own = limits.actuators[name]
            every_s = _every_s(own)
            if now_s - wrote_s[name] < every_s:
                continue
            value = _next(limits, own, actuator, held[name], targets.of(actuator), every_s)
            if abs(value - held[name]) < max(own.dead_band, 1e-9):
                continue
            held[name], wrote_s[name] = value, now_s
            writes.append(Write(now_s, name, value))
    return Plan(site, hours, begun, tuple(writes))


def _every_s(own: ActuatorLimits) -> float:
    """Shortest time between two writes that can go on for ever."""
    return max(own.dwell_s, 3600.0 / own.writes_per_hour if own.writes_per_hour else math.inf)


def _pace(site: Site, limits: Limits) -> float:
    """How much slower than people at their panels the envelope lets the plan go."""
    crossings_s = []
    for name, actuator in site.actuators.items():
        own = limits.actuators[name]
        every_s = _every_s(own)
        step = own.rate_away_per_min * min(every_s, limits.away_window_s) / 60.0
        crossings_s.append((actuator.maximum - actuator.minimum) / max(step, 1e-9) * every_s)
    middle_s = sorted(crossings_s)[len(crossings_s) // 2]
    return min(max(middle_s / (0.5 * sum(JOINT_S)), 1.0), SLOWEST)


def _next(
    limits: Limits,
    own: ActuatorLimits,
    actuator: Actuator,
    held: float,
    target: float,
    since_s: float,
) -> float:
    """As far towards the target as static bounds and rates let one write go."""
    for bound in own.static:
        target = target if bound.lower is None else max(target, units(bound.lower))
        target = target if bound.upper is None else min(target, units(bound.upper))
    towards = actuator.is_more_cooling(target, held)
    rate = own.rate_towards_per_min if towards else own.rate_away_per_min
    window_s = limits.towards_window_s if towards else limits.away_window_s
    most = rate * min(since_s, window_s) / 60.0
    value = held + min(max(target - held, -most), most)
    # Rounded towards where it came from: never further than was allowed.
    grain = 1.0 if actuator.quantity == STAGE_REQUEST else GRAIN
    steps = (value - held) / grain
    return held + grain * (int(steps) if steps >= 0.0 else -int(-steps))


GRAIN = 0.01
