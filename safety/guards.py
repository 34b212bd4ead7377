"""The limits of the envelope as plain data: what is guarded, by which sensors, and how tightly.

Nothing here decides anything. `safety.limits` makes these from a `Site`; the checks read them.
Values in the canonical unit of their actuator, temperatures in °C, differences in K, times in s.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from facility.devices import Cooling
from facility.points import Point
from facility.wire import dumps
from safety.arithmetic import Interval, grains
from safety.backup import Backup

AWAY_WINDOW_S = 300.0
"""Of the rate away from cooling; a jump that way is at most what it allows in one such window."""
CLOCK_SLACK_S = 1.0


@dataclass(frozen=True, slots=True)
class Sensor:
    """A reading that a check needs, and how old it may be."""

    tag: str
    max_age_s: float


class Effect(Enum):
    """What an active condition leaves open."""

    TOWARDS = "towards"
    """Only moves towards more cooling."""
    AWAY = "away"
    """Only moves away from cooling: more of it would freeze, condense or starve something."""
    STORE = "store"
    """Nothing is taken out of a storage tank: values of 0 and above."""
    HOLD = "hold"
    """No move at all."""
    ISOLATE = "isolate"
    """No move, and the device goes back to its own control."""


@dataclass(frozen=True, slots=True)
class Watch(Sensor):
    """A sensor of an interlock with the threshold that its reading must not cross."""

    threshold: float


@dataclass(frozen=True)
class Interlock:
    """A condition of the plant that narrows what may be written while it is active."""

    name: str
    watches: tuple[Watch, ...]
    above: bool
    """Active where a reading is above its threshold; else where one is below."""
    effect: Effect
    quorum: int
    """So many of the sensors must be usable; with fewer, ``unknown`` takes effect."""
    unknown: Effect
    less: tuple[Sensor, ...] = ()
    """Where given, one a watch: its reading is taken off the watch's (a lift)."""
    running: tuple[Sensor, ...] = ()
    """Where given, the condition counts only while one of these shows 1, or cannot be read."""

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Of its watches."""
        return tuple(each.tag for each in self.watches)

    @cached_property
    def least_age_s(self) -> float:
        """So old each of its readings may be at least."""
        return min(each.max_age_s for each in self.watches)

    @cached_property
    def columns(self) -> tuple[tuple[float, tuple[str, ...], tuple[float, ...]], ...]:
        """The watches side by side for quick passes: by age, their tags and thresholds."""
        ages_s = dict.fromkeys(each.max_age_s for each in self.watches)
        alike = [
            (age_s, [each for each in self.watches if each.max_age_s == age_s]) for age_s in ages_s
        ]
        return tuple(
            (age_s, tuple(each.tag for each in group), tuple(each.threshold for each in group))
            for age_s, group in alike
        )


@dataclass(frozen=True, slots=True)
class Redundancy:
    """N+1: the capacity of parallel machines that must be left with one more of them lost."""

    name: str
    available: tuple[Sensor, ...]
    """Of each machine: 1 while it can be had. One that cannot be read counts as lost."""
    rated_kw: tuple[float, ...]
    needed_kw: float


@dataclass(frozen=True, slots=True)
class Swing:
    """Inlet air that warms or cools faster than the IT equipment may see."""

    name: str
    tags: tuple[str, ...]
    rising: bool
    effect: Effect


Guard = Interlock | Redundancy | Swing


@dataclass(frozen=True, slots=True)
class Sighted:
    """A sensor that is remembered for a while: has it frozen, does it change too fast?"""

    sensor: Sensor
    driver: Sensor | None
    """What moves it: the IT power of its rack."""
    driver_span: float
    """The driver has moved when it moved by so much."""
    calm_c: float | None
    """Of inlet air: below this, falling fast is overcooling. None: its rate does not count."""


@dataclass(frozen=True, slots=True)
class Vote:
    """Sensors of one quantity in one place: the first, and the spares that double it."""

    sensors: tuple[Sensor, ...]
    tolerance: float
    share: float
    """They agree within ``tolerance + share * |median|``."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """What limits the starts and stops of one machine."""

    unit: str
    running: Sensor | None
    """1 while it runs, whoever started it."""
    start_to_start_s: float
    starts_in_12_h: int
    min_on_s: float
    min_off_s: float
    before_start: tuple[Guard, ...]
    """None may be active at a start: pumps proven by their flow, nothing frozen."""
    before_stop: tuple[Guard, ...]
    """None may be active at a stop: redundancy, machines that need this one."""
    always: tuple[Guard, ...]
    """Conditions that give everything back, lock-outs and machines out of service."""


@dataclass(frozen=True, slots=True)
class DewGuard:
    """Condensation: how far above which dew points the supply must stay."""

    margin_k: float
    sensors: tuple[Sensor, ...]
    """The dew-point sensors of every hall that the supply passes; the worst usable one counts."""
    supply: Sensor | None
    """The measured supply, where it is measured."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit that depends on no reading, with the name of its check."""

    check: str
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class HandBack:
    """How far a value may lie from the device's own, to which a release jumps."""

    lower: float
    """0 or less."""
    upper: float


@dataclass(frozen=True)
class ActuatorLimits:
    """Everything that limits one actuator."""

    actuator: str
    device: str
    equipment: str
    point: Point
    """The whitelist: the only address, type and scale that this actuator is written with."""
    cooling: Cooling
    bounds: tuple[Bound, ...]
    """In the order in which they are named where several bind."""
    rate_towards_per_min: float
    rate_away_per_min: float
    dew: DewGuard | None
    """None only where the site declares the surfaces insulated."""
    interlocks: tuple[Guard, ...]
    read_back: Sensor
    tolerance: float
    settle_s: float
    """So long after a write the read-back may still show what was before."""
    dead_band: float
    dwell_s: float
    writes_per_hour: int
    reversals_per_hour: int
    """Turns of the optimiser from more cooling to less."""
    fallback: float
    unit: str
    hand_back: HandBack | None = None
    """Where the device jumps when it is released."""

    @cached_property
    def static(self) -> tuple[Interval, ...]:
        """`bounds` as intervals."""
        return tuple(_interval(bound, self.unit) for bound in self.bounds)


@dataclass(frozen=True)
class Limits:
    """All limits of a site: a version that people count, and a hash that nobody chooses."""

    version: int
    site: str
    actuators: Mapping[str, ActuatorLimits]
    command_max_age_s: float
    backup: Backup = field(default_factory=Backup)
    """The worst case that no setpoint may lead to."""
    wet_bulb: Sensor | None = None
    unguarded: tuple[str, ...] = ()
    """What the site does not measure, and which check therefore does not exist: for people."""
    towards_window_s: float = 60.0
    """A move towards cooling may use up the rate of so many seconds without a move, at most."""
    away_window_s: float = AWAY_WINDOW_S
    """The same away from cooling: «at most 0.5 °C in 5 min»."""
    blind_hold_s: float = 300.0
    """So long a value is held while the dew point or an interlock cannot be known."""
    correction_deadline_s: float = 300.0
    """A value in force that cannot be brought within the limits by then is given back."""
    clock_slack_s: float = CLOCK_SLACK_S
    """How far the moments of a scan, a command and a verdict may disagree: one beat."""
    sighted: tuple[Sighted, ...] = ()
    votes: tuple[Vote, ...] = ()
    stages: Mapping[str, StageLimits] = field(default_factory=dict)
    """By machine: what limits its starts and stops."""

    @cached_property
    def hash(self) -> str:
        """SHA-256 over every limit: equal hashes are equal limits."""
        return hashlib.sha256(dumps(self).encode()).hexdigest()


def _interval(bound: Bound, unit: str) -> Interval:
    ends = {
        f"{bound.check}_{end}": value
        for end, value in (("lower", bound.lower), ("upper", bound.upper))
        if value is not None
    }
    words = " and ".join(
        f"at {'least' if name.endswith('lower') else 'most'} {value:g} {unit}"
        for name, value in ends.items()
    )
    return Interval(
        bound.check,
        None if bound.lower is None else grains(bound.lower),
        None if bound.upper is None else grains(bound.upper),
        f"{bound.check.replace('_', ' ')}: {words or 'any'}",
        ends,
    )
