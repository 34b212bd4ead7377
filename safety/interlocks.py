"""What the plant's condition leaves open: usable readings, dew point, interlocks, values in force.

All of it from one snapshot that the gateway took itself, and none of it from a reading that is
not good, not fresh, or not a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from facility.commands import Mode
from facility.telemetry import Authority, Quality, Snapshot
from safety.arithmetic import LARGEST, Interval, grains, units
from safety.guards import ActuatorLimits, DewGuard, Effect, Interlock, Sensor
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


def usable(
    telemetry: Snapshot, sensors: Iterable[Sensor], now_s: float, slack_s: float
) -> list[float | None]:
    """The readings of ``sensors``: each if it is good, a number, not too old, not of the future.

    The only place where a reading is believed. Written out in one expression, since a plant-wide
    interlock asks for thousands.
    """
    get, good, latest_s = telemetry.readings.get, Quality.GOOD, now_s + slack_s
    return [
        value
        if (reading := get(sensor.tag)) is not None
        and reading.quality is good
        and (value := reading.value) is not None
        and now_s - sensor.max_age_s <= reading.time_s <= latest_s
        and -LARGEST <= value <= LARGEST
        else None
        for sensor in sensors
    ]


class Conditions:
    """The interlocks of one moment, each judged once though many actuators share it."""

    def __init__(self, telemetry: Snapshot, now_s: float, slack_s: float) -> None:
        self.telemetry, self.now_s, self.slack_s = telemetry, now_s, slack_s
        self._judged: dict[int, Active | None] = {}

    def of(self, interlock: Interlock) -> Active | None:
        """As `judge_interlock`; by identity, since hashing thousands of sensors is no cheaper."""
        key = id(interlock)
        if key not in self._judged:
            self._judged[key] = judge_interlock(interlock, self.telemetry, self.now_s, self.slack_s)
        return self._judged[key]


def survey(own: ActuatorLimits, memory: ActuatorState, moment: Conditions) -> Situation:
    """How things stand with one actuator."""
    telemetry, now_s, slack_s = moment.telemetry, moment.now_s, moment.slack_s
    device = telemetry.devices.get(own.device)
    armed = device is not None and device.armed
    (read_back,) = usable(telemetry, (own.read_back,), now_s, slack_s)
    in_force = memory.in_force if armed else None
    starts = _starts(own, in_force, read_back)
    supply = () if own.dew is None or own.dew.supply is None else (own.dew.supply,)
    conditions = [moment.of(each) for each in own.interlocks]
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
        supply_c=next(iter(usable(telemetry, supply, now_s, slack_s)), None),
        active=tuple(condition for condition in conditions if condition is not None),
    )


def worst_dew_point(
    guard: DewGuard, telemetry: Snapshot, now_s: float, slack_s: float
) -> float | None:
    """The highest dew point that a usable sensor shows, °C; None where none is usable."""
    values = usable(telemetry, guard.sensors, now_s, slack_s)
    return max((value for value in values if value is not None), default=None)


def judge_interlock(
    interlock: Interlock, telemetry: Snapshot, now_s: float, slack_s: float
) -> Active | None:
    """The interlock if it is active: by its worst reading, or because too few can be used."""
    values = usable(telemetry, interlock.watches, now_s, slack_s)
    above = interlock.above
    crossed = [
        (abs(value - watch.threshold), watch, value)
        for watch, value in zip(interlock.watches, values, strict=True)
        if value is not None and (value > watch.threshold if above else value < watch.threshold)
    ]
    if crossed:
        _, watch, value = max(crossed, key=lambda each: each[0])
        side = "above" if above else "below"
        return Active(
            interlock.name,
            interlock.effect,
            f"{watch.tag} is {value:g}, {side} {watch.threshold:g}",
            saw={watch.tag: value, "threshold": watch.threshold},
        )
    seen = len(values) - values.count(None)
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
