"""What sensors showed lately: which have frozen, which change too fast, which are outvoted.

Kept in the envelope's state and not across restarts: it is what was seen, no timer. One frame a
minute for a quarter of an hour, so that it stays small however long a site runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median_low

from facility.telemetry import Quality, Reading, Snapshot
from safety.arithmetic import grains
from safety.guards import Limits, Sensor, Sighted, Vote
from safety.readings import usable

WINDOW_S = 900.0
FRAME_S = 60.0
FEWEST_FRAMES = 10
SWING_K = 5.0
"""ASHRAE TC 9.9, 2021 reference card: inlet air changes by at most 5 °C in any 15 min, which keeps
it below 20 °C in any hour as well."""

Values = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """The readings of one moment, in the order of `Limits.sighted`; None where not usable."""

    time_s: float
    values: Values
    drivers: Values


@dataclass(frozen=True, slots=True)
class Sightings:
    """The last frames, oldest first, and what they say."""

    frames: tuple[Frame, ...] = ()
    frozen: Mapping[str, float] = field(default_factory=dict)
    """By tag: the value at which the sensor stands still though what drives it moves."""
    rising: Mapping[str, float] = field(default_factory=dict)
    """By tag of inlet air: how far it rose in the window, K."""
    falling: Mapping[str, float] = field(default_factory=dict)


def observe(limits: Limits, sightings: Sightings, telemetry: Snapshot, now_s: float) -> Sightings:
    """The sightings with a frame of ``telemetry``, if a minute has passed since the last."""
    if not limits.sighted:
        return sightings
    frames = sightings.frames
    if frames and 0.0 <= now_s - frames[-1].time_s < FRAME_S:
        return sightings
    kept = tuple(each for each in frames if 0.0 <= now_s - each.time_s <= WINDOW_S)
    sensors = [each.sensor for each in limits.sighted]
    # A sensor without a driver is its own, which never moves while it stands still.
    drivers = [each.driver or each.sensor for each in limits.sighted]
    slack_s = limits.clock_slack_s
    frame = Frame(
        now_s,
        tuple(usable(telemetry.readings, sensors, now_s, slack_s)),
        tuple(usable(telemetry.readings, drivers, now_s, slack_s)),
    )
    return _judged(limits, replace(sightings, frames=(*kept, frame)))


def _judged(limits: Limits, sightings: Sightings) -> Sightings:
    frames = sightings.frames
    span_s = frames[-1].time_s - frames[0].time_s
    whole = span_s >= WINDOW_S - FRAME_S and len(frames) >= FEWEST_FRAMES
    frozen: dict[str, float] = {}
    rising: dict[str, float] = {}
    falling: dict[str, float] = {}
    columns = zip(
        limits.sighted,
        zip(*(frame.values for frame in frames), strict=True),
        zip(*(frame.drivers for frame in frames), strict=True),
        strict=True,
    )
    for sighted, values, driven in columns:
        now = values[-1]
        if now is None:
            continue
        tag = sighted.sensor.tag
        stuck_at = sightings.frozen.get(tag)
        if stuck_at == now or (whole and _is_frozen(sighted, values, driven)):
            frozen[tag] = now
            continue
        if sighted.calm_c is None:
            continue
        known = [value for value in values if value is not None]
        rise, fall = now - min(known), max(known) - now
        if grains(rise) > grains(SWING_K):
            rising[tag] = rise
        if grains(fall) > grains(SWING_K) and now < sighted.calm_c:
            falling[tag] = fall
    return Sightings(frames, frozen, rising, falling)


def _is_frozen(sighted: Sighted, values: Values, driven: Values) -> bool:
    """No variance while the load moves."""
    if None in values or max(values) != min(values):  # type: ignore[type-var]  # no None is left
        return False
    known = [value for value in driven if value is not None]
    return bool(known) and max(known) - min(known) >= sighted.driver_span


def honest(limits: Limits, sightings: Sightings, telemetry: Snapshot, now_s: float) -> Snapshot:
    """``telemetry`` with frozen and outvoted readings marked as what they are."""
    marked: dict[str, Reading] = {}
    for tag, stuck_at in sightings.frozen.items():
        reading = telemetry.reading(tag)
        if reading.good == stuck_at:
            note = f"stands at {stuck_at:g} while what drives it moves"
            marked[tag] = replace(reading, quality=Quality.FROZEN, note=note)
    readings = {**telemetry.readings, **marked} if marked else telemetry.readings
    for vote in limits.votes:
        marked |= _voted(vote, readings, now_s, limits.clock_slack_s)
    if not marked:
        return telemetry
    return replace(telemetry, readings={**telemetry.readings, **marked})


def _voted(
    vote: Vote, readings: Mapping[str, Reading], now_s: float, slack_s: float
) -> dict[str, Reading]:
    """What a vote changes: outvoted sensors, and the first one where a spare stands in for it."""
    values = usable(readings, vote.sensors, now_s, slack_s)
    known = [
        (value, sensor)
        for value, sensor in zip(values, vote.sensors, strict=True)
        if value is not None
    ]
    if not known:
        return {}
    middle = median_low(value for value, _ in known)
    within = grains(vote.tolerance) + round(grains(abs(middle)) * vote.share)
    agree = [sensor for value, sensor in known if abs(grains(value) - grains(middle)) <= within]
    if 2 * len(agree) <= len(known):
        # Nobody can say which of them is right.
        agree = []
    note = f"outvoted: the others show about {middle:g}" if agree else "the sensors disagree"
    marked = {
        sensor.tag: replace(readings[sensor.tag], quality=Quality.BAD, note=note)
        for _, sensor in known
        if sensor not in agree
    }
    first = vote.sensors[0]
    if agree and first not in agree:
        marked[first.tag] = _stand_in(first, agree, readings, middle)
    return marked


def _stand_in(
    first: Sensor, agree: list[Sensor], readings: Mapping[str, Reading], middle: float
) -> Reading:
    note = f"{first.tag} cannot be believed; {agree[0].tag} stands in for it"
    return Reading(middle, Quality.GOOD, readings[agree[0].tag].time_s, note)
