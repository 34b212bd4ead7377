"""What the plant's condition leaves open: usable readings, dew point, interlocks, values in force.

All of it from one snapshot that the gateway took itself, and none of it from a reading that is
not good, not fresh, or not a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from facility.commands import Mode
from facility.telemetry import Authority, DeviceStatus, Snapshot
from safety.arithmetic import Interval, grains, units
from safety.guards import (
    ActuatorLimits,
    DewGuard,
    Effect,
    Guard,
    Interlock,
    Redundancy,
    Sensor,
    Swing,
)
from safety.hand_back import near, own_values
from safety.readings import Crossing, Looks, usable
from safety.sightings import SWING_K, WINDOW_S, Sightings
from safety.state import ActuatorState

HALF = 0.5
"""A contact or a state above this is 1."""


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
    hand_back: Interval
    """So near the device's own value that a release does no harm."""

    def having(self, effect: Effect) -> tuple[Active, ...]:
        """The active conditions of one effect."""
        return tuple(condition for condition in self.active if condition.effect is effect)


class Conditions:
    """The conditions of one moment, each judged once though many actuators share it."""

    def __init__(
        self,
        telemetry: Snapshot,
        now_s: float,
        slack_s: float,
        sightings: Sightings,
        looks: Looks | None = None,
    ) -> None:
        self.telemetry, self.now_s, self.slack_s = telemetry, now_s, slack_s
        self._sightings, self._looks = sightings, looks or Looks()
        self._judged: dict[int, Active | None] = {}

    def usable(self, sensors: Iterable[Sensor]) -> list[float | None]:
        """The readings of ``sensors`` that may be believed at this moment."""
        return usable(self.telemetry.readings, sensors, self.now_s, self.slack_s)

    def crossings(self, interlock: Interlock) -> tuple[int, Sequence[Crossing]]:
        """`safety.readings.crossings` at this moment."""
        readings = self.telemetry.readings
        return self._looks.crossings(interlock, readings, self.now_s, self.slack_s)

    def of(self, guard: Guard) -> Active | None:
        """The condition if it is active.

        Kept by identity, since hashing thousands of sensors is no cheaper than judging them.
        """
        key = id(guard)
        if key not in self._judged:
            self._judged[key] = self._judge(guard)
        return self._judged[key]

    def _judge(self, guard: Guard) -> Active | None:
        if isinstance(guard, Interlock):
            return judge_interlock(guard, self)
        if isinstance(guard, Redundancy):
            return redundancy_lost(guard, self)
        return swing(guard, self._sightings)


def survey(own: ActuatorLimits, memory: ActuatorState, moment: Conditions) -> Situation:
    """How things stand with one actuator."""
    telemetry, now_s = moment.telemetry, moment.now_s
    device = telemetry.devices.get(own.device)
    armed = device is not None and device.armed
    (read_back,) = moment.usable((own.read_back,))
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
        dew_point_c=None if own.dew is None else worst_dew_point(own.dew, moment),
        supply_c=next(iter(moment.usable(supply)), None),
        active=tuple(condition for condition in conditions if condition is not None),
        hand_back=_hand_back(own, device, moment),
    )


def _hand_back(own: ActuatorLimits, device: DeviceStatus | None, moment: Conditions) -> Interval:
    if own.hand_back is None:
        return Interval("hand_back")
    shown = None if device is None else device.own.get(own.actuator)
    values = own_values(shown, own.fallback, moment.now_s)
    return near(own.hand_back, values, own.unit)


def worst_dew_point(guard: DewGuard, moment: Conditions) -> float | None:
    """The highest dew point that a usable sensor shows, °C; None where none is usable."""
    values = moment.usable(guard.sensors)
    return max((value for value in values if value is not None), default=None)


def judge_interlock(interlock: Interlock, moment: Conditions) -> Active | None:
    """The interlock if it is active: by its worst reading, or because too few can be used."""
    if interlock.running and not any(
        shown is None or shown > HALF for shown in moment.usable(interlock.running)
    ):
        return None
    look = _differences(interlock, moment) if interlock.less else moment.crossings(interlock)
    seen, crossed = look
    if crossed:
        worst = max(crossed, key=lambda each: each.beyond)
        side = "above" if interlock.above else "below"
        return Active(
            interlock.name,
            interlock.effect,
            f"{worst.tag} is {worst.value:g}, {side} {worst.threshold:g}",
            saw={worst.tag: worst.value, "threshold": worst.threshold},
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


def redundancy_lost(guard: Redundancy, moment: Conditions) -> Active | None:
    """Too little capacity would be left if one more machine were lost."""
    left = [
        rated_kw
        for rated_kw, shown in zip(guard.rated_kw, moment.usable(guard.available), strict=True)
        if shown is not None and shown > HALF
    ]
    left_kw = sum(left) - max(left, default=0.0)
    if grains(left_kw) >= grains(guard.needed_kw):
        return None
    return Active(
        guard.name,
        Effect.TOWARDS,
        f"{len(left)} of {len(guard.rated_kw)} machines can be had: with one more lost "
        f"{left_kw:g} kW would be left of the {guard.needed_kw:g} kW needed",
        saw={"left_kw": left_kw, "needed_kw": guard.needed_kw, "available": float(len(left))},
    )


def swing(guard: Swing, sightings: Sightings) -> Active | None:
    """Inlet air that changed too far in the last quarter of an hour."""
    found = sightings.rising if guard.rising else sightings.falling
    fast = {tag: change_k for tag, change_k in found.items() if tag in guard.tags}
    if not fast:
        return None
    tag = max(fast, key=lambda each: (fast[each], each))
    way = "rose" if guard.rising else "fell"
    return Active(
        guard.name,
        guard.effect,
        f"{tag} {way} by {fast[tag]:.1f} K within {WINDOW_S / 60.0:g} min",
        saw={tag: fast[tag], "most_k": SWING_K},
    )


def _differences(interlock: Interlock, moment: Conditions) -> tuple[int, Sequence[Crossing]]:
    """As `safety.readings.crossings`, of each watch less its partner."""
    values, less = moment.usable(interlock.watches), moment.usable(interlock.less)
    seen, crossed = 0, []
    for watch, other, value, off in zip(
        interlock.watches, interlock.less, values, less, strict=True
    ):
        if value is None or off is None:
            continue
        seen += 1
        difference = units(grains(value) - grains(off))
        tag = f"{watch.tag} less {other.tag}"
        if difference > watch.threshold if interlock.above else difference < watch.threshold:
            beyond = abs(difference - watch.threshold)
            crossed.append(Crossing(beyond, tag, difference, watch.threshold))
    return seen, crossed


def dew_point_interval(own: ActuatorLimits, dew_point_c: float | None) -> Interval:
    """Values far enough above the worst dew point; all where it is not guarded or not known."""
    if own.dew is None or dew_point_c is None:
        return Interval("dew_point")
    lower = grains(dew_point_c) + grains(own.dew.margin_k)
    return Interval(
        "dew_point",
        lower=lower,
        detail=f"at a dew point of {dew_point_c:g} °C at least {units(lower):g} °C",
        saw={"dew_point_c": dew_point_c, "margin_k": own.dew.margin_k},
    )


def storing_interval(situation: Situation) -> Interval:
    """Values that take nothing out of a storage tank, while a condition says so; else all."""
    for condition in situation.having(Effect.STORE):
        detail = f"{condition.detail}, so nothing is taken out of it"
        return Interval(condition.name, lower=0, detail=detail, saw=condition.saw)
    return Interval("storage_reserve")


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
