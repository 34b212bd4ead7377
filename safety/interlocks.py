"""What the plant's condition leaves open: usable readings, dew point, interlocks, values in force.

All of it from one snapshot that the gateway took itself, and none of it from a reading that is
not good, not fresh, or not a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from facility.commands import Mode
from facility.telemetry import Authority, Quality, Snapshot
from safety.arithmetic import Interval, grains, is_number, units
from safety.guards import ActuatorLimits, DewGuard, Effect, Interlock, Limits, Sensor
from safety.state import ActuatorState


@dataclass(frozen=True, slots=True)
class Active:
    """An interlock or condition that is active now, and what it saw."""

    name: str
    effect: Effect
    detail: str
    known: bool = True
    """False where it is active because nobody can tell."""
    saw: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """One actuator and all that guards it, at one moment."""

    mode: Mode
    connected: bool
    armed: bool
    read_back: float | None
    in_force: float | None
    """What we set and still hold there."""
    starts: tuple[int, ...]
    """Grains: the values that a move may start from (read back, in force); none where unknown."""
    dew_point_c: float | None
    supply_c: float | None
    active: tuple[Active, ...]

    def having(self, effect: Effect) -> tuple[Active, ...]:
        """The active conditions of one effect."""
        return tuple(condition for condition in self.active if condition.effect is effect)


def usable(telemetry: Snapshot, sensor: Sensor, now_s: float, slack_s: float) -> float | None:
    """The reading of ``sensor``, if it is good, a number, not too old and not from the future."""
    reading = telemetry.readings.get(sensor.tag)
    if reading is None or reading.quality is not Quality.GOOD or reading.value is None:
        return None
    if not -slack_s <= now_s - reading.time_s <= sensor.max_age_s:
        return None
    return reading.value if is_number(reading.value) else None


def survey(
    limits: Limits,
    own: ActuatorLimits,
    memory: ActuatorState,
    telemetry: Snapshot,
    now_s: float,
) -> Situation:
    """How things stand with one actuator."""
    slack_s = limits.clock_slack_s
    device = telemetry.devices.get(own.device)
    armed = device is not None and device.armed
    read_back = usable(telemetry, own.read_back, now_s, slack_s)
    in_force = memory.in_force if armed else None
    starts = _starts(own, in_force, read_back)
    supply = None if own.dew is None else own.dew.supply
    conditions = [judge_interlock(each, telemetry, now_s, slack_s) for each in own.interlocks]
    if armed and device is not None and device.authority is Authority.LOCAL:
        conditions.insert(0, _local_control(own))
    if in_force is not None and read_back is not None and len(starts) > 1:
        conditions.insert(0, _other_hand(own, memory, telemetry, in_force, read_back, now_s))
    return Situation(
        mode=telemetry.modes.get(own.actuator, Mode.OFF),
        connected=device is not None and device.connected,
        armed=armed,
        read_back=read_back,
        in_force=in_force,
        starts=starts,
        dew_point_c=None
        if own.dew is None
        else worst_dew_point(own.dew, telemetry, now_s, slack_s),
        supply_c=None if supply is None else usable(telemetry, supply, now_s, slack_s),
        active=tuple(condition for condition in conditions if condition is not None),
    )


def worst_dew_point(
    guard: DewGuard, telemetry: Snapshot, now_s: float, slack_s: float
) -> float | None:
    """The highest dew point that a usable sensor shows, °C; None where none is usable."""
    values = [
        value
        for sensor in guard.sensors
        if (value := usable(telemetry, sensor, now_s, slack_s)) is not None
    ]
    return max(values, default=None)


def judge_interlock(
    interlock: Interlock, telemetry: Snapshot, now_s: float, slack_s: float
) -> Active | None:
    """The interlock if it is active: by its worst reading, or because too few can be used."""
    seen = 0
    worst, worst_value, worst_tag, worst_threshold = 0.0, 0.0, "", 0.0
    sign = 1.0 if interlock.above else -1.0
    for watch in interlock.watches:
        value = usable(telemetry, watch.sensor, now_s, slack_s)
        if value is None:
            continue
        seen += 1
        excess = (value - watch.threshold) * sign
        if excess > worst:
            worst, worst_value = excess, value
            worst_tag, worst_threshold = watch.sensor.tag, watch.threshold
    if worst_tag:
        side = "above" if interlock.above else "below"
        return Active(
            interlock.name,
            interlock.effect,
            f"{worst_tag} is {worst_value:g}, {side} {worst_threshold:g}",
            saw={worst_tag: worst_value, "threshold": worst_threshold},
        )
    if seen < interlock.quorum:
        return Active(
            interlock.name,
            interlock.unknown,
            f"only {seen} of {len(interlock.watches)} readings can be used; "
            f"{interlock.quorum} are needed",
            known=False,
            saw={"usable": float(seen), "needed": float(interlock.quorum)},
        )
    return None


def dew_point_interval(own: ActuatorLimits, situation: Situation) -> Interval:
    """Values far enough above the worst dew point; all where it is not guarded or not known."""
    if own.dew is None or situation.dew_point_c is None:
        return Interval("dew_point")
    lower = grains(situation.dew_point_c) + grains(own.dew.margin_k)
    return Interval(
        "dew_point",
        lower=lower,
        detail=f"at a dew point of {situation.dew_point_c:g} °C at least {units(lower):g} °C",
        saw={"dew_point_c": situation.dew_point_c, "margin_k": own.dew.margin_k},
    )


def static_intervals(own: ActuatorLimits) -> tuple[Interval, ...]:
    """The limits that depend on no reading."""
    return tuple(
        Interval(
            bound.check,
            None if bound.lower is None else grains(bound.lower),
            None if bound.upper is None else grains(bound.upper),
            f"{bound.check.replace('_', ' ')} is {_ends(bound.lower, bound.upper)} {own.unit}",
            {
                f"{bound.check}_{end}": value
                for end, value in (("lower", bound.lower), ("upper", bound.upper))
                if value is not None
            },
        )
        for bound in own.bounds
    )


def _ends(lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return "any"
    if upper is None:
        return f"at least {lower:g}"
    return f"at most {upper:g}" if lower is None else f"{lower:g} to {upper:g}"


def _starts(
    own: ActuatorLimits, in_force: float | None, read_back: float | None
) -> tuple[int, ...]:
    if in_force is None:
        return () if read_back is None else (grains(read_back),)
    if read_back is None or abs(grains(read_back) - grains(in_force)) <= grains(own.tolerance):
        return (grains(in_force),)
    return (grains(in_force), grains(read_back))


def _local_control(own: ActuatorLimits) -> Active:
    return Active(
        "local_control",
        Effect.ISOLATE,
        f"{own.device} says that it is in local control, although we enabled it",
    )


def _other_hand(
    own: ActuatorLimits,
    memory: ActuatorState,
    telemetry: Snapshot,
    in_force: float,
    read_back: float,
    now_s: float,
) -> Active | None:
    """Somebody else's setpoint: a read-back that is not ours, taken late enough to show ours."""
    accepted_at_s = memory.accepted_at_s
    taken_at_s = telemetry.reading(own.read_back.tag).time_s
    if accepted_at_s is not None and (
        now_s - accepted_at_s <= own.settle_s or taken_at_s <= accepted_at_s
    ):
        return None
    return Active(
        "other_hand",
        Effect.ISOLATE,
        f"we set {in_force:g} {own.unit} and find {read_back:g}: somebody else holds it",
        saw={"in_force": in_force, "read_back": read_back, "tolerance": own.tolerance},
    )
